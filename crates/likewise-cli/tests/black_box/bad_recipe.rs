//! Recipes that cannot be run. Each is refused before data or device are touched.

use super::support::{Place, refused};

fn refuse_assignment(assignment: &str, words: &[&str]) {
    let place = Place::new();
    refused(
        &place.run(&["train", "--run", "run", "--set", assignment]),
        words,
    );
    assert!(
        !place.path("run").exists(),
        "a run folder was made for {assignment}"
    );
}

fn refuse_file(text: &str, words: &[&str]) {
    let place = Place::new();
    place.write("recipe.toml", text);
    refused(
        &place.run(&["train", "--run", "run", "--config", "recipe.toml"]),
        words,
    );
    assert!(!place.path("run").exists());
}

#[test]
fn broken_toml() {
    refuse_file("[train\nepochs = 3\n", &["recipe.toml:1", "TOML"]);
}

#[test]
fn an_empty_file() {
    refuse_file("", &["model"]);
}

#[test]
fn an_unknown_table() {
    refuse_assignment("trian.epochs=3", &["trian", "did you mean `train`?"]);
}

#[test]
fn an_unknown_key_with_the_nearest_known_one() {
    refuse_assignment(
        "train.epoch=3",
        &["train", "epoch", "did you mean `epochs`?"],
    );
}

#[test]
fn an_unknown_key_of_the_objective() {
    refuse_assignment("objective.margim=0.3", &["objective", "margim"]);
}

#[test]
fn a_value_of_the_wrong_type() {
    refuse_assignment("train.epochs=\"three\"", &["train.epochs", "three"]);
}

#[test]
fn an_unknown_objective_with_the_known_ones() {
    refuse_file(
        "extends = \"emoji\"\n[objective]\nname = \"tripplet\"\n",
        &["objective", "tripplet", "did you mean `triplet`?"],
    );
}

#[test]
fn an_objective_without_its_miner() {
    refuse_file(
        "[model.backbone]\narchitecture = \"conv_net\"\n[objective]\nname = \"triplet\"\n",
        &["objective.name", "triplet", "[miner]", "semihard"],
    );
}

#[test]
fn a_miner_for_an_objective_that_takes_none() {
    refuse_file(
        "[model.backbone]\narchitecture = \"conv_net\"\n[objective]\nname = \"multisimilarity\"\n[miner]\nname = \"random\"\n",
        &["multisimilarity", "[miner]", "random"],
    );
}

#[test]
fn distance_weighting_of_embeddings_that_are_not_normalised() {
    refuse_file(
        "[model]\nnormalize = false\n[model.backbone]\narchitecture = \"conv_net\"\n[objective]\nname = \"margin\"\n[miner]\nname = \"distance\"\n",
        &["distance", "model.normalize"],
    );
}

#[test]
fn samples_per_class_that_do_not_divide_the_batch() {
    refuse_assignment(
        "sampler.samples_per_class=5",
        &["samples_per_class", "5", "112"],
    );
}

#[test]
fn a_batch_of_one_class() {
    refuse_assignment(
        "sampler.samples_per_class=112",
        &["samples_per_class", "negatives"],
    );
}

#[test]
fn a_learning_rate_that_is_no_number() {
    refuse_assignment(
        "optimizer.learning_rate=nan",
        &["optimizer.learning_rate", "NaN"],
    );
}

#[test]
fn a_negative_learning_rate() {
    refuse_assignment(
        "optimizer.learning_rate=-1e-3",
        &["optimizer.learning_rate", "-0.001"],
    );
}

#[test]
fn no_epochs() {
    refuse_assignment("train.epochs=0", &["train.epochs"]);
}

#[test]
fn an_unknown_metric_with_the_nearest_known_one() {
    refuse_assignment(
        "evaluation.metrics=[\"recal@1\"]",
        &["evaluation.metrics", "recal@1", "recall@1"],
    );
}

#[test]
fn an_image_too_small_for_the_network() {
    refuse_assignment("data.image_size=4", &["data.image_size", "4", "8"]);
}

#[test]
fn a_split_without_test_classes() {
    refuse_assignment("data.split.train=1.0", &["data.split", "test split"]);
}

#[test]
fn a_recipe_that_extends_a_missing_file() {
    refuse_file("extends = \"base.toml\"\n", &["recipe.toml", "base.toml"]);
}

#[test]
fn a_recipe_that_extends_itself() {
    refuse_file("extends = \"recipe.toml\"\n", &["circle"]);
}
