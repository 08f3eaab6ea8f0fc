//! Every recipe of the paper, run from the program alone on tiny fakes of its dataset in the layout
//! the dataset is published in.

use std::fs;

use super::support::{Place, refused, stderr, succeeded};

/// Classes of each half, and images of a class.
const TRAIN: u32 = 8;
const TEST: u32 = 6;
const IMAGES: u32 = 4;

/// `CUB_200_2011/images/NNN.Name/*.jpg` with the archive's list of images.
fn cub200(place: &Place) {
    let numbers = (1..=TRAIN).chain(101..=100 + TEST);
    let mut list = String::new();
    for (class, number) in (0..).zip(numbers) {
        for image in 0..IMAGES {
            let path = format!("{number:03}.Bird/Bird_{image:04}_{number}.jpg");
            place.picture(&format!("set/CUB_200_2011/images/{path}"), class, image);
            list += &format!("{} {path}\n", list.lines().count() + 1);
        }
    }
    place.write("set/CUB_200_2011/images.txt", list);
}

/// `images/<model>/*.jpg`; the first half of the models trains.
fn cars196(place: &Place) {
    for class in 0..TRAIN + TEST {
        for image in 0..IMAGES {
            let path = format!("set/images/Model {class:03} Coupe 2012/{image:05}.jpg");
            place.picture(&path, class, image);
        }
    }
}

/// `Ebay_train.txt`, `Ebay_test.txt` and `<kind>_final/*.JPG`.
fn online_products(place: &Place) {
    let mut number = 0;
    for (list, classes) in [("train", 0..TRAIN), ("test", TRAIN..TRAIN + TEST)] {
        let mut text = "image_id class_id super_class_id path\n".to_string();
        for class in classes {
            for image in 0..IMAGES {
                number += 1;
                let path = format!("chair_final/{}_{image}.JPG", 100_000 + class);
                place.picture(&format!("set/{path}"), class, image);
                text += &format!("{number} {} 1 {path}\n", class + 1);
            }
        }
        place.write(&format!("set/Ebay_{list}.txt"), text);
    }
}

fn recipes(group: &str) -> Vec<serde_json::Value> {
    let text = succeeded(&Place::new().run(&["recipes", "--json"]));
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let all = all["recipes"].as_array().unwrap().clone();
    all.into_iter()
        .filter(|recipe| recipe["group"] == group)
        .collect()
}

fn arguments<'a>(recipe: &'a str, run: &'a str) -> Vec<&'a str> {
    vec![
        "train",
        "--smoke",
        "--device",
        "cpu",
        "--config",
        recipe,
        "--data",
        "set",
        "--set",
        "data.allow_custom=true",
        "--run",
        run,
        "--json",
    ]
}

/// Runs all recipes of a dataset.
fn run_all(group: &str, count: usize, fake: fn(&Place)) {
    let place = Place::new();
    fake(&place);
    let recipes = recipes(group);
    assert_eq!(recipes.len(), count);
    for recipe in recipes {
        let name = recipe["name"].as_str().unwrap();
        let run = name.split_once('/').unwrap().1;
        let output = place.run(&arguments(name, run));
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(result["recipe"], run);
        assert_eq!(result["protocol"], "paper");
        let resolved = fs::read_to_string(place.path(run).join("recipe.toml")).unwrap();
        let resolved: toml::Table = resolved.parse().unwrap();
        let metrics = resolved["evaluation"]["metrics"].as_array().unwrap();
        for metric in metrics.iter().filter_map(toml::Value::as_str) {
            // The spectrum is a list of values, in a table of its own.
            if metric != "rho_spectrum@0" {
                let value = &result["metrics"][metric];
                assert!(value.is_number(), "{name}: {metric} = {value}");
            }
        }
        let objective = succeeded(&place.run(&["recipes", name, "--resolved"]));
        let objective: toml::Table = objective.parse().unwrap();
        assert_eq!(objective["objective"], resolved["objective"], "{name}");
        assert_eq!(objective.get("miner"), resolved.get("miner"), "{name}");
        let mut losses = super::support::events(&place.path(run));
        losses.retain(|event| event["event"] == "step");
        assert!(!losses.is_empty(), "{name}");
        for step in losses {
            assert!(step["loss"].is_number(), "{name}: {step}");
        }
    }
}

#[test]
fn every_recipe_of_cub200() {
    run_all("cub200", 23, cub200);
}

#[test]
fn every_recipe_of_cars196() {
    run_all("cars196", 23, cars196);
}

#[test]
fn every_recipe_of_online_products() {
    run_all("online_products", 21, online_products);
}

#[test]
fn without_a_weight_file_the_recipe_says_what_it_needs() {
    let place = Place::new();
    cub200(&place);
    let words = ["--weights FILE", "resnet50-19c8e357.pth"];
    let mut full = arguments("cub200/npair", "run");
    full.retain(|word| *word != "--smoke");
    refused(&place.run(&full), &words);
    assert!(!place.path("run").exists());
}

#[test]
fn a_recipe_of_ones_own_extends_one_of_the_paper() {
    let place = Place::new();
    cub200(&place);
    let text = "extends = \"cub200/r_triplet_distance\"\nname = \"mine\"\n[miner]\nrho = { p_switch = 0.1 }\n";
    place.write("mine.toml", text);
    // What lies where the program's own bases would be is not mistaken for them.
    place.write("base/cub200.toml", "broken = [");
    succeeded(&place.run(&arguments("mine.toml", "run")));
    let resolved = fs::read_to_string(place.path("run/recipe.toml")).unwrap();
    assert!(resolved.contains("p_switch = 0.1"), "{resolved}");
    assert!(resolved.contains("with_replacement = true"), "{resolved}");
}

#[test]
fn an_unknown_recipe_is_refused_with_the_nearest() {
    let output = Place::new().run(&["train", "--config", "cub200/margin_b1_distance"]);
    refused(
        &output,
        &["cub200/margin_b1_distance", "did you mean cub200/margin_b"],
    );
}

#[test]
fn the_list_names_every_recipe_in_its_group() {
    let text = succeeded(&Place::new().run(&["recipes"]));
    let line = text
        .lines()
        .find(|line| line.contains("cars196/r_snr_distance"));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    assert!(
        line.contains("Recall@1 80.38 ± 0.34 %") && line.contains("R-SNR (D)"),
        "{line}"
    );
    assert_eq!(
        text.lines()
            .filter(|line| line.contains("Recall@1"))
            .count(),
        68
    );
    assert!(!text.contains("base/"), "{text}");
}
