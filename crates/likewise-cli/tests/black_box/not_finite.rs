//! Runs whose numbers stop being numbers: they end with a message and a checkpoint that is good.

use std::fs;
use std::path::Path;

use likewise::model::state;

use super::support::{Place, checkpoint, events, refused, stderr};

fn assert_finite_checkpoints(run: &Path) {
    let files = checkpoint(run);
    assert!(
        files
            .iter()
            .any(|(path, _)| path.ends_with("learner.safetensors"))
    );
    for (path, bytes) in files {
        for (name, data) in state::from_safetensors(&bytes).unwrap() {
            let finite = data.iter::<f64>().all(f64::is_finite);
            assert!(
                finite,
                "{path} holds {name} with a value that is not finite"
            );
        }
    }
}

/// A run that fails with these settings, and fails alike when it is resumed, twice.
fn fails(images: u32, more: &[&str], words: &[&str]) {
    let place = Place::new();
    place.dataset(14, images);
    let more = [more, &["--epochs", "3", "--set", "train.observe_every=1"]].concat();
    let run = place.path("run");
    let folder = Path::new("run").join("checkpoints/last");
    let mut all = vec![
        folder.to_str().unwrap(),
        "optimizer.learning_rate",
        "epoch 1",
    ];
    all.extend(words);
    let mut messages = Vec::new();
    for attempt in 0..3 {
        let mut more = more.clone();
        more.extend((attempt > 0).then_some("--resume"));
        let output = place.train(&more);
        refused(&output, &all);
        let text = stderr(&output);
        let message = text.lines().find(|line| line.starts_with("error:"));
        messages.push(message.unwrap().to_string());
        assert_finite_checkpoints(&run);
        assert!(
            fs::read_dir(place.path("run/checkpoints/last"))
                .unwrap()
                .count()
                == 1
        );
    }
    assert!(
        messages.windows(2).all(|pair| pair[0] == pair[1]),
        "{messages:?}"
    );
    // Every line can be read, but for the loss that ended the last run.
    assert!(
        events(&run)
            .iter()
            .any(|event| event["event"] == "checkpoint")
    );
}

/// Three batches an epoch: fewer than losses are read together.
#[test]
fn a_learning_rate_far_too_large_in_a_short_epoch() {
    fails(
        4,
        &["--set", "optimizer.learning_rate=1e30"],
        &["NaN", "batch 1"],
    );
}

#[test]
fn a_learning_rate_far_too_large_in_a_long_epoch() {
    fails(
        20,
        &["--set", "optimizer.learning_rate=1e30"],
        &["NaN", "batch 1"],
    );
}

#[test]
fn a_learning_rate_beyond_single_precision() {
    fails(4, &["--set", "optimizer.learning_rate=1e39"], &["NaN"]);
}

#[test]
fn a_run_with_memories() {
    fails(
        4,
        &[
            "--set",
            "optimizer.learning_rate=1e30",
            "--set",
            "sampler.name=frechet",
            "--set",
            "sampler.pool_size=16",
            "--set",
            "cross_batch_memory={size=16, warm_up=0}",
        ],
        &["NaN", "batch 1"],
    );
}
