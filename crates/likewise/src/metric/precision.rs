//! Precision@k and R-precision: which share of the nearest items is of the query's class.

use super::average_precision::QueryRanks;

/// Positives among the `k` nearest items, over `k`: also where fewer than `k` positives or items
/// exist, so that the value says what a user who looks at `k` results sees (Manning et al. 2008,
/// 8.4). None if the query has no positive. `k` is at least 1.
pub fn precision_at(query: QueryRanks<'_>, k: u32) -> Option<f64> {
    (!query.ranks.is_empty()).then(|| query.hits_within(k) as f64 / f64::from(k))
}

/// Share of positives among the R nearest, R the number of positives (Musgrave et al. 2020); none
/// if there is no positive.
pub fn r_precision(query: QueryRanks<'_>) -> Option<f64> {
    let positives = u32::try_from(query.ranks.len()).unwrap_or(u32::MAX);
    precision_at(query, positives)
}
