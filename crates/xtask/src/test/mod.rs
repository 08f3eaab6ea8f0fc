//! `cargo xtask test`: every test and check of the repository, and an account of what did not run.

mod step;
mod summary;
pub mod tally;

use std::time::Instant;

use anyhow::Result;
use clap::Args;

use step::{Outcome, Run};
use summary::Row;

/// Options of `cargo xtask test`.
#[derive(Args)]
pub struct Options {
    /// Run only this step (may be repeated)
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Leave this step out (may be repeated)
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
    /// Install nothing; say what is missing and leave out what needs it
    #[arg(long)]
    no_setup: bool,
    /// List the steps and run none
    #[arg(long)]
    list: bool,
}

/// Runs the chosen steps, all of them even after a failure; whether none failed.
pub fn run(options: &Options) -> Result<bool> {
    let steps = step::select(&options.only, &options.skip)?;
    if options.list {
        for step in steps {
            println!("{:<10} {}", step.name, step.about);
        }
        return Ok(true);
    }
    let mut run = Run {
        setup: !options.no_setup,
        ..Run::default()
    };
    let mut rows = Vec::new();
    for step in steps {
        println!("\n== {}: {} ==", step.name, step.about);
        let start = Instant::now();
        let outcome = (step.run)(&mut run).unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            Outcome::Failed
        });
        rows.push(Row {
            name: step.name,
            outcome,
            seconds: start.elapsed().as_secs_f64(),
        });
    }
    print!("\n{}", summary::text(&rows, &run.tally));
    Ok(rows.iter().all(|row| row.outcome != Outcome::Failed))
}
