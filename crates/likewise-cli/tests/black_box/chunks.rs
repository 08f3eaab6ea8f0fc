//! `train.chunk_size`: less memory, the same training.

use std::path::Path;

use super::support::{Place, events, succeeded};

fn losses(run: &Path) -> Vec<f64> {
    events(run)
        .iter()
        .filter(|event| event["event"] == "step")
        .map(|event| event["loss"].as_f64().unwrap())
        .collect()
}

/// Losses of a run of few steps, whole and in chunks of at most 3 of 8 images.
fn both(place: &Place, more: &[&str]) -> [Vec<f64>; 2] {
    place.dataset(14, 6);
    ["whole", "chunked"].map(|run| {
        let mut all = [more, &["--run", run, "--epochs", "2"]].concat();
        if run == "chunked" {
            all.extend(["--set", "train.chunk_size=3"]);
        }
        succeeded(&place.train(&all));
        losses(&place.path(run))
    })
}

fn assert_near(chunked: &[f64], whole: &[f64]) {
    assert!(whole.len() >= 8, "{whole:?}");
    assert_eq!(chunked.len(), whole.len());
    for (a, b) in chunked.iter().zip(whole).take(6) {
        assert!(
            (a - b).abs() <= 1e-4 + 1e-3 * b.abs(),
            "{chunked:?}\n{whole:?}"
        );
    }
    // Parameters moved in between.
    assert!((whole[0] - whole[5]).abs() > 1e-3, "{whole:?}");
}

#[test]
fn chunks_give_the_losses_of_whole_batches() {
    let [whole, chunked] = both(
        &Place::new(),
        &[
            "--set",
            "model.backbone={architecture=\"mlp\", hidden=[16]}",
        ],
    );
    assert_near(&chunked, &whole);
}

#[test]
fn chunks_give_the_losses_of_whole_batches_with_tuples_and_own_parameters() {
    let mlp = "model.backbone={architecture=\"mlp\", hidden=[16]}";
    let [whole, chunked] = both(
        &Place::new(),
        &[
            "--set",
            mlp,
            "--set",
            "objective.name=margin",
            "--set",
            "miner.name=semihard",
        ],
    );
    assert_near(&chunked, &whole);
}

#[test]
fn chunks_train_networks_that_normalise_over_the_batch() {
    let [whole, chunked] = both(&Place::new(), &[]);
    assert_eq!(chunked.len(), whole.len());
    assert!(chunked.iter().all(|loss| loss.is_finite()));
}

#[test]
fn chunks_larger_than_the_batch_change_nothing() {
    let place = Place::new();
    place.dataset(14, 6);
    for (run, size) in [("a", "train.chunk_size=8"), ("b", "train.chunk_size=800")] {
        succeeded(&place.train(&["--run", run, "--set", size]));
    }
    succeeded(&place.train(&["--run", "c"]));
    let [a, b, c] = ["a", "b", "c"].map(|run| losses(&place.path(run)));
    assert_eq!((&a, &b), (&c, &c));
}
