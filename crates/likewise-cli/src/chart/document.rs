//! Stand-alone SVG files: the drawing together with its style and literal colours.

use maud::{Markup, PreEscaped, html};

use super::palette::{Theme, inline};

const STYLE: &str = include_str!("chart.css");

/// Style rules of all charts, with colours as variables (see `palette::variables`).
pub fn style() -> &'static str {
    STYLE
}

/// An SVG file of `width` by `height` drawing units around `body`; `label` says what it shows.
pub fn document(width: f64, height: f64, label: &str, theme: Theme, body: &Markup) -> String {
    let font = r#"text{font-family:"Noto Sans","DejaVu Sans",sans-serif}"#;
    let style = inline(STYLE, theme) + font;
    let paper = inline("var(--paper)", theme);
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class="chart" width=(width) height=(height)
            viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(label) {
            style { (PreEscaped(style)) }
            rect width=(width) height=(height) fill=(paper) {}
            (body)
        }
    }
    .into_string()
}
