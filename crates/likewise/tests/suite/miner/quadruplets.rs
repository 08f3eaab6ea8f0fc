//! Second negatives: exactly the references of a third class, each with the same chance.

use std::collections::BTreeMap;

use burn::tensor::Device;
use likewise::batch::{BatchLabels, EMPTY};
use likewise::miner::{Miner, MinerConfig, Quadruplets, TupleKind, Tuples};
use likewise::pairwise::Pairwise;
use likewise::random::{Purpose, stream};

use super::statistics::{chi_square, deviate};
use super::{batches, circle, miner, read_all, read_rows, triplet_miners};
use crate::support::{Case, values};

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("miner::second_negatives_are_uniform", uniform),
        Case::new("miner::no_third_class_no_second_negative", no_third_class),
    ]
}

fn complete(
    config: &MinerConfig,
    pairwise: &Pairwise,
    labels: &BatchLabels,
    seed: u64,
) -> Quadruplets {
    let miner = Miner::serving(config, &[TupleKind::Quadruplets]).unwrap();
    let mut rng = stream(seed, Purpose::Miner, 0, 0, 0);
    match miner.mine(pairwise, labels, &mut rng) {
        Tuples::Quadruplets(quadruplets) => quadruplets,
        other => panic!("{config:?} made {other:?}"),
    }
}

/// Around every miner, with a memory that has empty places, and with negatives of the anchor's own
/// class, which leave all others for q.
fn uniform(device: &Device) {
    let memory = [1, EMPTY, 3, 0, EMPTY];
    let batch = [0, 0, 1, 1, 2, 2, 3];
    let labels = BatchLabels::with_memory(&batch, &memory, device);
    let all = [&batch[..], &memory].concat();
    let pairwise = Pairwise::with_memory(
        circle(&[0.0, 30.0, 65.0, 100.0, 140.0, 190.0, 250.0], device),
        circle(&[80.0, 0.0, 240.0, 15.0, 30.0], device),
    );
    for entry in triplet_miners() {
        for more in ["", "\nrho = { p_switch = 0.5 }", "\nbudget = 15"] {
            let config = miner(&format!("name = '{}'{more}", entry.name));
            let mut counts: BTreeMap<(u32, u32), Vec<u64>> = BTreeMap::new();
            for seed in 0..batches(device).min(1500) {
                let drawn = complete(&config, &pairwise, &labels, seed);
                let seconds = read_rows(drawn.second_negative);
                let valid = values(drawn.has_second);
                for (tuple, triplet) in read_all(&drawn.triplets).into_iter().enumerate() {
                    assert_eq!(valid[tuple] == 1.0, triplet.is_some(), "{config:?}");
                    if let Some([anchor, _, negative]) = triplet {
                        let classes = (all[anchor], all[negative]);
                        let of_pair = counts.entry(classes).or_insert(vec![0; all.len()]);
                        of_pair[seconds[tuple]] += 1;
                    }
                }
            }
            let mut total = (0.0, 0.0);
            for ((anchor, negative), counts) in counts {
                let third = |label: u32| ![anchor, negative, EMPTY].contains(&label);
                let candidates = all.iter().filter(|&&label| third(label)).count();
                let draws: u64 = counts.iter().sum();
                let mut cells = Vec::new();
                for (&label, count) in all.iter().zip(counts) {
                    if third(label) {
                        cells.push((count, draws as f64 / candidates as f64));
                    } else {
                        assert_eq!(count, 0, "{config:?}: q of class {label}");
                    }
                }
                let (statistic, freedom) = chi_square(&cells);
                assert!(deviate(statistic, freedom) < 4.5, "{config:?}");
                total = (total.0 + statistic, total.1 + freedom.max(0.0));
            }
            assert!(deviate(total.0, total.1) < 4.5, "{config:?}");
        }
    }
}

fn no_third_class(device: &Device) {
    let pairwise = Pairwise::new(circle(&[0.0, 30.0, 65.0, 100.0], device));
    let labels = BatchLabels::new(&[0, 0, 1, 1], device);
    for entry in triplet_miners().filter(|entry| !entry.control) {
        let drawn = complete(&(entry.default)(), &pairwise, &labels, 0);
        assert_eq!(values(drawn.triplets.valid), [1.0; 4], "{}", entry.name);
        assert_eq!(values(drawn.has_second), [0.0; 4], "{}", entry.name);
        assert!(read_rows(drawn.second_negative).iter().all(|&row| row < 4));
    }
}
