//! The figure of the toy experiment (Roth et al., ICML 2020, figure on ρ-regularisation): the data,
//! two embeddings of it on the unit circle, and the spectra of both.

use maud::{Markup, html};

use super::bars::{BarChart, BarSeries};
use super::document::document;
use super::frame::{Frame, px};
use super::marker::marker_path;
use super::palette::{CATEGORIES, Theme};
use super::scale::{Axis, Scale, Unit};

/// Height of a panel and of the figure, in drawing units.
const PANEL: f64 = 250.0;
const HEIGHT: f64 = 340.0;
/// Left edges of the panels.
const LEFT: [f64; 4] = [16.0, 292.0, 568.0, 844.0];
const WIDTH: f64 = 1110.0;

/// A point of the data.
#[derive(Clone, Copy, Debug)]
pub struct ToyPoint {
    /// Place in the plane.
    pub x: f64,
    /// Place in the plane.
    pub y: f64,
    /// Class; classes of unseen points count on from those of the training points.
    pub class: usize,
}

/// What one network makes of the data.
#[derive(Clone, Debug)]
pub struct ToyEmbedding {
    /// Name of the network, such as `Base`.
    pub name: String,
    /// Unit vectors of the training points, in their order.
    pub train: Vec<[f64; 2]>,
    /// Unit vectors of the unseen points, in their order.
    pub unseen: Vec<[f64; 2]>,
    /// Singular values of the training embedding, divided by their sum, larger first.
    pub spectrum: [f64; 2],
    /// Line under the panel, such as the measured ρ and Recall@1.
    pub note: String,
}

/// All that the figure shows.
#[derive(Clone, Debug)]
pub struct ToyFigure {
    /// Points of the training classes.
    pub train: Vec<ToyPoint>,
    /// Points of classes that take no part in training.
    pub unseen: Vec<ToyPoint>,
    /// The network trained with the plain objective.
    pub base: ToyEmbedding,
    /// The network trained with the regularised objective.
    pub regularised: ToyEmbedding,
}

/// The figure as an SVG file of four panels: data, base embedding, regularised embedding, spectra.
pub fn toy_figure(figure: &ToyFigure) -> String {
    let body = html! {
        (panel(0, "Data", "filled: training classes, hollow: unseen", &data_panel(figure)))
        (panel(1, &figure.base.name, &figure.base.note, &circle_panel(figure, &figure.base)))
        (panel(2, &figure.regularised.name, &figure.regularised.note,
            &circle_panel(figure, &figure.regularised)))
        (panel(3, "Singular values", "share of the sum, training classes", &spectrum_panel(figure)))
    };
    let label = format!(
        "Four panels: the data; the embedding of {} and of {} on the unit circle; their normalised \
         singular values, {} and {}.",
        figure.base.name,
        figure.regularised.name,
        spectrum_text(&figure.base),
        spectrum_text(&figure.regularised),
    );
    document(WIDTH, HEIGHT, &label, Theme::Light, &body)
}

fn spectrum_text(embedding: &ToyEmbedding) -> String {
    format!(
        "{:.2} and {:.2}",
        embedding.spectrum[0], embedding.spectrum[1]
    )
}

fn panel(index: usize, title: &str, note: &str, body: &Markup) -> Markup {
    let centre = px(PANEL / 2.0);
    html! {
        g transform={ "translate(" (LEFT[index]) " 16)" } {
            text class="title" x=(centre) y="14" text-anchor="middle" { (title) }
            g transform="translate(0 28)" { (body) }
            text x=(centre) y=(px(28.0 + PANEL + 24.0)) text-anchor="middle" { (note) }
        }
    }
}

fn data_panel(figure: &ToyFigure) -> Markup {
    let axis = Axis::new("");
    let points = || figure.train.iter().chain(&figure.unseen);
    let x = Scale::fit(points().map(|p| p.x), &axis.clone().include(0.0), 4);
    let y = Scale::fit(points().map(|p| p.y), &axis.clone().include(0.0), 4);
    let left = Frame::left_margin(&y);
    let frame = Frame {
        left,
        top: 6.0,
        width: PANEL - left,
        height: PANEL - 32.0,
        x,
        y,
    };
    html! {
        (frame.axes(&axis, &axis))
        (marks(&figure.train, true, |_, p| frame.point(p.x, p.y)))
        (marks(&figure.unseen, false, |_, p| frame.point(p.x, p.y)))
    }
}

fn circle_panel(figure: &ToyFigure, embedding: &ToyEmbedding) -> Markup {
    let reach = 1.12;
    let scale = Scale::exact(-reach, reach, Unit::Number, 4);
    let frame = Frame {
        left: 0.0,
        top: 0.0,
        width: PANEL,
        height: PANEL,
        x: scale.clone(),
        y: scale,
    };
    let at = |vectors: &[[f64; 2]], i: usize| vectors.get(i).and_then(|v| frame.point(v[0], v[1]));
    let centre = px(PANEL / 2.0);
    html! {
        circle class="circle" cx=(centre) cy=(centre) r=(px(PANEL / 2.0 / reach)) {}
        (marks(&figure.train, true, |i, _| at(&embedding.train, i)))
        (marks(&figure.unseen, false, |i, _| at(&embedding.unseen, i)))
    }
}

fn spectrum_panel(figure: &ToyFigure) -> Markup {
    let bars = |embedding: &ToyEmbedding, colour| BarSeries {
        name: embedding.name.clone(),
        values: embedding.spectrum.to_vec(),
        colour,
    };
    BarChart {
        groups: vec!["largest".to_owned(), "second".to_owned()],
        y: Axis::new(""),
        series: vec![bars(&figure.base, 1), bars(&figure.regularised, 0)],
        reference: Some((0.5, "uniform".to_owned())),
    }
    .panel(PANEL, PANEL)
}

fn marks(
    points: &[ToyPoint],
    filled: bool,
    place: impl Fn(usize, &ToyPoint) -> Option<(f64, f64)>,
) -> Markup {
    html! {
        @for (i, point) in points.iter().enumerate() {
            @let colour = point.class % CATEGORIES;
            @if let Some((x, y)) = place(i, point) {
                @if filled {
                    path class={ "point f" (colour) } d=(marker_path(0, x, y, 4.0)) {}
                } @else {
                    path class={ "hollow k" (colour) } d=(marker_path(1 + point.class, x, y, 3.4)) {}
                }
            }
        }
    }
}
