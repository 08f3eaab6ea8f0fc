//! What is trained: the network together with the objective's own parameters.

use burn::module::Module;
use burn::tensor::Device;

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
        let network = recipe.model.init(recipe.seed, image_shape, device)?;
        let setting = Setting {
            classes,
            dimension: recipe.model.embedding_dim,
            seed: recipe.seed,
        };
        let objective = recipe.objective.init(setting, device)?;
        Ok(Self { network, objective })
    }
}
