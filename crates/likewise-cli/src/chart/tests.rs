use resvg::usvg::{Options, Tree};

use super::scale::Scale;
use super::*;

fn labels(scale: &Scale) -> Vec<&str> {
    scale.ticks.iter().map(|t| t.label.as_str()).collect()
}

#[test]
fn linear_ticks_step_by_one_two_or_five() {
    let fit = |values: &[f64], axis: &Axis| Scale::fit(values.iter().copied(), axis, 5);
    let number = Axis::new("");
    assert_eq!(
        labels(&fit(&[0.0, 10.0], &number)),
        ["0", "2", "4", "6", "8", "10"]
    );
    assert_eq!(
        labels(&fit(&[0.13, 0.31], &number)),
        ["0.10", "0.15", "0.20", "0.25", "0.30", "0.35"]
    );
    assert_eq!(
        labels(&fit(&[-1.0, 1.0], &number)),
        ["-1.0", "-0.5", "0.0", "0.5", "1.0"]
    );
    let percent = Axis::new("").unit(Unit::Percent);
    assert_eq!(
        labels(&fit(&[0.2, 0.62], &percent)),
        ["20%", "30%", "40%", "50%", "60%", "70%"]
    );
    assert_eq!(
        labels(&fit(&[0.0, 250_000.0], &number)).last(),
        Some(&"250k")
    );
}

#[test]
fn scales_contain_their_data_whatever_it_is() {
    for values in [
        vec![],
        vec![f64::NAN],
        vec![3.0],
        vec![0.0, 0.0],
        vec![1e-9, 2e-9],
        vec![-7.0, 1e9],
    ] {
        for spacing in [Spacing::Linear, Spacing::Logarithmic] {
            let axis = Axis::new("").spacing(spacing);
            let scale = Scale::fit(values.iter().copied(), &axis, 5);
            let drawable = |v: &&f64| v.is_finite() && (spacing == Spacing::Linear || **v > 0.0);
            for value in values.iter().filter(drawable) {
                let place = scale.place(*value).expect("finite values have a place");
                assert!(
                    (-1e-6..=1.000001).contains(&place),
                    "{value} of {values:?} lies at {place}"
                );
            }
            assert!(
                (1..=12).contains(&scale.ticks.len()),
                "{values:?}: {:?}",
                scale.ticks
            );
        }
    }
}

#[test]
fn logarithmic_ticks_are_powers_of_ten_over_a_wide_range() {
    let axis = Axis::new("").spacing(Spacing::Logarithmic);
    let scale = Scale::fit([0.0004, 0.3].into_iter(), &axis, 5);
    assert_eq!(labels(&scale), ["0.0001", "0.001", "0.01", "0.1", "1"]);
    assert_eq!(scale.place(0.0), None);
}

#[test]
fn numbers_are_written_alike_everywhere() {
    assert_eq!(Unit::Percent.text(0.62345), "62.3%");
    assert_eq!(Unit::Number.text(0.123_456), "0.123");
    assert_eq!(Unit::Number.text(12.0), "12");
    assert_eq!(Unit::Number.text(1234.56), "1235");
    assert_eq!(Unit::Number.text(0.0), "0");
    assert_eq!(Unit::Number.text(-0.000_012), "-1.20e-5");
    assert_eq!(Unit::Number.text(f64::NAN), "n/a");
    assert_eq!(Unit::Percent.text(f64::INFINITY), "n/a");
}

fn chart(points: Vec<(f64, f64)>, band: Vec<(f64, f64)>) -> String {
    let series = Series {
        name: "a < b & c".to_owned(),
        points,
        band,
        stroke: Stroke::Dashed,
        colour: 9,
    };
    LineChart {
        label: "a \"quoted\" label".to_owned(),
        x: Axis::new("epoch"),
        y: Axis::new("loss"),
        series: vec![series],
        references: vec![Reference {
            value: 0.5,
            name: "uniform".to_owned(),
        }],
    }
    .render()
    .into_string()
}

/// The same drawing as a file of its own, read by a strict XML parser.
fn parses(fragment: &str) -> bool {
    let svg = fragment.replacen("<svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"", 1);
    Tree::from_str(&svg, &Options::default()).is_ok()
}

#[test]
fn line_charts_are_valid_svg_for_any_data() {
    let many = (0..500)
        .map(|i| (f64::from(i), f64::from(i).sin()))
        .collect();
    for points in [vec![], vec![(1.0, f64::NAN)], vec![(1.0, 2.0)], many] {
        let band = points
            .iter()
            .map(|p: &(f64, f64)| (p.1 - 1.0, p.1 + 1.0))
            .collect();
        let svg = chart(points, band);
        assert!(parses(&svg), "{svg}");
        assert!(!svg.contains("NaN"), "{svg}");
    }
}

#[test]
fn lines_break_where_a_value_is_missing() {
    let svg = chart(
        vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.5), (3.0, 2.0)],
        Vec::new(),
    );
    let path = svg
        .split("curve k1 dashed\" d=\"")
        .nth(2)
        .and_then(|rest| rest.split('"').next());
    let path = path.expect("the curve has a path after the one in the legend");
    assert_eq!(path.matches('M').count(), 2, "{path}");
}

#[test]
fn maps_keep_proportions_and_leave_out_what_has_no_place() {
    let point = |x: f64, y: f64| ScatterPoint {
        x,
        y,
        style: 13,
        class: 0,
        title: "<b>".to_owned(),
        picture: Some(2),
    };
    let points = vec![
        point(0.0, 0.0),
        point(2.0, 0.0),
        point(0.0, 1.0),
        point(f64::NAN, 0.0),
    ];
    let svg = Scatter {
        label: String::new(),
        points,
    }
    .render()
    .into_string();
    assert!(parses(&svg), "{svg}");
    assert!(svg.contains("&lt;b&gt;") && !svg.contains("NaN"));
    let places: Vec<Vec<f64>> = svg
        .split("data-at=\"")
        .skip(1)
        .map(|rest| {
            rest.split(['"', ' '])
                .take(2)
                .map(|v| v.parse().expect("a number"))
                .collect()
        })
        .collect();
    assert_eq!(places.len(), 3);
    let across = places[1][0] - places[0][0];
    let up = places[0][1] - places[2][1];
    assert!((across - 2.0 * up).abs() < 0.2, "{across} {up}");
}

#[test]
fn one_lonely_point_lies_in_the_middle() {
    let point = ScatterPoint {
        x: 7.0,
        y: -3.0,
        style: 0,
        class: 0,
        title: String::new(),
        picture: None,
    };
    let svg = Scatter {
        label: String::new(),
        points: vec![point],
    }
    .render()
    .into_string();
    assert!(svg.contains("data-at=\"300 240 0 -1\""), "{svg}");
}

pub(crate) fn toy() -> ToyFigure {
    let line = |class: usize, from: (f64, f64), to: (f64, f64)| {
        (0..15).map(move |i| {
            let t = f64::from(i) / 14.0;
            ToyPoint {
                x: from.0 + t * (to.0 - from.0),
                y: from.1 + t * (to.1 - from.1),
                class,
            }
        })
    };
    let starts = [0.10, 0.35, 0.60, 0.85];
    let train: Vec<ToyPoint> = starts
        .iter()
        .enumerate()
        .flat_map(|(i, s)| line(i, (*s, *s), (s + 0.2, s + 0.2)))
        .collect();
    let unseen: Vec<ToyPoint> = line(4, (0.2, 0.2), (0.2, 0.4))
        .chain(line(5, (0.2, 0.55), (0.2, 0.85)))
        .chain(line(6, (0.4, 0.2), (0.6, 0.2)))
        .chain(line(7, (0.7, 0.2), (0.9, 0.2)))
        .collect();
    let circle = |points: &[ToyPoint], spread: f64| {
        points
            .iter()
            .map(|p| (0.4 + spread * (p.x + 0.3 * p.y)).sin_cos())
            .map(|(sin, cos)| [cos, sin])
            .collect()
    };
    let embedding = |name: &str, spread: f64, spectrum: [f64; 2]| ToyEmbedding {
        name: name.to_owned(),
        train: circle(&train, spread),
        unseen: circle(&unseen, spread),
        spectrum,
        note: "ρ 0.51, Recall@1 on unseen classes 78%".to_owned(),
    };
    ToyFigure {
        base: embedding("Base", 1.2, [0.9, 0.1]),
        regularised: embedding("Regularised", 3.9, [0.56, 0.44]),
        train,
        unseen,
    }
}

#[test]
fn the_toy_figure_becomes_a_png_with_text() {
    let svg = toy_figure(&toy());
    let png = svg_to_png(&svg, 1665).expect("the figure is valid SVG");
    let picture = image::load_from_memory(&png).expect("a PNG").to_luma8();
    assert_eq!(picture.dimensions(), (1665, 510));
    // The band of the panel titles holds dark pixels only if the font was found.
    let dark = picture
        .enumerate_pixels()
        .filter(|(_, y, p)| (30..48).contains(y) && p.0[0] < 100);
    assert!(dark.count() > 300);
}

#[test]
fn what_is_no_svg_or_has_no_width_is_refused() {
    assert!(svg_to_png("<p>not a drawing</p>", 100).is_err());
    assert!(svg_to_png(&toy_figure(&toy()), 0).is_err());
}
