//! A source of noise images, so that no decoder is measured.

use likewise::random::{self, Purpose};
use likewise::recipe::Recipe;
use likewise::train::{BatchSource, ImageBatch, Pass, Split};
use rand::Rng;

/// Training classes, as CUB200-2011 has species.
pub const CLASSES: usize = 200;
const TEST_IMAGES: u32 = 8;

/// Noise images, made once.
pub struct SyntheticSource {
    shape: [usize; 3],
    train: Vec<u32>,
    test: Vec<u32>,
    noise: Vec<f32>,
    queue: Vec<Vec<u32>>,
}

impl SyntheticSource {
    /// Images of the recipe's size, so many that an epoch has `steps` steps.
    pub fn new(recipe: &Recipe, steps: usize) -> Self {
        let size = recipe.data.image_size;
        let shape = [3, size, size];
        let largest = recipe
            .sampler
            .batch_size()
            .max(recipe.evaluation.batch_size);
        let mut rng = random::stream(0, Purpose::Augmentation, 0, 0, 0);
        let noise = (0..largest * 3 * size * size)
            .map(|_| rng.random_range(-2.0..2.0))
            .collect();
        let classes = CLASSES.max(recipe.sampler.batch_size());
        let batches = (steps + 1) * recipe.train.accumulation_steps as usize;
        let images = classes.max(recipe.sampler.batch_size() * batches);
        // Every class has a pair at least.
        let images = images.max(2 * classes);
        let train = (0..images).map(|image| (image % classes) as u32).collect();
        let test = (0..TEST_IMAGES).map(|image| image / 2).collect();
        Self {
            shape,
            train,
            test,
            noise,
            queue: Vec::new(),
        }
    }
}

impl BatchSource for SyntheticSource {
    fn image_shape(&self) -> [usize; 3] {
        self.shape
    }

    fn labels(&self, split: Split) -> &[u32] {
        match split {
            Split::Train => &self.train,
            Split::Validation => &[],
            Split::Test => &self.test,
        }
    }

    fn begin(&mut self, pass: Pass) -> likewise::Result<()> {
        let labels_of =
            |images: Vec<usize>| images.into_iter().map(|image| self.train[image]).collect();
        self.queue = match pass {
            Pass::Training(plan) => plan
                .batches
                .clone()
                .map(|batch| plan.batch(batch).map(labels_of))
                .collect::<likewise::Result<_>>()?,
            Pass::Evaluation { .. } => vec![self.test.clone()],
        };
        self.queue.reverse();
        Ok(())
    }

    fn next_batch(&mut self) -> likewise::Result<Option<ImageBatch>> {
        let Some(labels) = self.queue.pop() else {
            return Ok(None);
        };
        let values = labels.len() * self.shape.iter().product::<usize>();
        let rows = (0..labels.len()).collect();
        Ok(Some(ImageBatch {
            pixels: self.noise[..values].to_vec(),
            shape: self.shape,
            labels,
            rows,
        }))
    }
}
