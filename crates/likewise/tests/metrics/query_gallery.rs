//! Queries against a separate gallery.

use likewise::Error;
use likewise::metric::{MetricSet, Side, evaluate, evaluate_query_gallery};
use likewise::train::EmbeddedSplit;

use crate::data::RandomSplit;
use crate::degenerate::everything;

fn retrieval() -> MetricSet {
    everything()
        .iter()
        .filter(|name| name.is_retrieval())
        .collect()
}

fn side(split: &RandomSplit) -> Side<'_> {
    Side {
        embeddings: &split.embeddings,
        dim: split.dim,
        labels: &split.labels,
    }
}

/// Relevance of the whole gallery, nearest first.
fn relevance(queries: &RandomSplit, gallery: &RandomSplit, query: usize) -> Vec<bool> {
    let distance = |row: usize| -> f64 {
        let pairs = queries.row(query).iter().zip(gallery.row(row));
        pairs
            .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
            .sum()
    };
    let mut rows: Vec<usize> = (0..gallery.rows()).collect();
    rows.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
    let label = queries.labels[query];
    rows.iter()
        .map(|&row| gallery.labels[row] == label)
        .collect()
}

fn average_precision(relevance: &[bool], places: usize, denominator: usize) -> f64 {
    let hits = |places: usize| relevance[..places].iter().filter(|&&hit| hit).count() as f64;
    let places = (1..=places.min(relevance.len())).filter(|&place| relevance[place - 1]);
    places.map(|place| hits(place) / place as f64).sum::<f64>() / denominator as f64
}

#[test]
fn metrics_equal_their_definitions() {
    for seed in 0..4 {
        let queries = RandomSplit::new(seed, 41, 3, 8);
        // Fewer classes: those of some queries are absent.
        let mut gallery = RandomSplit::new(seed + 10, 67, 3, 6);
        // Ties, and the same image on both sides.
        gallery
            .embeddings
            .splice(0..30, queries.embeddings[0..30].iter().copied());
        let (values, classes) =
            evaluate_query_gallery(side(&queries), side(&gallery), &retrieval()).unwrap();
        let lists: Vec<Vec<bool>> = (0..41)
            .map(|query| relevance(&queries, &gallery, query))
            .collect();
        let positives = |list: &[bool]| list.iter().filter(|&&hit| hit).count();
        let mean_of = |each: Vec<f64>| each.iter().sum::<f64>() / each.len() as f64;
        let over_all = |value: &dyn Fn(&[bool]) -> f64| {
            mean_of(lists.iter().map(|list| value(list)).collect())
        };
        let over_matched = |value: &dyn Fn(&[bool]) -> f64| {
            let matched = lists.iter().filter(|list| positives(list) > 0);
            mean_of(matched.map(|list| value(list)).collect())
        };
        let unmatched = lists.iter().filter(|list| positives(list) == 0).count();
        assert!(unmatched > 0 && unmatched == classes.unmatched_queries());
        let size = |list: &[bool]| positives(list).max(1);
        for (name, expected) in [
            (
                "recall@2",
                over_all(&|list| f64::from(u8::from(list[..2].contains(&true)))),
            ),
            (
                "precision@5",
                over_matched(&|list| positives(&list[..5]) as f64 / 5.0),
            ),
            (
                "precision@1000",
                over_matched(&|list| positives(list) as f64 / 1000.0),
            ),
            (
                "map_at_r",
                over_matched(&|list| average_precision(list, size(list), size(list))),
            ),
            (
                "ap_full",
                over_matched(&|list| average_precision(list, 67, size(list))),
            ),
            (
                "mAP",
                over_all(&|list| average_precision(list, 67, size(list))),
            ),
            (
                "mAP_c",
                over_all(&|list| average_precision(list, size(list), size(list))),
            ),
        ] {
            let value = values.get(name).unwrap();
            assert!(
                (value - expected).abs() < 1e-12,
                "{name}: {value}, not {expected}"
            );
        }
    }
}

#[test]
fn an_equal_row_of_the_gallery_is_found() {
    let queries = Side {
        embeddings: &[1.0, 2.0],
        dim: 2,
        labels: &[7],
    };
    let gallery = Side {
        embeddings: &[0.0, 0.0, 1.0, 2.0],
        dim: 2,
        labels: &[3, 7],
    };
    let (values, classes) = evaluate_query_gallery(queries, gallery, &retrieval()).unwrap();
    for name in [
        "recall@1",
        "c_recall@1",
        "map_at_r",
        "mAP",
        "mAP_c",
        "worst_class_recall@1",
    ] {
        assert_eq!(values.get(name), Some(1.0), "{name}");
    }
    assert_eq!(classes.unmatched_queries(), 0);
}

#[test]
fn queries_without_their_class_miss_and_the_rest_is_undefined() {
    let queries = Side {
        embeddings: &[1.0, 2.0],
        dim: 1,
        labels: &[7, 8],
    };
    let gallery = Side {
        embeddings: &[1.0],
        dim: 1,
        labels: &[3],
    };
    let (values, classes) = evaluate_query_gallery(queries, gallery, &retrieval()).unwrap();
    assert_eq!(classes.unmatched_queries(), 2);
    assert_eq!(
        (values.get("recall@1"), values.get("mAP")),
        (Some(0.0), Some(0.0))
    );
    assert_eq!(values.get("map_at_r"), None);
    let note = &values.notes[&"map_at_r".parse().unwrap()];
    assert!(note.contains("in the gallery"), "{note}");
}

#[test]
fn impossible_input_names_its_side() {
    let good = Side {
        embeddings: &[1.0, 2.0],
        dim: 1,
        labels: &[7, 8],
    };
    let run = |queries, gallery| {
        evaluate_query_gallery(queries, gallery, &retrieval())
            .unwrap_err()
            .to_string()
    };
    let bad = |embeddings: &'static [f32], dim, labels: &'static [u32]| Side {
        embeddings,
        dim,
        labels,
    };
    for (side, part) in [
        (bad(&[], 1, &[]), "no query embeddings"),
        (bad(&[1.0], 0, &[0]), "dimension 0"),
        (bad(&[1.0, 2.0, 3.0], 2, &[0]), "whole rows"),
        (bad(&[1.0, 2.0], 1, &[0]), "1 labels for 2 embeddings"),
        (
            bad(&[1.0, f32::NAN], 1, &[0, 0]),
            "query embedding 1 holds NaN in column 0",
        ),
        (
            bad(&[1.0, 2.0], 2, &[0]),
            "2 dimensions, those of the gallery 1",
        ),
    ] {
        let text = run(side, good);
        assert!(text.contains(part), "{text}");
    }
    let text = run(good, bad(&[f32::INFINITY], 1, &[0]));
    assert!(text.contains("gallery embedding 0 holds inf"), "{text}");
    let error = evaluate_query_gallery(good, good, &everything()).unwrap_err();
    assert!(matches!(error, Error::Recipe(_)));
    assert!(
        error.to_string().contains("`nmi` describes one set"),
        "{error}"
    );
}

#[test]
fn a_split_with_a_gallery_is_searched_there_and_described_as_a_whole() {
    let rows = [
        [0.0f32, 1.0],
        [0.1, 0.9],
        [1.0, 0.0],
        [0.9, 0.2],
        [0.0, 0.8],
        [0.7, 0.1],
    ];
    let split = EmbeddedSplit {
        values: rows.concat(),
        dim: 2,
        labels: vec![0, 0, 1, 1, 1, 0],
        rows: (0..6).collect(),
        gallery: Some(vec![false, true, false, true, true, true]),
    };
    let (queries, gallery) = split.queries_and_gallery().unwrap();
    assert_eq!(
        (queries.rows.as_slice(), gallery.rows.as_slice()),
        (&[0, 2][..], &[1, 3, 4, 5][..])
    );
    let names = |names: &[&str]| MetricSet::parse(names).unwrap();
    let (values, _) = split
        .evaluate(&names(&["recall@1", "nmi", "dists@intra"]), 3)
        .unwrap();
    let (searched, _) =
        evaluate_query_gallery(queries.side(), gallery.side(), &names(&["recall@1"])).unwrap();
    let described = names(&["nmi", "dists@intra"]);
    let whole = evaluate(&split.values, 2, &split.labels, &described, 3).unwrap();
    for (name, value) in searched.scalars.iter().chain(&whole.scalars) {
        assert_eq!(values.scalars.get(name), Some(value), "{name}");
    }
    assert_eq!(values.scalars.len(), 3);
    let alone = EmbeddedSplit {
        gallery: None,
        ..split
    };
    assert!(alone.queries_and_gallery().is_none());
}
