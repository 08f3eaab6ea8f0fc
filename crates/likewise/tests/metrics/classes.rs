//! Values by class, averages over them, the worst class and confidence intervals.

use likewise::Error;
use likewise::metric::{
    Averaging, Bootstrap, ClassValues, MetricName, MetricSet, Side, evaluate_by_class,
    evaluate_query_gallery,
};
use likewise::random::{Purpose, stream};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::data::RandomSplit;
use crate::degenerate::everything;

fn name(text: &str) -> MetricName {
    text.parse().unwrap()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * (1.0 + b.abs())
}

#[test]
fn averages_are_those_of_the_classes() {
    let split = RandomSplit::new(5, 120, 4, 9);
    let (values, classes) =
        evaluate_by_class(&split.embeddings, 4, &split.labels, &everything(), 1).unwrap();
    assert_eq!(classes.queries(), 120);
    assert_eq!(classes.unmatched_queries(), 1, "one class of one");
    for &name in classes.names() {
        let each: Vec<(f64, f64)> = (0..classes.classes().len())
            .filter_map(|class| {
                let queries = classes.classes()[class].queries;
                Some((classes.value(class, name)?, queries as f64))
            })
            .collect();
        let queries: f64 = each.iter().map(|(_, queries)| queries).sum();
        let micro = each
            .iter()
            .map(|(value, queries)| value * queries)
            .sum::<f64>()
            / queries;
        let macro_average = each.iter().map(|(value, _)| value).sum::<f64>() / each.len() as f64;
        assert!(
            close(classes.mean(name, Averaging::Queries).unwrap(), micro),
            "{name}"
        );
        assert!(
            close(
                classes.mean(name, Averaging::Classes).unwrap(),
                macro_average
            ),
            "{name}"
        );
        assert_eq!(
            values.scalars[&name],
            classes.mean(name, Averaging::Queries).unwrap()
        );
    }
    assert_eq!(classes.mean(name("nmi"), Averaging::Queries), None);
}

#[test]
fn the_worst_class_has_the_smallest_recall_and_at_least_two_members() {
    // Class 3 finds itself, class 5 finds 8, class 8 finds 5, and class 9 is alone.
    let embeddings = [0.0, 0.1, 10.0, 30.0, 10.1, 30.1, 50.0];
    let labels = [3, 3, 5, 5, 8, 8, 9];
    let request = MetricSet::parse(["worst_class_recall@1", "worst_class_recall@3"]).unwrap();
    let (values, classes) = evaluate_by_class(&embeddings, 1, &labels, &request, 0).unwrap();
    assert_eq!(values.get("worst_class_recall@1"), Some(0.0));
    let worst = classes.worst(name("worst_class_recall@1")).unwrap();
    assert_eq!(
        (worst.class.label, worst.class.queries, worst.value),
        (5, 2, 0.0)
    );
    assert_eq!(values.scalars.len(), 2, "recall itself was not asked for");
    let best = classes.value(0, name("recall@1"));
    assert_eq!((classes.classes()[0].label, best), (3, Some(1.0)));
    let (values, classes) = evaluate_by_class(&[0.0, 1.0], 1, &[0, 1], &request, 0).unwrap();
    assert_eq!(classes.worst(name("recall@1")), None);
    assert!(values.notes[&name("worst_class_recall@1")].contains("two members"));
}

/// The interval by its definition: classes drawn one by one, the value of all their queries.
fn interval_twin(classes: &ClassValues, name: MetricName, how: &Bootstrap) -> (f64, f64) {
    let count = classes.classes().len();
    let mut values: Vec<f64> = (0..how.resamples)
        .map(|resample| {
            let mut random = stream(how.seed, Purpose::Bootstrap, 0, resample, 0);
            let (mut sum, mut queries) = (0.0, 0.0);
            for _ in 0..count {
                let class = random.random_range(0..count);
                let weight = classes.classes()[class].queries as f64;
                if let Some(value) = classes.value(class, name) {
                    sum += value * weight;
                    queries += weight;
                }
            }
            sum / queries
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let place = share * (values.len() - 1) as f64;
        let (below, above) = (values[place as usize], values[place.ceil() as usize]);
        below + (above - below) * place.fract()
    };
    let outside = (1.0 - how.confidence) / 2.0;
    (quantile(outside), quantile(1.0 - outside))
}

#[test]
fn intervals_equal_their_definition() {
    let split = RandomSplit::new(6, 200, 3, 25);
    let (_, classes) =
        evaluate_by_class(&split.embeddings, 3, &split.labels, &everything(), 1).unwrap();
    for confidence in [0.5, 0.95] {
        let how = Bootstrap {
            resamples: 120,
            confidence,
            seed: 9,
        };
        let found = classes.intervals(Averaging::Queries, &how).unwrap();
        assert_eq!(found.len(), classes.names().len());
        for (&name, interval) in &found {
            let (low, high) = interval_twin(&classes, name, &how);
            assert!(
                close(interval.low, low) && close(interval.high, high),
                "{name}"
            );
        }
        assert_eq!(found, classes.intervals(Averaging::Queries, &how).unwrap());
    }
}

#[test]
fn an_interval_holds_the_truth_as_often_as_it_says() {
    let request = MetricSet::parse(["recall@1"]).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let (truth, classes, experiments) = (0.6, 80u32, 400);
    let mut held = [0; 2];
    for seed in 0..experiments {
        // A query at 10·c finds its class at distance 0 or, with a decoy nearer, at 4.
        let labels: Vec<u32> = (0..classes).collect();
        let queries: Vec<f32> = labels.iter().map(|&c| c as f32 * 10.0).collect();
        let place = |query: &f32| {
            if random.random_bool(truth) {
                *query
            } else {
                query + 4.0
            }
        };
        let mut gallery: Vec<f32> = queries.iter().map(place).collect();
        gallery.extend(queries.iter().map(|query| query + 1.0));
        let mut gallery_labels = labels.clone();
        gallery_labels.extend(labels.iter().map(|_| classes));
        let side = |embeddings, labels| Side {
            embeddings,
            dim: 1,
            labels,
        };
        let (_, values) = evaluate_query_gallery(
            side(&queries, &labels),
            side(&gallery, &gallery_labels),
            &request,
        )
        .unwrap();
        let how = Bootstrap {
            resamples: 300,
            confidence: 0.9,
            seed,
        };
        for (held, averaging) in held
            .iter_mut()
            .zip([Averaging::Queries, Averaging::Classes])
        {
            let found = values.intervals(averaging, &how).unwrap()[&name("recall@1")];
            *held += u32::from(found.low <= truth && truth <= found.high);
        }
    }
    for held in held {
        let share = f64::from(held) / experiments as f64;
        assert!((0.84..=0.95).contains(&share), "{share} instead of 0.9");
    }
}

#[test]
fn intervals_that_cannot_be_made_are_refused_or_left_out() {
    let split = RandomSplit::new(6, 30, 3, 4);
    let (_, classes) =
        evaluate_by_class(&split.embeddings, 3, &split.labels, &everything(), 1).unwrap();
    for (resamples, confidence) in [(0, 0.9), (10, 0.0), (10, 1.0), (10, f64::NAN), (10, 95.0)] {
        let how = Bootstrap {
            resamples,
            confidence,
            seed: 0,
        };
        let error = classes.intervals(Averaging::Queries, &how).unwrap_err();
        assert!(matches!(error, Error::Recipe(_)), "{error}");
    }
    let one = [0.0, 1.0, 2.0];
    let (_, classes) = evaluate_by_class(&one, 1, &[4, 4, 4], &everything(), 0).unwrap();
    let found = classes
        .intervals(Averaging::Queries, &Bootstrap::default())
        .unwrap();
    assert!(
        found.is_empty(),
        "one class says nothing about other classes"
    );
    let (_, classes) = evaluate_by_class(&one, 1, &[4, 4, 5], &everything(), 0).unwrap();
    let found = classes
        .intervals(Averaging::Queries, &Bootstrap::default())
        .unwrap();
    assert!(found.contains_key(&name("recall@1")));
    assert!(!found.contains_key(&name("map_at_r")), "one class counts");
    let none = ClassValues::default();
    assert!(
        none.intervals(Averaging::Classes, &Bootstrap::default())
            .unwrap()
            .is_empty()
    );
}
