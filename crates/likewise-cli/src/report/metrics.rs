//! The numbers: the first metric large, then all of them with definitions and both baselines.

use maud::{Markup, html};

use super::page::heading;
use super::{Better, MetricRow, Report, Start, Unit};

/// The metrics section; empty without metrics.
pub fn section(report: &Report) -> Markup {
    let (start, meaning) = match report.start {
        Start::RawPixels => (
            "Raw pixels",
            "nearest neighbours on the pixels themselves, without a network.",
        ),
        Start::PretrainedFeatures => (
            "Pretrained features",
            "nearest neighbours on the features of the backbone as it was loaded, without the \
             embedding's head.",
        ),
    };
    let lead = html! {
        "All numbers are for classes that took no part in training. "
        strong { "Untrained network" } ": the same network before its first training step. "
        strong { (start) } ": " (meaning)
    };
    html! {
        @if let Some(first) = report.metrics.first() {
            section aria-labelledby="metrics" {
                (heading("metrics", "Unseen classes", &lead))
                (headline(first, start))
                table class="metrics" role="table" {
                    thead role="rowgroup" {
                        tr role="row" {
                            @for name in ["Metric", "Trained", "Untrained network", start] {
                                th role="columnheader" scope="col" { (name) }
                            }
                        }
                    }
                    tbody role="rowgroup" { @for metric in &report.metrics { (row(metric, start)) } }
                }
                @if !report.protocol.is_empty() {
                    p class="protocol" { strong { "Protocol. " } (report.protocol) }
                }
            }
        }
    }
}

/// The first metric as bars; only for shares, where a bar's full length has a meaning.
fn headline(metric: &MetricRow, start: &str) -> Markup {
    let bars = [
        ("Trained", metric.after, "after"),
        ("Untrained network", metric.before, "before"),
        (start, metric.start, "pixels"),
    ];
    html! {
        @if metric.unit == Unit::Percent && metric.after.is_some_and(f64::is_finite) {
            div class="headline" {
                p class="big" {
                    strong { (text(metric, metric.after)) }
                    span { (metric.title) " on unseen classes" }
                }
                dl class="bars" {
                    @for (name, value, class) in bars {
                        @let share = value.filter(|v| v.is_finite()).unwrap_or(0.0).clamp(0.0, 1.0);
                        div {
                            dt { (name) }
                            dd {
                                span class="track" {
                                    span class={ "bar " (class) } style=(format!("width:{:.1}%", 100.0 * share)) {}
                                }
                                span class="value" { (text(metric, value)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn row(metric: &MetricRow, start: &str) -> Markup {
    html! {
        tr role="row" {
            th role="rowheader" scope="row" {
                span class="name" { (metric.title) }
                code { (metric.name) }
                span class="definition" { (metric.definition) (direction(metric.better)) }
            }
            td role="cell" data-label="Trained" {
                span class="value" { (text(metric, metric.after)) }
                (change(metric))
            }
            td role="cell" data-label="Untrained" { (text(metric, metric.before)) }
            td role="cell" data-label=(start) { (text(metric, metric.start)) }
        }
    }
}

fn text(metric: &MetricRow, value: Option<f64>) -> String {
    metric.unit.text(value.unwrap_or(f64::NAN))
}

fn direction(better: Better) -> &'static str {
    match better {
        Better::Larger => " Larger is better.",
        Better::Smaller => " Smaller is better.",
        Better::Neither => "",
    }
}

/// Difference to the untrained network, in words and sign as well as colour.
fn change(metric: &MetricRow) -> Markup {
    let finite = |v: Option<f64>| v.filter(|v| v.is_finite());
    let Some((after, before)) = finite(metric.after).zip(finite(metric.before)) else {
        return html! {};
    };
    let difference = after - before;
    let sign = if difference < 0.0 { "−" } else { "+" };
    let amount = match metric.unit {
        Unit::Percent => format!("{sign}{:.1} points", 100.0 * difference.abs()),
        Unit::Number => format!("{sign}{}", Unit::Number.text(difference.abs())),
    };
    let improved = match metric.better {
        Better::Larger => Some(difference > 0.0),
        Better::Smaller => Some(difference < 0.0),
        Better::Neither => None,
    };
    let (class, word) = match improved {
        _ if difference == 0.0 => ("", ""),
        Some(true) => ("good", ", better"),
        Some(false) => ("bad", ", worse"),
        None => ("", ""),
    };
    html! { span class={ "change " (class) } { (amount) (word) } }
}
