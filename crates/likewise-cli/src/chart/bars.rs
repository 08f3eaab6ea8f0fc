//! Bar chart: groups of bars beside each other, from zero.

use maud::{Markup, html};

use super::frame::{CHARACTER, Frame, px};
use super::scale::{Axis, Scale, Unit};

/// Bars of one colour, one a group.
#[derive(Clone, Debug)]
pub struct BarSeries {
    /// Name in the legend.
    pub name: String,
    /// One value a group; non-finite values are left out.
    pub values: Vec<f64>,
    /// Index of the categorical colour (modulo 8).
    pub colour: usize,
}

/// Groups of bars.
#[derive(Clone, Debug)]
pub struct BarChart {
    /// Name of each group, under its bars.
    pub groups: Vec<String>,
    /// Name and unit of the values.
    pub y: Axis,
    /// The bars.
    pub series: Vec<BarSeries>,
    /// A horizontal line to compare with, and its name.
    pub reference: Option<(f64, String)>,
}

impl BarChart {
    /// The chart as the content of a panel of `width` by `height` drawing units whose upper left
    /// corner is the origin; no `<svg>` around it.
    pub fn panel(&self, width: f64, height: f64) -> Markup {
        let values = self.series.iter().flat_map(|s| s.values.iter().copied());
        let reference = self.reference.iter().map(|r| r.0);
        let y = Scale::fit(values.chain(reference), &self.y.clone().include(0.0), 5);
        let x = Scale::exact(0.0, self.groups.len().max(1) as f64, Unit::Number, 1).without_ticks();
        let left = Frame::left_margin(&y);
        let frame = Frame {
            left,
            top: 48.0,
            width: width - left - 6.0,
            height: height - 48.0 - 26.0,
            x,
            y,
        };
        html! {
            (self.legend())
            (frame.axes(&Axis::new(""), &Axis::new(self.y.title.as_str())))
            @for (i, name) in self.groups.iter().enumerate() {
                @if let Some((x, _)) = frame.point(i as f64 + 0.5, 0.0) {
                    text x=(px(x)) y=(px(frame.top + frame.height + 17.0)) text-anchor="middle" { (name) }
                }
            }
            @for (s, series) in self.series.iter().enumerate() {
                @for (i, value) in series.values.iter().enumerate() { (self.bar(&frame, s, i, *value)) }
            }
            @if let Some((_, y)) = self.reference.as_ref().and_then(|r| frame.point(0.0, r.0)) {
                path class="reference" d={ "M" (px(frame.left)) " " (px(y)) "h" (px(frame.width)) } {}
            }
            @for (s, series) in self.series.iter().enumerate() {
                @for (i, value) in series.values.iter().enumerate() { (self.value(&frame, s, i, *value)) }
            }
        }
    }

    /// Left, upper, right and lower edge of a bar; `None` for a value that cannot be drawn.
    fn edges(&self, frame: &Frame, series: usize, group: usize, value: f64) -> Option<[f64; 4]> {
        let slot = 0.7 / self.series.len() as f64;
        let from = group as f64 + 0.15 + slot * series as f64;
        let (left, top) = frame.point(from, value)?;
        let (right, bottom) = frame.point(from + slot, 0.0)?;
        Some([left, top, right, bottom])
    }

    fn bar(&self, frame: &Frame, series: usize, group: usize, value: f64) -> Markup {
        html! {
            @if let Some([left, top, right, bottom]) = self.edges(frame, series, group, value) {
                rect class={ "halo f" (self.series[series].colour % 8) } x=(px(left)) y=(px(top))
                    width=(px(right - left)) height=(px((bottom - top).max(0.0))) {}
            }
        }
    }

    fn value(&self, frame: &Frame, series: usize, group: usize, value: f64) -> Markup {
        html! {
            @if let Some([left, top, right, _]) = self.edges(frame, series, group, value) {
                text class="value" x=(px((left + right) / 2.0)) y=(px(top - 5.0)) text-anchor="middle" {
                    (format!("{value:.2}"))
                }
            }
        }
    }

    fn legend(&self) -> Markup {
        let mut at = 7.0;
        let entries: Vec<(f64, &BarSeries)> = self
            .series
            .iter()
            .map(|series| {
                let here = at;
                at += 32.0 + 12.0 * CHARACTER * series.name.chars().count() as f64;
                (here, series)
            })
            .collect();
        html! {
            @for (at, series) in entries {
                rect class={ "f" (series.colour % 8) } x=(px(at)) y="5" width="12" height="12" {}
                text class="strong" x=(px(at + 18.0)) y="15" { (series.name) }
            }
            @if let Some((_, name)) = &self.reference {
                path class="reference" d={ "M" (px(at)) " 11h22" } {}
                text class="strong" x=(px(at + 28.0)) y="15" { (name) }
            }
        }
    }
}
