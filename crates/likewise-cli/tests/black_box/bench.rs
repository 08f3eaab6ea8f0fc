//! `likewise bench`.

use likewise::miner::{self, TupleKind};
use likewise::objective;

use super::support::{Place, stdout, succeeded};

/// A measurement of seconds.
fn bench(batch: &str, more: &[&str]) -> std::process::Output {
    let small = [
        "--dim",
        "8",
        "--repeats",
        "1",
        "--device",
        "cpu",
        "--batch",
        batch,
    ];
    Place::new().run(&[&["bench", "objectives"], &small[..], more].concat())
}

/// Every objective with every miner that makes what it takes.
fn pairs() -> Vec<(String, Option<String>)> {
    let mut pairs = Vec::new();
    for objective in objective::TABLE {
        if objective.tuples.contains(&TupleKind::None) {
            pairs.push((objective.name.to_string(), None));
        }
        for miner in miner::TABLE {
            if objective.takes(miner.tuples) {
                pairs.push((objective.name.to_string(), Some(miner.name.to_string())));
            }
        }
    }
    pairs
}

fn name(value: &serde_json::Value) -> Option<String> {
    value.as_str().map(str::to_string)
}

#[test]
fn every_pair_of_objective_and_miner_is_measured() {
    let text = succeeded(&bench("16", &["--json"]));
    let result: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(result["dimension"], 8);
    let rows = result["measurements"].as_array().unwrap();
    let measured: Vec<_> = rows
        .iter()
        .map(|row| (name(&row["objective"]).unwrap(), name(&row["miner"])))
        .collect();
    assert_eq!(measured, pairs());
    for row in rows {
        assert_eq!(row["batch"], 16);
        let number = |key: &str| {
            row[key]
                .as_f64()
                .unwrap_or_else(|| panic!("{key} in {row}"))
        };
        let (median, fastest) = (number("milliseconds"), number("fastest_milliseconds"));
        assert!(fastest > 0.0 && fastest <= median && median < 1e4, "{row}");
        let peak = number("peak_megabytes");
        assert!(peak > 0.0 && peak < 100.0, "{row}");
    }
}

#[test]
fn the_table_has_a_row_for_each_pair_and_columns_for_each_batch_size() {
    let names = [
        "--objective",
        "margin,softmax",
        "--miner",
        "distance,semihard",
    ];
    let output = bench("8,1024", &names);
    let text = succeeded(&output);
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let head = "objective miner B = 8, ms peak, MB B = 1024, ms peak, MB";
    assert_eq!(lines[0].join(" "), head, "{text}");
    let names: Vec<&[&str]> = lines[1..].iter().map(|line| &line[..2]).collect();
    assert_eq!(names, [["margin", "semihard"], ["margin", "distance"]]);
    for line in &lines[1..] {
        let numbers = line[2..].iter().map(|cell| cell.parse::<f64>().unwrap());
        assert_eq!(numbers.filter(|number| *number >= 0.0).count(), 4);
    }
}

#[test]
fn an_objective_can_be_measured_without_the_miners_it_takes() {
    let output = bench("16", &["--objective", "circle,margin", "--miner", "none"]);
    let text = succeeded(&output);
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(rows.len(), 1, "{text}");
    assert!(rows[0].starts_with("circle ") && rows[0].contains('–'));
}

#[test]
fn an_objective_without_miner_has_one_row() {
    let output = bench("16", &["--objective", "softmax"]);
    succeeded(&output);
    assert_eq!(stdout(&output).lines().count(), 2);
}

#[test]
fn each_family_of_metrics_is_measured_for_each_number_of_rows() {
    let options = ["--rows", "120,240", "--dim", "16", "--clustering", "--json"];
    let output = Place::new().run(&[&["bench", "evaluate"], &options[..]].concat());
    let result: serde_json::Value = serde_json::from_str(&succeeded(&output)).unwrap();
    let rows = result["measurements"].as_array().unwrap();
    let measured: Vec<(u64, String)> = rows
        .iter()
        .map(|row| (row["rows"].as_u64().unwrap(), name(&row["family"]).unwrap()))
        .collect();
    let families = ["retrieval", "density", "spectrum", "clustering"];
    let expected: Vec<(u64, String)> = [120, 240]
        .into_iter()
        .flat_map(|rows| families.map(|family| (rows, family.to_string())))
        .collect();
    assert_eq!(measured, expected);
    for row in rows {
        assert!(row["seconds"].as_f64().unwrap() > 0.0);
        assert!(row["peak_megabytes"].as_f64().unwrap() > 0.0);
    }
    let recall = rows[0]["values"]["recall@1"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&recall));
}

#[test]
fn a_split_of_one_row_is_refused() {
    let output = Place::new().run(&["bench", "evaluate", "--rows", "100,1"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("--rows at least 2"), "{text}");
}

#[test]
fn every_kernel_and_its_twin_are_measured() {
    let small = ["--dim", "8", "--repeats", "1", "--device", "cpu"];
    let more = ["--batch", "8,16", "--json"];
    let output = Place::new().run(&[&["bench", "kernels"], &small[..], &more].concat());
    let result: serde_json::Value = serde_json::from_str(&succeeded(&output)).unwrap();
    let rows = result["measurements"].as_array().unwrap();
    for kernel in [
        "squared_euclidean",
        "cosine+backward",
        "choose_on_sphere",
        "rank_count",
        "singular_values",
    ] {
        let batches = rows.iter().filter(|row| row["kernel"] == kernel);
        let batches: Vec<u64> = batches.filter_map(|row| row["batch"].as_u64()).collect();
        assert_eq!(batches, [8, 16], "{kernel}");
    }
    for row in rows {
        let time = |key: &str| {
            row[key]
                .as_f64()
                .unwrap_or_else(|| panic!("{key} in {row}"))
        };
        let (kernel, twin) = (time("kernel_milliseconds"), time("twin_milliseconds"));
        assert!(kernel > 0.0 && twin > 0.0, "{row}");
        assert!((time("ratio") - twin / kernel).abs() < 1e-6, "{row}");
    }
}

#[test]
fn loading_is_measured_stage_by_stage() {
    let place = Place::new();
    let small = [
        "bench",
        "load",
        "--images",
        "8",
        "--repeats",
        "1",
        "--photo-width",
        "200",
    ];
    let more = [
        "--image-size",
        "32",
        "--workers",
        "2",
        "--inexact",
        "--json",
    ];
    let text = succeeded(&place.run(&[&small[..], &more].concat()));
    let result: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(result["exact"], false);
    let measurements = result["measurements"].as_array().unwrap();
    let names: Vec<_> = measurements
        .iter()
        .map(|row| name(&row["transform"]))
        .collect();
    assert_eq!(
        names,
        ["train", "evaluate"].map(|name| Some(name.to_owned()))
    );
    for row in measurements {
        let number = |value: &serde_json::Value| value.as_f64().unwrap();
        let stages = row["milliseconds"].as_array().unwrap();
        assert_eq!(stages.len(), result["stages"].as_array().unwrap().len());
        let sum: f64 = stages.iter().map(number).sum();
        let rate = number(&row["images_per_cpu_second"]);
        assert!((sum * rate / 1e3 - 1.0).abs() < 1e-6, "{row}");
        assert!(number(&row["difference"]["reduced"]) > 0.5, "{row}");
        let mean = number(&row["difference"]["mean"]);
        assert!(mean > 0.0 && mean < 5.0, "{row}");
    }
    // What is written is a dataset that others can load.
    let write = [&small[..], &["--write", "photos"]].concat();
    succeeded(&place.run(&write));
    let data = [
        "bench",
        "load",
        "--data",
        "photos",
        "--images",
        "8",
        "--repeats",
        "1",
    ];
    let text = stdout(&place.run(&data));
    assert!(
        text.contains("train") && text.contains("decode, ms"),
        "{text}"
    );
}
