//! The steps of `cargo xtask test`: what each runs, and which are chosen.

use std::process::Command;

use anyhow::{Result, bail};

use super::tally::Tally;
use crate::{browser, setup, shell, wasm};

/// One thing that is checked.
pub struct Step {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it checks.
    pub about: &'static str,
    /// Does it.
    pub run: fn(&mut Run) -> Result<Outcome>,
}

/// What the steps of one run share.
#[derive(Default)]
pub struct Run {
    /// Whether to install what is missing.
    pub setup: bool,
    /// The single tests so far.
    pub tally: Tally,
}

/// How a step ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not; the output says why.
    Failed,
    /// It was not run, for this reason.
    Skipped(String),
}

/// All steps, in the order in which they run: the quick ones first.
pub const STEPS: [Step; 9] = [
    Step {
        name: "setup",
        about: "what the steps below use is installed",
        run: set_up,
    },
    Step {
        name: "format",
        about: "rustfmt has nothing to change",
        run: format,
    },
    Step {
        name: "spelling",
        about: "typos finds no misspelt word",
        run: spelling,
    },
    Step {
        name: "licences",
        about: "cargo-deny allows every dependency",
        run: licences,
    },
    Step {
        name: "test",
        about: "unit, device and documentation tests of the workspace",
        run: test,
    },
    Step {
        name: "lint",
        about: "clippy has no warning",
        run: lint,
    },
    Step {
        name: "docs",
        about: "rustdoc has no warning",
        run: docs,
    },
    Step {
        name: "wasm",
        about: "the library and the tests of operations compile for the browser",
        run: wasm32,
    },
    Step {
        name: "browser",
        about: "tests of operations in Chromium, on its WebGPU and on flex",
        run: in_browser,
    },
];

/// The steps named in `only` (all if none is), without those named in `skip`.
pub fn select(only: &[String], skip: &[String]) -> Result<Vec<&'static Step>> {
    for name in only.iter().chain(skip) {
        if !STEPS.iter().any(|step| step.name == name) {
            let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
            bail!(
                "there is no step `{name}`; the steps are {}",
                names.join(", ")
            );
        }
    }
    let named = |names: &[String], step: &Step| names.iter().any(|name| name == step.name);
    Ok(STEPS
        .iter()
        .filter(|step| (only.is_empty() || named(only, step)) && !named(skip, step))
        .collect())
}

impl Outcome {
    fn of(succeeded: bool) -> Self {
        if succeeded {
            Self::Passed
        } else {
            Self::Failed
        }
    }

    /// A step whose tool is missing: skipped on a contributor's machine, failed on a server.
    fn without(tool: &str) -> Self {
        if shell::switched_on("LIKEWISE_REQUIRE_TOOLS") {
            eprintln!("error: LIKEWISE_REQUIRE_TOOLS=1, but {tool} is not installed");
            return Self::Failed;
        }
        Self::Skipped(format!(
            "{tool} is not installed; `cargo xtask setup` does it"
        ))
    }
}

/// Installs what is missing. What cannot be had here is left out by the steps that need it, on a
/// contributor's machine; on a server it is a failure.
fn set_up(run: &mut Run) -> Result<Outcome> {
    if run.setup {
        let complete = setup::run()?;
        if complete || shell::switched_on("LIKEWISE_REQUIRE_TOOLS") {
            return Ok(Outcome::of(complete));
        }
        return Ok(Outcome::Skipped("not everything could be installed".into()));
    }
    let missing = setup::missing();
    for need in &missing {
        println!(
            "missing: {}; without it {} skipped",
            need.what, need.without
        );
    }
    if missing.is_empty() {
        return Ok(Outcome::Passed);
    }
    Ok(Outcome::Skipped(
        "`cargo xtask setup` installs what is missing".into(),
    ))
}

fn format(_: &mut Run) -> Result<Outcome> {
    shell::succeeds(shell::cargo("fmt").args(["--all", "--check"])).map(Outcome::of)
}

fn spelling(_: &mut Run) -> Result<Outcome> {
    let Some(typos) = shell::find("typos") else {
        return Ok(Outcome::without("typos"));
    };
    shell::succeeds(&mut Command::new(typos)).map(Outcome::of)
}

/// Advisories are left to the server that can reach their database: they change without any
/// change here.
fn licences(_: &mut Run) -> Result<Outcome> {
    let Some(deny) = shell::find("cargo-deny") else {
        return Ok(Outcome::without("cargo-deny"));
    };
    let mut command = Command::new(deny);
    command.args(["--workspace", "check", "bans", "licenses", "sources"]);
    shell::succeeds(&mut command).map(Outcome::of)
}

fn test(run: &mut Run) -> Result<Outcome> {
    let mut command = shell::cargo("test");
    command.args(["--release", "--workspace", "--no-fail-fast"]);
    shell::succeeds_reading(&mut command, |line| run.tally.read(line)).map(Outcome::of)
}

/// In release, so that `docs` finds the checked dependencies. `unwrap` is for tests alone.
fn lint(_: &mut Run) -> Result<Outcome> {
    let clippy = |targets: &[&str], denied: &[&str]| {
        let mut command = shell::cargo("clippy");
        command.args(["--release", "--workspace"]).args(targets);
        shell::succeeds(command.args(["--", "-D", "warnings"]).args(denied))
    };
    let everything = clippy(&["--all-targets"], &[])?;
    let program = clippy(&["--lib", "--bins"], &["-D", "clippy::unwrap_used"])?;
    Ok(Outcome::of(everything && program))
}

/// Libraries only: the program has the name of the library, so their pages would collide.
fn docs(_: &mut Run) -> Result<Outcome> {
    let mut command = shell::cargo("doc");
    command
        .args(["--release", "--workspace", "--lib", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings");
    shell::succeeds(&mut command).map(Outcome::of)
}

fn wasm32(_: &mut Run) -> Result<Outcome> {
    let Some(toolchain) = wasm::Toolchain::detect() else {
        return Ok(Outcome::without("a compiler for wasm32"));
    };
    wasm::build(&toolchain).map(Outcome::of)
}

/// Builds nothing that `wasm32` has not built.
fn in_browser(run: &mut Run) -> Result<Outcome> {
    let Some(toolchain) = wasm::Toolchain::detect() else {
        return Ok(Outcome::without("a compiler for wasm32"));
    };
    let Some(bindgen) = wasm::bindgen() else {
        return Ok(Outcome::without(
            "wasm-bindgen in the version of Cargo.lock",
        ));
    };
    let Some(chromium) = browser::find() else {
        return Ok(Outcome::without("Chromium"));
    };
    let folder = wasm::folder().join("browser/module");
    if !wasm::build(&toolchain)? || !wasm::write_module(&toolchain, &bindgen, &folder)? {
        return Ok(Outcome::Failed);
    }
    let passed = browser::run(&chromium, &folder, |line| {
        println!("{line}");
        run.tally.read(line);
    });
    passed.map(Outcome::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str], skip: &[&str]) -> Result<Vec<&'static str>> {
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        Ok(select(&owned(only), &owned(skip))?
            .iter()
            .map(|step| step.name)
            .collect())
    }

    #[test]
    fn everything_runs_unless_something_is_named() {
        assert_eq!(names(&[], &[]).expect("no name").len(), STEPS.len());
        assert_eq!(
            names(&["wasm", "format"], &[]).expect("known names"),
            ["format", "wasm"]
        );
        assert_eq!(
            names(&["wasm", "format"], &["wasm"]).expect("known names"),
            ["format"]
        );
        let rest = names(&[], &["test"]).expect("known name");
        assert_eq!(rest.len(), STEPS.len() - 1);
        assert!(!rest.contains(&"test"));
    }

    #[test]
    fn an_unknown_step_is_refused_with_the_known_ones() {
        let error = names(&[], &["tests"])
            .expect_err("`tests` is no step")
            .to_string();
        assert!(
            error.contains("`tests`") && error.contains("format, spelling"),
            "{error}"
        );
    }
}
