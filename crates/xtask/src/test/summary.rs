//! What `cargo xtask test` says at its end.

use std::fmt::Write;

use super::step::Outcome;
use super::tally::Tally;

/// How one step went.
pub struct Row {
    /// The step.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: f64,
}

/// At most this many names of ignored tests are listed for a reason.
const NAMES_SHOWN: usize = 5;

/// A table of the steps, the failed and the ignored tests by name, and, if tests were to run, their
/// counts as last line: `N passed, N failed, N skipped`.
pub fn text(rows: &[Row], tally: &Tally) -> String {
    let mut text = String::new();
    for row in rows {
        let (result, note) = match &row.outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed => ("FAILED", ""),
            Outcome::Skipped(why) => ("skipped", why.as_str()),
        };
        line(
            &mut text,
            format!(
                "{:<10} {result:<8} {:>7.1} s  {note}",
                row.name, row.seconds
            ),
        );
    }
    if !tally.failures.is_empty() {
        line(&mut text, "\nfailed tests:");
    }
    for name in &tally.failures {
        line(&mut text, format!("  {name}"));
    }
    if !tally.ignores.is_empty() {
        line(&mut text, "\nignored tests:");
    }
    for (reason, names) in &tally.ignores {
        line(&mut text, format!("  {}: {reason}", names.len()));
        for name in names.iter().take(NAMES_SHOWN) {
            line(&mut text, format!("    {name}"));
        }
        if names.len() > NAMES_SHOWN {
            line(
                &mut text,
                format!("    and {} more", names.len() - NAMES_SHOWN),
            );
        }
    }
    if rows
        .iter()
        .any(|row| ["test", "browser"].contains(&row.name))
    {
        let Tally {
            passed,
            failed,
            ignored,
            ..
        } = tally;
        line(
            &mut text,
            format!("\n{passed} passed, {failed} failed, {ignored} skipped"),
        );
    }
    text
}

fn line(text: &mut String, line: impl AsRef<str>) {
    writeln!(text, "{}", line.as_ref().trim_end()).expect("a string takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_failures_and_ignored_tests_are_told_and_the_counts_come_last() {
        let rows = [
            Row {
                name: "format",
                outcome: Outcome::Passed,
                seconds: 1.25,
            },
            Row {
                name: "spelling",
                outcome: Outcome::Skipped("no typos".into()),
                seconds: 0.0,
            },
            Row {
                name: "test",
                outcome: Outcome::Failed,
                seconds: 612.0,
            },
        ];
        let mut tally = Tally {
            passed: 40,
            failed: 1,
            ignored: 7,
            ..Tally::default()
        };
        tally.failures.push("miner::wrong".into());
        tally.ignores.insert(
            "no adapter".into(),
            (0..7).map(|index| format!("case{index}")).collect(),
        );
        let expected = "\
format     passed       1.2 s
spelling   skipped      0.0 s  no typos
test       FAILED     612.0 s

failed tests:
  miner::wrong

ignored tests:
  7: no adapter
    case0
    case1
    case2
    case3
    case4
    and 2 more

40 passed, 1 failed, 7 skipped
";
        assert_eq!(text(&rows, &tally), expected);
    }
}
