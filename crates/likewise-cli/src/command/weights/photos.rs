//! The whole published classifier on photographs whose classes are known: the only check that sees
//! a wrong preparation of the images or a stride in the wrong place.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use burn::tensor::{Device, Tensor, TensorData, activation::softmax};
use likewise::model::{NetworkConfig, Pretrained};
use likewise::random::{Purpose, stream};
use likewise_data::transform::Scratch;
use likewise_data::{Normalization, RgbImage, TransformOptions};
use zip::ZipArchive;

/// How the names of photographs begin; what follows is a number and the class.
const PREFIX: &str = "imagenet_";

/// A classified photograph.
#[derive(Debug)]
pub struct Photo {
    /// File name.
    pub name: String,
    /// Its class, 0 to 999.
    pub class: usize,
    /// The class with the largest logit.
    pub predicted: usize,
    /// What the network gives it.
    pub probability: f32,
}

impl Photo {
    /// Whether the prediction is the class.
    pub fn is_right(&self) -> bool {
        self.class == self.predicted
    }
}

/// Classifies the photographs in a folder or an archive.
pub fn classify(path: &Path, config: &NetworkConfig, weights: &Pretrained) -> Result<Vec<Photo>> {
    let files = photographs(path)?;
    if files.is_empty() {
        bail!(
            "{} holds no photographs with names such as {PREFIX}00_243.jpg, which say the class",
            path.display()
        );
    }
    let device = Device::flex();
    let architecture = config.backbone.architecture();
    let images = architecture.images;
    let published = architecture.weights.as_ref().with_context(|| {
        format!(
            "the architecture {} has no published classifier",
            architecture.name
        )
    })?;
    let weight = format!("{}.weight", published.classifier);
    let classes = weights.tensors.get(&weight).with_context(|| {
        format!("the file has no {weight}: without a classifier photographs have no classes")
    })?;
    let config = NetworkConfig {
        embedding_dim: classes.shape()[0],
        normalize: false,
        ..config.clone()
    };
    let mut network = config.init(0, [3, images.size, images.size], &device)?;
    network.load_classifier(weights.tensors.clone())?;
    let transform = TransformOptions {
        size: images.size,
        resize: Some(images.resize),
        normalization: Normalization {
            mean: images.mean,
            std: images.std,
        },
        ..TransformOptions::default()
    }
    .evaluate()?;
    let mut scratch = Scratch::default();
    let mut values = vec![0.0; transform.values()];
    let mut photos = Vec::new();
    for (name, (class, bytes)) in files {
        let image: RgbImage = likewise_data::decode::decode(&bytes)
            .with_context(|| format!("{name} cannot be decoded"))?;
        let mut random = stream(0, Purpose::Augmentation, 0, 0, 0);
        transform.apply(&image.into(), &mut random, &mut scratch, &mut values);
        let shape = [1, 3, images.size, images.size];
        let input = Tensor::<4>::from_data(TensorData::new(values.clone(), shape), &device);
        let probabilities: Vec<f32> = softmax(network.forward(input).embeddings, 1)
            .into_data()
            .try_to_vec()
            .map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let best = probabilities.iter().copied().enumerate();
        let best = best.max_by(|(_, a), (_, b)| a.total_cmp(b));
        let (predicted, probability) = best.context("the classifier has no classes")?;
        photos.push(Photo {
            name,
            class,
            predicted,
            probability,
        });
    }
    Ok(photos)
}

type Photographs = BTreeMap<String, (usize, Vec<u8>)>;

fn photographs(path: &Path) -> Result<Photographs> {
    let failed = || format!("cannot read {}", path.display());
    let mut found = Photographs::new();
    if path.is_dir() {
        for entry in fs::read_dir(path).with_context(failed)? {
            let file = entry.with_context(failed)?.path();
            if let Some((name, class)) = class_of(&file) {
                let bytes =
                    fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
                found.insert(name, (class, bytes));
            }
        }
        return Ok(found);
    }
    let file = File::open(path).with_context(failed)?;
    let mut archive = ZipArchive::new(BufReader::new(file))
        .with_context(|| format!("{} is neither a folder nor a wheel", path.display()))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).with_context(failed)?;
        if let Some((name, class)) = class_of(Path::new(entry.name())) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).with_context(failed)?;
            found.insert(name, (class, bytes));
        }
    }
    Ok(found)
}

/// The name of a photograph and the class in it.
fn class_of(path: &Path) -> Option<(String, usize)> {
    let name = path.file_name()?.to_str()?;
    let (_, class) = name
        .strip_prefix(PREFIX)?
        .strip_suffix(".jpg")?
        .rsplit_once('_')?;
    Some((name.to_owned(), class.parse().ok()?))
}
