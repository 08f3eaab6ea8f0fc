//! What other programs would print for the same embeddings. Numbers called by one name differ
//! between programs; here they stand beside the value by definition, with the reason of each
//! difference, so that published numbers can be compared with the right ones.

mod faiss;
mod open_metric_learning;
mod original;
mod pytorch_metric_learning;

use std::collections::BTreeMap;

use super::class_values::ClassValues;
use super::evaluate::{MetricValues, evaluate_by_class};
use super::name::{MetricName, MetricSet};
use super::points::Space;
use super::retrieval::{Side, rank_positives};
use crate::Result;

/// A program whose metrics are recomputed by its own definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// The code of Roth et al. 2020.
    Original,
    /// `AccuracyCalculator` of pytorch-metric-learning 2.9, with its default arguments.
    PytorchMetricLearning,
    /// `calc_retrieval_metrics` of open-metric-learning 4.0.
    OpenMetricLearning,
}

impl Program {
    /// Its name for tables.
    pub fn title(self) -> &'static str {
        match self {
            Self::Original => "Roth et al. 2020",
            Self::PytorchMetricLearning => "pytorch-metric-learning",
            Self::OpenMetricLearning => "open-metric-learning",
        }
    }
}

/// One number of another program beside the one by definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The program.
    pub program: Program,
    /// Its name of the metric.
    pub metric: &'static str,
    /// Its value; none where it fails or returns NaN or an infinity.
    pub value: Option<f64>,
    /// The metric here.
    pub name: MetricName,
    /// Its value here; none where it is undefined.
    pub ours: Option<f64>,
    /// When both must be equal.
    pub equal_when: &'static str,
    /// Why they differ on these embeddings; none if they do not.
    pub reason: Option<String>,
}

/// Differences below this are rounding.
const ROUNDING: f64 = 1e-9;

/// Recomputes the metrics of `embeddings` (row-major N×D) as other programs define them, in double
/// precision and with ties by lower index; `seed` is that of our own k-means. Single-precision
/// distances of those programs may order nearly equal neighbours differently.
///
/// # Errors
/// As [`super::evaluate`].
pub fn conformance(
    embeddings: &[f32],
    dim: usize,
    labels: &[u32],
    seed: u64,
) -> Result<Vec<Comparison>> {
    let requested = MetricSet::parse(
        [
            original::NAMES,
            pytorch_metric_learning::NAMES,
            open_metric_learning::NAMES,
        ]
        .concat(),
    )?;
    let (values, classes) = evaluate_by_class(embeddings, dim, labels, &requested, seed)?;
    let every_row = usize::MAX;
    let clusters = faiss::clusters(embeddings, dim, classes.classes().len(), every_row)?;
    let split = Split {
        embeddings,
        dim,
        labels,
        values,
        classes,
        clusters,
        earlier_copies: earlier_copies(embeddings, dim),
    };
    let side = Side {
        embeddings,
        dim,
        labels,
    };
    let mut original_sums = original::Sums::default();
    let mut open_metric_learning_sums = open_metric_learning::Sums::default();
    rank_positives(side, side, true, Space::Euclidean, |query, ranks| {
        original_sums.add(&split, query, ranks);
        open_metric_learning_sums.add(&split, ranks);
    });
    let mut found = Vec::new();
    original::compare(&split, &original_sums, &mut found)?;
    pytorch_metric_learning::compare(&split, &mut found)?;
    open_metric_learning::compare(&split, &open_metric_learning_sums, &mut found)?;
    Ok(found)
}

/// Embeddings with what is known about them.
struct Split<'a> {
    embeddings: &'a [f32],
    dim: usize,
    labels: &'a [u32],
    values: MetricValues,
    classes: ClassValues,
    /// Clusters of the k-means of faiss from all rows.
    clusters: Vec<u32>,
    /// For each row, how many rows before it are equal to it.
    earlier_copies: Vec<u32>,
}

impl Split<'_> {
    /// Number of queries whose class has no other member.
    fn singletons(&self) -> usize {
        self.classes.unmatched_queries()
    }

    /// Number of rows that repeat an earlier one.
    fn repeated(&self) -> usize {
        let copies = self.earlier_copies.iter();
        copies.filter(|&&copies| copies > 0).count()
    }

    /// Beside our metric `name`; `reason` is only asked for if the values differ.
    fn compare(
        &self,
        program: Program,
        (metric, value): (&'static str, Option<f64>),
        name: &str,
        equal_when: &'static str,
        reason: impl FnOnce() -> String,
    ) -> Result<Comparison> {
        let name: MetricName = name.parse()?;
        let value = value.filter(|value| value.is_finite());
        let ours = self.values.scalars.get(&name).copied();
        let equal = match (value, ours) {
            (Some(value), Some(ours)) => (value - ours).abs() <= ROUNDING * (1.0 + ours.abs()),
            (None, None) => true,
            _ => false,
        };
        Ok(Comparison {
            program,
            metric,
            value,
            name,
            ours,
            equal_when,
            reason: (!equal).then(reason),
        })
    }
}

/// For each row, how many rows before it are equal to it.
fn earlier_copies(embeddings: &[f32], dim: usize) -> Vec<u32> {
    let mut seen: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
    let count = |row: &[f32]| {
        // Adding zero makes a negative zero positive.
        let bits = row.iter().map(|value| (value + 0.0).to_bits()).collect();
        let copies = seen.entry(bits).or_insert(0);
        *copies += 1;
        *copies - 1
    };
    embeddings.chunks_exact(dim).map(count).collect()
}

/// `count` things, in words.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
