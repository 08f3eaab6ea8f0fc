//! `likewise evaluate` on files of other programs.

use std::path::PathBuf;

use super::support::{Place, refused, succeeded};

/// A `.npy` file of format 1.0.
fn npy(place: &Place, name: &str, kind: &str, shape: &str, bytes: Vec<u8>) -> PathBuf {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    place.write(name, file)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn integers(values: &[i64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// Two classes of two points on a line: every nearest neighbour is right.
fn good(place: &Place) {
    npy(
        place,
        "e.npy",
        "<f4",
        "(4, 2)",
        floats(&[0.0, 1.0, 0.1, 1.0, 1.0, 0.0, 1.0, 0.1]),
    );
    npy(place, "l.npy", "<i8", "(4,)", integers(&[7, 7, 900, 900]));
}

fn evaluate(place: &Place, more: &[&str]) -> std::process::Output {
    let mut arguments = vec!["evaluate", "--embeddings", "e.npy", "--labels", "l.npy"];
    arguments.extend_from_slice(more);
    place.run(&arguments)
}

#[test]
fn metrics_of_npy_files_by_name() {
    let place = Place::new();
    good(&place);
    let text = succeeded(&evaluate(&place, &["--json"]));
    let values: serde_json::Value = serde_json::from_str(&text).unwrap();
    for name in ["recall@1", "map_at_r", "r_precision", "nmi", "f1"] {
        assert_eq!(values[name].as_f64(), Some(1.0), "{name} in {text}");
    }
    assert!(values["dists@intra"].as_f64().unwrap() < values["dists@inter"].as_f64().unwrap());
}

#[test]
fn chosen_metrics_in_double_precision_with_labels_as_text() {
    let place = Place::new();
    let bytes: Vec<u8> = [0.0f64, 0.1, 5.0, 5.1]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    npy(&place, "e.npy", "<f8", "(4, 1)", bytes);
    place.write("l.txt", "3\n3\n4\n4\n");
    let text = succeeded(&place.run(&[
        "evaluate",
        "--embeddings",
        "e.npy",
        "--labels",
        "l.txt",
        "--metrics",
        "recall@1,recall@2",
        "--json",
    ]));
    let values: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(values.as_object().unwrap().len(), 2, "{text}");
}

#[test]
fn embeddings_with_nan_name_the_row() {
    let place = Place::new();
    good(&place);
    npy(
        &place,
        "e.npy",
        "<f4",
        "(4, 1)",
        floats(&[0.0, 1.0, f32::NAN, 2.0]),
    );
    refused(&evaluate(&place, &[]), &["2", "NaN"]);
}

#[test]
fn numbers_of_rows_and_labels_that_differ() {
    let place = Place::new();
    good(&place);
    npy(&place, "l.npy", "<i8", "(3,)", integers(&[1, 1, 2]));
    refused(&evaluate(&place, &[]), &["4 rows", "3 labels"]);
}

#[test]
fn labels_that_are_no_integers() {
    let place = Place::new();
    good(&place);
    npy(
        &place,
        "l.npy",
        "<f4",
        "(4,)",
        floats(&[1.0, 1.0, 2.0, 2.0]),
    );
    refused(&evaluate(&place, &[]), &["l.npy", "integers"]);
}

#[test]
fn embeddings_of_one_dimension() {
    let place = Place::new();
    good(&place);
    npy(
        &place,
        "e.npy",
        "<f4",
        "(4,)",
        floats(&[0.0, 1.0, 2.0, 3.0]),
    );
    refused(&evaluate(&place, &[]), &["e.npy", "[N, D]"]);
}

#[test]
fn a_truncated_file() {
    let place = Place::new();
    good(&place);
    npy(&place, "e.npy", "<f4", "(4, 2)", floats(&[0.0, 1.0]));
    refused(&evaluate(&place, &[]), &["e.npy"]);
}

#[test]
fn an_unknown_metric() {
    let place = Place::new();
    good(&place);
    refused(
        &evaluate(&place, &["--metrics", "recal@1"]),
        &["recal@1", "recall@1"],
    );
}

#[test]
fn a_missing_file() {
    let place = Place::new();
    refused(&evaluate(&place, &[]), &["e.npy"]);
}

#[test]
fn a_file_of_unknown_kind() {
    let place = Place::new();
    good(&place);
    place.write("e.csv", "1,2\n");
    refused(
        &place.run(&["evaluate", "--embeddings", "e.csv", "--labels", "l.npy"]),
        &["e.csv", ".npy", ".safetensors"],
    );
}

#[test]
fn a_folder_that_is_no_run() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).unwrap();
    refused(
        &place.run(&["evaluate", "empty"]),
        &["empty", "no run folder"],
    );
}
