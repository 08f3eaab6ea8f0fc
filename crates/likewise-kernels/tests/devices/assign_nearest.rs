//! Nearest centroids.

use burn::tensor::{Device, Int, Tensor};
use likewise_kernels::{Score, assign_nearest, assign_nearest_twin};

use crate::ranking::{Problem, SCORES, by_columns, order};
use crate::support::{Case, integers, tensor, values};

pub fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "assign_nearest::exact_where_scores_tie",
            exact_where_scores_tie,
        ),
        Case::new("assign_nearest::random_rows", random_rows),
        Case::new("assign_nearest::what_is_no_number_comes_last", no_numbers),
        Case::new("assign_nearest::other_layouts", other_layouts),
        Case::new(
            "assign_nearest::between_fused_operations",
            between_operations,
        ),
        Case::new("assign_nearest::empty", empty),
        Case::new("assign_nearest::points_in_parts", points_in_parts),
    ]
}

type Assign = fn(Tensor<2>, Tensor<2>, Score) -> (Tensor<1, Int>, Tensor<1>);

const BOTH: [Assign; 2] = [assign_nearest, assign_nearest_twin];

/// Exact scores: the same rows as in double precision.
async fn check(problem: &Problem, device: &Device, operations: &[Assign]) {
    for operation in operations {
        let [points, centroids] = problem.tensors(device);
        let (rows, scores) = operation(points, centroids, problem.score);
        let (rows, scores) = (integers(rows).await, values(scores).await);
        assert_eq!([rows.len(), scores.len()], [problem.query_rows(); 2]);
        for (point, (row, score)) in rows.into_iter().zip(scores).enumerate() {
            let all = problem.scores(point).into_iter().zip(0..);
            let (expected, nearest) = all.min_by(|&a, &b| order(a, b)).expect("centroids");
            let shape = [problem.query_rows(), problem.gallery_rows()];
            assert_eq!(row, nearest as i64, "{shape:?}, point {point}");
            let same = score == expected || (score.is_nan() && expected.is_nan());
            assert!(same, "{score} instead of {expected}");
        }
    }
}

/// Rounded scores: the row has the smallest score up to rounding.
async fn check_rounded(problem: &Problem, device: &Device) {
    let [points, centroids] = problem.tensors(device);
    let (rows, scores) = assign_nearest(points, centroids, problem.score);
    let (rows, scores) = (integers(rows).await, values(scores).await);
    for (point, (row, score)) in rows.into_iter().zip(scores).enumerate() {
        let all = problem.scores(point);
        let least = all.iter().copied().fold(f64::INFINITY, f64::min);
        let rounding = problem.rounding();
        let difference = (score - least).abs().max((all[row as usize] - least).abs());
        assert!(difference <= rounding, "point {point}: {difference}");
    }
}

async fn exact_where_scores_tie(device: Device) {
    let shapes = [
        [1, 1, 1],
        [1, 65, 2],
        [63, 64, 3],
        [64, 63, 16],
        [65, 130, 4],
        [300, 3, 17],
    ];
    for (seed, shape) in shapes.into_iter().enumerate() {
        for score in SCORES {
            let problem = Problem::whole(shape, score, seed as u64);
            check(&problem, &device, &BOTH).await;
        }
    }
}

async fn random_rows(device: Device) {
    for components in [1, 7, 128, 2048] {
        for score in SCORES {
            let problem = Problem::random([90, 150, components], score, components as u64);
            check_rounded(&problem, &device).await;
        }
    }
}

async fn no_numbers(device: Device) {
    for score in SCORES {
        let mut problem = Problem::without_numbers(score);
        check(&problem, &device, &BOTH).await;
        // Infinity is nearer.
        problem.gallery = [f32::NAN, f32::INFINITY, f32::INFINITY].repeat(3);
        problem.components = 1;
        check(&problem, &device, &BOTH).await;
    }
}

async fn other_layouts(device: Device) {
    let problem = Problem::whole([66, 66, 9], Score::SquaredEuclidean, 3);
    let columns: Assign =
        |points, centroids, score| assign_nearest(by_columns(points), by_columns(centroids), score);
    check(&problem, &device, &[columns]).await;
    // Each point is a centroid.
    let problem = Problem::random([70, 1, 40], Score::SquaredEuclidean, 3);
    let [points, _] = problem.tensors(&device);
    let (rows, scores) = assign_nearest(points.clone(), points, problem.score);
    assert_eq!(integers(rows).await, (0..70).collect::<Vec<i64>>());
    assert_eq!(values(scores).await, [0.0; 70]);
}

async fn between_operations(device: Device) {
    let problem = Problem::whole([10, 100, 6], Score::SquaredEuclidean, 8);
    let surrounded: Assign = |points, centroids, score| {
        let (points, centroids) = (points * 2.0 - 3.0, centroids.mul_scalar(2.0) - 3.0);
        let (rows, scores) = assign_nearest(points, centroids, score);
        ((rows + 1) * 3 / 3 - 1, (scores + 4.0) / 4.0 - 1.0)
    };
    check(&problem, &device, &[surrounded]).await;
}

async fn empty(device: Device) {
    let matrix = |rows, columns| Tensor::<2>::zeros([rows, columns], &device);
    let (rows, scores) = assign_nearest(matrix(0, 3), matrix(5, 3), Score::Cosine);
    assert_eq!([rows.dims(), scores.dims()], [[0]; 2]);
    let (rows, scores) = assign_nearest(matrix(2, 0), matrix(5, 0), Score::Cosine);
    assert_eq!(integers(rows).await, [0; 2]);
    assert_eq!(values(scores).await, [0.0; 2]);
}

/// More points than one dispatch has.
async fn points_in_parts(device: Device) {
    let count = (1 << 20) + 3;
    let points: Vec<f32> = (0..count).map(|point| (point % 5) as f32 * 0.6).collect();
    let points = tensor(&points, [count, 1], &device);
    let centroids = Tensor::<1, Int>::arange(0..3, &device).float();
    let score = Score::SquaredEuclidean;
    let (rows, _) = assign_nearest(points, centroids.unsqueeze_dim(1), score);
    for (point, row) in integers(rows).await.into_iter().enumerate() {
        assert_eq!(row, [0, 1, 1, 2, 2][point % 5], "point {point}");
    }
}
