//! What the samplers draw how often. Limits of chi-square are those of p = 0.001.

use std::collections::BTreeSet;

use likewise::random::{Purpose, stream};
use likewise::sampler::d2_coreset::{Normal, Spread, nearest};
use likewise::sampler::greedy_coreset::{Cover, select_softened};
use likewise::sampler::{
    BatchSampler, D2Coreset, DistanceHistogram, Draw, Frechet, GreedyCoreset, Points,
    distance_histogram, frechet,
};

use crate::data::{noise, training_set};

fn chi_square(counts: &[u32], probabilities: &[f64]) -> f64 {
    let draws: f64 = counts.iter().copied().map(f64::from).sum();
    counts
        .iter()
        .zip(probabilities)
        .map(|(&count, probability)| {
            let expected = draws * probability;
            (f64::from(count) - expected).powi(2) / expected
        })
        .sum()
}

#[test]
fn the_softened_choice_is_uniform_among_the_farthest_few() {
    let points = Points::new(&noise(1, 200, 3), 3).unwrap();
    let few = Cover::new(&points, 17).farthest_few();
    assert_eq!(few.len(), 6, "the top 3 % of 200");
    let mut counts = vec![0u32; few.len()];
    for batch in 0..6_000 {
        let mut rng = stream(0, Purpose::BatchSampler, 0, batch, 0);
        let picks = select_softened(&points, 17, 2, &mut rng);
        let place = few.iter().position(|&row| row == picks[1]);
        counts[place.expect("one of the farthest few")] += 1;
    }
    let found = chi_square(&counts, &[1.0 / 6.0; 6]);
    assert!(found < 20.5, "{found} for 5 degrees of freedom");
}

#[test]
fn the_first_seed_of_the_greedy_coreset_is_uniform() {
    let labels: Vec<u32> = (0..20).map(|image| image / 5).collect();
    let (index, bank) = training_set(2, &labels, 4);
    let sampler = GreedyCoreset {
        batch_size: 6,
        pool_size: 10,
        ..Default::default()
    };
    let mut counts = [0u32; 20];
    for batch in 0..6_000 {
        let draw = Draw {
            index: &index,
            bank: Some(&bank),
            seed: 3,
            epoch: 1,
            batch,
        };
        counts[sampler.draw(&draw).unwrap()[0]] += 1;
    }
    let found = chi_square(&counts, &[0.05; 20]);
    assert!(found < 43.8, "{found} for 19 degrees of freedom");
}

#[test]
fn seeds_of_the_d2_coreset_come_with_their_probabilities() {
    let labels = [0, 0, 0, 1, 1, 1, 2, 2];
    let (index, bank) = training_set(4, &labels, 2);
    let points = Points::new(bank.values(), 2).unwrap();
    let sampler = D2Coreset {
        batch_size: 4,
        ridge: 0.25,
        ..Default::default()
    };
    // The pool is the whole set; the ridge is a share of the mean variance.
    let rows = bank.rows() as f64;
    let variance: f64 = (0..2)
        .map(|axis| {
            let values: Vec<f64> = (0..8).map(|row| points.row(row)[axis]).collect();
            let mean = values.iter().sum::<f64>() / rows;
            values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (rows - 1.0)
        })
        .sum::<f64>()
        / 2.0;
    let normal = Normal::fit(&points, 0.25 * variance).unwrap();
    let mut firsts = [0u32; 8];
    let mut seconds = [[0u32; 8]; 8];
    for batch in 0..20_000 {
        let draw = Draw {
            index: &index,
            bank: Some(&bank),
            seed: 5,
            epoch: 1,
            batch,
        };
        let images = sampler.draw(&draw).unwrap();
        firsts[images[0]] += 1;
        seconds[images[0]][images[1]] += 1;
    }
    let mut rng = stream(9, Purpose::Toy, 0, 0, 0);
    let mut near = [0.0; 8];
    for _ in 0..200_000 {
        near[nearest(&points, &normal.draw(&mut rng))] += 1.0 / 200_000.0;
    }
    // The probabilities of the first are themselves counted, which adds a tenth to the spread.
    let found = chi_square(&firsts, &near);
    assert!(found < 1.1 * 24.3, "{found} for 7 degrees of freedom");
    for (first, counts) in seconds.iter().enumerate() {
        let spread = Spread::new(&points, normal.log_density(&points), 1.0, first);
        let mut probabilities = spread.probabilities();
        let mut counts = counts.to_vec();
        assert_eq!(
            (counts.remove(first), probabilities.remove(first)),
            (0, 0.0)
        );
        let found = chi_square(&counts, &probabilities);
        // Eight tests: the limit is that of p = 0.0001.
        assert!(found < 27.9, "{found} for 6 degrees of freedom");
    }
}

#[test]
fn the_pool_of_the_matching_samplers_is_class_uniform_whatever_the_sizes() {
    // One small class among large ones comes as often as each of them.
    let labels: Vec<u32> = (0..320).map(|image| (image + 30) / 50).collect();
    let (index, bank) = training_set(6, &labels, 4);
    let sampler = DistanceHistogram {
        batch_size: 4,
        pool_size: 4,
        candidates: 1,
        ..Default::default()
    };
    let mut counts = [0u32; 7];
    for batch in 0..7_000 {
        let draw = Draw {
            index: &index,
            bank: Some(&bank),
            seed: 7,
            epoch: 1,
            batch,
        };
        // The first group alone: the second may be of the same class of the pool.
        counts[labels[sampler.draw(&draw).unwrap()[0]] as usize] += 1;
    }
    let found = chi_square(&counts, &[1.0 / 7.0; 7]);
    assert!(found < 22.5, "{found} for 6 degrees of freedom");
}

#[test]
fn more_candidates_match_the_training_set_better() {
    let labels: Vec<u32> = (0..120).map(|image| image / 6).collect();
    let (index, bank) = training_set(8, &labels, 6);
    let points = Points::new(bank.values(), 6).unwrap();
    // The pool is the whole set, so the costs can be computed from outside.
    let profile = distance_histogram::Profile::new(&points, 50);
    let target = frechet::Target::new(&points, 16, 0.0);
    let mean_cost = |candidates: usize, of_histogram: bool| {
        let histogram = DistanceHistogram {
            batch_size: 16,
            candidates,
            ..Default::default()
        };
        let distance = Frechet {
            batch_size: 16,
            candidates,
            ..Default::default()
        };
        let costs = (0..100).map(|batch| {
            let draw = Draw {
                index: &index,
                bank: Some(&bank),
                seed: 9,
                epoch: 1,
                batch,
            };
            if of_histogram {
                let images = histogram.draw(&draw).unwrap();
                profile.cost(&images).total(75.0)
            } else {
                target.distance(&distance.draw(&draw).unwrap())
            }
        });
        costs.sum::<f64>() / 100.0
    };
    for of_histogram in [true, false] {
        let (one, ten) = (mean_cost(1, of_histogram), mean_cost(10, of_histogram));
        assert!(ten < 0.8 * one, "{ten} with ten candidates, {one} with one");
    }
}

#[test]
fn a_projection_changes_what_is_chosen_but_not_the_pool() {
    let labels: Vec<u32> = (0..300).map(|image| image / 10).collect();
    let (index, bank) = training_set(10, &labels, 32);
    let seeds = |projection_dim: Option<usize>, batch: u32| {
        let sampler = GreedyCoreset {
            batch_size: 10,
            samples_per_class: 1,
            pool_size: 10,
            projection_dim,
            ..Default::default()
        };
        let draw = Draw {
            index: &index,
            bank: Some(&bank),
            seed: 11,
            epoch: 1,
            batch,
        };
        sampler.draw(&draw).unwrap()
    };
    // The batch is the whole pool, in the order of the picks.
    let mut reordered = 0;
    for batch in 0..20 {
        let (plain, projected) = (seeds(None, batch), seeds(Some(2), batch));
        let set = |images: &[usize]| images.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(set(&plain), set(&projected));
        reordered += u32::from(plain != projected);
    }
    assert!(reordered >= 18, "{reordered} of 20 in another order");
}
