//! Python: `LIKEWISE_PYTHON`, else the one `cargo xtask setup` installed, else `python3`.

use std::path::{Path, PathBuf};
use std::process::Command;

fn program() -> PathBuf {
    if let Some(python) = std::env::var_os("LIKEWISE_PYTHON") {
        return python.into();
    }
    // Beside the program that is tested: target/release/likewise, target/tools.
    let program = Path::new(env!("CARGO_BIN_EXE_likewise"));
    let installed = ["bin/python", "Scripts/python.exe"].map(|path| {
        let target = program.ancestors().nth(2).unwrap();
        target.join("tools/trackers").join(path)
    });
    let found = installed.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| "python3".into())
}

/// Python with `arguments`, not yet started.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments);
    command
}

/// Whether Python knows a module, without loading it.
pub fn has(module: &str) -> bool {
    let look = format!("import importlib.util as u, sys; sys.exit(not u.find_spec('{module}'))");
    let status = command(&["-c", &look])
        .stderr(std::process::Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// What a script prints as JSON.
pub fn ask(script: &str, arguments: &[&str]) -> serde_json::Value {
    let output = command(&[&["-c", script][..], arguments].concat())
        .output()
        .unwrap();
    let (text, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{text}\n{errors}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}\n{errors}"))
}
