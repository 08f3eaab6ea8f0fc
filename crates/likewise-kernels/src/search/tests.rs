//! Search against sorts and loops over scores of double precision, which it has to equal exactly.

use super::{Nearest, Neighbour, Points, Ranking, Rows, nearest, norms};
use crate::score::Score;

/// Numbers in [−1, 1), the same on every machine.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// All rows of the gallery but the query, by a sort of exact scores.
fn sorted(ranking: &Ranking<'_>, query: u32) -> Vec<Neighbour> {
    let mut values = vec![0.0; ranking.queries.dim()];
    ranking.queries.read(query as usize, &mut values);
    let mut rows: Vec<Neighbour> = (0..ranking.gallery.len() as u32)
        .filter(|&row| ranking.own.is_none_or(|own| own[query as usize] != row))
        .map(|row| Neighbour {
            row,
            score: ranking.gallery.score(&values, row as usize, ranking.score),
        })
        .collect();
    rows.sort_by(|a, b| a.score.total_cmp(&b.score).then(a.row.cmp(&b.row)));
    rows
}

/// Places of `positives` in that order.
fn places(rows: &[Neighbour], positives: &[u32]) -> Vec<u32> {
    (1..)
        .zip(rows)
        .filter(|(_, found)| positives.contains(&found.row))
        .map(|(rank, _)| rank)
        .collect()
}

fn check(values: &[f32], dim: usize, classes: u32, cosine: bool) {
    let norms = norms(values, dim);
    let mut rows = Rows::new(values, dim);
    let mut score = Score::SquaredEuclidean;
    if cosine {
        (rows, score) = (rows.divided(&norms), Score::Cosine);
    }
    let count = rows.len() as u32;
    let members: Vec<Vec<u32>> = (0..classes)
        .map(|class| (0..count).filter(|row| row % classes == class).collect())
        .collect();
    let identity: Vec<u32> = (0..count).collect();
    let ranking = Ranking {
        queries: rows,
        gallery: rows,
        score,
        own: Some(&identity),
    };
    let order: Vec<u32> = (0..count).rev().collect();
    let mut seen = Vec::new();
    let of = |query: u32| &members[(query % classes) as usize][..];
    ranking.visit(&order, of, |query, found| {
        let rows = sorted(&ranking, query);
        assert_eq!(found.ranks, places(&rows, of(query)), "query {query}");
        seen.push(query);
    });
    assert_eq!(seen, order);

    for k in [1, 5, 40, values.len()] {
        let lists = nearest(rows, rows, score, Some(&identity), &order, k);
        for (&query, list) in order.iter().zip(&lists) {
            let all = sorted(&ranking, query);
            assert_eq!(list[..], all[..k.min(all.len())], "query {query}, k = {k}");
        }
    }
    assign_equals_a_loop(rows, score);
}

/// Every seventh row as a centroid: from scratch, and by halves.
fn assign_equals_a_loop(rows: Rows<'_>, score: Score) {
    let dim = rows.dim();
    let numbers: Vec<u32> = (0..rows.len().div_ceil(7) as u32).collect();
    let mut values = vec![0.0; numbers.len() * dim];
    for (&number, values) in numbers.iter().zip(values.chunks_exact_mut(dim)) {
        rows.read(number as usize * 7, values);
    }
    let centroids = Rows::double(&values, dim);
    let points = Points::new(rows, score);
    let all: Vec<u32> = (0..rows.len() as u32).collect();
    let mut point = vec![0.0; dim];
    let expected: Vec<Nearest> = all
        .iter()
        .map(|&index| {
            rows.read(index as usize, &mut point);
            let mut best = Nearest::NONE;
            for &centroid in &numbers {
                let found = Nearest {
                    centroid,
                    score: centroids.score(&point, centroid as usize, score),
                };
                if found.precedes(&best) {
                    best = found;
                }
            }
            best
        })
        .collect();
    let unknown = vec![Nearest::NONE; rows.len()];
    assert_eq!(points.assign(&all, centroids, &numbers, &unknown), expected);
    let (first, second) = numbers.split_at(numbers.len() / 2);
    let (low, high) = values.split_at(first.len() * dim);
    let known = points.assign(&all, Rows::double(high, dim), second, &unknown);
    let found = points.assign(&all, Rows::double(low, dim), first, &known);
    assert_eq!(found, expected);
}

#[test]
fn ranks_are_those_of_a_sort() {
    for (count, dim, classes) in [
        (1, 3, 1),
        (2, 1, 1),
        (33, 5, 7),
        (513, 70, 100),
        (700, 128, 9),
        (600, 3, 1),
    ] {
        for cosine in [false, true] {
            check(&numbers(count * dim, 7), dim, classes, cosine);
        }
    }
}

#[test]
fn ties_go_to_the_lower_row() {
    // Small whole numbers: many equal scores and repeated rows.
    let values: Vec<f32> = numbers(1100 * 4, 3)
        .iter()
        .map(|x| (x * 2.0).round())
        .collect();
    for classes in [3, 200] {
        check(&values, 4, classes, false);
        check(&values, 4, classes, true);
    }
}

#[test]
fn rows_far_from_the_origin_and_of_any_size_are_told_apart() {
    for factor in [1e-30f32, 1e-5, 1e15] {
        for shift in [0.0, 1000.0] {
            let values: Vec<f32> = numbers(600 * 16, 5)
                .iter()
                .map(|x| (x + shift) * factor)
                .collect();
            check(&values, 16, 100, false);
            check(&values, 16, 100, true);
        }
    }
    // Nearer to each other than single precision can tell.
    let values: Vec<f32> = numbers(300 * 16, 5)
        .iter()
        .map(|x| 1.0 + x * 1e-6)
        .collect();
    check(&values, 16, 50, false);
    check(&values, 16, 50, true);
}

#[test]
fn a_gallery_of_other_rows_keeps_what_equals_the_query() {
    let values = [1.0f32, 2.0, 3.0, 4.0];
    let ranking = Ranking {
        queries: Rows::new(&values[1..2], 1),
        gallery: Rows::new(&values, 1),
        score: Score::SquaredEuclidean,
        own: None,
    };
    let mut found: Vec<u32> = Vec::new();
    ranking.visit(&[0], |_| &[0, 1, 2, 3], |_, all| found.extend(&all.ranks));
    assert_eq!(found, [1, 2, 3, 4]);
    ranking.visit(&[0], |_| &[3], |_, found| assert_eq!(found.ranks, [4]));
}

#[test]
fn zeros_of_both_signs_tie() {
    // Inner products with the first row: 0, −0 and 0.
    let values = [1.0f32, 0.0, 0.0, 1.0, -0.0, -1.0, 0.0, 2.0];
    let rows = Rows::new(&values, 2);
    let lists = nearest(rows, rows, Score::Cosine, Some(&[0, 1, 2, 3]), &[0], 3);
    let found: Vec<u32> = lists[0].iter().map(|found| found.row).collect();
    assert_eq!(found, [1, 2, 3]);
}
