//! Prefetching: threads decode and transform images ahead of the trainer into a bounded queue of
//! host batches. A batch depends on its plan alone, never on the number of threads or their order.

mod cache;
mod disk;
mod queue;
mod shared;
mod worker;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use likewise::recipe::OnBadImage;
use likewise::{Error, Result};

use crate::dataset::Dataset;
use crate::transform::TransformOptions;
use cache::Cache;
use disk::Disk;
pub use disk::DiskCache;
use queue::Queue;
use shared::Shared;

/// How a [`Loader`] works.
#[derive(Clone, Debug)]
pub struct LoaderOptions {
    /// Decoding threads of each stream of batches, at least 1. Default: one a core.
    pub workers: usize,
    /// Batches being filled or waiting, at least 1: the bound on memory. Default: 4.
    pub queue: usize,
    /// What happens when an image cannot be read or decoded. A replacement is of the same class
    /// and split, so that the batch keeps its composition; in evaluation the row is left out.
    pub on_bad_image: OnBadImage,
    /// Decoded images are kept for later epochs until they fill this many bytes; 0 turns it off.
    /// Default: 512 MiB.
    pub cache_bytes: u64,
    /// Pixels are those of Pillow. Otherwise images that are made at least twice smaller are
    /// shrunk in decoding, which is faster, and none is kept in memory: what a batch holds must not
    /// depend on what was kept. Default: true.
    pub exact: bool,
    /// Decoded images are kept in a folder, too.
    pub disk_cache: Option<DiskCache>,
    /// Key of the augmentations.
    pub seed: u64,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            queue: 4,
            on_bad_image: OnBadImage::Fail,
            cache_bytes: 512 << 20,
            exact: true,
            disk_cache: None,
            seed: 0,
        }
    }
}

/// The images of one batch, and its place in the run, which keys the augmentations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedBatch {
    /// Epoch, from 0.
    pub epoch: u32,
    /// Batch within the epoch, from 0.
    pub batch: u32,
    /// Item indices of the dataset; may repeat, each repetition is augmented anew.
    pub indices: Vec<usize>,
}

/// An image that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedImage {
    /// Item index that was planned.
    pub index: usize,
    /// The item that took its place; none in evaluation.
    pub replacement: Option<usize>,
    /// File and cause.
    pub reason: String,
}

/// A batch ready for upload.
#[derive(Clone, Debug, PartialEq)]
pub struct HostBatch {
    /// Epoch it was planned for.
    pub epoch: u32,
    /// Batch within the epoch.
    pub batch: u32,
    /// Normalised values, `[B, 3, size, size]`, row-major.
    pub pixels: Vec<f32>,
    /// `[B, 3, size, size]`.
    pub shape: [usize; 4],
    /// Label of each row within its split, 0..C.
    pub labels: Vec<u32>,
    /// Item index of each row, after replacements.
    pub indices: Vec<usize>,
    /// Images that were replaced or left out, in row order.
    pub skipped: Vec<SkippedImage>,
}

/// Where the time of a stream of batches went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoaderStatistics {
    /// Batches handed over.
    pub batches: usize,
    /// Images decoded or taken from memory.
    pub images: usize,
    /// Images taken from memory.
    pub cached: usize,
    /// Time the consumer waited for a batch: above a few per cent of the run, loading is the
    /// bottleneck.
    pub consumer_wait: Duration,
    /// Time the threads waited because the queue was full, summed over threads.
    pub worker_wait: Duration,
    /// Time the threads worked, summed over threads.
    pub worker_busy: Duration,
}

/// Which transform a stream applies and what skipping means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Train,
    Evaluate,
}

/// Turns plans into streams of batches. Streams share the images kept in memory and may run at the
/// same time.
#[derive(Debug)]
pub struct Loader {
    shared: Arc<Shared>,
}

impl Loader {
    /// A loader over `dataset`. Starts no thread.
    ///
    /// # Errors
    /// [`Error::Recipe`] when a transform or loader option is out of range.
    pub fn new(
        dataset: Arc<Dataset>,
        transforms: &TransformOptions,
        options: LoaderOptions,
    ) -> Result<Self> {
        if options.workers == 0 || options.queue == 0 {
            return Err(Error::Recipe(format!(
                "the loader needs at least 1 worker and 1 queued batch, not {} and {}",
                options.workers, options.queue
            )));
        }
        let disk = options.disk_cache.clone().map(Disk::open).transpose()?;
        // With the folder, an image is the same whether it was kept in memory or not.
        let kept = match options.exact || disk.is_some() {
            true => options.cache_bytes,
            false => 0,
        };
        let cache = Cache::new(dataset.items().len(), kept);
        let shared = Shared {
            train: transforms.train()?,
            evaluate: transforms.evaluate()?,
            dataset,
            options,
            cache,
            disk,
            bad: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The dataset it reads.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.shared.dataset
    }

    /// Side of the square images in its batches, in pixels.
    pub fn image_size(&self) -> usize {
        self.shared.train.size()
    }

    /// Starts preparing training batches: the training transform, in plan order.
    ///
    /// # Errors
    /// [`Error::Data`] when a planned index does not exist or a batch is empty; [`Error::Device`]
    /// when no thread can be started.
    pub fn train(&self, plan: Vec<PlannedBatch>) -> Result<Batches> {
        self.start(Role::Train, plan)
    }

    /// Starts preparing the evaluation of `indices`, `batch_size` at a time (the last batch may be
    /// smaller), with the evaluation transform.
    ///
    /// # Errors
    /// As [`Loader::train`]; [`Error::Recipe`] when `batch_size` is 0.
    pub fn evaluate(&self, indices: &[usize], batch_size: usize) -> Result<Batches> {
        if batch_size == 0 {
            return Err(Error::Recipe(
                "the evaluation batch size must be at least 1".to_owned(),
            ));
        }
        let plan = (0..).zip(indices.chunks(batch_size));
        let plan = plan.map(|(batch, indices)| PlannedBatch {
            epoch: 0,
            batch,
            indices: indices.to_vec(),
        });
        self.start(Role::Evaluate, plan.collect())
    }

    /// Bytes that the folder of decoded images will take, estimated; none without one.
    ///
    /// # Errors
    /// [`Error::Data`] when a file cannot be read.
    pub fn disk_cache_bytes(&self) -> Result<Option<u64>> {
        let disk = self.shared.disk.as_ref();
        disk.map(|disk| disk.estimate(&self.shared.dataset))
            .transpose()
    }

    /// Why decoded images are not kept any more.
    pub fn disk_cache_problem(&self) -> Option<String> {
        self.shared.disk.as_ref().and_then(Disk::problem)
    }

    /// Files found unusable so far, by item index, with the cause.
    pub fn bad_images(&self) -> Vec<(usize, String)> {
        let bad = self
            .shared
            .bad
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        bad.iter()
            .map(|(&index, reason)| (index, reason.clone()))
            .collect()
    }

    fn start(&self, role: Role, plan: Vec<PlannedBatch>) -> Result<Batches> {
        let count = self.shared.dataset.items().len();
        for planned in &plan {
            if planned.indices.is_empty() {
                return Err(Error::Data(format!(
                    "planned batch {} is empty",
                    planned.batch
                )));
            }
            if let Some(index) = planned.indices.iter().find(|&&index| index >= count) {
                return Err(Error::Data(format!(
                    "planned batch {} asks for image {index}; there are {count}",
                    planned.batch
                )));
            }
        }
        let values = self.shared.transform(role).values();
        let queue = Arc::new(Queue::new(plan, values, self.shared.options.queue));
        let mut batches = Batches {
            shared: Arc::clone(&self.shared),
            queue,
            threads: Vec::new(),
        };
        for number in 0..self.shared.options.workers {
            let (shared, queue) = (Arc::clone(&self.shared), Arc::clone(&batches.queue));
            let thread = std::thread::Builder::new()
                .name(format!("loader-{number}"))
                .spawn(move || worker::run(&shared, role, &queue))
                .map_err(|error| Error::Device(format!("cannot start a loader thread: {error}")))?;
            batches.threads.push(thread);
        }
        Ok(batches)
    }
}

/// A stream of batches in plan order; ends after the plan or after the first error. Dropping it
/// stops its threads.
#[derive(Debug)]
pub struct Batches {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Batches {
    /// Where the time went so far.
    pub fn statistics(&self) -> LoaderStatistics {
        self.queue.statistics()
    }

    /// Batches of the plan not yet handed over.
    pub fn remaining(&self) -> usize {
        self.queue.remaining()
    }
}

impl Iterator for Batches {
    type Item = Result<HostBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let filled = self.queue.take()?;
        let size = self.shared.train.size();
        let batch = filled.into_batch(&self.shared.dataset, size);
        if batch.is_err() {
            self.queue.stop.store(true, Ordering::Relaxed);
            self.queue.close();
        }
        Some(batch)
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A worker reports its own panics as errors; there is nothing more to learn here.
            thread.join().ok();
        }
    }
}
