//! What other programs say about the same embeddings.

use anyhow::Result;
use likewise::metric::{self, Comparison, Program};
use serde_json::{Value, json};

use super::input::Input;
use crate::args::Evaluate;
use crate::output::outln;

/// Prints the comparison for people, or as one JSON object.
pub fn run(input: &Input, options: &Evaluate) -> Result<()> {
    let split = &input.queries;
    let rows = metric::conformance(&split.values, split.dim, &split.labels, options.seed)?;
    if options.json {
        let rows: Vec<Value> = rows.iter().map(object).collect();
        outln!("{}", json!({ "conformance": rows }));
        return Ok(());
    }
    outln!(
        "{:27} {:>10}  {:24} {:>10}  equal when, or why they differ here",
        "metric there",
        "value",
        "metric here",
        "value"
    );
    let mut program: Option<Program> = None;
    for row in &rows {
        if program != Some(row.program) {
            outln!("\n{}", row.program.title());
            program = Some(row.program);
        }
        let remark = match &row.reason {
            None => format!("equal, as always when {}", row.equal_when),
            Some(reason) => reason.clone(),
        };
        outln!(
            "{:27} {:>10}  {:24} {:>10}  {remark}",
            row.metric,
            number(row.value),
            row.name.to_string(),
            number(row.ours)
        );
    }
    Ok(())
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "none".into(), |value| format!("{value:.6}"))
}

fn object(row: &Comparison) -> Value {
    json!({
        "program": row.program.title(),
        "metric": row.metric,
        "value": row.value,
        "name": row.name,
        "likewise": row.ours,
        "equal_when": row.equal_when,
        "reason": row.reason,
    })
}
