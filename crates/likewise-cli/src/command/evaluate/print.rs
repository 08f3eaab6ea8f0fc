//! The result of an evaluation, for people and for programs.

use std::collections::BTreeMap;

use anyhow::Result;
use likewise::metric::{Averaging, Interval, MetricName, Quantity, WorstClass};
use serde_json::{Map, Value, json};

use super::Evaluated;
use super::input::Input;
use crate::args::Evaluate;
use crate::command::train::unit;
use crate::output::{out, outln};

/// One JSON object: the metrics by name, and under `details` what else is known.
pub fn json(input: &Input, result: &Evaluated, options: &Evaluate) -> Result<()> {
    let mut object = match json!(result.values) {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    let classes = &result.classes;
    let by_name = |values: &dyn Fn(MetricName) -> Option<Value>| -> Map<String, Value> {
        let named = |&name: &MetricName| Some((name.to_string(), values(name)?));
        classes.names().iter().filter_map(named).collect()
    };
    let class_means = by_name(&|name| {
        let value = classes.mean(name, Averaging::Classes)?;
        Some(json!({ "value": value, "interval": ends(&result.class_intervals, name) }))
    });
    let worst_classes: Map<String, Value> = worst(result)
        .map(|(name, worst)| {
            let class = json!({
                "class": input.class_name(worst.class.label),
                "count": worst.class.queries,
                "value": worst.value,
            });
            (name.to_string(), class)
        })
        .collect();
    let details = json!({
        "queries": classes.queries(),
        "gallery": input.gallery.as_ref().map(|gallery| gallery.labels.len()),
        "classes": classes.classes().len(),
        "unmatched_queries": classes.unmatched_queries(),
        "resamples": options.resamples,
        "confidence": options.confidence,
        "intervals": by_name(&|name| ends(&result.intervals, name).map(|ends| json!(ends))),
        "class_means": class_means,
        "worst_classes": worst_classes,
        "notes": result.values.notes,
    });
    object.insert("details".into(), details);
    outln!("{}", Value::Object(object));
    Ok(())
}

fn ends(intervals: &BTreeMap<MetricName, Interval>, name: MetricName) -> Option<[f64; 2]> {
    intervals.get(&name).map(|found| [found.low, found.high])
}

/// The worst classes asked for.
fn worst(result: &Evaluated) -> impl Iterator<Item = (MetricName, WorstClass)> + '_ {
    let names = result.values.scalars.keys().copied();
    let worst = names.filter(|name| name.quantity() == Quantity::WorstClassRecall);
    worst.filter_map(|name| Some((name, result.classes.worst(name)?)))
}

/// A table with a line a metric.
pub fn text(input: &Input, result: &Evaluated, options: &Evaluate) -> Result<()> {
    let classes = &result.classes;
    let dim = input.queries.dim;
    match &input.gallery {
        None => outln!(
            "{} images of {} classes, {dim} dimensions",
            classes.queries(),
            classes.classes().len()
        ),
        Some(gallery) => outln!(
            "{} queries of {} classes, {} gallery images, {dim} dimensions",
            classes.queries(),
            classes.classes().len(),
            gallery.labels.len()
        ),
    }
    let interval = format!("{} % interval", 100.0 * options.confidence);
    out!("{:26} {:>11}  {:>17}", "metric", "value", interval);
    if options.macro_average {
        out!("  {:>11}  {:>17}", "class mean", interval);
    }
    outln!();
    let worst_classes: BTreeMap<MetricName, WorstClass> = worst(result).collect();
    for (&name, &value) in &result.values.scalars {
        out!("{:26} {:>11}", name.to_string(), unit(name).text(value));
        if let Some(worst) = worst_classes.get(&name) {
            let class = input.class_name(worst.class.label);
            out!("  class {class} ({} queries)", worst.class.queries);
        }
        out_interval(&result.intervals, name)?;
        if let (true, Some(mean)) = (
            options.macro_average,
            classes.mean(name, Averaging::Classes),
        ) {
            out!("  {:>11}", unit(name).text(mean));
            out_interval(&result.class_intervals, name)?;
        }
        outln!();
    }
    notes(input, result)
}

fn out_interval(intervals: &BTreeMap<MetricName, Interval>, name: MetricName) -> Result<()> {
    if let Some([low, high]) = ends(intervals, name) {
        let text = |value| unit(name).text(value);
        out!("  {:>17}", format!("{} to {}", text(low), text(high)));
    }
    Ok(())
}

fn notes(input: &Input, result: &Evaluated) -> Result<()> {
    for (name, note) in &result.values.notes {
        outln!("{:26} {note}", name.to_string());
    }
    let unmatched = result.classes.unmatched_queries();
    if unmatched > 0 {
        let what = if input.gallery.is_some() {
            "queries whose class is not in the gallery"
        } else {
            "images that are the only one of their class"
        };
        outln!(
            "{what}: {unmatched} (misses of recall@k, 0 in mAP, mAP_lim, mAP_1000 and mAP_c, left out \
             of the other retrieval metrics)"
        );
    }
    Ok(())
}
