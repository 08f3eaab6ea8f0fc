//! Tiny copies of the published benchmarks in their exact layouts.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::fs;
use std::path::Path;

use likewise_data::{Benchmark, DataSource, Dataset, DatasetOptions, Part, Split};
use support::{png, write};
use tempfile::tempdir;

fn open(benchmark: Benchmark, root: &Path) -> Dataset {
    let options = DatasetOptions {
        allow_custom: true,
        ..DatasetOptions::default()
    };
    Dataset::open(&DataSource::Benchmark(benchmark, root.to_owned()), &options).unwrap()
}

fn refused(benchmark: Benchmark, root: &Path, words: &[&str]) {
    let source = DataSource::Benchmark(benchmark, root.to_owned());
    let error = Dataset::open(&source, &DatasetOptions::default())
        .unwrap_err()
        .to_string();
    for word in words {
        assert!(error.contains(word), "`{word}` is not named: {error}");
    }
}

fn sizes(dataset: &Dataset) -> [(usize, usize); 3] {
    Split::ALL.map(|split| {
        let items = dataset.split(split);
        (items.num_classes(), items.len())
    })
}

const SPECIES: [&str; 5] = ["001.A", "002.B", "100.C", "101.D", "200.E"];

fn birds(root: &Path) {
    for (seed, species) in (0..).zip(SPECIES) {
        for number in 0..2 {
            let file = format!("images/{species}/{number}.png");
            write(&root.join(file), &png(seed, 9, 9));
        }
    }
}

#[test]
fn the_number_of_a_species_decides_whether_it_trains() {
    let root = tempdir().unwrap();
    birds(root.path());
    let dataset = open(Benchmark::Cub200, root.path());
    assert_eq!(sizes(&dataset), [(3, 6), (0, 0), (2, 4)]);
    assert_eq!(dataset.split(Split::Train).class_names[2], "100.C");
    assert_eq!(dataset.split(Split::Test).class_names[0], "101.D");
    // As the archive unpacks, with a folder of its own.
    let outer = tempdir().unwrap();
    birds(&outer.path().join("CUB_200_2011"));
    let inner = open(Benchmark::Cub200, outer.path());
    assert_eq!(inner.fingerprint(), dataset.fingerprint());
    refused(
        Benchmark::Cub200,
        root.path(),
        &[
            "CUB200-2011",
            "train 3 classes with 6 images instead of 100 with 5864",
            "003.*",
            "images:",
        ],
    );
    fs::create_dir(root.path().join("images/odd")).unwrap();
    write(&root.path().join("images/odd/1.png"), &png(1, 9, 9));
    refused(Benchmark::Cub200, root.path(), &["`odd`", "NNN.Name"]);
}

#[test]
fn the_list_of_the_birds_says_which_are_missing() {
    let root = tempdir().unwrap();
    birds(root.path());
    let list = "1 001.A/0.png\n2 001.A/7.png\n3 150.F/1.png\n4 150.F/2.png\n5 200.E/1.png\n";
    write(&root.path().join("images.txt"), list.as_bytes());
    refused(Benchmark::Cub200, root.path(), &["001.A/7.png, 150.F/;"]);
}

#[test]
fn birds_are_read_from_a_tar_file() {
    let root = tempdir().unwrap();
    birds(&root.path().join("birds"));
    let tar = root.path().join("birds.tar");
    let mut builder = tar::Builder::new(fs::File::create(&tar).unwrap());
    builder
        .append_dir_all("birds", root.path().join("birds/images"))
        .unwrap();
    builder.finish().unwrap();
    let dataset = open(Benchmark::Cub200, &tar);
    assert_eq!(sizes(&dataset), [(3, 6), (0, 0), (2, 4)]);
    assert_eq!(dataset.decode(0).unwrap().width(), 9);
}

#[test]
fn cars_in_class_folders() {
    let models = ["AM General", "Acura", "Bentley", "Volvo"];
    let plain = tempdir().unwrap();
    let halves = tempdir().unwrap();
    for (seed, model) in (0..).zip(models) {
        for number in 0..4 {
            let picture = png(seed, 9, 9);
            write(
                &plain.path().join(format!("images/{model}/{number}.png")),
                &picture,
            );
            let half = ["train", "test"][number % 2];
            write(
                &halves.path().join(format!("{half}/{model}/{number}.png")),
                &picture,
            );
        }
    }
    for root in [&plain, &halves] {
        let dataset = open(Benchmark::Cars196, root.path());
        assert_eq!(sizes(&dataset), [(2, 8), (0, 0), (2, 8)]);
        assert_eq!(dataset.split(Split::Train).class_names, models[..2]);
    }
    refused(
        Benchmark::Cars196,
        plain.path(),
        &["CARS196", "98 with 8054"],
    );
}

fn annotations(name: &str) -> Vec<u8> {
    fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/samples")
            .join(name),
    )
    .unwrap()
}

#[test]
fn cars_as_published_with_their_devkit() {
    let root = tempdir().unwrap();
    let car = |folder: &str, number: u32| {
        let file = format!("{folder}/{number:05}.jpg");
        write(&root.path().join(file), &png(number, 9, 9));
    };
    for number in 1..=8 {
        car("cars_train", number);
        car("cars_test", number);
    }
    let train = "devkit/cars_train_annos.mat";
    write(
        &root.path().join("devkit/cars_meta.mat"),
        &annotations("cars_meta.mat"),
    );
    refused(
        Benchmark::Cars196,
        root.path(),
        &["devkit/cars_train_annos.mat is missing"],
    );
    write(
        &root.path().join(train),
        &annotations("cars_train_annos.mat"),
    );
    refused(
        Benchmark::Cars196,
        root.path(),
        &["cars_test_annos_withlabels.mat is missing"],
    );
    let test = root.path().join("cars_test_annos_withlabels.mat");
    write(&test, &annotations("cars_test_annos.mat"));
    refused(
        Benchmark::Cars196,
        root.path(),
        &["no `class` for 00001.jpg", "withlabels"],
    );
    write(&test, &annotations("cars_test_annos_withlabels.mat"));
    let dataset = open(Benchmark::Cars196, root.path());
    // Both halves of the archive hold images of each model.
    assert_eq!(sizes(&dataset), [(2, 8), (0, 0), (2, 8)]);
    let names = |split| dataset.split(split).class_names.clone();
    assert_eq!(
        names(Split::Train),
        ["001 AM General Hummer SUV 2000", "098 Model 98"]
    );
    assert_eq!(
        names(Split::Test),
        ["099 Model 99", "196 smart fortwo Convertible 2012"]
    );
    fs::remove_file(root.path().join("cars_test/00003.jpg")).unwrap();
    refused(
        Benchmark::Cars196,
        root.path(),
        &["cars_test/00003.jpg", "test 2 classes"],
    );
    write(&root.path().join(train), b"cut off");
    refused(
        Benchmark::Cars196,
        root.path(),
        &["cars_train_annos.mat", "MATLAB"],
    );
}

#[test]
fn cars_in_a_single_folder_with_their_annotations() {
    let root = tempdir().unwrap();
    for number in 1..=8 {
        let file = format!("car_ims/{number:06}.jpg");
        write(&root.path().join(file), &png(number, 9, 9));
    }
    write(
        &root.path().join("cars_annos.mat"),
        &annotations("cars_annos.mat"),
    );
    let dataset = open(Benchmark::Cars196, root.path());
    assert_eq!(sizes(&dataset), [(2, 4), (0, 0), (2, 4)]);
    assert_eq!(
        dataset.split(Split::Train).class_names[0],
        "001 AM General Hummer SUV 2000"
    );
}

#[test]
fn online_products_follow_their_two_lists() {
    let root = tempdir().unwrap();
    let mut lists = ["", ""].map(|_| "image_id class_id super_class_id path\n".to_owned());
    for image in 0..8usize {
        let kind = ["bicycle", "chair"][image / 2 % 2];
        let path = format!("{kind}_final/{image}.JPG");
        write(&root.path().join(&path), &png(image as u32, 9, 9));
        let line = format!("{image} {} 1 {path}\n", image / 2 + 9);
        lists[image / 4].push_str(&line);
    }
    write(&root.path().join("Ebay_train.txt"), lists[0].as_bytes());
    write(
        &root.path().join("Info_Files/Ebay_test.txt"),
        lists[1].as_bytes(),
    );
    let dataset = open(Benchmark::OnlineProducts, root.path());
    assert_eq!(dataset.split(Split::Train).class_names, ["00009", "00010"]);
    assert_eq!(dataset.superclasses(), ["bicycle", "chair"]);
    let kinds: Vec<Option<usize>> = dataset.items().iter().map(|item| item.superclass).collect();
    assert_eq!(kinds, [0, 0, 0, 0, 1, 1, 1, 1].map(Some));
    refused(Benchmark::OnlineProducts, root.path(), &["11318"]);
    fs::remove_file(root.path().join("bicycle_final/4.JPG")).unwrap();
    refused(
        Benchmark::OnlineProducts,
        root.path(),
        &["missing in", "bicycle_final/4.JPG"],
    );
    write(&root.path().join("Ebay_train.txt"), b"header\n1 2 3\n");
    refused(
        Benchmark::OnlineProducts,
        root.path(),
        &["Ebay_train.txt:2"],
    );
    fs::remove_file(root.path().join("Ebay_train.txt")).unwrap();
    refused(
        Benchmark::OnlineProducts,
        root.path(),
        &["Ebay_train.txt is missing"],
    );
}

#[test]
fn garments_ask_or_are_searched() {
    let root = tempdir().unwrap();
    let mut list = "10\nimage_name item_id evaluation_status\n".to_owned();
    for image in 0..10usize {
        let (class, status) = match image {
            0..4 => (image / 2, "train"),
            4 | 7 => (2 + (image - 4) / 3, "query"),
            _ => (2 + (image - 4) / 3, "gallery"),
        };
        let path = format!("img/WOMEN/Dresses/id_{class:08}/{image:02}_1_front.jpg");
        write(
            &root.path().join("Img").join(&path),
            &png(image as u32, 9, 9),
        );
        list += &format!("{path}   id_{class:08}  {status}\n");
    }
    let file = root.path().join("Eval/list_eval_partition.txt");
    write(&file, list.as_bytes());
    let dataset = open(Benchmark::InShop, root.path());
    assert_eq!(sizes(&dataset), [(2, 4), (0, 0), (2, 6)]);
    let gallery = dataset.split(Split::Test).gallery.clone().unwrap();
    assert_eq!(gallery, [false, true, true, false, true, true]);
    assert_eq!(dataset.split(Split::Train).gallery, None);
    assert_eq!(dataset.superclasses(), ["WOMEN/Dresses"]);
    assert_eq!(dataset.items()[4].part, Part::Query);
    // Which images ask is part of the split.
    let turned = list
        .replace("query", "?")
        .replace("gallery", "query")
        .replace('?', "gallery");
    write(&file, turned.as_bytes());
    let turned = open(Benchmark::InShop, root.path());
    assert_eq!(turned.fingerprint(), dataset.fingerprint());
    assert_ne!(turned.split_fingerprint(), dataset.split_fingerprint());
    write(&file, list.as_bytes());
    refused(
        Benchmark::InShop,
        root.path(),
        &[
            "train 2 classes with 4 images instead of 3997 with 25882",
            "query 2",
            "gallery 2",
            "12612",
        ],
    );
    fs::remove_file(
        root.path()
            .join("Img/img/WOMEN/Dresses/id_00000000/00_1_front.jpg"),
    )
    .unwrap();
    refused(
        Benchmark::InShop,
        root.path(),
        &["missing in", "id_00000000/00_1_front.jpg"],
    );
    write(&file, b"1\nheader\nimg/a.jpg id_1 test\n");
    refused(
        Benchmark::InShop,
        root.path(),
        &["list_eval_partition.txt:3", "`test`"],
    );
    fs::remove_file(&file).unwrap();
    refused(
        Benchmark::InShop,
        root.path(),
        &["list_eval_partition.txt is missing", "Eval/"],
    );
}

#[test]
fn a_folder_that_is_not_there_is_described() {
    for benchmark in Benchmark::ALL {
        refused(
            benchmark,
            Path::new("/no/such/folder"),
            &["/no/such/folder", benchmark.title(), benchmark.layout()],
        );
        let empty = tempdir().unwrap();
        let path = empty.path().display().to_string();
        refused(benchmark, empty.path(), &[&path]);
    }
}
