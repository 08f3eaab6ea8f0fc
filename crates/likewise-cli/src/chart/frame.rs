//! The plot area that all charts share: two scales, grid lines, tick labels and axis names.

use maud::{Markup, html};

use super::scale::{Axis, Scale};

/// A plot area in drawing units with a scale in each direction.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Extent to the right.
    pub width: f64,
    /// Extent downwards.
    pub height: f64,
    /// Horizontal scale.
    pub x: Scale,
    /// Vertical scale; its low end is at the bottom.
    pub y: Scale,
}

/// Average width of a character relative to the font size, for placing text without measuring it.
pub const CHARACTER: f64 = 0.56;
/// The same for digits and percent signs, which are wider.
const DIGIT: f64 = 0.64;

impl Frame {
    /// Drawing position of a data point; `None` if it cannot be drawn.
    pub fn point(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let (x, y) = (self.x.place(x)?, self.y.place(y)?);
        Some((
            self.left + x * self.width,
            self.top + (1.0 - y) * self.height,
        ))
    }

    /// Room to leave at the left for the labels of `scale`.
    pub fn left_margin(scale: &Scale) -> f64 {
        let longest = scale
            .ticks
            .iter()
            .map(|t| t.label.chars().count())
            .max()
            .unwrap_or(0);
        12.0 + 12.0 * DIGIT * longest as f64
    }

    /// Grid, tick labels and names of both axes. The vertical axis is named above its top end.
    pub fn axes(&self, x: &Axis, y: &Axis) -> Markup {
        let bottom = self.top + self.height;
        html! {
            @for tick in &self.y.ticks {
                @if let Some(place) = self.y.place(tick.value) {
                    @let at = self.top + (1.0 - place) * self.height;
                    path class="grid" d={ "M" (px(self.left)) " " (px(at)) "h" (px(self.width)) } {}
                    text x=(px(self.left - 7.0)) y=(px(at + 4.0)) text-anchor="end" { (tick.label) }
                }
            }
            path class="axis" d={ "M" (px(self.left)) " " (px(bottom)) "h" (px(self.width)) } {}
            @for tick in &self.x.ticks {
                @if let Some(place) = self.x.place(tick.value) {
                    @let at = self.left + place * self.width;
                    path class="axis" d={ "M" (px(at)) " " (px(bottom)) "v4" } {}
                    text x=(px(at)) y=(px(bottom + 17.0)) text-anchor="middle" { (tick.label) }
                }
            }
            text x=(px(self.left + self.width)) y=(px(bottom + 33.0)) text-anchor="end" { (x.title) }
            text x="1" y=(px(self.top - 12.0)) { (y.title) }
        }
    }
}

/// A drawing coordinate with one decimal, without a superfluous `.0`.
pub fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}
