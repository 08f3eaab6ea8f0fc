//! The objective of the chapter "Add your own objective": the chapter shows exactly this code, and
//! the code does what the chapter says.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use likewise::batch::BatchLabels;
use likewise::miner::Tuples;
use likewise::objective::{RankingObjective, Setting};
use likewise::pairwise::Pairwise;

mod binomial_deviance;

likewise::objectives! {
    BinomialDeviance(binomial_deviance::BinomialDeviance, binomial_deviance::BinomialDevianceConfig) "binomial_deviance", Pairs, [None], Any, ["threshold"], "Binomial deviance", "Yi et al., Deep Metric Learning for Practical Person Re-Identification, 2014";
}

const PAGE: &str = include_str!("../../../../docs/src/own-objective.md");

/// The code blocks of the chapter by language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("\n```{language}\n");
    let parts = PAGE.split(&*fence).skip(1);
    parts
        .map(|part| &part[..part.find("```").expect("the end of a code block")])
        .collect()
}

/// The recipe's objective as the chapter shows it.
fn config() -> ObjectiveConfig {
    #[derive(serde::Deserialize)]
    struct Recipe {
        objective: ObjectiveConfig,
    }
    let recipe: Recipe = toml::from_str(blocks("toml")[0]).unwrap();
    recipe.objective
}

#[test]
fn the_chapter_shows_this_code() {
    let code = blocks("rust,ignore");
    assert_eq!(code.len(), 2);
    assert_eq!(code[0], include_str!("binomial_deviance.rs"));
    assert!(include_str!("main.rs").contains(&format!("\n\n{}\n", code[1])));
}

#[test]
fn its_settings_are_those_of_the_table() {
    let ObjectiveConfig::BinomialDeviance(settings) = config();
    assert_eq!(settings.alpha, 4.0);
    assert_eq!(settings.negative_cost, 2.0);
    assert_eq!(settings.threshold, 0.5, "left at its default");
    assert_eq!(config().learning_rate(), Some(0.01));
    let entry = config().entry();
    assert_eq!(entry.name, TABLE[0].name);
    assert!(!entry.needs_miner());
    let named = toml::to_string(&(entry.default)()).unwrap();
    for line in ["name = \"binomial_deviance\"", "threshold = 0.5"] {
        assert!(named.contains(line), "{named}");
    }
}

#[test]
fn a_bad_value_is_refused_by_key() {
    for line in [
        "alpha = 0.0",
        "negative_cost = -1.0",
        "threshold = 1.5",
        "learning_rate = nan",
    ] {
        let text = format!("name = \"binomial_deviance\"\n{line}");
        let config: ObjectiveConfig = toml::from_str(&text).unwrap();
        let error = config.validate().unwrap_err().to_string();
        let key = line.split(' ').next().unwrap();
        assert!(error.contains(&format!("objective.{key}")), "{error}");
    }
    let unknown = toml::from_str::<ObjectiveConfig>("name = \"binomial_deviance\"\nbeta = 1.0");
    assert!(unknown.unwrap_err().to_string().contains("beta"));
}

/// Loss, gradient of the embeddings and of the threshold.
fn evaluate(
    objective: &Objective,
    points: &[Vec<f64>],
    labels: &[u32],
) -> (f64, Vec<f64>, Option<f64>) {
    let device = Device::flex().autodiff();
    let values: Vec<f32> = points.concat().iter().map(|&value| value as f32).collect();
    let data = TensorData::new(values, [points.len(), points[0].len()]);
    let leaf = Tensor::<2>::from_data(data, &device).require_grad();
    let labels = BatchLabels::new(labels, &device);
    let outcome = objective
        .forward(&Pairwise::new(leaf.clone()), &labels, &Tuples::None)
        .unwrap();
    let gradients = outcome.loss.backward();
    let Objective::BinomialDeviance(objective) = objective;
    let threshold = objective.threshold.val().grad(&gradients);
    (
        read(outcome.loss)[0],
        read(leaf.grad(&gradients).unwrap()),
        threshold.map(|gradient| read(gradient)[0]),
    )
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_to_vec().unwrap()
}

fn objective(config: &ObjectiveConfig) -> Objective {
    let setting = Setting {
        classes: 3,
        dimension: 2,
        seed: 0,
    };
    config.init(setting, &Device::flex().autodiff()).unwrap()
}

const LABELS: [u32; 7] = [0, 1, 2, 0, 1, 0, 1];

fn points() -> Vec<Vec<f64>> {
    let coordinate = |i: usize, k: usize| ((i * 5 + k * 3 + 1) as f64 * 1.37).sin() + 0.2;
    (0..7)
        .map(|i| (0..2).map(|k| coordinate(i, k)).collect())
        .collect()
}

/// The loss in plain loops and double precision.
fn naive(points: &[Vec<f64>], alpha: f64, cost: f64, threshold: f64) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (mut sums, mut counts) = ([0.0, 0.0], [0.0, 0.0]);
    for (i, a) in points.iter().enumerate() {
        for (j, b) in points.iter().enumerate().filter(|(j, _)| *j != i) {
            let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            let positive = LABELS[i] == LABELS[j];
            let slope = if positive { -alpha } else { alpha * cost };
            sums[usize::from(positive)] += (1.0 + (slope * (cosine - threshold)).exp()).ln();
            counts[usize::from(positive)] += 1.0;
        }
    }
    sums[0] / counts[0] + sums[1] / counts[1]
}

#[test]
fn it_agrees_with_plain_loops_and_finite_differences() {
    const STEP: f64 = 1e-6;
    let objective = objective(&config());
    let mut points = points();
    let (loss, gradient, threshold) = evaluate(&objective, &points, &LABELS);
    let close = |actual: f64, expected: f64| {
        let allowed = 1e-5 + 1e-4 * expected.abs();
        assert!((actual - expected).abs() < allowed, "{actual} {expected}");
    };
    close(loss, naive(&points, 4.0, 2.0, 0.5));
    for (index, &actual) in gradient.iter().enumerate() {
        let mut at = |step: f64| {
            points[index / 2][index % 2] += step;
            let loss = naive(&points, 4.0, 2.0, 0.5);
            points[index / 2][index % 2] -= step;
            loss
        };
        close(actual, (at(STEP) - at(-STEP)) / (2.0 * STEP));
    }
    let at = |step: f64| naive(&points, 4.0, 2.0, 0.5 + step);
    close(threshold.unwrap(), (at(STEP) - at(-STEP)) / (2.0 * STEP));
}

#[test]
fn gradient_descent_lowers_the_loss() {
    let mut objective = objective(&config());
    let mut points = points();
    let (before, ..) = evaluate(&objective, &points, &LABELS);
    let mut after = before;
    for _ in 0..50 {
        let (loss, gradient, threshold) = evaluate(&objective, &points, &LABELS);
        after = loss;
        for (value, slope) in points.iter_mut().flatten().zip(gradient) {
            *value -= 0.2 * slope;
        }
        let Objective::BinomialDeviance(inner) = &mut objective;
        let step = 0.2 * threshold.unwrap() as f32;
        inner.threshold = inner.threshold.clone().map(|value| {
            let moved = value.inner().sub_scalar(step);
            Tensor::from_inner(moved).require_grad()
        });
    }
    assert!(after < 0.7 * before, "{before} to {after}");
}

#[test]
fn degenerate_batches_are_finite_and_nan_shows() {
    let objective = objective(&config());
    let finite = |what: &str, points: &[Vec<f64>], labels: &[u32]| {
        let (loss, gradient, threshold) = evaluate(&objective, points, labels);
        assert!(loss.is_finite(), "{what}: {loss}");
        assert!(
            gradient.iter().all(|g| g.is_finite()),
            "{what}: {gradient:?}"
        );
        assert!(
            threshold.is_none_or(f64::is_finite),
            "{what}: {threshold:?}"
        );
        loss
    };
    finite("one class", &points(), &[1; 7]);
    finite("no positive pair", &points()[..3], &[0, 1, 2]);
    finite("zero vectors", &vec![vec![0.0; 2]; 7], &LABELS);
    finite("coincident rows", &vec![vec![0.6, 0.8]; 7], &LABELS);
    assert_eq!(finite("one row", &points()[..1], &[0]), 0.0);
    let mut broken = points();
    broken[2][0] = f64::NAN;
    assert!(evaluate(&objective, &broken, &LABELS).0.is_nan());
}

#[test]
fn its_parameter_is_found_by_name() {
    let objective = objective(&config());
    let state = likewise::model::state::state_dict(&objective);
    let state: BTreeMap<_, _> = pollster::block_on(state).unwrap();
    let names: Vec<&str> = state.keys().map(String::as_str).collect();
    assert_eq!(names, config().entry().parameters);
    assert_eq!(objective.num_params(), 1);
}
