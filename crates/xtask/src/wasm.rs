//! The two ways to compile for `wasm32-unknown-unknown`: rustup's target, and Debian's own compiler
//! with the sources of its standard library.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// Build folder of the target: `target-wasm`, or `…-wasm` beside the folder that the environment
/// names for native builds.
fn folder() -> PathBuf {
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
