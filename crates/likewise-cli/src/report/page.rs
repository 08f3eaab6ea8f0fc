//! The page as a whole: head, order of the sections, style and script.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Report, curves, map, metrics, neighbours, settings, spectrum};
use crate::chart::palette::{Theme, variables};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// The page may show what it contains and load nothing.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// The report as an HTML file that refers to nothing outside itself.
pub fn render(report: &Report) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (report.title) " – Likewise report" }
                style { (PreEscaped(style())) }
            }
            body {
                (header(report))
                main {
                    (notices(report))
                    (metrics::section(report))
                    (neighbours::section(&report.queries))
                    @if let Some(map) = &report.map { (map::section(map)) }
                    (curves::section(report))
                    @if let Some(spectra) = &report.spectrum { (spectrum::section(spectra)) }
                    (settings::section(&report.settings))
                }
                footer { p { "Made by Likewise. This file is complete: it loads nothing." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
}

fn style() -> String {
    let (light, dark) = (variables(Theme::Light), variables(Theme::Dark));
    format!(
        ":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{}{STYLE}",
        crate::chart::style()
    )
}

fn header(report: &Report) -> Markup {
    let sections = [
        ("metrics", "Metrics", !report.metrics.is_empty()),
        ("neighbours", "Neighbours", !report.queries.is_empty()),
        ("map", "Map", report.map.is_some()),
        (
            "curves",
            "Curves",
            !report.training.is_empty() || !report.progress.is_empty(),
        ),
        ("spectrum", "Spectrum", report.spectrum.is_some()),
        ("settings", "Settings", !report.settings.is_empty()),
    ];
    html! {
        header {
            p class="kind" { "Training report" }
            h1 { (report.title) }
            @if !report.summary.is_empty() { p class="summary" { (report.summary) } }
            nav aria-label="Sections" {
                @for (id, name, _) in sections.iter().filter(|s| s.2) { a href={ "#" (id) } { (name) } " " }
            }
        }
    }
}

fn notices(report: &Report) -> Markup {
    let skipped = match report.skipped_files {
        0 => None,
        1 => Some("1 file could not be read and was skipped.".to_owned()),
        n => Some(format!("{n} files could not be read and were skipped.")),
    };
    let notices: Vec<&String> = report.warnings.iter().chain(&skipped).collect();
    html! {
        @if !notices.is_empty() {
            section class="notices" aria-labelledby="notices" {
                h2 id="notices" { "Before you trust these numbers" }
                ul { @for notice in notices { li { (notice) } } }
            }
        }
    }
}

/// A heading with an anchor, followed by a short explanation.
pub fn heading(id: &str, title: &str, text: &Markup) -> Markup {
    html! {
        h2 id=(id) { (title) }
        p class="lead" { (text) }
    }
}

/// A table that gives the content of a figure, closed until asked for.
pub fn table(title: &str, columns: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        details class="data" {
            summary { (title) }
            div class="scroll" role="region" aria-label=(title) tabindex="0" {
                table {
                    thead { tr { @for column in columns { th scope="col" { (column) } } } }
                    tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
                }
            }
        }
    }
}

/// At most `limit` of `0..count`, evenly spaced, with both ends.
pub fn thinned(count: usize, limit: usize) -> Vec<usize> {
    if count <= limit || limit < 2 {
        return (0..count.min(limit)).collect();
    }
    (0..limit).map(|i| i * (count - 1) / (limit - 1)).collect()
}
