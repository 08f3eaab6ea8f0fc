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
    let names: Vec<&String> = values.as_object().unwrap().keys().collect();
    assert_eq!(names, ["details", "recall@1", "recall@2"], "{text}");
    assert_eq!(values["recall@1"].as_f64(), Some(1.0));
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

/// Queries 7, 7, 900, 901 and a gallery of 7, 900, 5; the second query finds the wrong one first.
fn in_shop(place: &Place) {
    npy(
        place,
        "e.npy",
        "<f4",
        "(4, 1)",
        floats(&[0.0, 9.0, 10.0, 20.0]),
    );
    npy(place, "l.npy", "<i8", "(4,)", integers(&[7, 7, 900, 901]));
    npy(place, "g.npy", "<f4", "(3, 1)", floats(&[0.0, 10.0, 30.0]));
    npy(place, "gl.npy", "<i8", "(3,)", integers(&[7, 900, 5]));
}

const GALLERY: [&str; 4] = [
    "--gallery-embeddings",
    "g.npy",
    "--gallery-labels",
    "gl.npy",
];

#[test]
fn queries_against_a_gallery() {
    let place = Place::new();
    in_shop(&place);
    let text = succeeded(&evaluate(&place, &[&GALLERY[..], &["--json"]].concat()));
    let values: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(values["recall@1"].as_f64(), Some(0.5));
    assert_eq!(values["recall@2"].as_f64(), Some(0.75));
    assert_eq!(
        values["precision@1"].as_f64(),
        Some(2.0 / 3.0),
        "901 does not count"
    );
    assert!(values.get("nmi").is_none(), "clusters of one set only");
    let details = &values["details"];
    assert_eq!(details["queries"], 4);
    assert_eq!(details["gallery"], 3);
    assert_eq!(details["unmatched_queries"], 1);
    let worst = &details["worst_classes"]["worst_class_recall@1"];
    assert_eq!((&worst["class"], &worst["count"]), (&"7".into(), &2.into()));
    let text = succeeded(&evaluate(&place, &GALLERY));
    assert!(
        text.contains("4 queries of 3 classes, 3 gallery images"),
        "{text}"
    );
    assert!(
        text.contains("queries whose class is not in the gallery: 1"),
        "{text}"
    );
}

#[test]
fn a_gallery_that_cannot_be_searched() {
    let place = Place::new();
    in_shop(&place);
    refused(
        &evaluate(
            &place,
            &[&GALLERY[..], &["--metrics", "recall@1,nmi"]].concat(),
        ),
        &["`nmi`", "gallery"],
    );
    npy(
        &place,
        "g.npy",
        "<f4",
        "(3, 1)",
        floats(&[0.0, 10.0, f32::NAN]),
    );
    refused(&evaluate(&place, &GALLERY), &["gallery embedding 2", "NaN"]);
    npy(&place, "g.npy", "<f4", "(3, 2)", floats(&[0.0; 6]));
    refused(&evaluate(&place, &GALLERY), &["1 dimensions", "gallery 2"]);
    let output = evaluate(&place, &GALLERY[..2]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn values_by_class_as_csv() {
    let place = Place::new();
    good(&place);
    let more = [
        "--metrics",
        "recall@1,c_precision@3",
        "--per-class",
        "out/classes.csv",
    ];
    succeeded(&evaluate(&place, &more));
    let text = std::fs::read_to_string(place.path("out/classes.csv")).unwrap();
    let third = 1.0 / 3.0;
    let expected = format!("class,count,recall@1,c_precision@3\n7,2,1,{third}\n900,2,1,{third}\n");
    assert_eq!(text, expected);
    let left: Vec<_> = std::fs::read_dir(place.path("out")).unwrap().collect();
    assert_eq!(left.len(), 1, "no temporary file is left");
}

#[test]
fn intervals_and_averages_over_classes() {
    let place = Place::new();
    npy(
        &place,
        "e.npy",
        "<f4",
        "(5, 1)",
        floats(&[0.0, 0.1, 0.2, 5.0, 0.05]),
    );
    npy(&place, "l.npy", "<i8", "(5,)", integers(&[1, 1, 1, 2, 2]));
    let metrics = ["--metrics", "recall@1"];
    let json = |more: &[&str]| -> serde_json::Value {
        let text = succeeded(&evaluate(
            &place,
            &[&metrics[..], &["--json"], more].concat(),
        ));
        serde_json::from_str(&text).unwrap()
    };
    let values = json(&[]);
    assert_eq!(values["recall@1"].as_f64(), Some(0.2));
    let mean = values["details"]["class_means"]["recall@1"]["value"].as_f64();
    assert!((mean.unwrap() - 1.0 / 6.0).abs() < 1e-12);
    let ends = &values["details"]["intervals"]["recall@1"];
    assert_eq!(
        (ends[0].as_f64(), ends[1].as_f64()),
        (Some(0.0), Some(1.0 / 3.0))
    );
    assert_eq!(values, json(&[]), "the same numbers every time");
    let none = json(&["--resamples", "0"]);
    assert_eq!(none["details"]["intervals"], serde_json::json!({}));
    let text = succeeded(&evaluate(&place, &[&metrics[..], &["--macro"]].concat()));
    assert!(
        text.contains("class mean") && text.contains("0.0% to 33.3%"),
        "{text}"
    );
    refused(
        &evaluate(&place, &["--confidence", "95"]),
        &["between 0 and 1", "95"],
    );
}

#[test]
fn what_other_programs_say() {
    let place = Place::new();
    good(&place);
    let text = succeeded(&evaluate(&place, &["--conformance"]));
    for part in [
        "Roth et al. 2020",
        "pytorch-metric-learning",
        "open-metric-learning",
        "perfect is 0.500",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
    let text = succeeded(&evaluate(&place, &["--conformance", "--json"]));
    let values: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = values["conformance"].as_array().unwrap();
    let row = rows.iter().find(|row| row["metric"] == "mAP_c").unwrap();
    assert_eq!(
        (row["value"].as_f64(), row["likewise"].as_f64()),
        (Some(0.5), Some(1.0))
    );
}

#[test]
fn splits_with_little_in_them() {
    let place = Place::new();
    npy(&place, "e.npy", "<f4", "(1, 2)", floats(&[0.0, 1.0]));
    npy(&place, "l.npy", "<i8", "(1,)", integers(&[3]));
    refused(&evaluate(&place, &[]), &["one embedding only"]);
    refused(
        &evaluate(&place, &["--conformance"]),
        &["one embedding only"],
    );
    for (labels, values) in [
        ([4, 4, 4], [0.0, 1.0, 2.0]),
        ([1, 5, 9], [0.0, 1.0, 2.0]),
        ([4, 4, 5], [1.0; 3]),
    ] {
        npy(&place, "e.npy", "<f4", "(3, 1)", floats(&values));
        npy(&place, "l.npy", "<i8", "(3,)", integers(&labels));
        let text = succeeded(&evaluate(&place, &["--macro"]));
        assert!(!text.contains("NaN") && !text.contains("n/a"), "{text}");
        let alone = labels
            .iter()
            .filter(|l| labels.iter().filter(|o| o == l).count() == 1)
            .count();
        assert_eq!(
            text.contains("the only one of their class"),
            alone > 0,
            "{text}"
        );
        succeeded(&evaluate(&place, &["--conformance"]));
    }
}

#[test]
fn classes_of_a_run_have_their_names() {
    let place = Place::new();
    place.dataset(8, 4);
    succeeded(&place.train(&["--json"]));
    let csv = place.path("classes.csv");
    let arguments = ["evaluate", "run", "--per-class", csv.to_str().unwrap()];
    succeeded(&place.run(&arguments));
    let text = std::fs::read_to_string(csv).unwrap();
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert!(!lines.is_empty());
    for line in lines {
        assert!(line.starts_with("class0") && line.contains(",4,"), "{text}");
    }
}
