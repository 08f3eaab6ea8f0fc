//! Checks every file in `shaders/` and makes the table of shaders of them, in which a line
//! `// include FILE` has been replaced by that file.

mod check;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    // Build scripts run in their package's folder. A path fixed when this was compiled would be wrong
    // for a clone elsewhere that shares the target folder.
    let folder = PathBuf::from("../../shaders");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed={}", folder.display());
    match table(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the table and the texts it includes; tells what is wrong with every shader, each with the
/// name of its file.
fn table(folder: &Path) -> Result<(), String> {
    let output = PathBuf::from(env::var_os("OUT_DIR").ok_or("there is no OUT_DIR")?);
    let (mut table, mut faults) = (String::new(), Vec::new());
    for path in shaders(folder)? {
        let found = expand(folder, &path)
            .and_then(|source| Ok((check::check(&source)?, source)))
            .map_err(|fault| format!("{}: {fault}", path.display()));
        let (workgroup, source) = match found {
            Ok(found) => found,
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        };
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let file = output.join(format!("{name}.wgsl"));
        write(&file, &source)?;
        table += &format!(
            "pub const {}: Shader = Shader {{ name: {name:?}, source: include_str!({file:?}), \
             workgroup: {workgroup:?} }};\n",
            name.to_uppercase()
        );
    }
    write(&output.join("shaders.rs"), &table)?;
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n"))
    }
}

/// The files of shaders, by name.
fn shaders(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut shaders: Vec<PathBuf> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wgsl")
        })
        .collect();
    shaders.sort();
    Ok(shaders)
}

/// The text of a shader with what it includes.
fn expand(folder: &Path, path: &Path) -> Result<String, String> {
    let mut source = String::new();
    for line in read(path)?.lines() {
        match line.strip_prefix("// include ") {
            Some(file) => source += &read(&folder.join(file))?,
            None => source += line,
        }
        source.push('\n');
    }
    Ok(source)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
