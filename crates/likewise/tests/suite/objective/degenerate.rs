//! Batches with little or nothing to learn from, and what happens to NaN: the same for every
//! objective of the table.

use burn::tensor::{Device, Tensor, TensorData, bf16, f16};
use likewise::batch::BatchLabels;
use likewise::miner::{TupleKind, Tuples};
use likewise::objective::{Embeddings, Entry, Family, RankingObjective, TABLE};
use likewise::pairwise::Pairwise;
use likewise::random::{Purpose, stream};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::{init, tuples};
use crate::support::{Array, Case, assert_close, values};

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("objective::nothing_to_learn_from", nothing_to_learn_from),
        Case::new(
            "objective::coincident_rows_and_zero_vectors",
            coincident_rows,
        ),
        Case::new("objective::nan_shows_in_the_loss", nan_shows_in_the_loss),
        Case::new("objective::missing_tuples_are_an_error", missing_tuples),
        Case::new("objective::finite_on_any_batch", finite_on_any_batch),
    ]
}

/// Every objective with every kind of tuples it takes.
fn entries() -> impl Iterator<Item = (&'static Entry, TupleKind)> {
    TABLE
        .iter()
        .flat_map(|entry| entry.tuples.iter().map(move |&kind| (entry, kind)))
}

/// Loss and gradient of the objective of the recipe text.
fn evaluate(
    text: &str,
    points: &[f64],
    labels: &[u32],
    tuples: &Tuples,
    device: &Device,
) -> (f64, Vec<f64>) {
    let dimension = points.len() / labels.len();
    let leaf: Tensor<2> = Array {
        shape: vec![labels.len(), dimension],
        values: points.to_vec(),
    }
    .tensor(device)
    .require_grad();
    let labels = BatchLabels::new(labels, device);
    let outcome = init(text, dimension, device)
        .forward(&Pairwise::new(leaf.clone()), &labels, tuples)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    let loss = values(outcome.loss.clone())[0];
    (loss, values(leaf.grad(&outcome.loss.backward()).unwrap()))
}

/// The default objective of an entry on the tuples that some triplets say.
fn evaluate_entry(
    (entry, kind): (&Entry, TupleKind),
    points: &[f64],
    labels: &[u32],
    rows: &[[usize; 3]],
    device: &Device,
) -> (f64, Vec<f64>) {
    let device = &device.clone().autodiff();
    let tuples = tuples::of_kind(kind, rows, labels.len(), labels, device);
    let text = format!("name = '{}'", entry.name);
    evaluate(&text, points, labels, &tuples, device)
}

fn nothing_to_learn_from(device: &Device) {
    let device = &device.clone().autodiff();
    let points = [1.0, 0.0, 0.6, 0.8, 0.0, 1.0];
    for (entry, kind) in entries().filter(|(entry, _)| entry.family != Family::Proxies) {
        for labels in [[2, 2, 2], [0, 1, 2]] {
            let what = format!("{} of {} on {labels:?}", entry.name, kind.name());
            // A query that is in its own list has something to find.
            let own = if entry.name == "smoothap" {
                "include_query = false"
            } else {
                ""
            };
            let text = format!("name = '{}'\n{own}", entry.name);
            let tuples = tuples::of_kind(kind, &[], 3, &labels, device);
            let (loss, gradient) = evaluate(&text, &points, &labels, &tuples, device);
            assert_eq!(loss, 0.0, "{what}");
            assert_eq!(gradient, vec![0.0; 6], "{what}");
        }
    }
}

fn coincident_rows(device: &Device) {
    /// Objectives of differences, without a penalty of anything else.
    const OF_DIFFERENCES: [&str; 4] = ["contrastive", "triplet", "margin", "quadruplet"];
    let rows = [[0, 1, 2], [1, 0, 3], [2, 3, 0], [3, 3, 2]];
    let labels = [0, 0, 1, 1];
    let equal = [0.6, 0.8].repeat(4);
    for (what, points) in [("equal", equal.clone()), ("zero", vec![0.0; 8])] {
        for (entry, kind) in entries() {
            let (loss, gradient) = evaluate_entry((entry, kind), &points, &labels, &rows, device);
            let what = format!("{} of {} on {what} rows", entry.name, kind.name());
            assert!(loss.is_finite(), "{what}: loss {loss}");
            assert!(
                gradient.iter().all(|g| g.is_finite()),
                "{what}: {gradient:?}"
            );
            if entry.family != Family::Proxies {
                assert!(loss > 0.0, "{what}: loss {loss}");
            }
            if OF_DIFFERENCES.contains(&entry.name) {
                assert_eq!(gradient, vec![0.0; 8], "{what}");
            }
        }
    }
    let rows = [[0, 1, 2], [1, 0, 3], [2, 3, 4], [3, 2, 0]];
    let labels = [0, 0, 1, 1, 2];
    let equal = [0.6, 0.8].repeat(5);
    for (entry, kind) in entries() {
        if let Some(expected) = (entry.default)().collapsed_loss() {
            let (loss, _) = evaluate_entry((entry, kind), &equal, &labels, &rows, device);
            assert_close(entry.name, &[loss], &[expected], 1e-6, 1e-6);
        }
    }
}

/// An embedding that is NaN makes the loss NaN on every device, where the trainer finds it; no
/// objective hides it behind a hinge or a selection.
fn nan_shows_in_the_loss(device: &Device) {
    let mut points: Vec<f64> = (0..8).map(|i| (f64::from(i) * 1.3).cos()).collect();
    points[3] = f64::NAN;
    let rows = [[0, 1, 2], [2, 3, 0]];
    for (entry, kind) in entries() {
        let (loss, _) = evaluate_entry((entry, kind), &points, &[0, 0, 1, 1], &rows, device);
        assert!(
            loss.is_nan(),
            "{} of {}: loss {loss}",
            entry.name,
            kind.name()
        );
    }
}

fn missing_tuples(device: &Device) {
    let labels = BatchLabels::new(&[0, 0, 1], device);
    let points: Tensor<2> = Tensor::from_data(TensorData::new(vec![0.5f32; 6], [3, 2]), device);
    for entry in TABLE.iter().filter(|entry| entry.needs_miner()) {
        let outcome = init(&format!("name = '{}'", entry.name), 2, device).forward(
            &Pairwise::new(points.clone()),
            &labels,
            &Tuples::None,
        );
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("[miner]"), "{}: {error}", entry.name);
    }
}

/// Random batches of every shape, with repeated and zero rows, of half-precision values of any
/// size, one class or many: loss and gradient are numbers.
fn finite_on_any_batch(device: &Device) {
    // On GPUs every other size is another kernel to be made, and fused reductions of Burn 0.22.1
    // cannot be made for rows of one coordinate.
    let (batches, dimensions) = if *device == Device::flex() {
        (100, [1, 2, 7, 16])
    } else {
        (4, [2, 2, 16, 16])
    };
    for number in 0..batches {
        let mut rng = stream(7, Purpose::Toy, 0, 0, number as u64);
        let batch = Batch::draw(number, dimensions, &mut rng);
        let scales = [1.0, 1e-3, 1e3];
        for (entry, kind) in entries() {
            let unit = entry.embeddings == Embeddings::Unit;
            let scale = if unit {
                1.0
            } else {
                scales[rng.random_range(0..3)]
            };
            let rounded = if rng.random() { round_f16 } else { round_bf16 };
            let points: Vec<f64> = batch
                .points(unit)
                .iter()
                .map(|value| rounded(value * scale))
                .collect();
            let (loss, gradient) = evaluate_entry(
                (entry, kind),
                &points,
                &batch.labels,
                &batch.triplets,
                device,
            );
            let what = format!(
                "{} of {} on batch {number} of scale {scale}: {:?}",
                entry.name,
                kind.name(),
                batch.labels
            );
            assert!(loss.is_finite(), "{what}: loss {loss}");
            assert!(
                gradient.iter().all(|g| g.is_finite()),
                "{what}: {gradient:?}"
            );
        }
    }
}

struct Batch {
    rows: Vec<Vec<f64>>,
    labels: Vec<u32>,
    triplets: Vec<[usize; 3]>,
}

impl Batch {
    /// Batch of a `number`: one class, two, four and as many as rows by turns.
    fn draw(number: usize, dimensions: [usize; 4], rng: &mut ChaCha8Rng) -> Self {
        let size = *[2, 3, 8, 13].choose(rng).unwrap();
        let dimension = *dimensions.choose(rng).unwrap();
        let classes = [1, 2, 4, size as u32][number % 4];
        let label = |row| {
            if classes == size as u32 {
                row as u32
            } else {
                rng.random_range(0..classes)
            }
        };
        let labels: Vec<u32> = (0..size).map(label).collect();
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for row in 0..size {
            rows.push(match rng.random_range(0..5) {
                0 => vec![0.0; dimension],
                1 if row > 0 => rows[rng.random_range(0..row)].clone(),
                _ => (0..dimension)
                    .map(|_| rng.random_range(-1.0..1.0))
                    .collect(),
            });
        }
        let mut triplets = Vec::new();
        for anchor in 0..size {
            let of = |same: bool| {
                let wanted = |&row: &usize| (labels[row] == labels[anchor]) == same;
                (0..size).filter(wanted).collect::<Vec<usize>>()
            };
            let positive = of(true).choose(rng).copied();
            let negative = of(false).choose(rng).copied();
            if let (Some(positive), Some(negative)) = (positive, negative) {
                triplets.push([anchor, positive, negative]);
            }
        }
        Self {
            rows,
            labels,
            triplets,
        }
    }

    /// Its rows, scaled to length 1 if `unit`; zero rows stay zero.
    fn points(&self, unit: bool) -> Vec<f64> {
        let scaled = |row: &Vec<f64>| {
            let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            let factor = if unit && norm > 0.0 { 1.0 / norm } else { 1.0 };
            row.iter().map(move |x| x * factor).collect::<Vec<f64>>()
        };
        self.rows.iter().flat_map(scaled).collect()
    }
}

fn round_f16(value: f64) -> f64 {
    f16::from_f64(value).to_f64()
}

fn round_bf16(value: f64) -> f64 {
    bf16::from_f64(value).to_f64()
}
