//! Orders of gallery rows by plain loops, for what exact search does not take: numbers that are not
//! finite.

use crate::score::Score;

/// Whether exact search takes these.
pub fn is_finite(matrices: [&[f32]; 2]) -> bool {
    matrices
        .iter()
        .all(|values| values.iter().all(|value| value.is_finite()))
}

/// Rows and scores of the `gallery` but row `own`, nearest to `query` first and, at equal score,
/// lower row first; a score that is not a number comes last.
pub fn order(query: &[f32], gallery: &[f32], own: Option<u32>, score: Score) -> Vec<(u32, f32)> {
    let rows = (0..).zip(gallery.chunks_exact(query.len()));
    let mut rows: Vec<(u32, f32)> = rows
        .filter(|&(row, _)| Some(row) != own)
        .map(|(row, values)| (row, self::score(query, values, score)))
        .collect();
    let key = |score: f32| if score.is_nan() { f32::INFINITY } else { score };
    rows.sort_by(|a, b| {
        let numbers = a.1.is_nan().cmp(&b.1.is_nan());
        numbers
            .then(key(a.1).total_cmp(&key(b.1)))
            .then(a.0.cmp(&b.0))
    });
    rows
}

fn score(query: &[f32], row: &[f32], score: Score) -> f32 {
    let pairs = query.iter().zip(row);
    let score = match score {
        Score::SquaredEuclidean => pairs.map(|(q, x)| (q - x) * (q - x)).sum::<f32>(),
        Score::Cosine => -pairs.map(|(q, x)| q * x).sum::<f32>(),
    };
    // Zeros of both signs are the same score.
    score + 0.0
}
