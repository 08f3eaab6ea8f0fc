//! Looks at the observed steps of an epoch for what usually goes wrong in metric learning, and says
//! what it probably is and what to try. Each ailment is named once, until it has gone.

use std::collections::BTreeSet;

use super::{DistanceHistogram, Observed};
use crate::miner::MinerConfig;
use crate::recipe::Recipe;

/// Share of active tuples below which an objective has nothing left to learn from.
const FEW_ACTIVE: f64 = 0.005;
/// Mean distance over mean length below which embeddings count as one point.
const ONE_POINT: f64 = 0.02;
/// Relative distance to its value at collapse within which a loss is stuck there.
const STUCK: f64 = 0.01;
/// Mean distance of positives over that of negatives from which on the two are not told apart.
const ALIKE: f64 = 0.95;
/// Epochs a loss has to stay there.
const STUCK_EPOCHS: u32 = 3;
/// Share of the directions that embeddings could use below which they are confined to a few.
const FEW_DIRECTIONS: f64 = 0.05;
/// Mean length beyond which single precision loses what distinguishes embeddings.
const LONG: f64 = 1e4;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ailment {
    NothingActive,
    Collapsed,
    Stuck,
    FewDirections,
    NoGradient,
    Growing,
}

/// The doctor of one run.
#[derive(Clone, Debug)]
pub(super) struct Doctor {
    miner: Option<&'static str>,
    objective: &'static str,
    dimension: usize,
    normalized: bool,
    collapsed_loss: Option<f64>,
    stuck_epochs: u32,
    named: BTreeSet<Ailment>,
}

impl Doctor {
    pub(super) fn new(recipe: &Recipe) -> Self {
        Self {
            miner: recipe.miner.as_ref().map(MinerConfig::name),
            objective: recipe.objective.name(),
            dimension: recipe.model.embedding_dim,
            normalized: recipe.model.normalize,
            collapsed_loss: recipe.objective.collapsed_loss(),
            stuck_epochs: 0,
            named: BTreeSet::new(),
        }
    }

    /// Warnings about an epoch with this mean loss and these observed steps.
    pub(super) fn examine(&mut self, epoch: u32, loss: f64, steps: &[Observed]) -> Vec<String> {
        if steps.is_empty() {
            return Vec::new();
        }
        let near = |value: f64| (loss - value).abs() <= STUCK * value.abs();
        let at_margin = self.collapsed_loss.is_some_and(near);
        let alike = steps.iter().map(likeness).sum::<f64>() / steps.len() as f64 > ALIKE;
        let stuck = at_margin && alike;
        self.stuck_epochs = if stuck { self.stuck_epochs + 1 } else { 0 };
        let found = self.diagnose(loss, at_margin, steps);
        let new: Vec<String> = found
            .iter()
            .filter(|(ailment, _)| !self.named.contains(ailment))
            .map(|(_, text)| format!("epoch {epoch}: {text}"))
            .collect();
        self.named = found.into_iter().map(|(ailment, _)| ailment).collect();
        new
    }

    fn diagnose(&self, loss: f64, at_margin: bool, steps: &[Observed]) -> Vec<(Ailment, String)> {
        let mut found = Vec::new();
        let mean =
            |value: fn(&Observed) -> f64| steps.iter().map(value).sum::<f64>() / steps.len() as f64;
        let shares: Vec<f64> = steps.iter().filter_map(Observed::active_share).collect();
        let active = shares.iter().sum::<f64>() / shares.len() as f64;
        let spread = mean(spread);
        let rank = mean(|step| step.effective_rank);
        let collapsed = spread < ONE_POINT;
        if !shares.is_empty() && active < FEW_ACTIVE && !collapsed {
            found.push((Ailment::NothingActive, self.nothing_active(active)));
        }
        if collapsed {
            let stuck = if at_margin {
                format!(", and the loss is stuck at its margin ({loss:.4})")
            } else {
                String::new()
            };
            let text = format!(
                "the embeddings collapse to a point: their mean distance is {spread:.1e} of their \
                 length{stuck}. Lower optimizer.learning_rate, use a softer miner{}, or start from \
                 pretrained weights",
                self.instead_of(&["semihard", "distance"])
            );
            found.push((Ailment::Collapsed, text));
        } else if self.stuck_epochs >= STUCK_EPOCHS {
            let text = format!(
                "the loss has stayed for {} epochs at {loss:.4}, its value when positives are as far \
                 as negatives: nothing is learned. Change optimizer.learning_rate, use a softer \
                 miner{}, or check that the labels are right",
                self.stuck_epochs,
                self.instead_of(&["semihard", "distance"])
            );
            found.push((Ailment::Stuck, text));
        }
        let directions = FEW_DIRECTIONS * self.dimension as f64;
        if !collapsed && directions >= 1.0 && rank < directions.max(1.5) {
            let text = format!(
                "the embeddings use few directions: their effective rank is {rank:.1} of {}. Unseen \
                 classes need more: try the ρ-switch (miner.rho), a lower optimizer.learning_rate or \
                 a smaller model.embedding_dim",
                self.dimension
            );
            found.push((Ailment::FewDirections, text));
        }
        let still = steps.iter().all(|step| step.gradient_max == 0.0);
        if still && !collapsed && (shares.is_empty() || active >= FEW_ACTIVE) {
            let text = "no gradient reaches the network although the loss is not zero: check \
                        what is frozen, and the range of the objective's settings";
            found.push((Ailment::NoGradient, text.into()));
        }
        let length = mean(|step| step.mean_norm);
        if !self.normalized && length > LONG {
            let text = format!(
                "the embeddings grow: their mean length is {length:.0}. Set model.normalize = true, \
                 raise objective.l2 where the objective has it, or raise optimizer.weight_decay"
            );
            found.push((Ailment::Growing, text));
        }
        found
    }

    fn nothing_active(&self, active: f64) -> String {
        let share = format!(
            "only {:.1} % of them contribute to the loss",
            100.0 * active
        );
        match self.miner {
            Some(miner) => format!(
                "objective `{}` has next to no active tuples left: {share}. The miner `{miner}` no \
                 longer finds any that are hard enough: use a harder one{}, a larger margin, or more \
                 classes a batch (sampler.batch_size); or training is complete",
                self.objective,
                self.instead_of(&["softhard", "distance"])
            ),
            None => format!(
                "objective `{}` has next to no active pairs left: {share}. Use larger batches \
                 (sampler.batch_size) or a larger margin; or training is complete",
                self.objective
            ),
        }
    }

    /// ` ("a" or "b")`, without the miner in use; nothing when there is no miner.
    fn instead_of(&self, miners: &[&str]) -> String {
        let Some(current) = self.miner else {
            return String::new();
        };
        let others: Vec<String> = miners
            .iter()
            .filter(|&&miner| miner != current)
            .map(|miner| format!("\"{miner}\""))
            .collect();
        format!(" ({})", others.join(" or "))
    }
}

/// Mean distance of all pairs over the mean length of the embeddings.
fn spread(step: &Observed) -> f64 {
    let histogram = &step.distances;
    let counts = histogram.positive.iter().zip(&histogram.negative);
    let all = counts.map(|(positive, negative)| positive + negative);
    match mean_distance(histogram, all) {
        Some(mean) => mean / step.mean_norm.max(f64::MIN_POSITIVE),
        None => f64::INFINITY,
    }
}

/// Mean distance of positive pairs over that of negative pairs; 0 if one kind is missing.
fn likeness(step: &Observed) -> f64 {
    let mean = |counts: &[f64]| mean_distance(&step.distances, counts.iter().copied());
    match (
        mean(&step.distances.positive),
        mean(&step.distances.negative),
    ) {
        (Some(positive), Some(negative)) if negative > 0.0 => positive / negative,
        _ => 0.0,
    }
}

/// Mean distance of pairs counted in the bins of a histogram, if there are any.
fn mean_distance(histogram: &DistanceHistogram, counts: impl Iterator<Item = f64>) -> Option<f64> {
    let width = histogram.largest / histogram.positive.len().max(1) as f64;
    let (mut sum, mut pairs) = (0.0, 0.0);
    for (bin, count) in (0u32..).zip(counts) {
        sum += (f64::from(bin) + 0.5) * width * count;
        pairs += count;
    }
    (pairs > 0.0).then(|| sum / pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Layers;
    use crate::train::DISTANCE_BINS;

    fn doctor(assignments: &[&str]) -> Doctor {
        let text = "[model]\nembedding_dim = 64\n[model.backbone]\narchitecture = \"mlp\"\n\
                    [objective]\nname = \"triplet\"\n[miner]\nname = \"semihard\"\n";
        let mut layers = Layers::from_toml(text, "test", &mut |_, _| unreachable!()).unwrap();
        for assignment in assignments {
            layers.set(assignment).unwrap();
        }
        Doctor::new(&layers.into_recipe().unwrap())
    }

    /// A step in good health.
    fn healthy() -> Observed {
        let statistics = [("tuples", 100.0), ("active_tuples", 40.0)];
        Observed {
            statistics: statistics.map(|(name, value)| (name.into(), value)).into(),
            switched: 0,
            gradient_rms: 1e-3,
            gradient_max: 0.1,
            effective_rank: 40.0,
            mean_norm: 1.0,
            distances: DistanceHistogram {
                largest: 1.6,
                positive: (0..DISTANCE_BINS)
                    .map(|bin| f64::from(u8::from(bin < 20)))
                    .collect(),
                negative: vec![10.0; DISTANCE_BINS],
            },
        }
    }

    fn with(change: impl Fn(&mut Observed)) -> Vec<Observed> {
        let mut step = healthy();
        change(&mut step);
        vec![step; 4]
    }

    #[test]
    fn a_healthy_run_is_left_alone() {
        let mut doctor = doctor(&[]);
        for epoch in 1..6 {
            // A loss near its margin is no bad sign by itself.
            assert!(doctor.examine(epoch, 0.2, &with(|_| ())).is_empty());
            assert!(doctor.examine(epoch, 0.31, &[]).is_empty());
        }
    }

    #[test]
    fn each_ailment_is_named_once_with_cause_and_way_out_and_again_when_it_returns() {
        let silent = with(|step| {
            step.statistics.insert("active_tuples".into(), 0.0);
            step.gradient_max = 0.0;
        });
        let mut doctor = doctor(&[]);
        let first = doctor.examine(1, 0.0, &silent);
        assert_eq!(first.len(), 1, "{first:?}");
        assert!(first[0].contains("`semihard`") && first[0].contains("\"softhard\""));
        assert!(doctor.examine(2, 0.0, &silent).is_empty());
        assert!(doctor.examine(3, 0.1, &with(|_| ())).is_empty());
        assert_eq!(doctor.examine(4, 0.0, &silent).len(), 1);
    }

    #[test]
    fn a_collapse_is_told_from_a_loss_that_stays_at_its_margin() {
        let point = with(|step| {
            step.distances.largest = 0.01;
            step.effective_rank = 1.01;
        });
        let told = doctor(&[]).examine(3, 0.2001, &point);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("collapse") && told[0].contains("stuck at its margin"));
        let alike = with(|step| step.distances.positive = vec![1.0; DISTANCE_BINS]);
        let mut doctor = doctor(&[]);
        for epoch in 1..3 {
            assert!(doctor.examine(epoch, 0.2, &alike).is_empty());
        }
        let told = doctor.examine(3, 0.2, &alike);
        assert!(
            told[0].contains("positives are as far as negatives"),
            "{told:?}"
        );
    }

    #[test]
    fn few_directions_and_growing_lengths_and_missing_gradients_are_seen() {
        let told = doctor(&[]).examine(1, 0.4, &with(|step| step.effective_rank = 2.0));
        assert!(told[0].contains("effective rank is 2.0 of 64"), "{told:?}");
        let raw = ["model.normalize=false"];
        let told = doctor(&raw).examine(
            1,
            0.4,
            &with(|step| {
                step.mean_norm = 3e4;
                step.distances.largest = 5e4;
            }),
        );
        assert!(told[0].contains("model.normalize"), "{told:?}");
        let told = doctor(&[]).examine(1, 0.4, &with(|step| step.gradient_max = 0.0));
        assert!(told[0].contains("no gradient"), "{told:?}");
    }
}
