//! Stored values, computed in double precision by an independent implementation from the same
//! single-precision inputs: agreement to 1e-9, unless said otherwise.

use std::collections::{BTreeMap, BTreeSet};

use likewise::metric::{
    Contingency, EntropyMean, FLOOR, ITERATIONS, MetricSet, Space, Start, class_distances,
    evaluate, kmeans, nearest_neighbours, singular_values, spectral_decay,
};

use crate::data::{Set, assert_close, sets};

const TOLERANCE: f64 = 1e-9;

/// For values computed from unit rows in double precision, before the rows were stored in single
/// precision (relative rounding 6e-8).
const SINGLE: f64 = 1e-6;

/// Everything computed for one set, under the names of the fixture.
#[derive(Default)]
struct Computed(BTreeMap<String, Vec<f64>>);

impl Computed {
    fn scalar(&mut self, name: impl Into<String>, value: f64) {
        self.0.insert(name.into(), vec![value]);
    }

    /// Evaluates metrics by name; `names` pairs the fixture's name with ours.
    fn metrics(&mut self, set: &Set, names: &[(String, String)]) {
        let request = MetricSet::parse(names.iter().map(|(_, ours)| ours)).unwrap();
        let values = evaluate(
            &set.floats("features"),
            set.dim(),
            &set.integers("labels"),
            &request,
            0,
        )
        .unwrap();
        for (theirs, ours) in names {
            match values.get(ours) {
                Some(value) => self.scalar(theirs, value),
                None => drop(self.0.insert(
                    theirs.clone(),
                    values.arrays[&ours.parse().unwrap()].clone(),
                )),
            }
        }
    }

    fn neighbours(&mut self, set: &Set, name: &str, space: Space, k: usize) {
        let features = set.floats("features");
        let queries: Vec<usize> = (0..features.len() / set.dim()).collect();
        let lists = nearest_neighbours(&features, set.dim(), space, &queries, k).unwrap();
        let rows = lists
            .iter()
            .flatten()
            .map(|neighbour| neighbour.row as f64)
            .collect();
        self.0.insert(name.into(), rows);
    }

    fn clusters(&mut self, set: &Set, name: &str) {
        let table = Contingency::new(&set.integers("labels"), &set.integers(name));
        self.scalar(
            format!("{name}.nmi_arithmetic"),
            table.nmi(EntropyMean::Arithmetic),
        );
        self.scalar(
            format!("{name}.nmi_geometric"),
            table.nmi(EntropyMean::Geometric),
        );
        self.scalar(format!("{name}.ami_arithmetic"), table.ami());
        self.scalar(format!("{name}.f1"), table.pair_f1().unwrap());
    }

    fn kmeans(&mut self, set: &Set) {
        let start = set.floats("kmeans.initial_centroids");
        let found = kmeans(
            &set.floats("features"),
            set.dim(),
            Space::Euclidean,
            Start::Centroids(&start),
            ITERATIONS,
        )
        .unwrap();
        self.scalar("kmeans.inertia", *found.inertia.last().unwrap());
        self.0.insert("kmeans.inertia_trace".into(), found.inertia);
        self.0
            .insert("kmeans.final_centroids".into(), found.centroids);
        let assignment = found
            .assignment
            .iter()
            .map(|&cluster| f64::from(cluster))
            .collect();
        self.0.insert("kmeans.assignment".into(), assignment);
    }

    /// Compares every expected tensor, and every value of the manifest.
    fn check(&self, set: &Set, tolerance: f64) {
        let missing: BTreeSet<_> = set
            .expected
            .keys()
            .filter(|name| !self.0.contains_key(*name))
            .collect();
        assert!(
            missing.is_empty(),
            "{}: not compared: {missing:?}",
            set.name
        );
        for (name, expected) in &set.expected {
            // AMI of a clustering no better than chance is a difference of equal numbers: its
            // error is absolute. So is that of singular values that are exactly zero.
            let absolute = match name.as_str() {
                name if name.ends_with("ami_arithmetic") => tolerance,
                "singular_values" => 1e-13 * expected[0],
                _ => 0.0,
            };
            assert_close(
                &format!("{}: {name}", set.name),
                &self.0[name],
                expected,
                absolute,
                tolerance,
            );
        }
        for (name, value) in set.entry["values"].as_object().expect("values") {
            let value = value.as_f64().expect("a number");
            assert_close(
                &format!("{}: {name}", set.name),
                &self.0[name],
                &[value],
                tolerance,
                tolerance,
            );
        }
    }
}

/// What a set stores; decides how it is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// All metrics of a split with labels, clusterings and initial centroids.
    Full,
    /// Spectra of a matrix of exact rank.
    RankDeficient,
    /// The worked example of six rows.
    WorkedExample,
}

fn kind(set: &Set) -> Kind {
    if set.inputs.contains_key("kmeans.initial_centroids") {
        Kind::Full
    } else if set.entry.get("exact_rank").is_some() {
        Kind::RankDeficient
    } else if set.inputs.contains_key("clusters") {
        Kind::WorkedExample
    } else {
        panic!("no test reads set {}", set.name)
    }
}

fn of_kind(wanted: Kind) -> Vec<Set> {
    let found: Vec<Set> = sets()
        .into_iter()
        .filter(|set| kind(set) == wanted)
        .collect();
    assert!(!found.is_empty(), "no set is {wanted:?}");
    found
}

/// Our name for a retrieval metric of the fixture.
fn retrieval_name(theirs: &str) -> Option<String> {
    let (prefix, metric) = match theirs.split_once('.')? {
        ("euclidean", metric) => ("", metric),
        ("cosine", metric) => ("c_", metric),
        _ => return None,
    };
    let metric = if metric == "precision@1_without_singletons" {
        "precision@1"
    } else {
        metric
    };
    (!metric.starts_with("neighbours")).then(|| format!("{prefix}{metric}"))
}

/// Our name for a density or spectrum of the fixture.
fn other_name(theirs: &str) -> Option<String> {
    if let Some(metric) = theirs.strip_prefix("dists.") {
        let (space, metric) = metric.split_once('_')?;
        return Some(format!(
            "{}dists@{metric}",
            if space == "cosine" { "" } else { "e_" }
        ));
    }
    let (m, values) = theirs
        .strip_prefix("rho_spectrum@")?
        .split_once(".n_values_")?;
    Some(format!(
        "rho_spectrum{}@{m}",
        if values == "D" { "_full" } else { "" }
    ))
}

#[test]
fn golden_full_sets() {
    for set in of_kind(Kind::Full) {
        let mut computed = Computed::default();
        let names: Vec<(String, String)> = set
            .expected
            .keys()
            .filter_map(|theirs| {
                Some((
                    theirs.clone(),
                    retrieval_name(theirs).or(other_name(theirs))?,
                ))
            })
            .collect();
        computed.metrics(&set, &names);
        computed.neighbours(&set, "euclidean.neighbours_top10", Space::Euclidean, 10);
        computed.neighbours(&set, "cosine.neighbours_top10", Space::Cosine, 10);
        for name in set
            .inputs
            .keys()
            .filter(|name| name.starts_with("clusters_"))
        {
            computed.clusters(&set, name);
        }
        computed.kmeans(&set);
        let singular = singular_values(&set.floats("features"), set.dim()).unwrap();
        computed.0.insert("singular_values".into(), singular);
        computed.check(&set, TOLERANCE);
    }
}

#[test]
fn golden_rank_deficient_spectrum() {
    for set in of_kind(Kind::RankDeficient) {
        let singular = singular_values(&set.floats("features"), set.dim()).unwrap();
        let rank = set.entry["exact_rank"].as_u64().unwrap() as usize;
        let mut computed = Computed::default();
        for (label, floor) in [("1e-12", FLOOR), ("1e-6", 1e-6)] {
            for m in [1, 2, -1] {
                let (value, floored) = spectral_decay(&singular, m, floor).unwrap();
                computed.scalar(format!("rho_spectrum@{m}.floor{label}"), value);
                assert_eq!(
                    floored,
                    set.dim() - rank,
                    "the floor acts on every zero and on nothing else"
                );
            }
        }
        computed.0.insert("singular_values".into(), singular);
        computed.check(&set, TOLERANCE);
    }
}

#[test]
fn golden_worked_example() {
    for set in of_kind(Kind::WorkedExample) {
        let mut computed = Computed::default();
        let pairs = [
            ("recall@1", "recall@1"),
            ("recall@2", "e_recall@2"),
            ("mAP_c", "mAP_c"),
            ("mAP_lim", "mAP_lim"),
            ("map_at_r", "map_at_r"),
            ("ap_full", "ap_full"),
            ("rho1", "rho_spectrum_full@1"),
            ("rho2", "rho_spectrum_full@2"),
            ("rho-1", "rho_spectrum_full@-1"),
            ("rho1_D-1", "rho_spectrum@1"),
            ("rho2_D-1", "rho_spectrum@2"),
        ];
        let pairs = pairs.map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned()));
        computed.metrics(&set, &pairs);
        computed.neighbours(&set, "neighbours", Space::Euclidean, 5);
        let labels = set.integers("labels");
        for (space, prefix, ratio) in [
            (Space::Cosine, "cos", "ratio"),
            (Space::Euclidean, "euc", "euc_ratio"),
        ] {
            let found =
                class_distances(&set.floats("features"), set.dim(), &labels, space).unwrap();
            computed.scalar(format!("{prefix}_intra"), found.intra.unwrap());
            computed.scalar(format!("{prefix}_inter"), found.inter.unwrap());
            computed.scalar(ratio, found.ratio().unwrap());
        }
        let table = Contingency::new(&labels, &set.integers("clusters"));
        computed.scalar("nmi_a", table.nmi(EntropyMean::Arithmetic));
        computed.scalar("nmi_g", table.nmi(EntropyMean::Geometric));
        computed.scalar("f1", table.pair_f1().unwrap());
        let singular = singular_values(&set.floats("features"), set.dim()).unwrap();
        computed.0.insert("singular_values".into(), singular);
        computed.check(&set, SINGLE);
    }
}
