//! Line chart: curves over a common horizontal axis, with an optional band and reference lines.

use maud::{Markup, html};

use super::frame::{CHARACTER, Frame, px};
use super::marker::marker_path;
use super::scale::{Axis, Scale};

/// Width and height of a line chart in drawing units: narrow, so that text stays readable when the
/// chart is shown across a phone.
const SIZE: (f64, f64) = (440.0, 290.0);

/// Points are marked one by one up to this many.
const MOST_MARKS: usize = 16;

/// How a curve is drawn, so that curves differ by more than colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// A continuous line.
    Solid,
    /// Dashes.
    Dashed,
    /// Dots.
    Dotted,
}

impl Stroke {
    fn class(self) -> &'static str {
        match self {
            Stroke::Solid => "",
            Stroke::Dashed => " dashed",
            Stroke::Dotted => " dotted",
        }
    }
}

/// One curve.
#[derive(Clone, Debug)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// Data points in drawing order; the line breaks where a value cannot be drawn.
    pub points: Vec<(f64, f64)>,
    /// Lower and upper values at the same places as `points`; empty for no band.
    pub band: Vec<(f64, f64)>,
    /// Line style.
    pub stroke: Stroke,
    /// Index of the categorical colour (modulo 8).
    pub colour: usize,
}

/// A horizontal line to compare with.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Its value.
    pub value: f64,
    /// Its name in the legend.
    pub name: String,
}

/// Curves over a common horizontal axis.
#[derive(Clone, Debug)]
pub struct LineChart {
    /// What the chart shows, for readers who cannot see it.
    pub label: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Curves, the most important one last (on top).
    pub series: Vec<Series>,
    /// Lines to compare with.
    pub references: Vec<Reference>,
}

impl LineChart {
    /// The chart as an `<svg>` element for a page; points carry the data a script needs for a
    /// read-out of values.
    pub fn render(&self) -> Markup {
        let frame = self.frame();
        let (width, height) = SIZE;
        html! {
            svg class="chart" viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(self.label) {
                (self.legend())
                (frame.axes(&self.x, &self.y))
                @for reference in &self.references {
                    @if let Some((_, y)) = frame.point(frame.x.interval().0, reference.value) {
                        path class="reference" d={ "M" (px(frame.left)) " " (px(y)) "h" (px(frame.width)) } {}
                    }
                }
                @for series in &self.series { (self.curve(series, &frame)) }
            }
        }
    }

    fn frame(&self) -> Frame {
        let bands = self
            .series
            .iter()
            .flat_map(|s| s.band.iter().flat_map(|b| [b.0, b.1]));
        let values = self
            .series
            .iter()
            .flat_map(|s| s.points.iter().map(|p| p.1));
        let references = self.references.iter().map(|r| r.value);
        let y = Scale::fit(values.chain(bands).chain(references), &self.y, 5);
        let places: Vec<f64> = self
            .series
            .iter()
            .flat_map(|s| s.points.iter().map(|p| p.0))
            .collect();
        let x = horizontal(&places, &self.x);
        let left = Frame::left_margin(&y);
        let top = if self.entries() > 1 { 58.0 } else { 34.0 };
        let (width, height) = SIZE;
        Frame {
            left,
            top,
            width: width - left - 16.0,
            height: height - top - 42.0,
            x,
            y,
        }
    }

    /// Entries of the legend; a single curve needs none beside the axis name.
    fn entries(&self) -> usize {
        self.series.len() + self.references.len()
    }

    fn legend(&self) -> Markup {
        let curves = self.series.iter().rev().map(|s| {
            (
                s.name.as_str(),
                format!("curve k{}{}", s.colour % 8, s.stroke.class()),
            )
        });
        let references = self
            .references
            .iter()
            .map(|r| (r.name.as_str(), "reference".to_owned()));
        let mut at = 7.0;
        let entries: Vec<(f64, &str, String)> = curves
            .chain(references)
            .map(|(name, class)| {
                let here = at;
                at += 48.0 + 12.0 * CHARACTER * name.chars().count() as f64;
                (here, name, class)
            })
            .collect();
        html! {
            @for (at, name, class) in entries.into_iter().filter(|_| self.entries() > 1) {
                path class=(class) d={ "M" (px(at)) " 15h24" } {}
                text class="strong" x=(px(at + 30.0)) y="19" { (name) }
            }
        }
    }

    fn curve(&self, series: &Series, frame: &Frame) -> Markup {
        let colour = series.colour % 8;
        let drawn: Vec<(f64, f64)> = series
            .points
            .iter()
            .filter_map(|p| frame.point(p.0, p.1))
            .collect();
        html! {
            @if let Some(path) = band_path(series, frame) {
                path class={ "band f" (colour) } d=(path) {}
            }
            g class="series" data-name=(series.name) data-points=(self.read_out(series, frame)) {
                path class={ "curve k" (colour) (series.stroke.class()) } d=(line_path(series, frame)) {}
                @if drawn.len() <= MOST_MARKS {
                    @for (x, y) in drawn {
                        path class={ "halo f" (colour) } d=(marker_path(series.colour, x, y, 3.4)) {}
                    }
                }
            }
        }
    }

    /// `x y|horizontal value|vertical value` of each drawable point, separated by semicolons.
    fn read_out(&self, series: &Series, frame: &Frame) -> String {
        let entries: Vec<String> = series
            .points
            .iter()
            .filter_map(|(x, y)| {
                let at = frame.point(*x, *y)?;
                let (x, y) = (self.x.unit.text(*x), self.y.unit.text(*y));
                Some(format!("{} {}|{x}|{y}", px(at.0), px(at.1)))
            })
            .collect();
        entries.join(";")
    }
}

/// Horizontal scales end at the data: a curve that stops short of the frame looks unfinished.
fn horizontal(places: &[f64], axis: &Axis) -> Scale {
    let finite = places.iter().copied().filter(|p| p.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
        (a.min(v), b.max(v))
    });
    if axis.spacing == super::Spacing::Logarithmic || low >= high || !low.is_finite() {
        return Scale::fit(places.iter().copied(), axis, 6);
    }
    Scale::exact(low, high, axis.unit, 6)
}

fn line_path(series: &Series, frame: &Frame) -> String {
    let mut path = String::new();
    let mut pen_down = false;
    for (x, y) in &series.points {
        if let Some((x, y)) = frame.point(*x, *y) {
            path.push_str(&format!(
                "{}{} {}",
                if pen_down { "L" } else { "M" },
                px(x),
                px(y)
            ));
            pen_down = true;
        } else {
            pen_down = false;
        }
    }
    path
}

fn band_path(series: &Series, frame: &Frame) -> Option<String> {
    let pairs = series.points.iter().zip(&series.band);
    let (upper, lower): (Vec<String>, Vec<String>) = pairs
        .filter_map(|((x, _), (low, high))| {
            let (upper, lower) = (frame.point(*x, *high)?, frame.point(*x, *low)?);
            let text = |p: (f64, f64)| format!("{} {}", px(p.0), px(p.1));
            Some((text(upper), text(lower)))
        })
        .unzip();
    let lower: Vec<String> = lower.into_iter().rev().collect();
    (upper.len() > 1).then(|| format!("M{}L{}z", upper.join("L"), lower.join("L")))
}
