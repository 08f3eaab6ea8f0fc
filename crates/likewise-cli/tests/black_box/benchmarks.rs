//! Benchmarks of the field: how users name them, and what is said when they are not there.

use std::fs;

use super::support::{Place, refused, stderr, stdout, succeeded};

/// `classes` garments of `images` images, the first `trained` for training, the others with one
/// query each.
fn garments(place: &Place, classes: u32, images: u32, trained: u32) {
    let mut list = format!(
        "{}\nimage_name item_id evaluation_status\n",
        classes * images
    );
    for class in 0..classes {
        for image in 0..images {
            let status = match (class < trained, image) {
                (true, _) => "train",
                (false, 0) => "query",
                (false, _) => "gallery",
            };
            let path = format!("img/MEN/Shirts/id_{class:08}/{image}.png");
            place.picture(&format!("shop/{path}"), class, image);
            list += &format!("{path} id_{class:08} {status}\n");
        }
    }
    place.write("shop/Eval/list_eval_partition.txt", list);
}

#[test]
fn queries_are_searched_in_the_gallery() {
    let place = Place::new();
    garments(&place, 10, 4, 6);
    let custom = ["--set", "data.allow_custom=true", "--json"];
    let arguments = [&["--data", "in_shop:shop"], &custom[..]].concat();
    let output = place.train(&arguments);
    succeeded(&output);
    let said = stderr(&output);
    assert!(
        said.contains("test 16 images of 4 classes (4 queries, 12 gallery)"),
        "{said}"
    );
    // The stored embeddings know which are which.
    let evaluated = place.run(&[
        "evaluate",
        "run",
        "--metrics",
        "recall@1,map_at_r",
        "--json",
    ]);
    let evaluated: serde_json::Value = serde_json::from_str(&succeeded(&evaluated)).unwrap();
    let metrics = fs::read_to_string(place.path("run/metrics.csv")).unwrap();
    assert!(metrics.contains("recall@1"), "{metrics}");
    let last = super::support::events(&place.path("run"));
    let selected = last
        .iter()
        .rev()
        .find(|event| event["metrics"]["recall@1"].is_number())
        .unwrap();
    assert_eq!(
        evaluated["recall@1"], selected["metrics"]["recall@1"],
        "{evaluated} {selected}"
    );
    assert!(selected["metrics"]["nmi"].is_number(), "{selected}");
}

#[test]
fn a_benchmark_without_its_path_is_described() {
    let place = Place::new();
    place.write(
        "birds.toml",
        "extends = \"emoji\"\nname = \"birds\"\ndata.source = \"cub200\"\n",
    );
    let train = |more: &[&str]| {
        let arguments = [
            "train",
            "--smoke",
            "--device",
            "cpu",
            "--config",
            "birds.toml",
        ];
        place.run(&[&arguments[..], more].concat())
    };
    refused(
        &train(&[]),
        &["CUB200-2011", "--data PATH", "001.Black_footed_Albatross"],
    );
    refused(&train(&["--data", "nowhere"]), &["nowhere", "CUB200-2011"]);
    for species in ["001.A", "002.B", "199.C", "200.D"] {
        for number in 0..4 {
            place.picture(
                &format!("birds/images/{species}/{number}.png"),
                number,
                number,
            );
        }
    }
    let words = [
        "birds",
        "train 2 classes with 8 images instead of 100 with 5864",
    ];
    refused(&train(&["--data", "birds"]), &words);
    let custom = train(&["--data", "birds", "--set", "data.allow_custom=true"]);
    let said = stderr(&custom);
    assert!(said.contains("train 8 images of 2 classes"), "{said}");
}

#[test]
fn a_split_file_divides_the_classes() {
    let place = Place::new();
    place.dataset(12, 4);
    let splits = [
        "train",
        "train",
        "train",
        "train",
        "train",
        "validation",
        "validation",
    ];
    let mut lines = "class,split\n".to_owned();
    for class in 0..12 {
        let split = splits.get(class).unwrap_or(&"test");
        lines += &format!("class{class:02},{split}\n");
    }
    place.write("hard.csv", &lines);
    let arguments = [
        "--split",
        "hard.csv",
        "--set",
        "sampler.batch_size=4",
        "--json",
    ];
    let output = place.train(&arguments);
    assert!(!succeeded(&output).is_empty());
    let said = stderr(&output);
    let counts = "train 20 images of 5 classes, validation 8 images of 2 classes, test 20";
    assert!(said.contains(counts), "{said}");
    let recipe = fs::read_to_string(place.path("run/recipe.toml")).unwrap();
    assert!(recipe.contains("split_file = \"hard.csv\""), "{recipe}");
    let fresh = ["--split", "hard.csv", "--run", "other"];
    place.write("hard.csv", lines.replace("class11,test", "class12,test"));
    refused(&place.train(&fresh), &["hard.csv", "class11", "unused"]);
    refused(
        &place.train(&["--split", "none.csv", "--run", "other"]),
        &["none.csv", "cannot read"],
    );
    assert!(!place.path("other").exists(), "{}", stdout(&output));
}

#[test]
fn validation_by_samples() {
    let place = Place::new();
    place.dataset(8, 5);
    let table = "data.validation={ by = \"sample\", fraction = 0.2, take = \"spaced\" }";
    let output = place.train(&["--set", table]);
    succeeded(&output);
    let said = stderr(&output);
    let counts = "train 16 images of 4 classes, validation 4 images of 4 classes";
    assert!(said.contains(counts), "{said}");
    refused(
        &place.train(&["--set", "data.validation.fraction=1.5", "--run", "other"]),
        &["data.validation.fraction = 1.5"],
    );
}
