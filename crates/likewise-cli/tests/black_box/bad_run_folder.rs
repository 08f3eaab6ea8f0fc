//! Run folders that cannot be used.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::support::{Place, contents, refused, succeeded};

#[test]
fn a_folder_that_holds_a_run_is_never_overwritten() {
    let place = Place::new();
    place.dataset(12, 4);
    succeeded(&place.train(&[]));
    let before = contents(&place.path("run"));
    refused(&place.train(&[]), &["run", "--resume"]);
    assert_eq!(before, contents(&place.path("run")));
}

#[test]
fn nothing_to_resume() {
    let place = Place::new();
    place.dataset(12, 4);
    refused(&place.train(&["--resume"]), &["run", "--resume"]);
}

#[test]
fn resuming_with_another_recipe_names_what_differs() {
    let place = Place::new();
    place.dataset(12, 4);
    succeeded(&place.train(&[]));
    refused(&place.train(&["--resume", "--seed", "9"]), &["seed", "9"]);
}

#[test]
fn a_run_folder_that_is_a_file() {
    let place = Place::new();
    place.dataset(12, 4);
    place.write("run", b"");
    refused(&place.train(&[]), &["run"]);
}

#[test]
fn a_damaged_checkpoint() {
    let place = Place::new();
    place.dataset(12, 4);
    succeeded(&place.train(&[]));
    for (path, bytes) in contents(&place.path("run/checkpoints/last")) {
        if path.ends_with("learner.safetensors") {
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
    refused(&place.train(&["--resume"]), &["learner.safetensors"]);
}

#[test]
fn a_damaged_record_of_events() {
    let place = Place::new();
    place.dataset(12, 4);
    succeeded(&place.train(&[]));
    let file = place.path("run/events.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("nonsense\n{text}")).unwrap();
    refused(&place.train(&["--resume"]), &["events.jsonl", "line 1"]);
}

#[test]
fn two_processes_in_one_run_folder() {
    let place = Place::new();
    place.dataset(12, 4);
    let arguments = Place::train_arguments(&["--epochs", "100000"]);
    let mut first = place
        .command(&arguments)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    let started = lines.any(|line| line.is_ok_and(|line| line.contains("run ")));
    let second = place.train(&["--resume", "--epochs", "100000"]);
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(started);
    refused(&second, &["in use", "--run"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_one_message() {
    let place = Place::new();
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = place
        .command(&["recipes", "--json"])
        .stdout(full)
        .output()
        .unwrap();
    refused(&output, &["standard output"]);
}
