//! A small dataset made up in memory, and the recipe of a run on it that takes a second.

use likewise::miner;
use likewise::objective::{self, Embeddings};
use likewise::recipe::{Layers, Recipe};
use likewise::train::{BatchSource, ImageBatch, Pass, Split};

const SIZE: usize = 16;
const CLASSES: u32 = 24;
const PER_CLASS: u32 = 4;

/// The recipe with some assignments.
pub fn recipe(more: &[&str]) -> Recipe {
    let text = r#"
        name = "test"
        [data]
        image_size = 16
        [model]
        embedding_dim = 16
        [model.backbone]
        architecture = "conv_net"
        channels = [8, 16]
        [objective]
        name = "margin"
        [miner]
        name = "distance"
        [sampler]
        name = "spc"
        batch_size = 16
        samples_per_class = 2
        [optimizer]
        learning_rate = 5e-3
        [train]
        epochs = 4
        [evaluation]
        metrics = ["recall@1", "map_at_r", "nmi"]
    "#;
    let mut no_files = |_: &str, name: &str| -> likewise::Result<(String, String)> {
        panic!("no file {name} is extended")
    };
    let mut layers = Layers::from_toml(text, "test", &mut no_files).unwrap();
    for assignment in more {
        layers.set(assignment).unwrap();
    }
    layers.into_recipe().unwrap()
}

/// The recipe with an objective and a miner that serves it, for a small perceptron.
pub fn recipe_with(
    objective: &objective::Entry,
    miner: Option<&miner::Entry>,
    more: &[&str],
) -> Recipe {
    // Where distances need unit vectors, an objective of raw ones goes without its penalty of lengths.
    let unit = miner.is_some_and(|miner| miner.needs_unit_embeddings);
    let raw = objective.embeddings == Embeddings::Raw;
    let penalty = if raw && unit { ", l2=0.0" } else { "" };
    let miner = miner.map(|miner| format!("miner={{name=\"{}\"}}", miner.name));
    let mut assignments = vec![
        format!("objective={{name=\"{}\"{penalty}}}", objective.name),
        "miner=".into(),
        "model.backbone={architecture=\"mlp\", hidden=[24]}".into(),
        format!("model.normalize={}", unit || !raw),
    ];
    assignments.extend(miner);
    assignments.extend(more.iter().map(ToString::to_string));
    recipe(&assignments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Images of class c: a wave whose direction and colour depend on c, with a phase of its own.
pub struct Waves {
    /// Class of each image of each split.
    pub splits: [Vec<u32>; 3],
    queue: Vec<(Split, Vec<usize>)>,
}

impl Waves {
    /// Classes of four images each: 12 to train on, 6 to validate and 6 to test with.
    pub fn new() -> Self {
        let labels = |classes: u32| {
            (0..classes * PER_CLASS)
                .map(|image| image / PER_CLASS)
                .collect()
        };
        Self {
            splits: [
                labels(CLASSES / 2),
                labels(CLASSES / 4),
                labels(CLASSES / 4),
            ],
            queue: Vec::new(),
        }
    }

    fn class(split: Split, label: u32) -> u32 {
        label + [0, CLASSES / 2, CLASSES / 2 + CLASSES / 4][split.index()]
    }

    fn pixels(split: Split, label: u32, image: usize) -> Vec<f32> {
        let class = Self::class(split, label) as f32;
        let (direction, phase) = (class * 0.7, image as f32 * 1.9);
        let mut pixels = Vec::with_capacity(3 * SIZE * SIZE);
        for channel in 0..3u8 {
            let gain = (class * 1.3 + f32::from(channel)).sin();
            for (y, x) in (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| (y, x))) {
                let along = x as f32 * direction.cos() + y as f32 * direction.sin();
                pixels.push(gain * (0.8 * along + phase).sin() + 0.5 * gain);
            }
        }
        pixels
    }
}

impl BatchSource for Waves {
    fn image_shape(&self) -> [usize; 3] {
        [3, SIZE, SIZE]
    }

    fn labels(&self, split: Split) -> &[u32] {
        &self.splits[split.index()]
    }

    fn begin(&mut self, pass: Pass) -> likewise::Result<()> {
        self.queue = match pass {
            Pass::Training(plan) => plan
                .batches
                .clone()
                .map(|batch| Ok((Split::Train, plan.batch(batch)?)))
                .collect::<likewise::Result<_>>()?,
            Pass::Evaluation { split, batch_size } => {
                let rows: Vec<usize> = (0..self.splits[split.index()].len()).collect();
                rows.chunks(batch_size)
                    .map(|rows| (split, rows.to_vec()))
                    .collect()
            }
        };
        self.queue.reverse();
        Ok(())
    }

    fn next_batch(&mut self) -> likewise::Result<Option<ImageBatch>> {
        let Some((split, rows)) = self.queue.pop() else {
            return Ok(None);
        };
        let labels: Vec<u32> = rows
            .iter()
            .map(|&row| self.splits[split.index()][row])
            .collect();
        let pixels = rows
            .iter()
            .zip(&labels)
            .flat_map(|(&row, &label)| Self::pixels(split, label, row));
        Ok(Some(ImageBatch {
            pixels: pixels.collect(),
            shape: [3, SIZE, SIZE],
            labels,
            rows,
        }))
    }
}
