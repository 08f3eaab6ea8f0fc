//! Taking a validation part out of the training images: whole classes, or some images of each.

use std::collections::{BTreeMap, BTreeSet};

use likewise::random::{Purpose, stream};
use likewise::recipe::{ValidationSettings, ValidationTake, ValidationUnit};
use likewise::{Error, Result};
use rand::seq::SliceRandom;

use super::split::validation_part;
use super::{Entry, Split};

/// Marks the validation part among the training entries, which must be sorted by name. At least two
/// classes, and at least two images of each class, stay in training; by class, validation gets at
/// least two classes.
///
/// # Errors
/// [`Error::Data`] when nothing can be taken.
pub(super) fn take(entries: &mut [Entry], settings: &ValidationSettings, seed: u64) -> Result<()> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let training = |(_, entry): &(usize, &Entry)| entry.split == Some(Split::Train);
    for (place, entry) in entries.iter().enumerate().filter(training) {
        members.entry(&entry.class).or_default().push(place);
    }
    let taken: BTreeSet<usize> = match settings.by {
        ValidationUnit::Class => {
            let classes: Vec<&Vec<usize>> = members.values().collect();
            let most = classes.len().saturating_sub(2);
            let count = validation_part(classes.len(), settings.fraction, most);
            let chosen = choose(classes.len(), count, settings.take, seed, 0);
            (chosen.into_iter())
                .flat_map(|class| classes[class].iter().copied())
                .collect()
        }
        ValidationUnit::Sample => (0..)
            .zip(members.values())
            .flat_map(|(class, images)| {
                let count = images.len();
                let count = count - kept(count, settings.fraction);
                let chosen = choose(images.len(), count, settings.take, seed, class);
                chosen.into_iter().map(|image| images[image])
            })
            .collect(),
    };
    if taken.is_empty() {
        return Err(Error::Data(format!(
            "data.validation: a fraction of {} of {} training classes is nothing, when two classes and \
             two images of each have to stay in training",
            settings.fraction,
            members.len()
        )));
    }
    for place in taken {
        entries[place].split = Some(Split::Validation);
    }
    Ok(())
}

/// Images of a class of `count` that stay in training: at least two, a pair.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a number of images"
)]
fn kept(count: usize, fraction: f64) -> usize {
    // The small addition: 0.8 of 10 is 8 and not the 7.99... that 1 - 0.2 makes of it.
    let kept = (count as f64 * (1.0 - fraction) + 1e-9).floor() as usize;
    kept.max(2).min(count)
}

/// `count` of `0..all`.
fn choose(all: usize, count: usize, take: ValidationTake, seed: u64, key: u64) -> Vec<usize> {
    match take {
        ValidationTake::Last => (all - count..all).collect(),
        ValidationTake::Random => {
            let mut places: Vec<usize> = (0..all).collect();
            places.shuffle(&mut stream(seed, Purpose::Split, 0, 1, key));
            places.truncate(count);
            places
        }
        ValidationTake::Spaced => {
            let stay: BTreeSet<usize> = evenly(all, all - count).collect();
            (0..all).filter(|place| !stay.contains(place)).collect()
        }
    }
}

/// `count` places in `0..all` from the first to the last, evenly spaced.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "places in a list"
)]
fn evenly(all: usize, count: usize) -> impl Iterator<Item = usize> {
    let step = (all.saturating_sub(1)) as f64 / count.saturating_sub(1).max(1) as f64;
    (0..count).map(move |number| (number as f64 * step).round_ties_even() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_kept_images_is_rounded_down_but_is_a_pair_at_least() {
        let kept = [2, 3, 4, 5, 10, 59].map(|count| kept(count, 0.2));
        assert_eq!(kept, [2, 2, 3, 4, 8, 47]);
        assert_eq!(super::kept(1, 0.2), 1);
    }

    #[test]
    fn each_way_takes_as_many_and_no_place_twice() {
        for take in [
            ValidationTake::Last,
            ValidationTake::Spaced,
            ValidationTake::Random,
        ] {
            for all in 2..40 {
                for count in 0..=all - 2 {
                    let mut chosen = choose(all, count, take, 3, 0);
                    chosen.sort_unstable();
                    chosen.dedup();
                    assert_eq!(chosen.len(), count, "{take:?} {count} of {all}");
                    assert!(chosen.iter().all(|&place| place < all));
                }
            }
        }
        assert_eq!(choose(5, 1, ValidationTake::Last, 0, 0), [4]);
        assert_eq!(choose(5, 1, ValidationTake::Spaced, 0, 0), [2]);
        let random = |seed| choose(30, 6, ValidationTake::Random, seed, 0);
        assert_eq!(random(1), random(1));
        assert_ne!(random(1), random(2));
    }
}
