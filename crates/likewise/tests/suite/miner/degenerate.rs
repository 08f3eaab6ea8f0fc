//! Batches that give a miner little to choose from, and embeddings that are no numbers.

use burn::tensor::{Device, Tensor};
use likewise::batch::BatchLabels;
use likewise::miner::{TABLE, Tuples};
use likewise::pairwise::Pairwise;

use super::{circle, mine, mine_any, miner, read, read_all, read_rows, triplet_miners};
use crate::support::{Array, Case, values};

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("miner::degenerate_labels", degenerate_labels),
        Case::new("miner::coincident_rows", coincident_rows),
        Case::new("miner::nothing_within_cutoff_or_limits", nothing_within),
        Case::new("miner::nan_gives_rows_in_range", nan_gives_rows_in_range),
    ]
}

/// What a miner of triplets gives for a batch of one class, of classes of one, and of two rows.
fn degenerate_labels(device: &Device) {
    let angles = [0.0, 40.0, 80.0, 120.0];
    for (labels, rows) in [
        ([7, 7, 7, 7], 4),
        ([0, 1, 2, 3], 4),
        ([5, 5, 0, 0], 2),
        ([5, 6, 0, 0], 2),
    ] {
        let labels = &labels[..rows];
        let batch = BatchLabels::new(labels, device);
        for same in [false, true] {
            let angles = if same { [10.0; 4] } else { angles };
            let pairwise = Pairwise::new(circle(&angles[..rows], device));
            for entry in triplet_miners() {
                let drawn = read(&mine(&(entry.default)(), &pairwise, &batch, 1));
                let what = format!("{}, {labels:?}: {drawn:?}", entry.name);
                let apart = labels.windows(2).all(|pair| pair[0] != pair[1]);
                match entry.name {
                    "intra_random" => {
                        assert_eq!(drawn.len(), rows, "{what}");
                        for [a, p, n] in drawn {
                            assert!(labels[a] == labels[p] && labels[a] == labels[n], "{what}");
                        }
                    }
                    "distance" | "random_distance" if apart => {
                        assert_eq!(drawn.len(), rows, "{what}");
                        assert!(drawn.iter().all(|t| t[0] == t[1] && t[2] != t[0]), "{what}");
                    }
                    _ => assert!(drawn.is_empty(), "{what}"),
                }
            }
            pairs_in_range(&pairwise, &batch);
        }
    }
}

/// Miners that do not make triplets: an anchor counts if it has a positive, which is another row
/// of its class; sets hold pairs of their kind only.
fn pairs_in_range(pairwise: &Pairwise, labels: &BatchLabels) {
    for entry in TABLE {
        match mine_any(&(entry.default)(), pairwise, labels, 1) {
            Tuples::NPairs(pairs) => {
                let valid = values(pairs.valid);
                let positives = read_rows(pairs.positive);
                for (row, (valid, positive)) in valid.into_iter().zip(positives).enumerate() {
                    assert!(positive < labels.len());
                    assert_eq!(valid == 1.0, labels.positive_count(row) > 0);
                    if valid == 1.0 {
                        assert!(positive != row && labels.host[positive] == labels.host[row]);
                    }
                }
            }
            Tuples::PairSets(sets) => {
                for (kept, all) in [
                    (sets.positive, labels.positive.clone()),
                    (sets.negative, labels.negative.clone()),
                ] {
                    let outside = kept.bool_and(all.bool_not());
                    assert_eq!(values(outside.float().sum()), [0.0], "{}", entry.name);
                }
            }
            _ => {}
        }
    }
}

fn coincident_rows(device: &Device) {
    let labels = [0, 0, 1, 1];
    let batch = BatchLabels::new(&labels, device);
    for embeddings in [circle(&[10.0; 4], device), Tensor::zeros([4, 2], device)] {
        let pairwise = Pairwise::new(embeddings);
        for entry in triplet_miners().filter(|entry| !entry.control) {
            let drawn = read(&mine(&(entry.default)(), &pairwise, &batch, 1));
            assert_eq!(drawn.len(), 4, "{}", entry.name);
            for [a, p, n] in drawn {
                assert!(a != p && labels[a] == labels[p] && labels[a] != labels[n]);
            }
        }
    }
}

fn nothing_within(device: &Device) {
    let pairwise = Pairwise::new(circle(&[0.0, 90.0, 180.0, 185.0], device));
    let labels = BatchLabels::new(&[0, 0, 1, 2], device);
    let upper = miner("name = 'distance'\nupper_cutoff = 0.5");
    let drawn = read(&mine(&upper, &pairwise, &labels, 1));
    assert_eq!(drawn, vec![[2, 2, 3], [3, 3, 2]]);
    // Beyond the limits of the histogram every negative has the same chance.
    let far = miner("name = 'parametric'\nmode = 'hards'\nlimits = [0.0, 0.3]");
    let mut negatives = [0; 4];
    for seed in 0..200 {
        for [a, _, n] in read(&mine(&far, &pairwise, &labels, seed)) {
            assert!(a < 2);
            negatives[n] += 1;
        }
    }
    assert!(negatives[2] > 140 && negatives[3] > 140, "{negatives:?}");
    assert_eq!(negatives[2] + negatives[3], 400);
}

/// Embeddings that are no numbers cannot make a miner point outside the batch or across the labels.
fn nan_gives_rows_in_range(device: &Device) {
    let labels = [0, 0, 1, 1, 2, 2];
    let batch = BatchLabels::new(&labels, device);
    let mut values: Vec<f64> = (0..12).map(|i| f64::from(i).sin()).collect();
    values[4] = f64::NAN;
    values[11] = f64::INFINITY;
    let all_nan = vec![f64::NAN; 12];
    for values in [values, all_nan] {
        let shape = vec![6, 2];
        let pairwise = Pairwise::new(Array { shape, values }.tensor(device));
        for entry in triplet_miners() {
            for budget in ["", "\nbudget = 4", "\nbudget = 9"] {
                let config = miner(&format!("name = '{}'{budget}", entry.name));
                let triplets = mine(&config, &pairwise, &batch, 3);
                for [a, p, n] in read_all(&triplets).into_iter().flatten() {
                    assert!(a < 6 && p < 6 && n < 6, "{}", entry.name);
                    assert!(
                        entry.control || labels[a] == labels[p] && labels[a] != labels[n],
                        "{}: {:?}",
                        entry.name,
                        [a, p, n]
                    );
                }
            }
        }
        pairs_in_range(&pairwise, &batch);
    }
}
