//! Whether counts of drawn triplets are a sample of a table of probabilities.

use std::collections::{BTreeMap, BTreeSet};

use super::Triplet;

/// Probability of each triplet, given its anchor.
pub type Table = BTreeMap<Triplet, f64>;

/// How often each triplet was drawn.
pub type Counts = BTreeMap<Triplet, u64>;

/// Chi-square statistic of counts beside their expectations and its degrees of freedom; cells with
/// an expected count below 5 are taken together.
pub fn chi_square(cells: &[(u64, f64)]) -> (f64, f64) {
    let (mut statistic, mut kept) = (0.0, 0);
    let (mut pooled_count, mut pooled_expected) = (0.0, 0.0);
    for &(count, expected) in cells {
        if expected < 5.0 {
            pooled_count += count as f64;
            pooled_expected += expected;
        } else {
            statistic += (count as f64 - expected).powi(2) / expected;
            kept += 1;
        }
    }
    if pooled_expected >= 5.0 {
        statistic += (pooled_count - pooled_expected).powi(2) / pooled_expected;
        kept += 1;
    }
    (statistic, f64::from(kept) - 1.0)
}

/// The standard normal deviate of a chi-square value (Wilson and Hilferty).
pub fn deviate(statistic: f64, freedom: f64) -> f64 {
    if freedom < 1.0 {
        return 0.0;
    }
    let spread = 2.0 / (9.0 * freedom);
    ((statistic / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
}

/// The worst deviate of triplets, of (anchor, positive) and of (anchor, negative): the margins have
/// power where triplets are too many for the number of draws.
pub fn worst_deviate(counts: &Counts, table: &Table) -> f64 {
    let margin = |of: fn(&Triplet) -> Triplet| {
        let (mut of_counts, mut of_table) = (Counts::new(), Table::new());
        for (triplet, count) in counts {
            *of_counts.entry(of(triplet)).or_insert(0) += count;
        }
        for (triplet, probability) in table {
            *of_table.entry(of(triplet)).or_insert(0.0) += probability;
        }
        deviates(&of_counts, &of_table)
    };
    let all = [
        margin(|&t| t),
        margin(|&[a, p, _]| [a, p, 0]),
        margin(|&[a, _, n]| [a, n, 0]),
    ];
    all.concat().into_iter().fold(f64::MIN, f64::max)
}

/// The deviate of each anchor, given how often it was drawn, and that of all anchors together.
fn deviates(counts: &Counts, table: &Table) -> Vec<f64> {
    let anchors: BTreeSet<usize> = table.keys().map(|triplet| triplet[0]).collect();
    let mut total = (0.0, 0.0);
    let mut all = Vec::new();
    for anchor in anchors {
        let draws = draws_of(counts, anchor) as f64;
        let cells: Vec<(u64, f64)> = table
            .range([anchor, 0, 0]..[anchor + 1, 0, 0])
            .map(|(triplet, p)| (counts.get(triplet).copied().unwrap_or(0), p * draws))
            .collect();
        let (statistic, freedom) = chi_square(&cells);
        all.push(deviate(statistic, freedom));
        total = (total.0 + statistic, total.1 + freedom.max(0.0));
    }
    all.push(deviate(total.0, total.1));
    all
}

/// How often an anchor was drawn.
pub fn draws_of(counts: &Counts, anchor: usize) -> u64 {
    counts
        .range([anchor, 0, 0]..[anchor + 1, 0, 0])
        .map(|(_, count)| count)
        .sum()
}

/// Exact support, and a distribution given the anchor that a chi-square test does not tell from
/// `table`.
pub fn assert_distribution(counts: &Counts, table: &Table) {
    for (triplet, count) in counts {
        assert!(
            table.contains_key(triplet),
            "{triplet:?} drawn {count} times, but impossible"
        );
    }
    let mut sums: BTreeMap<usize, f64> = BTreeMap::new();
    for (triplet, probability) in table {
        let expected = probability * draws_of(counts, triplet[0]) as f64;
        assert!(
            expected < 30.0 || counts.contains_key(triplet),
            "{triplet:?} never drawn"
        );
        *sums.entry(triplet[0]).or_default() += probability;
    }
    for (anchor, sum) in sums {
        assert!(
            (sum - 1.0).abs() < 1e-9,
            "table of anchor {anchor} sums to {sum}"
        );
    }
    let worst = worst_deviate(counts, table);
    assert!(worst < 4.5, "chi-square deviate {worst}");
}

/// Of equally likely cells, of which each batch took `taken` different ones: counts that a
/// chi-square test does not tell from that.
pub fn assert_equally_likely(counts: &[u64], batches: u64, taken: usize) {
    let cells = counts.len() as f64;
    let (share, batches) = (taken as f64 / cells, batches as f64);
    // Variances are those of draws without replacement.
    let variance = batches * share * (1.0 - share) * cells / (cells - 1.0);
    let statistic: f64 = counts
        .iter()
        .map(|&count| (count as f64 - batches * share).powi(2) / variance)
        .sum();
    let deviate = deviate(statistic, cells - 1.0);
    assert!(deviate.abs() < 4.5, "chi-square deviate {deviate}");
}

/// Adds `probability` times the product of two distributions over columns.
pub fn add_product(table: &mut Table, anchor: usize, positives: &[f64], negatives: &[f64]) {
    for (p, probability) in positives.iter().enumerate().filter(|(_, p)| **p > 0.0) {
        for (n, other) in negatives.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            *table.entry([anchor, p, n]).or_insert(0.0) += probability * other;
        }
    }
}

/// The uniform distribution over the members of a mask.
pub fn uniform(mask: &[f64]) -> Vec<f64> {
    let members: f64 = mask.iter().sum();
    mask.iter().map(|member| member / members).collect()
}
