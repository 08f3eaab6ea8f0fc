//! `cargo xtask setup`: what the tests can use beyond Rust, how to see that it is missing, and how
//! it is installed. Nothing here is needed to build or use the program.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{browser, shell, wasm};

/// Checks spelling. Its wheel holds the program, so nothing is compiled.
const TYPOS: &str = "typos==1.52.0";

/// Checks licences and sources.
const CARGO_DENY: &str = "cargo-deny@0.20.2";

/// Something the tests use where it is present.
pub struct Need {
    /// What it is.
    pub what: &'static str,
    /// What is skipped without it, with its verb.
    pub without: &'static str,
    present: fn() -> bool,
    install: fn() -> Result<()>,
}

/// Names what reads back what the trackers write.
const TRACKERS: &str = "crates/xtask/trackers.txt";

const NEEDS: [Need; 8] = [
    Need {
        what: "a Vulkan adapter (a software one will do)",
        without: "the tests on a WGSL device are",
        present: has_adapter,
        install: || debian(&["mesa-vulkan-drivers", "libvulkan1"]),
    },
    Need {
        what: "nasm, an assembler",
        without: "the vector code of the JPEG library is",
        present: || !cfg!(target_arch = "x86_64") || shell::find("nasm").is_some(),
        install: || debian(&["nasm"]),
    },
    Need {
        what: "a compiler for wasm32",
        without: "the wasm32 check and the tests in a browser are",
        present: || wasm::Toolchain::detect().is_some(),
        install: install_wasm,
    },
    Need {
        what: "wasm-bindgen in the version of Cargo.lock",
        without: "the tests in a browser are",
        present: || wasm::bindgen().is_some(),
        install: install_wasm_bindgen,
    },
    Need {
        what: "Chromium",
        without: "the tests in a browser are",
        present: || browser::find().is_some(),
        install: || debian(&["chromium"]),
    },
    Need {
        what: "typos",
        without: "the spelling check is",
        present: || shell::find("typos").is_some(),
        install: install_typos,
    },
    Need {
        what: "cargo-deny",
        without: "the licence check is",
        present: || shell::find("cargo-deny").is_some(),
        install: install_cargo_deny,
    },
    Need {
        what: "Python with TensorBoard and MLflow",
        without: "the tests of trackers are",
        present: has_trackers,
        install: install_trackers,
    },
];

/// What this machine lacks.
pub fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !(need.present)()).collect()
}

/// Installs what is missing, goes on after a failure, and tells whether everything is there.
pub fn run() -> Result<bool> {
    for need in missing() {
        println!("missing: {}", need.what);
        if let Err(error) = (need.install)() {
            eprintln!("error: {} could not be installed: {error:#}", need.what);
        }
    }
    let missing = missing();
    for need in &missing {
        println!(
            "still missing: {}; without it {} skipped",
            need.what, need.without
        );
    }
    Ok(missing.is_empty())
}

/// Whether wgpu will probably find an adapter. Only Linux machines come without one: there, a
/// driver must be registered, and one that needs a card must find a card.
fn has_adapter() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let drivers = [
        "/usr/share/vulkan/icd.d",
        "/etc/vulkan/icd.d",
        "/usr/local/share/vulkan/icd.d",
    ]
    .iter()
    .filter_map(|folder| Path::new(folder).read_dir().ok())
    .flat_map(|files| files.flatten().map(|file| file.file_name()))
    .collect::<Vec<_>>();
    let software = drivers
        .iter()
        .any(|name| name.to_string_lossy().starts_with("lvp_icd"));
    let card = Path::new("/dev/dri/renderD128").exists() || Path::new("/dev/nvidia0").exists();
    software || (card && !drivers.is_empty())
}

/// Rustup's target, else Debian's packages.
fn install_wasm() -> Result<()> {
    let mut rustup = Command::new("rustup");
    if shell::succeeds(rustup.args(["target", "add", wasm::TARGET])).unwrap_or(false) {
        return Ok(());
    }
    debian(&wasm::DEBIAN_PACKAGES)
}

/// Lightly optimised, which halves the time of its build and is fast enough. Without its lock file,
/// which names a release that is gone.
fn install_wasm_bindgen() -> Result<()> {
    let version = wasm::bindgen_version().context("Cargo.lock has no wasm-bindgen")?;
    let package = ["wasm-bindgen-cli", "--version", &version];
    let program = ["--bin", "wasm-bindgen"];
    cargo_install(&[&package[..], &program].concat(), Some("1"))
}

fn install_typos() -> Result<()> {
    install_python("python", &[TYPOS])
}

/// Apart from other programs, which should not wait for their many packages.
fn install_trackers() -> Result<()> {
    install_python(TRACKERS_FOLDER, &["-r", TRACKERS])
}

/// Installs Python packages into a folder of their own among the tools.
fn install_python(folder: &str, packages: &[&str]) -> Result<()> {
    if shell::answer(Command::new("python3").args(["-c", "import ensurepip"])).is_none() {
        debian(&["python3-venv"])?;
    }
    let place = shell::tools().join(folder);
    must(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
    let pip = place.join(PYTHON_PROGRAMS).join("pip");
    must(
        Command::new(pip)
            .args(["install", "--quiet"])
            .args(packages),
    )
}

const TRACKERS_FOLDER: &str = "trackers";
const PYTHON_PROGRAMS: &str = if cfg!(windows) { "Scripts" } else { "bin" };

fn has_trackers() -> bool {
    let folder = shell::tools().join(TRACKERS_FOLDER).join(PYTHON_PROGRAMS);
    let programs =
        ["tensorboard", "mlflow"].map(|name| format!("{name}{}", std::env::consts::EXE_SUFFIX));
    programs
        .iter()
        .all(|program| folder.join(program).is_file())
}

/// Unoptimised, which halves the time of its build and is fast enough.
fn install_cargo_deny() -> Result<()> {
    cargo_install(&["--locked", "--debug", CARGO_DENY], None)
}

/// Installs a program among the tools, built with another level of optimisation if one is given.
fn cargo_install(arguments: &[&str], level: Option<&str>) -> Result<()> {
    let mut command = Command::new("cargo");
    command
        .arg("install")
        .args(arguments)
        .arg("--root")
        .arg(shell::tools())
        .envs(level.map(|level| ("CARGO_PROFILE_RELEASE_OPT_LEVEL", level)));
    must(command.env_remove("CARGO_TARGET_DIR"))
}

/// Installs Debian packages, as root only.
fn debian(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    ensure!(
        shell::is_root() && shell::find("apt-get").is_some(),
        "run `sudo apt-get install {list}`, or install its like with your system's package manager"
    );
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    must(apt_get().args(["-q", "update"]))?;
    must(
        apt_get()
            .args(["-qy", "install", "--no-install-recommends"])
            .args(packages),
    )
}

fn must(command: &mut Command) -> Result<()> {
    ensure!(shell::succeeds(command)?, "the command above failed");
    Ok(())
}
