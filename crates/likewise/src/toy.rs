//! The diagonal-lines experiment (Roth et al. 2020, section 5): the training classes lie on one
//! diagonal and reward only the position along it; the test classes need the direction that
//! training lets a network forget. Runs in well under a second and needs no data.

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand::seq::index::sample;
use serde::{Deserialize, Serialize};

use crate::metric::{self, FLOOR, MetricSet};
use crate::model::{BackboneConfig, MlpConfig, Network, NetworkConfig};
use crate::pairwise::Pairwise;
use crate::random::{self, Purpose};
use crate::train::{Optimizer, OptimizerConfig, ParameterGradients};
use crate::{Error, Result};

/// Points of each class, drawn from 100 equispaced ones.
const POINTS_PER_CLASS: usize = 15;
const CANDIDATES: usize = 100;
const BATCH: usize = 24;
const ITERATIONS: u32 = 200;
const MARGIN: f64 = 0.1;
const LEARNING_RATE: f64 = 0.03;
/// Intervals of x = y that are the training classes.
const DIAGONAL: [[f32; 2]; 4] = [[0.10, 0.30], [0.35, 0.55], [0.60, 0.80], [0.85, 1.05]];
/// Ends (x, y) → (x, y) of the axis-parallel segments that are the test classes.
const SEGMENTS: [[[f32; 2]; 2]; 4] = [
    [[0.2, 0.2], [0.2, 0.4]],
    [[0.2, 0.55], [0.2, 0.85]],
    [[0.4, 0.2], [0.6, 0.2]],
    [[0.7, 0.2], [0.9, 0.2]],
];

/// What the second network is trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Attraction and repulsion, no switch: the baseline.
    Base,
    /// Negatives are replaced by the positive with a small probability, attraction is kept.
    Switch,
    /// As published: the switch, and the attracting term left out altogether.
    Upstream,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Base, Self::Switch, Self::Upstream];

    /// Name on command lines and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Switch => "switch",
            Self::Upstream => "upstream",
        }
    }

    /// Probability of a switch in the published experiment.
    pub fn default_p_switch(self) -> f64 {
        if self == Self::Base { 0.0 } else { 0.001 }
    }
}

/// Points in the plane with their classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    /// (x, y) of each point.
    pub positions: Vec<[f32; 2]>,
    /// Class of each point, 0..4.
    pub labels: Vec<u32>,
}

/// The training points (on the diagonal) and the test points of a seed.
pub fn points(seed: u64) -> (Points, Points) {
    let diagonal = DIAGONAL.map(|[from, to]| [[from, from], [to, to]]);
    (
        segment_points(&diagonal, seed, 0),
        segment_points(&SEGMENTS, seed, 1),
    )
}

fn segment_points(segments: &[[[f32; 2]; 2]], seed: u64, item: u64) -> Points {
    let mut rng = random::stream(seed, Purpose::Toy, 0, 0, item);
    let mut points = Points {
        positions: Vec::new(),
        labels: Vec::new(),
    };
    for (class, [from, to]) in (0..).zip(segments) {
        for step in sample(&mut rng, CANDIDATES, POINTS_PER_CLASS) {
            let along = step as f32 / (CANDIDATES - 1) as f32;
            points
                .positions
                .push([0, 1].map(|axis| from[axis] + along * (to[axis] - from[axis])));
            points.labels.push(class);
        }
    }
    points
}

/// What a network made of the points.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// How it was trained.
    pub mode: Mode,
    /// Probability of a switch.
    pub p_switch: f64,
    /// Seed.
    pub seed: u64,
    /// Embeddings of the training points, on the unit circle.
    pub train: Vec<[f32; 2]>,
    /// Embeddings of the test points, on the unit circle.
    pub test: Vec<[f32; 2]>,
    /// Normalised singular values of the training embeddings.
    pub spectrum: [f64; 2],
    /// ρ = KL(uniform ‖ spectrum).
    pub rho: f64,
    /// Recall@1 of the training points.
    pub train_recall: f64,
    /// Recall@1 of the test points, classes the training does not know.
    pub test_recall: f64,
}

/// Trains one network. Base and regularised networks of one seed start from different weights, as
/// in the published experiment (drawn one after the other).
///
/// # Errors
/// `p_switch` outside 0..=1, or a device that fails.
pub async fn run(mode: Mode, p_switch: f64, seed: u64, device: &Device) -> Result<Outcome> {
    if !(0.0..=1.0).contains(&p_switch) {
        return Err(Error::Recipe(format!(
            "p_switch = {p_switch}: between 0 and 1"
        )));
    }
    let (train, test) = points(seed);
    let network = train_network(mode, p_switch, seed, &train, device)?.for_evaluation();
    let train_embeddings = embed(&network, &train, device).await?;
    let test_embeddings = embed(&network, &test, device).await?;
    let values = metric::singular_values(&train_embeddings, 2)?;
    let total: f64 = values.iter().sum();
    let normalized = [values[0] / total, values[1] / total];
    let (rho, _) = metric::spectral_decay(&values, 1, FLOOR)
        .ok_or_else(|| Error::NotFinite("the spectrum of the embeddings is empty".into()))?;
    let request = MetricSet::parse(["recall@1"])?;
    let recall = |embeddings: &[f32], points: &Points| -> Result<f64> {
        let values = metric::evaluate(embeddings, 2, &points.labels, &request, seed)?;
        Ok(values.get("recall@1").unwrap_or(f64::NAN))
    };
    Ok(Outcome {
        mode,
        p_switch,
        seed,
        spectrum: normalized,
        rho,
        train_recall: recall(&train_embeddings, &train)?,
        test_recall: recall(&test_embeddings, &test)?,
        train: pairs(&train_embeddings),
        test: pairs(&test_embeddings),
    })
}

fn pairs(values: &[f32]) -> Vec<[f32; 2]> {
    values
        .chunks_exact(2)
        .map(|pair| [pair[0], pair[1]])
        .collect()
}

fn inputs(positions: &[[f32; 2]], device: &Device) -> Tensor<4> {
    let values: Vec<f32> = positions.iter().flatten().copied().collect();
    Tensor::from_data(TensorData::new(values, [positions.len(), 2, 1, 1]), device)
}

async fn embed(network: &Network, points: &Points, device: &Device) -> Result<Vec<f32>> {
    let embeddings = network
        .forward(inputs(&points.positions, device))
        .embeddings;
    let data = embeddings.into_data_async().await;
    let data =
        data.map_err(|error| Error::Device(format!("reading embeddings failed: {error:?}")))?;
    data.try_to_vec()
        .map_err(|error| Error::Device(format!("embeddings are not f32: {error:?}")))
}

fn train_network(
    mode: Mode,
    p_switch: f64,
    seed: u64,
    points: &Points,
    device: &Device,
) -> Result<Network> {
    let autodiff = device.clone().autodiff();
    let backbone = BackboneConfig::Mlp(MlpConfig {
        hidden: vec![30, 30],
    });
    let config = NetworkConfig {
        embedding_dim: 2,
        ..NetworkConfig::new(backbone)
    };
    let initial = seed
        .wrapping_mul(2)
        .wrapping_add(u64::from(mode != Mode::Base));
    let mut network = config.init(initial, [2, 1, 1], &autodiff)?;
    let settings = OptimizerConfig {
        learning_rate: LEARNING_RATE,
        weight_decay: 0.0,
        ..OptimizerConfig::default()
    };
    let mut optimizer = Optimizer::new(settings, LEARNING_RATE);
    for iteration in 0..ITERATIONS {
        let mut rng = random::stream(seed, Purpose::Toy, 1, iteration, 0);
        let rows = sample(&mut rng, points.positions.len(), BATCH).into_vec();
        let positions: Vec<[f32; 2]> = rows.iter().map(|&row| points.positions[row]).collect();
        let labels: Vec<u32> = rows.iter().map(|&row| points.labels[row]).collect();
        let embeddings = network.forward(inputs(&positions, &autodiff)).embeddings;
        let loss = contrast(embeddings, &labels, mode, p_switch, &mut rng, device);
        let gradients = ParameterGradients::of(&network, loss.backward());
        network = optimizer.step(network, gradients, 1.0);
    }
    Ok(network)
}

/// Contrastive loss over all valid triplets of the batch. A pair's weight is the number of
/// triplets it stands in, so no triplet has to be listed on the device.
fn contrast(
    embeddings: Tensor<2>,
    labels: &[u32],
    mode: Mode,
    p_switch: f64,
    rng: &mut impl Rng,
    device: &Device,
) -> Tensor<1> {
    let size = labels.len();
    let (mut attract, mut repel) = (vec![0f32; size * size], vec![0f32; size * size]);
    let mut triplets = 0f32;
    for anchor in 0..size {
        for positive in (0..size).filter(|&p| p != anchor && labels[p] == labels[anchor]) {
            for negative in (0..size).filter(|&n| labels[n] != labels[anchor]) {
                let pushed = if rng.random_bool(p_switch) {
                    positive
                } else {
                    negative
                };
                attract[anchor * size + positive] += 1.0;
                repel[anchor * size + pushed] += 1.0;
                triplets += 1.0;
            }
        }
    }
    let weights = |values: Vec<f32>| {
        let values: Vec<f32> = values
            .into_iter()
            .map(|count| count / triplets.max(1.0))
            .collect();
        Tensor::<2>::from_data(TensorData::new(values, [size, size]), device).autodiff()
    };
    let distance = Pairwise::new(embeddings).distance();
    let hinge = (distance.clone().neg().add_scalar(MARGIN)).clamp_min(0.0);
    let push = (hinge * weights(repel)).sum();
    if mode == Mode::Upstream {
        push
    } else {
        push + (distance * weights(attract)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_where_the_experiment_says() {
        let (train, test) = points(1);
        assert_eq!(train.positions.len(), 60);
        assert!(train.positions.iter().all(|[x, y]| (x - y).abs() < 1e-6));
        assert_eq!(
            test.labels.iter().filter(|&&label| label == 2).count(),
            POINTS_PER_CLASS
        );
        assert!(
            test.positions[..15]
                .iter()
                .all(|&[x, y]| x == 0.2 && (0.2..=0.4).contains(&y))
        );
        assert_ne!(points(1), points(2));
    }
}
