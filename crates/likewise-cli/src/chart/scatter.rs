//! Scatter chart of a map whose axes carry no meaning: equal scales, no ticks, one mark an item.

use maud::{Markup, html};

use super::frame::px;
use super::marker::{SHAPES, marker_path};
use super::palette::CATEGORIES;

/// Width and height in drawing units.
const SIZE: (f64, f64) = (600.0, 480.0);
/// Free border, in drawing units.
const BORDER: f64 = 16.0;

/// One item.
#[derive(Clone, Debug)]
pub struct ScatterPoint {
    /// Place on the map; items with a non-finite place are left out.
    pub x: f64,
    /// Place on the map.
    pub y: f64,
    /// Chooses colour and shape; [`styles`] values are told apart.
    pub style: usize,
    /// Class index, for highlighting one class.
    pub class: usize,
    /// Text shown when the mark is pointed at.
    pub title: String,
    /// Cell of the sprite sheet with its picture.
    pub picture: Option<usize>,
}

/// Number of marks that can be told apart.
pub const fn styles() -> usize {
    CATEGORIES * SHAPES
}

/// A map of items.
#[derive(Clone, Debug)]
pub struct Scatter {
    /// What the chart shows, for readers who cannot see it.
    pub label: String,
    /// The items.
    pub points: Vec<ScatterPoint>,
}

impl Scatter {
    /// The chart as an `<svg>` element for a page.
    pub fn render(&self) -> Markup {
        let (width, height) = SIZE;
        let radius = if self.points.len() > 600 { 3.4 } else { 4.4 };
        let places = self.places();
        html! {
            svg class="chart scatter" viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(self.label) {
                rect class="frame" width=(width) height=(height) rx="6" {}
                g class="points" {
                    @for (point, place) in self.points.iter().zip(places) {
                        @if let Some((x, y)) = place {
                            path class={ "point f" (point.style % CATEGORIES) }
                                d=(marker_path(point.style / CATEGORIES, x, y, radius))
                                data-at={ (px(x)) " " (px(y)) " " (point.class) " "
                                    (point.picture.map_or(-1, |p| p as i64)) } {
                                title { (point.title) }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Drawing positions: centred, with the same scale in both directions.
    fn places(&self) -> Vec<Option<(f64, f64)>> {
        let finite = |p: &&ScatterPoint| p.x.is_finite() && p.y.is_finite();
        let none = (f64::INFINITY, f64::NEG_INFINITY);
        let (x, y) = self
            .points
            .iter()
            .filter(finite)
            .fold((none, none), |(x, y), p| {
                ((x.0.min(p.x), x.1.max(p.x)), (y.0.min(p.y), y.1.max(p.y)))
            });
        let (width, height) = SIZE;
        let fit = |span: f64, room: f64| {
            if span > 0.0 {
                (room - 2.0 * BORDER) / span
            } else {
                1.0
            }
        };
        let scale = fit(x.1 - x.0, width).min(fit(y.1 - y.0, height));
        let place = |p: &ScatterPoint| {
            let dx = scale * (p.x - 0.5 * (x.0 + x.1));
            let dy = scale * (p.y - 0.5 * (y.0 + y.1));
            (width / 2.0 + dx, height / 2.0 - dy)
        };
        self.points
            .iter()
            .map(|p| finite(&p).then(|| place(p)))
            .collect()
    }
}
