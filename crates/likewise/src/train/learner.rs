//! What is trained: the network together with the objective's own parameters.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use crate::Result;
use crate::model::Network;
use crate::objective::{Objective, Setting};
use crate::recipe::Recipe;

/// Network and objective. Parameter paths start with `network.backbone.`, `network.head.` or
/// `objective.`: these are the parameter groups.
#[derive(Module, Debug)]
pub struct Learner {
    /// Images to embeddings.
    pub network: Network,
    /// Embeddings to a loss.
    pub objective: Objective,
}

impl Learner {
    /// Initial learner of a recipe for images `[C, H, W]` of `classes` training classes.
    pub fn new(
        recipe: &Recipe,
        image_shape: [usize; 3],
        classes: usize,
        device: &Device,
    ) -> Result<Self> {
        let network = recipe
            .model
            .init(recipe.seed, image_shape, device)?
            .with_precision(recipe.train.precision);
        let setting = Setting {
            classes,
            dimension: recipe.model.embedding_dim,
            seed: recipe.seed,
        };
        let objective = recipe.objective.init(setting, device)?;
        Ok(Self { network, objective })
    }

    /// Sum of the magnitudes of all parameters and statistics, `[1]`, on the device: not finite as
    /// soon as one of them is not.
    pub(super) fn magnitude(&self) -> Tensor<1> {
        let mut magnitude = Magnitude(Vec::new());
        self.visit(&mut magnitude);
        Tensor::cat(magnitude.0, 0).sum()
    }
}

struct Magnitude(Vec<Tensor<1>>);

impl ModuleVisitor for Magnitude {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.val().without_autodiff().abs().sum());
    }
}
