//! `likewise train`: a run's files, its repetition, its interruption and continuation.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::support::{Place, checkpoint, contents, events, stderr, succeeded};

fn last_event(run: &Path) -> serde_json::Value {
    let text = fs::read_to_string(run.join("events.jsonl")).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn a_run_leaves_everything_needed_to_understand_it() {
    let place = Place::new();
    place.dataset(12, 5);
    let output = place.train(&["--json", "--epochs", "2"]);
    let text = succeeded(&output);
    let result: serde_json::Value = serde_json::from_str(&text).unwrap();
    let run = place.path("run");
    for file in [
        "recipe.toml",
        "environment.json",
        "events.jsonl",
        "metrics.csv",
        "report.html",
        "embeddings/test.safetensors",
    ] {
        assert!(
            run.join(file).is_file(),
            "{file} is missing\n{}",
            stderr(&output)
        );
    }
    let finished = last_event(&run);
    assert_eq!(finished["event"], "finished");
    for values in [
        &finished["metrics"],
        &finished["baselines"]["untrained"],
        &finished["baselines"]["raw_pixels"],
    ] {
        let recall = values["recall@1"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&recall));
    }
    assert_eq!(result["metrics"], finished["metrics"]);
    let again = succeeded(&place.run(&["evaluate", "run", "--metrics", "recall@1", "--json"]));
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["recall@1"], finished["metrics"]["recall@1"]);
}

#[test]
fn equal_seeds_give_equal_checkpoints_and_other_seeds_do_not() {
    let place = Place::new();
    place.dataset(12, 5);
    for (run, seed) in [("a", "1"), ("b", "1"), ("c", "2")] {
        succeeded(&place.train(&[
            "--run",
            run,
            "--seed",
            seed,
            "--workers",
            if run == "a" { "1" } else { "3" },
        ]));
    }
    let [a, b, c] = ["a", "b", "c"].map(|run| checkpoint(&place.path(run)));
    assert_eq!(a, b);
    assert_ne!(a, c);
}

#[test]
fn a_killed_run_continues_to_the_same_bits() {
    let place = Place::new();
    place.dataset(14, 6);
    let options = ["--epochs", "6"];
    succeeded(&place.train(&[&options[..], &["--run", "whole"]].concat()));
    let mut rest: u64 = 1;
    for attempt in 0..8 {
        let mut more = [&options[..], &["--run", "broken"]].concat();
        if place.path("broken/recipe.toml").exists() {
            more.push("--resume");
        }
        let mut process = place
            .command(&Place::train_arguments(&more))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Moments spread over the run, the same on every machine.
        rest = rest
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(50 + attempt * 40 + (rest >> 56)));
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let mut more = [&options[..], &["--run", "broken"]].concat();
    if place.path("broken/recipe.toml").exists() {
        more.push("--resume");
    }
    succeeded(&place.train(&more));
    assert_eq!(
        checkpoint(&place.path("whole")),
        checkpoint(&place.path("broken"))
    );
    assert_eq!(
        last_event(&place.path("whole"))["metrics"],
        last_event(&place.path("broken"))["metrics"]
    );
}

#[cfg(unix)]
#[test]
fn an_interrupt_writes_a_checkpoint_and_says_how_to_continue() {
    let place = Place::new();
    place.dataset(14, 6);
    let options = ["--epochs", "400"];
    let process = place
        .command(&Place::train_arguments(&options))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let file = place.path("run/events.jsonl");
    for _ in 0..600 {
        std::thread::sleep(Duration::from_millis(50));
        if fs::read_to_string(&file).is_ok_and(|text| text.contains("\"step\"")) {
            break;
        }
    }
    std::process::Command::new("kill")
        .args(["-INT", &process.id().to_string()])
        .status()
        .unwrap();
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("--resume"), "{}", stderr(&output));
    assert!(!contents(&place.path("run/checkpoints/last")).is_empty());
    let run = place.path("run");
    assert_eq!(last_event(&run)["event"], "interrupted");
    // What was seen of steps in the unfinished epoch is not lost.
    let of = |kind: &str| -> Vec<(u64, u64)> {
        let found = events(&run)
            .into_iter()
            .filter(|event| event["event"] == kind);
        let place = |event: serde_json::Value| {
            let number = |key: &str| event[key].as_u64().unwrap();
            (number("epoch"), number("batch"))
        };
        found.map(place).collect()
    };
    let (steps, observed) = (of("step"), of("observed"));
    let every_tenth = steps.into_iter().filter(|(_, batch)| batch % 10 == 0);
    assert_eq!(observed, every_tenth.collect::<Vec<_>>());
}

#[test]
fn standard_output_holds_nothing_but_the_object_asked_for() {
    let place = Place::new();
    for arguments in [
        &["device", "--device", "cpu", "--json"][..],
        &["recipes", "--json"],
    ] {
        let text = succeeded(&place.run(arguments));
        serde_json::from_str::<serde_json::Value>(&text)
            .unwrap_or_else(|error| panic!("{error}: {text}"));
    }
}

#[test]
fn the_smoke_run_of_the_embedded_data_goes_through_every_part() {
    let place = Place::new();
    let output = place.run(&[
        "train",
        "--smoke",
        "--device",
        "cpu",
        "--run",
        "run",
        "--json",
        "--set",
        "model.backbone.channels=[8,8]",
    ]);
    let result: serde_json::Value = serde_json::from_str(&succeeded(&output)).unwrap();
    assert!(result["metrics"]["recall@1"].as_f64().unwrap() > 0.0);
}
