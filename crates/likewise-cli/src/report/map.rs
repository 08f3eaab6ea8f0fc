//! The map of embeddings: a scatter chart with thumbnails, and the same by class as a table.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::page::{heading, table};
use super::picture::SpriteSheet;
use super::{EmbeddingMap, MapPoint};
use crate::chart::{Scatter, ScatterPoint, marker_key, styles};

/// Thumbnails a class shown in the table.
const EXAMPLES: usize = 6;

/// Classes listed beside the map.
const MOST_KEYS: usize = 30;

/// The map section; empty without points.
pub fn section(map: &EmbeddingMap) -> Markup {
    let classes = by_class(&map.points);
    let sheet = SpriteSheet::new(&map.thumbnails);
    let lead = html! {
        "Each mark is an image of an unseen class; images that the network finds alike lie close "
        "together. " (map.method) " Axes and distances between far groups carry no meaning."
        @if classes.len() > styles() {
            " " (classes.len()) " classes share " (styles()) " marks: choose a class to see it alone."
        }
    };
    html! {
        @if !map.points.is_empty() {
            section aria-labelledby="map" {
                (heading("map", "Map of the embeddings", &lead))
                @if let Some(sheet) = &sheet { style { (maud::PreEscaped(sheet_style(sheet))) } }
                figure class="map" data-columns=[sheet.as_ref().map(|s| s.columns)]
                    data-rows=[sheet.as_ref().map(|s| s.rows)] {
                    (controls(&classes))
                    div class="body" {
                        div class="plot" {
                            (scatter(map, classes.len(), sheet.is_some()))
                            div class="tip" hidden {}
                        }
                        (keys(&classes))
                    }
                    p class="live" aria-live="polite" {}
                }
                (class_table(&classes, sheet.as_ref()))
            }
        }
    }
}

/// Points of each class, in order of the class index.
fn by_class(points: &[MapPoint]) -> BTreeMap<usize, Vec<&MapPoint>> {
    let mut classes: BTreeMap<usize, Vec<&MapPoint>> = BTreeMap::new();
    points
        .iter()
        .for_each(|p| classes.entry(p.class).or_default().push(p));
    classes
}

/// Only a script can highlight a class, so the control is hidden until one runs.
fn controls(classes: &BTreeMap<usize, Vec<&MapPoint>>) -> Markup {
    html! {
        div class="controls" hidden {
            label {
                "Highlight class "
                select {
                    option value="" { "all" }
                    @for (class, points) in classes { option value=(class) { (points[0].class_name) } }
                }
            }
            span class="hint" { "Point at a mark or tap it; arrow keys move between marks." }
        }
    }
}

/// Marks and names of the classes; left to the table where they are too many to sit beside the map.
fn keys(classes: &BTreeMap<usize, Vec<&MapPoint>>) -> Markup {
    html! {
        @if classes.len() <= MOST_KEYS {
            ul class="keys" {
                @for (class, points) in classes {
                    li { (marker_key(class % styles())) " " (points[0].class_name) }
                }
            }
        }
    }
}

fn scatter(map: &EmbeddingMap, classes: usize, pictures: bool) -> Markup {
    let point = |p: &MapPoint| ScatterPoint {
        x: p.x,
        y: p.y,
        style: p.class % styles(),
        class: p.class,
        title: p.class_name.clone(),
        picture: p
            .thumbnail
            .filter(|t| pictures && *t < map.thumbnails.len()),
    };
    let label = format!(
        "Map of {} images of {classes} unseen classes",
        map.points.len()
    );
    Scatter {
        label,
        points: map.points.iter().map(point).collect(),
    }
    .render()
}

fn sheet_style(sheet: &SpriteSheet) -> String {
    format!(
        ".sprite{{background-image:url({});background-size:{}% {}%}}",
        sheet.picture.uri,
        100 * sheet.columns,
        100 * sheet.rows
    )
}

fn class_table(classes: &BTreeMap<usize, Vec<&MapPoint>>, sheet: Option<&SpriteSheet>) -> Markup {
    let rows: Vec<Vec<Markup>> = classes
        .iter()
        .map(|(class, points)| {
            let shown = points.iter().filter_map(|p| p.thumbnail).take(EXAMPLES);
            vec![
                html! { (marker_key(class % styles())) " " (points[0].class_name) },
                html! { (points.len()) },
                html! { @if let Some(sheet) = sheet { @for i in shown { (sprite(sheet, i)) } } },
            ]
        })
        .collect();
    table(
        "Classes on the map",
        &["Class", "Images", "Examples"],
        &rows,
    )
}

fn sprite(sheet: &SpriteSheet, index: usize) -> Markup {
    let (column, row) = sheet.place(index);
    let share = |at: usize, count: u32| 100.0 * at as f64 / f64::from(count.max(2) - 1);
    let (x, y) = (share(column, sheet.columns), share(row, sheet.rows));
    let position = format!("background-position:{x:.3}% {y:.3}%");
    html! { span class="sprite" style=(position) {} }
}
