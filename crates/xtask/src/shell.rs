//! Running programs: where they are found, and each command line shown before it runs.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use anyhow::{Context, Result};

/// The repository's root, as cargo says it when it starts this program: what was known when it was
/// compiled may be another clone that shares the target folder.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let package = env::var_os("CARGO_MANIFEST_DIR");
        let package = package.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = package.ancestors().nth(2);
        root.expect("xtask lies two folders deep").to_owned()
    });
    &ROOT
}

/// Where native builds go.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Where `setup` puts programs: inside the build folder, so that nothing of the user's changes.
pub fn tools() -> PathBuf {
    target().join("tools")
}

/// Whether the environment variable `name` is set to `1`.
pub fn switched_on(name: &str) -> bool {
    env::var(name).is_ok_and(|value| value == "1")
}

/// Cargo of the pinned toolchain, run from the repository's root. On a server the lock file must
/// fit as it was committed.
pub fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand);
    if switched_on("LIKEWISE_CI") && subcommand != "fmt" {
        command.arg("--locked");
    }
    command
}

/// The program `name`: from `PATH`, else one that `setup` installed.
pub fn find(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([
            tools().join("bin"),
            tools().join("python/bin"),
            tools().join("python/Scripts"),
        ])
        .map(|folder| folder.join(&file))
        .find(|program| program.is_file())
}

/// Runs `command` in the repository's root; whether it succeeded.
pub fn succeeds(command: &mut Command) -> Result<bool> {
    show(command);
    let status = command.current_dir(root()).status();
    Ok(status.with_context(|| cannot_start(command))?.success())
}

/// Runs `command` like [`succeeds`] and hands each line of its standard output to `read` while it
/// passes through.
pub fn succeeds_reading(command: &mut Command, mut read: impl FnMut(&str)) -> Result<bool> {
    show(command);
    let child = command.current_dir(root()).stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| cannot_start(command))?;
    let mut output = BufReader::new(
        child
            .stdout
            .take()
            .context("standard output is not piped")?,
    );
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        read(text.trim_end());
        line.clear();
    }
    Ok(child.wait()?.success())
}

/// What `command` prints when it succeeds, without a word on the terminal.
pub fn answer(command: &mut Command) -> Option<String> {
    let output = command.current_dir(root()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether this is a Unix system's root user.
pub fn is_root() -> bool {
    answer(Command::new("id").arg("-u")).as_deref() == Some("0")
}

fn show(command: &Command) {
    println!("$ {}", line(command));
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", line(command))
}

/// The command as one would type it, paths of programs shortened to their names.
fn line(command: &Command) -> String {
    let settings = command.get_envs().filter_map(|(name, value)| {
        value.map(|value| format!("{}={}", name.display(), quoted(&value.to_string_lossy())))
    });
    let program = Path::new(command.get_program())
        .file_stem()
        .unwrap_or_default();
    settings
        .chain([program.to_string_lossy().into_owned()])
        .chain(
            command
                .get_args()
                .map(|argument| quoted(&argument.to_string_lossy())),
        )
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(word: &str) -> String {
    if word.contains(char::is_whitespace) {
        format!("'{word}'")
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("/opt/rust/bin/cargo");
        command
            .args(["doc", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            line(&command),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
    }

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("rust-toolchain.toml").is_file());
    }

    #[test]
    fn output_is_read_line_by_line_and_a_failure_is_told() {
        let mut lines = Vec::new();
        let mut command = Command::new(find("cargo").expect("cargo runs these tests"));
        let done = succeeds_reading(command.arg("--version"), |line| lines.push(line.to_owned()));
        assert!(done.expect("cargo starts"));
        assert!(
            matches!(&lines[..], [line] if line.starts_with("cargo ")),
            "{lines:?}"
        );
        let mut command = Command::new(find("cargo").expect("cargo runs these tests"));
        assert!(
            !succeeds(command.args(["locate-project", "--no-such-option"])).expect("cargo starts")
        );
    }
}
