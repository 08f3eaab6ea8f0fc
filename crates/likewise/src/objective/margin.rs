//! Margin loss (Wu et al., Sampling Matters in Deep Embedding Learning, 2017): a boundary β per
//! class, learned along with the network, separates positive from negative distances.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::reduction::{active, hinge};
use super::{Hyperparameters, Outcome, RankingObjective, Setting, Statistic, parameters};
use crate::batch::BatchLabels;
use crate::miner::{Triplets, Tuples};
use crate::pairwise::Pairwise;
use crate::{Error, Result, check};

/// Keeps the distance's gradient finite at coincident rows.
const DISTANCE_EPS: f64 = 1e-8;

/// Σ([d(a,p) − β + m]₊ + [β − d(a,n) + m]₊) / n + ν Σ β over triplets, β that of the anchor's class,
/// d = √(‖·‖² + 1e-8), n the number of active terms (or triplets).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarginConfig {
    /// m: half the width of the band around β, in units of distance; at least 0.
    pub margin: f64,
    /// β, or its initial value in every class; at least 0.
    pub beta: f64,
    /// Keep β fixed and the same for all classes instead of learning it.
    pub beta_constant: bool,
    /// ν: weight of the sum of β over the triplets; at least 0, and 0 when β is constant.
    pub nu: f64,
    /// What the sum of the terms is divided by.
    pub active_count: ActiveCount,
    /// Learning rate of β; at least 0.
    pub learning_rate: f64,
}

/// What n counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActiveCount {
    /// Terms above 0, as published.
    #[default]
    Terms,
    /// Triplets with at least one term above 0, as in the code of the reference experiments.
    Triplets,
}

impl Default for MarginConfig {
    fn default() -> Self {
        Self {
            margin: 0.2,
            beta: 1.2,
            beta_constant: false,
            nu: 0.0,
            active_count: ActiveCount::Terms,
            learning_rate: 5e-4,
        }
    }
}

impl Hyperparameters for MarginConfig {
    type Objective = Margin;

    fn validate(&self) -> Result<()> {
        check::number("objective.margin", self.margin, 0.0..)?;
        check::number("objective.beta", self.beta, 0.0..)?;
        check::number("objective.nu", self.nu, 0.0..)?;
        check::number("objective.learning_rate", self.learning_rate, 0.0..)?;
        if self.beta_constant && self.nu != 0.0 {
            return Err(Error::Recipe(format!(
                "`objective.nu = {}` has no effect with `objective.beta_constant = true`: set one of them back",
                self.nu
            )));
        }
        Ok(())
    }

    fn learning_rate(&self) -> Option<f64> {
        (!self.beta_constant).then_some(self.learning_rate)
    }

    /// Both distances are 0: only the push remains.
    fn collapsed_loss(&self) -> Option<f64> {
        self.beta_constant.then_some(self.beta + self.margin)
    }

    fn init(&self, setting: Setting, device: &Device) -> Margin {
        let table =
            || parameters(setting, device).constant("beta", [setting.classes], self.beta as f32);
        Margin {
            beta: (!self.beta_constant).then(table),
            config: self.clone(),
        }
    }
}

/// The margin objective.
#[derive(Module, Debug)]
pub struct Margin {
    /// β of each class, `[C]`; absent when it is constant.
    pub beta: Option<Param<Tensor<1>>>,
    #[module(skip)]
    config: MarginConfig,
}

impl RankingObjective for Margin {
    fn forward(
        &self,
        pairwise: &Pairwise,
        labels: &BatchLabels,
        tuples: &Tuples,
    ) -> Result<Outcome> {
        let triplets = tuples.triplets()?;
        let distance = |other| {
            pairwise
                .squared_distances(&triplets.anchor, other)
                .add_scalar(DISTANCE_EPS)
                .sqrt()
        };
        let beta = self.beta_of_anchors(labels, triplets);
        let pull = distance(&triplets.positive) - beta.clone();
        let push = beta.clone() - distance(&triplets.negative);
        let pull = hinge(pull.add_scalar(self.config.margin)) * triplets.valid.clone();
        let push = hinge(push.add_scalar(self.config.margin)) * triplets.valid.clone();
        let terms = (active(&pull) + active(&push)).sum();
        let active_tuples = active(&(pull.clone() + push.clone())).sum();
        let divisor = match self.config.active_count {
            ActiveCount::Terms => terms.clone(),
            ActiveCount::Triplets => active_tuples.clone(),
        };
        let mut loss = (pull + push).sum() / divisor.clamp_min(1.0);
        if self.config.nu != 0.0 {
            loss = loss
                + (beta * triplets.valid.clone())
                    .sum()
                    .mul_scalar(self.config.nu);
        }
        let statistics = vec![
            Statistic::new("tuples", triplets.count()),
            Statistic::new("active_tuples", active_tuples),
            Statistic::new("active_terms", terms),
        ];
        Ok(Outcome { loss, statistics })
    }
}

impl Margin {
    /// β of the class of each anchor, `[T]`.
    fn beta_of_anchors(&self, labels: &BatchLabels, triplets: &Triplets) -> Tensor<1> {
        match &self.beta {
            Some(beta) => beta
                .val()
                .select(0, labels.anchors().select(0, triplets.anchor.clone())),
            None => triplets.valid.full_like(self.config.beta),
        }
    }
}
