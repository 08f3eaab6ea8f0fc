//! `likewise train`.

mod report;
mod run;
mod session;
mod smoke;
mod start;
mod summary;

pub use report::unit;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use likewise::recipe::Recipe;
use likewise::train::Split;
use toml::Value;

use crate::args::{BadImage, Train};
use crate::device::{Chosen, choose};
use crate::environment::Environment;
use crate::interrupt::Interrupt;
use crate::memory::forecast;
use crate::progress::say;
use crate::run_folder::{RunFolder, differences};
use crate::source::{LoaderSource, dataset_name, locate};
use crate::tracker::Trackers;
use crate::{environment, output, recipes};
use start::Start;

/// Exit code of a run the user stopped.
const INTERRUPTED: u8 = 130;

/// Trains, evaluates and reports.
pub fn run(options: &Train) -> Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let (recipe, start) = recipe(options)?;
    let folder = run_folder(options, &recipe);
    // Data before device: a wrong path should not wait for a GPU to open.
    let mut source = LoaderSource::open(&recipe, options.workers)?;
    let device = choose(&options.device)?;
    let classes = source.class_names(Split::Train).len();
    let forecast = forecast::check(&recipe, classes, &device)?;
    let (mut folder, recipe) = open(options, &folder, recipe, &start)?;
    announce(&recipe, &device, &source, &folder);
    forecast.say();
    let used = match &start.weights {
        Some(weights) => weights.used(&recipe),
        None => environment::weights_of(folder.path())?,
    };
    let environment = Environment::new(&device, source.fingerprint(), used);
    output::write_json(&folder.path().join("environment.json"), &environment)?;
    let trackers = Trackers::open(&options.tracker, &folder, &environment)?;
    let pretrained = start.weights.map(|file| file.weights);
    let ending = run::train(
        &recipe,
        pretrained,
        &device,
        &mut source,
        &mut folder,
        &interrupt,
        trackers,
    )?;
    match ending {
        run::Ending::Interrupted => {
            say(format!(
                "stopped; continue with: {}",
                resume_command(options, &folder)
            ));
            Ok(ExitCode::from(INTERRUPTED))
        }
        run::Ending::Finished => {
            report::write(
                folder.path(),
                &recipe,
                &environment,
                &source,
                folder.history(),
            )?;
            summary::print(&recipe, &folder, options.json)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The recipe as the options modify it, and what training starts from.
fn recipe(options: &Train) -> Result<(Recipe, Start)> {
    let mut layers = recipes::read(&options.config)?;
    let (kinds, others) = recipes::in_order(&options.set);
    for assignment in kinds {
        layers.set(assignment)?;
    }
    if options.smoke {
        smoke::shrink(&mut layers, options.weights.is_some())?;
    }
    let mut put = |path: &[&str], value: Value| -> Result<()> {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        Ok(layers.set_value(&path, value)?)
    };
    if let Some(file) = &options.weights {
        put(&["model", "pretrained"], Value::Boolean(true))?;
        put(
            &["model", "weights"],
            Value::String(file.display().to_string()),
        )?;
    }
    if let Some(epochs) = options.epochs {
        put(&["train", "epochs"], Value::Integer(epochs.into()))?;
    }
    if let Some(seed) = options.seed {
        put(&["seed"], Value::Integer(i64::try_from(seed)?))?;
    }
    if let Some(policy) = options.on_bad_image {
        let policy = match policy {
            BadImage::Fail => "fail",
            BadImage::Skip => "skip",
        };
        put(&["data", "on_bad_image"], Value::String(policy.into()))?;
    }
    for assignment in others {
        layers.set(assignment)?;
    }
    locate(
        &mut layers,
        options.data.as_deref(),
        options.split.as_deref(),
    )?;
    let start = Start::read(options, &mut layers)?;
    let recipe = layers.into_recipe()?;
    start.check(options, &recipe)?;
    Ok((recipe, start))
}

fn run_folder(options: &Train, recipe: &Recipe) -> PathBuf {
    options.run.clone().unwrap_or_else(|| {
        let dataset = dataset_name(&recipe.data);
        let name = if recipe.name.is_empty() {
            "recipe"
        } else {
            &recipe.name
        };
        PathBuf::from("runs")
            .join(dataset)
            .join(name)
            .join(format!("seed-{}", recipe.seed))
    })
}

/// A new run, or the earlier one with the recipe it began with.
fn open(
    options: &Train,
    path: &std::path::Path,
    mut recipe: Recipe,
    start: &Start,
) -> Result<(RunFolder, Recipe)> {
    if !options.resume {
        return Ok((RunFolder::create(path, &recipe)?, recipe));
    }
    let folder = RunFolder::resume(path)?;
    let stored = folder.recipe().clone();
    start.adopt(&mut recipe, &stored);
    if stored != recipe {
        anyhow::bail!(
            "{} was begun with another recipe ({}): resume it with the same options, or choose another \
             folder with --run",
            path.display(),
            differences(&stored, &recipe)
        );
    }
    Ok((folder, stored))
}

fn announce(recipe: &Recipe, device: &Chosen, source: &LoaderSource, folder: &RunFolder) {
    say(format!("recipe  {} (seed {})", recipe.name, recipe.seed));
    say(format!("data    {}", source.describe()));
    say(format!(
        "device  {} [{}]: {}",
        device.name, device.backend, device.reason
    ));
    say(format!("run     {}", folder.path().display()));
}

fn resume_command(options: &Train, folder: &RunFolder) -> String {
    let mut words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--resume")
        .collect();
    if options.run.is_none() {
        words.extend(["--run".into(), folder.path().display().to_string()]);
    }
    words.push("--resume".into());
    let quoted = words.iter().map(|word| {
        if word.contains([' ', '\'', '"', '$']) {
            format!("'{}'", word.replace('\'', "'\\''"))
        } else {
            word.clone()
        }
    });
    format!("likewise {}", quoted.collect::<Vec<_>>().join(" "))
}
