//! How the program fails: one message, exit code 2, nothing half written.

use std::process::ExitCode;

use crate::progress::say;

/// Exit code of every error a user can act on.
const EXIT_CODE: u8 = 2;

/// Prints the error (its whole chain with `--verbose`) and returns the exit code.
pub fn report(error: &anyhow::Error, verbose: bool) -> ExitCode {
    say(format!("error: {error}"));
    let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    if verbose {
        for cause in &causes {
            say(format!("  caused by: {cause}"));
        }
    } else if let Some(cause) = causes.first() {
        say(format!("  {cause}"));
    }
    ExitCode::from(EXIT_CODE)
}
