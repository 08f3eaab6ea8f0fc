//! Objectives: golden values and gradients, naive loops on points placed by angle, finite
//! differences, degenerate batches and what happens to NaN.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use likewise::batch::BatchLabels;
use likewise::miner::{Triplets, Tuples};
use likewise::model::state;
use likewise::objective::{
    self, Entry, Family, Objective, ObjectiveConfig, Outcome, RankingObjective, Setting, TABLE,
};
use likewise::pairwise::{Pairwise, entries};
use serde_json::Value;

use crate::support::{Array, Case, assert_close, assert_close_norm, manifest, tensors, values};

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new(
            "objective::repeated_pairs_add_their_gradients",
            repeated_pairs,
        ),
        Case::new("objective::loops_agree", loops_agree),
        Case::new(
            "objective::finite_differences_agree",
            finite_differences_agree,
        ),
        Case::new("objective::nothing_to_learn_from", nothing_to_learn_from),
        Case::new(
            "objective::coincident_rows_and_zero_vectors",
            coincident_rows,
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
        Case::new("objective::nan_shows_in_the_loss", nan_shows_in_the_loss),
        Case::new("objective::missing_tuples_are_an_error", missing_tuples),
    ];
    let manifest = manifest("losses");
    let mut groups: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for case in manifest["cases"].as_array().unwrap() {
        let text = |key: &str| case[key].as_str().unwrap().to_string();
        if objective::entry(recipe_name(&text("objective"))).is_some() {
            groups
                .entry((text("objective"), text("set")))
                .or_default()
                .push(case.clone());
        }
    }
    for ((objective, set), members) in groups {
        let about = manifest["sets"]
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["name"] == *set)
            .unwrap()
            .clone();
        let name = format!("objective::golden_{objective}_{set}");
        cases.push(Case::new(name, move |device| {
            golden(&about, &members, device);
        }));
    }
    cases
}

/// The name in recipes of an objective of the fixtures.
fn recipe_name(name: &str) -> &str {
    match name {
        "arcface_normalized" => "arcface",
        name => name,
    }
}

/// All cases of one objective on one set of inputs.
fn golden(set: &Value, cases: &[Value], device: &Device) {
    let inputs = tensors("losses", set["inputs"].as_str().unwrap());
    let expected = tensors("losses", set["expected"].as_str().unwrap());
    let classes = set["n_classes"].as_u64().unwrap() as usize;
    for case in cases {
        Golden {
            case,
            inputs: &inputs,
            expected: &expected,
            classes,
        }
        .check(&device.clone().autodiff());
    }
}

struct Golden<'a> {
    case: &'a Value,
    inputs: &'a BTreeMap<String, Array>,
    expected: &'a BTreeMap<String, Array>,
    classes: usize,
}

impl Golden<'_> {
    fn check(&self, device: &Device) {
        let embeddings = self.inputs[self.case["input"].as_str().unwrap()]
            .tensor::<2>(device)
            .require_grad();
        self.compare(
            embeddings.clone(),
            embeddings,
            "loss",
            "grad_embeddings",
            device,
        );
        if self.find("loss_through_normalization").is_some() {
            let features = self.inputs["features"].tensor::<2>(device).require_grad();
            let norm = features.clone().powi_scalar(2).sum_dim(1).sqrt();
            let embeddings = features.clone() / norm;
            let gradient = "grad_features_through_normalization";
            self.compare(
                features,
                embeddings,
                "loss_through_normalization",
                gradient,
                device,
            );
        }
    }

    fn compare(
        &self,
        leaf: Tensor<2>,
        embeddings: Tensor<2>,
        loss: &str,
        gradient: &str,
        device: &Device,
    ) {
        let what = format!("{} of {}", self.case["id"], self.case["set"]);
        let objective = self.objective(device);
        let labels = BatchLabels::new(&self.inputs["labels"].indices(), device);
        let outcome = objective
            .forward(&Pairwise::new(embeddings), &labels, &self.tuples(device))
            .unwrap();
        assert_close(
            &what,
            &values(outcome.loss.clone()),
            &self.find(loss).unwrap().values,
            1e-6,
            2e-5,
        );
        if !self.case["gradient_stable_in_f32"].as_bool().unwrap() {
            return;
        }
        let gradients = outcome.loss.backward();
        let actual = values(leaf.grad(&gradients).unwrap());
        assert_close_norm(
            &what,
            &actual,
            &self.find(gradient).unwrap().values,
            1e-6,
            1e-5,
        );
        for (parameter, actual) in parameter_gradients(&objective, &gradients) {
            if let Some(expected) = self.find(&format!("grad_{parameter}"))
                && loss == "loss"
            {
                assert_close_norm(
                    &format!("{what}, {parameter}"),
                    &actual,
                    &expected.values,
                    1e-6,
                    1e-5,
                );
            }
        }
    }

    fn find(&self, suffix: &str) -> Option<&Array> {
        self.expected
            .get(&format!("{}.{suffix}", self.case["id"].as_str().unwrap()))
    }

    /// The objective of the case, with its parameter tables in place.
    fn objective(&self, device: &Device) -> Objective {
        let mut keys = self.case["hyper_parameters"].as_object().unwrap().clone();
        let name = self.case["objective"].as_str().unwrap();
        keys.insert("name".into(), recipe_name(name).into());
        if name == "arcface_normalized" {
            keys.insert("normalize".into(), Value::Bool(true));
        }
        if let Some(learn) = keys.remove("learn_beta") {
            keys.insert(
                "beta_constant".into(),
                Value::Bool(!learn.as_bool().unwrap()),
            );
        }
        let config: ObjectiveConfig = serde_json::from_value(Value::Object(keys)).unwrap();
        let setting = Setting {
            classes: self.classes,
            dimension: self.inputs["features"].shape[1],
            seed: 0,
        };
        let mut objective = config.init(setting, device).unwrap();
        let tables = self.case["parameter_inputs"].as_object().unwrap();
        let tables = tables.iter().map(|(parameter, input)| {
            let table = &self.inputs[input.as_str().unwrap()];
            let values: Vec<f32> = table.values.iter().map(|&value| value as f32).collect();
            let data = TensorData::new(values, table.shape.clone());
            (parameter.clone(), data)
        });
        state::load_state_dict(&mut objective, &tables.collect()).unwrap();
        objective
    }

    fn tuples(&self, device: &Device) -> Tuples {
        match self.case["tuple_inputs"].as_array().unwrap().first() {
            None => Tuples::None,
            Some(name) => triplets(&rows(&self.inputs[name.as_str().unwrap()]), 0, device),
        }
    }
}

/// Gradients of an objective's parameters by name; zeros where there is none.
pub fn parameter_gradients(
    objective: &Objective,
    gradients: &Gradients,
) -> BTreeMap<String, Vec<f64>> {
    struct Visitor<'a> {
        gradients: &'a Gradients,
        path: Vec<String>,
        found: BTreeMap<String, Vec<f64>>,
    }
    impl ModuleVisitor for Visitor<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.into());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let size = value.shape().num_elements();
            let gradient = value.grad(self.gradients).map_or(vec![0.0; size], values);
            let name = self.path.last().expect("a field").clone();
            self.found.insert(name, gradient);
        }
    }
    let mut visitor = Visitor {
        gradients,
        path: Vec::new(),
        found: BTreeMap::new(),
    };
    objective.visit(&mut visitor);
    visitor.found
}

fn rows(array: &Array) -> Vec<[usize; 3]> {
    array
        .values
        .chunks(3)
        .map(|row| [row[0] as usize, row[1] as usize, row[2] as usize])
        .collect()
}

fn triplets(rows: &[[usize; 3]], length: usize, device: &Device) -> Tuples {
    Triplets::from_rows(rows, length, &device.clone().inner()).into()
}

fn init(text: &str, classes: usize, device: &Device) -> Objective {
    let config: ObjectiveConfig =
        toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    config
        .init(
            Setting {
                classes,
                dimension: 0,
                seed: 0,
            },
            device,
        )
        .unwrap()
}

/// A small problem in double precision.
struct Problem {
    points: Vec<Vec<f64>>,
    labels: Vec<u32>,
    triplets: Vec<[usize; 3]>,
}

impl Problem {
    /// Three classes on the unit circle, with a switched triplet and a repeated one.
    fn by_angle() -> Self {
        let angles = [0.0_f64, 25.0, 47.0, 80.0, 113.0, 150.0, 205.0, 290.0];
        Self {
            points: angles
                .iter()
                .map(|a| vec![a.to_radians().cos(), a.to_radians().sin()])
                .collect(),
            labels: vec![0, 1, 0, 1, 2, 0, 2, 1],
            triplets: vec![
                [0, 2, 1],
                [2, 5, 3],
                [5, 0, 4],
                [1, 3, 2],
                [3, 7, 5],
                [7, 1, 0],
                [4, 6, 3],
                [6, 4, 7],
                [0, 0, 2],
                [1, 3, 2],
            ],
        }
    }

    /// The same tuples on vectors of length other than one.
    fn scattered() -> Self {
        let coordinate =
            |i: usize, k: usize| ((i * 7 + k * 3 + 1) as f64 * 1.37).sin() * (0.6 + 0.1 * k as f64);
        let points = (0..8)
            .map(|i| (0..3).map(|k| coordinate(i, k)).collect())
            .collect();
        Self {
            points,
            ..Self::by_angle()
        }
    }

    fn leaf(&self, device: &Device) -> Tensor<2> {
        let shape = vec![self.points.len(), self.points[0].len()];
        Array {
            shape,
            values: self.points.concat(),
        }
        .tensor(device)
        .require_grad()
    }

    fn forward(&self, text: &str, leaf: Tensor<2>, device: &Device) -> Outcome {
        let labels = BatchLabels::new(&self.labels, device);
        let tuples = triplets(&self.triplets, 0, device);
        init(text, 3, device)
            .forward(&Pairwise::new(leaf), &labels, &tuples)
            .unwrap()
    }

    fn squared(&self, i: usize, j: usize) -> f64 {
        self.points[i]
            .iter()
            .zip(&self.points[j])
            .map(|(a, b)| (a - b).powi(2))
            .sum()
    }

    fn dot(&self, i: usize, j: usize) -> f64 {
        self.points[i]
            .iter()
            .zip(&self.points[j])
            .map(|(a, b)| a * b)
            .sum()
    }

    /// Mean of `loss(d(a,p)², d(a,n)²)` over the triplets.
    fn mean(&self, loss: impl Fn(f64, f64) -> f64) -> f64 {
        let each = self
            .triplets
            .iter()
            .map(|&[a, p, n]| loss(self.squared(a, p), self.squared(a, n)));
        each.sum::<f64>() / self.triplets.len() as f64
    }

    fn contrastive(&self, pos_margin: f64, neg_margin: f64) -> f64 {
        self.mean(|p, n| (p.sqrt() - pos_margin).max(0.0) + (neg_margin - n.sqrt()).max(0.0))
    }

    fn triplet(&self, margin: f64) -> f64 {
        self.mean(|p, n| (p - n + margin).max(0.0))
    }

    fn margin(&self, margin: f64, beta: f64, count_triplets: bool) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for &[a, p, n] in &self.triplets {
            let pull = ((self.squared(a, p) + 1e-8).sqrt() - beta + margin).max(0.0);
            let push = (beta - (self.squared(a, n) + 1e-8).sqrt() + margin).max(0.0);
            sum += pull + push;
            let active = f64::from(u8::from(pull > 0.0)) + f64::from(u8::from(push > 0.0));
            count += if count_triplets {
                active.min(1.0)
            } else {
                active
            };
        }
        if count > 0.0 { sum / count } else { sum }
    }

    fn multisimilarity(&self, alpha: f64, beta: f64, epsilon: f64, lambda: f64) -> f64 {
        let size = self.points.len();
        let mut losses = Vec::new();
        for i in 0..size {
            let of = |same: bool| {
                (0..size).filter(move |&j| j != i && (self.labels[j] == self.labels[i]) == same)
            };
            let least = of(true)
                .map(|p| self.dot(i, p))
                .fold(f64::INFINITY, f64::min);
            let largest = of(false)
                .map(|n| self.dot(i, n))
                .fold(f64::NEG_INFINITY, f64::max);
            let kept_p: Vec<f64> = of(true)
                .map(|p| self.dot(i, p))
                .filter(|s| s - epsilon < largest)
                .collect();
            let kept_n: Vec<f64> = of(false)
                .map(|n| self.dot(i, n))
                .filter(|s| s + epsilon > least)
                .collect();
            if kept_p.is_empty() || kept_n.is_empty() {
                continue;
            }
            let pull: f64 = kept_p.iter().map(|s| (-alpha * (s - lambda)).exp()).sum();
            let push: f64 = kept_n.iter().map(|s| (beta * (s - lambda)).exp()).sum();
            losses.push((1.0 + pull).ln() / alpha + (1.0 + push).ln() / beta);
        }
        losses.iter().sum::<f64>() / losses.len().max(1) as f64
    }
}

type Naive = fn(&Problem) -> f64;

/// Objectives with their plain double-precision loops.
const TWINS: &[(&str, Naive)] = &[
    ("name = 'contrastive'", |p| p.contrastive(0.0, 1.0)),
    (
        "name = 'contrastive'\npos_margin = 0.3\nneg_margin = 1.3",
        |p| p.contrastive(0.3, 1.3),
    ),
    ("name = 'triplet'", |p| p.triplet(0.2)),
    ("name = 'triplet'\nmargin = 1.5", |p| p.triplet(1.5)),
    ("name = 'margin'", |p| p.margin(0.2, 1.2, false)),
    ("name = 'margin'\nactive_count = 'triplets'", |p| {
        p.margin(0.2, 1.2, true)
    }),
    ("name = 'margin'\nbeta = 0.6\nbeta_constant = true", |p| {
        p.margin(0.2, 0.6, false)
    }),
    ("name = 'margin'\nbeta = 0.6\nnu = 0.01", |p| {
        p.margin(0.2, 0.6, false) + 0.01 * 0.6 * 10.0
    }),
    ("name = 'multisimilarity'", |p| {
        p.multisimilarity(2.0, 40.0, 0.1, 0.5)
    }),
    (
        "name = 'multisimilarity'\nneg_weight = 50\nthresh = 1.0",
        |p| p.multisimilarity(2.0, 50.0, 0.1, 1.0),
    ),
    (
        "name = 'multisimilarity'\npos_weight = 3\nneg_weight = 4\nmargin = 0.4\nthresh = 0.2",
        |p| p.multisimilarity(3.0, 4.0, 0.4, 0.2),
    ),
];

fn loops_agree(device: &Device) {
    let device = &device.clone().autodiff();
    for problem in [Problem::by_angle(), Problem::scattered()] {
        for (text, naive) in TWINS {
            let outcome = problem.forward(text, problem.leaf(device), device);
            let expected = naive(&problem);
            assert!(expected > 0.0, "{text}: nothing to compare");
            assert_close(text, &values(outcome.loss), &[expected], 1e-6, 2e-5);
        }
    }
}

/// Gradients against central differences of the loops, in double precision.
fn finite_differences_agree(device: &Device) {
    const STEP: f64 = 1e-6;
    let device = &device.clone().autodiff();
    for mut problem in [Problem::by_angle(), Problem::scattered()] {
        for (text, naive) in TWINS {
            let leaf = problem.leaf(device);
            let outcome = problem.forward(text, leaf.clone(), device);
            let actual = values(leaf.grad(&outcome.loss.backward()).unwrap());
            let mut expected = Vec::new();
            for row in 0..problem.points.len() {
                for axis in 0..problem.points[row].len() {
                    let middle = problem.points[row][axis];
                    let mut at = |value| {
                        problem.points[row][axis] = value;
                        naive(&problem)
                    };
                    expected.push((at(middle + STEP) - at(middle - STEP)) / (2.0 * STEP));
                    problem.points[row][axis] = middle;
                }
            }
            assert_close_norm(text, &actual, &expected, 1e-5, 1e-5);
        }
    }
}

fn repeated_pairs(device: &Device) {
    let device = &device.clone().autodiff();
    let matrix: Tensor<2> = Tensor::from_data([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], device);
    let matrix = matrix.require_grad();
    let index = |rows: [i32; 5]| Tensor::<1, Int>::from_data(rows, &device.clone().inner());
    let picked = entries(
        matrix.clone(),
        &index([1, 0, 1, 1, 0]),
        &index([2, 0, 2, 2, 1]),
    );
    assert_eq!(values(picked.clone()), vec![6.0, 1.0, 6.0, 6.0, 2.0]);
    let weight: Tensor<1> = Tensor::from_data([1.0, 10.0, 2.0, 4.0, 20.0], device);
    let gradients = (picked * weight).sum().backward();
    let gradient = values(matrix.grad(&gradients).unwrap());
    assert_eq!(gradient, vec![10.0, 20.0, 0.0, 0.0, 0.0, 7.0]);
}

/// Loss and gradient of the default objective called `name`.
fn evaluate(
    name: &str,
    points: &[f64],
    labels: &[u32],
    rows: &[[usize; 3]],
    device: &Device,
) -> (f64, Vec<f64>) {
    let device = &device.clone().autodiff();
    let shape = vec![labels.len(), points.len() / labels.len()];
    let leaf: Tensor<2> = Array {
        shape,
        values: points.to_vec(),
    }
    .tensor(device)
    .require_grad();
    let objective = init(&format!("name = '{name}'"), 4, device);
    let labels = BatchLabels::new(labels, device);
    let outcome = objective
        .forward(
            &Pairwise::new(leaf.clone()),
            &labels,
            &triplets(rows, 0, device),
        )
        .unwrap();
    let loss = values(outcome.loss.clone())[0];
    (loss, values(leaf.grad(&outcome.loss.backward()).unwrap()))
}

/// The objectives without learned representatives of the classes, which compare embeddings alone.
fn without_proxies() -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().filter(|entry| entry.family != Family::Proxies)
}

fn nothing_to_learn_from(device: &Device) {
    let points = [1.0, 0.0, 0.6, 0.8, 0.0, 1.0];
    for entry in without_proxies() {
        for labels in [[2, 2, 2], [0, 1, 2]] {
            let (loss, gradient) = evaluate(entry.name, &points, &labels, &[], device);
            assert_eq!(loss, 0.0, "{} on {labels:?}", entry.name);
            assert_eq!(gradient, vec![0.0; 6], "{} on {labels:?}", entry.name);
        }
    }
}

fn coincident_rows(device: &Device) {
    let rows = [[0, 1, 2], [1, 0, 3], [2, 3, 0], [3, 3, 2]];
    for (what, points) in [("equal", [0.6, 0.8].repeat(4)), ("zero", vec![0.0; 8])] {
        for entry in without_proxies() {
            let (loss, gradient) = evaluate(entry.name, &points, &[0, 0, 1, 1], &rows, device);
            let what = format!("{} on {what} rows", entry.name);
            assert!(loss.is_finite() && loss > 0.0, "{what}: loss {loss}");
            assert!(
                gradient.iter().all(|g| g.is_finite()),
                "{what}: {gradient:?}"
            );
            if entry.name != "multisimilarity" {
                assert_eq!(gradient, vec![0.0; 8], "{what}");
            }
        }
    }
    let (loss, _) = evaluate(
        "contrastive",
        &[0.6, 0.8].repeat(4),
        &[0, 0, 1, 1],
        &rows,
        device,
    );
    assert_close("contrastive", &[loss], &[1.0], 1e-6, 0.0);
}

fn padding_does_not_count(device: &Device) {
    let device = &device.clone().autodiff();
    let problem = Problem::scattered();
    for (text, _) in TWINS {
        let run = |length| {
            let leaf = problem.leaf(device);
            let labels = BatchLabels::new(&problem.labels, device);
            let tuples = triplets(&problem.triplets, length, device);
            let outcome = init(text, 3, device)
                .forward(&Pairwise::new(leaf.clone()), &labels, &tuples)
                .unwrap();
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
    let statistics = |text: &str| -> BTreeMap<&'static str, f64> {
        let outcome = problem.forward(text, problem.leaf(device), device);
        outcome
            .statistics
            .into_iter()
            .map(|s| (s.name, values(s.value)[0]))
            .collect()
    };
    let active = |loss: &dyn Fn(f64, f64) -> f64| {
        let each = problem
            .triplets
            .iter()
            .map(|&[a, p, n]| loss(problem.squared(a, p), problem.squared(a, n)));
        each.filter(|&loss| loss > 0.0).count() as f64
    };
    let triplet = statistics("name = 'triplet'");
    assert_eq!(triplet["tuples"], 10.0);
    assert_eq!(triplet["active_tuples"], active(&|p, n| p - n + 0.2));
    let margin = statistics("name = 'margin'");
    let pulls = active(&|p, _| p.sqrt() - 1.0);
    let pushes = active(&|_, n| 1.4 - n.sqrt());
    assert_eq!(margin["active_terms"], pulls + pushes);
    assert!(statistics("name = 'multisimilarity'")["active_anchors"] > 0.0);
}

/// Exponents beyond single precision (e^400) give the right loss and a finite gradient.
fn large_exponents(device: &Device) {
    let device = &device.clone().autodiff();
    let problem = Problem::by_angle();
    let text = "name = 'multisimilarity'\nneg_weight = 800.0\npos_weight = 500.0";
    let leaf = problem.leaf(device);
    let outcome = problem.forward(text, leaf.clone(), device);
    let loss = values(outcome.loss.clone());
    let gradient = values(leaf.grad(&outcome.loss.backward()).unwrap());
    assert_close(
        text,
        &loss,
        &[problem.multisimilarity(500.0, 800.0, 0.1, 0.5)],
        1e-6,
        2e-5,
    );
    assert!(gradient.iter().all(|g| g.is_finite()));
}

/// An embedding that is NaN makes the loss NaN on every device, where the trainer finds it; no
/// objective hides it behind a hinge or a selection.
fn nan_shows_in_the_loss(device: &Device) {
    let mut points: Vec<f64> = (0..8).map(|i| (f64::from(i) * 1.3).cos()).collect();
    points[3] = f64::NAN;
    for entry in without_proxies() {
        let (loss, _) = evaluate(
            entry.name,
            &points,
            &[0, 0, 1, 1],
            &[[0, 1, 2], [2, 3, 0]],
            device,
        );
        assert!(loss.is_nan(), "{}: loss {loss}", entry.name);
    }
}

fn missing_tuples(device: &Device) {
    let labels = BatchLabels::new(&[0, 0, 1], device);
    let points: Tensor<2> = Tensor::from_data(TensorData::new(vec![0.5f32; 6], [3, 2]), device);
    for name in ["contrastive", "triplet", "margin"] {
        let outcome = init(&format!("name = '{name}'"), 2, device).forward(
            &Pairwise::new(points.clone()),
            &labels,
            &Tuples::None,
        );
        assert!(
            outcome.unwrap_err().to_string().contains("[miner]"),
            "{name}"
        );
    }
}
