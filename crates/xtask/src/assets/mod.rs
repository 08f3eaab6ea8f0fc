//! Committed data files and how they are made. They change rarely; each can be rebuilt exactly.

mod emoji;

use clap::Subcommand;

/// A committed data file.
#[derive(Subcommand)]
pub enum Asset {
    /// Render the emoji pack of `likewise-data` from the vendors' npm packages.
    Emoji(emoji::Options),
}

impl Asset {
    /// Rebuilds it in place.
    pub fn build(&self) -> anyhow::Result<()> {
        match self {
            Self::Emoji(options) => emoji::build(options),
        }
    }
}
