//! Fills a batch of seeds up: every seed needs images of its class beside it.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::ClassIndex;

/// The seeds, then for each of them in turn `samples_per_class` − 1 random images of its class:
/// never the seed itself unless it is the only one, and none twice in the batch as far as the
/// class has enough.
pub(super) fn fill_up(
    seeds: &[usize],
    samples_per_class: usize,
    index: &ClassIndex,
    rng: &mut ChaCha8Rng,
) -> Vec<usize> {
    let mut batch = seeds.to_vec();
    let mut uses: BTreeMap<usize, u32> = BTreeMap::new();
    for &seed in seeds {
        *uses.entry(seed).or_default() += 1;
    }
    for &seed in seeds {
        let class = &index.classes()[index.class_of(seed)];
        let mut mates: Vec<usize> = class.iter().copied().filter(|&mate| mate != seed).collect();
        if mates.is_empty() {
            mates.push(seed);
        }
        mates.shuffle(rng);
        mates.sort_by_key(|mate| uses.get(mate).copied().unwrap_or(0));
        for &mate in mates.iter().cycle().take(samples_per_class - 1) {
            *uses.entry(mate).or_default() += 1;
            batch.push(mate);
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::{Purpose, stream};

    fn filled(labels: &[u32], seeds: &[usize], n: usize, batch: u32) -> Vec<usize> {
        let mut rng = stream(0, Purpose::BatchSampler, 0, batch, 0);
        fill_up(seeds, n, &ClassIndex::new(labels), &mut rng)
    }

    #[test]
    fn no_image_comes_twice_while_its_class_has_others() {
        let labels: Vec<u32> = (0..40).map(|image| image / 20).collect();
        for batch in 0..200 {
            let images = filled(&labels, &[3, 25, 7, 4], 4, batch);
            assert_eq!(images[..4], [3, 25, 7, 4]);
            assert_eq!(images.iter().collect::<BTreeSet<_>>().len(), 16);
            for (mates, label) in images[4..].chunks(3).zip([0, 1, 0, 0]) {
                assert!(mates.iter().all(|&mate| labels[mate] == label));
            }
        }
    }

    #[test]
    fn mates_are_uniform_in_the_class() {
        let labels = [0, 0, 0, 0, 1];
        let mut counts = [0u32; 5];
        for batch in 0..3_000 {
            counts[filled(&labels, &[1], 2, batch)[1]] += 1;
        }
        assert_eq!((counts[1], counts[4]), (0, 0));
        let chi_square: f64 = [0, 2, 3]
            .iter()
            .map(|&image| (f64::from(counts[image]) - 1_000.0).powi(2) / 1_000.0)
            .sum();
        assert!(chi_square < 13.8, "chi-square {chi_square}, p < 0.001");
    }

    #[test]
    fn small_classes_repeat_images_but_not_the_seed() {
        // Two seeds are the whole class: each is the other's mate.
        assert_eq!(filled(&[0, 0, 1], &[0, 1], 2, 0), [0, 1, 1, 0]);
        assert_eq!(filled(&[0, 0, 1], &[0], 4, 0), [0, 1, 1, 1]);
        assert_eq!(filled(&[0, 0, 1], &[2], 3, 0), [2, 2, 2]);
    }
}
