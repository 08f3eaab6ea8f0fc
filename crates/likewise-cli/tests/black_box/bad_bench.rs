//! Measurements that cannot be meant.

use super::support::{Place, refused, stdout};

fn refuse(arguments: &[&str], words: &[&str]) {
    let mut all = vec!["bench", "objectives", "--device", "cpu"];
    all.extend(arguments);
    let output = Place::new().run(&all);
    refused(&output, words);
    assert_eq!(stdout(&output), "", "something was measured all the same");
}

#[test]
fn an_unknown_objective_is_refused_with_the_known_ones() {
    refuse(
        &["--objective", "margin,tripplet"],
        &["--objective", "tripplet", "triplet", "softtriplet"],
    );
}

#[test]
fn an_unknown_miner_is_refused_with_the_known_ones() {
    refuse(
        &["--miner", "semi_hard"],
        &["--miner", "semi_hard", "semihard", "distance"],
    );
}

#[test]
fn an_objective_and_a_miner_that_do_not_fit() {
    refuse(
        &["--objective", "softmax", "--miner", "distance"],
        &["objective", "miner"],
    );
}

#[test]
fn batches_without_two_of_each_class() {
    for batch in ["15", "0", "2", "16,7"] {
        refuse(&["--batch", batch], &["--batch", "even", "4"]);
    }
}

#[test]
fn numbers_that_are_zero_or_none() {
    refuse(&["--repeats", "0"], &["--repeats", "at least 1"]);
    refuse(&["--dim", "0"], &["--dim", "at least 1"]);
    refuse(&["--threads", "0"], &["--threads", "at least 1"]);
    refuse(&["--batch", "many"], &["--batch", "many"]);
    refuse(&["--batch", "-4"], &["-4"]);
}

#[test]
fn loading_with_impossible_options() {
    for (options, words) in [
        (&["--workers", "0"][..], &["--workers 0"][..]),
        (&["--images", "0"], &["--images 0"]),
        (&["--photo-width", "9"], &["--photo-width 9", "16"]),
        (
            &["--augmentation", "flip"],
            &["--augmentation flip", "base, adv, big, red, none"],
        ),
        (&["--image-size", "0"], &["image size", "0"]),
        (&["--data", "nowhere"], &["nowhere"]),
    ] {
        let few = ["bench", "load", "--images", "8", "--photo-width", "64"];
        let options = match options[0] {
            "--data" => [&few[..4], options].concat(),
            _ => [&few[..], options].concat(),
        };
        refused(&Place::new().run(&options), words);
    }
}
