//! Tests compiled for wasm32 in a headless Chromium: a page runs them and posts the outcomes to a
//! server here. Neither a driver program nor JavaScript tools are needed.

mod chromium;
mod server;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use chromium::Chromium;
pub use chromium::find;
use server::{Message, Server};

/// How long the page may say nothing. Compiling the module and the slowest case take seconds.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a case that never answered is said to have done wrong.
const SILENT: &str = "no answer, and neither from the cases after it";

/// Runs the cases of the module `devices.js`, which `wasm-bindgen` wrote to `folder`, with a profile
/// beside it. Hands each line of an account in the form of Rust's own test programs to `print`;
/// whether all passed.
pub fn run(program: &Path, folder: &Path, mut print: impl FnMut(&str)) -> Result<bool> {
    let start = Instant::now();
    let server = Server::start(folder)?;
    let mut chromium = Chromium::start(
        program,
        &folder.with_file_name("profile"),
        &server.address(),
    )?;
    let mut cases = Cases::default();
    let mut heard = Instant::now();
    loop {
        if let Some(message) = server.message()? {
            heard = Instant::now();
            match message {
                Message::Names { names } => {
                    print(&format!("running {} tests", names.len()));
                    cases.waiting = names;
                }
                Message::Result { name, failure } => cases.end(&name, failure, &mut print),
                Message::Error { message } => anyhow::bail!("the page: {message}"),
                Message::Done => break,
            }
        } else if heard.elapsed() > PATIENCE || chromium.ended()? {
            ensure!(
                !cases.waiting.is_empty(),
                "the page did not start; {} may say why",
                chromium.log().display()
            );
            break;
        }
    }
    for name in std::mem::take(&mut cases.waiting) {
        cases.end(&name, Some(SILENT.to_owned()), &mut print);
    }
    cases.conclude(start.elapsed(), &mut print);
    Ok(cases.failures.is_empty())
}

/// The cases of a run.
#[derive(Default)]
struct Cases {
    waiting: Vec<String>,
    passed: usize,
    /// Names and messages.
    failures: Vec<(String, String)>,
}

impl Cases {
    fn end(&mut self, name: &str, failure: Option<String>, print: &mut impl FnMut(&str)) {
        self.waiting.retain(|waiting| waiting != name);
        let outcome = if failure.is_some() { "FAILED" } else { "ok" };
        print(&format!("test {name} ... {outcome}"));
        match failure {
            Some(message) => self.failures.push((name.to_owned(), message)),
            None => self.passed += 1,
        }
    }

    fn conclude(&self, duration: Duration, print: &mut impl FnMut(&str)) {
        for (name, message) in &self.failures {
            print(&format!("\n---- {name} ----\n{message}"));
        }
        let failed = self.failures.len();
        print("");
        print(&format!(
            "test result: {}. {} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out; \
             finished in {:.2}s",
            if failed == 0 { "ok" } else { "FAILED" },
            self.passed,
            duration.as_secs_f64()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::tally::Tally;

    #[test]
    fn outcomes_are_told_as_test_programs_tell_them() {
        let mut text = String::new();
        let mut tally = Tally::default();
        let mut print = |line: &str| {
            text.extend([line, "\n"]);
            tally.read(line);
        };
        let mut cases = Cases {
            waiting: ["a", "b"].map(str::to_owned).to_vec(),
            ..Cases::default()
        };
        cases.end("a", None, &mut print);
        assert_eq!(cases.waiting, ["b"]);
        cases.end("b", Some("2 is not 3".to_owned()), &mut print);
        cases.conclude(Duration::from_millis(1500), &mut print);
        let expected = "\
test a ... ok
test b ... FAILED

---- b ----
2 is not 3

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s
";
        assert_eq!(text, expected);
        assert_eq!((tally.passed, tally.failed), (1, 1));
        assert_eq!(tally.failures, ["b"]);
    }
}
