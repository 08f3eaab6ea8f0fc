//! All requested metrics of one split in one go: what several of them need (ranks of positives,
//! a clustering, the singular values) is computed once, and only if one of them is requested.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::average_precision::{self as ap, QueryRanks};
use super::clustering::{Contingency, EntropyMean};
use super::distances::class_distances_checked;
use super::kmeans::{ITERATIONS, Start, cluster};
use super::name::{MetricName, MetricSet};
use super::neighbours::count_ranks;
use super::points::{Points, Space, check_embeddings, check_labels, rows_by_class};
use super::recall::recall_at;
use super::spectrum::{FLOOR, normalized_spectrum, singular_values, spectral_decay};
use super::table::Quantity;
use crate::Result;

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
    check_labels(labels, check_embeddings(embeddings, dim)?)?;
    let split = Split {
        embeddings,
        dim,
        labels,
        seed,
    };
    let mut values = MetricValues::default();
    for space in [Space::Euclidean, Space::Cosine] {
        let names = |family: Family| -> Vec<MetricName> {
            requested
                .iter()
                .filter(|name| name.space() == Some(space) && Family::of(*name) == family)
                .collect()
        };
        split.retrieval(space, &names(Family::Retrieval), &mut values);
        split.clustering(space, &names(Family::Clustering), &mut values);
        split.density(space, &names(Family::Density), &mut values);
    }
    let spectral: Vec<MetricName> = requested
        .iter()
        .filter(|name| Family::of(*name) == Family::Spectrum)
        .collect();
    split.spectrum(&spectral, &mut values)?;
    Ok(values)
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

struct Split<'a> {
    embeddings: &'a [f32],
    dim: usize,
    labels: &'a [u32],
    seed: u64,
}

impl Split<'_> {
    fn retrieval(&self, space: Space, names: &[MetricName], values: &mut MetricValues) {
        if names.is_empty() {
            return;
        }
        let mut means = vec![Mean::default(); names.len()];
        let points = Points::new(self.embeddings, self.dim, space);
        count_ranks(&points, self.labels, space, |_, ranks| {
            let query = QueryRanks {
                ranks,
                rows: self.labels.len(),
            };
            for (mean, &name) in means.iter_mut().zip(names) {
                mean.add(of_query(name, query));
            }
        });
        for (mean, &name) in means.into_iter().zip(names) {
            values.insert(name, mean.value(), "no class of this split has two members");
        }
    }

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

/// A retrieval metric of one query; none if the query does not count.
fn of_query(name: MetricName, query: QueryRanks<'_>) -> Option<f64> {
    match name.quantity() {
        Quantity::PrecisionAt1 => ap::precision_at_1(query),
        Quantity::MapAtR => ap::map_at_r(query),
        Quantity::RPrecision => ap::r_precision(query),
        Quantity::ApFull => ap::ap_full(query),
        Quantity::MeanReciprocalRank => ap::reciprocal_rank(query),
        Quantity::Map => Some(ap::map_upstream(query)),
        Quantity::MapLim => Some(ap::map_lim(query)),
        Quantity::Map1000 => Some(ap::map_1000(query)),
        Quantity::MapC => Some(ap::map_c(query)),
        _ => Some(recall_at(query, name.parameter().unsigned_abs())),
    }
}

#[derive(Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1;
        }
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}
