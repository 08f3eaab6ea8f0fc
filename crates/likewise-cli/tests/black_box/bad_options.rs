//! Options that cannot be meant.

use super::support::{Place, refused};

#[test]
fn an_unknown_command_is_refused() {
    refused(&Place::new().run(&["trian"]), &["trian"]);
}

#[test]
fn an_unknown_option_is_refused() {
    refused(&Place::new().run(&["train", "--epoch", "3"]), &["--epoch"]);
}

#[test]
fn a_number_that_is_none_is_refused() {
    refused(
        &Place::new().run(&["train", "--epochs", "many"]),
        &["many", "--epochs"],
    );
}

#[test]
fn an_unknown_device_is_refused_with_the_known_ones() {
    refused(
        &Place::new().run(&["device", "--device", "tpu"]),
        &["tpu", "auto", "cpu", "gpu", "software"],
    );
}

#[test]
fn a_gpu_that_is_not_there_is_refused_with_a_way_out() {
    refused(
        &Place::new().run(&["device", "--device", "gpu:99"]),
        &["gpu"],
    );
}

#[test]
fn an_assignment_without_value_is_refused() {
    refused(
        &Place::new().run(&["train", "--set", "epochs"]),
        &["epochs", "KEY=VALUE"],
    );
}

#[test]
fn an_unknown_toy_mode_is_refused() {
    refused(
        &Place::new().run(&["toy", "--mode", "diva"]),
        &["diva", "switch"],
    );
}

#[test]
fn a_probability_above_one_is_refused() {
    refused(
        &Place::new().run(&["toy", "--seeds", "1", "--p-switch", "1.5"]),
        &["p_switch", "1.5"],
    );
}

#[test]
fn an_unknown_recipe_is_refused_with_the_way_to_the_list() {
    refused(
        &Place::new().run(&["train", "--config", "cub"]),
        &["cub", "`likewise recipes`"],
    );
}

#[test]
fn evaluate_without_anything_to_evaluate_is_refused() {
    refused(&Place::new().run(&["evaluate"]), &["RUN"]);
}
