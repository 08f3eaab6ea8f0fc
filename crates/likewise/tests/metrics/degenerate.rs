//! Input that cannot be evaluated, and splits on which some metrics mean nothing.

use likewise::Error;
use likewise::metric::{
    Contingency, EntropyMean, METRICS, MetricSet, MetricValues, Parameter, Space, Start, evaluate,
    kmeans, nearest_neighbours, singular_values,
};

/// Every metric of the table, in both spaces.
pub fn everything() -> MetricSet {
    let names = METRICS.iter().flat_map(|metric| {
        let stem = metric
            .name
            .split("@k")
            .next()
            .unwrap()
            .split("@m")
            .next()
            .unwrap();
        let numbers: &[&str] = match metric.parameter {
            Parameter::None => &[""],
            Parameter::Neighbours => &["@1", "@2", "@5", "@1000"],
            Parameter::Spectrum => &["@0", "@1", "@2", "@-1", "@-3"],
        };
        let prefixes: &[&str] = if metric.space.is_some() {
            &["e_", "c_"]
        } else {
            &[""]
        };
        let spell = move |prefix: &&str| {
            numbers
                .iter()
                .map(move |n| format!("{prefix}{stem}{n}"))
                .collect::<Vec<_>>()
        };
        prefixes.iter().flat_map(spell).collect::<Vec<_>>()
    });
    MetricSet::parse(names).unwrap()
}

fn run(embeddings: &[f32], dim: usize, labels: &[u32]) -> Result<MetricValues, Error> {
    evaluate(embeddings, dim, labels, &everything(), 7)
}

#[test]
fn impossible_input_is_named() {
    for (embeddings, dim, labels, part) in [
        (vec![], 2, vec![], "no embeddings"),
        (vec![1.0, 2.0], 0, vec![0, 1], "dimension is 0"),
        (vec![1.0, 2.0], 2, vec![0], "one embedding only"),
        (vec![1.0; 5], 2, vec![0, 1], "not whole rows"),
        (vec![1.0; 4], 2, vec![0, 1, 1], "3 labels for 2 embeddings"),
    ] {
        let error = run(&embeddings, dim, &labels).unwrap_err();
        assert!(
            matches!(error, Error::Data(_)) && error.to_string().contains(part),
            "{error}"
        );
    }
    for bad in [f32::NAN, f32::INFINITY] {
        let error = run(&[1.0, 2.0, 3.0, 4.0, bad, 6.0], 2, &[0, 0, 1]).unwrap_err();
        assert!(matches!(error, Error::NotFinite(_)), "{error:?}");
        assert!(
            error.to_string().contains("embedding 2") && error.to_string().contains("column 0"),
            "{error}"
        );
    }
    assert!(nearest_neighbours(&[1.0, 2.0], 1, Space::Cosine, &[2], 1).is_err());
    let start = Start::PlusPlus {
        clusters: 3,
        seed: 0,
    };
    assert!(kmeans(&[1.0, 2.0], 1, Space::Euclidean, start, 1).is_err());
    assert!(kmeans(&[1.0, 2.0], 1, Space::Euclidean, Start::Centroids(&[]), 1).is_err());
    assert!(
        kmeans(
            &[1.0, 2.0],
            1,
            Space::Euclidean,
            Start::Centroids(&[f32::NAN]),
            1
        )
        .is_err()
    );
}

#[test]
fn a_split_of_singletons_has_misses_and_undefined_metrics_but_no_nan() {
    let values = run(&[0.0, 1.0, 1.0, 0.0, 2.0, 2.0], 2, &[5, 3, 9]).unwrap();
    assert_eq!(values.get("recall@1"), Some(0.0));
    assert_eq!(values.get("mAP"), Some(0.0));
    assert_eq!(
        values.get("nmi"),
        Some(1.0),
        "three clusters of one for three classes of one"
    );
    for name in [
        "map_at_r",
        "r_precision",
        "precision@1",
        "c_mean_reciprocal_rank",
        "f1",
        "dists@intra",
    ] {
        assert_eq!(values.get(name), None, "{name}");
        assert!(
            values.notes[&name.parse().unwrap()].starts_with("undefined"),
            "{name}"
        );
    }
    assert!(values.get("dists@inter").is_some());
}

#[test]
fn one_class_has_no_distance_between_classes() {
    let values = run(&[0.0, 1.0, 1.0, 0.0, 2.0, 2.0], 2, &[4, 4, 4]).unwrap();
    for name in [
        "recall@1",
        "map_at_r",
        "ap_full",
        "r_precision",
        "nmi",
        "ami",
        "f1",
    ] {
        assert_eq!(values.get(name), Some(1.0), "{name}");
    }
    assert_eq!(
        values.get("mAP"),
        Some(2.0 / 3.0),
        "the query counts in this denominator"
    );
    assert_eq!(values.get("dists@inter"), None);
    assert_eq!(values.get("dists@intra_over_inter"), None);
}

#[test]
fn collapsed_and_zero_embeddings_are_evaluated() {
    for value in [0.0, 3.0] {
        let values = run(&[value; 12], 2, &[0, 1, 0, 1, 2, 2]).unwrap();
        // All distances are equal: the nearest is the lowest index that is not the query.
        assert_eq!(values.get("recall@1"), Some(1.0 / 6.0));
        assert_eq!(values.get("c_recall@1"), Some(1.0 / 6.0));
        assert_eq!(
            values.get("nmi"),
            Some(0.0),
            "coincident points form one cluster"
        );
        assert_eq!(values.get("e_dists@intra"), Some(0.0));
        let cosine = if value == 0.0 { 1.0 } else { 0.0 };
        assert!((values.get("dists@intra").unwrap() - cosine).abs() < 1e-12);
        assert!(values.scalars.values().all(|value| value.is_finite()));
        let spectrum = "rho_spectrum_full@1".parse().unwrap();
        assert!(values.notes.contains_key(&spectrum), "floored or undefined");
        assert_eq!(values.scalars.contains_key(&spectrum), value != 0.0);
    }
}

#[test]
fn a_split_of_two_rows_in_one_dimension_is_evaluated() {
    let values = run(&[1.0, 2.0], 1, &[0, 0]).unwrap();
    assert_eq!(values.get("recall@1"), Some(1.0));
    assert_eq!(values.get("rho_spectrum@1"), None, "D − 1 = 0 values");
    assert_eq!(values.get("rho_spectrum_full@1"), Some(0.0));
}

#[test]
fn zero_rows_are_at_cosine_distance_one() {
    let values = run(&[0.0, 0.0, 1.0, 0.0, 1.0, 0.0], 2, &[0, 0, 0]).unwrap();
    // Pairs: (zero, x) twice at distance 1, (x, x) at distance 0.
    assert!((values.get("dists@intra").unwrap() - 2.0 / 3.0).abs() < 1e-12);
}

#[test]
fn contingency_corner_cases() {
    let table = Contingency::new(&[0, 0, 0], &[1, 1, 1]);
    assert_eq!(
        (
            table.nmi(EntropyMean::Arithmetic),
            table.nmi(EntropyMean::Geometric)
        ),
        (1.0, 1.0)
    );
    assert_eq!(table.ami(), 1.0);
    let table = Contingency::new(&[0, 1, 2], &[7, 7, 7]);
    assert_eq!((table.nmi(EntropyMean::Geometric), table.ami()), (0.0, 0.0));
    let table = Contingency::new(&[0, 1, 2], &[9, 8, 7]);
    assert_eq!((table.ami(), table.pair_f1()), (1.0, None));
}

#[test]
fn fewer_rows_than_dimensions_give_as_many_singular_values_as_rows() {
    let singular = singular_values(&[3.0, 0.0, 0.0, 0.0, 0.0, 4.0], 3).unwrap();
    assert_eq!(singular.len(), 2);
    assert!((singular[0] - 4.0).abs() < 1e-14 && (singular[1] - 3.0).abs() < 1e-14);
}
