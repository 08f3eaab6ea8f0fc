//! `likewise bench train`, and what is said of memory before and after training.

use likewise::objective;
use serde_json::Value;

use super::support::{Place, events, refused, stderr, succeeded};

fn bench(more: &[&str]) -> Value {
    let small = [
        "bench", "train", "--device", "cpu", "--steps", "2", "--json",
    ];
    let output = Place::new().run(&[&small[..], more].concat());
    serde_json::from_str(&succeeded(&output)).unwrap()
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

const NARROW: [&str; 4] = ["--arch", "resnet50", "--set", "model.backbone.width=16"];

#[test]
fn an_architecture_is_measured_by_its_name() {
    let sizes = ["--batch", "8", "--size", "48", "--objective", "margin"];
    let found = bench(&[&NARROW[..2], &sizes].concat());
    assert_eq!(found["architecture"], "resnet");
    assert_eq!(found["objective"], "margin");
    assert_eq!(
        (&found["batch_size"], &found["image_size"]),
        (&8.into(), &48.into())
    );
    let (median, fastest) = (
        number(&found["median_step_ms"]),
        number(&found["fastest_step_ms"]),
    );
    assert!(fastest > 0.0 && fastest <= median);
    let speed = number(&found["images_per_second"]);
    assert!((speed * median / 8000.0 - 1.0).abs() < 1e-6, "{found}");
    for stage in ["upload", "forward", "loss", "backward", "optimizer"] {
        assert!(number(&found["stages_ms"][stage]) > 0.0, "{stage}: {found}");
    }
    // Six operations for each multiply-add of the forward pass.
    let flops = 6.0 * number(&found["multiply_adds_per_image"]) * speed;
    assert!(
        (number(&found["flops_per_second"]) / flops - 1.0).abs() < 1e-6,
        "{found}"
    );
    let ceiling = number(&found["ceiling"]["flops_per_second"]);
    let share = number(&found["share_of_ceiling"]);
    assert!(
        ceiling > 1e8 && (share * ceiling / number(&found["flops_per_second"]) - 1.0).abs() < 1e-6
    );
    // The parameters, of 24 million, and their gradient alone are 190 MB.
    assert!(number(&found["memory"]["process_bytes"]) > 190e6, "{found}");
    assert!(found["memory"]["device_bytes"].is_null());
}

#[test]
fn every_objective_is_measured_by_its_name() {
    for entry in objective::TABLE {
        let options = [
            "--arch",
            "mlp",
            "--batch",
            "8",
            "--size",
            "8",
            "--objective",
            entry.name,
        ];
        let found = bench(&options);
        assert_eq!(found["objective"], entry.name);
        assert!(number(&found["images_per_second"]) > 0.0);
    }
}

#[test]
fn small_networks_and_recipes_of_the_paper_are_measured_too() {
    let conv_net = bench(&["--arch", "conv_net", "--batch", "8", "--size", "16"]);
    assert_eq!(conv_net["architecture"], "conv_net");
    let smaller = ["--batch", "4", "--size", "32"];
    let narrow = &NARROW[2..];
    let config = ["--config", "cub200/r_margin_b06_distance"];
    let paper = bench(&[&config[..], &smaller, narrow].concat());
    assert_eq!(paper["recipe"], "r_margin_b06_distance");
    assert_eq!(paper["objective"], "margin");
}

#[test]
fn names_that_there_are_none_of_are_refused() {
    let run =
        |more: &[&str]| Place::new().run(&[&["bench", "train", "--device", "cpu"], more].concat());
    refused(
        &run(&["--arch", "resnet5"]),
        &["resnet5", "resnet50", "conv_net"],
    );
    refused(
        &run(&["--objective", "triplets"]),
        &["--objective triplets", "triplet"],
    );
    refused(
        &run(&["--precision", "f8"]),
        &["train.precision", "f8", "bf16"],
    );
    refused(&run(&["--batch", "7"]), &["sampler.batch_size", "7"]);
    refused(&run(&["--steps", "0"]), &["--steps 0", "at least 1"]);
}

/// What a further image adds to the measured peak is what was estimated, however activations are
/// kept.
#[test]
fn the_estimate_of_an_image_is_what_it_takes() {
    let fused = &NARROW[..];
    let trained = &[fused, &["--set", "model.frozen_batch_norm=false"]].concat()[..];
    let checkpointed = &[fused, &["--set", "train.gradient_checkpointing=true"]].concat()[..];
    let small = &["--arch", "conv_net"][..];
    for (setting, size) in [
        (fused, "96"),
        (trained, "96"),
        (checkpointed, "96"),
        (small, "32"),
    ] {
        let measure = |batch: &str| bench(&[setting, &["--batch", batch, "--size", size]].concat());
        let (few, many) = (measure("16"), measure("48"));
        let difference = number(&many["peak_megabytes"]) - number(&few["peak_megabytes"]);
        let measured = 1e6 * difference / 32.0;
        let estimated = number(&few["estimate"]["per_image"]);
        let ratio = measured / estimated;
        assert!(
            (0.9..1.1).contains(&ratio),
            "{setting:?}: {measured:.0} of {estimated:.0} bytes"
        );
        // Beside it, parameters and what an optimizer keeps; the best parameters come with time.
        let all = number(&many["peak_megabytes"]) / number(&many["estimated_megabytes"]);
        assert!((0.6..1.1).contains(&all), "{many}");
    }
}

#[test]
fn a_batch_that_cannot_fit_is_refused_before_anything_is_written() {
    let place = Place::new();
    let giant = [
        "--set",
        "data.image_size=1024",
        "--set",
        "model.backbone.channels=[8192]",
    ];
    let output = place.run(&[&["train", "--device", "cpu", "--run", "run"], &giant[..]].concat());
    refused(
        &output,
        &[
            "not enough memory",
            "112 images",
            "train.gradient_checkpointing=true",
        ],
    );
    assert!(!place.path("run").exists());
}

#[test]
fn a_run_says_what_memory_it_will_take_and_took() {
    let place = Place::new();
    place.dataset(10, 4);
    let output = place.train(&["--json"]);
    let result: Value = serde_json::from_str(&succeeded(&output)).unwrap();
    let said = stderr(&output);
    assert!(said.contains("memory  about"), "{said}");
    let memory = &result["memory"];
    assert!(number(&memory["estimated_bytes"]) > 0.0);
    assert!(number(&memory["process_bytes"]) > 1e6);
    let recorded = events(&place.path("run"));
    let recorded = recorded
        .iter()
        .find(|event| event["event"] == "memory")
        .unwrap();
    assert_eq!(recorded["process_bytes"], memory["process_bytes"]);
}
