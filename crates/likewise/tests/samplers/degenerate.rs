//! Data on which a careless implementation divides by zero, panics or never ends.

use std::collections::BTreeSet;

use likewise::Error;
use likewise::sampler::{
    ClassIndex, D2Coreset, DistanceHistogram, Frechet, GreedyCoreset, MemoryBank, SamplerConfig,
    TABLE,
};

use crate::data::training_set;

/// Every sampler with a bank, also softened, for batches of 12.
pub fn samplers() -> Vec<SamplerConfig> {
    let mut samplers: Vec<SamplerConfig> = TABLE
        .iter()
        .filter(|entry| entry.memory_bank)
        .map(|entry| (entry.default)())
        .collect();
    assert!(samplers.len() >= 4);
    samplers.push(SamplerConfig::GreedyCoreset(GreedyCoreset {
        softened: true,
        ..Default::default()
    }));
    for sampler in &mut samplers {
        sampler.set_batch_size(12);
    }
    samplers
}

fn assert_a_batch(sampler: &SamplerConfig, index: &ClassIndex, bank: &MemoryBank) {
    sampler.validate().unwrap();
    sampler.validate_data(index).unwrap();
    for batch in 0..5 {
        let images = sampler.batch(index, Some(bank), 1, 1, batch).unwrap();
        assert_eq!(images.len(), 12, "{sampler:?}");
        assert!(images.iter().all(|&image| image < index.images()));
    }
}

#[test]
fn equal_embeddings_still_give_batches() {
    let labels: Vec<u32> = (0..40).map(|image| image / 4).collect();
    let index = ClassIndex::new(&labels);
    for value in [0.0, 0.3, -1e30] {
        let bank = MemoryBank::new(vec![value; 40 * 8], 8).unwrap();
        for sampler in samplers() {
            assert_a_batch(&sampler, &index, &bank);
        }
    }
}

#[test]
fn seeds_differ_even_where_embeddings_do_not() {
    let labels: Vec<u32> = (0..40).map(|image| image / 4).collect();
    let index = ClassIndex::new(&labels);
    let bank = MemoryBank::new(vec![0.5; 40 * 8], 8).unwrap();
    for softened in [false, true] {
        let greedy = SamplerConfig::GreedyCoreset(GreedyCoreset {
            batch_size: 40,
            samples_per_class: 1,
            softened,
            ..Default::default()
        });
        let d2 = SamplerConfig::D2Coreset(D2Coreset {
            batch_size: 40,
            samples_per_class: 1,
            ..Default::default()
        });
        for sampler in [greedy, d2] {
            let images = sampler.batch(&index, Some(&bank), 0, 1, 0).unwrap();
            let set: BTreeSet<usize> = images.into_iter().collect();
            assert_eq!(set, (0..40).collect());
        }
    }
}

#[test]
fn more_dimensions_than_images_and_tiny_or_huge_embeddings() {
    let labels: Vec<u32> = (0..24).map(|image| image / 4).collect();
    for scale in [1.0f32, 1e-20, 1e18] {
        let (index, bank) = training_set(1, &labels, 64);
        let values = bank.values().iter().map(|value| value * scale).collect();
        let bank = MemoryBank::new(values, 64).unwrap();
        for sampler in samplers() {
            assert_a_batch(&sampler, &index, &bank);
        }
    }
}

#[test]
fn one_dimension_and_a_projection_to_more_dimensions_than_there_are() {
    let labels: Vec<u32> = (0..60).map(|image| image / 6).collect();
    let (index, bank) = training_set(2, &labels, 1);
    for sampler in samplers() {
        assert_a_batch(&sampler, &index, &bank);
    }
    let projection_dim = Some(5);
    for mut sampler in [
        SamplerConfig::GreedyCoreset(GreedyCoreset {
            projection_dim,
            ..Default::default()
        }),
        SamplerConfig::D2Coreset(D2Coreset {
            projection_dim,
            ..Default::default()
        }),
        SamplerConfig::DistanceHistogram(DistanceHistogram {
            projection_dim,
            ..Default::default()
        }),
        SamplerConfig::Frechet(Frechet {
            projection_dim,
            ..Default::default()
        }),
    ] {
        sampler.set_batch_size(12);
        assert_a_batch(&sampler, &index, &bank);
    }
}

#[test]
fn fewer_classes_than_groups_and_classes_of_one_image() {
    // Two classes for batches of six groups, one of them with a single image.
    let labels: Vec<u32> = (0..30).map(|image| u32::from(image == 29)).collect();
    let (index, bank) = training_set(3, &labels, 5);
    for sampler in samplers() {
        assert_a_batch(&sampler, &index, &bank);
    }
    let one_class = ClassIndex::new(&[7; 30]);
    for sampler in samplers() {
        let error = sampler.validate_data(&one_class).unwrap_err().to_string();
        assert!(error.contains("1 classes"), "{error}");
    }
}

#[test]
fn an_embedding_that_is_not_finite_is_named() {
    let labels: Vec<u32> = (0..40).map(|image| image / 4).collect();
    for value in [f32::NAN, f32::INFINITY] {
        let (index, mut bank) = training_set(4, &labels, 3);
        bank.update(&[13], &[0.0, value, 0.0], 0.0).unwrap();
        for sampler in samplers() {
            match sampler.batch(&index, Some(&bank), 0, 1, 0) {
                Err(Error::NotFinite(text)) => assert!(text.contains("embedding 13"), "{text}"),
                other => panic!("{sampler:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_missing_bank_or_one_of_another_size_is_an_error() {
    let labels: Vec<u32> = (0..40).map(|image| image / 4).collect();
    let (index, _) = training_set(5, &labels, 3);
    let (_, other) = training_set(5, &labels[1..], 3);
    for sampler in samplers() {
        let text = |bank| {
            let error: Error = sampler.batch(&index, bank, 0, 1, 0).unwrap_err();
            error.to_string()
        };
        assert!(text(None).contains("no memory bank"));
        let found = text(Some(&other));
        assert!(found.contains("39 rows") && found.contains("40 images"));
    }
}
