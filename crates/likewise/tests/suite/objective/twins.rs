//! Objectives against plain loops in double precision, and their gradients against central
//! differences of the loops: for a batch with itself, and with a memory.

use std::collections::BTreeMap;

use burn::tensor::Device;
use likewise::miner::TupleKind;

use super::problem::Problem;
use crate::support::{Case, assert_close, assert_close_norm, values};

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("objective::loops_agree", loops_agree),
        Case::new(
            "objective::finite_differences_agree",
            finite_differences_agree,
        ),
        Case::new("objective::padding_does_not_count", padding_does_not_count),
        Case::new(
            "objective::statistics_count_tuples",
            statistics_count_tuples,
        ),
        Case::new(
            "objective::large_exponents_do_not_overflow",
            large_exponents,
        ),
    ]
}

/// An objective and its loops.
struct Twin {
    text: &'static str,
    kind: TupleKind,
    naive: fn(&Problem) -> f64,
}

const fn twin(text: &'static str, kind: TupleKind, naive: fn(&Problem) -> f64) -> Twin {
    Twin { text, kind, naive }
}

const TWINS: &[Twin] = &[
    twin("name = 'contrastive'", TupleKind::Triplets, |p| {
        p.contrastive(0.0, 1.0)
    }),
    twin(
        "name = 'contrastive'\npos_margin = 0.3\nneg_margin = 1.3",
        TupleKind::Triplets,
        |p| p.contrastive(0.3, 1.3),
    ),
    twin(
        "name = 'contrastive'\npos_margin = 0.3\nneg_margin = 1.3",
        TupleKind::PairSets,
        |p| p.contrastive_over_pairs(0.3, 1.3),
    ),
    twin("name = 'triplet'", TupleKind::Triplets, |p| p.triplet(0.2)),
    twin("name = 'triplet'\nmargin = 1.5", TupleKind::Triplets, |p| {
        p.triplet(1.5)
    }),
    twin("name = 'margin'", TupleKind::Triplets, |p| {
        p.margin(0.2, 1.2, false)
    }),
    twin(
        "name = 'margin'\nactive_count = 'triplets'",
        TupleKind::Triplets,
        |p| p.margin(0.2, 1.2, true),
    ),
    twin(
        "name = 'margin'\nbeta = 0.6\nbeta_constant = true",
        TupleKind::Triplets,
        |p| p.margin(0.2, 0.6, false),
    ),
    twin(
        "name = 'margin'\nbeta = 0.6\nnu = 0.01",
        TupleKind::Triplets,
        |p| p.margin(0.2, 0.6, false) + 0.01 * 0.6 * p.triplets.len() as f64,
    ),
    twin("name = 'snr'", TupleKind::Triplets, |p| p.snr(0.2, 0.005)),
    twin(
        "name = 'snr'\nmargin = 0.7\nreg_lambda = 0.3",
        TupleKind::Triplets,
        |p| p.snr(0.7, 0.3),
    ),
    twin("name = 'quadruplet'", TupleKind::Quadruplets, |p| {
        p.quadruplet(0.2, 0.2, 0.0)
    }),
    twin(
        "name = 'quadruplet'\nmargin_alpha_1 = 1.0\nmargin_alpha_2 = 0.5\ndistance_eps = 0.01",
        TupleKind::Quadruplets,
        |p| p.quadruplet(1.0, 0.5, 0.01),
    ),
    twin("name = 'npair'", TupleKind::NPairs, |p| p.npair(0.005)),
    twin("name = 'npair'\nl2 = 0.0", TupleKind::NPairs, |p| {
        p.npair(0.0)
    }),
    twin("name = 'angular'", TupleKind::NPairs, |p| {
        p.angular(45.0, 2.0, 0.005)
    }),
    twin(
        "name = 'angular'\nalpha_degrees = 36\nang_weight = 0.5\nl2 = 0.1",
        TupleKind::NPairs,
        |p| p.angular(36.0, 0.5, 0.1),
    ),
    twin("name = 'lifted'", TupleKind::PairSets, |p| {
        p.lifted(1.0, 0.005, 0.0)
    }),
    twin(
        "name = 'lifted'\nneg_margin = 0.4\nl2 = 0.0\ndistance_eps = 0.01",
        TupleKind::PairSets,
        |p| p.lifted(0.4, 0.0, 0.01),
    ),
    twin("name = 'multisimilarity'", TupleKind::None, |p| {
        p.multisimilarity(2.0, 40.0, 0.1, 0.5)
    }),
    twin(
        "name = 'multisimilarity'\nneg_weight = 50\nthresh = 1.0",
        TupleKind::None,
        |p| p.multisimilarity(2.0, 50.0, 0.1, 1.0),
    ),
    twin(
        "name = 'multisimilarity'\npos_weight = 3\nneg_weight = 4\nmargin = 0.4\nthresh = 0.2",
        TupleKind::None,
        |p| p.multisimilarity(3.0, 4.0, 0.4, 0.2),
    ),
    twin("name = 'histogram'", TupleKind::None, |p| p.histogram(65)),
    twin("name = 'histogram'\nn_bins = 2", TupleKind::None, |p| {
        p.histogram(2)
    }),
    twin("name = 'histogram'\nn_bins = 12", TupleKind::None, |p| {
        p.histogram(12)
    }),
    twin("name = 'circle'", TupleKind::None, |p| p.circle(0.4, 80.0)),
    twin(
        "name = 'circle'\nm = 0.25\ngamma = 3",
        TupleKind::PairSets,
        |p| p.circle(0.25, 3.0),
    ),
    twin("name = 'ntxent'", TupleKind::None, |p| p.ntxent(0.07)),
    twin(
        "name = 'ntxent'\ntemperature = 0.5",
        TupleKind::PairSets,
        |p| p.ntxent(0.5),
    ),
    twin("name = 'supcon'", TupleKind::None, |p| p.supcon(0.1)),
    twin(
        "name = 'supcon'\ntemperature = 0.5",
        TupleKind::PairSets,
        |p| p.supcon(0.5),
    ),
    twin("name = 'fastap'", TupleKind::None, |p| p.fastap(10)),
    twin("name = 'fastap'\nnum_bins = 1", TupleKind::None, |p| {
        p.fastap(1)
    }),
    twin("name = 'fastap'\nnum_bins = 23", TupleKind::None, |p| {
        p.fastap(23)
    }),
    twin("name = 'smoothap'", TupleKind::None, |p| {
        p.smoothap(0.01, true)
    }),
    twin(
        "name = 'smoothap'\ntemperature = 0.2",
        TupleKind::None,
        |p| p.smoothap(0.2, true),
    ),
    twin(
        "name = 'smoothap'\ntemperature = 0.2\ninclude_query = false",
        TupleKind::None,
        |p| p.smoothap(0.2, false),
    ),
];

impl Twin {
    /// The problems it is tested on: all pairs and, where it takes sets of them, a part.
    fn problems(&self) -> Vec<Problem> {
        let mut problems = vec![
            Problem::by_angle(),
            Problem::scattered(),
            Problem::by_angle().with_memory(),
            Problem::scattered().with_memory(),
        ];
        if self.kind == TupleKind::PairSets {
            let part = problems.clone().into_iter();
            problems.extend(part.map(|problem| Problem {
                subset: true,
                ..problem
            }));
        }
        problems
    }
}

fn loops_agree(device: &Device) {
    let device = &device.clone().autodiff();
    for twin in TWINS {
        for problem in twin.problems() {
            let what = format!("{} of {} anchors", twin.text, problem.anchors);
            let leaf = problem.leaf(device);
            let outcome = problem.forward(twin.text, twin.kind, 0, leaf, device);
            let expected = (twin.naive)(&problem);
            assert!(expected > 0.0, "{what}: nothing to compare");
            assert_close(&what, &values(outcome.loss), &[expected], 1e-6, 2e-5);
        }
    }
}

/// Gradients against central differences of the loops, in double precision.
fn finite_differences_agree(device: &Device) {
    const STEP: f64 = 1e-6;
    let device = &device.clone().autodiff();
    for twin in TWINS {
        for mut problem in twin.problems() {
            let what = format!("{} of {} anchors", twin.text, problem.anchors);
            let leaf = problem.leaf(device);
            let outcome = problem.forward(twin.text, twin.kind, 0, leaf.clone(), device);
            let actual = values(leaf.grad(&outcome.loss.backward()).unwrap());
            problem.fixed = Some(problem.points.clone());
            let mut expected = Vec::new();
            for row in 0..problem.anchors {
                for axis in 0..problem.points[row].len() {
                    let middle = problem.points[row][axis];
                    let mut at = |value| {
                        problem.points[row][axis] = value;
                        (twin.naive)(&problem)
                    };
                    expected.push((at(middle + STEP) - at(middle - STEP)) / (2.0 * STEP));
                    problem.points[row][axis] = middle;
                }
            }
            assert_close_norm(&what, &actual, &expected, 1e-5, 1e-5);
        }
    }
}

fn padding_does_not_count(device: &Device) {
    let device = &device.clone().autodiff();
    let problem = Problem::scattered();
    for Twin { text, kind, .. } in TWINS {
        let run = |length| {
            let leaf = problem.leaf(device);
            let outcome = problem.forward(text, *kind, length, leaf.clone(), device);
            let gradients = outcome.loss.backward();
            (values(outcome.loss), values(leaf.grad(&gradients).unwrap()))
        };
        let ((loss, gradient), (padded_loss, padded_gradient)) = (run(0), run(17));
        assert_close(text, &padded_loss, &loss, 0.0, 1e-6);
        assert_close_norm(text, &padded_gradient, &gradient, 0.0, 1e-6);
    }
}

fn statistics_count_tuples(device: &Device) {
    let device = &device.clone().autodiff();
    let problem = Problem::by_angle();
    let statistics = |name: &str, kind| -> BTreeMap<&'static str, f64> {
        let text = format!("name = '{name}'");
        let outcome = problem.forward(&text, kind, 0, problem.leaf(device), device);
        let statistics = outcome.statistics.into_iter();
        statistics.map(|s| (s.name, values(s.value)[0])).collect()
    };
    let active = |loss: &dyn Fn(f64, f64) -> f64| {
        let each = problem.triplets.iter();
        each.map(|&[a, p, n]| loss(problem.squared(a, p), problem.squared(a, n)))
            .filter(|&loss| loss > 0.0)
            .count() as f64
    };
    let triplet = statistics("triplet", TupleKind::Triplets);
    assert_eq!(triplet["tuples"], 10.0);
    assert_eq!(triplet["active_tuples"], active(&|p, n| p - n + 0.2));
    let margin = statistics("margin", TupleKind::Triplets);
    let pulls = active(&|p, _| p.sqrt() - 1.0);
    let pushes = active(&|_, n| 1.4 - n.sqrt());
    assert_eq!(margin["active_terms"], pulls + pushes);
    assert!(statistics("multisimilarity", TupleKind::None)["active_anchors"] > 0.0);
    let quadruplet = statistics("quadruplet", TupleKind::Quadruplets);
    assert_eq!(quadruplet["tuples"], 10.0);
    assert_eq!(quadruplet["tuples_with_second_negative"], 9.0);
    for (name, kind) in [
        ("npair", TupleKind::NPairs),
        ("angular", TupleKind::NPairs),
        ("lifted", TupleKind::PairSets),
        ("circle", TupleKind::None),
        ("supcon", TupleKind::None),
        ("fastap", TupleKind::None),
    ] {
        assert_eq!(statistics(name, kind)["anchors"], 8.0, "{name}");
    }
    assert_eq!(statistics("smoothap", TupleKind::None)["anchors"], 9.0);
    let histogram = statistics("histogram", TupleKind::None);
    assert_eq!(histogram["positive_pairs"], 7.0);
    assert_eq!(histogram["negative_pairs"], 29.0);
    let ntxent = statistics("ntxent", TupleKind::None);
    assert_eq!(ntxent["positive_pairs"], 14.0);
    assert!(ntxent["active_pairs"] > 0.0);
}

/// Exponents beyond single precision (e^400) give the right loss and a finite gradient.
fn large_exponents(device: &Device) {
    let device = &device.clone().autodiff();
    let problem = Problem::by_angle();
    let text = "name = 'multisimilarity'\nneg_weight = 800.0\npos_weight = 500.0";
    let leaf = problem.leaf(device);
    let outcome = problem.forward(text, TupleKind::None, 0, leaf.clone(), device);
    let loss = values(outcome.loss.clone());
    let gradient = values(leaf.grad(&outcome.loss.backward()).unwrap());
    let expected = problem.multisimilarity(500.0, 800.0, 0.1, 0.5);
    assert_close(text, &loss, &[expected], 1e-6, 2e-5);
    assert!(gradient.iter().all(|g| g.is_finite()));
}
