//! Progress for people: bars on a terminal, plain lines elsewhere. Everything goes to standard
//! error, so that standard output stays machine-readable.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Seconds between lines when the output is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// A task with a known amount of work.
#[derive(Debug)]
pub struct Task {
    bar: ProgressBar,
    plain: bool,
    title: String,
    total: u64,
    started: Instant,
    last_line: Instant,
}

impl Task {
    /// Begins a task of `total` units.
    pub fn new(title: impl Into<String>, total: u64) -> Self {
        let title = title.into();
        let plain = !std::io::stderr().is_terminal();
        let bar = if plain {
            ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden())
        } else {
            ProgressBar::new(total)
        };
        let template = "{prefix:24} {bar:28.cyan/blue} {pos}/{len} {msg} {eta:>4} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_prefix(title.clone());
        let now = Instant::now();
        Self {
            bar,
            plain,
            title,
            total,
            started: now,
            last_line: now,
        }
    }

    /// The work done so far, with a short message.
    pub fn update(&mut self, done: u64, message: impl Into<String>) {
        let message = message.into();
        if self.plain && self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            let left = self
                .left(done)
                .map_or(String::new(), |left| format!(", {left} s left"));
            say(format!(
                "{}: {done}/{} {message}{left}",
                self.title, self.total
            ));
        }
        self.bar.set_message(message);
        self.bar.set_position(done);
    }

    /// Ends the task; a bar disappears.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }

    fn left(&self, done: u64) -> Option<u64> {
        let elapsed = self.started.elapsed().as_secs_f64();
        (done > 0).then(|| (elapsed / done as f64 * self.total.saturating_sub(done) as f64) as u64)
    }
}

/// A line for people. A terminal that has gone away must not end a run.
pub fn say(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
}
