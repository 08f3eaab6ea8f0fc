//! `likewise toy`.

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use likewise::toy::{self, Mode, Outcome};
use serde_json::json;

use crate::args::Toy;
use crate::chart::{ToyEmbedding, ToyFigure, ToyPoint, svg_to_png, toy_figure};
use crate::output;
use crate::output::{out, outln};
use crate::progress::Task;

/// Width of the PNG in pixels.
const FIGURE_WIDTH: u32 = 1600;

/// Trains the networks of each mode and seed, prints the numbers and draws the figure.
pub fn run(options: &Toy) -> Result<()> {
    let modes = modes(options)?;
    if options.seeds == 0 {
        bail!("--seeds 0: at least 1");
    }
    let device = Device::flex();
    let mut task = Task::new("diagonal lines", options.seeds * modes.len() as u64);
    let mut outcomes = Vec::new();
    for seed in 1..=options.seeds {
        for &mode in &modes {
            let p_switch = match mode {
                Mode::Base => 0.0,
                _ => options.p_switch.unwrap_or(mode.default_p_switch()),
            };
            outcomes.push(pollster::block_on(toy::run(mode, p_switch, seed, &device))?);
            task.update(outcomes.len() as u64, mode.name());
        }
    }
    task.finish();
    write(options, &modes, &outcomes)?;
    if options.json {
        outln!(
            "{}",
            json!({ "outcomes": outcomes, "summary": summary(&modes, &outcomes) })
        );
    } else {
        print_table(options, &modes, &outcomes)?;
    }
    Ok(())
}

/// The base network always takes part: the others are compared with it.
fn modes(options: &Toy) -> Result<Vec<Mode>> {
    match options.mode.as_deref() {
        None => Ok(Mode::ALL.to_vec()),
        Some("base") => Ok(vec![Mode::Base]),
        Some("switch") => Ok(vec![Mode::Base, Mode::Switch]),
        Some("upstream") => Ok(vec![Mode::Base, Mode::Upstream]),
        Some(other) => bail!("--mode {other}: use upstream, switch or base"),
    }
}

/// Mean and population standard deviation.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / count;
    (mean, variance.sqrt())
}

/// A number of an outcome, by name.
type Column = (&'static str, fn(&Outcome) -> f64);

const COLUMNS: [Column; 4] = [
    ("sigma1", |outcome| outcome.spectrum[0]),
    ("rho", |outcome| outcome.rho),
    ("train_recall@1", |outcome| outcome.train_recall),
    ("test_recall@1", |outcome| outcome.test_recall),
];

fn summary(modes: &[Mode], outcomes: &[Outcome]) -> serde_json::Value {
    let rows = modes.iter().map(|&mode| {
        let of_mode: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.mode == mode)
            .collect();
        let mut row = serde_json::Map::new();
        row.insert("mode".into(), json!(mode));
        for (name, value) in COLUMNS {
            let values: Vec<f64> = of_mode.iter().map(|outcome| value(outcome)).collect();
            let (mean, deviation) = mean_and_deviation(&values);
            row.insert(name.into(), json!({ "mean": mean, "std": deviation }));
        }
        serde_json::Value::Object(row)
    });
    serde_json::Value::Array(rows.collect())
}

fn print_table(options: &Toy, modes: &[Mode], outcomes: &[Outcome]) -> Result<()> {
    outln!("diagonal lines, mean ± std over {} seeds", options.seeds);
    out!("{:10} {:>9}", "mode", "p_switch");
    for (name, _) in COLUMNS {
        out!(" {name:>17}");
    }
    outln!();
    for &mode in modes {
        let of_mode: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.mode == mode)
            .collect();
        let p_switch = of_mode.first().map_or(0.0, |outcome| outcome.p_switch);
        out!("{:10} {p_switch:>9}", mode.name());
        for (_, value) in COLUMNS {
            let values: Vec<f64> = of_mode.iter().map(|outcome| value(outcome)).collect();
            let (mean, deviation) = mean_and_deviation(&values);
            out!(" {:>17}", format!("{mean:.3} ± {deviation:.3}"));
        }
        outln!();
    }
    outln!(
        "\nfigure  {}",
        options.output.join("diagonal_lines.svg").display()
    );
    outln!(
        "numbers {}",
        options.output.join("diagonal_lines.csv").display()
    );
    Ok(())
}

fn write(options: &Toy, modes: &[Mode], outcomes: &[Outcome]) -> Result<()> {
    let mut table =
        String::from("mode,p_switch,seed,sigma1,sigma2,rho,train_recall@1,test_recall@1\n");
    for outcome in outcomes {
        let Outcome {
            mode,
            p_switch,
            seed,
            spectrum: [first, second],
            rho,
            train_recall,
            test_recall,
            ..
        } = outcome;
        let mode = mode.name();
        table.push_str(&format!(
            "{mode},{p_switch},{seed},{first},{second},{rho},{train_recall},{test_recall}\n"
        ));
    }
    output::write(&options.output.join("diagonal_lines.csv"), table.as_bytes())?;
    let first_of = |mode: Mode| outcomes.iter().find(|outcome| outcome.mode == mode);
    let base = first_of(modes[0]).context("no outcome to draw")?;
    let compared = modes
        .last()
        .and_then(|&mode| first_of(mode))
        .unwrap_or(base);
    let (train, test) = toy::points(base.seed);
    let svg = toy_figure(&ToyFigure {
        train: drawn(&train, 0),
        unseen: drawn(&test, TRAINING_CLASSES),
        base: embedding(base),
        regularised: embedding(compared),
    });
    output::write(&options.output.join("diagonal_lines.svg"), svg.as_bytes())?;
    output::write(
        &options.output.join("diagonal_lines.png"),
        &svg_to_png(&svg, FIGURE_WIDTH)?,
    )
}

/// Classes of unseen points count on from those of the training points.
const TRAINING_CLASSES: usize = 4;

fn drawn(points: &toy::Points, first_class: usize) -> Vec<ToyPoint> {
    let point = |(position, &label): (&[f32; 2], &u32)| ToyPoint {
        x: position[0].into(),
        y: position[1].into(),
        class: first_class + label as usize,
    };
    points
        .positions
        .iter()
        .zip(&points.labels)
        .map(point)
        .collect()
}

fn embedding(outcome: &Outcome) -> ToyEmbedding {
    let places = |values: &[[f32; 2]]| values.iter().map(|place| place.map(f64::from)).collect();
    ToyEmbedding {
        name: outcome.mode.name().into(),
        train: places(&outcome.train),
        unseen: places(&outcome.test),
        spectrum: outcome.spectrum,
        note: format!(
            "ρ {:.3}, Recall@1 of unseen {:.0} %",
            outcome.rho,
            100.0 * outcome.test_recall
        ),
    }
}
