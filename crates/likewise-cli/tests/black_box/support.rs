//! Small datasets, runs of the program and what is expected of every failure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{Rgb, RgbImage};
use tempfile::TempDir;

/// A folder for one test, with the program at hand.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// An empty folder.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A dataset `data`: `classes` folders of `images` pictures, each class of its own colour.
    pub fn dataset(&self, classes: u32, images: u32) -> PathBuf {
        for class in 0..classes {
            for image in 0..images {
                self.picture(&format!("data/class{class:02}/{image}.png"), class, image);
            }
        }
        self.path("data")
    }

    /// One picture: the class decides the colour, the number the place of a dark square.
    pub fn picture(&self, name: &str, class: u32, number: u32) {
        let colour = Rgb([
            (class * 37 % 200) as u8 + 40,
            (class * 91 % 200) as u8 + 40,
            (class * 53 % 200) as u8 + 40,
        ]);
        let mut picture = RgbImage::from_pixel(24, 20, colour);
        for (x, y) in (0..36).map(|i| (i % 6 + number % 4 * 5, i / 6 + number / 4 % 3 * 5)) {
            picture.put_pixel(x, y, Rgb([10, 10, 10]));
        }
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(path).unwrap();
    }

    /// The program with `arguments`, run in the folder.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The program, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_likewise"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("RUST_BACKTRACE", "0")
            .env_remove("LIKEWISE_TRACKER")
            // Without it Vulkan drivers complain on standard error.
            .env("XDG_RUNTIME_DIR", self.folder.path());
        command
    }

    /// A training that takes a second or two, on the processor.
    pub fn train(&self, more: &[&str]) -> Output {
        self.command(&Self::train_arguments(more)).output().unwrap()
    }

    /// Arguments of that training.
    pub fn train_arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec![
            "train",
            "--smoke",
            "--device",
            "cpu",
            "--data",
            "data",
            "--run",
            "run",
            "--set",
            "model.backbone.channels=[8,8]",
            "--set",
            "sampler.batch_size=8",
            "--set",
            "sampler.samples_per_class=2",
            "--set",
            "data.split.train=0.5",
            "--set",
            "data.split.validation=0.2",
            "--set",
            "data.image_size=16",
        ];
        arguments.extend_from_slice(more);
        arguments
    }
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts success and returns standard output.
pub fn succeeded(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}\n{}",
        stdout(output),
        stderr(output)
    );
    stdout(output)
}

/// Asserts that the program refused: exit code 2, exactly one message, no panic, and every one of
/// `words` in it.
pub fn refused(output: &Output, words: &[&str]) {
    let text = stderr(output);
    assert_eq!(
        output.status.code(),
        Some(2),
        "exit code; output:\n{}\n{text}",
        stdout(output)
    );
    assert!(!text.contains("panicked"), "a panic:\n{text}");
    let messages = text
        .lines()
        .filter(|line| line.starts_with("error:"))
        .count();
    assert_eq!(messages, 1, "one message:\n{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not named:\n{text}");
    }
}

/// The events of a run, one JSON object a line.
pub fn events(run: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run.join("events.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The events of a run without what depends on the clock.
pub fn timeless_events(run: &Path) -> Vec<serde_json::Value> {
    let mut all = events(run);
    for event in &mut all {
        let object = event.as_object_mut().unwrap();
        for key in [
            "time",
            "seconds",
            "images_per_second",
            "device",
            "process_bytes",
            "device_bytes",
        ] {
            object.remove(key);
        }
    }
    all
}

/// Every tensor file of a run's last checkpoint, with its contents.
pub fn checkpoint(run: &Path) -> Vec<(String, Vec<u8>)> {
    contents(&run.join("checkpoints"))
        .into_iter()
        .filter(|(path, _)| {
            path.extension()
                .is_some_and(|extension| extension == "safetensors")
        })
        .map(|(path, bytes)| (path.strip_prefix(run).unwrap().display().to_string(), bytes))
        .collect()
}

/// Every file below `folder` with its contents, to see that nothing changed.
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}
