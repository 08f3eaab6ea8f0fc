//! One file per command.

mod bench;
mod device;
mod evaluate;
mod recipes;
mod toy;
mod train;
mod weights;

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;

use crate::args::{Arguments, Command};
use crate::output::out;

/// Runs the command the user typed.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::Train(options) => return train::run(&options),
        Command::Evaluate(options) => evaluate::run(&options)?,
        Command::Toy(options) => toy::run(&options)?,
        Command::Device(options) => device::run(&options)?,
        Command::Recipes(options) => recipes::run(&options)?,
        Command::Weights(options) => return weights::run(&options.what),
        Command::Bench(options) => bench::run(&options.what)?,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "likewise", &mut script);
            out!("{}", String::from_utf8_lossy(&script));
        }
    }
    Ok(ExitCode::SUCCESS)
}
