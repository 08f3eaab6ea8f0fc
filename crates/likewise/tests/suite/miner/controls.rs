//! The controls: triplets that labels have no say in, and triplets inside classes.

use burn::tensor::Device;
use likewise::batch::BatchLabels;
use likewise::miner::TABLE;
use likewise::pairwise::Pairwise;

use super::statistics::{Counts, Table, assert_distribution, chi_square, deviate};
use super::{batches, circle, mine, miner, read};
use crate::support::Case;

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("miner::controls_say_so_in_their_titles", titles),
        Case::new("miner::random_distance_distribution", random_distance),
        Case::new("miner::intra_random_distribution", intra_random),
    ]
}

fn titles(_: &Device) {
    for entry in TABLE {
        assert_eq!(
            entry.control,
            entry.title.contains("control"),
            "{}",
            entry.name
        );
    }
    let controls = TABLE.iter().filter(|entry| entry.control);
    let names: Vec<&str> = controls.map(|entry| entry.name).collect();
    assert_eq!(names, ["random_distance", "intra_random"]);
}

/// Two classes of two: the partner of an anchor is any of the others, with equal chances, and the
/// remaining two compete by distance.
fn random_distance(device: &Device) {
    let angles: [f64; 4] = [0.0, 40.0, 130.0, 200.0];
    let labels = BatchLabels::new(&[0, 0, 1, 1], device);
    let pairwise = Pairwise::new(circle(&angles, device));
    let mut counts = Counts::new();
    for seed in 0..4 * batches(device) {
        for triplet in read(&mine(
            &miner("name = 'random_distance'"),
            &pairwise,
            &labels,
            seed,
        )) {
            *counts.entry(triplet).or_insert(0) += 1;
        }
    }
    // In two dimensions the weight of distance d is √(1 − d²/4).
    let weight = |a: usize, b: usize| {
        let chord = 2.0 * (0.5 * (angles[a] - angles[b]).to_radians()).sin().abs();
        (1.0 - 0.25 * chord.max(0.5).powi(2)).sqrt()
    };
    let mut table = Table::new();
    for anchor in 0..4 {
        for positive in (0..4).filter(|&row| row != anchor) {
            let rest: Vec<usize> = (0..4)
                .filter(|row| ![anchor, positive].contains(row))
                .collect();
            let total: f64 = rest.iter().map(|&row| weight(anchor, row)).sum();
            for negative in rest {
                let probability = weight(anchor, negative) / total / 3.0;
                table.insert([anchor, positive, negative], probability);
            }
        }
    }
    assert_distribution(&counts, &table);
}

/// A class of the batch, and three of its rows, all with replacement.
fn intra_random(device: &Device) {
    let classes: [&[usize]; 3] = [&[0, 2, 3], &[1, 4], &[5]];
    let labels = BatchLabels::new(&[8, 3, 8, 8, 3, 1], device);
    let pairwise = Pairwise::new(circle(&[0.0, 50.0, 100.0, 150.0, 200.0, 250.0], device));
    for (text, length, classes) in [
        ("name = 'intra_random'", 6, &classes[..]),
        ("name = 'intra_random'\nbudget = 10", 10, &classes[..]),
        (
            "name = 'intra_random'\nrho = { p_switch = 0.0 }",
            6,
            &classes[..2],
        ),
    ] {
        let mut counts = Counts::new();
        for seed in 0..2 * batches(device) {
            let drawn = read(&mine(&miner(text), &pairwise, &labels, seed));
            assert_eq!(drawn.len(), length);
            for triplet in drawn {
                *counts.entry(triplet).or_insert(0) += 1;
            }
        }
        let draws = (2 * batches(device)) as f64 * length as f64;
        let mut cells = Vec::new();
        for class in classes {
            let probability = 1.0 / classes.len() as f64 / (class.len() as f64).powi(3);
            for &a in *class {
                for &p in *class {
                    for &n in *class {
                        let count = counts.remove(&[a, p, n]).unwrap_or(0);
                        cells.push((count, draws * probability));
                    }
                }
            }
        }
        assert!(counts.is_empty(), "{text}: {counts:?} are impossible");
        let (statistic, freedom) = chi_square(&cells);
        let deviate = deviate(statistic, freedom);
        assert!(deviate < 4.5, "{text}: chi-square deviate {deviate}");
    }
}
