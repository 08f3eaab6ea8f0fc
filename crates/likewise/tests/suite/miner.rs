//! Batch miners: exact support and distribution against golden tables, the ρ-switch around each of
//! them, degenerate batches, and equality of draws between devices.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Device, Int, Tensor};
use likewise::batch::BatchLabels;
use likewise::miner::{Miner, MinerConfig, TABLE, Triplets, Tuples};
use likewise::objective::{ObjectiveConfig, RankingObjective, Setting};
use likewise::pairwise::Pairwise;
use likewise::random::{Purpose, stream};

use crate::support::{Array, Case, manifest, tensors, values};

type Triplet = [usize; 3];

/// Probability of each triplet, given its anchor.
type Table = BTreeMap<Triplet, f64>;

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new(
            "miner::random_gives_all_when_there_are_few",
            random_gives_all,
        ),
        Case::new(
            "miner::switch_around_every_miner",
            switch_around_every_miner,
        ),
        Case::new("miner::keep_positive_pushes_the_positive", keep_positive),
        Case::new("miner::degenerate_batches", degenerate_batches),
        Case::new("miner::nan_gives_rows_in_range", nan_gives_rows_in_range),
        Case::new("miner::feeds_objectives_under_autodiff", feeds_objectives),
        Case::new(
            "miner::the_statistic_rejects_a_wrong_table",
            rejects_a_wrong_table,
        ),
    ];
    for set in sets() {
        for (name, golden) in [
            ("random", golden_random as fn(&Set, &Device)),
            ("semihard", golden_semihard),
            ("softhard", golden_softhard),
            ("distance", golden_distance),
            ("distance_upper_cutoff", golden_distance_upper),
            ("rho", golden_rho),
        ] {
            let of = set.clone();
            let name = format!("miner::golden_{name}_{set}");
            cases.push(Case::new(name, move |device| {
                golden(&Set::load(&of), device);
            }));
        }
        let name = format!("miner::equal_draws_on_all_devices_{set}");
        cases.push(Case::new(name, move |device| {
            equal_draws(&Set::load(&set), device);
        }));
    }
    cases
}

fn sets() -> Vec<String> {
    let manifest = manifest("miners");
    let names = manifest["sets"].as_array().unwrap().iter();
    names
        .map(|set| set["name"].as_str().unwrap().to_string())
        .collect()
}

/// One batch of the fixtures with its tables.
struct Set {
    embeddings: Array,
    labels: Vec<u32>,
    expected: BTreeMap<String, Array>,
    settings: serde_json::Value,
}

impl Set {
    fn load(name: &str) -> Self {
        let manifest = manifest("miners");
        let set = manifest["sets"]
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["name"] == name)
            .unwrap();
        let inputs = tensors("miners", set["inputs"].as_str().unwrap());
        Self {
            embeddings: inputs["embeddings_normalized"].clone(),
            labels: inputs["labels"].indices(),
            expected: tensors("miners", set["expected"].as_str().unwrap()),
            settings: manifest["settings"].clone(),
        }
    }

    fn batch(&self, device: &Device) -> (Pairwise, BatchLabels) {
        let pairwise = Pairwise::new(self.embeddings.tensor(device));
        (pairwise, BatchLabels::new(&self.labels, device))
    }

    fn size(&self) -> usize {
        self.labels.len()
    }

    /// Row `row` of an expected matrix.
    fn row(&self, name: &str, row: usize) -> &[f64] {
        let array = &self.expected[name];
        let width = array.shape[1];
        &array.values[row * width..(row + 1) * width]
    }

    fn setting(&self, name: &str) -> f64 {
        self.settings[name].as_f64().unwrap()
    }
}

fn miner(text: &str) -> MinerConfig {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The tuples of one batch.
fn mine(config: &MinerConfig, pairwise: &Pairwise, labels: &BatchLabels, seed: u64) -> Triplets {
    let mut rng = stream(seed, Purpose::Miner, 0, 0, 0);
    match Miner::new(config).unwrap().mine(pairwise, labels, &mut rng) {
        Tuples::Triplets(triplets) => triplets,
        other => panic!("{config:?} made {other:?}"),
    }
}

/// The valid triplets, read back.
fn read(triplets: &Triplets) -> Vec<Triplet> {
    let [anchor, positive, negative] =
        [&triplets.anchor, &triplets.positive, &triplets.negative].map(Clone::clone);
    let all: Tensor<1, Int> = Tensor::cat(vec![anchor, positive, negative], 0);
    let all: Vec<usize> = all
        .into_data()
        .iter::<i64>()
        .map(|row| row as usize)
        .collect();
    let valid = values(triplets.valid.clone());
    let length = valid.len();
    (0..length)
        .filter(|&tuple| valid[tuple] == 1.0)
        .map(|tuple| [all[tuple], all[length + tuple], all[2 * length + tuple]])
        .collect()
}

/// Number of batches of 24 tuples to mine: over 1e5 tuples where that is quick.
fn batches(device: &Device) -> u64 {
    if *device == Device::flex() { 4400 } else { 100 }
}

fn count(config: &MinerConfig, set: &Set, device: &Device) -> BTreeMap<Triplet, u64> {
    let (pairwise, labels) = set.batch(device);
    let mut counts = BTreeMap::new();
    for seed in 0..batches(device) {
        for triplet in read(&mine(config, &pairwise, &labels, seed)) {
            *counts.entry(triplet).or_insert(0) += 1;
        }
    }
    counts
}

/// Chi-square statistic of one anchor's counts and its degrees of freedom; cells with an expected
/// count below 5 are taken together.
fn chi_square(cells: &[(u64, f64)]) -> (f64, f64) {
    let (mut statistic, mut kept) = (0.0, 0);
    let (mut pooled_count, mut pooled_expected) = (0.0, 0.0);
    for &(count, expected) in cells {
        if expected < 5.0 {
            pooled_count += count as f64;
            pooled_expected += expected;
        } else {
            statistic += (count as f64 - expected).powi(2) / expected;
            kept += 1;
        }
    }
    if pooled_expected >= 5.0 {
        statistic += (pooled_count - pooled_expected).powi(2) / pooled_expected;
        kept += 1;
    }
    (statistic, f64::from(kept) - 1.0)
}

/// The standard normal deviate of a chi-square value (Wilson and Hilferty).
fn deviate(statistic: f64, freedom: f64) -> f64 {
    if freedom < 1.0 {
        return 0.0;
    }
    let spread = 2.0 / (9.0 * freedom);
    ((statistic / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
}

/// The worst deviate of triplets, of (anchor, positive) and of (anchor, negative): the margins have
/// power where triplets are too many for the number of draws.
fn worst_deviate(counts: &BTreeMap<Triplet, u64>, table: &Table, draws: u64) -> f64 {
    let margin = |of: fn(&Triplet) -> Triplet| {
        let (mut of_counts, mut of_table) = (BTreeMap::new(), Table::new());
        for (triplet, count) in counts {
            *of_counts.entry(of(triplet)).or_insert(0) += count;
        }
        for (triplet, probability) in table {
            *of_table.entry(of(triplet)).or_insert(0.0) += probability;
        }
        deviates(&of_counts, &of_table, draws)
    };
    let all = [
        margin(|&t| t),
        margin(|&[a, p, _]| [a, p, 0]),
        margin(|&[a, _, n]| [a, n, 0]),
    ];
    all.concat().into_iter().fold(f64::MIN, f64::max)
}

/// The deviate of each anchor and that of all anchors together.
fn deviates(counts: &BTreeMap<Triplet, u64>, table: &Table, draws: u64) -> Vec<f64> {
    let anchors: BTreeSet<usize> = table.keys().map(|triplet| triplet[0]).collect();
    let mut total = (0.0, 0.0);
    let mut all = Vec::new();
    for anchor in anchors {
        let cells: Vec<(u64, f64)> = table
            .range([anchor, 0, 0]..[anchor + 1, 0, 0])
            .map(|(triplet, p)| (counts.get(triplet).copied().unwrap_or(0), p * draws as f64))
            .collect();
        let (statistic, freedom) = chi_square(&cells);
        all.push(deviate(statistic, freedom));
        total = (total.0 + statistic, total.1 + freedom.max(0.0));
    }
    all.push(deviate(total.0, total.1));
    all
}

/// Exact support, and a distribution that a chi-square test does not tell from `table`.
fn assert_distribution(counts: &BTreeMap<Triplet, u64>, table: &Table, draws: u64) {
    for (triplet, count) in counts {
        assert!(
            table.contains_key(triplet),
            "{triplet:?} drawn {count} times, but impossible"
        );
    }
    for (triplet, probability) in table {
        let expected = probability * draws as f64;
        assert!(
            expected < 30.0 || counts.contains_key(triplet),
            "{triplet:?} never drawn"
        );
    }
    let mut per_anchor: BTreeMap<usize, (u64, f64)> = BTreeMap::new();
    for (triplet, probability) in table {
        let entry = per_anchor.entry(triplet[0]).or_default();
        entry.0 += counts.get(triplet).copied().unwrap_or(0);
        entry.1 += probability;
    }
    for (anchor, (count, probability)) in per_anchor {
        assert!(
            (probability - 1.0).abs() < 1e-9,
            "table of anchor {anchor} sums to {probability}"
        );
        assert_eq!(count, draws, "anchor {anchor}: one valid tuple a batch");
    }
    let worst = worst_deviate(counts, table, draws);
    assert!(worst < 4.5, "chi-square deviate {worst}");
}

/// Adds `probability` times the product of two distributions over columns.
fn add_product(table: &mut Table, anchor: usize, positives: &[f64], negatives: &[f64]) {
    for (p, probability) in positives.iter().enumerate().filter(|(_, p)| **p > 0.0) {
        for (n, other) in negatives.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            *table.entry([anchor, p, n]).or_insert(0.0) += probability * other;
        }
    }
}

fn uniform(mask: &[f64]) -> Vec<f64> {
    let members: f64 = mask.iter().sum();
    mask.iter().map(|member| member / members).collect()
}

fn check(config: &str, set: &Set, table: &Table, device: &Device) {
    assert_distribution(&count(&miner(config), set, device), table, batches(device));
}

fn golden_semihard(set: &Set, device: &Device) {
    let pairs = &set.expected["semihard.pairs"];
    let number = pairs.shape[0];
    let mut table = Table::new();
    for pair in 0..number {
        let (anchor, positive) = (
            pairs.values[2 * pair] as usize,
            pairs.values[2 * pair + 1] as usize,
        );
        let of_anchor = (0..number)
            .filter(|&p| pairs.values[2 * p] as usize == anchor)
            .count();
        let mut positives = vec![0.0; set.size()];
        positives[positive] = 1.0 / of_anchor as f64;
        let negatives = uniform(set.row("semihard.negative_admissible", pair));
        add_product(&mut table, anchor, &positives, &negatives);
    }
    let margin = set.setting("semihard_margin");
    check(
        &format!("name = 'semihard'\nmargin = {margin}"),
        set,
        &table,
        device,
    );
}

fn golden_softhard(set: &Set, device: &Device) {
    let mut table = Table::new();
    for anchor in 0..set.size() {
        if set.expected["softhard.is_anchor"].values[anchor] == 1.0 {
            let positives = uniform(set.row("softhard.positive_admissible", anchor));
            let negatives = uniform(set.row("softhard.negative_admissible", anchor));
            add_product(&mut table, anchor, &positives, &negatives);
        }
    }
    check("name = 'softhard'", set, &table, device);
}

fn distance_table(set: &Set, negatives: &str) -> Table {
    let mut table = Table::new();
    for anchor in 0..set.size() {
        let positives = set.row("distance.positive_probability", anchor);
        add_product(&mut table, anchor, positives, set.row(negatives, anchor));
    }
    table
}

fn golden_distance(set: &Set, device: &Device) {
    let lower = set.setting("distance_lower_cutoff");
    let table = distance_table(set, "distance.negative_probability");
    check(
        &format!("name = 'distance'\nlower_cutoff = {lower}"),
        set,
        &table,
        device,
    );
}

fn golden_distance_upper(set: &Set, device: &Device) {
    let table = distance_table(set, "distance.negative_probability_upper1.4");
    check("name = 'distance'\nupper_cutoff = 1.4", set, &table, device);
}

fn golden_rho(set: &Set, device: &Device) {
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
    check(
        &format!("name = 'distance'\nrho = {{ p_switch = {p_switch} }}"),
        set,
        &table,
        device,
    );
}

fn golden_random(set: &Set, device: &Device) {
    let (pairwise, labels) = set.batch(device);
    let config = miner("name = 'random'");
    let all = &set.expected["random.all_triplets"];
    let all: Vec<Triplet> = all
        .values
        .chunks(3)
        .map(|t| [t[0], t[1], t[2]].map(|v| v as usize))
        .collect();
    let mut counts: BTreeMap<Triplet, u64> = all.iter().map(|&triplet| (triplet, 0)).collect();
    for seed in 0..batches(device) {
        let drawn = read(&mine(&config, &pairwise, &labels, seed));
        assert_eq!(drawn.len(), set.size());
        assert_eq!(
            drawn.iter().collect::<BTreeSet<_>>().len(),
            drawn.len(),
            "drawn twice in a batch"
        );
        for triplet in drawn {
            *counts
                .get_mut(&triplet)
                .unwrap_or_else(|| panic!("{triplet:?} is not valid")) += 1;
        }
    }
    // Each batch takes B of the N triplets: variances are those of draws without replacement.
    let (total, share) = (all.len() as f64, set.size() as f64 / all.len() as f64);
    let draws = batches(device) as f64;
    let variance = draws * share * (1.0 - share) * total / (total - 1.0);
    let statistic: f64 = counts
        .values()
        .map(|&c| (c as f64 - draws * share).powi(2) / variance)
        .sum();
    let deviate = deviate(statistic, total - 1.0);
    assert!(deviate.abs() < 4.5, "chi-square deviate {deviate}");
}

fn equal_draws(set: &Set, device: &Device) {
    let (here, labels_here) = set.batch(device);
    let (reference, labels) = set.batch(&Device::flex());
    let mut configs: Vec<MinerConfig> = TABLE.iter().map(|entry| (entry.default)()).collect();
    configs.push(miner("name = 'softhard'\nrho = { p_switch = 0.4 }"));
    for config in &configs {
        let runs: Vec<_> = (0..8)
            .map(|seed| read(&mine(config, &reference, &labels, seed)))
            .collect();
        for (seed, run) in runs.iter().enumerate() {
            let other = read(&mine(config, &here, &labels_here, seed as u64));
            assert_eq!(&other, run, "{config:?}, seed {seed}");
        }
        assert_ne!(
            runs[0], runs[1],
            "{config:?}: draws do not depend on the seed"
        );
    }
}

/// Points of the unit circle at the given angles, in degrees.
fn circle(angles: &[f64], device: &Device) -> Tensor<2> {
    let coordinates = angles
        .iter()
        .flat_map(|angle| [angle.to_radians().cos(), angle.to_radians().sin()]);
    Array {
        shape: vec![angles.len(), 2],
        values: coordinates.collect(),
    }
    .tensor(device)
}

fn random_gives_all(device: &Device) {
    let pairwise = Pairwise::new(circle(&[0.0, 10.0, 90.0, 200.0], device));
    let labels = BatchLabels::new(&[4, 4, 1, 2], device);
    let triplets = mine(
        &miner("name = 'random'\nrho = { p_switch = 0.0 }"),
        &pairwise,
        &labels,
        0,
    );
    assert_eq!(
        read(&triplets),
        vec![[0, 1, 2], [0, 1, 3], [1, 0, 2], [1, 0, 3]]
    );
    let labels = BatchLabels::new(&[0, 0, 0, 1], device);
    let triplets = mine(&miner("name = 'random'"), &pairwise, &labels, 0);
    assert_eq!(read(&triplets).len(), 4);
    let labels = BatchLabels::new(&[0, 0, 1, 2], device);
    for p_switch in [0.0, 1.0] {
        let text = format!("name = 'random'\nrho = {{ p_switch = {p_switch} }}");
        let triplets = mine(&miner(&text), &pairwise, &labels, 0);
        assert_eq!(values(triplets.count()), vec![4.0]);
        assert_eq!(
            triplets.switched_count(),
            if p_switch == 1.0 { 4 } else { 0 }
        );
    }
}

/// Every miner with p_switch = 0.25: switched tuples are (a, a, p′), in that share; the others are
/// what the miner gives without the switch.
fn switch_around_every_miner(device: &Device) {
    let labels = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3];
    let angles = [
        0.0, 20.0, 55.0, 70.0, 100.0, 140.0, 180.0, 215.0, 260.0, 300.0,
    ];
    let pairwise = Pairwise::new(circle(&angles, device));
    let batch = BatchLabels::new(&labels, device);
    let runs = if *device == Device::flex() { 400 } else { 15 };
    for entry in TABLE {
        let plain = miner(&format!("name = '{}'", entry.name));
        let switching = miner(&format!(
            "name = '{}'\nrho = {{ p_switch = 0.25 }}",
            entry.name
        ));
        let (mut switched, mut tuples) = (0, 0);
        for seed in 0..runs {
            let before = mine(&plain, &pairwise, &batch, seed);
            let after = mine(&switching, &pairwise, &batch, seed);
            assert!(
                after
                    .anchors
                    .iter()
                    .zip(&before.anchors)
                    .all(|(a, b)| a == b)
            );
            let unswitched = read(&before);
            let drawn = read(&after);
            let new: Vec<&Triplet> = drawn.iter().filter(|t| t[0] == t[1]).collect();
            assert_eq!(new.len(), after.switched_count());
            for &&[anchor, _, pushed] in &new {
                assert!(pushed != anchor && labels[pushed] == labels[anchor]);
            }
            for triplet in drawn.iter().filter(|t| t[0] != t[1]) {
                assert!(unswitched.contains(triplet), "{triplet:?} was not mined");
            }
            assert!(
                drawn.iter().all(|t| labels[t[0]] != 3),
                "a lone anchor has a tuple"
            );
            switched += new.len();
            tuples += drawn.len();
        }
        let (share, spread) = (
            switched as f64 / tuples as f64,
            (0.25 * 0.75 / tuples as f64).sqrt(),
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

fn degenerate_batches(device: &Device) {
    let same = [10.0; 4];
    for (what, angles, labels, with_positive_only) in [
        ("one class", [0.0, 40.0, 80.0, 120.0], [7, 7, 7, 7], false),
        ("coincident rows of one class", same, [7, 7, 7, 7], false),
        (
            "only classes of one",
            [0.0, 40.0, 80.0, 120.0],
            [0, 1, 2, 3],
            true,
        ),
    ] {
        let pairwise = Pairwise::new(circle(&angles, device));
        let labels = BatchLabels::new(&labels, device);
        for entry in TABLE {
            let drawn = read(&mine(&(entry.default)(), &pairwise, &labels, 1));
            if with_positive_only && entry.name == "distance" {
                assert!(drawn.len() == 4 && drawn.iter().all(|t| t[0] == t[1] && t[2] != t[0]));
            } else {
                assert!(drawn.is_empty(), "{what}, {}: {drawn:?}", entry.name);
            }
        }
    }
    let labels = [0, 0, 1, 1];
    for embeddings in [circle(&same, device), Tensor::zeros([4, 2], device)] {
        let pairwise = Pairwise::new(embeddings);
        for entry in TABLE {
            let drawn = read(&mine(
                &(entry.default)(),
                &pairwise,
                &BatchLabels::new(&labels, device),
                1,
            ));
            assert_eq!(drawn.len(), 4, "coincident rows, {}", entry.name);
            for [a, p, n] in drawn {
                assert!(a != p && labels[a] == labels[p] && labels[a] != labels[n]);
            }
        }
    }
    let upper = miner("name = 'distance'\nupper_cutoff = 0.5");
    let pairwise = Pairwise::new(circle(&[0.0, 90.0, 180.0, 185.0], device));
    let drawn = read(&mine(
        &upper,
        &pairwise,
        &BatchLabels::new(&[0, 0, 1, 2], device),
        1,
    ));
    assert_eq!(drawn, vec![[2, 2, 3], [3, 3, 2]]);
}

/// NaN embeddings cannot make a miner point outside the batch or across the labels.
fn nan_gives_rows_in_range(device: &Device) {
    let labels = [0, 0, 1, 1, 2, 2];
    let batch = BatchLabels::new(&labels, device);
    let mut values: Vec<f64> = (0..12).map(|i| f64::from(i).sin()).collect();
    values[4] = f64::NAN;
    values[11] = f64::INFINITY;
    let pairwise = Pairwise::new(
        Array {
            shape: vec![6, 2],
            values,
        }
        .tensor(device),
    );
    for entry in TABLE {
        for [a, p, n] in read(&mine(&(entry.default)(), &pairwise, &batch, 3)) {
            assert!(a < 6 && p < 6 && n < 6, "{}", entry.name);
            assert!(
                labels[a] == labels[p] && labels[a] != labels[n],
                "{}: {:?}",
                entry.name,
                [a, p, n]
            );
        }
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
            let embeddings = circle(&[0.0, 50.0, 60.0, 100.0], &device).require_grad();
            let pairwise = Pairwise::new(embeddings.clone());
            let config = miner(&format!(
                "name = '{}'\nrho = {{ p_switch = 0.5 }}",
                entry.name
            ));
            let tuples = Tuples::from(mine(&config, &pairwise, &labels, 2));
            let config: ObjectiveConfig = toml::from_str(objective).unwrap();
            let outcome = config
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
    let worst = worst_deviate(&counts, &table, batches(device));
    assert!(worst > 4.5, "deviate {worst}");
}
