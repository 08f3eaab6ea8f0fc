//! The prefetching loader as the trainer sees it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use likewise::recipe::{DataSettings, Layers, Recipe};
use likewise::sampler::BatchPlan;
use likewise::train::{BatchSource, ImageBatch, Pass, Split};
use likewise_data::{
    Batches, DataSource, Dataset, DatasetOptions, DiskCache, Loader, LoaderOptions, Normalization,
    PlannedBatch, SplitOptions, TransformOptions,
};
use rayon::prelude::*;
use toml::Value;

use crate::progress::say;

/// Share of the time spent waiting for images above which the progress line says so.
const WORTH_SAYING: f64 = 0.1;

/// A dataset with its decode threads.
#[derive(Debug)]
pub struct LoaderSource {
    dataset: Arc<Dataset>,
    loader: Loader,
    image_size: usize,
    workers: usize,
    /// Place in its split of each item of the dataset.
    rows: BTreeMap<usize, usize>,
    batches: Option<Batches>,
    pass_started: Instant,
    /// Whether the user knows that decoded images cannot be kept.
    told_of_cache: bool,
}

impl LoaderSource {
    /// Lists the data of a recipe and divides it; no image is decoded yet.
    pub fn open(recipe: &Recipe, workers: Option<usize>) -> Result<Self> {
        let data = &recipe.data;
        let source: DataSource = data.source.parse()?;
        let options = DatasetOptions {
            split: split_options(data),
            split_file: data.split_file.as_ref().map(PathBuf::from),
            allow_custom: data.allow_custom,
            ..DatasetOptions::default()
        };
        let dataset = Arc::new(Dataset::open(&source, &options)?);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = workers.unwrap_or(cores.saturating_sub(1)).max(1);
        let options = LoaderOptions {
            workers,
            on_bad_image: data.on_bad_image,
            exact: data.exact,
            disk_cache: data.cache.as_ref().map(|folder| DiskCache {
                folder: PathBuf::from(folder),
                side: (data.cache_side > 0).then_some(data.cache_side),
            }),
            seed: recipe.seed,
            ..LoaderOptions::default()
        };
        let loader = Loader::new(Arc::clone(&dataset), &transforms(data), options)?;
        if let (Some(bytes), Some(folder)) = (loader.disk_cache_bytes()?, &data.cache) {
            say(format!(
                "decoded images are kept in {folder}: about {:.1} GB when all of them are there",
                bytes as f64 / 1e9
            ));
        }
        let image_size = loader.image_size();
        let places = |split| dataset.split(split).indices.iter().copied().zip(0..);
        let rows = Split::ALL.into_iter().flat_map(places).collect();
        Ok(Self {
            dataset,
            loader,
            image_size,
            workers,
            rows,
            batches: None,
            pass_started: Instant::now(),
            told_of_cache: false,
        })
    }

    /// Fingerprint of names, sizes, classes and splits.
    pub fn fingerprint(&self) -> String {
        format!(
            "{} (split {})",
            self.dataset.fingerprint(),
            self.dataset.split_fingerprint()
        )
    }

    /// A line for people: name, images and classes of each split.
    pub fn describe(&self) -> String {
        let splits = Split::ALL.map(|split| {
            let items = self.dataset.split(split);
            let parts = items.gallery.as_ref().map_or_else(String::new, |gallery| {
                let searched = gallery.iter().filter(|&&searched| searched).count();
                format!(
                    " ({} queries, {searched} gallery)",
                    gallery.len() - searched
                )
            });
            format!(
                "{} {} images of {} classes{parts}",
                split.name(),
                items.len(),
                items.num_classes()
            )
        });
        format!("{}: {}", self.dataset.name(), splits.join(", "))
    }

    /// Files that could not be decoded so far.
    pub fn bad_images(&self) -> Vec<String> {
        self.loader
            .bad_images()
            .into_iter()
            .map(|(_, reason)| reason)
            .collect()
    }

    /// Who waits for whom: the device for images, or the loader, whose queue is full, for the device.
    pub fn waiting(&self) -> String {
        let Some(batches) = &self.batches else {
            return String::new();
        };
        let elapsed = self.pass_started.elapsed().max(Duration::from_millis(1));
        let statistics = batches.statistics();
        let share = |time: Duration, threads: usize| {
            time.as_secs_f64() / elapsed.as_secs_f64() / threads as f64
        };
        let device = share(statistics.consumer_wait, 1);
        let loader = share(statistics.worker_wait, self.workers);
        if device >= WORTH_SAYING {
            format!(", device waits for images {:.0} %", 100.0 * device)
        } else if loader >= WORTH_SAYING {
            format!(", loader waits for device {:.0} %", 100.0 * loader)
        } else {
            String::new()
        }
    }

    /// The encoded picture of a row of a split.
    pub fn picture(&self, split: Split, row: usize) -> Result<Vec<u8>> {
        let index = *self
            .dataset
            .split(split)
            .indices
            .get(row)
            .context("no such image")?;
        Ok(self.dataset.read(index)?)
    }

    /// The name of each label of a split.
    pub fn class_names(&self, split: Split) -> &[String] {
        &self.dataset.split(split).class_names
    }

    /// The class name of a row of a split.
    pub fn class_name(&self, split: Split, row: usize) -> String {
        let items = self.dataset.split(split);
        let name = items
            .labels
            .get(row)
            .and_then(|&label| items.class_names.get(label as usize));
        name.cloned().unwrap_or_default()
    }
}

impl LoaderSource {
    /// The batches of a plan, drawn on all cores: samplers with a memory bank take a while.
    fn planned(&self, plan: &BatchPlan) -> likewise::Result<Vec<PlannedBatch>> {
        let items = &self.dataset.split(Split::Train).indices;
        let draw = |batch: u32| {
            let rows = plan.batch(batch)?;
            Ok(PlannedBatch {
                epoch: plan.epoch,
                batch,
                indices: rows.into_iter().map(|row| items[row]).collect(),
            })
        };
        plan.batches.clone().into_par_iter().map(draw).collect()
    }
}

/// Lays `--data` and `--split` over the `[data]` table of a recipe.
pub fn locate(layers: &mut Layers, data: Option<&str>, split: Option<&Path>) -> Result<()> {
    let mut put = |key: &str, value: String| {
        layers.set_value(&["data".into(), key.into()], Value::String(value))
    };
    if let Some(split) = split {
        put("split_file", split.display().to_string())?;
    }
    if let Some(data) = data {
        let stated = layers.value(&["data", "source"]).and_then(Value::as_str);
        let source = DataSource::located(stated.unwrap_or_default(), data);
        layers.set_value(&["data".into(), "source".into()], Value::String(source))?;
    }
    Ok(())
}

/// Name of a recipe's data, for the run folder's path.
pub fn dataset_name(data: &DataSettings) -> String {
    data.source.parse::<DataSource>().map_or_else(
        |_| {
            Path::new(&data.source)
                .file_stem()
                .map_or_else(|| "data".into(), |s| s.to_string_lossy().into_owned())
        },
        |source| source.name(),
    )
}

fn transforms(data: &DataSettings) -> TransformOptions {
    let [smallest, largest] = data.crop_area.map(f64::from);
    TransformOptions {
        augmentation: data.augmentation,
        size: data.image_size,
        resize: Some(data.resize()),
        crop_area: (smallest, largest),
        flip: data.flip.into(),
        normalization: Normalization {
            mean: data.mean,
            std: data.std,
        },
        ..TransformOptions::default()
    }
}

fn split_options(data: &DataSettings) -> SplitOptions {
    SplitOptions {
        train: data.split.train,
        validation: data.split.validation,
        seed: data.split_seed,
        validation_of_train: data.validation,
        ..SplitOptions::default()
    }
}

impl BatchSource for LoaderSource {
    fn image_shape(&self) -> [usize; 3] {
        [3, self.image_size, self.image_size]
    }

    fn labels(&self, split: Split) -> &[u32] {
        &self.dataset.split(split).labels
    }

    fn gallery(&self, split: Split) -> Option<&[bool]> {
        self.dataset.split(split).gallery.as_deref()
    }

    fn begin(&mut self, pass: Pass) -> likewise::Result<()> {
        // The threads of an abandoned pass end before new ones start.
        self.batches = None;
        self.pass_started = Instant::now();
        if !self.told_of_cache
            && let Some(problem) = self.loader.disk_cache_problem()
        {
            self.told_of_cache = true;
            say(format!("warning: {problem}"));
        }
        let batches = match pass {
            Pass::Training(plan) => self.loader.train(self.planned(&plan)?)?,
            Pass::Evaluation { split, batch_size } => self
                .loader
                .evaluate(&self.dataset.split(split).indices, batch_size)?,
        };
        self.batches = Some(batches);
        Ok(())
    }

    fn next_batch(&mut self) -> likewise::Result<Option<ImageBatch>> {
        let Some(batch) = self.batches.as_mut().and_then(Iterator::next).transpose()? else {
            return Ok(None);
        };
        let [_, channels, height, width] = batch.shape;
        let rows = batch
            .indices
            .iter()
            .filter_map(|index| self.rows.get(index).copied())
            .collect();
        Ok(Some(ImageBatch {
            pixels: batch.pixels,
            shape: [channels, height, width],
            labels: batch.labels,
            rows,
        }))
    }
}
