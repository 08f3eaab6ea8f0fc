//! What follows from metrics measured while training: which epochs are worth keeping, which one is
//! reported, and whether there is any use in going on.

use serde::{Deserialize, Serialize};

use super::{Progress, Split};
use crate::metric::{Direction, MetricName, MetricSet, MetricValues};
use crate::recipe::{EarlyStopping, EvaluationSettings, Protocol, Recipe};

/// The epoch that was best so far by one metric of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Split it was measured on.
    pub split: Split,
    /// Metric.
    pub metric: MetricName,
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// The metric's value after that epoch.
    pub value: f64,
}

impl Best {
    /// Name of its checkpoint, such as `best-validation-recall@1`.
    pub fn name(&self) -> String {
        best_name(self.split, self.metric)
    }
}

/// Name of the checkpoint of the epoch that is best by `metric` of `split`.
pub fn best_name(split: Split, metric: MetricName) -> String {
    format!("best-{}-{metric}", split.name())
}

/// State of early stopping.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patience {
    /// Value that has to be surpassed.
    pub reference: f64,
    /// Evaluations since it was reached.
    pub waited: u32,
}

impl Protocol {
    /// The split whose classes choose the epoch that is reported.
    pub fn choosing_split(self) -> Split {
        match self {
            Self::Paper => Split::Test,
            Self::Validation => Split::Validation,
        }
    }
}

impl EvaluationSettings {
    /// Metrics whose best epochs are kept: `select`, then `keep_best`.
    pub fn kept(&self) -> impl Iterator<Item = MetricName> + '_ {
        let others = self.keep_best.iter().flat_map(MetricSet::iter);
        std::iter::once(self.select).chain(others.filter(|&metric| metric != self.select))
    }
}

impl Recipe {
    /// Splits evaluated while training, each once, the one that chooses the epoch first.
    pub fn evaluated_splits(&self) -> Vec<Split> {
        let mut splits = vec![self.train.protocol.choosing_split()];
        for &split in &self.evaluation.splits {
            if !splits.contains(&split) {
                splits.push(split);
            }
        }
        splits
    }
}

impl Progress {
    /// Takes note of metrics measured after the current epoch; the bests that they are.
    pub(super) fn consider(
        &mut self,
        recipe: &Recipe,
        split: Split,
        metrics: &MetricValues,
    ) -> Vec<Best> {
        let epoch = self.epoch;
        let measured = recipe.evaluation.kept().filter_map(|metric| {
            let value = *metrics.scalars.get(&metric)?;
            Some(Best {
                split,
                metric,
                epoch,
                value,
            })
        });
        let improved: Vec<Best> = measured.filter(|new| self.is_new(new)).collect();
        for new in &improved {
            self.best
                .retain(|old| (old.split, old.metric) != (new.split, new.metric));
            self.best.push(new.clone());
        }
        if split == recipe.train.protocol.choosing_split()
            && let Some(settings) = recipe.train.early_stopping
            && let Some(&value) = metrics.scalars.get(&recipe.evaluation.select)
        {
            self.wait(settings, recipe.evaluation.select, value);
        }
        improved
    }

    /// The epoch that is best by a metric of a split.
    pub fn best_of(&self, split: Split, metric: MetricName) -> Option<&Best> {
        let mut best = self.best.iter();
        best.find(|best| (best.split, best.metric) == (split, metric))
    }

    fn is_new(&self, new: &Best) -> bool {
        let old = self.best_of(new.split, new.metric);
        new.value.is_finite() && old.is_none_or(|old| surpasses(new.metric, new.value, old.value))
    }

    fn wait(&mut self, settings: EarlyStopping, metric: MetricName, value: f64) {
        let reached = |patience: Patience| {
            let least = match metric.metric().direction {
                Direction::Lower => patience.reference - settings.min_delta,
                Direction::Higher | Direction::Neither => patience.reference + settings.min_delta,
            };
            surpasses(metric, value, least)
        };
        let waited = match self.patience {
            Some(patience) if !reached(patience) => {
                self.patience = Some(Patience {
                    waited: patience.waited + 1,
                    ..patience
                });
                patience.waited + 1
            }
            _ => {
                self.patience = value.is_finite().then_some(Patience {
                    reference: value,
                    waited: 0,
                });
                0
            }
        };
        if waited >= settings.patience {
            self.stopped_after = Some(self.epoch);
        }
    }
}

fn surpasses(metric: MetricName, value: f64, other: f64) -> bool {
    match metric.metric().direction {
        Direction::Lower => value < other,
        Direction::Higher | Direction::Neither => value > other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(more: &str) -> Recipe {
        let text = format!(
            "[model.backbone]\narchitecture='conv_net'\n[objective]\nname='multisimilarity'\n{more}"
        );
        toml::from_str(&text).unwrap()
    }

    fn values(pairs: &[(&str, f64)]) -> MetricValues {
        let mut values = MetricValues::default();
        for (name, value) in pairs {
            values.scalars.insert(name.parse().unwrap(), *value);
        }
        values
    }

    /// Feeds one value of `metric` an epoch; the epoch after which the run stopped.
    fn stopped(recipe: &Recipe, series: &[f64]) -> Option<u32> {
        let mut progress = Progress::default();
        let name = recipe.evaluation.select.to_string();
        for (epoch, &value) in (1..).zip(series) {
            progress.epoch = epoch;
            progress.consider(recipe, Split::Validation, &values(&[(&name, value)]));
            if progress.stopped_after.is_some() {
                break;
            }
        }
        progress.stopped_after
    }

    #[test]
    fn each_metric_of_each_split_has_its_own_best_epoch() {
        let recipe = recipe("[evaluation]\nkeep_best=['nmi','rho_spectrum@1']");
        let mut progress = Progress::default();
        let series = [
            (1, Split::Test, [0.2, 0.5, 0.9]),
            (1, Split::Train, [0.9, 0.5, 0.9]),
            (2, Split::Test, [0.3, 0.4, 0.7]),
            (2, Split::Train, [0.8, 0.6, 0.9]),
            (3, Split::Test, [0.3, 0.5, f64::NAN]),
            (3, Split::Train, [0.8, 0.5, 0.8]),
        ];
        for (epoch, split, [recall, nmi, ratio]) in series {
            progress.epoch = epoch;
            let pairs = [
                ("recall@1", recall),
                ("nmi", nmi),
                ("rho_spectrum@1", ratio),
            ];
            progress.consider(&recipe, split, &values(&pairs));
        }
        let epoch = |split, metric: &str| {
            let best = progress.best_of(split, metric.parse().unwrap());
            best.unwrap().epoch
        };
        for (split, metric, expected) in [
            (Split::Test, "recall@1", 2),
            (Split::Test, "nmi", 1),
            (Split::Test, "rho_spectrum@1", 2),
            (Split::Train, "recall@1", 1),
            (Split::Train, "nmi", 2),
            (Split::Train, "rho_spectrum@1", 3),
        ] {
            assert_eq!(epoch(split, metric), expected, "{split:?} {metric}");
        }
        assert_eq!(progress.best.len(), 6);
    }

    #[test]
    fn a_run_stops_after_as_many_evaluations_without_a_new_best_as_it_is_patient() {
        let patient = recipe("[train]\nearly_stopping={patience=2}");
        assert_eq!(
            stopped(&patient, &[0.1, 0.2, 0.2, 0.3, 0.1, 0.3, 0.9]),
            Some(6)
        );
        assert_eq!(stopped(&patient, &[0.1, 0.1, 0.2, 0.2, 0.3]), None);
        assert_eq!(
            stopped(&patient, &[f64::NAN, 0.1, f64::NAN, f64::NAN]),
            Some(4)
        );
    }

    #[test]
    fn what_is_better_by_less_than_min_delta_does_not_count() {
        let strict = recipe("[train]\nearly_stopping={patience=2,min_delta=0.05}");
        assert_eq!(stopped(&strict, &[0.1, 0.14, 0.15, 0.9]), Some(3));
        assert_eq!(stopped(&strict, &[0.1, 0.14, 0.16, 0.19, 0.2]), Some(5));
        let lower = "[train]\nearly_stopping={patience=2,min_delta=0.05}\n\
                     [evaluation]\nprogress=['rho_spectrum@1']\nselect='rho_spectrum@1'";
        assert_eq!(
            stopped(&recipe(lower), &[0.9, 0.87, 0.8, 0.76, 0.77]),
            Some(5)
        );
    }
}
