//! Batches with a memory: anchors are rows of the batch, the others any reference that holds
//! something.

use burn::tensor::Device;
use likewise::batch::{BatchLabels, EMPTY};
use likewise::miner::{TABLE, Tuples};
use likewise::pairwise::Pairwise;

use super::{batches, circle, mine, mine_any, miner, read, read_rows, triplet_miners};
use crate::support::{Case, values};

const BATCH: [u32; 6] = [0, 0, 1, 1, 2, 3];
const MEMORY: [u32; 9] = [EMPTY, 1, 0, EMPTY, EMPTY, 3, 4, EMPTY, 2];

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("miner::memory_is_drawn_from_but_for_empty_places", triplets),
        Case::new("miner::memory_in_pairs", pairs),
    ]
}

/// Empty places coincide with rows of the batch: they would be hard negatives and positives.
fn batch(device: &Device) -> (Pairwise, BatchLabels, Vec<u32>) {
    let batch = circle(&[0.0, 25.0, 60.0, 80.0, 110.0, 150.0], device);
    let memory = [0.0, 70.0, 20.0, 25.0, 60.0, 160.0, 200.0, 110.0, 100.0];
    (
        Pairwise::with_memory(batch, circle(&memory, device)),
        BatchLabels::with_memory(&BATCH, &MEMORY, device),
        [&BATCH[..], &MEMORY].concat(),
    )
}

fn triplets(device: &Device) {
    let (pairwise, labels, all) = batch(device);
    let filled = (0..all.len()).filter(|&reference| all[reference] != EMPTY);
    let filled: Vec<usize> = filled.collect();
    for entry in triplet_miners() {
        for more in [
            "",
            "\nbudget = 4",
            "\nbudget = 20",
            "\nrho = { p_switch = 0.5 }",
        ] {
            let config = miner(&format!("name = '{}'{more}", entry.name));
            let mut seen = vec![false; all.len()];
            for seed in 0..batches(device).min(300) {
                let triplets = mine(&config, &pairwise, &labels, seed);
                assert!(triplets.anchors.iter().all(|&anchor| anchor < BATCH.len()));
                for [a, p, n] in read(&triplets) {
                    let what = format!("{config:?}: {:?}", [a, p, n]);
                    assert!(a < BATCH.len(), "{what}");
                    assert!(all[p] != EMPTY && all[n] != EMPTY, "{what}");
                    let (positive, negative) = (all[p] == all[a], all[n] == all[a]);
                    let plain = !entry.control && !more.contains("rho");
                    assert!(!plain || positive && p != a && !negative, "{what}");
                    seen[p] = true;
                    seen[n] = true;
                }
            }
            let wanted = |&reference: &usize| {
                // Class 4 is in the memory only, and some negatives are never hard.
                let everything = ["random", "distance", "random_distance"].contains(&entry.name);
                everything || (reference >= BATCH.len() && all[reference] != 4)
            };
            for reference in filled.iter().copied().filter(wanted) {
                assert!(seen[reference], "{config:?} never draws {reference}");
            }
        }
    }
}

fn pairs(device: &Device) {
    let (pairwise, labels, all) = batch(device);
    let expected = |same: bool| -> Vec<f64> {
        let pair = |a: usize, c: usize| {
            let positive = c != a && all[c] == all[a];
            let negative = all[c] != all[a] && all[c] != EMPTY;
            f64::from(u8::from(if same { positive } else { negative }))
        };
        (0..BATCH.len())
            .flat_map(|a| (0..all.len()).map(move |c| (a, c)))
            .map(|(a, c)| pair(a, c))
            .collect()
    };
    for entry in TABLE {
        for seed in 0..40 {
            match mine_any(&(entry.default)(), &pairwise, &labels, seed) {
                Tuples::NPairs(pairs) => {
                    assert_eq!(values(pairs.valid), [1.0; BATCH.len()]);
                    for (a, p) in read_rows(pairs.positive).into_iter().enumerate() {
                        assert!(p != a && all[p] == all[a]);
                    }
                }
                Tuples::PairSets(sets) if entry.name == "lifted" => {
                    assert_eq!(values(sets.positive.float()), expected(true));
                    assert_eq!(values(sets.negative.float()), expected(false));
                }
                Tuples::PairSets(sets) => {
                    let kept = values(sets.positive.float());
                    let allowed = expected(true);
                    assert!(
                        kept.iter()
                            .zip(&allowed)
                            .all(|(kept, allowed)| kept <= allowed)
                    );
                    let kept = values(sets.negative.float());
                    let allowed = expected(false);
                    assert!(
                        kept.iter()
                            .zip(&allowed)
                            .all(|(kept, allowed)| kept <= allowed)
                    );
                    assert!(kept.contains(&1.0));
                }
                _ => {}
            }
        }
    }
}
