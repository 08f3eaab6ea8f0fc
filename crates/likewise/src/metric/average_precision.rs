//! Metrics of one query's ranked list, all functions of the ranks of its positives. The variants
//! differ in where the list is cut (R) and in the denominator, so each keeps its own name:
//! a published number can only be compared with the same variant.

/// Ranks of one query's positives.
#[derive(Clone, Copy, Debug)]
pub struct QueryRanks<'a> {
    /// 1-based places, ascending, of the items of the query's class among all items it is
    /// compared with.
    pub ranks: &'a [u32],
    /// Whether the query is one of the rows that are searched (and left out of its own list), as
    /// in the evaluation of one split. It then counts as a member of its class.
    pub in_gallery: bool,
}

impl QueryRanks<'_> {
    /// Number of members of the query's class among the rows that are searched.
    fn class_size(&self) -> usize {
        self.ranks.len() + usize::from(self.in_gallery)
    }

    /// Number of positives among the `k` nearest.
    pub(super) fn hits_within(&self, k: u32) -> usize {
        self.ranks.partition_point(|&rank| rank <= k)
    }

    /// Σ_{r ≤ limit} prec(r)·rel(r).
    pub(super) fn precision_sum(&self, limit: usize) -> f64 {
        let precisions = (1u32..)
            .zip(self.ranks)
            .take_while(|&(_, &rank)| rank as usize <= limit);
        precisions
            .map(|(hits, &rank)| f64::from(hits) / f64::from(rank))
            .sum()
    }

    /// The sum over the class size; 0 for a class without a member to find.
    fn over_class_size(&self, limit: usize) -> f64 {
        self.precision_sum(limit) / self.class_size().max(1) as f64
    }
}

/// AP over the whole list, divided by the class size: in one split the query counts, a perfect
/// list scores (n_c − 1)/n_c and a singleton 0 (Roth et al. 2020, reference code). With a separate
/// gallery the class size is that in the gallery.
pub fn map_upstream(query: QueryRanks<'_>) -> f64 {
    query.over_class_size(usize::MAX)
}

/// [`map_upstream`] cut at min(1023, N), the limit of neighbour search on a GPU at the time.
pub fn map_lim(query: QueryRanks<'_>) -> f64 {
    query.over_class_size(1023)
}

/// [`map_upstream`] cut at 1000.
pub fn map_1000(query: QueryRanks<'_>) -> f64 {
    query.over_class_size(1000)
}

/// [`map_upstream`] cut at the class size: the mAP of the tables of Roth et al. 2020.
pub fn map_c(query: QueryRanks<'_>) -> f64 {
    query.over_class_size(query.class_size())
}

/// MAP@R with R the number of positives (Musgrave et al. 2020); none without positives.
pub fn map_at_r(query: QueryRanks<'_>) -> Option<f64> {
    let positives = query.ranks.len();
    (positives > 0).then(|| query.precision_sum(positives) / positives as f64)
}

/// AP over the whole list, divided by the number of positives; none without positives.
pub fn ap_full(query: QueryRanks<'_>) -> Option<f64> {
    let positives = query.ranks.len();
    (positives > 0).then(|| query.precision_sum(usize::MAX) / positives as f64)
}

/// 1 / rank of the nearest positive; none without positives.
pub fn reciprocal_rank(query: QueryRanks<'_>) -> Option<f64> {
    query.ranks.first().map(|&rank| 1.0 / f64::from(rank))
}
