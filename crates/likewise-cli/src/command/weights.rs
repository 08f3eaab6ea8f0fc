//! `likewise weights`.

mod check;
mod import;
mod photos;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::WeightsWhat;

/// Makes a weight file, or says what one holds.
pub fn run(what: &WeightsWhat) -> Result<ExitCode> {
    match what {
        WeightsWhat::Import(options) => import::run(options).map(|()| ExitCode::SUCCESS),
        WeightsWhat::Check(options) => check::run(options),
    }
}
