//! TensorBoard's own reader on the files of a run.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::python;
use crate::support::{Place, events, succeeded};

const READER: &str = include_str!("read_tensorboard.py");

fn read(run: &Path) -> Value {
    python::ask(READER, &[run.to_str().unwrap()])
}

/// Steps and values of one curve.
fn curve(read: &Value, name: &str) -> Vec<(u64, f32)> {
    let points = read["scalars"][name].as_array();
    let point = |point: &Value| {
        (
            point[0].as_u64().unwrap(),
            point[1].as_f64().unwrap() as f32,
        )
    };
    points.map_or_else(Vec::new, |points| points.iter().map(point).collect())
}

/// The losses that the record holds, each step once with its last value.
fn losses(run: &Path) -> BTreeMap<u64, f32> {
    let all = events(run);
    let number = |event: &Value, key: &str| event[key].as_u64().unwrap();
    let batches = number(&all[0], "batches_per_epoch");
    let steps = all.iter().filter(|event| event["event"] == "step");
    steps
        .map(|event| {
            let done = (number(event, "epoch") - 1) * batches + number(event, "batch") + 1;
            (done, event["loss"].as_f64().unwrap() as f32)
        })
        .collect()
}

fn start(place: &Place, more: &[&str]) -> Child {
    let options = ["--epochs", "1000000", "--tracker", "tensorboard"];
    place
        .command(&Place::train_arguments(&[&options[..], more].concat()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the run has recorded as many epochs.
fn wait_for_epochs(run: &Path, epochs: usize) {
    let from = Instant::now();
    let count = || {
        let text = std::fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
        text.matches("\"event\":\"epoch\"").count()
    };
    while count() < epochs {
        assert!(
            from.elapsed() < Duration::from_secs(120),
            "{} epochs",
            count()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn live_and_continued() {
    let place = Place::new();
    place.dataset(14, 6);
    let run = place.path("run");
    for attempt in 0..3 {
        let more: &[&str] = if attempt == 0 { &[] } else { &["--resume"] };
        let recorded = |run: &Path| {
            let all = if attempt == 0 {
                Vec::new()
            } else {
                events(run)
            };
            all.iter().filter(|event| event["event"] == "epoch").count()
        };
        let before = recorded(&run);
        let mut process = start(&place, more);
        wait_for_epochs(&run, before + 4);
        if attempt == 0 {
            let live = read(&run);
            assert!(process.try_wait().unwrap().is_none(), "the run is over");
            assert!(curve(&live, "train/loss").len() > 4, "{live}");
        }
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let files = std::fs::read_dir(&run).unwrap().flatten();
    let files = files.filter(|entry| entry.file_name().to_string_lossy().contains("tfevents"));
    assert_eq!(files.count(), 3);
    let shown = curve(&read(&run), "train/loss");
    let steps: Vec<u64> = shown.iter().map(|&(step, _)| step).collect();
    let once: Vec<u64> = (1..=steps.len() as u64).collect();
    assert_eq!(steps, once, "every step once");
    let recorded = losses(&run);
    // The record is written first, and the last kill may have come in between.
    assert!(recorded.len() - shown.len() <= 1);
    for (step, loss) in shown {
        assert_eq!(loss, recorded[&step], "step {step}");
    }
}

pub fn holds_everything() {
    let place = Place::new();
    place.dataset(14, 6);
    succeeded(&place.train(&[
        "--epochs",
        "3",
        "--tracker",
        "tensorboard",
        "--set",
        "train.protocol=paper",
        "--set",
        "train.observe_every=1",
        "--set",
        "evaluation.every=1",
        "--set",
        "evaluation.splits=[\"train\",\"validation\"]",
    ]));
    let run = place.path("run");
    let all = events(&run);
    let batches = all[0]["batches_per_epoch"].as_u64().unwrap();
    let shown = read(&run);
    let is_shown = |name: &str, step: u64, value: &Value| {
        let point = (step, value.as_f64().unwrap() as f32);
        assert!(curve(&shown, name).contains(&point), "{name} {point:?}");
    };
    let mut evaluations = 0;
    for event in &all {
        let epoch = event["epoch"].as_u64().unwrap_or_default();
        let step = epoch * batches;
        match event["event"].as_str().unwrap() {
            "epoch" => {
                for key in ["loss", "images_per_second"] {
                    is_shown(&format!("epoch/{key}"), step, &event[key]);
                }
                is_shown("epoch/training_seconds", step, &event["seconds"]);
            }
            "step" => {
                let step = step - batches + event["batch"].as_u64().unwrap() + 1;
                is_shown("train/loss", step, &event["loss"]);
                is_shown("train/learning_rate", step, &event["learning_rate"]);
            }
            "throughput" => {
                let step = step - batches + event["batch"].as_u64().unwrap() + 1;
                is_shown("train/images_per_second", step, &event["images_per_second"]);
            }
            "evaluated" if event["subject"] != "selected" => {
                evaluations += 1;
                let group = match event["subject"].as_str().unwrap() {
                    "training" => event["split"].as_str().unwrap(),
                    baseline => baseline,
                };
                for (name, value) in event["metrics"].as_object().unwrap() {
                    is_shown(&format!("{group}/{name}"), step, value);
                }
            }
            "finished" => {
                for (name, value) in event["metrics"].as_object().unwrap() {
                    is_shown(&format!("result/{name}"), 3 * batches, value);
                }
            }
            _ => {}
        }
    }
    assert_eq!(evaluations, 2 + 3 * 3);
    let pairs = &shown["histograms"]["batch/distances_within_classes"];
    assert_eq!(pairs.as_array().unwrap().len() as u64, 3 * batches);
    // Batches of 8 images, 2 of a class: 8 ordered pairs.
    assert_eq!(pairs[0], serde_json::json!([1, 8.0]));
    let recipe = shown["texts"]["recipe"].as_str().unwrap();
    assert!(recipe.contains("    protocol = \"paper\"\n"), "{recipe}");
}
