//! Runs from pretrained weights, and the commands around weight files.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::support::{Place, refused, stderr, stdout};

fn fixture(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/weights")
        .join(name)
        .display()
        .to_string()
}

/// The network of the fixtures.
const NETWORK: &str = "model.backbone={architecture=\"resnet\", width=2, layers=[1, 1, 1, 1]}";

/// A training that begins with the weights of `file`.
fn train(place: &Place, file: &str, more: &[&str]) -> std::process::Output {
    place.dataset(8, 6);
    let arguments = [
        "train", "--smoke", "--device", "cpu", "--data", "data", "--run", "run",
    ];
    let settings = [
        NETWORK,
        "sampler.batch_size=8",
        "sampler.samples_per_class=2",
        "data.split.train=0.5",
        "data.split.validation=0.2",
        "data.image_size=32",
    ];
    let settings = settings.iter().flat_map(|setting| ["--set", *setting]);
    let arguments: Vec<&str> = arguments
        .into_iter()
        .chain(settings)
        .chain(["--weights", file])
        .chain(more.iter().copied())
        .collect();
    place.run(&arguments)
}

#[test]
fn both_formats_of_pytorch_begin_the_same_run() {
    let untrained = |name: &str| -> Value {
        let place = Place::new();
        let output = train(&place, &fixture(name), &[]);
        assert!(output.status.success(), "{}", stderr(&output));
        let environment = fs::read_to_string(place.path("run/environment.json")).unwrap();
        assert!(environment.contains("sha256"), "{environment}");
        let events = fs::read_to_string(place.path("run/events.jsonl")).unwrap();
        assert!(events.contains("pretrained_features") && !events.contains("raw_pixels\",\"split"));
        let finished = events.lines().last().unwrap();
        let finished: Value = serde_json::from_str(finished).unwrap();
        finished["baselines"].clone()
    };
    let old = untrained("before_1_6.pth");
    assert!(old["pretrained_features"]["recall@1"].is_number(), "{old}");
    assert_eq!(old, untrained("since_1_6.pth"));
    assert_eq!(old, untrained("expected.safetensors"));
}

#[test]
fn a_resumed_run_does_without_the_file() {
    let place = Place::new();
    fs::create_dir_all(place.path("given")).unwrap();
    let file = place.path("given/net.pth");
    fs::copy(fixture("since_1_6.pth"), &file).unwrap();
    let output = train(&place, "given/net.pth", &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    fs::remove_file(file).unwrap();
    let output = train(&place, "given/net.pth", &["--resume"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn weights_of_another_network_are_refused_with_every_name() {
    let place = Place::new();
    let other = "model.backbone={architecture=\"resnet\", width=2, layers=[1, 2, 1, 1]}";
    let output = train(&place, &fixture("since_1_6.pth"), &["--set", other]);
    refused(&output, &["layer2.1", "nothing was loaded"]);
    assert!(!place.path("run").exists());
    let wider = "model.backbone={architecture=\"resnet\", width=4, layers=[1, 1, 1, 1]}";
    let output = train(&place, &fixture("since_1_6.pth"), &["--set", wider]);
    refused(&output, &["conv1.weight", "[2, 3, 7, 7]", "[4, 3, 7, 7]"]);
    assert!(!place.path("run").exists());
}

#[test]
fn a_missing_or_unreadable_file_is_named() {
    let place = Place::new();
    refused(&train(&place, "nowhere.pth", &[]), &["nowhere.pth"]);
    place.write("noise.pth", [7; 100]);
    refused(
        &train(&place, "noise.pth", &[]),
        &["noise.pth", ".safetensors"],
    );
    assert!(!place.path("run").exists());
}

#[test]
fn a_recipe_that_wants_weights_says_how_to_give_them() {
    let place = Place::new();
    place.dataset(8, 6);
    let arguments = ["train", "--data", "data", "--run", "run", "--set", NETWORK];
    let output = place.run(&[&arguments[..], &["--set", "model.pretrained=true"]].concat());
    refused(&output, &["--weights", "model.pretrained"]);
    assert!(!place.path("run").exists());
}

#[test]
fn check_says_what_fits_and_what_does_not() {
    let place = Place::new();
    let output = place.run(&["weights", "check", &fixture("before_1_6.pth")]);
    let text = stdout(&output);
    // ResNet50 has more blocks and is wider.
    for words in [
        "PyTorch (before 1.6)",
        "{layer1,layer4}.{1,2}",
        "conv1.weight is [2, 3, 7, 7] instead of [64, 3, 7, 7]",
    ] {
        assert!(text.contains(words), "{text}");
    }
    refused(
        &place.run(&["weights", "check", "nowhere.safetensors"]),
        &["nowhere.safetensors"],
    );
}

#[test]
fn import_names_what_is_missing_and_writes_nothing() {
    let place = Place::new();
    fs::create_dir_all(place.path("package")).unwrap();
    let output = place.run(&["weights", "import", "package", "--out", "made.safetensors"]);
    refused(&output, &["model.json"]);
    assert!(!place.path("made.safetensors").exists());
}
