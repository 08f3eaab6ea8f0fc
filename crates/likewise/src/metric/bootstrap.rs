//! Confidence intervals of retrieval metrics. Images of a class are alike, so the independent
//! units are the classes: they are drawn again with replacement, and each draw gives every metric
//! one more value (Efron & Tibshirani 1993, An Introduction to the Bootstrap, 13.3).

use std::collections::BTreeMap;

use rand::Rng;

use super::class_values::{Averaging, ClassValues};
use super::name::MetricName;
use crate::random::{Purpose, stream};
use crate::{Error, Result};

/// How intervals are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// Number of times all classes are drawn again, at least 1.
    pub resamples: u32,
    /// Share of the values of those resamples inside the interval, between 0 and 1.
    pub confidence: f64,
    /// Seed of the draws.
    pub seed: u64,
}

/// 1,000 resamples, 95 %.
impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 1000,
            confidence: 0.95,
            seed: 0,
        }
    }
}

/// A percentile interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl ClassValues {
    /// Percentile intervals of all metrics. Each resample draws as many classes as there are and
    /// serves every metric; its value is the sum over the count of the drawn classes. A metric for
    /// which fewer than two classes count has no interval. Time O(resamples × classes × metrics).
    ///
    /// # Errors
    /// No resample, or a confidence that is not between 0 and 1.
    pub fn intervals(
        &self,
        averaging: Averaging,
        how: &Bootstrap,
    ) -> Result<BTreeMap<MetricName, Interval>> {
        if how.resamples == 0 {
            return Err(Error::Recipe(
                "an interval needs at least one resample".into(),
            ));
        }
        if !(how.confidence > 0.0 && how.confidence < 1.0) {
            return Err(Error::Recipe(format!(
                "the confidence of an interval must lie between 0 and 1, not {}",
                how.confidence
            )));
        }
        let table = Table::new(self, averaging);
        let mut values = vec![Vec::with_capacity(how.resamples as usize); self.names().len()];
        let mut weights = vec![0u32; self.classes().len()];
        for resample in 0..how.resamples {
            draw(&mut weights, how.seed, resample);
            for (values, value) in values.iter_mut().zip(table.values(&weights)) {
                values.extend(value);
            }
        }
        let ends = self.names().iter().zip(&mut values).zip(&table.informative);
        let found = ends
            .filter(|&((_, ref values), &informative)| informative && !values.is_empty())
            .map(|((&name, values), _)| (name, percentile_interval(values, how.confidence)));
        Ok(found.collect())
    }
}

/// How often each class is drawn.
fn draw(weights: &mut [u32], seed: u64, resample: u32) {
    let classes = weights.len();
    let mut random = stream(seed, Purpose::Bootstrap, 0, resample, 0);
    weights.fill(0);
    for _ in 0..classes {
        weights[random.random_range(0..classes)] += 1;
    }
}

/// Numerators of all metrics and their different denominators, a row for each class.
struct Table {
    width: usize,
    rows: Vec<f64>,
    /// Column of the denominator of each metric; the numerators come first.
    denominators: Vec<usize>,
    /// Whether two classes or more count for a metric.
    informative: Vec<bool>,
}

impl Table {
    fn new(values: &ClassValues, averaging: Averaging) -> Self {
        let (metrics, classes) = (values.names().len(), values.classes().len());
        let column = |column: usize| {
            (0..classes)
                .map(|class| values.share(class, column, averaging))
                .unzip()
        };
        let mut columns: Vec<Vec<f64>> = Vec::new();
        let mut counts: Vec<Vec<f64>> = Vec::new();
        let (mut denominators, mut informative) = (Vec::new(), Vec::new());
        for metric in 0..metrics {
            let (sums, count): (Vec<f64>, Vec<f64>) = column(metric);
            informative.push(count.iter().filter(|&&count| count > 0.0).count() >= 2);
            let known = counts.iter().position(|other| *other == count);
            denominators.push(metrics + known.unwrap_or(counts.len()));
            if known.is_none() {
                counts.push(count);
            }
            columns.push(sums);
        }
        columns.append(&mut counts);
        let row = |class: usize| columns.iter().map(move |column| column[class]);
        Self {
            width: columns.len(),
            rows: (0..classes).flat_map(row).collect(),
            denominators,
            informative,
        }
    }

    /// The value of each metric when class i occurs `weights[i]` times; none if nothing counts.
    fn values(&self, weights: &[u32]) -> impl Iterator<Item = Option<f64>> + '_ {
        let mut totals = vec![0.0; self.width];
        for (row, &weight) in self.rows.chunks_exact(self.width.max(1)).zip(weights) {
            if weight == 0 {
                continue;
            }
            for (total, value) in totals.iter_mut().zip(row) {
                *total += f64::from(weight) * value;
            }
        }
        let value = move |(metric, &denominator): (usize, &usize)| {
            (totals[denominator] > 0.0).then(|| totals[metric] / totals[denominator])
        };
        self.denominators.iter().enumerate().map(value)
    }
}

/// The quantiles that leave equal shares outside, linear between neighbouring values.
fn percentile_interval(values: &mut [f64], confidence: f64) -> Interval {
    values.sort_unstable_by(f64::total_cmp);
    let quantile = |share: f64| {
        let place = share * (values.len() - 1) as f64;
        let below = place.floor() as usize;
        let above = values[place.ceil() as usize];
        values[below] + (place - below as f64) * (above - values[below])
    };
    let outside = (1.0 - confidence) / 2.0;
    Interval {
        low: quantile(outside),
        high: quantile(1.0 - outside),
    }
}
