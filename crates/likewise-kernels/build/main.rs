//! Checks every file below `shaders/`.

mod check;

use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shaders");
    println!("cargo::rerun-if-changed={}", folder.display());
    match faults(&folder) {
        Ok(faults) if faults.is_empty() => ExitCode::SUCCESS,
        Ok(faults) => {
            eprintln!("{}", faults.join("\n"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

/// What is wrong with the shaders in `folder`, each with the name of its file.
fn faults(folder: &Path) -> io::Result<Vec<String>> {
    let mut faults = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wgsl")
            && let Err(fault) = check::check(&fs::read_to_string(&path)?)
        {
            faults.push(format!("{}: {fault}", path.display()));
        }
    }
    Ok(faults)
}
