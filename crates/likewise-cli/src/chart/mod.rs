//! Charts as SVG: drawn once, styled with CSS classes, so that the same drawing sits in a page that
//! follows the reader's dark mode, stands alone as a file, or becomes a PNG.
//!
//! Colours are the Okabe-Ito set, tuned for contrast on each ground; no meaning rests on hue alone.

mod bars;
mod document;
mod frame;
mod line;
mod marker;
pub mod palette;
mod raster;
pub mod scale;
mod scatter;
mod toy;

pub use document::style;
pub use line::{LineChart, Reference, Series, Stroke};
pub use marker::marker_key;
pub use raster::svg_to_png;
pub use scale::{Axis, Spacing, Unit};
pub use scatter::{Scatter, ScatterPoint, styles};
pub use toy::{ToyEmbedding, ToyFigure, ToyPoint, toy_figure};

#[cfg(test)]
pub(crate) mod tests;
