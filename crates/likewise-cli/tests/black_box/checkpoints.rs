//! The networks a run keeps: which they are, that each can be used again, and that nothing of it
//! is lost when the run is killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::support::{Place, events, refused, succeeded};

/// Many best epochs: three splits, two metrics.
const KEEP: [&str; 12] = [
    "--set",
    "evaluation.every=1",
    "--epochs",
    "4",
    "--set",
    "train.protocol=paper",
    "--set",
    "evaluation.splits=[\"train\",\"validation\"]",
    "--set",
    "evaluation.keep_best=[\"nmi\"]",
    "--set",
    "train.checkpoint_every=2",
];

fn names(run: &Path) -> Vec<String> {
    let entries = fs::read_dir(run.join("checkpoints")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Values of `metric` while training, by split and epoch.
fn measured(run: &Path, metric: &str) -> BTreeMap<(String, u64), f64> {
    let evaluated = events(run)
        .into_iter()
        .filter(|event| event["event"] == "evaluated" && event["subject"] == "training");
    evaluated
        .map(|event| {
            let split = event["split"].as_str().unwrap().to_owned();
            let key = (split, event["epoch"].as_u64().unwrap());
            (key, event["metrics"][metric].as_f64().unwrap())
        })
        .collect()
}

fn evaluate(place: &Place, checkpoint: &str, split: &str, metric: &str) -> f64 {
    let output = place.run(&[
        "evaluate",
        "run",
        "--checkpoint",
        checkpoint,
        "--split",
        split,
        "--metrics",
        metric,
        "--device",
        "cpu",
        "--resamples",
        "0",
        "--json",
    ]);
    let result: serde_json::Value = serde_json::from_str(&succeeded(&output)).unwrap();
    result[metric].as_f64().unwrap()
}

#[test]
fn every_kept_network_embeds_as_it_did_in_its_epoch() {
    let place = Place::new();
    place.dataset(14, 6);
    // Hard enough for the epochs to differ.
    succeeded(&place.train(&[&KEEP[..], &["--set", "data.image_size=8"]].concat()));
    let run = place.path("run");
    let splits = ["test", "train", "validation"];
    let best = splits.map(|split| ["nmi", "recall@1"].map(|metric| (split, metric)));
    let mut expected: Vec<String> = best
        .iter()
        .flatten()
        .map(|(split, metric)| format!("best-{split}-{metric}"))
        .collect();
    expected.extend(["epoch-000002", "epoch-000004", "last"].map(String::from));
    assert_eq!(names(&run), expected);
    let metric = "dists@inter";
    let values = measured(&run, metric);
    let mut seen = BTreeMap::new();
    for (split, of) in best.iter().flatten() {
        let name = format!("best-{split}-{of}");
        let folder = run.join("checkpoints").join(&name);
        let epochs: Vec<_> = fs::read_dir(&folder).unwrap().flatten().collect();
        assert_eq!(epochs.len(), 1, "{name}");
        let epoch: u64 = epochs[0].file_name().to_str().unwrap()[6..]
            .parse()
            .unwrap();
        let scores = measured(&run, of);
        let largest = (1..=4)
            .map(|epoch| scores[&((*split).to_owned(), epoch)])
            .fold(f64::MIN, f64::max);
        assert_eq!(scores[&((*split).to_owned(), epoch)], largest, "{name}");
        seen.insert(name, epoch);
    }
    seen.insert("last".into(), 4);
    seen.insert("epoch-2".into(), 2);
    seen.insert("epoch-000004".into(), 4);
    for (name, epoch) in seen {
        for split in splits {
            let again = evaluate(&place, &name, split, metric);
            assert_eq!(
                again,
                values[&(split.to_owned(), epoch)],
                "{name} on {split}"
            );
        }
    }
    assert_eq!(
        evaluate(&place, "best", "test", metric),
        evaluate(&place, "best-test-recall@1", "test", metric)
    );
}

#[test]
fn a_checkpoint_that_is_not_there_is_refused_with_those_that_are() {
    let place = Place::new();
    place.dataset(12, 4);
    succeeded(&place.train(&[]));
    let ask = |more: &[&str]| {
        let arguments = [&["evaluate", "run", "--device", "cpu"][..], more].concat();
        place.run(&arguments)
    };
    refused(
        &ask(&["--checkpoint", "epoch-7"]),
        &["epoch-000007", "best-validation-recall@1", "last"],
    );
    refused(&ask(&["--checkpoint", "../.."]), &["../..", "last"]);
    refused(
        &ask(&["--checkpoint", "last", "--data", "nowhere"]),
        &["nowhere"],
    );
    refused(
        &ask(&["--checkpoint", "last", "--split", "gallery"]),
        &["gallery", "validation"],
    );
}

#[test]
fn early_stopping_is_told_in_result_record_and_report() {
    let place = Place::new();
    place.dataset(12, 5);
    let output = place.train(&[
        "--epochs",
        "30",
        "--json",
        "--set",
        "optimizer.learning_rate=1e-30",
        "--set",
        "evaluation.every=1",
        "--set",
        "train.early_stopping={patience=3}",
    ]);
    let result: serde_json::Value = serde_json::from_str(&succeeded(&output)).unwrap();
    assert_eq!(
        (&result["selected_epoch"], &result["stopped_after"]),
        (&1.into(), &4.into())
    );
    let run = place.path("run");
    let stopped = events(&run)
        .into_iter()
        .find(|event| event["event"] == "stopped_early")
        .unwrap();
    assert_eq!(
        (&stopped["epoch"], &stopped["best"]["epoch"]),
        (&4.into(), &1.into())
    );
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("stopped the training after epoch 4 of 30"));
}

#[test]
fn early_stopping_by_the_test_classes_is_refused() {
    let place = Place::new();
    place.dataset(12, 4);
    let output = place.train(&[
        "--set",
        "train.protocol=paper",
        "--set",
        "train.early_stopping={patience=3}",
    ]);
    refused(&output, &["train.early_stopping", "paper", "validation"]);
    assert!(!place.path("run").exists());
}
