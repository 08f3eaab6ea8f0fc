//! Runs that remember embeddings: samplers with a memory bank, and the cross-batch memory.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::support::{Place, checkpoint, contents, events, succeeded, timeless_events};

const SAMPLERS: [&str; 4] = [
    "greedy_coreset",
    "d2_coreset",
    "distance_histogram",
    "frechet",
];

/// Both memories, with a miner that draws.
const BOTH: [&str; 18] = [
    "--set",
    "sampler.name=d2_coreset",
    "--set",
    "sampler.pool_size=16",
    "--set",
    "sampler.bank={momentum=0.25, refresh_every=2}",
    "--set",
    "objective.name=margin",
    "--set",
    "miner.name=distance",
    "--set",
    "cross_batch_memory={size=20, warm_up=2}",
    "--set",
    "model.embedding_dim=8",
    "--set",
    "evaluation.metrics=[\"recall@1\"]",
    "--epochs",
    "3",
];

fn filled_before(run: &Path) -> Vec<u64> {
    events(run)
        .iter()
        .filter(|event| event["event"] == "bank_filled")
        .map(|event| event["epoch"].as_u64().unwrap())
        .collect()
}

/// Loss of each step, the last one where a step was repeated.
fn losses(run: &Path) -> std::collections::BTreeMap<(u64, u64), f64> {
    let all = events(run);
    let steps = all.iter().filter(|event| event["event"] == "step");
    let number = |event: &serde_json::Value, key: &str| event[key].as_u64().unwrap();
    steps
        .map(|step| {
            let at = (number(step, "epoch"), number(step, "batch"));
            (at, step["loss"].as_f64().unwrap())
        })
        .collect()
}

#[test]
fn samplers_with_a_bank_do_the_same_again_on_any_number_of_threads() {
    let place = Place::new();
    place.dataset(14, 6);
    for sampler in SAMPLERS {
        let name = format!("sampler.name={sampler}");
        let train = |run: &str, seed: &str, threads: &str| {
            let more = [
                "--run",
                run,
                "--seed",
                seed,
                "--workers",
                threads,
                "--epochs",
                "3",
                "--set",
                &name,
                "--set",
                "sampler.pool_size=16",
                "--set",
                "sampler.bank.refresh_every=2",
                "--set",
                "train.observe_every=2",
            ];
            let mut command = place.command(&Place::train_arguments(&more));
            succeeded(&command.env("RAYON_NUM_THREADS", threads).output().unwrap());
            let run = place.path(run);
            assert_eq!(filled_before(&run), [1, 3], "{sampler}");
            (timeless_events(&run), checkpoint(&run))
        };
        let run = |number: u32| format!("{sampler}-{number}");
        let first = train(&run(1), "4", "1");
        assert!(first.0.iter().any(|event| event["event"] == "observed"));
        assert_eq!(train(&run(2), "4", "1").0, first.0, "{sampler}");
        let threaded = train(&run(3), "4", "2");
        assert_eq!(threaded.0, first.0, "{sampler}");
        assert!(threaded.1 == first.1, "{sampler}: other parameters");
        assert_ne!(losses(&place.path(&run(1))), {
            train(&run(4), "5", "1");
            losses(&place.path(&run(4)))
        });
    }
}

#[test]
fn samplers_draw_different_batches() {
    let place = Place::new();
    place.dataset(14, 6);
    let mut found: Vec<(&str, Vec<f64>)> = Vec::new();
    for sampler in ["spc"].into_iter().chain(SAMPLERS) {
        let name = format!("sampler.name={sampler}");
        let mut more = vec!["--run", sampler, "--set", &name];
        if sampler != "spc" {
            more.extend(["--set", "sampler.pool_size=16"]);
        }
        succeeded(&place.train(&more));
        let all: Vec<f64> = losses(&place.path(sampler)).into_values().collect();
        for (other, theirs) in &found {
            assert_ne!(*theirs, all, "{sampler} does what {other} does");
        }
        found.push((sampler, all));
    }
}

/// Runs `broken` until so many more of its steps are recorded, and stops it by `stop`.
fn stop_after(steps: usize, place: &Place, more: &[&str], stop: impl FnOnce(&mut Child)) {
    let mut all = [more, &["--run", "broken"]].concat();
    if place.path("broken/recipe.toml").exists() {
        all.push("--resume");
    }
    let mut process = place
        .command(&Place::train_arguments(&all))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let recorded = || {
        let text = fs::read_to_string(place.path("broken/events.jsonl"));
        text.map_or(0, |text| text.matches("\"step\"").count())
    };
    let enough = recorded() + steps;
    while recorded() < enough && process.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    stop(&mut process);
    let status = process.wait().unwrap();
    assert!(!status.success(), "the run ended before it was stopped");
}

/// Enough images for epochs of fifty batches, and the uninterrupted run on them.
fn whole_run(more: &[&str]) -> Place {
    let place = Place::new();
    place.dataset(14, 60);
    succeeded(&place.train(&[more, &["--run", "whole"]].concat()));
    place
}

#[test]
fn a_killed_run_with_both_memories_continues_to_the_same_bits() {
    let place = whole_run(&BOTH);
    assert_eq!(filled_before(&place.path("whole")), [1, 3]);
    // In the first, the second and the third epoch.
    for steps in [12, 60, 70] {
        stop_after(steps, &place, &BOTH, |process| process.kill().unwrap());
        let last = events(&place.path("broken"));
        assert!(last.iter().all(|event| event["event"] != "finished"));
    }
    succeeded(&place.train(&[&BOTH[..], &["--run", "broken", "--resume"]].concat()));
    same_end(&place);
}

/// An interrupt leaves a checkpoint in the middle of an epoch, which a kill does not.
#[cfg(unix)]
#[test]
fn an_interrupted_run_with_both_memories_continues_to_the_same_bits() {
    let place = whole_run(&BOTH);
    for _ in 0..3 {
        stop_after(12, &place, &BOTH, |process| {
            let interrupt = ["-INT", &process.id().to_string()];
            let status = std::process::Command::new("kill").args(interrupt).status();
            assert!(status.unwrap().success());
        });
        let last = events(&place.path("broken")).pop().unwrap();
        assert_eq!(last["event"], "interrupted");
    }
    let stored = contents(&place.path("broken/checkpoints/last"));
    assert!(
        stored
            .iter()
            .any(|(path, _)| path.ends_with("memory.safetensors"))
    );
    succeeded(&place.train(&[&BOTH[..], &["--run", "broken", "--resume"]].concat()));
    same_end(&place);
}

/// The runs `whole` and `broken` ended in the same state, with the same losses on the way.
fn same_end(place: &Place) {
    let [whole, broken] = ["whole", "broken"].map(|run| place.path(run));
    let files = checkpoint(&whole);
    for name in [
        "learner.safetensors",
        "optimizer.safetensors",
        "memory.safetensors",
    ] {
        assert!(files.iter().any(|(path, _)| path.ends_with(name)), "{name}");
    }
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(path, _)| path.clone()).collect()
    };
    let found = checkpoint(&broken);
    assert_eq!(names(&found), names(&files));
    for ((path, found), (_, expected)) in found.iter().zip(&files) {
        assert!(found == expected, "{path} differs");
    }
    assert_eq!(losses(&broken), losses(&whole));
}

#[test]
fn a_checkpoint_without_its_memory_is_refused() {
    let place = Place::new();
    place.dataset(14, 6);
    let more = &BOTH[..];
    succeeded(&place.train(more));
    for (path, _) in contents(&place.path("run/checkpoints/last")) {
        if path.ends_with("memory.safetensors") {
            fs::remove_file(path).unwrap();
        }
    }
    super::support::refused(
        &place.train(&[more, &["--resume"]].concat()),
        &["checkpoint"],
    );
}

#[test]
fn the_smoke_run_of_the_embedded_data_is_small_with_another_sampler_too() {
    let place = Place::new();
    for sampler in SAMPLERS {
        let name = format!("sampler.name={sampler}");
        succeeded(&place.run(&[
            "train",
            "--smoke",
            "--device",
            "cpu",
            "--run",
            sampler,
            "--set",
            "model.backbone.channels=[8,8]",
            "--set",
            "evaluation.metrics=[\"recall@1\"]",
            "--set",
            &name,
        ]));
        let recipe = fs::read_to_string(place.path(sampler).join("recipe.toml")).unwrap();
        assert!(recipe.contains("batch_size = 16"), "{recipe}");
        assert_eq!(filled_before(&place.path(sampler)), [1]);
    }
}
