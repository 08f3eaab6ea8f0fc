//! Every data source: what it lists, how it is split, and what it says when something is wrong.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use likewise_data::dataset::{ValidationSettings, ValidationTake, ValidationUnit};
use likewise_data::{Benchmark, DataSource, Dataset, DatasetOptions, Split, SplitOptions};
use support::{class_folders, png, write};
use tempfile::tempdir;

fn open(source: &DataSource) -> likewise::Result<Dataset> {
    Dataset::open(source, &DatasetOptions::default())
}

fn folder(path: &Path) -> DataSource {
    DataSource::Folder(path.to_owned())
}

fn failure(source: &DataSource) -> String {
    open(source).expect_err("an error").to_string()
}

fn class_set(dataset: &Dataset, split: Split) -> BTreeSet<String> {
    dataset.split(split).class_names.iter().cloned().collect()
}

fn check_invariants(dataset: &Dataset) {
    let mut seen = 0;
    for split in Split::ALL {
        let items = dataset.split(split);
        seen += items.len();
        let labels: BTreeSet<u32> = items.labels.iter().copied().collect();
        assert_eq!(labels, (0..items.num_classes() as u32).collect());
        for (&index, &label) in items.indices.iter().zip(&items.labels) {
            let item = &dataset.items()[index];
            assert_eq!((item.split, item.label), (split, label));
            assert_eq!(
                dataset.classes()[item.class],
                items.class_names[label as usize]
            );
            assert!(items.members[label as usize].contains(&index));
        }
        assert_eq!(
            items.members.iter().map(Vec::len).sum::<usize>(),
            items.len()
        );
    }
    assert_eq!(seen, dataset.items().len());
}

#[test]
fn class_folders_are_divided_into_disjoint_classes() {
    let root = tempdir().unwrap();
    class_folders(root.path(), 10, 3);
    write(&root.path().join("c00/notes.txt"), b"no image");
    write(&root.path().join("c00/._0.png"), b"left by an archiver");
    write(&root.path().join("c01/deeper/9.PNG"), &png(7, 8, 8));
    let dataset = open(&folder(root.path())).unwrap();
    check_invariants(&dataset);
    assert_eq!(dataset.items().len(), 31);
    let sets = Split::ALL.map(|split| class_set(&dataset, split));
    assert_eq!(
        sets.iter().map(BTreeSet::len).collect::<Vec<_>>(),
        [5, 2, 3]
    );
    assert_eq!(sets.iter().flatten().collect::<BTreeSet<_>>().len(), 10);
    let deep = dataset
        .items()
        .iter()
        .position(|item| item.name == "c01/deeper/9.PNG")
        .unwrap();
    assert_eq!(dataset.decode(deep).unwrap().width(), 8);
}

#[test]
fn a_folder_split_is_honoured() {
    let root = tempdir().unwrap();
    class_folders(&root.path().join("train"), 3, 2);
    class_folders(&root.path().join("val"), 2, 2);
    class_folders(&root.path().join("test"), 2, 1);
    let dataset = open(&folder(root.path())).unwrap();
    check_invariants(&dataset);
    let sizes = Split::ALL.map(|split| dataset.split(split).len());
    assert_eq!(sizes, [6, 4, 2]);
    // The same class name in two splits is one class with a label in each.
    assert_eq!(dataset.classes().len(), 3);
}

#[test]
fn validation_classes_can_be_taken_from_training() {
    let root = tempdir().unwrap();
    class_folders(&root.path().join("train"), 10, 2);
    class_folders(&root.path().join("test"), 2, 2);
    let split = SplitOptions {
        validation_of_train: Some(ValidationSettings::default()),
        ..SplitOptions::default()
    };
    let options = DatasetOptions {
        split,
        ..DatasetOptions::default()
    };
    let dataset = Dataset::open(&folder(root.path()), &options).unwrap();
    check_invariants(&dataset);
    assert_eq!(dataset.split(Split::Train).num_classes(), 8);
    assert_eq!(dataset.split(Split::Validation).num_classes(), 2);
    let train = class_set(&dataset, Split::Train);
    assert!(train.is_disjoint(&class_set(&dataset, Split::Validation)));
}

#[test]
fn the_fingerprint_follows_names_sizes_labels_and_nothing_else() {
    let (left, right) = (tempdir().unwrap(), tempdir().unwrap());
    class_folders(left.path(), 6, 2);
    class_folders(right.path(), 6, 2);
    let reference = open(&folder(left.path())).unwrap();
    let same = open(&folder(right.path())).unwrap();
    assert_eq!(reference.fingerprint(), same.fingerprint());
    assert_eq!(reference.split_fingerprint(), same.split_fingerprint());
    let options = DatasetOptions {
        split: SplitOptions {
            seed: 9,
            ..SplitOptions::default()
        },
        ..DatasetOptions::default()
    };
    let reseeded = Dataset::open(&folder(right.path()), &options).unwrap();
    assert_eq!(reference.fingerprint(), reseeded.fingerprint());
    assert_ne!(reference.split_fingerprint(), reseeded.split_fingerprint());
    fs::rename(
        right.path().join("c00/0.png"),
        right.path().join("c01/7.png"),
    )
    .unwrap();
    let options = DatasetOptions {
        min_images: 0,
        ..DatasetOptions::default()
    };
    let moved = Dataset::open(&folder(right.path()), &options);
    if let Ok(moved) = moved {
        assert_ne!(reference.fingerprint(), moved.fingerprint());
    }
    write(&left.path().join("c02/0.png"), &png(1, 40, 40));
    assert_ne!(
        reference.fingerprint(),
        open(&folder(left.path())).unwrap().fingerprint()
    );
}

#[test]
fn folder_mistakes_are_named() {
    let root = tempdir().unwrap();
    let missing = root.path().join("nowhere");
    assert!(failure(&folder(&missing)).contains("nowhere"));
    assert!(failure(&folder(root.path())).contains("no images"));
    class_folders(&root.path().join("images"), 5, 2);
    let text = failure(&folder(root.path()));
    assert!(
        text.contains("single folder") && text.contains("images"),
        "{text}"
    );
    let few = tempdir().unwrap();
    class_folders(few.path(), 3, 2);
    assert!(failure(&folder(few.path())).contains("at least 4"));
}

#[test]
fn training_classes_with_one_image_are_named_with_the_way_out() {
    let root = tempdir().unwrap();
    class_folders(&root.path().join("train"), 8, 1);
    class_folders(&root.path().join("test"), 2, 2);
    let text = failure(&folder(root.path()));
    assert!(
        text.contains("c00, c01, c02, c03, c04 and 3 more"),
        "{text}"
    );
    assert!(text.contains("min_images = 2"), "{text}");
    for class in 0..3 {
        write(
            &root.path().join(format!("train/c{class:02}/x.png")),
            &png(class, 9, 9),
        );
    }
    let options = DatasetOptions {
        min_images: 2,
        ..DatasetOptions::default()
    };
    // c03 to c07 have one image in all, c00 and c01 count their test images too.
    let dataset = Dataset::open(&folder(root.path()), &options).unwrap();
    assert_eq!(class_set(&dataset, Split::Train).len(), 3);
}

fn csv_in(root: &Path, text: &str) -> DataSource {
    let file = root.join("list.csv");
    fs::write(&file, text).unwrap();
    DataSource::Csv(file)
}

#[test]
fn csv_lists_with_and_without_header_and_split() {
    let root = tempdir().unwrap();
    class_folders(root.path(), 4, 2);
    let rows = |split: bool| -> String {
        (0..4)
            .flat_map(|class| (0..2).map(move |number| (class, number)))
            .map(|(class, number)| {
                let split = match split {
                    true => {
                        if class < 2 {
                            ",train"
                        } else {
                            ",TEST"
                        }
                    }
                    false => "",
                };
                format!("c{class:02}/{number}.png,\"kind {class}\"{split}\n")
            })
            .collect()
    };
    let plain = open(&csv_in(root.path(), &rows(false))).unwrap();
    check_invariants(&plain);
    assert_eq!(plain.items().len(), 8);
    let split = open(&csv_in(root.path(), &rows(true))).unwrap();
    assert_eq!(
        class_set(&split, Split::Train),
        ["kind 0", "kind 1"].map(str::to_owned).into()
    );
    let headed = format!(
        "\u{feff}path,label,split\r\n{}",
        rows(true).replace('\n', "\r\n")
    );
    let headed = open(&csv_in(root.path(), &headed)).unwrap();
    assert_eq!(headed.fingerprint(), split.fingerprint());
    let turned: String = std::iter::once("note,label,path\n".to_owned())
        .chain(
            (0..4)
                .map(|class| format!("x,{class},c{class:02}/0.png\ny,{class},c{class:02}/1.png\n")),
        )
        .collect();
    assert_eq!(
        open(&csv_in(root.path(), &turned)).unwrap().items().len(),
        8
    );
    assert!(plain.decode(0).is_ok());
}

#[test]
fn csv_mistakes_name_file_and_line() {
    let root = tempdir().unwrap();
    class_folders(root.path(), 2, 2);
    let cases = [
        (
            "path,label\nc00/0.png,a\nc00/1.png\n",
            "list.csv:3",
            "path,label",
        ),
        ("c00/0.png,a\nc00/9.png,a\n", "list.csv:2", "9.png"),
        (
            "c00/0.png,a\nc00/0.png,b\n",
            "list.csv:2",
            "labelled `b` here and `a` in line 1",
        ),
        (
            "c00/0.png,a\nc00/0.png,a\n",
            "list.csv:2",
            "already listed in line 1",
        ),
        ("c00/0.png,a,dev\n", "list.csv:1", "unknown split `dev`"),
        ("path,label\n", "list.csv", "no images"),
        (
            "c00/0.png,a,train\nc00/1.png,a\nc01/0.png,b\n",
            "c00/1.png",
            "no split",
        ),
    ];
    for (text, place, cause) in cases {
        let error = failure(&csv_in(root.path(), text));
        assert!(
            error.contains(place) && error.contains(cause),
            "{text:?}: {error}"
        );
    }
    fs::write(root.path().join("list.csv"), b"c00/0.png,\xFF\xFE\n").unwrap();
    let error = failure(&DataSource::Csv(root.path().join("list.csv")));
    assert!(error.contains("list.csv:1"), "{error}");
    assert!(failure(&DataSource::Csv(root.path().join("none.csv"))).contains("none.csv"));
}

fn tar(path: &Path, members: &[(&str, Vec<u8>)]) {
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, content.as_slice())
            .unwrap();
    }
    builder.finish().unwrap();
}

fn shards_in(root: &Path) -> Vec<PathBuf> {
    let label = |text: &str| text.as_bytes().to_vec();
    let (one, two) = (root.join("a-000.tar"), root.join("a-001.tar"));
    tar(
        &one,
        &[
            ("000.png", png(0, 9, 8)),
            ("000.cls", label("3\n")),
            ("001.cls", label("3")),
            ("001.png", png(1, 9, 8)),
            ("002.json", label(r#"{"label": 4, "other": []}"#)),
            ("002.png", png(2, 9, 8)),
            ("003.png", png(3, 9, 8)),
            ("003.json", label(r#"{"class": "4"}"#)),
        ],
    );
    tar(
        &two,
        &[
            ("./cat/a.png", png(4, 11, 8)),
            ("./cat/b.png", png(5, 9, 8)),
            ("dog/a.png", png(6, 9, 8)),
            ("dog/b.png", png(7, 9, 8)),
            ("dog/notes.md", label("no image")),
        ],
    );
    vec![one, two]
}

#[test]
fn tar_shards_with_labels_and_with_class_folders() {
    let root = tempdir().unwrap();
    let shards = shards_in(root.path());
    let dataset = open(&DataSource::Shards(shards)).unwrap();
    check_invariants(&dataset);
    assert_eq!(dataset.classes(), ["3", "4", "cat", "dog"]);
    assert_eq!(dataset.items().len(), 8);
    let index = dataset
        .items()
        .iter()
        .position(|item| item.name == "cat/a.png")
        .unwrap();
    assert_eq!(dataset.read(index).unwrap(), png(4, 11, 8));
    let found: DataSource = root.path().to_str().unwrap().parse().unwrap();
    assert_eq!(open(&found).unwrap().fingerprint(), dataset.fingerprint());
}

#[test]
fn shards_may_repeat_keys() {
    let root = tempdir().unwrap();
    let shards = ["x-0.tar", "x-1.tar"].map(|name| root.path().join(name));
    for (number, shard) in (0..).zip(&shards) {
        let members: Vec<(String, Vec<u8>)> = (0..4u32)
            .map(|class| (format!("{class:03}"), class))
            .flat_map(|(key, class)| {
                let image = png(number * 4 + class, 9 + number, 8);
                [
                    (format!("{key}.png"), image),
                    (format!("{key}.cls"), key.into_bytes()),
                ]
            })
            .collect();
        let members: Vec<(&str, Vec<u8>)> = members
            .iter()
            .map(|(name, content)| (name.as_str(), content.clone()))
            .collect();
        tar(shard, &members);
    }
    let dataset = open(&DataSource::Shards(shards.to_vec())).unwrap();
    check_invariants(&dataset);
    assert_eq!(dataset.items()[0].name, "x-0.tar/000.png");
    assert_eq!(dataset.decode(7).unwrap().width(), 10);
}

#[test]
fn broken_shards_are_named() {
    let root = tempdir().unwrap();
    let shards = shards_in(root.path());
    let bytes = fs::read(&shards[1]).unwrap();
    // Inside the first member's data, inside a header, and inside the last member's data.
    for length in [600, 1400, bytes.len() - 1024 - 700] {
        fs::write(&shards[1], &bytes[..length]).unwrap();
        let error = failure(&DataSource::Shards(shards.clone()));
        assert!(
            error.contains("a-001.tar") && error.contains("truncated"),
            "{length}: {error}"
        );
    }
    tar(&shards[1], &[("000.png", png(0, 9, 8))]);
    let error = failure(&DataSource::Shards(shards.clone()));
    assert!(
        error.contains("a-001.tar") && error.contains("000.png"),
        "{error}"
    );
    tar(
        &shards[1],
        &[("000.png", png(0, 9, 8)), ("000.json", b"{".to_vec())],
    );
    let error = failure(&DataSource::Shards(shards.clone()));
    assert!(
        error.contains("a-001.tar") && error.contains("JSON"),
        "{error}"
    );
    tar(&shards[1], &[("readme.txt", b"x".to_vec())]);
    assert!(failure(&DataSource::Shards(shards.clone())).contains("no images"));
    assert!(failure(&DataSource::Shards(vec![])).contains("no tar shard"));
    assert!(failure(&DataSource::Shards(vec![root.path().join("b.tar")])).contains("b.tar"));
    let compressed = root.path().join("c.tar.gz");
    fs::write(&compressed, [31, 139, 8, 0].repeat(300)).unwrap();
    assert!(failure(&DataSource::Shards(vec![compressed])).contains("unpacked"));
}

#[test]
fn sources_are_recognised_from_text() {
    let root = tempdir().unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let parse = |text: &str| text.parse::<DataSource>();
    assert_eq!(parse("emoji").unwrap(), DataSource::EmbeddedEmoji);
    assert_eq!(parse(&text(root.path())).unwrap(), folder(root.path()));
    let csv = root.path().join("a.CSV");
    fs::write(&csv, "").unwrap();
    assert_eq!(parse(&text(&csv)).unwrap(), DataSource::Csv(csv.clone()));
    assert_eq!(
        parse("cub200:/x").unwrap(),
        DataSource::Benchmark(Benchmark::Cub200, "/x".into())
    );
    for benchmark in Benchmark::ALL {
        let error = parse(benchmark.key()).unwrap_err().to_string();
        for word in ["--data PATH", benchmark.title(), benchmark.layout()] {
            assert!(error.contains(word), "{error}");
        }
    }
    assert!(
        parse("/no/such/path")
            .unwrap_err()
            .to_string()
            .contains("KIND:PATH")
    );
    let zip = root.path().join("a.zip");
    fs::write(&zip, "").unwrap();
    assert!(
        parse(&text(&zip))
            .unwrap_err()
            .to_string()
            .contains("a.zip")
    );
    assert!(parse(&format!("shards:{}", text(root.path()))).is_err());
}

#[test]
fn a_path_is_that_of_the_benchmark_a_recipe_names() {
    for (recipe, data, source) in [
        ("cub200", "/birds", "cub200:/birds"),
        ("cub200:/old", "/birds", "cub200:/birds"),
        ("in_shop", "C:\\shop", "in_shop:C:\\shop"),
        ("cub200", "folder:/mine", "folder:/mine"),
        ("cub200", "cars196:/cars", "cars196:/cars"),
        ("cub200", "emoji", "emoji"),
        ("emoji", "/mine", "/mine"),
        ("", "/mine", "/mine"),
    ] {
        assert_eq!(DataSource::located(recipe, data), source, "{recipe} {data}");
    }
}

fn validation(by: ValidationUnit, fraction: f64, take: ValidationTake) -> DatasetOptions {
    DatasetOptions {
        split: SplitOptions {
            validation_of_train: Some(ValidationSettings { by, fraction, take }),
            ..SplitOptions::default()
        },
        ..DatasetOptions::default()
    }
}

#[test]
fn the_first_classes_stay_in_training() {
    let root = tempdir().unwrap();
    class_folders(&root.path().join("train"), 10, 2);
    class_folders(&root.path().join("test"), 2, 2);
    let options = validation(ValidationUnit::Class, 0.2, ValidationTake::Last);
    let dataset = Dataset::open(&folder(root.path()), &options).unwrap();
    assert_eq!(
        class_set(&dataset, Split::Validation),
        ["c08", "c09"].map(str::to_owned).into()
    );
    let random = |seed| {
        let mut options = validation(ValidationUnit::Class, 0.3, ValidationTake::Random);
        options.split.seed = seed;
        let dataset = Dataset::open(&folder(root.path()), &options).unwrap();
        check_invariants(&dataset);
        class_set(&dataset, Split::Validation)
    };
    assert_eq!(random(1), random(1));
    assert!((2..9).any(|seed| random(seed) != random(1)));
}

#[test]
fn images_of_each_class_can_be_taken_for_validation() {
    let root = tempdir().unwrap();
    class_folders(&root.path().join("train"), 3, 10);
    class_folders(&root.path().join("test"), 2, 2);
    // A pair stays, so that nothing is taken of this one.
    for number in 0..2 {
        write(
            &root.path().join(format!("train/few/{number}.png")),
            &png(number, 9, 9),
        );
    }
    for take in [
        ValidationTake::Last,
        ValidationTake::Spaced,
        ValidationTake::Random,
    ] {
        let options = validation(ValidationUnit::Sample, 0.2, take);
        let dataset = Dataset::open(&folder(root.path()), &options).unwrap();
        check_invariants(&dataset);
        let [train, validation, _] = Split::ALL.map(|split| dataset.split(split));
        assert_eq!((train.len(), train.num_classes()), (3 * 8 + 2, 4));
        assert_eq!((validation.len(), validation.num_classes()), (3 * 2, 3));
        let names: Vec<&str> = (validation.members[0].iter())
            .map(|&index| dataset.items()[index].stem())
            .collect();
        match take {
            ValidationTake::Last => assert_eq!(names, ["8", "9"]),
            ValidationTake::Spaced => assert_eq!(names, ["2", "7"]),
            ValidationTake::Random => {}
        }
    }
}

#[test]
fn a_second_validation_split_is_refused() {
    let root = tempdir().unwrap();
    class_folders(&root.path().join("train"), 4, 2);
    class_folders(&root.path().join("val"), 2, 2);
    class_folders(&root.path().join("test"), 2, 2);
    let options = validation(ValidationUnit::Class, 0.2, ValidationTake::Last);
    let error = Dataset::open(&folder(root.path()), &options)
        .unwrap_err()
        .to_string();
    assert!(error.contains("data.validation"), "{error}");
}

fn with_split_file(root: &Path, name: &str, text: &str) -> likewise::Result<Dataset> {
    let file = root.join(name);
    fs::write(&file, text).unwrap();
    let options = DatasetOptions {
        split_file: Some(file),
        ..DatasetOptions::default()
    };
    Dataset::open(&folder(&root.join("data")), &options)
}

#[test]
fn a_split_file_decides_over_the_data() {
    let root = tempdir().unwrap();
    class_folders(&root.path().join("data"), 7, 2);
    let lines = "c00,test\nc01,test\nc02,train\nc03,train\nc04,validation\nc05,val\nc06,unused\n";
    let csv = with_split_file(root.path(), "split.csv", &format!("class,split\n{lines}")).unwrap();
    check_invariants(&csv);
    let sets = Split::ALL.map(|split| class_set(&csv, split));
    let named = |names: [&str; 2]| names.map(str::to_owned).into();
    assert_eq!(
        sets,
        [
            named(["c02", "c03"]),
            named(["c04", "c05"]),
            named(["c00", "c01"])
        ]
    );
    assert_eq!(csv.items().len(), 12);
    let lists = r#"{"train": ["c02", "c03"], "validation": ["c04", "c05"], "test": ["c00", "c01"],
                    "unused": ["c06"]}"#;
    let pairs = r#"{"c00": "test", "c01": "test", "c02": "train", "c03": "train", "c04": "val",
                    "c05": "val", "c06": "unused"}"#;
    for (name, text) in [
        ("bare.csv", lines),
        ("lists.json", lists),
        ("pairs.json", pairs),
    ] {
        let same = with_split_file(root.path(), name, text).unwrap();
        assert_eq!(same.fingerprint(), csv.fingerprint(), "{name}");
        assert_eq!(same.split_fingerprint(), csv.split_fingerprint(), "{name}");
    }
    let other = lines.replace("c06,unused", "c06,test");
    let other = with_split_file(root.path(), "other.csv", &other).unwrap();
    assert_ne!(other.split_fingerprint(), csv.split_fingerprint());
}

#[test]
fn mistakes_of_a_split_file_are_named() {
    let root = tempdir().unwrap();
    class_folders(&root.path().join("data"), 4, 2);
    for (name, text, words) in [
        (
            "a.csv",
            "c00,train\nc01,train\nc02,test\n",
            ["c03", "unused"],
        ),
        (
            "b.csv",
            "c00,train\nc01,train\nc02,test\nc03,test\nC3,test\n",
            ["C3", "`c00`"],
        ),
        ("c.csv", "c00,train\nc01,dev\n", ["line 2", "`dev`"]),
        ("d.csv", "c00,train\nc00,test\n", ["line 2", "two splits"]),
        ("e.csv", "c00\n", ["line 1", "class,split"]),
        ("f.csv", "class,split\n", ["f.csv", "no class"]),
        ("g.json", "{", ["g.json", "JSON"]),
        (
            "h.json",
            r#"{"train": [["c00"]]}"#,
            ["train", "no class name"],
        ),
        ("i.json", r#"{"train": 3}"#, ["train", "list"]),
    ] {
        let error = with_split_file(root.path(), name, text)
            .unwrap_err()
            .to_string();
        for word in words.into_iter().chain([name]) {
            assert!(error.contains(word), "{name}: {word}: {error}");
        }
    }
}
