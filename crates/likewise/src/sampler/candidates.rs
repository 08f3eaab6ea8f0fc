//! Candidate batches out of a pool, of which a sampler takes the one that costs least.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::spc::images_of;

/// One candidate: `groups` times a uniformly drawn class, with replacement, and
/// `samples_per_class` of its places in the pool, without replacement as far as it has enough.
pub(super) fn candidate(
    classes: &[Vec<usize>],
    groups: usize,
    samples_per_class: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<usize> {
    (0..groups)
        .flat_map(|_| {
            let class = &classes[rng.random_range(0..classes.len())];
            images_of(class, samples_per_class, rng)
        })
        .collect()
}

/// The cheapest of `count` candidates (at least one), the first of equally cheap ones.
pub(super) fn cheapest(
    count: usize,
    mut candidate: impl FnMut() -> Vec<usize>,
    cost: impl Fn(&[usize]) -> f64,
) -> Vec<usize> {
    let mut best = candidate();
    let mut least = cost(&best);
    for _ in 1..count {
        let next = candidate();
        let price = cost(&next);
        if price < least {
            (best, least) = (next, price);
        }
    }
    best
}
