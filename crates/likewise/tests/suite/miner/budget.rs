//! Budgets of triplets: the exact number, spread evenly over the anchors, without a change of
//! distribution.

use std::collections::BTreeSet;

use burn::tensor::Device;
use likewise::batch::BatchLabels;
use likewise::miner::MinerConfig;
use likewise::pairwise::Pairwise;

use super::golden::{Expectation, GOLDEN};
use super::statistics::{assert_distribution, assert_equally_likely};
use super::{Set, circle, count, mine, miner, read, read_all, sets, triplet_miners};
use crate::support::Case;

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("miner::budget_is_exact_and_even", exact_and_even),
        Case::new("miner::budget_below_is_a_uniform_subset", uniform_subset),
        Case::new(
            "miner::budget_leaves_distributions_as_they_are",
            same_distribution,
        ),
        Case::new("miner::budget_of_random_triplets", random),
        Case::new("miner::budget_keeps_the_number_of_tuples", constant_number),
    ]
}

fn with_budget(text: &str, budget: usize) -> MinerConfig {
    miner(&format!("budget = {budget}\n{text}"))
}

/// Miners that draw for anchors rather than whole triplets.
fn by_anchor() -> impl Iterator<Item = &'static str> {
    triplet_miners()
        .map(|entry| entry.name)
        .filter(|name| !["random", "intra_random"].contains(name))
}

/// Set "d8" has an anchor without a positive: it takes part in distance-weighted triplets only.
fn exact_and_even(device: &Device) {
    let set = Set::load("d8");
    let (pairwise, labels) = set.batch(device);
    for name in by_anchor() {
        for rho in ["", "rho = { p_switch = 0.3 }"] {
            let lone = rho.is_empty() && name.ends_with("distance");
            let anchors = (0..set.size())
                .filter(|&row| lone || labels.positive_count(row) > 0)
                .collect::<Vec<_>>();
            for budget in [1, 7, 23, 24, 60, 96] {
                let config = with_budget(&format!("name = '{name}'\n{rho}"), budget);
                for seed in 0..4 {
                    let drawn = read_all(&mine(&config, &pairwise, &labels, seed));
                    let what = format!("{config:?}: {drawn:?}");
                    assert_eq!(drawn.len(), budget, "{what}");
                    assert!(drawn.iter().all(Option::is_some), "{what}");
                    let mut times = vec![0; set.size()];
                    for triplet in drawn.iter().flatten() {
                        times[triplet[0]] += 1;
                    }
                    let least = budget / anchors.len();
                    for (anchor, times) in times.into_iter().enumerate() {
                        let allowed = if anchors.contains(&anchor) {
                            least..=least + usize::from(budget % anchors.len() > 0)
                        } else {
                            0..=0
                        };
                        assert!(allowed.contains(&times), "anchor {anchor}: {times}, {what}");
                    }
                }
            }
        }
    }
}

fn uniform_subset(device: &Device) {
    let set = Set::load("d8_no_singletons");
    let (pairwise, labels) = set.batch(device);
    let batches = if *device == Device::flex() { 4000 } else { 60 };
    for name in by_anchor() {
        let config = with_budget(&format!("name = '{name}'"), 7);
        let mut times = vec![0; set.size()];
        for seed in 0..batches {
            let drawn = read(&mine(&config, &pairwise, &labels, seed));
            let anchors: BTreeSet<usize> = drawn.iter().map(|triplet| triplet[0]).collect();
            assert_eq!(anchors.len(), 7, "{name}: an anchor twice");
            for anchor in anchors {
                times[anchor] += 1;
            }
        }
        assert_equally_likely(&times, batches, 7);
    }
}

/// Less than one, and more than two triplets for each anchor. Repeated draws that were not
/// independent would show as too large a chi-square.
fn same_distribution(device: &Device) {
    let set = Set::load(&sets()[0]);
    for (_, of_set) in GOLDEN {
        let Expectation { config, table } = of_set(&set);
        for budget in [13, 60] {
            assert_distribution(&count(&with_budget(&config, budget), &set, device), &table);
        }
    }
}

fn random(device: &Device) {
    let pairwise = Pairwise::new(circle(&[0.0, 10.0, 90.0, 200.0], device));
    let labels = BatchLabels::new(&[4, 4, 1, 2], device);
    let every = vec![[0, 1, 2], [0, 1, 3], [1, 0, 2], [1, 0, 3]];
    for text in [
        "name = 'random'",
        "name = 'random'\nrho = { p_switch = 0.0 }",
    ] {
        for budget in [1, 3, 4, 9] {
            let config = with_budget(text, budget);
            let all = read_all(&mine(&config, &pairwise, &labels, 0));
            assert_eq!(all.len(), budget);
            let drawn: BTreeSet<_> = all.into_iter().flatten().collect();
            assert_eq!(drawn.len(), budget.min(4));
            assert!(drawn.iter().all(|triplet| every.contains(triplet)));
        }
        let mut drawn = read(&mine(&miner(text), &pairwise, &labels, 0));
        drawn.sort_unstable();
        assert_eq!(drawn, every, "B = 4 of 4");
    }
    let labels = BatchLabels::new(&[0, 0, 1, 2], device);
    for (p_switch, switched) in [(0.0, 0), (1.0, 4)] {
        let text = format!("name = 'random'\nrho = {{ p_switch = {p_switch} }}");
        let triplets = mine(&miner(&text), &pairwise, &labels, 0);
        assert_eq!(read(&triplets).len(), 4);
        assert_eq!(triplets.switched_count(), switched);
    }
}

/// Shapes are the same for every batch, whatever it can give.
fn constant_number(device: &Device) {
    let pairwise = Pairwise::new(circle(&[0.0, 10.0, 90.0, 200.0], device));
    for labels in [[0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 2, 3], [0, 0, 1, 2]] {
        let batch = BatchLabels::new(&labels, device);
        for entry in triplet_miners() {
            for budget in [3, 10] {
                for rho in ["", "rho = { p_switch = 0.5 }"] {
                    let config = with_budget(&format!("name = '{}'\n{rho}", entry.name), budget);
                    let triplets = mine(&config, &pairwise, &batch, 5);
                    let drawn = read_all(&triplets);
                    assert_eq!(drawn.len(), budget, "{config:?} on {labels:?}");
                    assert_eq!(triplets.switched.len(), triplets.anchors.len());
                }
            }
        }
    }
}
