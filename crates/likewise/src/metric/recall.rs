//! Recall@k, the headline number of deep metric learning: whether any neighbour among the k
//! nearest shares the query's class (elsewhere called hit rate or CMC@k).

use super::average_precision::QueryRanks;

/// 1 if one of the `k` nearest items is of the query's class, else 0. A query whose class has no
/// item to find is a miss. The mean over all queries is Recall@k (Jégou et al. 2011; Oh Song et
/// al. 2016).
pub fn recall_at(query: QueryRanks<'_>, k: u32) -> f64 {
    if query.ranks.first().is_some_and(|&rank| rank <= k) {
        1.0
    } else {
        0.0
    }
}
