//! First rows of each query.

use burn::tensor::{Device, Int, Tensor};
use likewise_kernels::{LARGEST_K, Score, top_k, top_k_twin};

use crate::ranking::{Problem, SCORES, by_columns, order, own_rows, whole};
use crate::support::{Case, integers, tensor, values};

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("top_k::exact_where_scores_tie", exact_where_scores_tie),
        Case::new("top_k::random_rows", random_rows),
        Case::new("top_k::as_many_as_possible", as_many_as_possible),
        Case::new("top_k::all_scores_the_same", all_scores_the_same),
        Case::new("top_k::what_is_no_number_comes_last", no_numbers),
        Case::new("top_k::other_layouts", other_layouts),
        Case::new("top_k::between_fused_operations", between_operations),
        Case::new("top_k::empty", empty),
        Case::new("top_k::queries_in_parts", queries_in_parts),
        Case::new("top_k::many_workgroups", many_workgroups),
    ]
}

type TopK = fn(Tensor<2>, Tensor<2>, Tensor<1, Int>, usize, Score) -> (Tensor<2, Int>, Tensor<2>);

/// Rows and scores in double precision.
fn expected(problem: &Problem, query: usize, own: i64, k: usize) -> (Vec<i64>, Vec<f64>) {
    let scores = problem.scores(query).into_iter().zip(0..);
    let mut all: Vec<(f64, usize)> = scores.filter(|&(_, row)| row as i64 != own).collect();
    all.sort_by(|&a, &b| order(a, b));
    let absent = (f64::INFINITY, -1);
    let found = all.iter().map(|&(score, row)| (score, row as i64));
    let found = found.chain(std::iter::repeat(absent)).take(k);
    found.map(|(score, row)| (row, score)).unzip()
}

fn assert_same(actual: &[f64], expected: &[f64], rounding: f64) {
    for (&actual, &expected) in actual.iter().zip(expected) {
        let same = actual == expected
            || (actual.is_nan() && expected.is_nan())
            || (actual - expected).abs() <= rounding;
        assert!(same, "score {actual} instead of {expected}");
    }
}

/// Exact scores: the same rows as in double precision.
async fn check(problem: &Problem, k: usize, device: &Device, operations: &[TopK]) {
    let own = own_rows(problem);
    for operation in operations {
        let [queries, gallery] = problem.tensors(device);
        let own_tensor = whole(&own, [own.len()], device);
        let (rows, scores) = operation(queries, gallery, own_tensor, k, problem.score);
        assert_eq!(rows.dims(), [own.len(), k]);
        let (rows, scores) = (integers(rows).await, values(scores).await);
        for (query, &own) in own.iter().enumerate() {
            let (expected_rows, expected_scores) = expected(problem, query, own, k);
            let shape = [problem.query_rows(), problem.gallery_rows(), k];
            assert_eq!(rows[query * k..][..k], expected_rows, "{shape:?}, {query}");
            assert_same(&scores[query * k..][..k], &expected_scores, 0.0);
        }
    }
}

/// Rounded scores: the same scores as in double precision, of the rows given, all different.
async fn check_rounded(problem: &Problem, k: usize, device: &Device) {
    let own = own_rows(problem);
    let [queries, gallery] = problem.tensors(device);
    let own_tensor = whole(&own, [own.len()], device);
    let (rows, scores) = top_k(queries, gallery, own_tensor, k, problem.score);
    let (rows, scores) = (integers(rows).await, values(scores).await);
    for (query, &own) in own.iter().enumerate() {
        let (rows, scores) = (&rows[query * k..][..k], &scores[query * k..][..k]);
        let (_, expected) = expected(problem, query, own, k);
        assert_same(scores, &expected, problem.rounding());
        assert!(scores.is_sorted(), "query {query}: {scores:?}");
        let all = problem.scores(query);
        let found: Vec<i64> = rows.iter().copied().filter(|&row| row >= 0).collect();
        let of_rows: Vec<f64> = found.iter().map(|&row| all[row as usize]).collect();
        assert_same(scores, &of_rows, problem.rounding());
        let mut distinct = found.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(
            distinct.len(),
            found.len(),
            "query {query}: a row came twice"
        );
        assert!(!found.contains(&own), "query {query}: its own row came");
    }
}

const BOTH: [TopK; 2] = [top_k, top_k_twin];

async fn exact_where_scores_tie(device: Device) {
    let shapes = [
        [1, 1, 1, 1],
        [1, 1, 1, 3],
        [2, 63, 2, 5],
        [65, 64, 3, 1],
        [64, 257, 16, 20],
        [7, 300, 17, 70],
        [3, 1500, 2, 33],
    ];
    for (seed, [queries, gallery, components, k]) in shapes.into_iter().enumerate() {
        for score in SCORES {
            let problem = Problem::whole([queries, gallery, components], score, seed as u64);
            check(&problem, k, &device, &BOTH).await;
        }
    }
}

async fn random_rows(device: Device) {
    for (components, gallery) in [(1, 3000), (7, 1025), (128, 700), (2048, 300)] {
        for score in SCORES {
            let problem = Problem::random([9, gallery, components], score, components as u64);
            check_rounded(&problem, 12, &device).await;
        }
    }
}

async fn as_many_as_possible(device: Device) {
    for gallery in [1023, 1024, 1025, 3000] {
        let problem = Problem::whole([3, gallery, 5], Score::SquaredEuclidean, gallery as u64);
        let operations: &[TopK] = if gallery == 1024 { &BOTH } else { &BOTH[..1] };
        check(&problem, LARGEST_K, &device, operations).await;
        let problem = Problem::random([3, gallery, 40], Score::Cosine, gallery as u64);
        check_rounded(&problem, LARGEST_K, &device).await;
    }
    // Not a power of two.
    let problem = Problem::whole([3, 2500, 4], Score::SquaredEuclidean, 1);
    check(&problem, 700, &device, &BOTH[..1]).await;
}

/// Only row numbers decide.
async fn all_scores_the_same(device: Device) {
    let problem = Problem {
        queries: vec![1.0; 4],
        gallery: vec![2.0; 70_000],
        components: 1,
        score: Score::SquaredEuclidean,
    };
    check(&problem, 300, &device, &BOTH[..1]).await;
    check(&problem, 3, &device, &BOTH).await;
}

async fn no_numbers(device: Device) {
    for score in SCORES {
        let problem = Problem::without_numbers(score);
        check(&problem, 72, &device, &BOTH).await;
        check(&problem, 68, &device, &BOTH).await;
    }
}

async fn other_layouts(device: Device) {
    let problem = Problem::whole([66, 66, 9], Score::SquaredEuclidean, 3);
    let columns: TopK = |queries, gallery, own, k, score| {
        let (queries, gallery) = (by_columns(queries), by_columns(gallery));
        let own = own.unsqueeze_dim::<2>(1).expand([66, 2]).narrow(1, 1, 1);
        top_k(queries, gallery, own.squeeze_dim(1), k, score)
    };
    check(&problem, 7, &device, &[columns]).await;

    // The gallery is the queries.
    let [_, gallery] = problem.tensors(&device);
    let own: Vec<i64> = (0..66).collect();
    let first = |queries, gallery| {
        top_k(
            queries,
            gallery,
            whole(&own, [66], &device),
            5,
            problem.score,
        )
        .0
    };
    let same = first(gallery.clone(), gallery.clone());
    let copied = first(gallery.clone(), gallery + 0.0);
    assert_eq!(integers(same).await, integers(copied).await);
}

async fn between_operations(device: Device) {
    let problem = Problem::whole([10, 100, 6], Score::SquaredEuclidean, 8);
    let surrounded: TopK = |queries, gallery, own, k, score| {
        let (queries, gallery) = (queries * 2.0 - 3.0, gallery.mul_scalar(2.0) - 3.0);
        let (rows, scores) = top_k(queries, gallery, own + 1 - 1, k, score);
        ((rows + 1) * 3 / 3 - 1, (scores + 4.0) / 4.0 - 1.0)
    };
    check(&problem, 9, &device, &[surrounded]).await;
}

async fn empty(device: Device) {
    let matrix = |rows, columns| Tensor::<2>::zeros([rows, columns], &device);
    let own = |rows| Tensor::<1, Int>::full([rows], -1, &device);
    let (rows, scores) = top_k(matrix(0, 3), matrix(5, 3), own(0), 2, Score::Cosine);
    assert_eq!([rows.dims(), scores.dims()], [[0, 2]; 2]);
    let (rows, scores) = top_k(matrix(2, 3), matrix(0, 3), own(2), 2, Score::Cosine);
    assert_eq!(integers(rows).await, [-1; 4]);
    assert_eq!(values(scores).await, [f64::INFINITY; 4]);
    let (rows, scores) = top_k(matrix(2, 0), matrix(5, 0), own(2), 2, Score::Cosine);
    assert_eq!(values(scores).await, [0.0; 4]);
    assert_eq!(integers(rows).await, [0, 1, 0, 1]);
}

/// More scores than are held at a time.
async fn queries_in_parts(device: Device) {
    let problem = Problem::whole([130, 100_000, 3], Score::Cosine, 2);
    check(&problem, 2, &device, &BOTH[..1]).await;
    let problem = Problem::random([130, 100_000, 3], Score::SquaredEuclidean, 2);
    check_rounded(&problem, 10, &device).await;
}

/// More queries than one dimension of a dispatch can have workgroups.
async fn many_workgroups(device: Device) {
    let query_rows = 70_000;
    let queries: Vec<f32> = (0..query_rows).map(|query| (query % 3) as f32).collect();
    let queries = tensor(&queries, [query_rows, 1], &device);
    let gallery = Tensor::<1, Int>::arange(0..3, &device).float();
    let own = Tensor::full([query_rows], 1, &device);
    let score = Score::SquaredEuclidean;
    let (rows, scores) = top_k(queries, gallery.unsqueeze_dim(1), own, 2, score);
    let (rows, scores) = (integers(rows).await, values(scores).await);
    for (query, (rows, scores)) in rows.chunks(2).zip(scores.chunks(2)).enumerate() {
        let (expected, squares) = match query % 3 {
            0 => ([0, 2], [0.0, 4.0]),
            1 => ([0, 2], [1.0, 1.0]),
            _ => ([2, 0], [0.0, 4.0]),
        };
        assert_eq!((rows, scores), (&expected[..], &squares[..]), "{query}");
    }
}
