//! Ranks of positives.

use burn::tensor::{Device, Int, Tensor};
use likewise_kernels::{Score, rank_count, rank_count_twin};

use crate::ranking::{Problem, SCORES, by_columns, order, own_rows, whole};
use crate::support::{Case, integers};

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("rank_count::exact_where_scores_tie", exact_where_scores_tie),
        Case::new("rank_count::random_rows", random_rows),
        Case::new("rank_count::copies_tie_exactly", copies_tie_exactly),
        Case::new("rank_count::what_is_no_number_comes_last", no_numbers),
        Case::new("rank_count::other_layouts", other_layouts),
        Case::new("rank_count::between_fused_operations", between_operations),
        Case::new("rank_count::empty", empty),
        Case::new("rank_count::many_workgroups", many_workgroups),
    ]
}

/// Some rows, the query's own and padding.
fn positive_rows(problem: &Problem, slots: usize) -> Vec<i64> {
    let rows = problem.gallery_rows() as i64;
    let row = |index: usize| match index % 5 {
        3 => -1,
        4 => rows - 1 - (index as i64 / 5) % rows,
        _ => (index as i64 * 31) % rows,
    };
    (0..problem.query_rows() * slots).map(row).collect()
}

/// Ranks in double precision.
fn expected(problem: &Problem, positives: &[i64], own: &[i64]) -> Vec<i64> {
    let slots = positives.len() / own.len();
    let mut ranks = Vec::new();
    for (query, (positives, &own)) in positives.chunks(slots).zip(own).enumerate() {
        let scores = problem.scores(query);
        for &positive in positives {
            let Ok(positive) = usize::try_from(positive) else {
                ranks.push(0);
                continue;
            };
            let before = |row: usize| {
                row as i64 != own && order((scores[row], row), (scores[positive], positive)).is_lt()
            };
            ranks.push((0..scores.len()).filter(|&row| before(row)).count() as i64);
        }
    }
    ranks
}

struct Indices {
    positives: Tensor<2, Int>,
    own: Tensor<1, Int>,
}

impl Indices {
    fn new(positives: &[i64], own: &[i64], device: &Device) -> Self {
        let shape = [own.len(), positives.len() / own.len()];
        Self {
            positives: whole(positives, shape, device),
            own: whole(own, [own.len()], device),
        }
    }
}

async fn check(problem: &Problem, slots: usize, device: &Device) {
    let (positives, own) = (positive_rows(problem, slots), own_rows(problem));
    let expected = expected(problem, &positives, &own);
    let [queries, gallery] = problem.tensors(device);
    let indices = Indices::new(&positives, &own, device);
    for operation in [rank_count, rank_count_twin] {
        let (queries, gallery) = (queries.clone(), gallery.clone());
        let (positives, own) = (indices.positives.clone(), indices.own.clone());
        let ranks = integers(operation(queries, gallery, positives, own, problem.score)).await;
        let shape = [problem.query_rows(), problem.gallery_rows(), slots];
        assert_eq!(ranks, expected, "{shape:?}, {:?}", problem.score);
    }
}

async fn exact_where_scores_tie(device: Device) {
    let shapes = [
        [1, 1, 1, 1],
        [1, 63, 2, 3],
        [63, 65, 3, 17],
        [64, 64, 15, 1],
        [65, 130, 16, 5],
        [3, 200, 17, 70],
    ];
    for (seed, [queries, gallery, components, slots]) in shapes.into_iter().enumerate() {
        for score in SCORES {
            let problem = Problem::whole([queries, gallery, components], score, seed as u64);
            check(&problem, slots, &device).await;
        }
    }
}

async fn random_rows(device: Device) {
    for components in [1, 7, 128, 2048] {
        for score in SCORES {
            let problem = Problem::random([20, 150, components], score, components as u64);
            let (positives, own) = (positive_rows(&problem, 4), own_rows(&problem));
            let [queries, gallery] = problem.tensors(&device);
            let indices = Indices::new(&positives, &own, &device);
            let ranks = rank_count(queries, gallery, indices.positives, indices.own, score);
            let ranks = integers(ranks).await;
            for (query, ranks) in ranks.chunks(4).enumerate() {
                let positives = &positives[query * 4..][..4];
                check_ranks(&problem, query, positives, own[query], ranks);
            }
        }
    }
}

/// Ranks may differ from those in double precision by what is within rounding of the positive.
fn check_ranks(problem: &Problem, query: usize, positives: &[i64], own: i64, ranks: &[i64]) {
    let scores = problem.scores(query);
    for (&positive, &rank) in positives.iter().zip(ranks) {
        if positive < 0 {
            assert_eq!(rank, 0);
            continue;
        }
        let score = scores[positive as usize];
        let count = |limit: f64| {
            let before = |&(row, &other): &(usize, &f64)| row as i64 != own && other < limit;
            scores.iter().enumerate().filter(before).count() as i64
        };
        let rounding = problem.rounding();
        let (least, most) = (count(score - rounding), count(score + rounding));
        assert!(
            (least..=most).contains(&rank),
            "query {query}: {rank} is not in {least}..={most}"
        );
    }
}

/// Copies of a row follow one another in the order of their numbers, wherever they are.
async fn copies_tie_exactly(device: Device) {
    for components in [5, 130, 1000] {
        for score in SCORES {
            let distinct = 67;
            let mut problem = Problem::random([70, distinct, components], score, 11);
            problem.gallery = problem.gallery.repeat(3);
            let row = |index: usize| (index / 3 * 13 % distinct + index % 3 * distinct) as i64;
            let positives: Vec<i64> = (0..70 * 3).map(row).collect();
            let [queries, gallery] = problem.tensors(&device);
            let indices = Indices::new(&positives, &[-1; 70], &device);
            let ranks = rank_count(queries, gallery, indices.positives, indices.own, score);
            for ranks in integers(ranks).await.chunks(3) {
                assert_eq!(ranks, [ranks[0], ranks[0] + 1, ranks[0] + 2], "{score:?}");
                assert_eq!(ranks[0] % 3, 0, "{score:?}: whole groups come before");
            }
        }
    }
}

async fn no_numbers(device: Device) {
    for score in SCORES {
        let problem = Problem::without_numbers(score);
        let (own, slots) = (own_rows(&problem), 70);
        let positives: Vec<i64> = (0..8).flat_map(|_| 0..slots).collect();
        let expected = expected(&problem, &positives, &own);
        let [queries, gallery] = problem.tensors(&device);
        let indices = Indices::new(&positives, &own, &device);
        for operation in [rank_count, rank_count_twin] {
            let (queries, gallery) = (queries.clone(), gallery.clone());
            let (positives, own) = (indices.positives.clone(), indices.own.clone());
            let ranks = operation(queries, gallery, positives, own, score);
            assert_eq!(integers(ranks).await, expected, "{score:?}");
        }
    }
}

async fn other_layouts(device: Device) {
    let problem = Problem::whole([66, 66, 9], Score::SquaredEuclidean, 3);
    let (positives, own) = (positive_rows(&problem, 4), own_rows(&problem));
    let expected = expected(&problem, &positives, &own);
    let [queries, gallery] = problem.tensors(&device).map(by_columns);
    let indices = Indices::new(&positives, &own, &device);
    let positives = Tensor::cat(vec![indices.positives.clone(), indices.positives], 1);
    let positives = positives.slice([0..66, 4..8]);
    let ranks = rank_count(
        queries,
        gallery.clone(),
        positives,
        indices.own,
        problem.score,
    );
    assert_eq!(integers(ranks).await, expected);

    // The gallery is the queries.
    let own: Vec<i64> = (0..66).collect();
    let shifted: Vec<i64> = own.iter().map(|row| (row + 1) % 66).collect();
    let indices = Indices::new(&shifted, &own, &device);
    let ranks = |gallery: Tensor<2>, other| {
        rank_count(
            gallery,
            other,
            indices.positives.clone(),
            indices.own.clone(),
            problem.score,
        )
    };
    let same = ranks(gallery.clone(), gallery.clone());
    let copied = ranks(gallery.clone(), gallery + 0.0);
    assert_eq!(integers(same).await, integers(copied).await);
}

async fn between_operations(device: Device) {
    let problem = Problem::whole([10, 100, 6], Score::SquaredEuclidean, 8);
    let (positives, own) = (positive_rows(&problem, 3), own_rows(&problem));
    let expected = expected(&problem, &positives, &own);
    let [queries, gallery] = problem.tensors(&device);
    let indices = Indices::new(&positives, &own, &device);
    let (queries, gallery) = (queries * 2.0 - 3.0, gallery.mul_scalar(2.0) - 3.0);
    let (positives, own) = (indices.positives + 1 - 1, indices.own * 2 / 2);
    let ranks = rank_count(queries, gallery, positives, own, problem.score);
    let ranks = integers(ranks * 2 + 1).await;
    let expected: Vec<i64> = expected.iter().map(|rank| rank * 2 + 1).collect();
    assert_eq!(ranks, expected);
}

async fn empty(device: Device) {
    let matrix = |rows, columns| Tensor::<2>::zeros([rows, columns], &device);
    let index = |rows, columns| Tensor::<2, Int>::full([rows, columns], -1, &device);
    let own = |rows| Tensor::<1, Int>::full([rows], -1, &device);
    let score = Score::Cosine;
    let ranks = rank_count(matrix(0, 3), matrix(5, 3), index(0, 2), own(0), score);
    assert_eq!(ranks.dims(), [0, 2]);
    let ranks = rank_count(matrix(2, 3), matrix(5, 3), index(2, 0), own(2), score);
    assert_eq!(ranks.dims(), [2, 0]);
    let ranks = rank_count(matrix(2, 3), matrix(0, 3), index(2, 2), own(2), score);
    assert_eq!(integers(ranks).await, [0; 4]);
    // Without components all scores are the same.
    let positives = index(2, 2) + 4;
    let ranks = rank_count(matrix(2, 0), matrix(5, 0), positives, own(2), score);
    assert_eq!(integers(ranks).await, [3; 4]);
}

/// More tiles than one dimension of a dispatch can have, and more queries than one dispatch has.
async fn many_workgroups(device: Device) {
    let (query_rows, gallery_rows) = ((1 << 20) + 3, 257);
    // Distances are row numbers, counted from the end.
    let queries = Tensor::<2>::full([query_rows, 1], (gallery_rows - 1) as f32, &device);
    let gallery = Tensor::<1, Int>::arange(0..gallery_rows, &device).float();
    let positives: Vec<i64> = (0..query_rows as i64)
        .map(|query| query % gallery_rows)
        .collect();
    let positives = whole(&positives, [query_rows, 1], &device);
    let own = Tensor::full([query_rows], -1, &device);
    let gallery = gallery.unsqueeze_dim(1);
    let ranks = rank_count(queries, gallery, positives, own, Score::SquaredEuclidean);
    for (query, rank) in integers(ranks).await.into_iter().enumerate() {
        assert_eq!(rank, gallery_rows - 1 - query as i64 % gallery_rows);
    }
}
