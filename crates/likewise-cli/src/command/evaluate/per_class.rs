//! Retrieval metrics of each class as a table for other programs.

use std::path::Path;

use anyhow::{Context, Result};
use likewise::metric::ClassValues;

use super::input::Input;
use crate::output;

/// Writes one line a class: its name, its number of queries, and each retrieval metric; a metric
/// that is undefined for a class is left empty.
pub fn write(file: &Path, input: &Input, classes: &ClassValues) -> Result<()> {
    let failed = || format!("cannot write {}", file.display());
    let mut table = csv::Writer::from_writer(Vec::new());
    let names = classes.names().iter().map(ToString::to_string);
    let head = ["class".into(), "count".into()];
    table
        .write_record(head.into_iter().chain(names))
        .with_context(failed)?;
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
        table
            .write_record(head.into_iter().chain(values))
            .with_context(failed)?;
    }
    output::write(file, &table.into_inner().with_context(failed)?)
}
