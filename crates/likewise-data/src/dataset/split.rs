//! Dividing classes into training, validation and test: class-disjoint, because metric learning is
//! judged on classes it has never seen. Seeded, and drawn from sorted names, so that the same data
//! gives the same split everywhere.

use std::collections::BTreeMap;

use likewise::random::{Purpose, stream};
use likewise::recipe::ValidationSettings;
pub use likewise::train::Split;
use likewise::{Error, Result};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

/// In which order classes are dealt out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassOrder {
    /// Shuffled with the seed.
    #[default]
    Shuffled,
    /// By name: the first classes train, as in the published benchmarks.
    Sorted,
}

/// How classes are divided when the data does not say so itself.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitOptions {
    /// Share of the classes for training, 0 to 1; the rest after validation is test.
    pub train: f64,
    /// Share of the classes for validation, 0 to 1.
    pub validation: f64,
    /// Order in which classes are dealt out.
    pub order: ClassOrder,
    /// Key of the shuffle.
    pub seed: u64,
    /// The part of the training images that becomes validation, instead of `validation`; for data
    /// with a split of its own the only way to get one.
    pub validation_of_train: Option<ValidationSettings>,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self {
            train: 0.5,
            validation: 0.1,
            order: ClassOrder::Shuffled,
            seed: 0,
            validation_of_train: None,
        }
    }
}

impl SplitOptions {
    fn check(&self) -> Result<()> {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let of_train = self.validation_of_train.map_or(0.0, |part| part.fraction);
        let fits = share(self.train) && share(self.validation) && share(of_train);
        if fits && self.train > 0.0 && self.train + self.validation < 1.0 {
            return Ok(());
        }
        Err(Error::Recipe(format!(
            "class shares must lie in 0..=1, with training above 0 and something left for test; \
             got train {}, validation {}, validation of train {of_train}",
            self.train, self.validation
        )))
    }

    fn ordered<'a>(&self, mut classes: Vec<&'a str>) -> Vec<&'a str> {
        classes.sort_unstable();
        if self.order == ClassOrder::Shuffled {
            classes.shuffle(&mut stream(self.seed, Purpose::Split, 0, 0, 0));
        }
        classes
    }
}

/// Deals whole classes into three splits; training and test get at least two classes, validation
/// none or at least two.
///
/// # Errors
/// [`Error::Data`] with fewer than four classes, [`Error::Recipe`] for shares out of range.
pub fn divide<'a>(
    classes: Vec<&'a str>,
    options: &SplitOptions,
) -> Result<BTreeMap<&'a str, Split>> {
    options.check()?;
    let count = classes.len();
    if count < 4 {
        return Err(Error::Data(format!(
            "{count} classes cannot be divided into training and test classes; at least 4 are \
             needed (2 each), or a split of your own"
        )));
    }
    let train = part(count, options.train).clamp(2, count - 2);
    let validation = match options.validation_of_train {
        None => validation_part(count, options.validation, count - 2 - train),
        Some(_) => 0,
    };
    let splits = std::iter::repeat_n(Split::Train, train)
        .chain(std::iter::repeat_n(Split::Validation, validation))
        .chain(std::iter::repeat(Split::Test));
    Ok(options.ordered(classes).into_iter().zip(splits).collect())
}

/// Classes for validation, at most `most`: none, or at least two, since one class alone has nothing
/// to be told apart from.
pub(super) fn validation_part(count: usize, share: f64, most: usize) -> usize {
    match part(count, share) {
        0 => 0,
        _ if most < 2 => 0,
        wanted => wanted.clamp(2, most),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a number of classes"
)]
fn part(count: usize, share: f64) -> usize {
    (count as f64 * share).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("class{class:03}")).collect()
    }

    fn sizes(division: &BTreeMap<&str, Split>) -> [usize; 3] {
        Split::ALL.map(|split| division.values().filter(|&&other| other == split).count())
    }

    #[test]
    fn shares_are_kept_and_the_seed_alone_decides() {
        let names = names(100);
        let classes = || names.iter().map(String::as_str).collect::<Vec<_>>();
        let options = SplitOptions::default();
        let division = divide(classes(), &options).unwrap();
        assert_eq!(sizes(&division), [50, 10, 40]);
        let mut reversed = classes();
        reversed.reverse();
        assert_eq!(division, divide(reversed, &options).unwrap());
        let other = SplitOptions { seed: 1, ..options };
        assert_ne!(division, divide(classes(), &other).unwrap());
    }

    #[test]
    fn sorted_order_trains_on_the_first_classes() {
        let names = names(10);
        let classes = names.iter().map(String::as_str).collect();
        let options = SplitOptions {
            order: ClassOrder::Sorted,
            validation: 0.0,
            ..SplitOptions::default()
        };
        let division = divide(classes, &options).unwrap();
        assert!(
            names[..5]
                .iter()
                .all(|name| division[name.as_str()] == Split::Train)
        );
        assert!(
            names[5..]
                .iter()
                .all(|name| division[name.as_str()] == Split::Test)
        );
    }

    #[test]
    fn few_classes_still_leave_two_for_training_and_test() {
        for count in 4..9 {
            let names = names(count);
            let classes = names.iter().map(String::as_str).collect();
            let [train, validation, test] =
                sizes(&divide(classes, &SplitOptions::default()).unwrap());
            assert!(
                train >= 2 && test >= 2,
                "{count} classes: {train} and {test}"
            );
            assert_ne!(validation, 1, "{count} classes");
        }
        let names = names(3);
        assert!(
            divide(
                names.iter().map(String::as_str).collect(),
                &SplitOptions::default()
            )
            .is_err()
        );
    }

    #[test]
    fn impossible_shares_are_refused() {
        let names = names(10);
        for (train, validation) in [(1.0, 0.0), (0.0, 0.5), (0.6, 0.4), (f64::NAN, 0.0)] {
            let options = SplitOptions {
                train,
                validation,
                ..SplitOptions::default()
            };
            let classes = names.iter().map(String::as_str).collect();
            assert!(divide(classes, &options).is_err(), "{train} {validation}");
        }
    }
}
