//! Embedding a split again with a network that a run keeps.

use std::path::Path;

use anyhow::{Context, Result, bail};
use likewise::model::state::load_state_dict;
use likewise::sampler::ClassIndex;
use likewise::train::{BatchSource, EmbeddedSplit, Learner, Split, embed_split};
use likewise_data::DataSource;

use crate::args::Evaluate;
use crate::device::choose;
use crate::progress::{Task, say};
use crate::run_folder::{read_network, read_recipe};
use crate::source::LoaderSource;

/// The split's embeddings by the network of `--checkpoint`, and the names of its classes.
pub fn embed(run: &Path, options: &Evaluate) -> Result<(EmbeddedSplit, Vec<String>)> {
    let split: Split = options.split.parse()?;
    let name = options.checkpoint.as_deref().unwrap_or_default();
    let mut recipe = read_recipe(run)?;
    let (place, state) = read_network(run, name, &recipe)?;
    if let Some(data) = &options.data {
        recipe.data.source = DataSource::located(&recipe.data.source, data);
    }
    let mut source = LoaderSource::open(&recipe, None)?;
    if source.labels(split).is_empty() {
        bail!(
            "the {} split of {} is empty",
            split.name(),
            recipe.data.source
        );
    }
    let classes = ClassIndex::new(source.labels(Split::Train)).classes().len();
    let device = choose(&options.device)?.device;
    let mut learner = Learner::new(&recipe, source.image_shape(), classes, &device)?;
    load_state_dict(&mut learner, &state)
        .with_context(|| format!("{} does not fit the recipe and the data", place.display()))?;
    drop(state);
    say(format!("network {}", place.display()));
    let network = learner.network.for_evaluation();
    let title = format!("embedding {}", split.name());
    let mut task = Task::new(title, source.labels(split).len() as u64);
    let embedded = pollster::block_on(embed_split(
        &network,
        split,
        recipe.evaluation.batch_size,
        &device,
        &mut source,
        |done| task.update(done as u64, ""),
    ))?;
    task.finish();
    let names = source.class_names(split).to_vec();
    Ok((embedded, names))
}
