//! Data that cannot be trained on.

use std::fs;

use super::support::{Place, refused, stderr, succeeded};

#[test]
fn a_path_that_does_not_exist() {
    refused(&Place::new().train(&[]), &["data"]);
}

#[test]
fn an_empty_folder() {
    let place = Place::new();
    fs::create_dir(place.path("data")).unwrap();
    refused(&place.train(&[]), &["data"]);
}

#[test]
fn a_file_that_is_no_dataset() {
    let place = Place::new();
    place.write("data.bin", b"nothing");
    refused(&place.train(&["--data", "data.bin"]), &["data.bin"]);
}

#[test]
fn a_class_with_one_image() {
    let place = Place::new();
    place.dataset(12, 4);
    place.picture("data/lonely/0.png", 50, 0);
    refused(&place.train(&[]), &["lonely"]);
}

#[test]
fn fewer_classes_than_a_batch_needs() {
    let place = Place::new();
    place.dataset(12, 4);
    refused(
        &place.train(&["--set", "sampler.batch_size=40"]),
        &["classes", "sampler.batch_size"],
    );
}

#[test]
fn a_truncated_image() {
    let place = Place::new();
    place.dataset(12, 4);
    for class in 0..12 {
        let path = place.path(&format!("data/class{class:02}/1.png"));
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    refused(&place.train(&[]), &["1.png", "--on-bad-image skip"]);
}

#[test]
fn bad_images_are_left_out_and_counted_when_asked() {
    let place = Place::new();
    place.dataset(12, 5);
    for class in 0..12 {
        fs::write(
            place.path(&format!("data/class{class:02}/1.png")),
            b"no image",
        )
        .unwrap();
    }
    let output = place.train(&["--on-bad-image", "skip", "--json"]);
    let result: serde_json::Value = serde_json::from_str(&succeeded(&output)).unwrap();
    assert!(
        result["skipped_images"].as_u64().unwrap() > 0,
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_csv_file_with_a_missing_column() {
    let place = Place::new();
    place.write("data.csv", "path\na.png\n");
    refused(&place.train(&["--data", "data.csv"]), &["data.csv"]);
}

#[test]
fn a_csv_file_that_names_a_missing_image() {
    let place = Place::new();
    place.dataset(12, 4);
    let mut lines = String::from("path,label\n");
    for class in 0..12 {
        for image in 0..4 {
            lines.push_str(&format!("data/class{class:02}/{image}.png,class{class}\n"));
        }
    }
    lines.push_str("data/class00/77.png,class0\n");
    place.write("data.csv", lines);
    refused(&place.train(&["--data", "data.csv"]), &["77.png"]);
}

#[test]
fn a_truncated_tar_shard() {
    let place = Place::new();
    place.write("data.tar", vec![7u8; 700]);
    refused(&place.train(&["--data", "data.tar"]), &["data.tar"]);
}

#[test]
fn decoded_images_are_kept_in_a_folder() {
    let place = Place::new();
    place.dataset(12, 4);
    let plain = succeeded(&place.train(&["--json"]));
    let cached = ["--json", "--set", "data.cache=kept", "--run", "cached"];
    let output = place.train(&cached);
    let said = stderr(&output);
    assert!(said.contains("kept in kept: about 0.0 GB"), "{said}");
    let metrics = |text: &str| -> serde_json::Value {
        let result: serde_json::Value = serde_json::from_str(text).unwrap();
        result["metrics"].clone()
    };
    assert_eq!(metrics(&succeeded(&output)), metrics(&plain));
    assert!(fs::read_dir(place.path("kept")).unwrap().count() > 0);
}

#[test]
fn a_folder_of_decoded_images_that_cannot_be() {
    let place = Place::new();
    place.dataset(12, 4);
    place.write("taken", b"a file");
    refused(&place.train(&["--set", "data.cache=taken"]), &["taken"]);
    refused(
        &place.train(&["--set", "data.cache_side=64"]),
        &["data.cache_side = 64", "data.cache"],
    );
    let side = ["--set", "data.cache=kept", "--set", "data.cache_side=64"];
    refused(&place.train(&side), &["data.exact = false"]);
    let inexact = [&side[..], &["--set", "data.exact=false"]].concat();
    succeeded(&place.train(&inexact));
    let small = ["--set", "data.cache_side=8", "--run", "other"];
    refused(
        &place.train(&[&inexact[..], &small].concat()),
        &["data.cache_side = 8"],
    );
}
