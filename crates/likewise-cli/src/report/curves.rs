//! What happened during training: the objective, and each metric of unseen classes.

use maud::{Markup, html};

use super::page::{heading, table, thinned};
use super::{ProgressCurve, Report, TrainingCurve, Unit};
use crate::chart::{Axis, LineChart, Series, Stroke};

/// Above this many points a curve is drawn as means of equal stretches, with their range as a band.
const FINEST: usize = 300;
/// Stretches of such a curve.
const STRETCHES: usize = 150;
/// Rows of a data table.
const TABLE_ROWS: usize = 60;

/// The curves section; empty without curves.
pub fn section(report: &Report) -> Markup {
    let lead = html! {
        "The training objective falls on the training classes; whether that helps shows only on "
        "classes the network has never seen. Epoch 0 is the untrained network."
    };
    html! {
        @if !report.training.is_empty() || !report.progress.is_empty() {
            section aria-labelledby="curves" {
                (heading("curves", "During training", &lead))
                div class="grid" {
                    @for curve in &report.training { (training(curve)) }
                    @for curves in by_metric(&report.progress) { (progress(&curves)) }
                }
            }
        }
    }
}

/// A chart with its caption, a place for the read-out of values, and its data as a table.
pub fn figure(title: &str, note: &str, chart: &LineChart, table: &Markup) -> Markup {
    html! {
        figure class="curves" data-x=(chart.x.title) {
            figcaption { h3 { (title) } @if !note.is_empty() { p { (note) } } }
            div class="plot" { (chart.render()) div class="tip" hidden {} }
            p class="live" aria-live="polite" {}
            (table)
        }
    }
}

fn training(curve: &TrainingCurve) -> Markup {
    let (points, band) = stretches(&curve.points);
    let band_note = match band.is_empty() {
        true => String::new(),
        false => format!(
            "Line: mean of {} values at a time; band: their range.",
            curve.points.len().div_ceil(STRETCHES)
        ),
    };
    let note = format!("{} {band_note}", curve.note);
    let quantity = curve.quantity.as_str();
    let series = Series {
        name: quantity.to_owned(),
        points,
        band,
        stroke: Stroke::Solid,
        colour: 0,
    };
    let chart = LineChart {
        label: format!("{} over {}s", curve.title, curve.time),
        x: Axis::new(curve.time.as_str()),
        y: Axis::new(quantity),
        series: vec![series],
        references: Vec::new(),
    };
    let rows: Vec<Vec<Markup>> = thinned(curve.points.len(), TABLE_ROWS)
        .into_iter()
        .map(|i| vec![number(curve.points[i].0), number(curve.points[i].1)])
        .collect();
    let table = table(
        &format!("Data: {quantity}"),
        &[&curve.time, quantity],
        &rows,
    );
    figure(&curve.title, note.trim(), &chart, &table)
}

type Pairs = Vec<(f64, f64)>;

/// Long curves as the means of equal stretches with the range of each; short ones as they are.
fn stretches(points: &[(f64, f64)]) -> (Pairs, Pairs) {
    if points.len() <= FINEST {
        return (points.to_vec(), Vec::new());
    }
    let length = points.len().div_ceil(STRETCHES);
    points
        .chunks(length)
        .map(|stretch| {
            let values = || stretch.iter().map(|p| p.1).filter(|v| v.is_finite());
            let mean = values().sum::<f64>() / values().count() as f64;
            let middle = stretch.iter().map(|p| p.0).sum::<f64>() / stretch.len() as f64;
            let range = (
                values().fold(f64::NAN, f64::min),
                values().fold(f64::NAN, f64::max),
            );
            ((middle.round(), mean), range)
        })
        .unzip()
}

fn by_metric(curves: &[ProgressCurve]) -> Vec<Vec<&ProgressCurve>> {
    let mut groups: Vec<Vec<&ProgressCurve>> = Vec::new();
    for curve in curves {
        match groups.iter_mut().find(|g| g[0].metric == curve.metric) {
            Some(group) => group.push(curve),
            None => groups.push(vec![curve]),
        }
    }
    groups
}

fn progress(curves: &[&ProgressCurve]) -> Markup {
    let (metric, unit) = (curves[0].metric.as_str(), curves[0].unit);
    const STYLES: [(Stroke, usize); 3] =
        [(Stroke::Solid, 0), (Stroke::Dashed, 1), (Stroke::Dotted, 2)];
    let styled = curves.iter().zip(STYLES.iter().cycle());
    let mut series: Vec<Series> = styled
        .map(|(curve, (stroke, colour))| Series {
            name: curve.split.clone(),
            points: curve.points.clone(),
            band: Vec::new(),
            stroke: *stroke,
            colour: *colour,
        })
        .collect();
    series.reverse();
    let splits: Vec<&str> = curves.iter().map(|c| c.split.as_str()).collect();
    let chart = LineChart {
        label: format!("{metric} over epochs, {}", splits.join(" and ")),
        x: Axis::new("epoch"),
        y: Axis::new(metric).unit(unit),
        series,
        references: Vec::new(),
    };
    let columns: Vec<&str> = std::iter::once("epoch")
        .chain(splits.iter().copied())
        .collect();
    let rows = progress_rows(curves, unit);
    let table = table(&format!("Data: {metric}"), &columns, &rows);
    figure(
        &format!("{metric}, unseen classes"),
        &best(curves),
        &chart,
        &table,
    )
}

fn progress_rows(curves: &[&ProgressCurve], unit: Unit) -> Vec<Vec<Markup>> {
    let mut epochs: Vec<f64> = curves
        .iter()
        .flat_map(|c| c.points.iter().map(|p| p.0))
        .collect();
    epochs.sort_by(f64::total_cmp);
    epochs.dedup();
    let value = |curve: &ProgressCurve, epoch: f64| {
        let point = curve.points.iter().find(|p| p.0 == epoch);
        html! { (unit.text(point.map_or(f64::NAN, |p| p.1))) }
    };
    thinned(epochs.len(), TABLE_ROWS)
        .into_iter()
        .map(|i| {
            let cells = curves.iter().map(|c| value(c, epochs[i]));
            std::iter::once(number(epochs[i])).chain(cells).collect()
        })
        .collect()
}

/// Values of the last epoch in words.
fn best(curves: &[&ProgressCurve]) -> String {
    let last = curves.iter().filter_map(|curve| {
        let (epoch, value) = curve.points.iter().rev().find(|p| p.1.is_finite())?;
        Some(format!(
            "{} {} at epoch {}",
            curve.split,
            curve.unit.text(*value),
            Unit::Number.text(*epoch)
        ))
    });
    let last: Vec<String> = last.collect();
    if last.is_empty() {
        String::new()
    } else {
        format!("Last: {}.", last.join("; "))
    }
}

fn number(value: f64) -> Markup {
    html! { (Unit::Number.text(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_become_means_with_a_range_that_holds_every_value() {
        let points: Vec<(f64, f64)> = (0..1000)
            .map(|i| (f64::from(i), f64::from(i % 10)))
            .collect();
        let (means, band) = stretches(&points);
        assert_eq!((means.len(), band.len()), (143, 143));
        assert!(
            means
                .iter()
                .zip(&band)
                .all(|(m, b)| b.0 <= m.1 && m.1 <= b.1)
        );
        assert_eq!(band.iter().map(|b| b.1).fold(0.0, f64::max), 9.0);
        assert_eq!(stretches(&points[..10]).0, &points[..10]);
    }

    #[test]
    fn values_that_are_missing_do_not_spoil_a_stretch() {
        let points: Vec<(f64, f64)> = (0..900)
            .map(|i| {
                (
                    f64::from(i),
                    if i % 3 == 0 || i > 600 { f64::NAN } else { 2.0 },
                )
            })
            .collect();
        let (means, _) = stretches(&points);
        assert_eq!(means[0].1, 2.0);
        assert!(means.last().is_some_and(|m| m.1.is_nan()));
    }
}
