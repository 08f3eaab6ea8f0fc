//! Triplets against the golden tables: exact support, and chi-square tests over more than 1e5
//! draws; for square batches and for batches with a memory.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;

use super::statistics::{
    Table, add_product, assert_distribution, assert_equally_likely, draws_of, uniform,
    worst_deviate,
};
use super::{Set, Triplet, batches, count, mine, miner, read, sets};
use crate::support::Case;

/// A miner's settings and the distribution of its triplets.
pub struct Expectation {
    pub config: String,
    pub table: Table,
}

type OfSet = fn(&Set) -> Expectation;

/// Every miner that gives one triplet for each anchor, with its table.
pub const GOLDEN: [(&str, OfSet); 9] = [
    ("semihard", semihard),
    ("softhard", softhard),
    ("distance", distance),
    ("distance_upper_cutoff", distance_upper),
    ("rho", rho),
    ("parametric_uniform", |set| parametric(set, "uniform")),
    ("parametric_hards", |set| parametric(set, "hards")),
    ("parametric_semihards", |set| parametric(set, "semihards")),
    ("parametric_veryhards", |set| parametric(set, "veryhards")),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![Case::new(
        "miner::the_statistic_rejects_a_wrong_table",
        rejects_a_wrong_table,
    )];
    for name in sets() {
        for memory in [false, true] {
            let load = move |name: &str| match memory {
                false => Set::load(name),
                true => Set::load(name).with_memory(),
            };
            let suffix = if memory { "_with_memory" } else { "" };
            for (miner, of_set) in GOLDEN {
                let set = name.clone();
                cases.push(Case::new(
                    format!("miner::golden_{miner}_{name}{suffix}"),
                    move |device| check(&load(&set), of_set, device),
                ));
            }
            let set = name.clone();
            cases.push(Case::new(
                format!("miner::golden_random_{name}{suffix}"),
                move |device| random(&load(&set), device),
            ));
        }
    }
    cases
}

fn check(set: &Set, of_set: OfSet, device: &Device) {
    let Expectation { config, mut table } = of_set(set);
    table.retain(|triplet, _| triplet[0] < set.anchors);
    let counts = count(&miner(&config), set, device);
    assert_distribution(&counts, &table);
    let anchors: BTreeSet<usize> = table.keys().map(|triplet| triplet[0]).collect();
    for anchor in anchors {
        let draws = draws_of(&counts, anchor);
        assert_eq!(draws, batches(device), "anchor {anchor}: one tuple a batch");
    }
}

fn semihard(set: &Set) -> Expectation {
    let pairs = &set.expected["semihard.pairs"];
    let pairs: Vec<[usize; 2]> = pairs
        .values
        .chunks(2)
        .map(|pair| [pair[0], pair[1]].map(|row| row as usize))
        .collect();
    let mut of_anchor: BTreeMap<usize, f64> = BTreeMap::new();
    for [anchor, _] in &pairs {
        *of_anchor.entry(*anchor).or_default() += 1.0;
    }
    let mut table = Table::new();
    for (pair, &[anchor, positive]) in pairs.iter().enumerate() {
        let mut positives = vec![0.0; set.size()];
        positives[positive] = 1.0 / of_anchor[&anchor];
        let negatives = uniform(set.row("semihard.negative_admissible", pair));
        add_product(&mut table, anchor, &positives, &negatives);
    }
    let margin = set.setting("semihard_margin");
    Expectation {
        config: format!("name = 'semihard'\nmargin = {margin}"),
        table,
    }
}

fn softhard(set: &Set) -> Expectation {
    let mut table = Table::new();
    for anchor in (0..set.size()).filter(|&row| set.is("softhard.is_anchor", row)) {
        let positives = uniform(set.row("softhard.positive_admissible", anchor));
        let negatives = uniform(set.row("softhard.negative_admissible", anchor));
        add_product(&mut table, anchor, &positives, &negatives);
    }
    Expectation {
        config: "name = 'softhard'".into(),
        table,
    }
}

fn distance_table(set: &Set, negatives: &str) -> Table {
    let mut table = Table::new();
    for anchor in 0..set.size() {
        let positives = set.row("distance.positive_probability", anchor);
        add_product(&mut table, anchor, positives, set.row(negatives, anchor));
    }
    table
}

fn distance(set: &Set) -> Expectation {
    let lower = set.setting("distance_lower_cutoff");
    Expectation {
        config: format!("name = 'distance'\nlower_cutoff = {lower}"),
        table: distance_table(set, "distance.negative_probability"),
    }
}

fn distance_upper(set: &Set) -> Expectation {
    Expectation {
        config: "name = 'distance'\nupper_cutoff = 1.4".into(),
        table: distance_table(set, "distance.negative_probability_upper1.4"),
    }
}

fn rho(set: &Set) -> Expectation {
    let mut table = Table::new();
    for anchor in 0..set.size() {
        let mut itself = vec![0.0; set.size()];
        itself[anchor] = 1.0;
        add_product(
            &mut table,
            anchor,
            &itself,
            set.row("rho_distance.switched_negative_probability", anchor),
        );
        add_product(
            &mut table,
            anchor,
            set.row("rho_distance.regular_positive_probability", anchor),
            set.row("rho_distance.regular_negative_probability", anchor),
        );
    }
    let p_switch = set.setting("rho_distance_p_switch");
    Expectation {
        config: format!("name = 'distance'\nrho = {{ p_switch = {p_switch} }}"),
        table,
    }
}

/// Anchors are those of N-pairs: the ones with a positive.
fn parametric(set: &Set, mode: &str) -> Expectation {
    let settings = &set.settings["parametric"];
    let (support, limits) = (&settings["n_support"], &settings["limits"]);
    let mut table = Table::new();
    for anchor in (0..set.size()).filter(|&row| set.is("npair.is_anchor", row)) {
        let positives = set.row("distance.positive_probability", anchor);
        let negatives = set.row(&format!("parametric.{mode}.negative_probability"), anchor);
        add_product(&mut table, anchor, positives, negatives);
    }
    Expectation {
        config: format!(
            "name = 'parametric'\nmode = '{mode}'\nn_support = {support}\nlimits = {limits}"
        ),
        table,
    }
}

fn random(set: &Set, device: &Device) {
    let (pairwise, labels) = set.batch(device);
    let all = &set.expected["random.all_triplets"];
    let all: Vec<Triplet> = all
        .values
        .chunks(3)
        .map(|t| [t[0], t[1], t[2]].map(|v| v as usize))
        .filter(|t| t[0] < set.anchors)
        .collect();
    for (config, length) in [
        ("name = 'random'", set.anchors),
        ("name = 'random'\nbudget = 100", 100),
    ] {
        let config = miner(config);
        let mut counts: BTreeMap<Triplet, u64> = all.iter().map(|&triplet| (triplet, 0)).collect();
        for seed in 0..batches(device) {
            let drawn = read(&mine(&config, &pairwise, &labels, seed));
            assert_eq!(drawn.len(), length);
            assert_eq!(
                drawn.iter().collect::<BTreeSet<_>>().len(),
                length,
                "drawn twice in a batch"
            );
            for triplet in drawn {
                *counts
                    .get_mut(&triplet)
                    .unwrap_or_else(|| panic!("{triplet:?} is not valid")) += 1;
            }
        }
        let counts: Vec<u64> = counts.into_values().collect();
        assert_equally_likely(&counts, batches(device), length);
    }
}

/// The test of distributions has the power to fail: distance-weighted draws are not uniform.
fn rejects_a_wrong_table(device: &Device) {
    let set = Set::load(&sets()[0]);
    let mut table = Table::new();
    for anchor in 0..set.size() {
        let allowed = set.row("distance.negative_probability", anchor);
        let allowed: Vec<f64> = allowed
            .iter()
            .map(|&p| f64::from(u8::from(p > 0.0)))
            .collect();
        add_product(
            &mut table,
            anchor,
            set.row("distance.positive_probability", anchor),
            &uniform(&allowed),
        );
    }
    let counts = count(&miner("name = 'distance'"), &set, device);
    let worst = worst_deviate(&counts, &table);
    assert!(worst > 4.5, "deviate {worst}");
}
