//! Adam and SGD over named parameters. Moments are kept by a parameter's path, so that a
//! checkpoint is plain named tensors and can be read without waiting on the device.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::loss_scale::LossScale;
use super::{ParameterGradients, Schedule};
use crate::model::init::ModulePath;
use crate::{Error, Result};

/// Name of the loss scale's state among the optimizer's tensors.
const LOSS_SCALE: &str = "loss_scale";

/// Which optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerName {
    /// Adam (Kingma & Ba 2015), weight decay added to the gradient.
    Adam,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// The `[optimizer]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// `adam` or `sgd`.
    pub name: OptimizerName,
    /// Learning rate of the network.
    pub learning_rate: f64,
    /// Learning rate of the embedding head, where it differs.
    pub head_learning_rate: Option<f64>,
    /// L2 weight decay added to the gradient of every network parameter, BatchNorm and biases
    /// included. Parameters of the objective have none.
    pub weight_decay: f64,
    /// Adam's decay rates of the first and second moment.
    pub betas: [f64; 2],
    /// Adam's ε.
    pub epsilon: f64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// How learning rates change.
    pub schedule: Schedule,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            name: OptimizerName::Adam,
            learning_rate: 1e-5,
            head_learning_rate: None,
            weight_decay: 4e-4,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            momentum: 0.9,
            schedule: Schedule::default(),
        }
    }
}

impl OptimizerConfig {
    /// Refuses values outside their range, naming the key.
    pub fn validate(&self) -> Result<()> {
        let positive = |key: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                Ok(())
            } else {
                Err(Error::Recipe(format!(
                    "optimizer.{key} = {value}: a number above 0"
                )))
            }
        };
        let fraction = |key: &str, value: f64| {
            if (0.0..1.0).contains(&value) {
                Ok(())
            } else {
                Err(Error::Recipe(format!(
                    "optimizer.{key} = {value}: from 0 up to, not including, 1"
                )))
            }
        };
        positive("learning_rate", self.learning_rate)?;
        if let Some(rate) = self.head_learning_rate {
            positive("head_learning_rate", rate)?;
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return Err(Error::Recipe(format!(
                "optimizer.weight_decay = {}: 0 or more",
                self.weight_decay
            )));
        }
        positive("epsilon", self.epsilon)?;
        fraction("betas[0]", self.betas[0])?;
        fraction("betas[1]", self.betas[1])?;
        fraction("momentum", self.momentum)?;
        self.schedule.validate("train.epochs")
    }
}

/// Running moments of one parameter, flattened.
#[derive(Clone, Debug)]
struct Moments {
    first: Tensor<1>,
    second: Option<Tensor<1>>,
}

impl Moments {
    /// These moments where `finite` is 1, those of `before` (or zeros) where it is 0.
    fn unless_overflown(self, before: Option<Self>, finite: &Tensor<1>) -> Self {
        let blend = |new: Tensor<1>, old: Option<Tensor<1>>| match old {
            Some(old) => old.clone() + (new - old) * finite.clone(),
            None => new * finite.clone(),
        };
        let (first, second) = before.map_or((None, None), |old| (Some(old.first), old.second));
        Self {
            first: blend(self.first, first),
            second: self.second.map(|new| blend(new, second)),
        }
    }
}

/// Optimizer state: the number of steps taken and the moments of every parameter.
#[derive(Clone, Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    objective_learning_rate: f64,
    steps: u32,
    moments: BTreeMap<String, Moments>,
    loss_scale: Option<LossScale>,
}

impl Optimizer {
    /// An optimizer before its first step. `objective_learning_rate` is that of the objective's
    /// own parameters.
    pub fn new(config: OptimizerConfig, objective_learning_rate: f64) -> Self {
        Self {
            config,
            objective_learning_rate,
            steps: 0,
            moments: BTreeMap::new(),
            loss_scale: None,
        }
    }

    /// The optimizer for gradients of a scaled loss, on the plain device: a step whose gradients
    /// overflow changes nothing but the scale.
    #[must_use]
    pub fn with_loss_scale(mut self, device: &Device) -> Self {
        self.loss_scale = Some(LossScale::new(device));
        self
    }

    /// What the loss is to be multiplied with before differentiation, and gradients divided by
    /// after it, `[1]`.
    pub fn loss_scale(&self) -> Option<Tensor<1>> {
        self.loss_scale.as_ref().map(LossScale::value)
    }

    /// Steps taken.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Moves every parameter that has a gradient; `factor` is the schedule's.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        mut gradients: ParameterGradients,
        factor: f64,
    ) -> M {
        self.steps += 1;
        let finite = self
            .loss_scale
            .as_mut()
            .map(|scale| scale.settle(&mut gradients));
        module.map(&mut Update {
            optimizer: self,
            gradients,
            finite,
            factor,
            path: ModulePath::default(),
        })
    }

    /// The moments as named tensors: `<path>.first`, `<path>.second`; the state of the loss scale
    /// is `loss_scale`.
    pub fn tensors(&self) -> BTreeMap<String, Tensor<1>> {
        let mut tensors = BTreeMap::new();
        for (path, moments) in &self.moments {
            tensors.insert(format!("{path}.first"), moments.first.clone());
            if let Some(second) = &moments.second {
                tensors.insert(format!("{path}.second"), second.clone());
            }
        }
        if let Some(scale) = &self.loss_scale {
            tensors.insert(LOSS_SCALE.into(), scale.state());
        }
        tensors
    }

    /// Takes up the state that [`Self::tensors`] and [`Self::steps`] described.
    pub fn restore(&mut self, steps: u32, mut tensors: BTreeMap<String, Tensor<1>>) -> Result<()> {
        let paths: Vec<String> = tensors
            .keys()
            .filter_map(|name| name.strip_suffix(".first").map(str::to_string))
            .collect();
        let mut moments = BTreeMap::new();
        for path in paths {
            let second = tensors.remove(&format!("{path}.second"));
            if let Some(first) = tensors.remove(&format!("{path}.first")) {
                moments.insert(path, Moments { first, second });
            }
        }
        if let Some(scale) = &mut self.loss_scale
            && let Some(state) = tensors.remove(LOSS_SCALE)
        {
            scale.restore(state);
        }
        if let Some(name) = tensors.keys().next() {
            return Err(Error::Weights(format!(
                "the optimizer state holds an unexpected tensor `{name}`"
            )));
        }
        self.steps = steps;
        self.moments = moments;
        Ok(())
    }

    fn learning_rate(&self, path: &str) -> f64 {
        if path.starts_with("objective.") {
            self.objective_learning_rate
        } else if path.starts_with("network.head.") {
            self.config
                .head_learning_rate
                .unwrap_or(self.config.learning_rate)
        } else {
            self.config.learning_rate
        }
    }

    fn weight_decay(&self, path: &str) -> f64 {
        if path.starts_with("objective.") {
            0.0
        } else {
            self.config.weight_decay
        }
    }

    /// The amount to subtract from a parameter, given its gradient: nothing, and moments as before,
    /// if `finite` is there and 0.
    fn change(
        &mut self,
        path: &str,
        gradient: Tensor<1>,
        learning_rate: f64,
        finite: Option<&Tensor<1>>,
    ) -> Tensor<1> {
        let before = self.moments.remove(path);
        let (mut change, mut moments) = match self.config.name {
            OptimizerName::Adam => self.adam(gradient, before.clone(), learning_rate),
            OptimizerName::Sgd => self.sgd(gradient, before.clone(), learning_rate),
        };
        if let Some(finite) = finite {
            change = change * finite.clone();
            moments = moments.unless_overflown(before, finite);
        }
        self.moments.insert(path.to_string(), moments);
        change
    }

    fn adam(
        &self,
        gradient: Tensor<1>,
        before: Option<Moments>,
        learning_rate: f64,
    ) -> (Tensor<1>, Moments) {
        let [beta_first, beta_second] = self.config.betas;
        let square = gradient.clone() * gradient.clone();
        let (first, second) = match before {
            Some(Moments {
                first,
                second: Some(second),
            }) => (
                first.mul_scalar(beta_first) + gradient.mul_scalar(1.0 - beta_first),
                second.mul_scalar(beta_second) + square.mul_scalar(1.0 - beta_second),
            ),
            _ => (
                gradient.mul_scalar(1.0 - beta_first),
                square.mul_scalar(1.0 - beta_second),
            ),
        };
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let correction_first = 1.0 - beta_first.powi(steps);
        let correction_second = 1.0 - beta_second.powi(steps);
        let root = second
            .clone()
            .sqrt()
            .mul_scalar(correction_second.sqrt().recip());
        let change = first.clone().mul_scalar(learning_rate / correction_first)
            / root.add_scalar(self.config.epsilon);
        (
            change,
            Moments {
                first,
                second: Some(second),
            },
        )
    }

    fn sgd(
        &self,
        gradient: Tensor<1>,
        before: Option<Moments>,
        learning_rate: f64,
    ) -> (Tensor<1>, Moments) {
        let first = match before {
            Some(Moments { first, .. }) => first.mul_scalar(self.config.momentum) + gradient,
            None => gradient,
        };
        (
            first.clone().mul_scalar(learning_rate),
            Moments {
                first,
                second: None,
            },
        )
    }
}

struct Update<'a> {
    optimizer: &'a mut Optimizer,
    gradients: ParameterGradients,
    finite: Option<Tensor<1>>,
    factor: f64,
    path: ModulePath,
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.exit(container_type);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let path = self.path.joined();
        let Some(mut gradient) = self.gradients.remove(&path) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let shape = tensor.shape();
        let value = tensor.inner().flatten::<1>(0, D - 1);
        let decay = self.optimizer.weight_decay(&path);
        if decay > 0.0 {
            gradient = gradient + value.clone().mul_scalar(decay);
        }
        let learning_rate = self.optimizer.learning_rate(&path) * self.factor;
        let finite = self.finite.as_ref();
        let change = self
            .optimizer
            .change(&path, gradient, learning_rate, finite);
        let moved = (value - change).reshape(shape);
        Param::from_mapped_value(id, Tensor::from_inner(moved).require_grad(), mapper)
    }
}
