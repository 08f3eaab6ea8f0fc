//! File systems that are full or read-only: mounted in a name space of their own, which needs Linux
//! that lets its users have one, and ends with the program.

use std::process::{Command, Output, Stdio};

use crate::support::{Place, checkpoint, refused, stderr, stdout, succeeded};

/// A shell in which `script` may mount, in the test's folder; `$0` is the program.
fn shell(place: &Place, script: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-e",
            "-c",
            script,
        ])
        .arg(env!("CARGO_BIN_EXE_likewise"))
        .args(arguments)
        .current_dir(place.path(""));
    command.output().unwrap()
}

/// Whether this machine lets a test mount.
pub fn allowed() -> bool {
    let script = "mount -t tmpfs -o size=64k none /mnt && mount -o remount,ro /mnt";
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

const OPTIONS: [&str; 6] = [
    "--epochs",
    "6",
    "--set",
    "model.backbone.channels=[16,64]",
    "--set",
    "train.checkpoint_every=1",
];

pub fn full_disk() {
    let place = Place::new();
    place.dataset(14, 6);
    let arguments = Place::train_arguments(&OPTIONS);
    succeeded(&place.train(&[&OPTIONS[..], &["--run", "whole"]].concat()));
    std::fs::create_dir(place.path("disk")).unwrap();
    // Full after some checkpoints; then as full as before; then there is room.
    let script = "mount -t tmpfs -o size=1000k none disk
        \"$0\" \"$@\" --run disk/run 2>first.txt && exit 9 || echo $? >codes.txt
        ls disk/run/checkpoints/last >states.txt
        \"$0\" \"$@\" --run disk/run --resume 2>second.txt && exit 9 || echo $? >>codes.txt
        ls disk/run/checkpoints/last >>states.txt
        mount -o remount,size=64m disk
        \"$0\" \"$@\" --run disk/run --resume >third.txt 2>&1
        cp -r disk/run after";
    let output = shell(&place, script, &arguments);
    let text = |name: &str| std::fs::read_to_string(place.path(name)).unwrap_or_default();
    let all = ["first.txt", "second.txt", "third.txt"].map(text);
    assert!(
        output.status.success(),
        "{}{}{all:?}",
        stdout(&output),
        stderr(&output)
    );
    assert_eq!(text("codes.txt"), "2\n2\n");
    for message in &all[..2] {
        let errors: Vec<&str> = message
            .lines()
            .filter(|line| line.starts_with("error:"))
            .collect();
        assert_eq!(errors.len(), 1, "{message}");
        assert!(errors[0].contains("cannot write"), "{message}");
        assert!(message.contains("No space left"), "{message}");
        assert!(!message.contains("panicked"), "{message}");
    }
    assert!(
        text("states.txt")
            .lines()
            .all(|line| line.starts_with("epoch-"))
    );
    assert!(
        !text("states.txt").is_empty(),
        "it was full before the first checkpoint"
    );
    let [whole, after] = ["whole", "after"].map(|run| checkpoint(&place.path(run)));
    assert!(whole == after, "the bits of a checkpoint differ");
}

pub fn read_only() {
    let place = Place::new();
    place.dataset(12, 4);
    succeeded(&place.train(&[]));
    let before = checkpoint(&place.path("run"));
    let script = "mount --bind run run; mount -o remount,bind,ro run; exec \"$0\" \"$@\"";
    let resumed = Place::train_arguments(&["--resume"]);
    refused(&shell(&place, script, &resumed), &["run", "Read-only"]);
    assert_eq!(before, checkpoint(&place.path("run")));
    // A new run below a folder that cannot be written.
    let new = Place::train_arguments(&["--run", "run/new"]);
    refused(&shell(&place, script, &new), &["run/new", "Read-only"]);
}
