//! Runs with each of the published architectures, shrunk.

use std::fs;

use crate::support::{Place, refused, succeeded};

fn arguments<'a>(run: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![
        "train",
        "--smoke",
        "--device",
        "cpu",
        "--data",
        "data",
        "--run",
        run,
        "--set",
        "sampler.batch_size=8",
        "--set",
        "sampler.samples_per_class=2",
        "--set",
        "data.split.train=0.5",
        "--set",
        "data.split.validation=0.2",
    ];
    arguments.extend_from_slice(more);
    arguments
}

/// Each trains, and its recipe says how images are prepared for the weights of its architecture.
#[test]
fn every_published_architecture_trains_on_images_prepared_for_it() {
    let place = Place::new();
    place.dataset(8, 6);
    for (architecture, mean) in [
        ("resnet", "0.485"),
        ("bn_inception", "0.502"),
        ("googlenet", "0.5"),
        ("vit", "0.485"),
    ] {
        let setting = format!("model.backbone.architecture={architecture}");
        let run = format!("run-{architecture}");
        succeeded(&place.run(&arguments(&run, &["--set", &setting])));
        let recipe = fs::read_to_string(place.path(&run).join("recipe.toml")).unwrap();
        let recipe: toml::Table = recipe.parse().unwrap();
        let stored = recipe["data"]["mean"].as_array().unwrap()[0].as_float();
        let stored = stored.unwrap() as f32;
        assert_eq!(stored.to_string(), mean, "{architecture}");
    }
}

#[test]
fn sizes_that_an_architecture_cannot_take_are_refused_with_those_it_can() {
    let place = Place::new();
    place.dataset(8, 6);
    for (architecture, size, words) in [
        ("bn_inception", "112", ["112×112", "multiples of 32"]),
        ("vit", "40", ["40×40", "multiple of 16"]),
    ] {
        let architecture = format!("model.backbone.architecture={architecture}");
        let size = format!("data.image_size={size}");
        let more = ["--set", &architecture, "--set", &size];
        refused(&place.run(&arguments("run", &more)), &words);
        assert!(!place.path("run").exists());
    }
}
