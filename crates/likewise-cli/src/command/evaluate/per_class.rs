//! Retrieval metrics of each class as a table for other programs.

use std::path::Path;

use anyhow::Result;
use likewise::metric::ClassValues;

use super::input::Input;
use crate::output;

/// Writes one line a class: its name, its number of queries, and each retrieval metric; a metric
/// that is undefined for a class is left empty.
pub fn write(file: &Path, input: &Input, classes: &ClassValues) -> Result<()> {
    let names = classes.names().iter().map(ToString::to_string);
    let mut text = line(["class".into(), "count".into()].into_iter().chain(names));
    for (place, class) in classes.classes().iter().enumerate() {
        let head = [
            input.class_name(class.label).into(),
            class.queries.to_string(),
        ];
        let value = |&name| {
            let value = classes.value(place, name);
            value.map_or_else(String::new, |value| value.to_string())
        };
        let values = classes.names().iter().map(value);
        text += &line(head.into_iter().chain(values));
    }
    output::write(file, text.as_bytes())
}

/// Fields in quotes where they need them (RFC 4180).
fn line(fields: impl Iterator<Item = String>) -> String {
    let quoted = fields.map(|field| {
        if field.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field
        }
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}
