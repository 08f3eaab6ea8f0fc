//! The kinds of tuples that miners make and objectives learn from. Each is a type of its own, so
//! that what an objective is given is what it asked for.

use burn::tensor::{Bool, Int, Tensor};

use super::{Quadruplets, Triplets};
use crate::batch::BatchLabels;
use crate::{Error, Result};

/// The kinds of tuples there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TupleKind {
    /// None: the objective uses all pairs of the batch or its own proxies.
    None,
    /// Lists of (anchor, positive, negative).
    Triplets,
    /// Triplets with a second negative, of a third class.
    Quadruplets,
    /// A positive for each anchor, against all negatives.
    NPairs,
    /// A set of positives and a set of negatives for each anchor.
    PairSets,
}

impl TupleKind {
    /// Name in documentation and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Triplets => "triplets",
            Self::Quadruplets => "quadruplets",
            Self::NPairs => "N-pairs",
            Self::PairSets => "pair sets",
        }
    }

    /// Whether a miner of these tuples serves an objective that takes `wanted`: triplets are
    /// completed to quadruplets.
    pub fn serves(self, wanted: Self) -> bool {
        self == wanted || (self == Self::Triplets && wanted == Self::Quadruplets)
    }
}

/// One positive for each anchor of the batch, to be compared with all its negatives.
#[derive(Clone, Debug)]
pub struct NPairs {
    /// Reference that is the positive of each anchor, `[R]`.
    pub positive: Tensor<1, Int>,
    /// 1 for an anchor that counts, 0 for one without a positive, `[R]`.
    pub valid: Tensor<1>,
}

/// Some of the positives and some of the negatives of each anchor of the batch.
#[derive(Clone, Debug)]
pub struct PairSets {
    /// Positive pairs that count, `[R, C]`.
    pub positive: Tensor<2, Bool>,
    /// Negative pairs that count, `[R, C]`.
    pub negative: Tensor<2, Bool>,
}

impl PairSets {
    /// Every pair of the batch.
    pub fn all(labels: &BatchLabels) -> Self {
        Self {
            positive: labels.positive.clone(),
            negative: labels.negative.clone(),
        }
    }

    /// 1 for each anchor with a positive pair, else 0, `[R]`.
    pub fn with_positive(&self) -> Tensor<1> {
        self.positive.clone().any_dim(1).float().squeeze_dim::<1>(1)
    }

    /// 1 for each anchor with both a positive and a negative pair, else 0, `[R]`.
    pub fn with_both(&self) -> Tensor<1> {
        let any = |pairs: &Tensor<2, Bool>| pairs.clone().any_dim(1);
        any(&self.positive)
            .bool_and(any(&self.negative))
            .float()
            .squeeze_dim::<1>(1)
    }
}

/// The tuples of one batch.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one a batch, and it is only borrowed"
)]
pub enum Tuples {
    /// For objectives without a miner.
    None,
    /// A list of triplets.
    Triplets(Triplets),
    /// A list of quadruplets.
    Quadruplets(Quadruplets),
    /// One positive for each anchor.
    NPairs(NPairs),
    /// Sets of pairs for each anchor.
    PairSets(PairSets),
}

impl Tuples {
    /// Their kind.
    pub fn kind(&self) -> TupleKind {
        match self {
            Self::None => TupleKind::None,
            Self::Triplets(_) => TupleKind::Triplets,
            Self::Quadruplets(_) => TupleKind::Quadruplets,
            Self::NPairs(_) => TupleKind::NPairs,
            Self::PairSets(_) => TupleKind::PairSets,
        }
    }

    /// The triplets.
    ///
    /// # Errors
    /// [`Error::Recipe`] when these are tuples of another kind.
    pub fn triplets(&self) -> Result<&Triplets> {
        match self {
            Self::Triplets(triplets) => Ok(triplets),
            other => Err(other.instead_of(TupleKind::Triplets)),
        }
    }

    /// The quadruplets.
    ///
    /// # Errors
    /// [`Error::Recipe`] when these are tuples of another kind.
    pub fn quadruplets(&self) -> Result<&Quadruplets> {
        match self {
            Self::Quadruplets(quadruplets) => Ok(quadruplets),
            other => Err(other.instead_of(TupleKind::Quadruplets)),
        }
    }

    /// The N-pairs.
    ///
    /// # Errors
    /// [`Error::Recipe`] when these are tuples of another kind.
    pub fn n_pairs(&self) -> Result<&NPairs> {
        match self {
            Self::NPairs(pairs) => Ok(pairs),
            other => Err(other.instead_of(TupleKind::NPairs)),
        }
    }

    /// The sets of pairs.
    ///
    /// # Errors
    /// [`Error::Recipe`] when these are tuples of another kind.
    pub fn pair_sets(&self) -> Result<&PairSets> {
        match self {
            Self::PairSets(sets) => Ok(sets),
            other => Err(other.instead_of(TupleKind::PairSets)),
        }
    }

    /// The sets of pairs, or every pair of the batch when there is no miner.
    ///
    /// # Errors
    /// [`Error::Recipe`] when these are tuples of another kind.
    pub fn pair_sets_or_all(&self, labels: &BatchLabels) -> Result<PairSets> {
        match self {
            Self::None => Ok(PairSets::all(labels)),
            other => other.pair_sets().cloned(),
        }
    }

    /// Number of tuples the ρ-switch made.
    pub fn switched_count(&self) -> usize {
        match self {
            Self::Triplets(triplets) => triplets.switched_count(),
            Self::Quadruplets(quadruplets) => quadruplets.triplets.switched_count(),
            Self::None | Self::NPairs(_) | Self::PairSets(_) => 0,
        }
    }

    fn instead_of(&self, wanted: TupleKind) -> Error {
        let found = match self {
            Self::None => "no miner is set".into(),
            other => format!("the miner makes {}", other.kind().name()),
        };
        Error::Recipe(format!(
            "the objective needs {}, but {found}: choose a miner of them with `[miner] name`",
            wanted.name()
        ))
    }
}

impl From<Triplets> for Tuples {
    fn from(triplets: Triplets) -> Self {
        Self::Triplets(triplets)
    }
}

impl From<Quadruplets> for Tuples {
    fn from(quadruplets: Quadruplets) -> Self {
        Self::Quadruplets(quadruplets)
    }
}

impl From<NPairs> for Tuples {
    fn from(pairs: NPairs) -> Self {
        Self::NPairs(pairs)
    }
}

impl From<PairSets> for Tuples {
    fn from(sets: PairSets) -> Self {
        Self::PairSets(sets)
    }
}
