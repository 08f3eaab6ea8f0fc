//! Batch miners: which tuples of a batch an objective learns from. A miner sees the pairwise matrix
//! and the labels and answers with index tensors on the device; nothing is read back. Choices that
//! need labels only are made on the host, the others on the device from uploaded random numbers.

mod anchors;
mod choice;
pub mod distance;
pub mod intra_random;
pub mod lifted;
pub mod multisimilarity;
mod negatives;
pub mod npair;
pub mod parametric;
mod quadruplets;
pub mod random;
pub mod random_distance;
pub mod rho;
pub mod semihard;
pub mod softhard;
pub mod triplets;
mod tuples;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use quadruplets::Quadruplets;
pub use rho::{RhoSwitch, SwitchMode};
pub use triplets::Triplets;
pub(crate) use triplets::indices;
pub use tuples::{NPairs, PairSets, TupleKind, Tuples};

use crate::batch::BatchLabels;
use crate::pairwise::Pairwise;
use crate::{Error, Result};

/// A miner of triplets.
pub trait TripletMiner {
    /// Refuses hyper-parameters outside their ranges with [`Error::Recipe`].
    fn validate(&self) -> Result<()>;

    /// The ρ-switch that is applied to what [`draw`](Self::draw) gives.
    fn rho(&self) -> Option<&RhoSwitch>;

    /// The triplets of a batch before the ρ-switch, on the plain (not autodiff) device.
    fn draw(&self, pairwise: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Triplets;

    /// The triplets of a batch, switched if a ρ-switch is set.
    fn mine(&self, pairwise: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Triplets {
        let triplets = self.draw(pairwise, labels, rng);
        match self.rho() {
            Some(switch) => switch.apply(triplets, labels, rng),
            None => triplets,
        }
    }
}

/// One line of [`TABLE`].
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Name in recipes.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    /// What it makes.
    pub tuples: TupleKind,
    /// Whether it is only defined for unit vectors.
    pub needs_unit_embeddings: bool,
    /// Whether it is a control of experiments, not meant to learn from.
    pub control: bool,
    /// The miner with its default hyper-parameters; serialise it to list them.
    pub default: fn() -> MinerConfig,
}

/// Makes the enum, its dispatch and the table from one line a miner:
/// `Variant(type) "name", tuples, unit vectors, control, "title", "paper"`.
macro_rules! miners {
    ($($variant:ident($miner:ty) $name:literal, $tuples:ident, $unit:literal, $control:literal, $title:literal, $paper:literal;)*) => {
        /// A batch miner and its hyper-parameters, as a recipe's `[miner]` states it.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name")]
        pub enum MinerConfig {
            $(
                #[doc = concat!($title, ".")]
                #[serde(rename = $name)]
                $variant($miner),
            )*
        }

        /// Every miner, in the order in which help and menus show them.
        pub const TABLE: &[Entry] = &[$(Entry {
            name: $name,
            title: $title,
            paper: $paper,
            tuples: TupleKind::$tuples,
            needs_unit_embeddings: $unit,
            control: $control,
            default: || MinerConfig::$variant(<$miner>::default()),
        },)*];

        impl MinerConfig {
            /// The name in recipes.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// Refuses hyper-parameters outside their ranges.
            ///
            /// # Errors
            /// [`Error::Recipe`] naming the key, its value and the range allowed.
            pub fn validate(&self) -> Result<()> {
                match self { $(Self::$variant(miner) => miner.validate(),)* }
            }

            fn mine(&self, pairwise: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Tuples {
                match self { $(Self::$variant(miner) => miner.mine(pairwise, labels, rng).into(),)* }
            }
        }
    };
}

miners! {
    Random(random::Random) "random", Triplets, false, false, "Random", "uniform baseline; as in Hoffer & Ailon, Deep Metric Learning Using Triplet Network, 2015";
    Semihard(semihard::Semihard) "semihard", Triplets, false, false, "Semi-hard", "Schroff et al., FaceNet: A Unified Embedding for Face Recognition and Clustering, 2015";
    Softhard(softhard::Softhard) "softhard", Triplets, false, false, "Soft-hard", "Roth & Brattoli, Deep Metric Learning Baselines, 2019";
    Distance(distance::Distance) "distance", Triplets, true, false, "Distance-weighted", "Wu et al., Sampling Matters in Deep Embedding Learning, 2017";
    Parametric(parametric::Parametric) "parametric", Triplets, false, false, "Parametric histogram", "Roth et al., PADS: Policy-Adapted Sampling for Visual Similarity Learning, 2020";
    Npair(npair::Npair) "npair", NPairs, false, false, "N-pairs", "Sohn, Improved Deep Metric Learning with Multi-class N-pair Loss Objective, 2016";
    Lifted(lifted::Lifted) "lifted", PairSets, false, false, "All pairs", "Hermans et al., In Defense of the Triplet Loss for Person Re-Identification, 2017; after Oh Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, 2016";
    Multisimilarity(multisimilarity::MultisimilarityPairs) "multisimilarity", PairSets, true, false, "Multi-similarity pairs", "Wang et al., Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning, 2019";
    RandomDistance(random_distance::RandomDistance) "random_distance", Triplets, true, true, "Distance-weighted with permuted labels (control)", "Roth et al., Revisiting Training Strategies and Generalization Performance in Deep Metric Learning, 2020";
    IntraRandom(intra_random::IntraRandom) "intra_random", Triplets, false, true, "Random inside classes (control)", "Roth et al., Revisiting Training Strategies and Generalization Performance in Deep Metric Learning, 2020";
}

/// The line of [`TABLE`] with this name.
pub fn entry(name: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.name == name)
}

impl MinerConfig {
    /// The line of [`TABLE`] about this miner.
    pub fn entry(&self) -> &'static Entry {
        entry(self.name()).expect("the table and the enum are made from the same lines")
    }
}

/// A miner whose hyper-parameters have been checked, making the tuples an objective takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Miner {
    config: MinerConfig,
    makes: TupleKind,
}

impl Miner {
    /// A miner of the tuples it makes by itself.
    ///
    /// # Errors
    /// As [`MinerConfig::validate`].
    pub fn new(config: &MinerConfig) -> Result<Self> {
        Self::serving(config, &[config.entry().tuples])
    }

    /// A miner for an objective that takes any of `wanted`.
    ///
    /// # Errors
    /// As [`MinerConfig::validate`]; [`Error::Recipe`] naming the miners that serve if this does
    /// not.
    pub fn serving(config: &MinerConfig, wanted: &[TupleKind]) -> Result<Self> {
        config.validate()?;
        let made = config.entry().tuples;
        let makes = wanted.iter().copied().find(|&wanted| made.serves(wanted));
        let makes = makes.ok_or_else(|| {
            Error::Recipe(format!(
                "miner.name = \"{}\" makes {}, which the objective does not take: use {}",
                config.name(),
                made.name(),
                serving(wanted)
            ))
        })?;
        Ok(Self {
            config: config.clone(),
            makes,
        })
    }

    /// Its hyper-parameters.
    pub fn config(&self) -> &MinerConfig {
        &self.config
    }

    /// The tuples of a batch. `rng` is the batch's own stream
    /// ([`Purpose::Miner`](crate::random::Purpose::Miner)); equal streams give equal tuples.
    pub fn mine(&self, pairwise: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Tuples {
        match (self.config.mine(pairwise, labels, rng), self.makes) {
            (Tuples::Triplets(triplets), TupleKind::Quadruplets) => {
                Quadruplets::complete(triplets, labels, rng).into()
            }
            (tuples, _) => tuples,
        }
    }
}

/// The names of the miners that make tuples of the kinds `wanted`, for a message.
pub fn serving(wanted: &[TupleKind]) -> String {
    let serves = |entry: &&Entry| wanted.iter().any(|&kind| entry.tuples.serves(kind));
    let names: Vec<String> = TABLE
        .iter()
        .filter(serves)
        .map(|entry| format!("\"{}\"", entry.name))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_are_those_of_recipes_and_defaults_are_valid() {
        for entry in TABLE {
            let config = (entry.default)();
            assert_eq!(config.name(), entry.name);
            config.validate().unwrap();
            let text = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<MinerConfig>(&text).unwrap(), config);
            let bare = format!("name = \"{}\"", entry.name);
            assert_eq!(toml::from_str::<MinerConfig>(&bare).unwrap(), config);
        }
    }

    #[test]
    fn any_triplet_miner_takes_the_switch_and_a_budget() {
        let text = "name = \"semihard\"\nmargin = 1\nbudget = 50\nrho = { p_switch = 0.4, switch_mode = \"keep_positive\" }";
        let expected = semihard::Semihard {
            margin: 1.0,
            budget: Some(50),
            rho: Some(RhoSwitch {
                p_switch: 0.4,
                switch_mode: SwitchMode::KeepPositive,
            }),
        };
        let config: MinerConfig = toml::from_str(text).unwrap();
        assert_eq!(config, MinerConfig::Semihard(expected));
        for entry in TABLE {
            let text = format!(
                "name = '{}'\nbudget = 3\nrho = {{ p_switch = 0.1 }}",
                entry.name
            );
            let config: std::result::Result<MinerConfig, _> = toml::from_str(&text);
            let triplets = entry.tuples == TupleKind::Triplets;
            assert_eq!(config.is_ok(), triplets, "{}", entry.name);
        }
    }

    #[test]
    fn an_objective_gets_the_tuples_it_takes_or_a_refusal_with_the_miners_that_serve() {
        let miner = |name: &str| (entry(name).unwrap().default)();
        let quadruplets = [TupleKind::Quadruplets];
        let made = Miner::serving(&miner("semihard"), &quadruplets)
            .unwrap()
            .makes;
        assert_eq!(made, TupleKind::Quadruplets);
        let either = [TupleKind::Triplets, TupleKind::PairSets];
        let made = Miner::serving(&miner("lifted"), &either).unwrap().makes;
        assert_eq!(made, TupleKind::PairSets);
        let refused = Miner::serving(&miner("npair"), &either).unwrap_err();
        let message = refused.to_string();
        for name in [
            "npair",
            "N-pairs",
            "random",
            "distance",
            "lifted",
            "multisimilarity",
        ] {
            assert!(message.contains(name), "{name} is missing: {message}");
        }
        let refused = Miner::serving(&miner("distance"), &[TupleKind::NPairs]).unwrap_err();
        assert!(refused.to_string().ends_with("use \"npair\""), "{refused}");
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_key() {
        for (text, key) in [
            ("name = 'semihard'\nmargin = -0.1", "miner.margin"),
            ("name = 'semihard'\nmargin = 0.0", "miner.margin"),
            ("name = 'semihard'\nmargin = nan", "miner.margin"),
            (
                "name = 'distance'\nlower_cutoff = 0.0",
                "miner.lower_cutoff",
            ),
            (
                "name = 'distance'\nlower_cutoff = 2.0",
                "miner.lower_cutoff",
            ),
            (
                "name = 'distance'\nupper_cutoff = 2.5",
                "miner.upper_cutoff",
            ),
            (
                "name = 'random_distance'\nupper_cutoff = 0.0",
                "miner.upper_cutoff",
            ),
            ("name = 'parametric'\nn_support = 1", "miner.n_support"),
            ("name = 'parametric'\nn_support = 10001", "miner.n_support"),
            (
                "name = 'parametric'\nlimits = [-0.1, 1.0]",
                "miner.limits[0]",
            ),
            (
                "name = 'parametric'\nlimits = [0.5, 0.5]",
                "miner.limits[1]",
            ),
            (
                "name = 'parametric'\nlimits = [0.5, inf]",
                "miner.limits[1]",
            ),
            ("name = 'multisimilarity'\nmargin = -0.1", "miner.margin"),
            (
                "name = 'random'\nrho = { p_switch = 1.01 }",
                "miner.rho.p_switch",
            ),
            (
                "name = 'softhard'\nrho = { p_switch = nan }",
                "miner.rho.p_switch",
            ),
        ] {
            refused(text, key);
        }
        let triplets = |entry: &&Entry| entry.tuples == TupleKind::Triplets;
        for entry in TABLE.iter().filter(triplets) {
            for budget in [0, 1_000_001] {
                refused(
                    &format!("name = '{}'\nbudget = {budget}", entry.name),
                    "miner.budget",
                );
            }
            let text = format!("name = '{}'\nrho = {{ p_switch = -0.1 }}", entry.name);
            refused(&text, "miner.rho.p_switch");
        }
        for text in [
            "name = 'semihard'\nmargn = 1.0",
            "name = 'random_distance'\nlower = 1.0",
            "name = 'npair'\nmargin = 1.0",
            "name = 'parametric'\nmode = 'easy'",
            "name = 'nearest'",
            "margin = 1.0",
        ] {
            assert!(toml::from_str::<MinerConfig>(text).is_err(), "{text}");
        }
    }

    fn refused(text: &str, key: &str) {
        let config: MinerConfig = toml::from_str(text).unwrap();
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(key), "{text}: {error}");
    }
}
