//! Golden values and gradients of the objectives, case by case of the manifest.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use likewise::batch::BatchLabels;
use likewise::miner::{PairSets, TupleKind, Tuples};
use likewise::model::state;
use likewise::objective::{self, Objective, ObjectiveConfig, RankingObjective, Setting};
use likewise::pairwise::Pairwise;
use serde_json::Value;

use super::tuples::{n_pairs, quadruplets, triplets};
use crate::support::{Array, Case, assert_close, assert_close_norm, manifest, tensors, values};

/// Objectives whose gradients nearly vanish on some sets: there, single precision gives four digits.
const VANISHING: [&str; 4] = ["fastap", "ntxent", "smoothap", "supcon"];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
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
        let vanishing = VANISHING.contains(&self.case["objective"].as_str().unwrap());
        let relative = if vanishing { 1e-4 } else { 1e-5 };
        let gradients = outcome.loss.backward();
        let actual = values(leaf.grad(&gradients).unwrap());
        assert_close_norm(
            &what,
            &actual,
            &self.find(gradient).unwrap().values,
            1e-6,
            relative,
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
        let inputs = self.case["tuple_inputs"].as_array().unwrap();
        let names: Vec<&str> = inputs.iter().map(|name| name.as_str().unwrap()).collect();
        let labels = self.inputs["labels"].indices();
        match names[..] {
            [] => {
                let name = self.case["objective"].as_str().unwrap();
                let entry = objective::entry(recipe_name(name)).unwrap();
                if entry.takes(TupleKind::None) {
                    Tuples::None
                } else {
                    PairSets::all(&BatchLabels::new(&labels, device)).into()
                }
            }
            [anchors @ "npair_anchor", positives] => {
                let mut positive = vec![None; labels.len()];
                let pairs = self.inputs[anchors].indices();
                for (anchor, found) in pairs.into_iter().zip(self.inputs[positives].indices()) {
                    positive[anchor as usize] = Some(found as usize);
                }
                n_pairs(&positive, device)
            }
            [list] => triplets(&rows(&self.inputs[list]), 0, device),
            [list, fourth] => {
                let fourth = self.inputs[fourth].values.iter();
                let fourth: Vec<Option<usize>> = fourth
                    .map(|&row| (row >= 0.0).then_some(row as usize))
                    .collect();
                quadruplets(&rows(&self.inputs[list]), &fourth, 0, device)
            }
            _ => panic!("unknown tuples {names:?}"),
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
