//! Counts the tests that `cargo test` ran, from what their programs print.

use std::collections::BTreeMap;

/// Tests of all programs of one `cargo test`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that held.
    pub passed: u64,
    /// Tests that did not.
    pub failed: u64,
    /// Tests that did not run.
    pub ignored: u64,
    /// Names of the failed tests.
    pub failures: Vec<String>,
    /// Names of the ignored tests by reason.
    pub ignores: BTreeMap<String, Vec<String>>,
}

impl Tally {
    /// Takes one line of the output into account.
    pub fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
            self.ignored += count(counts, "ignored");
        } else if let Some((name, outcome)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        {
            self.read_test(name.trim(), outcome);
        }
    }

    fn read_test(&mut self, name: &str, outcome: &str) {
        if outcome == "FAILED" {
            self.failures.push(name.to_owned());
        } else if let Some(stated) = outcome.strip_prefix("ignored") {
            let reason = reason(name, stated.trim_start_matches(',').trim());
            self.ignores
                .entry(reason)
                .or_default()
                .push(name.to_owned());
        }
    }
}

/// The number before `what` in `ok. 3 passed; 0 failed; 1 ignored; …`.
fn count(counts: &str, what: &str) -> u64 {
    counts
        .split([';', '.'])
        .filter_map(|part| part.trim().strip_suffix(what))
        .find_map(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

/// Why a test was ignored: as stated, or what its name tells.
fn reason(name: &str, stated: &str) -> String {
    let implied = if name.ends_with("::wgsl") {
        "this machine has no WGSL adapter (`cargo xtask setup` installs a software one)"
    } else if name.contains(" (line ") {
        "an example in the documentation that is marked `ignore`"
    } else {
        "marked `#[ignore]` without a reason"
    };
    if stated.is_empty() {
        implied.to_owned()
    } else {
        stated.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
running 4 tests
test tests::counts ... ok
test tests::breaks - should panic ... ok
test tests::slow ... ignored, needs the full CUB200-2011
test tests::wrong ... FAILED

failures:

---- tests::wrong stdout ----
test result is printed by the test itself

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s

running 2 tests
test miner::distance::flex    ... ok
test miner::distance::wgsl    ... ignored

test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 10.52s

running 2 tests
test crates/likewise/src/lib.rs - stream (line 12) ... ignored
test crates/likewise/src/lib.rs - root (line 40) - compile ... ok

test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn programs_add_up_and_reasons_are_kept() {
        let mut tally = Tally::default();
        OUTPUT.lines().for_each(|line| tally.read(line));
        assert_eq!((tally.passed, tally.failed, tally.ignored), (4, 1, 3));
        assert_eq!(tally.failures, ["tests::wrong"]);
        let ignores: Vec<_> = tally.ignores.iter().collect();
        assert_eq!(ignores.len(), 3, "{ignores:?}");
        assert_eq!(tally.ignores["needs the full CUB200-2011"], ["tests::slow"]);
        let no_adapter = ignores
            .iter()
            .find(|(reason, _)| reason.contains("WGSL adapter"));
        assert_eq!(
            no_adapter.map(|(_, names)| &names[..]),
            Some(&["miner::distance::wgsl".to_owned()][..])
        );
    }

    #[test]
    fn nothing_is_counted_where_nothing_ran() {
        let mut tally = Tally::default();
        "error: could not compile `likewise`\ntest result"
            .lines()
            .for_each(|line| tally.read(line));
        assert_eq!(tally, Tally::default());
    }
}
