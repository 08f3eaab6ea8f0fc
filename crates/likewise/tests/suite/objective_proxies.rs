//! Objectives with learned representatives of the classes: naive loops in double precision, finite
//! differences of embeddings and parameters, degenerate batches and tables, large factors and NaN.

mod problem;

use burn::tensor::{Device, Tensor, TensorData};
use likewise::batch::BatchLabels;
use likewise::miner::Tuples;
use likewise::model::state;
use likewise::objective::{
    Entry, Family, Objective, ObjectiveConfig, Outcome, RankingObjective, Setting, TABLE,
};
use likewise::pairwise::Pairwise;

use problem::{Problem, by_angle, dot, unit_of};

use crate::objective::parameter_gradients;
use crate::support::{Array, Case, assert_close, assert_close_norm, values};

pub fn cases() -> Vec<Case> {
    let case = |name: &str, run: fn(&Device)| Case::new(format!("objective_proxies::{name}"), run);
    vec![
        case("loops_agree", loops_agree),
        case("finite_differences_agree", finite_differences_agree),
        case("equal_where_they_should_be", special_cases),
        case("degenerate_batches_and_tables", degenerate),
        case("clamped_angles_have_finite_gradients", clamped_angles),
        case("coincident_centres", coincident_centres),
        case("large_factors_do_not_overflow", large_factors),
        case("nan_shows_in_the_loss", nan_shows_in_the_loss),
        case("accuracy_counts_nearest_classes", accuracy),
        case("initial_values", initial_values),
        case("values_outside_their_range", refused_by_key),
    ]
}

impl Problem {
    fn leaf(&self, device: &Device) -> Tensor<2> {
        let shape = vec![self.points.len(), self.points[0].len()];
        let values = self.points.concat();
        Array { shape, values }.tensor(device).require_grad()
    }

    /// The objective with this table as its parameter.
    fn objective(&self, text: &str, device: &Device) -> Objective {
        let config: ObjectiveConfig =
            toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let (classes, dimension) = (self.table.len(), self.points[0].len());
        let setting = Setting {
            classes,
            dimension,
            seed: 0,
        };
        let mut objective = config.init(setting, device).unwrap();
        let name = config.entry().parameters[0];
        let table = self.table.concat().concat();
        let table: Vec<f32> = table.iter().map(|&value| value as f32).collect();
        let shape = match name {
            "centroids" => vec![classes, self.table[0].len(), dimension],
            _ => vec![classes, dimension],
        };
        let data = TensorData::new(table, shape);
        state::load_state_dict(&mut objective, &[(name.to_owned(), data)].into()).unwrap();
        objective
    }

    fn forward(&self, text: &str, leaf: Tensor<2>, device: &Device) -> (Objective, Outcome) {
        let objective = self.objective(text, device);
        let labels = BatchLabels::new(&self.labels, device);
        let outcome = objective.forward(&Pairwise::new(leaf), &labels, &Tuples::None);
        (objective, outcome.unwrap())
    }

    /// Loss, gradient of the embeddings, gradient of the table.
    fn evaluate(&self, text: &str, device: &Device) -> (f64, Vec<f64>, Vec<f64>) {
        let device = &device.clone().autodiff();
        let leaf = self.leaf(device);
        let (objective, outcome) = self.forward(text, leaf.clone(), device);
        let gradients = outcome.loss.backward();
        let table = parameter_gradients(&objective, &gradients);
        (
            values(outcome.loss)[0],
            values(leaf.grad(&gradients).unwrap()),
            table.into_values().next().unwrap(),
        )
    }

    fn all_finite(&self, what: &str, text: &str, device: &Device) -> f64 {
        let (loss, embeddings, table) = self.evaluate(text, device);
        assert!(loss.is_finite(), "{what}, {text}: loss {loss}");
        assert!(
            embeddings.iter().chain(&table).all(|g| g.is_finite()),
            "{what}, {text}: {embeddings:?} {table:?}"
        );
        loss
    }
}

type Naive = fn(&Problem) -> f64;

/// Settings, representatives a class, whether embeddings must be of length 1, and the loop.
const TWINS: &[(&str, usize, bool, Naive)] = &[
    ("name = 'proxynca'", 1, false, |p| p.proxynca(3.0)),
    ("name = 'proxynca'\nscale = 1.0", 1, false, |p| {
        p.proxynca(1.0)
    }),
    ("name = 'proxy_anchor'", 1, false, |p| {
        p.proxy_anchor(0.1, 32.0)
    }),
    (
        "name = 'proxy_anchor'\nmargin = 0.3\nalpha = 4.0",
        1,
        false,
        |p| p.proxy_anchor(0.3, 4.0),
    ),
    ("name = 'softmax'", 1, true, |p| {
        p.cross_entropy(&p.cosines(false), 20.0, |own| own)
    }),
    ("name = 'softmax'\ntemperature = 0.5", 1, false, |p| {
        p.cross_entropy(&p.cosines(false), 2.0, |own| own)
    }),
    (
        "name = 'normalized_softmax'\ntemperature = 0.1",
        1,
        false,
        |p| p.cross_entropy(&p.cosines(true), 10.0, |own| own),
    ),
    ("name = 'cosface'\nfeature_scale = 8.0", 1, false, |p| {
        p.cross_entropy(&p.cosines(true), 8.0, |own| own - 0.35)
    }),
    ("name = 'arcface'", 1, true, |p| {
        p.cross_entropy(&p.cosines(false), 16.0, |own| by_angle(own, 0.5, false))
    }),
    ("name = 'arcface'\nangular_margin = 0.0", 1, true, |p| {
        p.cross_entropy(&p.cosines(false), 16.0, |own| own)
    }),
    (
        "name = 'arcface'\nangular_margin = 1.9\nmonotonic = true\nfeature_scale = 5.0",
        1,
        true,
        |p| p.cross_entropy(&p.cosines(false), 5.0, |own| by_angle(own, 1.9, true)),
    ),
    (
        "name = 'arcface'\nangular_margin = 1.9\nfeature_scale = 5.0\nnormalize = true",
        1,
        false,
        |p| p.cross_entropy(&p.cosines(true), 5.0, |own| by_angle(own, 1.9, false)),
    ),
    ("name = 'subcenter_arcface'", 3, false, |p| {
        p.subcenter_arcface(0.5, 64.0, true)
    }),
    (
        "name = 'subcenter_arcface'\nn_centroids = 2\nmonotonic = false\nfeature_scale = 5.0\nangular_margin = 1.2",
        2,
        false,
        |p| p.subcenter_arcface(1.2, 5.0, false),
    ),
    ("name = 'softtriplet'", 2, true, |p| {
        p.softtriplet(0.01, 0.1, 8.0, 0.2)
    }),
    (
        "name = 'softtriplet'\nn_centroids = 4\nlam = 20.0\ngamma = 0.3\nmargin_delta = 0.2\nreg_weight = 1.5",
        4,
        true,
        |p| p.softtriplet(0.2, 0.3, 20.0, 1.5),
    ),
    ("name = 'softtriplet'\nn_centroids = 1", 1, true, |p| {
        p.softtriplet(0.01, 0.1, 8.0, 0.0)
    }),
    ("name = 'softtriplet'\nreg_weight = 0", 2, true, |p| {
        p.softtriplet(0.01, 0.1, 8.0, 0.0)
    }),
];

fn proxies() -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().filter(|entry| entry.family == Family::Proxies)
}

fn loops_agree(device: &Device) {
    for entry in proxies() {
        let start = format!("name = '{}'", entry.name);
        assert!(
            TWINS.iter().any(|twin| twin.0.starts_with(&start)),
            "{start}"
        );
    }
    for &(text, count, unit, naive) in TWINS {
        let problem = Problem::new(count, unit);
        let (loss, ..) = problem.evaluate(text, device);
        assert_close(text, &[loss], &[naive(&problem)], 1e-6, 2e-5);
    }
}

/// Gradients against central differences of the loops, in double precision.
fn finite_differences_agree(device: &Device) {
    const STEP: f64 = 1e-6;
    for &(text, count, unit, naive) in TWINS {
        let mut problem = Problem::new(count, unit);
        let (_, embeddings, table) = problem.evaluate(text, device);
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
        assert_close_norm(text, &embeddings, &expected, 1e-5, 1e-5);
        let mut expected = Vec::new();
        for class in 0..problem.table.len() {
            for centre in 0..count {
                for axis in 0..problem.points[0].len() {
                    let middle = problem.table[class][centre][axis];
                    let mut at = |value| {
                        problem.table[class][centre][axis] = value;
                        naive(&problem)
                    };
                    expected.push((at(middle + STEP) - at(middle - STEP)) / (2.0 * STEP));
                    problem.table[class][centre][axis] = middle;
                }
            }
        }
        assert_close_norm(&format!("{text}, table"), &table, &expected, 1e-5, 1e-5);
    }
}

/// Objectives that are the same for certain settings.
fn special_cases(device: &Device) {
    let same = [
        (
            "name = 'arcface'\nangular_margin = 0.0",
            "name = 'softmax'\ntemperature = 0.0625",
        ),
        (
            "name = 'subcenter_arcface'\nn_centroids = 1",
            "name = 'arcface'\nmonotonic = true\nfeature_scale = 64.0",
        ),
        (
            "name = 'cosface'\ncos_margin = 0.0\nfeature_scale = 20.0",
            "name = 'normalized_softmax'",
        ),
        (
            "name = 'softtriplet'\nn_centroids = 1\nmargin_delta = 0.35\nlam = 64.0",
            "name = 'cosface'",
        ),
    ];
    let problem = Problem::new(1, true);
    for (left, right) in same {
        let (a, b) = (
            problem.evaluate(left, device),
            problem.evaluate(right, device),
        );
        assert_close(left, &[a.0], &[b.0], 1e-6, 2e-5);
        assert_close_norm(left, &a.2, &b.2, 1e-6, 1e-4);
    }
}

/// Default settings with the number of representatives that `table` has.
fn defaults(entry: &Entry, count: usize) -> String {
    let count = match entry.parameters {
        ["centroids"] => format!("\nn_centroids = {count}"),
        _ => String::new(),
    };
    format!("name = '{}'{count}", entry.name)
}

fn degenerate(device: &Device) {
    for entry in proxies() {
        let count = if entry.parameters == ["centroids"] {
            2
        } else {
            1
        };
        let text = &defaults(entry, count);
        let usual = Problem::new(count, true);

        let mut one_class = usual.clone();
        one_class.labels = vec![3; 9];
        one_class.all_finite("one class in the batch", text, device);

        let mut single = usual.clone();
        single.points.truncate(1);
        single.labels.truncate(1);
        single.all_finite("one row", text, device);

        let mut two = usual.clone();
        two.table.truncate(2);
        two.labels = vec![0, 1, 1, 0, 0, 0, 1, 1, 1];
        two.all_finite("two classes", text, device);

        let mut alone = usual.clone();
        alone.table.truncate(1);
        alone.labels = vec![0; 9];
        let loss = alone.all_finite("a table of one class", text, device);
        match entry.name {
            "proxynca" => {
                let cosines = alone.cosines(true).concat();
                let mean = cosines.iter().map(|c| 18.0 * (1.0 - c)).sum::<f64>() / 9.0;
                assert_close(text, &[loss], &[mean], 1e-6, 2e-5);
            }
            "proxy_anchor" => assert!(loss > 0.0),
            "softtriplet" => {
                // What remains draws the centres together.
                let expected = alone.softtriplet(0.01, 0.1, 8.0, 0.2);
                assert_close(text, &[loss], &[expected], 1e-6, 2e-5);
            }
            name => assert_eq!(loss, 0.0, "{name}"),
        }

        let mut zeros = usual.clone();
        zeros.points = vec![vec![0.0; 4]; 9];
        zeros.all_finite("zero embeddings", text, device);

        let mut equal = usual.clone();
        equal.points = vec![vec![0.6, 0.0, 0.8, 0.0]; 9];
        equal.all_finite("equal embeddings", text, device);

        let mut zero_table = usual.clone();
        zero_table.table = vec![vec![vec![0.0; 4]; count]; 5];
        zero_table.all_finite("zero table", text, device);
    }
}

/// Embeddings that are their class vector, or its opposite: the cosine is ±1 up to rounding.
fn clamped_angles(device: &Device) {
    for (text, count) in [
        ("name = 'arcface'", 1),
        ("name = 'arcface'\nmonotonic = true", 1),
        ("name = 'arcface'\nangular_margin = 0.0", 1),
        ("name = 'arcface'\nnormalize = true", 1),
        ("name = 'subcenter_arcface'", 3),
    ] {
        for sign in [1.0, -1.0] {
            let mut problem = Problem::new(count, true);
            for (point, &label) in problem.points.iter_mut().zip(&problem.labels) {
                let class = unit_of(&problem.table[label as usize][0]);
                *point = class.iter().map(|v| sign * v).collect();
            }
            let loss = problem.all_finite("clamped", text, device);
            if text == "name = 'arcface'" {
                // Within what a cosine of single precision can say about so small an angle.
                let cosines = problem.cosines(false);
                let margin = |own| by_angle(own, 0.5, false);
                let expected = problem.cross_entropy(&cosines, 16.0, margin);
                assert_close(text, &[loss], &[expected], 0.01, 0.0);
            }
            let beyond = problem.points.iter_mut().flatten();
            beyond.for_each(|value| *value *= 1.001);
            problem.all_finite("beyond ±1", text, device);
        }
    }
}

/// Two centres at the same place: the derivative of their distance is finite.
fn coincident_centres(device: &Device) {
    let mut problem = Problem::new(2, true);
    for class in &mut problem.table {
        class[1] = class[0].iter().map(|value| 3.0 * value).collect();
    }
    let loss = problem.all_finite("coincident", "name = 'softtriplet'", device);
    let expected = problem.softtriplet(0.01, 0.1, 8.0, 0.2);
    assert_close("coincident", &[loss], &[expected], 1e-5, 2e-5);
    problem.all_finite(
        "coincident",
        "name = 'subcenter_arcface'\nn_centroids = 2",
        device,
    );
}

/// Exponents far beyond single precision give the right loss and a finite gradient.
fn large_factors(device: &Device) {
    let twins: [(&str, usize, Naive); 7] = [
        ("name = 'proxynca'\nscale = 30.0", 1, |p| p.proxynca(30.0)),
        ("name = 'proxy_anchor'\nalpha = 2000.0", 1, |p| {
            p.proxy_anchor(0.1, 2000.0)
        }),
        ("name = 'softmax'\ntemperature = 1e-3", 1, |p| {
            p.cross_entropy(&p.cosines(false), 1000.0, |own| own)
        }),
        ("name = 'cosface'\nfeature_scale = 1e4", 1, |p| {
            p.cross_entropy(&p.cosines(true), 1e4, |own| own - 0.35)
        }),
        ("name = 'arcface'\nfeature_scale = 1e4", 1, |p| {
            p.cross_entropy(&p.cosines(false), 1e4, |own| by_angle(own, 0.5, false))
        }),
        ("name = 'subcenter_arcface'\nfeature_scale = 1e4", 3, |p| {
            p.subcenter_arcface(0.5, 1e4, true)
        }),
        ("name = 'softtriplet'\nlam = 1000.0\ngamma = 1e-3", 2, |p| {
            p.softtriplet(0.01, 1e-3, 1000.0, 0.2)
        }),
    ];
    for (text, count, naive) in twins {
        let problem = Problem::new(count, true);
        let loss = problem.all_finite("large", text, device);
        assert_close(text, &[loss], &[naive(&problem)], 1e-6, 2e-5);
    }
}

/// An embedding or a representative that is NaN makes the loss NaN on every device.
fn nan_shows_in_the_loss(device: &Device) {
    for entry in proxies() {
        let count = if entry.parameters == ["centroids"] {
            3
        } else {
            1
        };
        let text = &defaults(entry, count);
        let usual = Problem::new(count, true);
        let mut embedding = usual.clone();
        embedding.points[2][1] = f64::NAN;
        let mut table = usual.clone();
        table.table[3]
            .iter_mut()
            .for_each(|centre| centre[2] = f64::NAN);
        for (what, problem) in [("embedding", embedding), ("representative", table)] {
            let (loss, ..) = problem.evaluate(text, device);
            assert!(loss.is_nan(), "{what}, {text}: loss {loss}");
        }
    }
}

fn accuracy(device: &Device) {
    let device = &device.clone().autodiff();
    for entry in proxies().filter(|entry| entry.parameters != ["centroids"]) {
        let mut problem = Problem::new(1, true);
        // Some of the embeddings are where they belong.
        for row in [1, 4, 5, 8] {
            problem.points[row] = unit_of(&problem.table[problem.labels[row] as usize][0]);
        }
        let right = problem.cosines(true).into_iter().zip(&problem.labels);
        let right = right.filter(|(row, label)| row.iter().all(|c| *c <= row[**label as usize]));
        let expected = right.count() as f64 / 9.0;
        assert!((0.3..1.0).contains(&expected));
        let text = &defaults(entry, 1);
        let (_, outcome) = problem.forward(text, problem.leaf(device), device);
        let statistic = &outcome.statistics[0];
        assert_eq!(statistic.name, "accuracy");
        assert_close(
            text,
            &values(statistic.value.clone()),
            &[expected],
            1e-6,
            0.0,
        );
    }
}

/// Proxies from N(0, 1)/8, class vectors from U(±1/√D), centres of SoftTriple from U(±1/√(C·K)),
/// other with another seed.
fn initial_values(device: &Device) {
    for entry in proxies() {
        let draw = |seed| {
            let setting = Setting {
                classes: 50,
                dimension: 64,
                seed,
            };
            let objective = (entry.default)().init(setting, device).unwrap();
            let state = state::state_dict(&objective);
            let state = pollster::block_on(state).unwrap();
            let [(name, data)] = state.into_iter().collect::<Vec<_>>().try_into().unwrap();
            assert_eq!([name.as_str()], entry.parameters);
            data.convert::<f64>().try_to_vec::<f64>().unwrap()
        };
        let drawn = draw(1);
        assert_ne!(drawn, draw(2), "{}", entry.name);
        let deviation = (dot(&drawn, &drawn) / drawn.len() as f64).sqrt();
        let (bound, expected) = match (entry.parameters[0], entry.name) {
            ("proxies", _) => (1.0, 0.125),
            (_, "softtriplet") => (0.1, 0.1 / 3.0_f64.sqrt()),
            _ => (0.125, 0.125 / 3.0_f64.sqrt()),
        };
        assert!(
            drawn.iter().all(|value| value.abs() <= bound),
            "{}",
            entry.name
        );
        assert_close(entry.name, &[deviation], &[expected], 0.0, 0.06);
    }
}

fn refused_by_key(device: &Device) {
    let setting = Setting {
        classes: 3,
        dimension: 2,
        seed: 0,
    };
    for (name, line) in [
        ("proxynca", "scale = 0.0"),
        ("proxynca", "learning_rate = -1.0"),
        ("proxy_anchor", "margin = 1.5"),
        ("proxy_anchor", "alpha = 0.0"),
        ("softmax", "temperature = 0.0"),
        ("normalized_softmax", "temperature = inf"),
        ("cosface", "cos_margin = -0.1"),
        ("cosface", "feature_scale = nan"),
        ("arcface", "angular_margin = 3.2"),
        ("arcface", "feature_scale = -16.0"),
        ("subcenter_arcface", "n_centroids = 0"),
        ("subcenter_arcface", "angular_margin = -0.5"),
        ("softtriplet", "n_centroids = 0"),
        ("softtriplet", "gamma = 0.0"),
        ("softtriplet", "lam = -1.0"),
        ("softtriplet", "reg_weight = -0.2"),
        ("softtriplet", "margin_delta = 3.0"),
        ("softtriplet", "learning_rate = -0.1"),
    ] {
        let config: ObjectiveConfig = toml::from_str(&format!("name = '{name}'\n{line}")).unwrap();
        let error = config.init(setting, device).unwrap_err().to_string();
        let key = line.split(' ').next().unwrap();
        assert!(
            error.contains(&format!("objective.{key} =")),
            "{line}: {error}"
        );
    }
    let rate = |text: &str| {
        let config: ObjectiveConfig = toml::from_str(text).unwrap();
        config.learning_rate()
    };
    assert_eq!(rate("name = 'softtriplet'"), None);
    assert_eq!(
        rate("name = 'softtriplet'\nlearning_rate = 0.01"),
        Some(0.01)
    );
    assert_eq!(rate("name = 'proxy_anchor'"), Some(0.01));
}
