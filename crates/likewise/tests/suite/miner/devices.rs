//! Equal streams give equal tuples on every device; miner and objective meet in one step.

use burn::tensor::{Bool, Device, Tensor};
use likewise::batch::BatchLabels;
use likewise::miner::{MinerConfig, TABLE, TupleKind, Tuples};
use likewise::objective::{ObjectiveConfig, RankingObjective, Setting};
use likewise::pairwise::Pairwise;

use super::{Set, circle, mine_any, miner, read_all, read_rows, sets, triplet_miners};
use crate::support::{Case, values};

pub fn cases() -> Vec<Case> {
    let mut cases = vec![Case::new(
        "miner::feeds_objectives_under_autodiff",
        feeds_objectives,
    )];
    for set in sets() {
        let name = format!("miner::equal_draws_on_all_devices_{set}");
        cases.push(Case::new(name, move |device| {
            equal_draws(&Set::load(&set), device);
            equal_draws(&Set::load(&set).with_memory(), device);
        }));
    }
    cases
}

/// Everything tuples say, in one form for all kinds.
fn contents(tuples: &Tuples) -> Vec<Option<Vec<usize>>> {
    let mask = |mask: &Tensor<2, Bool>| {
        let mask = mask.clone().into_data();
        Some(mask.iter::<bool>().map(usize::from).collect())
    };
    match tuples {
        Tuples::Triplets(triplets) => {
            let all = read_all(triplets).into_iter();
            all.map(|triplet| triplet.map(Vec::from)).collect()
        }
        Tuples::NPairs(pairs) => {
            let positives = read_rows(pairs.positive.clone()).into_iter();
            let valid = values(pairs.valid.clone());
            let pairs = positives.zip(valid);
            pairs
                .map(|(p, valid)| (valid == 1.0).then(|| vec![p]))
                .collect()
        }
        Tuples::PairSets(sets) => vec![mask(&sets.positive), mask(&sets.negative)],
        other => panic!("{other:?}"),
    }
}

/// Every miner as it is, and with what can be set around it.
fn configs() -> Vec<MinerConfig> {
    let mut configs: Vec<MinerConfig> = TABLE.iter().map(|entry| (entry.default)()).collect();
    for entry in triplet_miners() {
        for more in [
            "budget = 10",
            "budget = 60",
            "budget = 30\nrho = { p_switch = 0.4 }",
        ] {
            configs.push(miner(&format!("name = '{}'\n{more}", entry.name)));
        }
    }
    for mode in ["hards", "semihards", "veryhards"] {
        configs.push(miner(&format!("name = 'parametric'\nmode = '{mode}'")));
    }
    configs
}

fn equal_draws(set: &Set, device: &Device) {
    let (here, labels_here) = set.batch(device);
    let (reference, labels) = set.batch(&Device::flex());
    for config in &configs() {
        let runs: Vec<_> = (0..8)
            .map(|seed| contents(&mine_any(config, &reference, &labels, seed)))
            .collect();
        for (seed, run) in runs.iter().enumerate() {
            let other = contents(&mine_any(config, &here, &labels_here, seed as u64));
            assert_eq!(&other, run, "{config:?}, seed {seed}");
        }
        assert!(
            runs[0] != runs[1] || config.entry().tuples == TupleKind::PairSets,
            "{config:?}: draws do not depend on the seed"
        );
    }
}

/// Miner and objective meet in one step: embeddings tracked, indices not.
fn feeds_objectives(device: &Device) {
    let device = device.clone().autodiff();
    let labels = BatchLabels::new(&[0, 0, 1, 1], &device);
    let setting = Setting {
        classes: 2,
        dimension: 2,
        seed: 0,
    };
    for entry in TABLE {
        for objective in [
            "name = 'contrastive'",
            "name = 'triplet'\nmargin = 3.0",
            "name = 'margin'",
        ] {
            let objective_config: ObjectiveConfig = toml::from_str(objective).unwrap();
            if !objective_config.entry().takes(entry.tuples) {
                continue;
            }
            let embeddings = circle(&[0.0, 50.0, 60.0, 100.0], &device).require_grad();
            let pairwise = Pairwise::new(embeddings.clone());
            let switch = match entry.tuples {
                TupleKind::Triplets => "rho = { p_switch = 0.5 }",
                _ => "",
            };
            let config = miner(&format!("name = '{}'\n{switch}", entry.name));
            let tuples = mine_any(&config, &pairwise, &labels, 2);
            let outcome = objective_config
                .init(setting, &device)
                .unwrap()
                .forward(&pairwise, &labels, &tuples)
                .unwrap();
            let gradient = values(embeddings.grad(&outcome.loss.backward()).unwrap());
            assert!(
                gradient.iter().all(|g| g.is_finite()),
                "{objective} on {}",
                entry.name
            );
            assert!(
                gradient.iter().any(|&g| g != 0.0),
                "{objective} on {}",
                entry.name
            );
        }
    }
}
