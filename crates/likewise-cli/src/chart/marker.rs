//! Marker shapes: with eight colours they tell 48 classes apart, also for readers who see no hue.

use maud::{Markup, html};

use super::palette::CATEGORIES;

/// Number of marker shapes.
pub const SHAPES: usize = 6;

/// SVG path data of shape `shape` (taken modulo [`SHAPES`]: circle, square, triangle, diamond, cross,
/// triangle pointing down) around (`x`, `y`); all have about the area of a circle of radius `r`.
pub fn marker_path(shape: usize, x: f64, y: f64, r: f64) -> String {
    let corners: Vec<(f64, f64)> = match shape % SHAPES {
        0 => {
            let d = 2.0 * r;
            return format!(
                "M{:.1} {y:.1}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z",
                x - r
            );
        }
        1 => vec![(-0.89, -0.89), (0.89, -0.89), (0.89, 0.89), (-0.89, 0.89)],
        2 => vec![(0.0, -1.35), (1.2, 0.8), (-1.2, 0.8)],
        3 => vec![(0.0, -1.35), (1.15, 0.0), (0.0, 1.35), (-1.15, 0.0)],
        4 => {
            let (a, b) = (0.42, 1.25);
            vec![
                (-a, -b),
                (a, -b),
                (a, -a),
                (b, -a),
                (b, a),
                (a, a),
                (a, b),
                (-a, b),
                (-a, a),
                (-b, a),
                (-b, -a),
                (-a, -a),
            ]
        }
        _ => vec![(0.0, 1.35), (1.2, -0.8), (-1.2, -0.8)],
    };
    let points: Vec<String> = corners
        .iter()
        .map(|(dx, dy)| format!("{:.1} {:.1}", x + r * dx, y + r * dy))
        .collect();
    format!("M{}z", points.join("L"))
}

/// The mark of style `style` (see `ScatterPoint::style`) as a small picture beside a name.
pub fn marker_key(style: usize) -> Markup {
    let path = marker_path(style / CATEGORIES, 8.0, 8.0, 5.0);
    html! {
        svg class="chart key" viewBox="0 0 16 16" aria-hidden="true" {
            path class={ "point f" (style % CATEGORIES) } d=(path) {}
        }
    }
}
