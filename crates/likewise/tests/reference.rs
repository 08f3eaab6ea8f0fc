//! Writes the reference chapter of the documentation from the tables of the library, and fails
//! when the committed one differs. `LIKEWISE_UPDATE_DOCS=1` rewrites it.

use std::fmt::Write;
use std::path::Path;

use likewise::metric::METRICS;
use likewise::model::ARCHITECTURES;
use likewise::{miner, objective, sampler};
use serde::Serialize;

fn settings(config: &impl Serialize) -> String {
    let text = toml::to_string(config).expect("a configuration is valid TOML");
    let (own, tables) = text.split_once("\n[").unwrap_or((&text, ""));
    let own = own.lines().filter(|line| !line.starts_with("name ="));
    let mut settings: Vec<String> = own.map(|line| format!("`{line}`")).collect();
    for table in tables.split("\n[").filter(|table| !table.is_empty()) {
        let (name, lines) = table.split_once("]\n").expect("a heading and its lines");
        let lines: Vec<&str> = lines.lines().collect();
        settings.push(format!("`{name} = {{ {} }}`", lines.join(", ")));
    }
    settings.retain(|setting| setting != "``");
    if settings.is_empty() {
        "–".into()
    } else {
        settings.join(", ")
    }
}

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn reference() -> String {
    let mut text = String::from(
        "# Reference\n\nMade from the tables of the library; defaults are shown as settings.\n",
    );
    text += "\n## Objectives\n\n`[objective] name = ...`\n\n";
    text += "| name | objective | compares | miner of | embeddings | learned with the network | settings | source |\n|---|---|---|---|---|---|---|---|\n";
    for entry in objective::TABLE {
        let tuples: Vec<&str> = entry.tuples.iter().map(|kind| kind.name()).collect();
        let tuples = tuples.join(" or ");
        let learned = if entry.parameters.is_empty() {
            "–".into()
        } else {
            entry.parameters.join(", ")
        };
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {tuples} | {} | {learned} | {} | {} |",
            entry.name,
            entry.title,
            entry.family.name(),
            entry.embeddings.name(),
            settings(&(entry.default)()),
            entry.paper
        );
    }
    text += "\n## Miners\n\n`[miner] name = ...`\n\n| name | miner | makes | unit vectors | control | settings | source |\n|---|---|---|---|---|---|---|\n";
    for entry in miner::TABLE {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} | {} |",
            entry.name,
            entry.title,
            entry.tuples.name(),
            yes(entry.needs_unit_embeddings),
            yes(entry.control),
            settings(&(entry.default)()),
            entry.paper
        );
    }
    text += "\nAny miner of triplets takes `rho = { p_switch = 0.2, switch_mode = \"anchor_as_positive\" }`, the ρ-switch of Roth et al. 2020, and `budget`, the number of triplets of a batch (by default one for each anchor).\n";
    text += "\n## Batch samplers\n\n`[sampler] name = ...`\n\n| name | sampler | what it draws | memory bank | settings | source |\n|---|---|---|---|---|---|\n";
    for entry in sampler::TABLE {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} |",
            entry.name,
            entry.title,
            entry.summary,
            yes(entry.memory_bank),
            settings(&(entry.default)()),
            entry.paper
        );
    }
    text += "\nThose with a memory bank also take `projection_dim = K` ([how they work](samplers.md)).\n";
    text += "\n## Architectures\n\n`[model.backbone] architecture = ...`\n\n| name | for | source |\n|---|---|---|\n";
    for entry in ARCHITECTURES {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} |",
            entry.name, entry.purpose, entry.paper
        );
    }
    text += "\n## Metrics\n\n`evaluation.metrics`, `likewise evaluate --metrics`. A prefix `c_` means the variant with cosine distances, `e_` that with Euclidean ones.\n\n";
    text += "| name | metric | definition | source |\n|---|---|---|---|\n";
    for metric in &METRICS {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            metric.name, metric.title, metric.definition, metric.source
        );
    }
    text
}

#[test]
fn the_reference_chapter_is_that_of_the_tables() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/reference.md");
    let text = reference();
    if std::env::var_os("LIKEWISE_UPDATE_DOCS").is_some() {
        std::fs::write(&file, &text).expect("the documentation can be written");
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        committed, text,
        "run with LIKEWISE_UPDATE_DOCS=1 and commit docs/src/reference.md"
    );
}
