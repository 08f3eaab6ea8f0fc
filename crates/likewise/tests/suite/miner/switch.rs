//! The ρ-switch around every miner of triplets, in both modes.

use burn::tensor::Device;
use likewise::batch::BatchLabels;
use likewise::pairwise::Pairwise;

use super::{circle, mine, miner, read, read_all, triplet_miners};
use crate::support::Case;

pub fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "miner::switch_around_every_miner",
            switch_around_every_miner,
        ),
        Case::new("miner::keep_positive_pushes_the_positive", keep_positive),
    ]
}

/// Every miner with p_switch = 0.25: switched tuples are (a, a, p′), in that share; the others are
/// what the miner gives when nothing is switched.
fn switch_around_every_miner(device: &Device) {
    let labels = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3];
    let angles = [
        0.0, 20.0, 55.0, 70.0, 100.0, 140.0, 180.0, 215.0, 260.0, 300.0,
    ];
    let pairwise = Pairwise::new(circle(&angles, device));
    let batch = BatchLabels::new(&labels, device);
    let runs = if *device == Device::flex() { 400 } else { 15 };
    for entry in triplet_miners() {
        let with = |p_switch: f64| {
            let name = entry.name;
            miner(&format!(
                "name = '{name}'\nrho = {{ p_switch = {p_switch} }}"
            ))
        };
        let (mut switched, mut tuples) = (0, 0);
        for seed in 0..runs {
            let before = read_all(&mine(&with(0.0), &pairwise, &batch, seed));
            let triplets = mine(&with(0.25), &pairwise, &batch, seed);
            let after = read_all(&triplets);
            assert_eq!(after.len(), before.len());
            for (tuple, triplet) in after.iter().enumerate() {
                let is_switched = triplets.switched.get(tuple) == Some(&true);
                let Some([anchor, positive, pushed]) = *triplet else {
                    assert!(
                        !is_switched,
                        "{}: a switched tuple is not valid",
                        entry.name
                    );
                    continue;
                };
                assert_ne!(
                    labels[anchor], 3,
                    "{}: a lone anchor has a tuple",
                    entry.name
                );
                assert_eq!(anchor, triplets.anchors[tuple], "{}", entry.name);
                if is_switched {
                    assert_eq!(positive, anchor);
                    assert!(pushed != anchor && labels[pushed] == labels[anchor]);
                } else {
                    assert_eq!(*triplet, before[tuple], "{} did not mine it", entry.name);
                }
                tuples += 1;
            }
            switched += triplets.switched_count();
        }
        let (share, spread) = (
            switched as f64 / f64::from(tuples),
            (0.25 * 0.75 / f64::from(tuples)).sqrt(),
        );
        assert!(
            (share - 0.25).abs() < 4.5 * spread,
            "{}: share of switches {share}",
            entry.name
        );
    }
}

fn keep_positive(device: &Device) {
    let labels = [0, 0, 0, 1, 1, 2];
    let pairwise = Pairwise::new(circle(&[0.0, 30.0, 70.0, 110.0, 150.0, 250.0], device));
    let batch = BatchLabels::new(&labels, device);
    let text = "name = 'distance'\nrho = { p_switch = 1.0, switch_mode = 'keep_positive' }";
    for seed in 0..20 {
        let drawn = read(&mine(&miner(text), &pairwise, &batch, seed));
        assert_eq!(drawn.len(), 5);
        for [anchor, positive, negative] in drawn {
            assert!(
                positive == negative && anchor != positive && labels[anchor] == labels[positive]
            );
        }
    }
}
