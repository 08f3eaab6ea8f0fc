//! A file of TensorBoard events: protocol buffers (tensorflow/core/util/event.proto) framed as
//! TFRecords, each with checksums of its length and its bytes.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::super::series::Point;
use super::protobuf::Message;

/// TensorBoard takes every file for one whose name contains `tfevents`, and reads those of a folder
/// in the order of their names.
const PREFIX: &str = "events.out.tfevents.";
/// The first event of a file.
const VERSION: &str = "brain.Event:2";
/// `SessionLog.SessionStatus.START`: the steps from this event's on are to be forgotten.
const START: u64 = 1;
/// `DataType.DT_STRING`.
const STRING: u64 = 7;

/// An open file.
#[derive(Debug)]
pub struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// Whether there is a file in `folder`.
    pub fn exists_in(folder: &Path) -> bool {
        latest(folder).is_some()
    }

    /// A new file in `folder`, to be read after those that are there.
    pub fn create(folder: &Path) -> Result<Self> {
        let now = since_1970() as u64;
        let seconds = latest(folder).map_or(now, |latest| now.max(latest + 1));
        let path = folder.join(format!("{PREFIX}{seconds:010}.likewise"));
        let file = File::create_new(&path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let mut file = Self { file, path };
        file.write(&event().text(3, VERSION))?;
        Ok(file)
    }

    /// A process begins here: what is known of `step` and later ones is not the run's any more.
    pub fn start(&mut self, step: u64) -> Result<()> {
        let session = Message::default().integer(1, START);
        self.write(&event().integer(2, step).message(7, &session))
    }

    /// Points of curves, all of one step.
    pub fn scalars(&mut self, points: &[Point]) -> Result<()> {
        let Some(first) = points.first() else {
            return Ok(());
        };
        let values = points.iter().map(|point| {
            let value = Message::default().text(1, &point.curve);
            value.float(2, point.value as f32)
        });
        self.summary(first.step, values)
    }

    /// A histogram of `counts` in bins of equal width between 0 and `largest`.
    pub fn histogram(&mut self, name: &str, step: u64, largest: f64, counts: &[f64]) -> Result<()> {
        let width = largest / counts.len() as f64;
        let middle = |bin: usize| (bin as f64 + 0.5) * width;
        let over = |power: i32| -> f64 {
            let bins = counts.iter().enumerate();
            bins.map(|(bin, count)| count * middle(bin).powi(power))
                .sum()
        };
        let limits: Vec<f64> = (1..=counts.len()).map(|bin| bin as f64 * width).collect();
        let histogram = Message::default()
            .double(1, 0.0)
            .double(2, largest)
            .double(3, over(0))
            .double(4, over(1))
            .double(5, over(2))
            .doubles(6, &limits)
            .doubles(7, counts);
        let value = Message::default().text(1, name).message(5, &histogram);
        self.summary(step, [value])
    }

    /// A text in Markdown, of step 0.
    pub fn text(&mut self, name: &str, text: &str) -> Result<()> {
        let one = Message::default().integer(1, 1);
        let shape = Message::default().message(2, &one);
        let tensor = Message::default()
            .integer(1, STRING)
            .message(2, &shape)
            .text(8, text);
        let plugin = Message::default().text(1, "text");
        let value = Message::default()
            .text(1, name)
            .message(8, &tensor)
            .message(9, &Message::default().message(1, &plugin));
        self.summary(0, [value])
    }

    /// Waits until everything is on the disk.
    pub fn sync(&mut self) -> Result<()> {
        let synced = self.file.sync_all();
        synced.with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn summary(&mut self, step: u64, values: impl IntoIterator<Item = Message>) -> Result<()> {
        let summary = values
            .into_iter()
            .fold(Message::default(), |summary, value| {
                summary.message(1, &value)
            });
        self.write(&event().integer(2, step).message(5, &summary))
    }

    /// In one write, so that a reader seldom sees part of a record.
    fn write(&mut self, event: &Message) -> Result<()> {
        let framed = frame(event.bytes());
        let written = self.file.write_all(&framed);
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// An event of this moment.
fn event() -> Message {
    Message::default().double(1, since_1970())
}

fn since_1970() -> f64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.map_or(0.0, |time| time.as_secs_f64())
}

/// The seconds in the name of the last file.
fn latest(folder: &Path) -> Option<u64> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let seconds = entries.filter_map(|entry| {
        let name = entry.file_name();
        let rest = name.to_str()?.strip_prefix(PREFIX)?;
        rest.split('.').next()?.parse().ok()
    });
    seconds.max()
}

/// A TFRecord: length, its checksum, bytes, their checksum.
fn frame(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let mut framed = Vec::with_capacity(bytes.len() + 16);
    framed.extend(length);
    framed.extend(masked_checksum(&length).to_le_bytes());
    framed.extend(bytes);
    framed.extend(masked_checksum(bytes).to_le_bytes());
    framed
}

/// CRC-32C, rotated and shifted, because checksums of data that hold checksums are weak.
fn masked_checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}
