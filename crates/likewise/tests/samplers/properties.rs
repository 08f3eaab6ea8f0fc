//! What must hold for any training set.

use std::collections::{BTreeMap, BTreeSet};

use likewise::sampler::greedy_coreset::select;
use likewise::sampler::{
    D2Coreset, DistanceHistogram, Frechet, GreedyCoreset, MemoryBank, Points, SamplerConfig,
};
use proptest::prelude::*;

use crate::data::training_set;

/// A training set's labels, some classes small, and every bank sampler with settings that fit it.
fn setting() -> impl Strategy<Value = (Vec<u32>, usize, Vec<SamplerConfig>)> {
    let labels = (2u32..12).prop_flat_map(|classes| {
        let rest = prop::collection::vec(0..classes, 30..120);
        rest.prop_map(move |rest| (0..classes).chain(rest).collect::<Vec<u32>>())
    });
    let numbers = (1usize..10, 1usize..5, 2usize..7, 0usize..100);
    (labels, numbers, any::<bool>(), prop::option::of(1usize..6)).prop_map(
        |(labels, (dimension, n, groups, extra), softened, projection_dim)| {
            let batch_size = n * groups;
            let pool_size = batch_size + extra;
            let samplers = vec![
                SamplerConfig::GreedyCoreset(GreedyCoreset {
                    batch_size,
                    samples_per_class: n,
                    pool_size,
                    softened,
                    projection_dim,
                    ..Default::default()
                }),
                SamplerConfig::D2Coreset(D2Coreset {
                    batch_size,
                    samples_per_class: n,
                    pool_size,
                    projection_dim,
                    ..Default::default()
                }),
                SamplerConfig::DistanceHistogram(DistanceHistogram {
                    batch_size,
                    samples_per_class: n,
                    pool_size,
                    projection_dim,
                    ..Default::default()
                }),
                SamplerConfig::Frechet(Frechet {
                    batch_size,
                    samples_per_class: n,
                    pool_size,
                    projection_dim,
                    ..Default::default()
                }),
            ];
            (labels, dimension, samplers)
        },
    )
}

fn samples_per_class(sampler: &SamplerConfig) -> usize {
    match sampler {
        SamplerConfig::GreedyCoreset(sampler) => sampler.samples_per_class,
        SamplerConfig::D2Coreset(sampler) => sampler.samples_per_class,
        SamplerConfig::DistanceHistogram(sampler) => sampler.samples_per_class,
        SamplerConfig::Frechet(sampler) => sampler.samples_per_class,
        other => panic!("no sampler with a bank: {other:?}"),
    }
}

/// The groups of a batch: consecutive images, or a seed with its mates further behind.
fn groups(sampler: &SamplerConfig, images: &[usize]) -> Vec<Vec<usize>> {
    let n = samples_per_class(sampler);
    if !sampler.name().ends_with("coreset") {
        return images.chunks(n).map(<[usize]>::to_vec).collect();
    }
    let (seeds, mates) = images.split_at(images.len() / n);
    let group = |(place, &seed): (usize, &usize)| {
        let mates = &mates[place * (n - 1)..][..n - 1];
        [&[seed], mates].concat()
    };
    seeds.iter().enumerate().map(group).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn batches_are_whole_groups_of_a_class((labels, dimension, samplers) in setting(), seed in any::<u64>()) {
        let (index, bank) = training_set(seed, &labels, dimension);
        for sampler in samplers {
            sampler.validate().unwrap();
            if sampler.validate_data(&index).is_err() {
                continue;
            }
            let n = samples_per_class(&sampler);
            for batch in 0..3 {
                let images = sampler.batch(&index, Some(&bank), seed, 2, batch).unwrap();
                prop_assert_eq!(images.len(), sampler.batch_size());
                prop_assert!(images.iter().all(|&image| image < labels.len()));
                for group in groups(&sampler, &images) {
                    let label = labels[group[0]];
                    prop_assert!(group.iter().all(|&image| labels[image] == label));
                    // As many different images as the class can give.
                    let class = labels.iter().filter(|&&other| other == label).count();
                    let different = group.iter().collect::<BTreeSet<_>>().len();
                    prop_assert_eq!(different, n.min(class), "{:?}", &sampler);
                }
            }
        }
    }

    #[test]
    fn coreset_batches_repeat_an_image_only_when_its_class_is_used_up((labels, dimension, samplers) in setting(), seed in any::<u64>()) {
        let (index, bank) = training_set(seed, &labels, dimension);
        for sampler in samplers.iter().filter(|sampler| sampler.name().ends_with("coreset")) {
            if sampler.validate_data(&index).is_err() {
                continue;
            }
            let images = sampler.batch(&index, Some(&bank), seed, 1, 0).unwrap();
            let seeds = images.len() / samples_per_class(sampler);
            prop_assert_eq!(images[..seeds].iter().collect::<BTreeSet<_>>().len(), seeds);
            let mut uses: BTreeMap<usize, usize> = BTreeMap::new();
            images.iter().for_each(|&image| *uses.entry(image).or_default() += 1);
            for class in index.classes() {
                let counts = class.iter().map(|image| uses.get(image).copied().unwrap_or(0));
                let (least, largest) = counts.fold((usize::MAX, 0), |(least, largest), uses| (least.min(uses), largest.max(uses)));
                prop_assert!(largest <= 1 || least >= 1, "{:?}", images);
            }
        }
    }

    #[test]
    fn seeds_of_the_greedy_coreset_are_those_images_that_were_selected(labels in prop::collection::vec(0u32..6, 30..90), seed in any::<u64>()) {
        let (index, bank) = training_set(seed, &labels, 5);
        let points = Points::new(bank.values(), 5).unwrap();
        let sampler = SamplerConfig::GreedyCoreset(GreedyCoreset { batch_size: 20, ..Default::default() });
        // The pool is the whole set, in another order.
        let images = sampler.batch(&index, Some(&bank), seed, 1, 0).unwrap();
        prop_assert_eq!(&images[..10], &select(&points, images[0], 10)[..]);
    }

    #[test]
    fn a_batch_depends_on_nothing_but_its_place((labels, dimension, samplers) in setting(), seed in any::<u64>()) {
        let (index, bank) = training_set(seed, &labels, dimension);
        for sampler in samplers {
            if sampler.validate_data(&index).is_err() {
                continue;
            }
            let batch = |number: u32| sampler.batch(&index, Some(&bank), seed, 3, number).unwrap();
            let forwards: Vec<Vec<usize>> = (0..4).map(batch).collect();
            let mut backwards: Vec<Vec<usize>> = (0..4).rev().map(batch).collect();
            backwards.reverse();
            prop_assert_eq!(&forwards, &backwards);
            let threads: Vec<Vec<usize>> = std::thread::scope(|scope| {
                let handles: Vec<_> = (0..4).map(|number| scope.spawn(move || batch(number))).collect();
                handles.into_iter().map(|handle| handle.join().unwrap()).collect()
            });
            prop_assert_eq!(&forwards, &threads);
        }
    }

    #[test]
    fn choices_do_not_depend_on_the_unit_of_length((labels, dimension, samplers) in setting(), seed in any::<u64>()) {
        // A power of two scales without rounding. The cost of DDM adds lengths, so it scales, too;
        // FRD's is a squared length.
        let (index, bank) = training_set(seed, &labels, dimension);
        let scaled = bank.values().iter().map(|value| value * 8.0).collect();
        let scaled = MemoryBank::new(scaled, dimension).unwrap();
        for sampler in samplers {
            if sampler.validate_data(&index).is_ok() && !matches!(sampler, SamplerConfig::D2Coreset(_)) {
                let batch = |bank| sampler.batch(&index, Some(bank), seed, 1, 0).unwrap();
                prop_assert_eq!(batch(&bank), batch(&scaled));
            }
        }
    }
}
