//! Metrics of one query's ranked list, all functions of the ranks of its positives. The variants
//! differ in where the list is cut (R) and in the denominator, so each keeps its own name:
//! a published number can only be compared with the same variant.

/// Ranks of one query's positives.
#[derive(Clone, Copy, Debug)]
pub struct QueryRanks<'a> {
    /// 1-based places of the other members of the query's class, ascending, in 1..N.
    pub ranks: &'a [u32],
    /// Number of rows N of the split, the query included.
    pub rows: usize,
}

impl QueryRanks<'_> {
    /// Number of members of the query's class, the query included.
    fn class_size(&self) -> usize {
        self.ranks.len() + 1
    }

    /// Whether the query is the only member of its class.
    fn is_singleton(&self) -> bool {
        self.ranks.is_empty()
    }

    /// (1/denominator) Σ_{r ≤ limit} prec(r)·rel(r).
    fn average_precision(&self, limit: usize, denominator: usize) -> f64 {
        let precisions = (1u32..)
            .zip(self.ranks)
            .take_while(|&(_, &rank)| rank as usize <= limit);
        precisions
            .map(|(hits, &rank)| f64::from(hits) / f64::from(rank))
            .sum::<f64>()
            / denominator as f64
    }
}

/// AP over the whole list with the class size, query included, as denominator: a perfect list
/// scores (n_c − 1)/n_c, a singleton 0 (Roth et al. 2020, reference code).
pub fn map_upstream(query: QueryRanks<'_>) -> f64 {
    query.average_precision(query.rows, query.class_size())
}

/// [`map_upstream`] cut at min(1023, N), the limit of neighbour search on a GPU at the time.
pub fn map_lim(query: QueryRanks<'_>) -> f64 {
    query.average_precision(1023, query.class_size())
}

/// [`map_upstream`] cut at 1000.
pub fn map_1000(query: QueryRanks<'_>) -> f64 {
    query.average_precision(1000, query.class_size())
}

/// [`map_upstream`] cut at the class size: the mAP of the tables of Roth et al. 2020.
pub fn map_c(query: QueryRanks<'_>) -> f64 {
    query.average_precision(query.class_size(), query.class_size())
}

/// MAP@R with R the number of positives (Musgrave et al. 2020); none for singletons.
pub fn map_at_r(query: QueryRanks<'_>) -> Option<f64> {
    let positives = query.ranks.len();
    (!query.is_singleton()).then(|| query.average_precision(positives, positives))
}

/// AP over the whole list, divided by the number of positives; none for singletons.
pub fn ap_full(query: QueryRanks<'_>) -> Option<f64> {
    (!query.is_singleton()).then(|| query.average_precision(query.rows, query.ranks.len()))
}

/// Share of positives among the R nearest, R the number of positives; none for singletons.
pub fn r_precision(query: QueryRanks<'_>) -> Option<f64> {
    let positives = query.ranks.len();
    let hits = query
        .ranks
        .iter()
        .take_while(|&&rank| rank as usize <= positives)
        .count();
    (!query.is_singleton()).then(|| hits as f64 / positives as f64)
}

/// 1 / rank of the nearest positive; none for singletons.
pub fn reciprocal_rank(query: QueryRanks<'_>) -> Option<f64> {
    query.ranks.first().map(|&rank| 1.0 / f64::from(rank))
}

/// 1 if the nearest item is a positive, else 0; none for singletons, unlike Recall@1.
pub fn precision_at_1(query: QueryRanks<'_>) -> Option<f64> {
    query
        .ranks
        .first()
        .map(|&rank| if rank == 1 { 1.0 } else { 0.0 })
}
