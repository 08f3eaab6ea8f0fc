//! Runs that are killed while they write, meet a full disk or find a damaged checkpoint: nothing
//! that was complete is lost, and there is one message.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::support::{Place, checkpoint, contents, refused, stderr, succeeded};

/// Everything a checkpoint can hold, written as often as possible.
const OPTIONS: [&str; 16] = [
    "--epochs",
    "6",
    "--set",
    "evaluation.every=1",
    "--set",
    "evaluation.splits=[\"train\"]",
    "--set",
    "evaluation.keep_best=[\"map_at_r\"]",
    "--set",
    "train.checkpoint_every=2",
    "--set",
    "train.early_stopping={patience=4}",
    "--set",
    "sampler.name=frechet",
    "--set",
    "sampler.pool_size=16",
];

/// A network whose files take a while to write.
const LARGE: [&str; 2] = ["--set", "model.backbone.channels=[16,256]"];

fn options<'a>(run: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&OPTIONS[..], more, &["--run", run]].concat()
}

/// States in `checkpoints/last`, the newest last.
fn states(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.join("checkpoints/last"))
        .into_iter()
        .flatten();
    let mut states: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .collect();
    states.sort();
    states
}

/// Whether a checkpoint is being written.
fn is_writing(run: &Path) -> bool {
    let kinds = fs::read_dir(run.join("checkpoints")).into_iter().flatten();
    let inside = kinds.flatten().flat_map(|kind| fs::read_dir(kind.path()));
    inside.flatten().flatten().any(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().starts_with(".writing-")
    })
}

fn assert_same_end(place: &Place, whole: &str, broken: &str) {
    let [one, other] = [whole, broken].map(|run| {
        let mut files = checkpoint(&place.path(run));
        files.retain(|(path, _)| {
            path.contains("last") || path.contains("best") || path.contains("epoch")
        });
        files
    });
    let names = |files: &[(String, Vec<u8>)]| {
        files
            .iter()
            .map(|(path, _)| path.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&one), names(&other));
    assert!(one == other, "the bits of a checkpoint differ");
}

#[test]
fn killed_while_writing_checkpoints_it_continues_to_the_same_bits() {
    let place = Place::new();
    place.dataset(14, 6);
    succeeded(&place.train(&options("whole", &LARGE)));
    let run = place.path("broken");
    let mut killed = 0;
    for attempt in 0..12u64 {
        let mut more = options("broken", &LARGE);
        if run.join("recipe.toml").exists() {
            more.push("--resume");
        }
        let before = states(&run).last().cloned();
        let mut process = place
            .command(&Place::train_arguments(&more))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Not always in the first checkpoint after the start, and at another moment of it each time.
        let from = Instant::now();
        let pass = Duration::from_millis(40 * (attempt % 3));
        while process.try_wait().unwrap().is_none() {
            if from.elapsed() > pass && is_writing(&run) {
                std::thread::sleep(Duration::from_micros(attempt * 311));
                break;
            }
        }
        killed += u32::from(process.try_wait().unwrap().is_none());
        process.kill().unwrap();
        process.wait().unwrap();
        // What was complete before is complete still, or something newer is.
        assert!(states(&run).last().cloned() >= before, "attempt {attempt}");
    }
    assert!(killed > 2, "only {killed} kills met a write");
    let mut more = options("broken", &LARGE);
    more.push("--resume");
    succeeded(&place.train(&more));
    assert_same_end(&place, "whole", "broken");
    let left = contents(&run).into_iter().filter(|(path, _)| {
        let path = path.to_string_lossy();
        path.contains(".writing-")
    });
    assert_eq!(left.count(), 0, "half-written files are left");
}

/// The program with files limited to `kilobytes`; what goes beyond fails as on a full disk.
#[cfg(unix)]
fn limited(place: &Place, kilobytes: u64, arguments: &[&str]) -> std::process::Output {
    let program = env!("CARGO_BIN_EXE_likewise");
    // In blocks of 512 bytes. Without the trap the signal would end the program.
    let script = format!(
        "trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"",
        2 * kilobytes
    );
    let mut command = std::process::Command::new("sh");
    let command = command.arg("-c").arg(script).arg(program).args(arguments);
    command.current_dir(place.path("")).output().unwrap()
}

/// From the first checkpoint that does not fit to the record of events that has grown too long.
#[cfg(unix)]
#[test]
fn where_nothing_more_can_be_written_what_was_written_stays() {
    let place = Place::new();
    place.dataset(14, 6);
    let more = [
        "--set",
        "train.observe_every=1",
        "--set",
        "train.early_stopping=",
        "--epochs",
        "40",
    ];
    succeeded(&place.train(&options("whole", &more)));
    let files = contents(&place.path("whole/checkpoints"));
    let largest = files
        .iter()
        .map(|(_, bytes)| bytes.len() as u64)
        .max()
        .unwrap()
        / 1024;
    let events = fs::metadata(place.path("whole/events.jsonl"))
        .unwrap()
        .len()
        / 1024;
    assert!(
        largest + 8 < events,
        "{largest} KiB a checkpoint, {events} KiB of events"
    );
    for (run, kilobytes) in [
        ("first", largest / 2),
        ("later", events / 2),
        ("last", events - 4),
    ] {
        let arguments = options(run, &more);
        let output = limited(&place, kilobytes, &Place::train_arguments(&arguments));
        refused(&output, &[run, "cannot write", "File too large"]);
        let before = states(&place.path(run));
        assert_eq!(before.is_empty(), run == "first", "{run}: {before:?}");
        // Again, and nothing is worse.
        let resume = [&arguments[..], &["--resume"]].concat();
        let output = limited(&place, kilobytes, &Place::train_arguments(&resume));
        refused(&output, &[run, "cannot write"]);
        assert!(states(&place.path(run)).last() >= before.last(), "{run}");
        succeeded(&place.train(&resume));
        assert_same_end(&place, "whole", run);
    }
}

const ENDLESS: [&str; 4] = ["--epochs", "100000", "--set", "evaluation.every=0"];

/// A run that fails after some checkpoints, with two states on the disk.
fn unfinished(place: &Place) -> PathBuf {
    place.dataset(14, 6);
    let arguments = Place::train_arguments(&ENDLESS);
    let mut process = place
        .command(&arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let run = place.path("run");
    let from = Instant::now();
    while states(&run).len() < 2 && from.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(states(&run).len() >= 2);
    run
}

#[test]
fn a_checkpoint_cut_short_names_the_one_before_it() {
    for name in ["learner.safetensors", "optimizer.safetensors", "state.json"] {
        let place = Place::new();
        let run = unfinished(&place);
        let newest = states(&run).pop().unwrap();
        let file = newest.join(name);
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        let before = contents(&run.join("checkpoints"));
        let resume = [&ENDLESS[..], &["--resume"]].concat();
        let output = place.train(&resume);
        let folder = newest.file_name().unwrap().to_str().unwrap();
        refused(&output, &[name, "delete", folder, "continue from"]);
        assert_eq!(
            before,
            contents(&run.join("checkpoints")),
            "{}",
            stderr(&output)
        );
        // The advice is good.
        fs::remove_dir_all(&newest).unwrap();
        let mut process = place
            .command(&Place::train_arguments(&resume))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let from = Instant::now();
        while states(&run).last() <= Some(&newest) && from.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(
            states(&run).last() > Some(&newest),
            "{name}: it did not go on"
        );
    }
}

#[test]
fn a_recipe_cut_short_is_not_that_of_the_run() {
    let place = Place::new();
    let run = unfinished(&place);
    let file = states(&run).pop().unwrap().join("recipe.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, &text[..text.find("[train]").unwrap()]).unwrap();
    let output = place.train(&[&ENDLESS[..], &["--resume"]].concat());
    refused(&output, &["train.epochs = 150 there, 100000 now", "delete"]);
}

#[test]
fn a_checkpoint_of_another_recipe_names_the_keys() {
    let place = Place::new();
    place.dataset(12, 4);
    let more = [
        "--set",
        "objective.margin=0.7",
        "--set",
        "optimizer.learning_rate=1e-4",
    ];
    succeeded(&place.train(&["--run", "run"]));
    succeeded(&place.train(&[&more[..], &["--run", "other"]].concat()));
    fs::remove_dir_all(place.path("run/checkpoints")).unwrap();
    fs::rename(
        place.path("other/checkpoints"),
        place.path("run/checkpoints"),
    )
    .unwrap();
    let before = contents(&place.path("run/checkpoints"));
    refused(
        &place.train(&["--resume"]),
        &[
            "another recipe",
            "objective.margin = 0.7 there",
            "optimizer.learning_rate = 0.0001 there",
        ],
    );
    assert_eq!(before, contents(&place.path("run/checkpoints")));
}
