//! One side of `benches/compare_parity.py`: reads a ResNet50 of torchvision's names, images and labels
//! from a safetensors file, and writes embeddings, gradients and the losses of some Adam steps to
//! another: `parity IN OUT STEPS [--stride-in-1x1]`.

use std::collections::BTreeMap;
use std::error::Error;

use burn::tensor::{Device, Tensor, TensorData};
use likewise::batch::BatchLabels;
use likewise::miner::Tuples;
use likewise::model::state::{StateDict, from_safetensors, to_safetensors};
use likewise::objective::RankingObjective;
use likewise::pairwise::Pairwise;
use likewise::recipe::Recipe;
use likewise::train::{Learner, Optimizer, ParameterGradients};

const RECIPE: &str = r#"
    [model]
    embedding_dim = 128
    frozen_batch_norm = true
    [model.backbone]
    architecture = "resnet"
    [objective]
    name = "multisimilarity"
    [optimizer]
    learning_rate = 2e-6
    weight_decay = 4e-4
"#;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, steps, more @ ..] = &arguments[..] else {
        return Err("usage: parity IN OUT STEPS [--stride-in-1x1]".into());
    };
    let mut tensors = from_safetensors(&std::fs::read(input)?)?;
    let images = tensors.remove("images").ok_or("no images")?;
    let labels: Vec<u32> = tensors
        .remove("labels")
        .ok_or("no labels")?
        .iter::<i64>()
        .map(u32::try_from)
        .collect::<Result<_, _>>()?;
    let shape = images.shape().to_vec();
    let recipe = if more.is_empty() {
        RECIPE.to_owned()
    } else {
        RECIPE.replace("\"resnet\"", "\"resnet\"\nstride_in_1x1 = true")
    };
    let recipe: Recipe = toml::from_str(&recipe)?;
    let device = Device::flex();
    let autodiff = device.clone().autodiff();
    let mut learner = Learner::new(&recipe, [shape[1], shape[2], shape[3]], 1, &autodiff)?;
    learner.network.load_classifier(tensors)?;
    let mut optimizer = Optimizer::new(recipe.optimizer.clone(), recipe.optimizer.learning_rate);

    let mut found = StateDict::new();
    let mut losses = Vec::new();
    for step in 0..=steps.parse::<usize>()? {
        let images = Tensor::<4>::from_data(images.clone(), &autodiff);
        let embeddings = learner.network.forward(images).embeddings;
        let pairwise = Pairwise::new(embeddings.clone());
        let labels = BatchLabels::new(&labels, &device);
        let outcome = learner
            .objective
            .forward(&pairwise, &labels, &Tuples::None)?;
        let gradients = ParameterGradients::of(&learner, outcome.loss.backward());
        losses.extend(outcome.loss.inner().into_data().iter::<f32>());
        if step == 0 {
            found.insert("embeddings".into(), own(embeddings.inner()));
            for (path, gradient) in gradients.iter() {
                let name = path
                    .replace("network.backbone.", "")
                    .replace("network.head.", "fc.");
                found.insert(format!("gradient.{name}"), own(gradient.clone()));
            }
        }
        learner = optimizer.step(learner, gradients, 1.0);
    }
    let count = losses.len();
    found.insert("losses".into(), TensorData::new(losses, [count]));
    std::fs::write(output, to_safetensors(&found, None::<BTreeMap<_, _>>)?)?;
    Ok(())
}

fn own<const D: usize>(tensor: Tensor<D>) -> TensorData {
    let shape = tensor.dims();
    TensorData::new(tensor.into_data().iter::<f32>().collect::<Vec<_>>(), shape)
}
