//! The embedded pack is what its index says: counts, checksums, a class-disjoint split, size.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use likewise_data::dataset::EmojiIndex;
use likewise_data::{Dataset, Loader, LoaderOptions, Split, TransformOptions};
use sha2::{Digest, Sha256};

#[test]
fn counts_and_split_are_as_stated() {
    let dataset = Dataset::embedded_emoji().unwrap();
    let index = EmojiIndex::embedded().unwrap();
    assert_eq!(
        (dataset.classes().len(), dataset.items().len()),
        (965, 4759)
    );
    assert_eq!((index.classes.len(), index.images), (965, 4759));
    let classes = Split::ALL.map(|split| dataset.split(split).num_classes());
    assert_eq!(classes, [482, 96, 387]);
    let names: BTreeSet<&String> = Split::ALL
        .iter()
        .flat_map(|&split| &dataset.split(split).class_names)
        .collect();
    assert_eq!(names.len(), 965);
    for class in &index.classes {
        let of_split = dataset.split(class.split);
        let label = of_split.class_names.binary_search(&class.name).unwrap();
        let members = of_split.members[label].iter();
        let mut vendors: Vec<&str> = members.map(|&item| dataset.items()[item].stem()).collect();
        vendors.sort_unstable();
        assert_eq!(vendors, class.vendors, "{}", class.name);
        assert!(vendors.len() >= 4);
    }
    assert_eq!(
        index
            .sources
            .iter()
            .map(|source| source.images)
            .sum::<usize>(),
        4759
    );
}

#[test]
fn every_drawing_decodes_to_its_size_and_the_loader_reads_them() {
    let dataset = Arc::new(Dataset::embedded_emoji().unwrap());
    let size = EmojiIndex::embedded().unwrap().size;
    for index in 0..dataset.items().len() {
        let image = dataset.decode(index).unwrap();
        assert_eq!((image.width(), image.height()), (size, size));
    }
    let transforms = TransformOptions {
        size: 48,
        ..TransformOptions::default()
    };
    let loader = Loader::new(Arc::clone(&dataset), &transforms, LoaderOptions::default()).unwrap();
    let test = dataset.split(Split::Test);
    let mut batches = loader.evaluate(&test.indices[..200], 64).unwrap();
    let images: usize = batches
        .by_ref()
        .map(|batch| batch.unwrap().labels.len())
        .sum();
    assert_eq!(images, 200);
}

#[test]
fn shards_match_their_checksums_and_the_pack_is_small() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let index = EmojiIndex::embedded().unwrap();
    assert_eq!(index.sha256.len(), 3);
    for (name, expected) in &index.sha256 {
        let packed = fs::read(assets.join(format!("{name}.gz"))).unwrap();
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_end(&mut tar)
            .unwrap();
        let digest: String = Sha256::digest(&tar)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(&digest, expected, "{name}");
    }
    let files = fs::read_dir(&assets).unwrap().map(|file| file.unwrap());
    let total: u64 = files.map(|file| file.metadata().unwrap().len()).sum();
    assert!(total <= 5_000_000, "{total} bytes");
}

#[test]
fn every_licence_is_shipped_and_every_source_attributed() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let attribution = fs::read_to_string(assets.join("ATTRIBUTION.md")).unwrap();
    for source in EmojiIndex::embedded().unwrap().sources {
        for text in [
            &source.package,
            &source.version,
            &source.author,
            &source.license,
            &source.url,
        ] {
            assert!(
                attribution.contains(text.as_str()),
                "{}: {text}",
                source.package
            );
        }
        let license = fs::read_to_string(assets.join(format!("LICENSE-{}.txt", source.license)));
        assert!(license.unwrap().len() > 500, "{}", source.license);
    }
}
