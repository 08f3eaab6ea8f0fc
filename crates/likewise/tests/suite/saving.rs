//! Ways to train in less memory: what they leave out comes back exactly.

use burn::tensor::Device;
use likewise::train::CheckpointState;

use crate::step::first_steps;
use crate::support::{Case, assert_close, assert_close_norm, values};
use crate::waves::recipe;

pub fn cases() -> Vec<Case> {
    let backbones: [(&str, &[&str]); 5] = [
        ("conv_net", &[]),
        (
            "resnet",
            &[
                "model.backbone={architecture=\"resnet\", width=4, layers=[1, 1, 1, 1]}",
                "model.frozen_batch_norm=true",
            ],
        ),
        (
            "googlenet",
            &[
                "model.backbone={architecture=\"googlenet\", width=8}",
                "model.frozen_batch_norm=true",
            ],
        ),
        (
            "vit",
            &[
                "model.backbone={architecture=\"vit\", embed_dim=8, depth=2, heads=2, patch=8, grid=2}",
            ],
        ),
        (
            "mlp",
            &["model.backbone={architecture=\"mlp\", hidden=[24]}"],
        ),
    ];
    let mut cases: Vec<Case> = backbones
        .into_iter()
        .map(|(name, settings)| {
            Case::new(
                format!("saving::recomputed_activations_give_the_same_gradient_{name}"),
                move |device| recomputed_equals_kept(settings, device),
            )
        })
        .collect();
    cases.push(Case::new(
        "saving::recomputed_activations_of_chunks_give_the_same_gradient",
        recomputed_chunks,
    ));
    cases.push(Case::new(
        "saving::accumulated_batches_give_their_mean_gradient",
        accumulated,
    ));
    cases
}

/// One step of SGD, so that parameters show gradients.
const SGD: [&str; 3] = [
    "optimizer.name=sgd",
    "optimizer.learning_rate=0.1",
    "optimizer.momentum=0.0",
];

fn after_a_step(settings: &[&str], more: &[&str], device: &Device) -> (f64, CheckpointState) {
    let settings = [settings, &SGD, more].concat();
    let (steps, state) = first_steps(&recipe(&settings), 1, device);
    (values(steps[0].loss.clone())[0], state)
}

fn assert_same(one: &(f64, CheckpointState), other: &(f64, CheckpointState)) {
    assert_close("loss", &[one.0], &[other.0], 1e-6, 2e-5);
    assert_eq!(one.1.learner.len(), other.1.learner.len());
    for (path, data) in &one.1.learner {
        let expected: Vec<f64> = data.iter::<f64>().collect();
        let actual: Vec<f64> = other.1.learner[path].iter::<f64>().collect();
        assert_close_norm(path, &actual, &expected, 1e-6, 2e-5);
    }
}

/// Running statistics are among what is compared: they see each image once.
fn recomputed_equals_kept(settings: &[&str], device: &Device) {
    let kept = after_a_step(settings, &[], device);
    let recomputed = after_a_step(settings, &["train.gradient_checkpointing=true"], device);
    assert_same(&kept, &recomputed);
}

fn recomputed_chunks(device: &Device) {
    let settings = ["model.frozen_batch_norm=true"];
    let kept = after_a_step(&settings, &[], device);
    let saving = ["train.gradient_checkpointing=true", "train.chunk_size=5"];
    assert_same(&kept, &after_a_step(&settings, &saving, device));
}

/// SGD without momentum: from the same parameters, the step of two batches is the mean of theirs.
/// A learning rate of almost nothing lets both batches of the run without accumulation start from
/// (as good as) the same parameters.
fn accumulated(device: &Device) {
    let settings = [
        "model.backbone={architecture=\"mlp\", hidden=[24]}",
        "optimizer.name=sgd",
        "optimizer.learning_rate=1e-3",
        "optimizer.momentum=0.0",
        "optimizer.weight_decay=0.0",
        "objective={name=\"multisimilarity\"}",
        "miner=",
    ];
    let states = |more: &[&str], steps| {
        let settings = [&settings[..], more].concat();
        let (steps, state) = first_steps(&recipe(&settings), steps, device);
        (steps, state)
    };
    let (single, apart) = states(&[], 2);
    let (double, together) = states(&["train.accumulation_steps=2"], 1);
    let losses: Vec<f64> = single
        .iter()
        .map(|step| values(step.loss.clone())[0])
        .collect();
    let mean = (losses[0] + losses[1]) / 2.0;
    assert_close("loss", &values(double[0].loss.clone()), &[mean], 1e-4, 1e-3);
    assert_eq!((double[0].batch, double[0].images), (1, 32));
    assert_eq!((together.progress.batch, together.progress.steps), (2, 1));
    let (_, start) = states(&["optimizer.learning_rate=1e-30"], 1);
    for (path, before) in &start.learner {
        let moved = |state: &CheckpointState, times: f64| -> Vec<f64> {
            let after = state.learner[path].iter::<f64>();
            after
                .zip(before.iter::<f64>())
                .map(|(a, b)| (a - b) * times)
                .collect()
        };
        // Two steps add up to twice the step of the mean.
        assert_close_norm(
            path,
            &moved(&together, 2.0),
            &moved(&apart, 1.0),
            1e-5,
            0.05,
        );
    }
    // The last step of an epoch takes what batches are left: 3 batches of 16 from 48 images.
    let (steps, _) = states(&["train.accumulation_steps=2"], 2);
    assert_eq!((steps[1].batch, steps[1].images), (2, 16));
}
