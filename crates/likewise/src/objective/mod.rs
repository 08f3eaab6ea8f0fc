//! Training objectives. Each is a function of the pairwise matrix, the labels and, for some, the
//! tuples of a miner; those with parameters of their own are learned along with the network.

pub mod contrastive;
pub mod margin;
pub mod multisimilarity;
mod reduction;
pub mod triplet;

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::batch::BatchLabels;
use crate::miner::{TupleKind, Tuples};
use crate::pairwise::Pairwise;
use crate::random::name_hash;

/// What an objective says about a batch; everything stays on the device.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The loss, `[1]`, with its gradient. NaN if an embedding that takes part is NaN.
    pub loss: Tensor<1>,
    /// Numbers worth logging, without gradient.
    pub statistics: Vec<Statistic>,
}

/// A named number on the device, which costs a read-back only if somebody asks for it.
#[derive(Clone, Debug)]
pub struct Statistic {
    /// Name in logs.
    pub name: &'static str,
    /// Its value, `[1]`.
    pub value: Tensor<1>,
}

impl Statistic {
    fn new(name: &'static str, value: Tensor<1>) -> Self {
        Self {
            name,
            value: value.inner(),
        }
    }
}

/// What the parameters of an objective depend on, beside its hyper-parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Number of training classes C; labels are below it.
    pub classes: usize,
    /// Dimension D of the embeddings.
    pub dimension: usize,
    /// The run's seed, for random initial values.
    pub seed: u64,
}

/// The loss of a batch.
pub trait RankingObjective {
    /// Loss of the embeddings behind `pairwise`, whose rows have `labels`.
    ///
    /// Without any valid tuple the loss is 0 and so is its gradient.
    ///
    /// # Errors
    /// [`Error::Recipe`](crate::Error::Recipe) when `tuples` are not of the kind it needs.
    fn forward(
        &self,
        pairwise: &Pairwise,
        labels: &BatchLabels,
        tuples: &Tuples,
    ) -> Result<Outcome>;
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
    /// Tuples it needs from a miner.
    pub tuples: TupleKind,
    /// Names of the parameters that are learned along with the network.
    pub parameters: &'static [&'static str],
    /// Whether it is only meant for unit vectors.
    pub needs_unit_embeddings: bool,
    /// The objective with its default hyper-parameters; serialise it to list them.
    pub default: fn() -> ObjectiveConfig,
}

/// Makes both enums, their dispatch and the table from one line an objective: `Variant(module
/// type, hyper-parameter type) "name", tuples, unit vectors, [parameters], "title", "paper"`.
macro_rules! objectives {
    ($($variant:ident($objective:ty, $config:ty) $name:literal, $tuples:ident, $unit:literal, [$($parameter:literal),*], $title:literal, $paper:literal;)*) => {
        /// An objective and its hyper-parameters, as a recipe's `[objective]` states them.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name")]
        pub enum ObjectiveConfig {
            $(
                #[doc = concat!($title, ".")]
                #[serde(rename = $name)]
                $variant($config),
            )*
        }

        /// An objective with its parameters.
        #[derive(Module, Debug)]
        pub enum Objective {
            $(
                #[doc = concat!($title, ".")]
                $variant($objective),
            )*
        }

        /// Every objective, in the order in which help and menus show them.
        pub const TABLE: &[Entry] = &[$(Entry {
            name: $name,
            title: $title,
            paper: $paper,
            tuples: TupleKind::$tuples,
            parameters: &[$($parameter),*],
            needs_unit_embeddings: $unit,
            default: || ObjectiveConfig::$variant(<$config>::default()),
        },)*];

        impl ObjectiveConfig {
            /// The name in recipes.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// Refuses hyper-parameters outside their ranges.
            ///
            /// # Errors
            /// [`Error::Recipe`](crate::Error::Recipe) naming the key, its value and the range.
            pub fn validate(&self) -> Result<()> {
                match self { $(Self::$variant(config) => config.validate(),)* }
            }

            /// Learning rate of the objective's own parameters (which take no weight decay);
            /// nothing if it has none.
            pub fn learning_rate(&self) -> Option<f64> {
                match self { $(Self::$variant(config) => config.learning_rate(),)* }
            }

            /// The objective, its hyper-parameters checked and its parameters at their initial
            /// values on `device`.
            ///
            /// # Errors
            /// As [`validate`](Self::validate).
            pub fn init(&self, setting: Setting, device: &Device) -> Result<Objective> {
                self.validate()?;
                Ok(match self {
                    $(Self::$variant(config) => Objective::$variant(config.init(setting, device)),)*
                })
            }
        }

        impl RankingObjective for Objective {
            fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, tuples: &Tuples) -> Result<Outcome> {
                match self {
                    $(Self::$variant(objective) => objective.forward(pairwise, labels, tuples),)*
                }
            }
        }
    };
}

objectives! {
    Contrastive(contrastive::Contrastive, contrastive::ContrastiveConfig) "contrastive", Triplets, false, [], "Contrastive", "Hadsell et al., Dimensionality Reduction by Learning an Invariant Mapping, 2006";
    Triplet(triplet::Triplet, triplet::TripletConfig) "triplet", Triplets, false, [], "Triplet", "Schroff et al., FaceNet: A Unified Embedding for Face Recognition and Clustering, 2015";
    Margin(margin::Margin, margin::MarginConfig) "margin", Triplets, false, ["beta"], "Margin", "Wu et al., Sampling Matters in Deep Embedding Learning, 2017";
    Multisimilarity(multisimilarity::Multisimilarity, multisimilarity::MultisimilarityConfig) "multisimilarity", None, true, [], "Multi-similarity", "Wang et al., Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning, 2019";
}

/// The line of [`TABLE`] with this name.
pub fn entry(name: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.name == name)
}

impl ObjectiveConfig {
    /// The line of [`TABLE`] about this objective.
    pub fn entry(&self) -> &'static Entry {
        entry(self.name()).expect("the table and the enum are made from the same lines")
    }
}

/// A trainable parameter whose identity is its `path`, so that optimiser states of a checkpoint
/// find it again.
fn parameter<const D: usize>(path: &str, initial: Tensor<D>) -> Param<Tensor<D>> {
    Param::initialized(ParamId::from(name_hash(path)), initial).set_require_grad(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTING: Setting = Setting {
        classes: 3,
        dimension: 2,
        seed: 0,
    };

    fn parse(text: &str) -> ObjectiveConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn table_names_are_those_of_recipes_and_defaults_are_valid() {
        for entry in TABLE {
            let config = (entry.default)();
            assert_eq!(config.name(), entry.name);
            config.validate().unwrap();
            let text = toml::to_string(&config).unwrap();
            assert_eq!(parse(&text), config);
            assert_eq!(parse(&format!("name = \"{}\"", entry.name)), config);
            assert_eq!(
                config.learning_rate().is_some(),
                !entry.parameters.is_empty()
            );
            let objective = config.init(SETTING, &Device::flex()).unwrap();
            assert_eq!(
                objective.num_params() > 0,
                !entry.parameters.is_empty(),
                "{}",
                entry.name
            );
        }
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_key() {
        for (text, key) in [
            (
                "name = \"contrastive\"\nneg_margin = -1.0",
                "objective.neg_margin",
            ),
            (
                "name = \"contrastive\"\npos_margin = inf",
                "objective.pos_margin",
            ),
            (
                "name = \"contrastive\"\ndistance_eps = -1e-8",
                "objective.distance_eps",
            ),
            ("name = \"triplet\"\nmargin = nan", "objective.margin"),
            ("name = \"margin\"\nbeta = -0.6", "objective.beta"),
            (
                "name = \"margin\"\nlearning_rate = -1.0",
                "objective.learning_rate",
            ),
            (
                "name = \"margin\"\nnu = 0.1\nbeta_constant = true",
                "objective.nu",
            ),
            (
                "name = \"multisimilarity\"\npos_weight = 0.0",
                "objective.pos_weight",
            ),
            (
                "name = \"multisimilarity\"\nthresh = nan",
                "objective.thresh",
            ),
        ] {
            let error = parse(text)
                .init(SETTING, &Device::flex())
                .unwrap_err()
                .to_string();
            assert!(error.contains(key), "{text}: {error}");
        }
        for text in [
            "name = \"margin\"\nalpha = 1.0",
            "name = \"hinge\"",
            "beta = 1.0",
        ] {
            assert!(toml::from_str::<ObjectiveConfig>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_constant_beta_is_no_parameter() {
        let config = parse("name = \"margin\"\nbeta_constant = true");
        assert_eq!(config.learning_rate(), None);
        assert_eq!(
            config.init(SETTING, &Device::flex()).unwrap().num_params(),
            0
        );
    }

    #[test]
    fn identities_of_parameters_do_not_change_between_runs() {
        let id = || match parse("name = \"margin\"")
            .init(SETTING, &Device::flex())
            .unwrap()
        {
            Objective::Margin(margin) => margin.beta.unwrap().id,
            other => panic!("not the margin objective: {other:?}"),
        };
        assert_eq!(id(), id());
    }
}
