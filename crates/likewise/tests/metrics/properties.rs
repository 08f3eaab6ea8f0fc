//! What must hold for any split.

use likewise::metric::{MetricValues, Space, Start, evaluate, kmeans};
use proptest::prelude::*;

use crate::data::{RandomSplit, assert_close};
use crate::degenerate::everything;

fn split() -> impl Strategy<Value = RandomSplit> {
    (any::<u64>(), 3usize..60, 1usize..9, 1u32..12)
        .prop_map(|(seed, rows, dim, classes)| RandomSplit::new(seed, rows, dim, classes))
}

fn run(split: &RandomSplit, labels: &[u32]) -> MetricValues {
    evaluate(&split.embeddings, split.dim, labels, &everything(), 3).unwrap()
}

fn assert_equal(a: &MetricValues, b: &MetricValues, skip: impl Fn(&str) -> bool) {
    assert_eq!(a.notes, b.notes);
    for (name, value) in &a.scalars {
        let other = b.scalars[name];
        let allowed = 1e-9 * (1.0 + value.abs());
        let equal = skip(&name.to_string()) || (value - other).abs() <= allowed;
        assert!(equal, "{name}: {value} and {other}");
    }
    for (name, values) in &a.arrays {
        assert_close(&name.to_string(), values, &b.arrays[name], 1e-12, 0.0);
    }
}

/// Whether reordering may change a metric: k-means starts from other rows, and the divergences
/// depend on the logarithm of singular values that may be as small as the rounding of the largest
/// (the spectra themselves are compared).
fn depends_on_order(name: &str) -> bool {
    let name = name.trim_start_matches("c_");
    ["nmi", "nmi_geometric", "ami", "f1"].contains(&name) || name.starts_with("rho_spectrum")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_metric_is_in_its_range_or_noted(split in split()) {
        let values = run(&split, &split.labels);
        for (name, &value) in &values.scalars {
            let (least, largest) = name.range();
            let range = least - 1e-12..=largest + 1e-12;
            prop_assert!(range.contains(&value), "{}: {}", name, value);
        }
        for name in everything().iter() {
            let scalar = values.scalars.contains_key(&name);
            let found = scalar || values.arrays.contains_key(&name);
            prop_assert!(found || values.notes[&name].starts_with("undefined"), "{}", name);
        }
        for shares in values.arrays.values() {
            prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn names_of_classes_do_not_matter(split in split(), shift in 1u32..1000) {
        let rename = |&label: &u32| (1000 - label) * 7 + shift;
        let renamed: Vec<u32> = split.labels.iter().map(rename).collect();
        assert_equal(&run(&split, &split.labels), &run(&split, &renamed), |_| false);
    }

    #[test]
    fn order_of_distinct_rows_does_not_matter(seed: u64, rows in 3usize..50, dim in 2usize..8) {
        // No repeated rows: they tie, and ties go by index.
        let mut split = RandomSplit::with_repeats(seed, rows, dim, 4, 0.0);
        let values = run(&split, &split.labels);
        let order: Vec<usize> = (0..rows).rev().collect();
        let labels: Vec<u32> = order.iter().map(|&row| split.labels[row]).collect();
        split.embeddings = order.iter().flat_map(|&row| split.row(row).to_vec()).collect();
        assert_equal(&values, &run(&split, &labels), depends_on_order);
    }

    #[test]
    fn cosine_metrics_ignore_the_length_of_rows(split in split()) {
        let mut scaled = split.clone();
        // Powers of two, so that directions stay bit-equal.
        let factor = |at: usize| [0.25, 1.0, 4.0][at / split.dim % 3];
        scaled.embeddings.iter_mut().enumerate().for_each(|(at, value)| *value *= factor(at));
        let (before, after) = (run(&split, &split.labels), run(&scaled, &split.labels));
        for (name, value) in &before.scalars {
            if !name.to_string().starts_with("c_") {
                continue;
            }
            prop_assert_eq!(*value, after.scalars[name], "{}", name);
        }
    }

    #[test]
    fn a_longer_list_never_lowers_recall(split in split()) {
        let values = run(&split, &split.labels);
        for prefix in ["", "c_"] {
            let recall_at = |k| values.get(&format!("{prefix}recall@{k}")).unwrap();
            let recall = [1, 2, 5, 1000].map(recall_at);
            prop_assert!(recall.is_sorted(), "{:?}", recall);
        }
    }

    #[test]
    fn inertia_never_rises(split in split(), seed: u64, share in 0.0f64..1.0) {
        let clusters = 1 + (share * (split.rows() - 1) as f64) as usize;
        for space in [Space::Euclidean, Space::Cosine] {
            let start = Start::PlusPlus { clusters, seed };
            let found = kmeans(&split.embeddings, split.dim, space, start, 10).unwrap();
            for pair in found.inertia.windows(2) {
                prop_assert!(pair[1] <= pair[0] * (1.0 + 1e-12) + 1e-12, "{:?}", found.inertia);
            }
            prop_assert_eq!(found.inertia.len(), 11);
            let again = kmeans(&split.embeddings, split.dim, space, start, 10).unwrap();
            prop_assert_eq!(&found.assignment, &again.assignment, "a seed fixes the result");
        }
    }
}
