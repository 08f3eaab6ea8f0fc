//! The loader: equal batches for any number of threads, bad files, memory, prompt end.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use likewise_data::loader::LoaderStatistics;
use likewise_data::{
    Batches, DataSource, Dataset, DatasetOptions, DiskCache, HostBatch, Loader, LoaderOptions,
    OnBadImage, PlannedBatch, Split, TransformOptions,
};
use proptest::prelude::*;
use support::{class_folders, write};
use tempfile::{TempDir, tempdir};

const SIZE: usize = 12;

fn dataset(classes: u32, images: u32) -> (TempDir, Arc<Dataset>) {
    let root = tempdir().unwrap();
    class_folders(root.path(), classes, images);
    let dataset = open(&root);
    (root, dataset)
}

fn open(root: &TempDir) -> Arc<Dataset> {
    let source = DataSource::Folder(root.path().to_owned());
    Arc::new(Dataset::open(&source, &DatasetOptions::default()).unwrap())
}

fn loader(dataset: &Arc<Dataset>, options: LoaderOptions) -> Loader {
    let transforms = TransformOptions {
        size: SIZE,
        ..TransformOptions::default()
    };
    Loader::new(Arc::clone(dataset), &transforms, options).unwrap()
}

fn workers(workers: usize) -> LoaderOptions {
    LoaderOptions {
        workers,
        ..LoaderOptions::default()
    }
}

fn planned(epoch: u32, batch: u32, indices: &[usize]) -> PlannedBatch {
    PlannedBatch {
        epoch,
        batch,
        indices: indices.to_vec(),
    }
}

fn all(batches: Batches) -> Vec<HostBatch> {
    batches.map(|batch| batch.unwrap()).collect()
}

fn row(batch: &HostBatch, row: usize) -> &[f32] {
    let values = 3 * SIZE * SIZE;
    &batch.pixels[row * values..(row + 1) * values]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn batches_do_not_depend_on_workers_queue_or_cache(
        plan in prop::collection::vec(prop::collection::vec(0usize..20, 1..11), 1..7),
        queue in 1usize..5,
        seed in any::<u64>(),
    ) {
        let (_root, dataset) = dataset(5, 4);
        let plan: Vec<PlannedBatch> = (0..).zip(&plan)
            .map(|(batch, indices)| planned(batch / 3, batch % 3, indices))
            .collect();
        let mut results = [1usize, 2, 5].map(|workers| {
            let cache_bytes = if workers == 2 { 0 } else { 4000 };
            let options = LoaderOptions { workers, queue, seed, cache_bytes, ..LoaderOptions::default() };
            all(loader(&dataset, options).train(plan.clone()).unwrap())
        });
        let reference = std::mem::take(&mut results[0]);
        prop_assert_eq!(reference.len(), plan.len());
        for (batch, planned) in reference.iter().zip(&plan) {
            prop_assert_eq!(&batch.indices, &planned.indices);
            prop_assert_eq!(batch.shape, [planned.indices.len(), 3, SIZE, SIZE]);
            prop_assert_eq!(batch.pixels.len(), batch.shape.iter().product::<usize>());
        }
        prop_assert_eq!(&results[1], &reference);
        prop_assert_eq!(&results[2], &reference);
    }
}

#[test]
fn augmentation_depends_on_seed_epoch_batch_and_occurrence() {
    let (_root, dataset) = dataset(5, 4);
    let first = |seed, epoch, batch| {
        let options = LoaderOptions {
            seed,
            ..LoaderOptions::default()
        };
        let plan = vec![planned(epoch, batch, &[3, 7, 3])];
        all(loader(&dataset, options).train(plan).unwrap()).remove(0)
    };
    let reference = first(1, 0, 0);
    assert_eq!(first(1, 0, 0), reference);
    for other in [first(2, 0, 0), first(1, 1, 0), first(1, 0, 1)] {
        assert_ne!(row(&other, 0), row(&reference, 0));
    }
    // The same image twice in a batch is augmented twice.
    assert_ne!(row(&reference, 0), row(&reference, 2));
    // Its neighbours in the batch do not matter.
    let alone = all(loader(
        &dataset,
        LoaderOptions {
            seed: 1,
            ..LoaderOptions::default()
        },
    )
    .train(vec![planned(0, 0, &[9, 3])])
    .unwrap());
    assert_eq!(row(&alone[0], 1), row(&reference, 0));
}

#[test]
fn labels_are_those_of_the_split_and_evaluation_covers_every_index_once() {
    let (_root, dataset) = dataset(6, 3);
    let test = dataset.split(Split::Test);
    let batches = all(loader(&dataset, workers(3))
        .evaluate(&test.indices, 4)
        .unwrap());
    let indices: Vec<usize> = batches
        .iter()
        .flat_map(|batch| batch.indices.clone())
        .collect();
    let labels: Vec<u32> = batches
        .iter()
        .flat_map(|batch| batch.labels.clone())
        .collect();
    assert_eq!(
        (indices, labels),
        (test.indices.clone(), test.labels.clone())
    );
    let again = all(loader(&dataset, workers(1))
        .evaluate(&test.indices, 4)
        .unwrap());
    assert_eq!(batches, again);
}

/// Breaks the first image of the first training class; returns its index and its sibling's.
fn break_one(root: &TempDir, dataset: &Dataset) -> (usize, usize) {
    let members = &dataset.split(Split::Train).members[0];
    let file = root.path().join(&dataset.items()[members[0]].name);
    write(&file, &support::png(1, 30, 30)[..40]);
    (members[0], members[1])
}

#[test]
fn a_bad_image_fails_the_batch_with_its_name() {
    let (root, dataset) = dataset(6, 3);
    let (bad, good) = break_one(&root, &dataset);
    let plan = vec![
        planned(0, 0, &[good]),
        planned(0, 1, &[good, bad]),
        planned(0, 2, &[good]),
    ];
    for count in [1, 4] {
        let mut batches = loader(&dataset, workers(count))
            .train(plan.clone())
            .unwrap();
        assert!(batches.next().unwrap().is_ok());
        let error = batches.next().unwrap().unwrap_err().to_string();
        let name = dataset.items()[bad]
            .name
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned();
        assert!(error.contains(&name), "{error}");
        assert!(batches.next().is_none());
    }
}

#[test]
fn a_skipped_image_is_replaced_in_training_and_left_out_in_evaluation() {
    let (root, dataset) = dataset(6, 3);
    let (bad, good) = break_one(&root, &dataset);
    let skipping = |workers| LoaderOptions {
        workers,
        on_bad_image: OnBadImage::Skip,
        ..LoaderOptions::default()
    };
    let plan = vec![planned(0, 0, &[bad, good, bad])];
    let reference = all(loader(&dataset, skipping(1)).train(plan.clone()).unwrap());
    assert_eq!(
        all(loader(&dataset, skipping(5)).train(plan).unwrap()),
        reference
    );
    let batch = &reference[0];
    assert_eq!(batch.indices, [good, good, good]);
    assert_eq!(batch.skipped.len(), 2);
    assert_eq!(
        (batch.skipped[0].index, batch.skipped[0].replacement),
        (bad, Some(good))
    );
    assert!(batch.skipped[0].reason.contains(".png"));

    let loader = loader(&dataset, skipping(2));
    let batch = all(loader.evaluate(&[bad, good, bad, good + 1], 4).unwrap()).remove(0);
    assert_eq!(batch.indices, [good, good + 1]);
    assert_eq!(batch.shape, [2, 3, SIZE, SIZE]);
    let clean = all(loader.evaluate(&[good, good + 1], 4).unwrap()).remove(0);
    assert_eq!(batch.pixels, clean.pixels);
    assert_eq!(loader.bad_images().len(), 1);
}

#[test]
fn a_class_without_a_usable_image_fails_even_when_skipping() {
    let (root, dataset) = dataset(6, 2);
    let members = dataset.split(Split::Train).members[1].clone();
    for &member in &members {
        write(&root.path().join(&dataset.items()[member].name), b"GIF89a");
    }
    let options = LoaderOptions {
        on_bad_image: OnBadImage::Skip,
        ..LoaderOptions::default()
    };
    let mut batches = loader(&dataset, options)
        .train(vec![planned(0, 0, &members)])
        .unwrap();
    let error = batches.next().unwrap().unwrap_err().to_string();
    assert!(
        error.contains(&dataset.split(Split::Train).class_names[1]),
        "{error}"
    );
}

#[test]
fn files_deleted_after_listing_are_bad_images() {
    let (root, dataset) = dataset(6, 2);
    std::fs::remove_file(root.path().join(&dataset.items()[0].name)).unwrap();
    let mut batches = loader(&dataset, workers(2)).evaluate(&[0], 1).unwrap();
    let error = batches.next().unwrap().unwrap_err().to_string();
    assert!(
        error.contains("0.png") && error.contains("cannot read"),
        "{error}"
    );
}

#[test]
fn the_second_epoch_comes_from_memory() {
    let (_root, dataset) = dataset(5, 4);
    let loader = loader(&dataset, workers(2));
    let indices: Vec<usize> = (0..20).collect();
    let statistics = |batches: &mut Batches| -> LoaderStatistics {
        assert!(batches.by_ref().all(|batch| batch.is_ok()));
        batches.statistics()
    };
    let first = statistics(&mut loader.evaluate(&indices, 6).unwrap());
    assert_eq!((first.batches, first.images, first.cached), (4, 20, 0));
    let second = statistics(&mut loader.evaluate(&indices, 6).unwrap());
    assert_eq!((second.images, second.cached), (20, 20));
    assert!(second.worker_busy > Duration::ZERO);
}

#[test]
fn the_queue_bounds_what_is_prepared_ahead() {
    let (_root, dataset) = dataset(5, 4);
    let options = LoaderOptions {
        workers: 3,
        queue: 2,
        ..LoaderOptions::default()
    };
    let plan: Vec<PlannedBatch> = (0..50)
        .map(|batch| planned(0, batch, &[0, 1, 2, 3]))
        .collect();
    let mut batches = loader(&dataset, options).train(plan).unwrap();
    let mut taken = 0;
    let deadline = Instant::now() + Duration::from_secs(20);
    while batches.statistics().images < 8 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(10));
        assert!(batches.statistics().images <= (taken + 2) * 4);
        assert!(batches.next().unwrap().is_ok());
        taken += 1;
        assert_eq!(batches.remaining(), 50 - taken);
    }
}

#[test]
fn dropping_a_stream_ends_its_threads() {
    let (_root, dataset) = dataset(5, 4);
    let everything: Vec<usize> = (0..20).cycle().take(200_000).collect();
    let loader = loader(
        &dataset,
        LoaderOptions {
            cache_bytes: 0,
            ..workers(3)
        },
    );
    let mut batches = loader.evaluate(&everything, 50_000).unwrap();
    let before = Arc::strong_count(&dataset);
    drop(batches.by_ref().take(0));
    drop(batches);
    // Joined: no thread holds the dataset, and far fewer than all images were decoded.
    assert_eq!(Arc::strong_count(&dataset), before);
}

#[test]
fn impossible_requests_are_refused() {
    let (_root, dataset) = dataset(5, 4);
    let transforms = TransformOptions {
        size: SIZE,
        ..TransformOptions::default()
    };
    let none = LoaderOptions {
        workers: 0,
        ..LoaderOptions::default()
    };
    assert!(Loader::new(Arc::clone(&dataset), &transforms, none).is_err());
    let loader = loader(&dataset, workers(1));
    assert!(loader.train(vec![planned(0, 0, &[20])]).is_err());
    assert!(loader.train(vec![planned(0, 0, &[])]).is_err());
    assert!(loader.evaluate(&[0], 0).is_err());
    assert!(loader.train(Vec::new()).unwrap().next().is_none());
}

fn on_disk(folder: &TempDir, side: Option<usize>) -> LoaderOptions {
    LoaderOptions {
        cache_bytes: 0,
        disk_cache: Some(DiskCache {
            folder: folder.path().join("decoded"),
            side,
        }),
        ..workers(2)
    }
}

/// Every file below `folder`.
fn files_in(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_in(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

#[test]
fn decoded_images_on_disk_change_nothing() {
    let (_root, dataset) = dataset(6, 3);
    let cache = tempdir().unwrap();
    let plan = || {
        (0..3)
            .map(|batch| planned(0, batch, &[0, 5, 11, 2, 2, 17]))
            .collect::<Vec<_>>()
    };
    let expected = all(loader(&dataset, workers(1)).train(plan()).unwrap());
    for pass in ["written", "read"] {
        let loader = loader(&dataset, on_disk(&cache, None));
        assert_eq!(all(loader.train(plan()).unwrap()), expected, "{pass}");
        assert_eq!(loader.disk_cache_problem(), None);
    }
    let in_memory_too = LoaderOptions {
        cache_bytes: 1 << 20,
        ..on_disk(&cache, None)
    };
    assert_eq!(
        all(loader(&dataset, in_memory_too).train(plan()).unwrap()),
        expected
    );
    let files = files_in(cache.path());
    assert_eq!(files.len(), 5);
    assert!(files.iter().all(|file| file.extension().unwrap() == "rgb"));
    // Damaged copies are made again.
    for (file, length) in files.iter().zip([0, 3, 16, 100, 0]) {
        let bytes = std::fs::read(file).unwrap();
        std::fs::write(file, &bytes[..length]).unwrap();
    }
    let again = loader(&dataset, on_disk(&cache, None));
    assert_eq!(all(again.train(plan()).unwrap()), expected);
    let total: u64 = files_in(cache.path())
        .iter()
        .map(|file| file.metadata().unwrap().len())
        .sum();
    let whole = again.disk_cache_bytes().unwrap().unwrap();
    assert!(total < whole && whole < 6 * total, "{total} of {whole}");
}

#[test]
fn a_changed_file_is_decoded_again() {
    let (root, dataset) = dataset(6, 3);
    let cache = tempdir().unwrap();
    let first = |dataset: &Arc<Dataset>| {
        let loader = loader(dataset, on_disk(&cache, None));
        all(loader.evaluate(&[0], 1).unwrap()).remove(0).pixels
    };
    let before = first(&dataset);
    let file = root.path().join("c00/0.png");
    let other = root.path().join("c05/1.png");
    std::fs::copy(&other, &file).unwrap();
    let after = first(&open(&root));
    assert_ne!(before, after);
    // Of the same length and changed in time alone, it is still another file.
    let changed = std::fs::File::options().write(true).open(&file).unwrap();
    changed
        .set_modified(std::time::SystemTime::now() + Duration::from_secs(60))
        .unwrap();
    assert_eq!(first(&open(&root)), after);
    assert_eq!(files_in(cache.path()).len(), 3);
}

#[test]
fn kept_images_can_be_shrunk() {
    let (_root, dataset) = dataset(6, 3);
    let cache = tempdir().unwrap();
    let run = |cache: &TempDir| {
        let loader = loader(&dataset, on_disk(cache, Some(14)));
        all(loader.evaluate(&[0, 1, 2], 3).unwrap()).remove(0)
    };
    let (written, read) = (run(&cache), run(&cache));
    assert_eq!(written, read);
    for file in files_in(cache.path()) {
        let bytes = std::fs::read(file).unwrap();
        let side = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(side(8).min(side(12)), 14);
    }
    // Two runs at once.
    let fresh = tempdir().unwrap();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| run(&fresh))).collect();
        for other in runs {
            assert_eq!(other.join().unwrap(), written);
        }
    });
    assert_eq!(files_in(fresh.path()).len(), 3);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_and_goes_on() {
    let (root, dataset) = dataset(6, 3);
    let cache = tempdir().unwrap();
    let blocked = loader(&dataset, on_disk(&cache, None));
    let expected = all(loader(&dataset, workers(1)).evaluate(&[0, 1], 2).unwrap());
    // A file where the folder should be: no write can succeed.
    std::fs::remove_dir_all(cache.path().join("decoded")).unwrap();
    std::fs::write(cache.path().join("decoded"), b"").unwrap();
    assert_eq!(all(blocked.evaluate(&[0, 1], 2).unwrap()), expected);
    assert!(blocked.disk_cache_problem().unwrap().contains("decoded"));
    let transforms = TransformOptions::default();
    let text = Loader::new(Arc::clone(&dataset), &transforms, on_disk(&cache, None))
        .unwrap_err()
        .to_string();
    assert!(text.contains("decoded"), "{text}");
    drop(root);
}

#[test]
fn inexact_batches_do_not_depend_on_threads_or_memory() {
    let root = tempdir().unwrap();
    for class in 0..4u32 {
        for number in 0..3u32 {
            let file = root.path().join(format!("c{class}/{number}.jpg"));
            write(&file, &support::jpeg(class * 10 + number, 90, 70));
        }
    }
    let dataset = open(&root);
    let plan = || {
        vec![
            planned(0, 0, &[0, 3, 6, 9, 1, 4]),
            planned(1, 0, &[0, 3, 6, 9, 1, 4]),
        ]
    };
    let batches = |exact: bool, threads: usize, cache_bytes: u64| {
        let options = LoaderOptions {
            exact,
            cache_bytes,
            ..workers(threads)
        };
        all(loader(&dataset, options).train(plan()).unwrap())
    };
    let inexact = batches(false, 1, 0);
    assert_eq!(inexact, batches(false, 3, 1 << 20));
    let exact = batches(true, 1, 0);
    assert_eq!(exact, batches(true, 3, 1 << 20));
    assert_ne!(exact, inexact);
    // On the scale of normalised values one grey level is 0.017.
    let differences = exact.iter().zip(&inexact).flat_map(|(exact, inexact)| {
        let pairs = exact.pixels.iter().zip(&inexact.pixels);
        pairs.map(|(exact, inexact)| (exact - inexact).abs())
    });
    let differences: Vec<f32> = differences.collect();
    let mean = differences.iter().sum::<f32>() / differences.len() as f32;
    assert!(mean > 0.0 && mean < 0.1, "{mean}");
}
