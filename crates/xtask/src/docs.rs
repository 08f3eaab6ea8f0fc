//! `cargo xtask docs`: the book in `docs/`.

use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::shell;

/// Options of `cargo xtask docs`.
#[derive(Args)]
pub struct Options {
    /// Serve the book, rebuild it at each change and open it in a browser
    #[arg(long)]
    serve: bool,
}

/// Builds the book into `target/book`; whether that worked.
pub fn run(options: &Options) -> Result<bool> {
    let Some(mdbook) = shell::find("mdbook") else {
        bail!(
            "the book is built by mdBook, which is not installed: `cargo install --locked mdbook`"
        );
    };
    let mut command = Command::new(mdbook);
    command.arg(if options.serve { "serve" } else { "build" });
    if options.serve {
        command.arg("--open");
    }
    command
        .arg("--dest-dir")
        .arg(shell::target().join("book"))
        .arg("docs");
    shell::succeeds(&mut command)
}
