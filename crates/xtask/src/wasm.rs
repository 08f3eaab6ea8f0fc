//! The two ways to compile for `wasm32-unknown-unknown`: rustup's target, and Debian's own compiler
//! with the sources of its standard library.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;

/// The target that browsers run.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The packages with which Debian's way works.
pub const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];

/// A compiler for [`TARGET`] that this machine has.
#[derive(Debug, PartialEq)]
pub enum Toolchain {
    /// The pinned toolchain, with its target installed.
    Rustup,
    /// Debian's cargo and rustc, which build the standard library first, and the linker.
    Debian { linker: PathBuf },
}

impl Toolchain {
    /// The way that works here; rustup's before Debian's, whose release of Rust is another one.
    pub fn detect() -> Option<Self> {
        let mut rustc = Command::new("rustc");
        let library = shell::answer(rustc.args(["--print", "target-libdir", "--target", TARGET]));
        if library.is_some_and(|folder| Path::new(&folder).is_dir()) {
            return Some(Self::Rustup);
        }
        let sysroot = shell::answer(Command::new("/usr/bin/rustc").args(["--print", "sysroot"]))?;
        let sources = Path::new(&sysroot).join("lib/rustlib/src/rust/library");
        let cargo = Path::new("/usr/bin/cargo");
        let linker = linker(Path::new("/usr/bin"))?;
        (sources.is_dir() && cargo.is_file()).then_some(Self::Debian { linker })
    }

    /// `cargo SUBCOMMAND` for the target, with a build folder of its own beside the native one.
    pub fn cargo(&self, subcommand: &str) -> Command {
        let mut command = match self {
            Self::Rustup => shell::cargo(subcommand),
            Self::Debian { linker } => {
                let mut command = Command::new("/usr/bin/cargo");
                command
                    .arg(subcommand)
                    .arg("-Zbuild-std=std,panic_abort")
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                command
            }
        };
        command
            .args(["--target", TARGET])
            .env("CARGO_TARGET_DIR", folder());
        command
    }
}

/// What the browser gets: the library, and the tests of operations as a module.
const PARTS: [&str; 8] = [
    "--release",
    "--package",
    "likewise",
    "--package",
    "likewise-kernels",
    "--lib",
    "--test",
    "devices",
];

/// Compiles the library and the tests; whether that worked.
pub fn build(toolchain: &Toolchain) -> Result<bool> {
    shell::succeeds(toolchain.cargo("build").args(PARTS))
}

/// Writes the tests that [`build`] compiled to `folder` as the module `devices.js`; whether that
/// worked.
pub fn write_module(toolchain: &Toolchain, bindgen: &Path, folder: &Path) -> Result<bool> {
    // Everything is up to date: cargo only tells where it is.
    let mut command = toolchain.cargo("build");
    let account = shell::answer(command.args(PARTS).arg("--message-format=json"));
    let program = account.as_deref().and_then(executable);
    let program = program.context("cargo does not say where the tests are")?;
    let mut command = Command::new(bindgen);
    command.args([
        "--target",
        "web",
        "--no-typescript",
        "--out-name",
        "devices",
    ]);
    shell::succeeds(command.arg("--out-dir").arg(folder).arg(program))
}

/// The program in cargo's account of a build.
fn executable(account: &str) -> Option<String> {
    account.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(message.get("executable")?.as_str()?.to_owned())
    })
}

/// The program `wasm-bindgen` in the one version that goes with the library.
pub fn bindgen() -> Option<PathBuf> {
    let expected = format!("wasm-bindgen {}", bindgen_version()?);
    let installed = shell::tools().join("bin/wasm-bindgen");
    [Some(installed), shell::find("wasm-bindgen")]
        .into_iter()
        .flatten()
        .find(|program| {
            shell::answer(Command::new(program).arg("--version")).as_ref() == Some(&expected)
        })
}

/// The version of the library in Cargo.lock.
pub fn bindgen_version() -> Option<String> {
    let package = shell::answer(shell::cargo("pkgid").arg("wasm-bindgen"))?;
    Some(package.rsplit(['@', '#']).next()?.to_owned())
}

/// Build folder of the target: `target-wasm`, or `…-wasm` beside the folder that the environment
/// names for native builds.
pub fn folder() -> PathBuf {
    let mut name = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    name.push("-wasm");
    shell::root().join(name)
}

/// LLVM's linker for wasm in `folder`: the newest of `wasm-ld` and `wasm-ld-N`.
fn linker(folder: &Path) -> Option<PathBuf> {
    let version = |path: &Path| match path.file_name()?.to_str()?.strip_prefix("wasm-ld")? {
        "" => Some(0),
        suffix => suffix.strip_prefix('-')?.parse::<u32>().ok(),
    };
    let files = folder.read_dir().ok()?.flatten().map(|entry| entry.path());
    files
        .filter_map(|path| Some((version(&path)?, path)))
        .max()
        .map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_are_found_in_an_account_of_a_build() {
        let account = r#"{"reason":"compiler-artifact","executable":null}
{"reason":"build-script-executed"}
{"reason":"compiler-artifact","executable":"/target/deps/devices-1f.wasm"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(account).as_deref(),
            Some("/target/deps/devices-1f.wasm")
        );
        assert_eq!(executable("warning: unused"), None);
    }

    #[test]
    fn the_newest_linker_is_taken() {
        let folder = env::temp_dir().join(format!("likewise-xtask-linker-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("temporary folder");
        assert_eq!(linker(&folder), None);
        for name in [
            "wasm-ld",
            "wasm-ld-9",
            "wasm-ld-22",
            "wasm-ld-old",
            "ld.lld-30",
        ] {
            std::fs::write(folder.join(name), "").expect("temporary file");
        }
        assert_eq!(linker(&folder), Some(folder.join("wasm-ld-22")));
        std::fs::remove_dir_all(&folder).expect("temporary folder");
    }
}
