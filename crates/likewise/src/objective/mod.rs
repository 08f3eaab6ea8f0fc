//! Training objectives. Each is a function of the pairwise matrix, the labels and, for some, the
//! tuples of a miner; those with parameters of their own are learned along with the network.

pub mod angular;
mod angular_margin;
pub mod arcface;
pub mod circle;
mod classification;
pub mod contrastive;
pub mod cosface;
mod cross_batch_memory;
pub mod fastap;
pub mod histogram;
pub mod lifted;
pub mod margin;
pub mod multisimilarity;
pub mod normalized_softmax;
pub mod npair;
pub mod ntxent;
mod pair_histogram;
pub mod proxy_anchor;
pub mod proxynca;
pub mod quadruplet;
mod reduction;
pub mod smoothap;
pub mod snr;
pub mod softmax;
pub mod softtriplet;
pub mod subcenter_arcface;
pub mod supcon;
pub mod triplet;

pub use cross_batch_memory::{CrossBatchMemory, CrossBatchSettings};

use burn::tensor::{Device, Tensor};

use crate::Result;
use crate::batch::BatchLabels;
use crate::miner::{self, TupleKind, Tuples};
use crate::model::init::ParameterSource;
use crate::pairwise::Pairwise;

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
    /// A number with its name; the gradient is left behind.
    pub fn new(name: &'static str, value: Tensor<1>) -> Self {
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

/// The hyper-parameters of an objective: what a recipe's `[objective]` table holds beside the name.
pub trait Hyperparameters: Default {
    /// What they are the hyper-parameters of.
    type Objective;

    /// Refuses values outside their ranges.
    ///
    /// # Errors
    /// [`Error::Recipe`](crate::Error::Recipe) naming the key, its value and the range.
    fn validate(&self) -> Result<()>;

    /// Learning rate of the objective's own parameters, which take no weight decay; without one
    /// they move at the network's.
    fn learning_rate(&self) -> Option<f64> {
        None
    }

    /// The loss of a batch whose embeddings all coincide, if that is a constant: a loss that stays
    /// there has learned nothing.
    fn collapsed_loss(&self) -> Option<f64> {
        None
    }

    /// Whether the lengths of the embeddings are part of the loss, so that unit vectors would make
    /// a part of it constant.
    fn penalises_norm(&self) -> bool {
        false
    }

    /// The objective with its parameters at their initial values on `device`.
    fn init(&self, setting: Setting, device: &Device) -> Self::Objective;
}

/// What an objective compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Tuples that a miner chooses.
    Tuples,
    /// All pairs of the batch, unless a miner chooses among them.
    Pairs,
    /// Embeddings with learned representatives of the classes.
    Proxies,
}

impl Family {
    /// Name in documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tuples => "tuples",
            Self::Pairs => "pairs",
            Self::Proxies => "proxies",
        }
    }
}

/// Which embeddings an objective is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Embeddings {
    /// Any: their length is of no importance, or part of what is learned.
    Any,
    /// Unit vectors only.
    Unit,
    /// Vectors of any length, which is part of the loss.
    Raw,
}

impl Embeddings {
    /// Name in documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Unit => "unit",
            Self::Raw => "raw",
        }
    }
}

/// One line of [`TABLE`].
#[derive(Clone, Copy, Debug)]
pub struct Entry<Config = ObjectiveConfig> {
    /// Name in recipes.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    /// What it compares.
    pub family: Family,
    /// Tuples it takes; [`TupleKind::None`] among them if it needs no miner.
    pub tuples: &'static [TupleKind],
    /// Embeddings it is meant for.
    pub embeddings: Embeddings,
    /// Names of the parameters that are learned along with the network.
    pub parameters: &'static [&'static str],
    /// The objective with its default hyper-parameters; serialise it to list them.
    pub default: fn() -> Config,
}

impl<Config> Entry<Config> {
    /// Whether it cannot be used without a miner.
    pub fn needs_miner(&self) -> bool {
        !self.tuples.contains(&TupleKind::None)
    }

    /// What it can be used with: no miner where it needs none, then each miner that serves it.
    pub fn miners(&self) -> impl Iterator<Item = Option<&'static miner::Entry>> {
        let without = (!self.needs_miner()).then_some(None);
        let serving = miner::TABLE.iter().filter(|miner| self.takes(miner.tuples));
        without.into_iter().chain(serving.map(Some))
    }

    /// Whether tuples of this kind serve it.
    pub fn takes(&self, made: TupleKind) -> bool {
        self.tuples.iter().any(|&wanted| made.serves(wanted))
    }
}

/// Makes the enums `ObjectiveConfig` and `Objective`, their dispatch and the `TABLE` from one line
/// an objective: `Variant(module type, hyper-parameter type) "name", Family, [tuple kinds],
/// Embeddings, [parameters], "title", "paper";`.
#[macro_export]
macro_rules! objectives {
    ($($variant:ident($objective:ty, $config:ty) $name:literal, $family:ident, [$($tuples:ident),*], $embeddings:ident, [$($parameter:literal),*], $title:literal, $paper:literal;)*) => {
        /// An objective and its hyper-parameters, as a recipe's `[objective]` states them.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "name")]
        pub enum ObjectiveConfig {
            $(
                #[doc = concat!($title, ".")]
                #[serde(rename = $name)]
                $variant($config),
            )*
        }

        /// An objective with its parameters.
        #[derive(burn::module::Module, Debug)]
        pub enum Objective {
            $(
                #[doc = concat!($title, ".")]
                $variant($objective),
            )*
        }

        /// Every objective, in the order in which help and menus show them.
        pub const TABLE: &[$crate::objective::Entry<ObjectiveConfig>] = &[$($crate::objective::Entry {
            name: $name,
            title: $title,
            paper: $paper,
            family: $crate::objective::Family::$family,
            tuples: &[$($crate::miner::TupleKind::$tuples),*],
            embeddings: $crate::objective::Embeddings::$embeddings,
            parameters: &[$($parameter),*],
            default: || ObjectiveConfig::$variant(<$config>::default()),
        },)*];

        /// The line of [`TABLE`] with this name.
        pub fn entry(name: &str) -> Option<&'static $crate::objective::Entry<ObjectiveConfig>> {
            TABLE.iter().find(|entry| entry.name == name)
        }

        impl ObjectiveConfig {
            /// The name in recipes.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// The line of [`TABLE`] about this objective.
            pub fn entry(&self) -> &'static $crate::objective::Entry<ObjectiveConfig> {
                entry(self.name()).expect("the table and the enum are made from the same lines")
            }

            /// Refuses hyper-parameters outside their ranges.
            ///
            /// # Errors
            /// [`Error::Recipe`]($crate::Error::Recipe) naming the key, its value and the range.
            pub fn validate(&self) -> $crate::Result<()> {
                match self { $(Self::$variant(config) => $crate::objective::Hyperparameters::validate(config),)* }
            }

            /// Learning rate of the objective's own parameters (which take no weight decay);
            /// nothing if they have the network's, or if there are none.
            pub fn learning_rate(&self) -> Option<f64> {
                match self { $(Self::$variant(config) => $crate::objective::Hyperparameters::learning_rate(config),)* }
            }

            /// The loss of a batch whose embeddings all coincide, if that is a constant.
            pub fn collapsed_loss(&self) -> Option<f64> {
                match self { $(Self::$variant(config) => $crate::objective::Hyperparameters::collapsed_loss(config),)* }
            }

            /// Whether the lengths of the embeddings are part of the loss.
            pub fn penalises_norm(&self) -> bool {
                match self { $(Self::$variant(config) => $crate::objective::Hyperparameters::penalises_norm(config),)* }
            }

            /// The objective, its hyper-parameters checked and its parameters at their initial
            /// values on `device`.
            ///
            /// # Errors
            /// As [`validate`](Self::validate).
            pub fn init(&self, setting: $crate::objective::Setting, device: &burn::tensor::Device) -> $crate::Result<Objective> {
                self.validate()?;
                Ok(match self {
                    $(Self::$variant(config) => Objective::$variant(
                        $crate::objective::Hyperparameters::init(config, setting, device),
                    ),)*
                })
            }
        }

        impl $crate::objective::RankingObjective for Objective {
            fn forward(
                &self,
                pairwise: &$crate::pairwise::Pairwise,
                labels: &$crate::batch::BatchLabels,
                tuples: &$crate::miner::Tuples,
            ) -> $crate::Result<$crate::objective::Outcome> {
                match self {
                    $(Self::$variant(objective) => objective.forward(pairwise, labels, tuples),)*
                }
            }
        }
    };
}

objectives! {
    Contrastive(contrastive::Contrastive, contrastive::ContrastiveConfig) "contrastive", Tuples, [Triplets, PairSets], Any, [], "Contrastive", "Hadsell et al., Dimensionality Reduction by Learning an Invariant Mapping, 2006";
    Triplet(triplet::Triplet, triplet::TripletConfig) "triplet", Tuples, [Triplets], Any, [], "Triplet", "Schroff et al., FaceNet: A Unified Embedding for Face Recognition and Clustering, 2015";
    Margin(margin::Margin, margin::MarginConfig) "margin", Tuples, [Triplets], Any, ["beta"], "Margin", "Wu et al., Sampling Matters in Deep Embedding Learning, 2017";
    Snr(snr::Snr, snr::SnrConfig) "snr", Tuples, [Triplets], Any, [], "Signal-to-noise ratio", "Yuan et al., Signal-to-Noise Ratio: A Robust Distance Metric for Deep Metric Learning, 2019";
    Quadruplet(quadruplet::Quadruplet, quadruplet::QuadrupletConfig) "quadruplet", Tuples, [Quadruplets], Any, [], "Quadruplet", "Chen et al., Beyond Triplet Loss: A Deep Quadruplet Network for Person Re-Identification, 2017";
    NPair(npair::NPair, npair::NPairConfig) "npair", Tuples, [NPairs], Raw, [], "N-pair", "Sohn, Improved Deep Metric Learning with Multi-class N-pair Loss Objective, 2016";
    Angular(angular::Angular, angular::AngularConfig) "angular", Tuples, [NPairs], Raw, [], "Angular", "Wang et al., Deep Metric Learning with Angular Loss, 2017";
    Lifted(lifted::Lifted, lifted::LiftedConfig) "lifted", Tuples, [PairSets], Raw, [], "Generalised lifted structure", "Oh Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, 2016; Hermans et al., In Defense of the Triplet Loss for Person Re-Identification, 2017";
    Multisimilarity(multisimilarity::Multisimilarity, multisimilarity::MultisimilarityConfig) "multisimilarity", Pairs, [None], Unit, [], "Multi-similarity", "Wang et al., Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning, 2019";
    Histogram(histogram::Histogram, histogram::HistogramConfig) "histogram", Pairs, [None], Unit, [], "Histogram", "Ustinova & Lempitsky, Learning Deep Embeddings with Histogram Loss, 2016";
    Circle(circle::Circle, circle::CircleConfig) "circle", Pairs, [None, PairSets], Any, [], "Circle", "Sun et al., Circle Loss: A Unified Perspective of Pair Similarity Optimization, 2020";
    NtXent(ntxent::NtXent, ntxent::NtXentConfig) "ntxent", Pairs, [None, PairSets], Any, [], "NT-Xent", "Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, 2020";
    SupCon(supcon::SupCon, supcon::SupConConfig) "supcon", Pairs, [None, PairSets], Any, [], "Supervised contrastive", "Khosla et al., Supervised Contrastive Learning, 2020";
    FastAp(fastap::FastAp, fastap::FastApConfig) "fastap", Pairs, [None], Any, [], "FastAP", "Cakir et al., Deep Metric Learning to Rank, 2019";
    SmoothAp(smoothap::SmoothAp, smoothap::SmoothApConfig) "smoothap", Pairs, [None], Any, [], "Smooth-AP", "Brown et al., Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval, 2020";
    Proxynca(proxynca::Proxynca, proxynca::ProxyncaConfig) "proxynca", Proxies, [None], Any, ["proxies"], "ProxyNCA", "Movshovitz-Attias et al., No Fuss Distance Metric Learning Using Proxies, 2017";
    ProxyAnchor(proxy_anchor::ProxyAnchor, proxy_anchor::ProxyAnchorConfig) "proxy_anchor", Proxies, [None], Any, ["proxies"], "Proxy-Anchor", "Kim et al., Proxy Anchor Loss for Deep Metric Learning, 2020";
    Softmax(softmax::Softmax, softmax::SoftmaxConfig) "softmax", Proxies, [None], Unit, ["class_vectors"], "Softmax with normalised classes", "Zhai and Wu, Classification is a Strong Baseline for Deep Metric Learning, 2019";
    NormalizedSoftmax(normalized_softmax::NormalizedSoftmax, normalized_softmax::NormalizedSoftmaxConfig) "normalized_softmax", Proxies, [None], Any, ["class_vectors"], "Normalised softmax", "Wang et al., NormFace: L2 Hypersphere Embedding for Face Verification, 2017";
    Softtriplet(softtriplet::Softtriplet, softtriplet::SofttripletConfig) "softtriplet", Proxies, [None], Unit, ["centroids"], "SoftTriple", "Qian et al., SoftTriple Loss: Deep Metric Learning Without Triplet Sampling, 2019";
    Arcface(arcface::Arcface, arcface::ArcfaceConfig) "arcface", Proxies, [None], Unit, ["class_vectors"], "ArcFace", "Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition, 2019";
    SubcenterArcface(subcenter_arcface::SubcenterArcface, subcenter_arcface::SubcenterArcfaceConfig) "subcenter_arcface", Proxies, [None], Any, ["centroids"], "Sub-centre ArcFace", "Deng et al., Sub-center ArcFace: Boosting Face Recognition by Large-Scale Noisy Web Faces, 2020";
    Cosface(cosface::Cosface, cosface::CosfaceConfig) "cosface", Proxies, [None], Any, ["class_vectors"], "CosFace", "Wang et al., CosFace: Large Margin Cosine Loss for Deep Face Recognition, 2018";
}

/// Source of the initial values of an objective's parameters. Names given to it must be those of
/// the module's fields.
pub fn parameters(setting: Setting, device: &Device) -> ParameterSource {
    ParameterSource::new(setting.seed, "objective", device)
}

#[cfg(test)]
mod tests {
    use burn::module::Module;

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
            ("name = \"snr\"\nreg_lambda = -0.1", "objective.reg_lambda"),
            (
                "name = \"quadruplet\"\nmargin_alpha_2 = -1.0",
                "objective.margin_alpha_2",
            ),
            ("name = \"npair\"\nl2 = nan", "objective.l2"),
            (
                "name = \"angular\"\nalpha_degrees = 90",
                "objective.alpha_degrees",
            ),
            (
                "name = \"lifted\"\nneg_margin = inf",
                "objective.neg_margin",
            ),
            ("name = \"histogram\"\nn_bins = 1", "objective.n_bins"),
            ("name = \"circle\"\nm = 1.5", "objective.m"),
            ("name = \"circle\"\ngamma = 0.0", "objective.gamma"),
            (
                "name = \"ntxent\"\ntemperature = 0.0",
                "objective.temperature",
            ),
            (
                "name = \"supcon\"\ntemperature = -1.0",
                "objective.temperature",
            ),
            ("name = \"fastap\"\nnum_bins = 0", "objective.num_bins"),
            (
                "name = \"smoothap\"\ntemperature = 0.0",
                "objective.temperature",
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
