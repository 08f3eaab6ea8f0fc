//! From a run folder to its `report.html`.

use std::path::Path;

use anyhow::{Context, Result};
use likewise::metric::{self, Direction, MetricName, MetricValues, Parameter, Space};
use likewise::random::{self, Purpose};
use likewise::recipe::{Protocol, Recipe};
use likewise::train::{Baselines, BatchSource, EmbeddedSplit, Observed, Split};
use rand::seq::index::sample;

use crate::environment::Environment;
use crate::history::{History, Record};
use crate::memory::gigabytes;
use crate::output;
use crate::report::projection::{MAP_LIMIT, project};
use crate::report::{
    Better, EmbeddingMap, MapPoint, MetricRow, Neighbour, ProgressCurve, Query, Report,
    SettingGroup, Spectra, Start, TrainingCurve, Unit, render,
};
use crate::run_folder::read_embeddings;
use crate::source::LoaderSource;

const QUERIES: usize = 20;
const NEIGHBOURS: usize = 5;

/// Writes the report of a finished run.
pub fn write(
    folder: &Path,
    recipe: &Recipe,
    environment: &Environment,
    source: &LoaderSource,
    history: &History,
) -> Result<()> {
    let finished = history
        .records()
        .iter()
        .rev()
        .find_map(|record| match record {
            Record::Finished {
                selected_epoch,
                stopped_after,
                metrics,
                baselines,
                skipped_images,
                ..
            } => Some((
                (*selected_epoch, *stopped_after),
                metrics,
                baselines,
                *skipped_images,
            )),
            _ => None,
        });
    let (epochs, metrics, baselines, skipped_files) =
        finished.context("the run has no result to report")?;
    let after = read_embeddings(&folder.join("embeddings/test.safetensors"))?;
    let before = read_embeddings(&folder.join("embeddings/test-untrained.safetensors")).ok();
    let report = Report {
        title: format!("{} · seed {}", recipe.name, recipe.seed),
        summary: summary(metrics, baselines, source),
        settings: settings(recipe, environment, source, history),
        training: training_curves(history),
        progress: progress_curves(history),
        metrics: rows(metrics, baselines),
        start: match baselines.pretrained_features {
            Some(_) => Start::PretrainedFeatures,
            None => Start::RawPixels,
        },
        protocol: protocol(recipe, epochs),
        queries: queries(&after, recipe.seed, source)?,
        spectrum: Some(spectra(before.as_ref(), &after)?),
        map: Some(map(&after, source)?),
        warnings: history.warnings(),
        skipped_files,
    };
    output::write(&folder.join("report.html"), render(&report).as_bytes())
}

fn summary(metrics: &MetricValues, baselines: &Baselines, source: &LoaderSource) -> String {
    let percent = |values: Option<&MetricValues>| {
        let value = values
            .and_then(|values| values.get("recall@1"))
            .unwrap_or(f64::NAN);
        Unit::Percent.text(value)
    };
    let (name, start) = baselines.without_training();
    format!(
        "Among {} images of classes the network never saw, the nearest neighbour is of the right class for {} \
         of them. Before training it was {}; comparing {name} gives {}.",
        source.labels(Split::Test).len(),
        percent(Some(metrics)),
        percent(baselines.untrained.as_ref()),
        percent(start),
    )
}

fn settings(
    recipe: &Recipe,
    environment: &Environment,
    source: &LoaderSource,
    history: &History,
) -> Vec<SettingGroup> {
    let group = |title: &str, rows: Vec<(String, String)>| SettingGroup {
        title: title.into(),
        rows,
    };
    let mut groups: Vec<SettingGroup> = Vec::new();
    let mut general = Vec::new();
    if let Ok(toml::Value::Table(tables)) = toml::Value::try_from(recipe) {
        for (name, value) in tables {
            match value {
                toml::Value::Table(table) => {
                    let mut rows = Vec::new();
                    flatten("", &table, &mut rows);
                    groups.push(group(&name, rows));
                }
                value => general.push((name, plain(&value))),
            }
        }
    }
    groups.insert(0, group("recipe", general));
    groups.push(group(
        "environment",
        vec![
            ("dataset".into(), source.describe()),
            ("fingerprint".into(), environment.dataset.clone()),
            (
                "device".into(),
                format!(
                    "{} [{}]",
                    environment.device.name, environment.device.backend
                ),
            ),
            ("why".into(), environment.device.reason.clone()),
            ("likewise".into(), environment.version.into()),
            ("commit".into(), environment.git.unwrap_or("unknown").into()),
            ("burn".into(), environment.burn.into()),
            ("compiler".into(), environment.rustc.into()),
            (
                "system".into(),
                format!("{}, {} cores", environment.system, environment.cores),
            ),
            (
                "memory".into(),
                history
                    .memory()
                    .map_or("unknown".into(), |(estimated, used)| {
                        let estimated = gigabytes(estimated);
                        format!(
                            "{} at the peak ({estimated} estimated for a step)",
                            used.text()
                        )
                    }),
            ),
        ],
    ));
    groups
}

fn flatten(prefix: &str, table: &toml::Table, rows: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            toml::Value::Table(table) => flatten(&path, table, rows),
            value => rows.push((path, plain(value))),
        }
    }
}

fn plain(value: &toml::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_string)
}

/// The loss of every step, and what was seen of those that were looked at more closely.
fn training_curves(history: &History) -> Vec<TrainingCurve> {
    let losses = history.step_losses();
    let Some(batches) = losses.keys().map(|(_, batch)| batch + 1).max() else {
        return Vec::new();
    };
    let time = |(epoch, batch): (u32, u32)| {
        f64::from(epoch - 1) + f64::from(batch + 1) / f64::from(batches)
    };
    let curve = |title: &str, quantity: &str, note: &str, points: Vec<(f64, f64)>| TrainingCurve {
        title: title.into(),
        quantity: quantity.into(),
        note: note.into(),
        time: "epoch".into(),
        points,
    };
    let loss = losses
        .iter()
        .map(|(&step, &loss)| (time(step), f64::from(loss)));
    let observed = history.observed();
    let seen = |value: &dyn Fn(&Observed) -> Option<f64>| -> Vec<(f64, f64)> {
        let points = observed
            .iter()
            .filter_map(|(&step, seen)| Some((time(step), value(seen)?)));
        points.collect()
    };
    let curves = vec![
        curve("Training objective", "objective", "", loss.collect()),
        curve(
            "Active tuples",
            "active, %",
            "How many of the tuples or anchors still contribute to the objective.",
            seen(&|seen| Some(100.0 * seen.active_share()?)),
        ),
        curve(
            "Effective rank",
            "directions",
            "How many directions the embeddings of a batch use.",
            seen(&|seen| Some(seen.effective_rank)),
        ),
        curve(
            "Gradient",
            "root mean square",
            "Of the parameters of the network.",
            seen(&|seen| Some(seen.gradient_rms)),
        ),
    ];
    curves
        .into_iter()
        .filter(|curve| !curve.points.is_empty())
        .collect()
}

fn progress_curves(history: &History) -> Vec<ProgressCurve> {
    let mut curves: Vec<(MetricName, Split, ProgressCurve)> = Vec::new();
    for ((split, epoch, subject), metrics) in history.evaluations() {
        if subject != "training" {
            continue;
        }
        for (&name, &value) in &metrics.scalars {
            let point = (f64::from(epoch), value);
            match curves
                .iter_mut()
                .find(|(other, of, _)| *other == name && *of == split)
            {
                Some((_, _, curve)) => curve.points.push(point),
                None => {
                    let curve = ProgressCurve {
                        metric: title(name),
                        split: split.name().into(),
                        unit: unit(name),
                        points: vec![point],
                    };
                    curves.push((name, split, curve));
                }
            }
        }
    }
    curves.into_iter().map(|(_, _, curve)| curve).collect()
}

fn rows(metrics: &MetricValues, baselines: &Baselines) -> Vec<MetricRow> {
    let (_, start) = baselines.without_training();
    let baseline = |values: &Option<MetricValues>, name: MetricName| {
        values
            .as_ref()
            .and_then(|values| values.scalars.get(&name))
            .copied()
    };
    let row = |(&name, &value): (&MetricName, &f64)| MetricRow {
        name: name.to_string(),
        title: title(name),
        definition: name.metric().definition.into(),
        unit: unit(name),
        better: match name.metric().direction {
            Direction::Higher => Better::Larger,
            Direction::Lower => Better::Smaller,
            Direction::Neither => Better::Neither,
        },
        before: baseline(&baselines.untrained, name),
        after: Some(value),
        start: start.and_then(|values| values.scalars.get(&name)).copied(),
    };
    metrics.scalars.iter().map(row).collect()
}

/// Title of a metric with its parameter, such as `Recall@4`.
fn title(name: MetricName) -> String {
    let metric = name.metric();
    match metric.parameter {
        Parameter::None => metric.title.to_string(),
        Parameter::Neighbours => metric
            .title
            .replace("@k", &format!("@{}", name.parameter())),
        Parameter::Spectrum => format!("{}, m = {}", metric.title, name.parameter()),
    }
}

/// Scores read as percent, everything else as plain numbers.
pub fn unit(name: MetricName) -> Unit {
    if name.metric().range == (0.0, 1.0) {
        Unit::Percent
    } else {
        Unit::Number
    }
}

fn protocol(recipe: &Recipe, (selected, stopped_after): (u32, Option<u32>)) -> String {
    let (epochs, select) = (recipe.train.epochs, recipe.evaluation.select);
    match (recipe.train.protocol, stopped_after) {
        (Protocol::Validation, None) => format!(
            "Protocol “validation”: epoch {selected} of {epochs} was chosen by {select} of validation classes; the \
             test classes were read once, after that."
        ),
        (Protocol::Validation, Some(last)) => format!(
            "Protocol “validation”: epoch {selected} was chosen by {select} of validation classes, which also \
             stopped the training after epoch {last} of {epochs}; the test classes were read once, after that."
        ),
        (Protocol::Paper, _) => format!(
            "Protocol “paper”: as in the published results, each score is its maximum over the epochs on the test \
             classes themselves (the embedding is that of epoch {selected}); expect lower values on new data."
        ),
    }
}

fn queries(embeddings: &EmbeddedSplit, seed: u64, source: &LoaderSource) -> Result<Vec<Query>> {
    let rows = embeddings.labels.len();
    let mut rng = random::stream(seed, Purpose::Report, 0, 0, 0);
    let chosen = sample(&mut rng, rows, QUERIES.min(rows)).into_vec();
    let found = metric::nearest_neighbours(
        &embeddings.values,
        embeddings.dim,
        Space::Euclidean,
        &chosen,
        NEIGHBOURS,
    )?;
    let picture = |row: usize| source.picture(Split::Test, embeddings.rows[row]);
    let class = |row: usize| source.class_name(Split::Test, embeddings.rows[row]);
    let query = |(row, neighbours): (usize, Vec<metric::Neighbour>)| {
        let neighbour = |near: metric::Neighbour| {
            Ok(Neighbour {
                picture: picture(near.row)?,
                class: class(near.row),
                correct: embeddings.labels[near.row] == embeddings.labels[row],
            })
        };
        Ok(Query {
            picture: picture(row)?,
            class: class(row),
            neighbours: neighbours
                .into_iter()
                .map(neighbour)
                .collect::<Result<_>>()?,
        })
    };
    chosen.into_iter().zip(found).map(query).collect()
}

fn spectra(before: Option<&EmbeddedSplit>, after: &EmbeddedSplit) -> Result<Spectra> {
    let values = |stored: &EmbeddedSplit| metric::singular_values(&stored.values, stored.dim);
    Ok(Spectra {
        of: "unseen classes".into(),
        before: before.map(values).transpose()?.unwrap_or_default(),
        after: values(after)?,
    })
}

fn map(embeddings: &EmbeddedSplit, source: &LoaderSource) -> Result<EmbeddingMap> {
    let layout = project(&embeddings.values, embeddings.dim, MAP_LIMIT);
    let mut thumbnails = Vec::with_capacity(layout.rows.len());
    let mut points = Vec::with_capacity(layout.rows.len());
    for (&row, place) in layout.rows.iter().zip(&layout.places) {
        let picture = image::load_from_memory(&source.picture(Split::Test, embeddings.rows[row])?);
        let thumbnail = picture.ok().map(|picture| {
            thumbnails.push(picture.to_rgb8());
            thumbnails.len() - 1
        });
        points.push(MapPoint {
            x: place[0].into(),
            y: place[1].into(),
            class: embeddings.labels[row] as usize,
            class_name: source.class_name(Split::Test, embeddings.rows[row]),
            thumbnail,
        });
    }
    Ok(EmbeddingMap {
        method: layout.method.describe(),
        points,
        thumbnails,
    })
}
