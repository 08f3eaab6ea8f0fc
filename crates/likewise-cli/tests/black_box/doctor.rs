//! Warnings about a run that learns nothing, and values that a recipe leaves to others.

use std::fs;

use super::support::{Place, events, stderr, succeeded};

/// Margins that nothing violates.
const IDLE: [&str; 6] = [
    "--set",
    "objective={name=\"contrastive\", pos_margin=9.0, neg_margin=0.0}",
    "--set",
    "miner.name=softhard",
    "--epochs",
    "2",
];

#[test]
fn a_run_in_which_nothing_is_active_is_told_so_everywhere_once() {
    let place = Place::new();
    place.dataset(12, 5);
    let output = place.train(&IDLE);
    succeeded(&output);
    let words = [
        "epoch 1",
        "contrastive",
        "no active tuples",
        "softhard",
        "distance",
    ];
    let told: Vec<String> = stderr(&output)
        .lines()
        .filter(|line| line.starts_with("warning:") && line.contains("active"))
        .map(str::to_string)
        .collect();
    assert_eq!(told.len(), 1, "{}", stderr(&output));
    let run = place.path("run");
    let recorded: Vec<String> = events(&run)
        .iter()
        .filter(|event| event["event"] == "warning")
        .map(|event| event["message"].as_str().unwrap().to_string())
        .filter(|message| message.contains("active"))
        .collect();
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    assert_eq!(told[0], format!("warning: {}", recorded[0]));
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    let page = scraper::Html::parse_document(&report);
    let text: String = page.root_element().text().collect();
    assert!(
        text.contains(&recorded[0]),
        "{} is not in the report",
        recorded[0]
    );
    for word in words {
        assert!(recorded[0].contains(word), "{word} in {}", recorded[0]);
    }
}

#[test]
fn without_observation_nothing_is_seen_and_nothing_said() {
    let place = Place::new();
    place.dataset(12, 5);
    let output = place.train(&[&IDLE[..], &["--set", "train.observe_every=0"]].concat());
    succeeded(&output);
    assert!(!stderr(&output).contains("active"), "{}", stderr(&output));
    let all = events(&place.path("run"));
    assert!(all.iter().all(|event| event["event"] != "observed"));
}

#[test]
fn what_follows_from_the_miner_is_stated_in_the_stored_recipe() {
    let place = Place::new();
    place.dataset(12, 5);
    for (run, more, expected) in [
        (
            "distance",
            &["--set", "miner.name=distance"][..],
            "reg_lambda = 0.0\n",
        ),
        (
            "semihard",
            &["--set", "miner.name=semihard"],
            "reg_lambda = 0.005\n",
        ),
        (
            "switched",
            &[
                "--set",
                "miner.name=distance",
                "--set",
                "miner.rho.p_switch=0.3",
            ],
            "reg_lambda = 0.005\n",
        ),
        (
            "stated",
            &[
                "--set",
                "miner.name=distance",
                "--set",
                "objective.reg_lambda=0.25",
            ],
            "reg_lambda = 0.25\n",
        ),
    ] {
        let more = [more, &["--set", "objective.name=snr", "--run", run]].concat();
        succeeded(&place.train(&more));
        let recipe = fs::read_to_string(place.path(run).join("recipe.toml")).unwrap();
        assert!(recipe.contains(expected), "{run}: {recipe}");
        succeeded(&place.train(&[&more[..], &["--resume"]].concat()));
    }
}
