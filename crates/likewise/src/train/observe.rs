//! What can be seen of a step beside its loss. Everything stays on the device until somebody reads
//! it; one read brings all of it.

use std::collections::BTreeMap;

use burn::tensor::{Bool, Tensor};
use nalgebra::DMatrix;
use serde::{Deserialize, Deserializer, Serialize};

use super::ParameterGradients;
use crate::Result;
use crate::batch::BatchLabels;
use crate::model::state;
use crate::objective::Statistic;
use crate::pairwise::Pairwise;

/// Bins of a distance histogram.
pub const DISTANCE_BINS: usize = 32;

/// One step, on the device.
#[derive(Clone, Debug)]
pub struct Observation {
    statistics: Vec<Statistic>,
    switched: usize,
    embeddings: Tensor<2>,
    /// Largest distance, counts of positive pairs, counts of negative pairs.
    distances: Tensor<1>,
    gradient: Option<Tensor<1>>,
}

/// One step, as numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// What the objective counted: `tuples`, `active_tuples` and the like, by name.
    #[serde(deserialize_with = "numbers")]
    pub statistics: BTreeMap<String, f64>,
    /// Tuples that the ρ-switch made.
    pub switched: usize,
    /// Root mean square of the gradient over all values of the network's parameters.
    #[serde(deserialize_with = "number")]
    pub gradient_rms: f64,
    /// Its largest magnitude.
    #[serde(deserialize_with = "number")]
    pub gradient_max: f64,
    /// exp of the entropy of the embeddings' normalised singular values (Roy and Vetterli 2007): 1
    /// when all lie on one line, up to min(B, D) when they spread evenly.
    #[serde(deserialize_with = "number")]
    pub effective_rank: f64,
    /// Mean length of the embeddings.
    #[serde(deserialize_with = "number")]
    pub mean_norm: f64,
    /// Distances of the pairs of the batch.
    pub distances: DistanceHistogram,
}

/// Numbers of pairs by their distance, in bins of equal width from 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DistanceHistogram {
    /// Upper end of the last bin: the largest distance.
    #[serde(deserialize_with = "number")]
    pub largest: f64,
    /// Pairs of one class, [`DISTANCE_BINS`] numbers.
    pub positive: Vec<f64>,
    /// Pairs of different classes.
    pub negative: Vec<f64>,
}

/// A number; JSON knows none that is not finite and holds `null` in its place.
fn number<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(source)?.unwrap_or(f64::NAN))
}

fn numbers<'de, D: Deserializer<'de>>(
    source: D,
) -> std::result::Result<BTreeMap<String, f64>, D::Error> {
    let found = BTreeMap::<String, Option<f64>>::deserialize(source)?;
    let known = |(name, value): (String, Option<f64>)| (name, value.unwrap_or(f64::NAN));
    Ok(found.into_iter().map(known).collect())
}

impl Observation {
    pub(super) fn new(
        pairwise: &Pairwise,
        labels: &BatchLabels,
        statistics: Vec<Statistic>,
        switched: usize,
        gradients: &ParameterGradients,
    ) -> Self {
        Self {
            statistics,
            switched,
            embeddings: pairwise.anchors().inner(),
            distances: distance_counts(pairwise, labels),
            gradient: gradients.magnitude("network."),
        }
    }

    /// Reads everything from the device, in one transfer.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub async fn read(self) -> Result<Observed> {
        let [rows, dimension] = self.embeddings.dims();
        let mut parts = vec![self.embeddings.reshape([rows * dimension]), self.distances];
        parts.extend(self.gradient.clone());
        parts.extend(
            self.statistics
                .iter()
                .map(|statistic| statistic.value.clone()),
        );
        let values = state::read_values(Tensor::cat(parts, 0)).await?;
        let mut values = values.into_iter().map(f64::from);
        let embeddings: Vec<f64> = values.by_ref().take(rows * dimension).collect();
        let largest = values.next().unwrap_or(f64::NAN);
        let positive = values.by_ref().take(DISTANCE_BINS).collect();
        let negative = values.by_ref().take(DISTANCE_BINS).collect();
        let mut gradient = |part: &Option<Tensor<1>>| {
            part.as_ref()
                .map_or(0.0, |_| values.next().unwrap_or(f64::NAN))
        };
        let (gradient_rms, gradient_max) = (gradient(&self.gradient), gradient(&self.gradient));
        let names = self
            .statistics
            .iter()
            .map(|statistic| statistic.name.to_string());
        Ok(Observed {
            statistics: names.zip(values).collect(),
            switched: self.switched,
            gradient_rms,
            gradient_max,
            effective_rank: effective_rank(&embeddings, dimension),
            mean_norm: mean_norm(&embeddings, dimension),
            distances: DistanceHistogram {
                largest,
                positive,
                negative,
            },
        })
    }
}

impl Observed {
    /// Share of tuples, anchors or pairs that still contribute to the loss, if the objective
    /// counts them: its first `active_…` number over the number it is a part of.
    pub fn active_share(&self) -> Option<f64> {
        self.statistics.iter().find_map(|(name, active)| {
            let all = self.statistics.get(name.strip_prefix("active_")?)?;
            (*all > 0.0).then(|| active / all)
        })
    }
}

/// Largest distance, then for each bin the number of positive pairs, then of negative pairs; the
/// batch against all references.
fn distance_counts(pairwise: &Pairwise, labels: &BatchLabels) -> Tensor<1> {
    let distance = pairwise.distance_values();
    let compared = labels.positive.clone().bool_or(labels.negative.clone());
    let largest = distance.clone().mask_fill(compared.bool_not(), 0.0).max();
    let width = largest
        .clone()
        .div_scalar(DISTANCE_BINS as f64)
        .clamp_min(1e-20);
    let bin = (distance / width.reshape([1, 1]))
        .floor()
        .clamp_max((DISTANCE_BINS - 1) as f64);
    let mut parts = vec![largest];
    for pairs in [&labels.positive, &labels.negative] {
        parts.extend((0..DISTANCE_BINS).map(|number| {
            let inside: Tensor<2, Bool> = bin.clone().equal_elem(number as f64);
            inside.bool_and(pairs.clone()).float().sum()
        }));
    }
    Tensor::cat(parts, 0)
}

fn mean_norm(values: &[f64], dimension: usize) -> f64 {
    let norms = values
        .chunks_exact(dimension)
        .map(|row| row.iter().map(|value| value * value).sum::<f64>().sqrt());
    norms.sum::<f64>() / (values.len() / dimension) as f64
}

/// exp(H(σ / Σσ)) of the singular values σ of `[B, D]` values; NaN if a value is not finite, 0 if
/// all are zero.
fn effective_rank(values: &[f64], dimension: usize) -> f64 {
    if values.iter().any(|value| !value.is_finite()) {
        return f64::NAN;
    }
    let rows = DMatrix::from_row_slice(values.len() / dimension, dimension, values);
    let singular = rows.singular_values();
    let total = singular.sum();
    if total <= 0.0 {
        return 0.0;
    }
    let shares = singular.iter().map(|value| value / total);
    let entropy: f64 = shares
        .filter(|&share| share > 0.0)
        .map(|share| -share * share.ln())
        .sum();
    entropy.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_rank_is_the_number_of_directions_used_evenly() {
        let line = [1.0, 2.0, 0.0, 2.0, 4.0, 0.0, -1.0, -2.0, 0.0];
        assert!((effective_rank(&line, 3) - 1.0).abs() < 1e-9);
        let axes = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0];
        assert!((effective_rank(&axes, 3) - 3.0).abs() < 1e-9);
        assert_eq!(effective_rank(&[0.0; 6], 3), 0.0);
        assert!(effective_rank(&[0.0, f64::NAN], 1).is_nan());
    }

    #[test]
    fn the_active_share_is_that_of_what_the_objective_counts() {
        let observed = |names: &[(&str, f64)]| Observed {
            statistics: names
                .iter()
                .map(|&(name, value)| (name.to_string(), value))
                .collect(),
            ..Observed::default()
        };
        let share = observed(&[("tuples", 8.0), ("active_tuples", 2.0)]).active_share();
        assert_eq!(share, Some(0.25));
        assert_eq!(observed(&[("tuples", 8.0)]).active_share(), None);
        assert_eq!(observed(&[("active_anchors", 8.0)]).active_share(), None);
        let empty = observed(&[("tuples", 0.0), ("active_tuples", 0.0)]);
        assert_eq!(empty.active_share(), None);
    }
}
