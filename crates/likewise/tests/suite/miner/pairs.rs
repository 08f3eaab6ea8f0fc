//! Miners that do not make triplets, against the golden masks and a naive selection.

use burn::tensor::Device;
use likewise::miner::Tuples;
use likewise::objective::{ObjectiveConfig, RankingObjective, Setting};

use super::statistics::{Counts, Table, assert_distribution, uniform};
use super::{Set, batches, mine_any, miner, read_rows, sets};
use crate::support::{Case, values};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for set in sets() {
        for (name, test) in [
            ("golden_npair", golden_npair as fn(&Set, &Device)),
            ("golden_lifted", golden_lifted),
            ("multisimilarity_is_the_naive_selection", multisimilarity),
        ] {
            let of = set.clone();
            cases.push(Case::new(format!("miner::{name}_{set}"), move |device| {
                test(&Set::load(&of), device);
            }));
        }
    }
    cases
}

fn golden_npair(set: &Set, device: &Device) {
    let (pairwise, labels) = set.batch(device);
    let mut counts = Counts::new();
    for seed in 0..batches(device) {
        let tuples = mine_any(&miner("name = 'npair'"), &pairwise, &labels, seed);
        let pairs = tuples.n_pairs().unwrap();
        let positives = read_rows(pairs.positive.clone());
        let valid = values(pairs.valid.clone());
        assert_eq!(valid, set.expected["npair.is_anchor"].values);
        for anchor in (0..set.size()).filter(|&row| valid[row] == 1.0) {
            *counts.entry([anchor, positives[anchor], 0]).or_insert(0) += 1;
        }
    }
    let negatives = values(labels.negative.float());
    let mut table = Table::new();
    for anchor in (0..set.size()).filter(|&row| set.is("npair.is_anchor", row)) {
        let candidates = uniform(set.row("npair.positive_candidates", anchor));
        for (positive, probability) in candidates.into_iter().enumerate() {
            if probability > 0.0 {
                table.insert([anchor, positive, 0], probability);
            }
        }
        let of_anchor = &negatives[anchor * set.size()..][..set.size()];
        assert_eq!(of_anchor, set.row("npair.negative_set", anchor));
    }
    assert_distribution(&counts, &table);
}

fn golden_lifted(set: &Set, device: &Device) {
    let (pairwise, labels) = set.batch(device);
    let tuples = mine_any(&miner("name = 'lifted'"), &pairwise, &labels, 0);
    let sets = tuples.pair_sets().unwrap();
    let anchors = values(sets.with_positive());
    assert_eq!(anchors, set.expected["lifted.is_anchor"].values);
    let positives = values(sets.positive.clone().float());
    let negatives = values(sets.negative.clone().float());
    for anchor in (0..set.size()).filter(|&row| anchors[row] == 1.0) {
        let row = |mask: &[f64]| mask[anchor * set.size()..][..set.size()].to_vec();
        assert_eq!(row(&positives), set.row("lifted.positive_set", anchor));
        assert_eq!(row(&negatives), set.row("lifted.negative_set", anchor));
    }
}

/// Pairs chosen one by one in double precision, for several slacks; and the objective, which chooses
/// for itself, says it takes as many.
fn multisimilarity(set: &Set, device: &Device) {
    let (pairwise, labels) = set.batch(device);
    let (size, dimension) = (set.size(), set.embeddings.shape[1]);
    let row = |index: usize| &set.embeddings.values[index * dimension..][..dimension];
    let similarity =
        |a: usize, b: usize| -> f64 { row(a).iter().zip(row(b)).map(|(x, y)| x * y).sum() };
    for margin in [0.0, 0.1, 0.4] {
        let config = miner(&format!("name = 'multisimilarity'\nmargin = {margin}"));
        let tuples = mine_any(&config, &pairwise, &labels, 0);
        let sets = tuples.pair_sets().unwrap();
        let positives = values(sets.positive.clone().float());
        let negatives = values(sets.negative.clone().float());
        for a in 0..size {
            let least = labels
                .positives_of(a)
                .map(|p| similarity(a, p))
                .fold(f64::INFINITY, f64::min);
            let most = (0..size)
                .filter(|&n| labels.host[n] != labels.host[a])
                .map(|n| similarity(a, n))
                .fold(f64::NEG_INFINITY, f64::max);
            for b in 0..size {
                let s = similarity(a, b);
                let same = labels.host[a] == labels.host[b];
                let edge = (if same { s - most } else { least - s }) - margin;
                if edge.abs() < 1e-5 {
                    continue;
                }
                let kept = b != a && edge < 0.0;
                let (of_kind, of_other) = if same {
                    (&positives, &negatives)
                } else {
                    (&negatives, &positives)
                };
                let expected = f64::from(u8::from(kept));
                assert_eq!(
                    of_kind[a * size + b],
                    expected,
                    "pair {a}, {b}, margin {margin}"
                );
                assert_eq!(of_other[a * size + b], 0.0, "pair {a}, {b}");
            }
        }
        let config = format!("name = 'multisimilarity'\nmargin = {margin}");
        let config: ObjectiveConfig = toml::from_str(&config).unwrap();
        let setting = Setting {
            classes: 32,
            dimension,
            seed: 0,
        };
        let objective = config.init(setting, device).unwrap();
        let outcome = objective
            .forward(&pairwise, &labels, &Tuples::None)
            .unwrap();
        for (name, mask) in [("positive_pairs", positives), ("negative_pairs", negatives)] {
            let statistic = outcome.statistics.iter().find(|s| s.name == name).unwrap();
            let count: f64 = mask.iter().sum();
            assert_eq!(values(statistic.value.clone()), [count], "{name}");
        }
    }
}
