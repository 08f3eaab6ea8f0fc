//! Everything a contributor runs: set-up, tests, documentation. `cargo xtask --help` lists it.

mod assets;
mod browser;
mod docs;
mod setup;
mod shell;
mod test;
mod wasm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of the Likewise repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests can use and this machine lacks
    Setup,
    /// Run all tests and checks, and say what was skipped and why
    Test(test::Options),
    /// Build the book in docs/
    Docs(docs::Options),
    /// Make data that is committed
    #[command(subcommand)]
    Assets(assets::Asset),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Setup => setup::run(),
        Task::Test(options) => test::run(&options),
        Task::Docs(options) => docs::run(&options),
        Task::Assets(asset) => asset.build().map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
