//! The colours of charts and pages, once: as CSS variables for a page, as literal values for files
//! that must stand alone (SVG renderers outside browsers know no variables).

/// A ground to draw on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark marks on a light ground.
    Light,
    /// Light marks on a dark ground.
    Dark,
}

/// Number of categorical colours (`c0` to `c7`).
pub const CATEGORIES: usize = 8;

/// Name, value on light ground, value on dark ground.
const COLOURS: &[(&str, &str, &str)] = &[
    ("paper", "#ffffff", "#14171c"),
    ("card", "#f6f7f9", "#1d2128"),
    ("ink", "#1a1d23", "#e8eaee"),
    ("muted", "#565d68", "#a7aeba"),
    ("line", "#8a919c", "#727a87"),
    ("grid", "#e3e6ea", "#2c323b"),
    ("good", "#00714f", "#3ccba0"),
    ("bad", "#b24300", "#ff9a5c"),
    ("c0", "#0072b2", "#56b4e9"),
    ("c1", "#d55e00", "#f5813a"),
    ("c2", "#009e73", "#2fc396"),
    ("c3", "#b8578f", "#e19cc4"),
    ("c4", "#c98a00", "#e9ab1c"),
    ("c5", "#3f9fd8", "#3d8fd6"),
    ("c6", "#4a4f57", "#c4c9d1"),
    ("c7", "#b3a600", "#f0e442"),
];

/// CSS declarations `--name:value;` of every colour.
pub fn variables(theme: Theme) -> String {
    COLOURS
        .iter()
        .map(|colour| format!("--{}:{};", colour.0, value(colour, theme)))
        .collect()
}

/// `css` with every `var(--name)` of this palette replaced by its value.
pub fn inline(css: &str, theme: Theme) -> String {
    COLOURS.iter().fold(css.to_owned(), |css, colour| {
        css.replace(&format!("var(--{})", colour.0), value(colour, theme))
    })
}

fn value<'a>(colour: &(&str, &'a str, &'a str), theme: Theme) -> &'a str {
    match theme {
        Theme::Light => colour.1,
        Theme::Dark => colour.2,
    }
}
