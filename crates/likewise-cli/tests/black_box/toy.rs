//! `likewise toy`.

use super::support::{Place, succeeded};

#[test]
fn the_experiment_prints_its_numbers_and_draws_its_figure() {
    let place = Place::new();
    let text = succeeded(&place.run(&["toy", "--seeds", "2", "--json"]));
    let result: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(result["outcomes"].as_array().unwrap().len(), 6);
    for row in result["summary"].as_array().unwrap() {
        let sigma = row["sigma1"]["mean"].as_f64().unwrap();
        assert!(
            (0.5..=1.0).contains(&sigma),
            "share of the larger singular value: {sigma}"
        );
    }
    let table = std::fs::read_to_string(place.path("runs/toy/diagonal_lines.csv")).unwrap();
    assert_eq!(table.lines().count(), 7);
    for figure in ["diagonal_lines.svg", "diagonal_lines.png"] {
        assert!(
            std::fs::metadata(place.path("runs/toy").join(figure))
                .unwrap()
                .len()
                > 5_000,
            "{figure}"
        );
    }
}

#[test]
fn equal_seeds_give_equal_numbers() {
    let place = Place::new();
    let once = succeeded(&place.run(&["toy", "--seeds", "1", "--json"]));
    assert_eq!(
        once,
        succeeded(&place.run(&["toy", "--seeds", "1", "--json"]))
    );
}
