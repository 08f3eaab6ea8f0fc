//! Recomputed metrics of other programs, against what the programs themselves returned
//! (`benches/compare_metrics.py --write`).

use std::path::PathBuf;

use likewise::metric::{Comparison, Program, conformance};
use safetensors::SafeTensors;
use serde_json::Value;

/// Their distances, and some of their results, are in single precision.
const SINGLE: f64 = 2e-6;

struct Set {
    name: String,
    embeddings: Vec<f32>,
    dim: usize,
    labels: Vec<u32>,
    values: Value,
}

fn sets() -> Vec<Set> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/conformance");
    let manifest = std::fs::read(folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let sets = manifest["sets"].as_array().unwrap();
    assert!(sets.len() >= 5);
    let read = |entry: &Value| {
        let bytes = std::fs::read(folder.join(entry["file"].as_str().unwrap())).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let (embeddings, labels) = (
            tensors.tensor("embeddings").unwrap(),
            tensors.tensor("labels").unwrap(),
        );
        let (floats, _) = embeddings.data().as_chunks::<4>();
        let (integers, _) = labels.data().as_chunks::<8>();
        Set {
            name: entry["name"].as_str().unwrap().into(),
            dim: embeddings.shape()[1],
            embeddings: floats.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            labels: integers
                .iter()
                .map(|&b| i64::from_le_bytes(b) as u32)
                .collect(),
            values: entry["values"].clone(),
        }
    };
    sets.iter().map(read).collect()
}

fn compare(set: &Set) -> Vec<Comparison> {
    conformance(&set.embeddings, set.dim, &set.labels, 0).unwrap()
}

#[test]
fn golden_values_of_the_programs_themselves() {
    let mut wrong = Vec::new();
    for set in sets() {
        for row in compare(&set) {
            // torch.topk returns equal distances in an order of its own.
            if set.name.contains("repeated") && row.program == Program::OpenMetricLearning {
                continue;
            }
            let theirs = &set.values[row.program.title()][row.metric];
            assert!(theirs.is_f64() || theirs.is_null());
            let equal = match (row.value, theirs.as_f64()) {
                (Some(ours), Some(theirs)) => {
                    (ours - theirs).abs() <= SINGLE * (1.0 + theirs.abs())
                }
                (ours, theirs) => ours == theirs,
            };
            if !equal {
                wrong.push(format!(
                    "{}: {}: {}: {:?} is {theirs}",
                    set.name,
                    row.program.title(),
                    row.metric,
                    row.value
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn row<'a>(rows: &'a [Comparison], metric: &str) -> &'a Comparison {
    rows.iter().find(|row| row.metric == metric).unwrap()
}

#[test]
fn each_difference_has_its_reason() {
    let sets = sets();
    let reason = |set: usize, metric: &str| {
        let rows = compare(&sets[set]);
        row(&rows, metric).reason.clone().unwrap_or_default()
    };
    let (distinct, repeated, alone, small) = (0, 1, 2, 3);
    assert_eq!(reason(distinct, "e_recall@1"), "");
    assert_eq!(reason(distinct, "precision_at_1"), "");
    assert_eq!(reason(distinct, "dists@intra"), "");
    assert!(reason(distinct, "mAP_c").contains("perfect is 0.9"));
    assert!(reason(repeated, "e_recall@1").contains("queries are a repeated row"));
    assert!(reason(repeated, "cmc@1").contains("40 repeated rows"));
    assert!(reason(alone, "dists@intra").contains("2 classes of one"));
    assert!(reason(alone, "precision@10").contains("2 classes of one"));
    assert!(reason(small, "mAP_1000").contains("label of the last row"));
}

#[test]
fn missing_neighbours_carry_the_last_label() {
    // Nearest first: row 0 finds 1 and 2; the fourth neighbour is missing and counts as class 1.
    let rows = conformance(&[0.0, 1.0, 3.0], 1, &[0, 0, 1], 0).unwrap();
    assert_eq!(row(&rows, "e_recall@1").value, Some(2.0 / 3.0));
    assert_eq!(row(&rows, "e_recall@4").value, Some(1.0));
    assert_eq!(row(&rows, "e_recall@4").ours, Some(2.0 / 3.0));
}

#[test]
fn degenerate_splits_are_compared_or_refused() {
    assert!(conformance(&[1.0], 1, &[0], 0).is_err());
    assert!(conformance(&[1.0, f32::NAN], 1, &[0, 0], 0).is_err());
    for labels in [[0, 0, 0, 0], [0, 1, 2, 3], [7, 7, 900, 900]] {
        for embeddings in [[0.0; 4], [1.0, 2.0, 3.0, 4.0]] {
            for row in conformance(&embeddings, 1, &labels, 0).unwrap() {
                assert!(row.value.is_none_or(f64::is_finite), "{row:?}");
            }
        }
    }
}
