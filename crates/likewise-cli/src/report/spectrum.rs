//! How many directions the embedding uses: its singular values before and after training.

use maud::{Markup, html};

use super::curves::figure;
use super::page::{heading, table};
use super::{Spectra, Unit};
use crate::chart::{Axis, LineChart, Reference, Series, Spacing, Stroke};

/// Ranks listed in the table beyond which only some are listed.
const ALL_RANKS: usize = 64;

/// The spectrum section.
pub fn section(spectra: &Spectra) -> Markup {
    let lead = html! {
        "Singular values of the embedding matrix of the " (spectra.of) ", each divided by their sum. "
        "A flat spectrum uses all directions alike; a steep one uses few, and was found to go with "
        "worse retrieval of new classes (Roth et al., ICML 2020)."
    };
    let (before, after) = (normalised(&spectra.before), normalised(&spectra.after));
    html! {
        @if !after.is_empty() {
            section aria-labelledby="spectrum" {
                (heading("spectrum", "Spectrum of the embedding", &lead))
                div class="grid wide" {
                    (figure("Singular values", &concentration(&before, &after), &chart(&before, &after),
                        &data(&before, &after)))
                }
            }
        }
    }
}

fn chart(before: &[f64], after: &[f64]) -> LineChart {
    let series = |name: &str, values: &[f64], stroke, colour| Series {
        name: name.to_owned(),
        points: (1u32..)
            .map(f64::from)
            .zip(values.iter().copied())
            .collect(),
        band: Vec::new(),
        stroke,
        colour,
    };
    let mut curves = vec![series("trained", after, Stroke::Solid, 0)];
    if !before.is_empty() {
        curves.insert(0, series("untrained", before, Stroke::Dashed, 1));
    }
    let count = after.len() as f64;
    LineChart {
        label: "Normalised singular values by rank, before and after training".to_owned(),
        x: Axis::new("rank of the singular value"),
        y: Axis::new("share of the sum")
            .unit(Unit::Percent)
            .spacing(spacing(before, after)),
        series: curves,
        references: vec![Reference {
            value: 1.0 / count,
            name: "uniform".to_owned(),
        }],
    }
}

/// Logarithmic where the values spread over more than a factor of 20.
fn spacing(before: &[f64], after: &[f64]) -> Spacing {
    let positive = || before.iter().chain(after).copied().filter(|v| *v > 0.0);
    let (low, high) = positive().fold((f64::INFINITY, 0.0), |(a, b), v| (v.min(a), v.max(b)));
    if high > 20.0 * low {
        Spacing::Logarithmic
    } else {
        Spacing::Linear
    }
}

/// Values divided by their sum; none if they have no positive finite sum.
fn normalised(values: &[f64]) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    if sum.is_finite() && sum > 0.0 {
        values.iter().map(|v| v / sum).collect()
    } else {
        Vec::new()
    }
}

/// How much the largest tenth of the values hold.
fn concentration(before: &[f64], after: &[f64]) -> String {
    let count = after.len().div_ceil(10);
    let held = |values: &[f64]| Unit::Percent.text(values.iter().take(count).sum());
    let compared = match before.is_empty() {
        true => String::new(),
        false => format!(" (untrained: {})", held(before)),
    };
    let (subject, verb) = if count == 1 {
        ("value".to_owned(), "holds")
    } else {
        (format!("{count} values"), "hold")
    };
    format!(
        "The largest {subject} of {} {verb} {} of the sum{compared}; in a flat spectrum {}.",
        after.len(),
        held(after),
        Unit::Percent.text(count as f64 / after.len() as f64)
    )
}

fn data(before: &[f64], after: &[f64]) -> Markup {
    let longest = before.len().max(after.len());
    let listed = |rank: &usize| longest <= ALL_RANKS || *rank < 10 || (rank + 1).is_multiple_of(10);
    let cell = |values: &[f64], rank: usize| match values.get(rank) {
        Some(value) => format!("{:.3}%", 100.0 * value),
        None => "n/a".to_owned(),
    };
    let rows: Vec<Vec<Markup>> = (0..longest)
        .filter(listed)
        .map(|r| {
            vec![
                html! { (r + 1) },
                html! { (cell(after, r)) },
                html! { (cell(before, r)) },
            ]
        })
        .collect();
    table(
        "Data: singular values",
        &["rank", "trained", "untrained"],
        &rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_sum_to_one_or_are_left_out() {
        assert_eq!(normalised(&[3.0, 1.0]), [0.75, 0.25]);
        assert!(normalised(&[]).is_empty());
        assert!(normalised(&[0.0, 0.0]).is_empty());
        assert!(normalised(&[f64::NAN, 1.0]).is_empty());
    }

    #[test]
    fn concentration_is_told_for_the_largest_tenth() {
        let after = vec![0.05; 20];
        let text = concentration(&[], &after);
        assert_eq!(
            text,
            "The largest 2 values of 20 hold 10.0% of the sum; in a flat spectrum 10.0%."
        );
    }
}
