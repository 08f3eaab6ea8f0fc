//! Files are written whole or not at all: to a temporary name, synced, then renamed.

use std::fmt::Arguments;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// Writes `bytes` to `path` so that a reader, or a power cut, sees the old file or the new one.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let failed = || format!("cannot write {}", path.display());
    fs::create_dir_all(folder).with_context(failed)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-");
    // Temporary files are private by default; results are for whoever the user's umask allows.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    sync_folder(folder);
    Ok(())
}

/// Writes `value` as indented JSON.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)
        .with_context(|| format!("cannot write {}", path.display()))?;
    text.push('\n');
    write(path, text.as_bytes())
}

/// Makes a rename durable. Folders cannot be opened on every system; there the rename still is
/// atomic.
pub fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Writes to standard output. A reader that has seen enough, such as `head`, ends the program
/// quietly; any other failure is an error, so that a full disk never looks like success.
pub fn print(text: Arguments<'_>) -> Result<()> {
    let mut output = std::io::stdout().lock();
    match output.write_fmt(text).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.context("cannot write standard output"),
    }
}

/// [`print`] with the syntax of `print!`, in a function that returns a `Result`.
macro_rules! out {
    ($($part:tt)*) => { $crate::output::print(format_args!($($part)*))? };
}

/// [`print`] with the syntax of `println!`, in a function that returns a `Result`.
macro_rules! outln {
    () => { $crate::output::print(format_args!("\n"))? };
    ($($part:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($part)*)))? };
}

pub(crate) use {out, outln};
