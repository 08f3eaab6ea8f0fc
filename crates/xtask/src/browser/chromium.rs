//! A headless Chromium with WebGPU on its own software adapter, so that every machine runs the same.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::shell;

/// What the program is called, on `PATH`.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Where it is installed on systems that do not put it on `PATH`.
const PLACES: [&str; 3] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
];

const OPTIONS: [&str; 12] = [
    "--headless",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    // Shared memory is scarce in containers.
    "--disable-dev-shm-usage",
    // Nothing of its own over the network, no questions, no slow timers for a page nobody sees.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
];

/// Chromium, or the browser that `LIKEWISE_BROWSER` names.
pub fn find() -> Option<PathBuf> {
    if let Some(program) = env::var_os("LIKEWISE_BROWSER") {
        return Some(PathBuf::from(program)).filter(|program| program.is_file());
    }
    let installed = || PLACES.iter().map(PathBuf::from).find(|path| path.is_file());
    NAMES
        .iter()
        .find_map(|name| shell::find(name))
        .or_else(installed)
}

/// A running browser. It ends with this value.
pub struct Chromium {
    child: Child,
    log: PathBuf,
}

impl Chromium {
    /// Opens `address` with the fresh folder `profile` for everything it keeps.
    pub fn start(program: &Path, profile: &Path, address: &str) -> Result<Self> {
        if profile.exists() {
            fs::remove_dir_all(profile)?;
        }
        fs::create_dir_all(profile)?;
        let log = profile.join("chromium.log");
        let mut command = Command::new(program);
        command.args(OPTIONS);
        // Its sandbox refuses to start for root.
        if shell::is_root() {
            command.arg("--no-sandbox");
        }
        let mut user_data = std::ffi::OsString::from("--user-data-dir=");
        user_data.push(profile);
        let child = command
            .arg(user_data)
            .arg(address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log })
    }

    /// Whether the browser has ended by itself.
    pub fn ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// What it wrote to standard error.
    pub fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
