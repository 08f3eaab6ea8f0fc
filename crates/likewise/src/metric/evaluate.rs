//! All requested metrics in one go: what several of them need (ranks of positives,
//! a clustering, the singular values) is computed once, and only if one of them is requested.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::average_precision::QueryRanks;
use super::class_values::{Averaging, ClassValues};
use super::clustering::{Contingency, EntropyMean};
use super::distances::class_distances_checked;
use super::kmeans::{ITERATIONS, Start, cluster};
use super::name::{MetricName, MetricSet};
use super::points::{Points, Space, check_embeddings, check_labels, rows_by_class};
use super::retrieval::{Side, rank_positives};
use super::spectrum::{FLOOR, normalized_spectrum, singular_values, spectral_decay};
use super::table::Quantity;
use crate::{Error, Result};

/// Results of one evaluation. In JSON an object whose keys are the canonical names of the metrics;
/// notes are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(
    from = "BTreeMap<MetricName, Value>",
    into = "BTreeMap<MetricName, Value>"
)]
pub struct MetricValues {
    /// Values of metrics that are one number.
    pub scalars: BTreeMap<MetricName, f64>,
    /// Values of metrics that are a list: `rho_spectrum@0`.
    pub arrays: BTreeMap<MetricName, Vec<f64>>,
    /// What must be known to read a value: why a requested metric is undefined on this split
    /// (then it has no value), or that singular values were raised to the floor.
    pub notes: BTreeMap<MetricName, String>,
}

/// A value in JSON.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Number(f64),
    List(Vec<f64>),
}

impl From<BTreeMap<MetricName, Value>> for MetricValues {
    fn from(values: BTreeMap<MetricName, Value>) -> Self {
        let mut result = Self::default();
        for (name, value) in values {
            match value {
                Value::Number(value) => drop(result.scalars.insert(name, value)),
                Value::List(values) => drop(result.arrays.insert(name, values)),
            }
        }
        result
    }
}

impl From<MetricValues> for BTreeMap<MetricName, Value> {
    fn from(values: MetricValues) -> Self {
        let numbers = values
            .scalars
            .into_iter()
            .map(|(name, value)| (name, Value::Number(value)));
        numbers
            .chain(
                values
                    .arrays
                    .into_iter()
                    .map(|(name, list)| (name, Value::List(list))),
            )
            .collect()
    }
}

impl MetricValues {
    /// The number called `name`, in any spelling; none if it was not requested or is undefined.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.scalars.get(&name.parse().ok()?).copied()
    }

    fn insert(&mut self, name: MetricName, value: Option<f64>, reason: &str) {
        match value {
            Some(value) => drop(self.scalars.insert(name, value)),
            None => drop(self.notes.insert(name, format!("undefined: {reason}"))),
        }
    }
}

/// Computes the `requested` metrics of one split: `embeddings` row-major N×D as the network
/// returned them, `labels` N. `seed` fixes the start of k-means. Time O(N²·D) for retrieval and
/// O(N·K·D) a k-means iteration, K the number of labels; memory O(N·D).
///
/// # Errors
/// No or one embedding, dimension 0, NaN or infinity (the row is named), or a number of labels
/// that is not N.
pub fn evaluate(
    embeddings: &[f32],
    dim: usize,
    labels: &[u32],
    requested: &MetricSet,
    seed: u64,
) -> Result<MetricValues> {
    Ok(evaluate_by_class(embeddings, dim, labels, requested, seed)?.0)
}

/// [`evaluate`], with the requested retrieval metrics class by class.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_by_class(
    embeddings: &[f32],
    dim: usize,
    labels: &[u32],
    requested: &MetricSet,
    seed: u64,
) -> Result<(MetricValues, ClassValues)> {
    check_labels(labels, check_embeddings(embeddings, dim)?)?;
    let side = Side {
        embeddings,
        dim,
        labels,
    };
    let mut values = MetricValues::default();
    let classes = retrieval(side, side, true, requested, &mut values);
    let split = Split {
        embeddings,
        dim,
        labels,
        seed,
    };
    for space in [Space::Euclidean, Space::Cosine] {
        let names = |family: Family| -> Vec<MetricName> {
            requested
                .iter()
                .filter(|name| name.space() == Some(space) && Family::of(*name) == family)
                .collect()
        };
        split.clustering(space, &names(Family::Clustering), &mut values);
        split.density(space, &names(Family::Density), &mut values);
    }
    let spectral: Vec<MetricName> = requested
        .iter()
        .filter(|name| Family::of(*name) == Family::Spectrum)
        .collect();
    split.spectrum(&spectral, &mut values)?;
    Ok((values, classes))
}

/// Retrieval metrics of `queries` against a separate `gallery`, as In-Shop Clothes (Liu et al.
/// 2016) is evaluated: every gallery row is a candidate, none is left out. The positives of a
/// query (R of MAP@R and R-precision, and the class size of the mAP family) are the gallery rows
/// of its class. A query without any is a miss of Recall@k and of the mAP family, and does not
/// count in the other metrics; [`ClassValues::unmatched_queries`] says how many there are. Time
/// O(Q·G·D), memory O((Q + G)·D).
///
/// # Errors
/// A side without rows, sides of different dimensions, NaN or infinity (the row is named), a
/// number of labels that is not that of rows, or a metric that describes one set of embeddings.
pub fn evaluate_query_gallery(
    queries: Side<'_>,
    gallery: Side<'_>,
    requested: &MetricSet,
) -> Result<(MetricValues, ClassValues)> {
    let of_one_set = |name: &MetricName| !name.is_retrieval();
    if let Some(name) = requested.iter().find(of_one_set) {
        return Err(Error::Recipe(format!(
            "`{name}` describes one set of embeddings, so queries with a separate gallery have \
             no such value: leave it out, or evaluate the gallery by itself"
        )));
    }
    queries.check("query")?;
    gallery.check("gallery")?;
    if queries.dim != gallery.dim {
        return Err(Error::Data(format!(
            "the query embeddings have {} dimensions, those of the gallery {}: both must come \
             from the same network",
            queries.dim, gallery.dim
        )));
    }
    let mut values = MetricValues::default();
    let classes = retrieval(queries, gallery, false, requested, &mut values);
    Ok((values, classes))
}

/// Computes the retrieval metrics of `requested` into `values`, and returns them by class.
fn retrieval(
    queries: Side<'_>,
    gallery: Side<'_>,
    same_rows: bool,
    requested: &MetricSet,
    values: &mut MetricValues,
) -> ClassValues {
    let of_queries: MetricSet = requested
        .iter()
        .filter(|name| name.is_retrieval())
        .map(MetricName::of_queries)
        .collect();
    let names: Vec<MetricName> = of_queries.iter().collect();
    let mut classes = ClassValues::new(names.clone(), queries.labels);
    for space in [Space::Euclidean, Space::Cosine] {
        let of_space = |&column: &usize| names[column].space() == Some(space);
        let columns: Vec<usize> = (0..names.len()).filter(of_space).collect();
        if columns.is_empty() {
            continue;
        }
        rank_positives(queries, gallery, same_rows, space, |query, ranks| {
            let ranks = QueryRanks {
                ranks,
                in_gallery: same_rows,
            };
            classes.add(queries.labels[query], ranks, &columns);
        });
    }
    let reason = if same_rows {
        "no class of this split has two members"
    } else {
        "no query has its class in the gallery"
    };
    for name in requested.iter().filter(|name| name.is_retrieval()) {
        let value = match name.quantity() {
            Quantity::WorstClassRecall => {
                let worst = classes.worst(name);
                worst.map(|worst| worst.value)
            }
            _ => classes.mean(name, Averaging::Queries),
        };
        values.insert(name, value, reason);
    }
    classes
}

/// Metrics that share their costly part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Retrieval,
    Clustering,
    Density,
    Spectrum,
}

impl Family {
    fn of(name: MetricName) -> Self {
        match name.quantity() {
            Quantity::Nmi | Quantity::NmiGeometric | Quantity::Ami | Quantity::F1 => {
                Self::Clustering
            }
            Quantity::Intra | Quantity::Inter | Quantity::IntraOverInter => Self::Density,
            Quantity::Spectrum | Quantity::SpectrumFull => Self::Spectrum,
            _ => Self::Retrieval,
        }
    }
}

impl MetricName {
    /// Whether the metric looks at ranked lists only, so that it can be computed for queries
    /// against a separate gallery, class by class, and with an interval.
    pub fn is_retrieval(self) -> bool {
        Family::of(self) == Family::Retrieval
    }
}

struct Split<'a> {
    embeddings: &'a [f32],
    dim: usize,
    labels: &'a [u32],
    seed: u64,
}

impl Split<'_> {
    fn clustering(&self, space: Space, names: &[MetricName], values: &mut MetricValues) {
        if names.is_empty() {
            return;
        }
        let points = Points::new(self.embeddings, self.dim, space);
        let clusters = rows_by_class(self.labels).len();
        let start = Start::PlusPlus {
            clusters,
            seed: self.seed,
        };
        let found = cluster(&points, space, start, ITERATIONS);
        let table = Contingency::new(self.labels, &found.assignment);
        for &name in names {
            let value = match name.quantity() {
                Quantity::NmiGeometric => Some(table.nmi(EntropyMean::Geometric)),
                Quantity::Ami => Some(table.ami()),
                Quantity::F1 => table.pair_f1(),
                _ => Some(table.nmi(EntropyMean::Arithmetic)),
            };
            values.insert(name, value, "no two items share a class or a cluster");
        }
    }

    fn density(&self, space: Space, names: &[MetricName], values: &mut MetricValues) {
        if names.is_empty() {
            return;
        }
        let found = class_distances_checked(self.embeddings, self.dim, self.labels, space);
        for &name in names {
            let (value, reason) = match name.quantity() {
                Quantity::Intra => (found.intra, "no class of this split has two members"),
                Quantity::Inter => (found.inter, "this split has one class"),
                _ => (
                    found.ratio(),
                    "this split has one class or no class of two members",
                ),
            };
            values.insert(name, value, reason);
        }
    }

    fn spectrum(&self, names: &[MetricName], values: &mut MetricValues) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let all = singular_values(self.embeddings, self.dim)?;
        for &name in names {
            let kept = if name.quantity() == Quantity::Spectrum {
                self.dim - 1
            } else {
                self.dim
            };
            let sigma = &all[..kept.min(all.len())];
            let reason = "the embeddings are all zero, or have too few singular values";
            let floored = if name.is_array() {
                let spectrum = normalized_spectrum(sigma, 0, FLOOR);
                let (shares, floored) = spectrum.map(|found| (found.shares, found.floored)).unzip();
                match shares {
                    Some(shares) => drop(values.arrays.insert(name, shares)),
                    None => values.insert(name, None, reason),
                }
                floored
            } else {
                let (value, floored) = spectral_decay(sigma, name.parameter(), FLOOR).unzip();
                values.insert(name, value, reason);
                floored
            };
            if let Some(floored @ 1..) = floored {
                let note = format!(
                    "{floored} of {} singular values were raised to {FLOOR:e} of the largest",
                    sigma.len()
                );
                values.notes.insert(name, note);
            }
        }
        Ok(())
    }
}
