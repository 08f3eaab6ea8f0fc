//! The program `likewise`: arguments, progress, run folders and reports. No science in it.

// Burn's graph types nest deeper than the compiler's default limit.
#![recursion_limit = "256"]

mod args;
mod chart;
mod command;
mod device;
mod environment;
mod failure;
mod history;
mod interrupt;
mod memory;
mod output;
mod progress;
mod recipes;
mod report;
mod run_folder;
mod source;
mod tracker;
mod weights;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    memory::keep_freed_memory();
    let arguments = args::Arguments::parse();
    let verbose = arguments.verbose;
    match command::run(arguments) {
        Ok(code) => code,
        Err(error) => failure::report(&error, verbose),
    }
}
