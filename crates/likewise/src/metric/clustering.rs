//! Agreement of a clustering with the classes, from the table of how many rows of each class lie
//! in each cluster.

use std::collections::BTreeMap;

/// Rows counted by class and cluster.
#[derive(Clone, Debug)]
pub struct Contingency {
    /// Rows in each occupied (class, cluster) cell, with the sizes of that class and cluster.
    cells: Vec<Cell>,
    class_sizes: Vec<u64>,
    cluster_sizes: Vec<u64>,
    rows: u64,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    count: u64,
    class_size: u64,
    cluster_size: u64,
}

/// The denominator of normalised mutual information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntropyMean {
    /// (H(classes) + H(clusters)) / 2, scikit-learn's default since 0.22.
    Arithmetic,
    /// √(H(classes)·H(clusters)), scikit-learn's default before.
    Geometric,
}

impl Contingency {
    /// Counts rows; `classes` and `clusters` hold one entry a row, with any numbering.
    ///
    /// # Panics
    /// If the two lengths differ.
    pub fn new(classes: &[u32], clusters: &[u32]) -> Self {
        assert_eq!(
            classes.len(),
            clusters.len(),
            "one class and one cluster a row"
        );
        let class_sizes = counts(classes.iter().copied());
        let cluster_sizes = counts(clusters.iter().copied());
        let cells = counts(classes.iter().copied().zip(clusters.iter().copied()))
            .into_iter()
            .map(|((class, cluster), count)| Cell {
                count,
                class_size: class_sizes[&class],
                cluster_size: cluster_sizes[&cluster],
            })
            .collect();
        Self {
            cells,
            class_sizes: class_sizes.into_values().collect(),
            cluster_sizes: cluster_sizes.into_values().collect(),
            rows: classes.len() as u64,
        }
    }

    /// Normalised mutual information MI / mean(H(classes), H(clusters)), in 0..=1; 1 if both are
    /// a single group, as in scikit-learn.
    pub fn nmi(&self, mean: EntropyMean) -> f64 {
        if self.identical() {
            return 1.0;
        }
        let (classes, clusters) = (
            self.entropy(&self.class_sizes),
            self.entropy(&self.cluster_sizes),
        );
        let normalizer = match mean {
            EntropyMean::Arithmetic => f64::midpoint(classes, clusters),
            EntropyMean::Geometric => (classes * clusters).sqrt(),
        };
        if normalizer == 0.0 {
            0.0
        } else {
            (self.mutual_information() / normalizer).clamp(0.0, 1.0)
        }
    }

    /// Adjusted mutual information with the arithmetic mean (Vinh et al. 2010): NMI corrected for
    /// chance, at most 1, near 0 for random clusterings and possibly below.
    pub fn ami(&self) -> f64 {
        if self.identical() {
            return 1.0;
        }
        let mean = f64::midpoint(
            self.entropy(&self.class_sizes),
            self.entropy(&self.cluster_sizes),
        );
        let expected = self.expected_mutual_information();
        // The two partitions differ, so the mean of the entropies exceeds the expectation unless
        // both carry no information, where rounding alone would decide the sign.
        let denominator = (mean - expected).max(f64::EPSILON);
        ((self.mutual_information() - expected) / denominator).min(1.0)
    }

    /// Pairwise F1 = 2·TP / (pairs in a class + pairs in a cluster) over unordered pairs of rows,
    /// TP those that share both, in 0..=1. None if no pair shares class or cluster.
    pub fn pair_f1(&self) -> Option<f64> {
        let pairs = |sizes: &[u64]| sizes.iter().map(|&n| n * (n - 1) / 2).sum::<u64>();
        let shared: u64 = self
            .cells
            .iter()
            .map(|cell| cell.count * (cell.count - 1) / 2)
            .sum();
        let either = pairs(&self.class_sizes) + pairs(&self.cluster_sizes);
        (either > 0).then(|| 2.0 * shared as f64 / either as f64)
    }

    /// Whether classes and clusters are the same partition.
    fn identical(&self) -> bool {
        self.cells.len() == self.class_sizes.len() && self.cells.len() == self.cluster_sizes.len()
    }

    fn entropy(&self, sizes: &[u64]) -> f64 {
        let share = |&size: &u64| size as f64 / self.rows as f64;
        -sizes.iter().map(share).map(|p| p * p.ln()).sum::<f64>()
    }

    fn mutual_information(&self) -> f64 {
        let rows = self.rows as f64;
        let term = |cell: &Cell| {
            let ratio =
                rows * cell.count as f64 / (cell.class_size as f64 * cell.cluster_size as f64);
            cell.count as f64 / rows * ratio.ln()
        };
        self.cells.iter().map(term).sum::<f64>().max(0.0)
    }

    /// Expectation of the mutual information of two random partitions with these group sizes.
    fn expected_mutual_information(&self) -> f64 {
        let log_factorial = log_factorials(self.rows);
        let class_sizes = counts(self.class_sizes.iter().copied());
        let cluster_sizes = counts(self.cluster_sizes.iter().copied());
        let mut sum = 0.0;
        for (&class_size, &classes) in &class_sizes {
            for (&cluster_size, &clusters) in &cluster_sizes {
                let expected = expected_term(class_size, cluster_size, self.rows, &log_factorial);
                sum += (classes * clusters) as f64 * expected;
            }
        }
        sum
    }
}

/// Σ over the hypergeometric overlap n of a class and a cluster of (n/N)·ln(N·n/(a·b)).
fn expected_term(class_size: u64, cluster_size: u64, rows: u64, log_factorial: &[f64]) -> f64 {
    let ln = |n: u64| log_factorial[n as usize];
    let fixed = ln(class_size) + ln(cluster_size) + ln(rows - class_size) + ln(rows - cluster_size)
        - ln(rows);
    let smallest = 1.max((class_size + cluster_size).saturating_sub(rows));
    let term = |overlap: u64| {
        let outside = rows + overlap - class_size - cluster_size;
        let arrangements =
            ln(overlap) + ln(class_size - overlap) + ln(cluster_size - overlap) + ln(outside);
        let ratio = rows as f64 * overlap as f64 / (class_size as f64 * cluster_size as f64);
        overlap as f64 / rows as f64 * ratio.ln() * (fixed - arrangements).exp()
    };
    (smallest..=class_size.min(cluster_size)).map(term).sum()
}

/// ln n! for n up to `largest`. Compensated summation: the values are later subtracted from each
/// other and exponentiated.
fn log_factorials(largest: u64) -> Vec<f64> {
    let (mut sum, mut lost) = (0.0, 0.0);
    let mut next = |n: u64| {
        let term = if n == 0 { 0.0 } else { (n as f64).ln() } - lost;
        let total: f64 = sum + term;
        lost = (total - sum) - term;
        sum = total;
        total
    };
    (0..=largest).map(&mut next).collect()
}

fn counts<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, u64> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_insert(0) += 1;
    }
    counts
}
