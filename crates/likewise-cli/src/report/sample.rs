//! A report of made-up numbers and drawn pictures, to test and look at the page. Test code only.

use std::io::Cursor;

use super::projection::{MAP_LIMIT, project};
use super::*;

/// Deterministic noise in -1..1.
fn noise(i: usize) -> f64 {
    (i as f64 * 12.9898 + 4.1).sin() * 43_758.545_3 % 1.0
}

fn class_name(class: usize) -> String {
    const FIRST: [&str; 10] = [
        "Striped",
        "Dotted",
        "Golden",
        "Long-tailed",
        "Northern",
        "Masked",
        "Small",
        "Grey",
        "Crested",
        "Red",
    ];
    const SECOND: [&str; 5] = [
        "Sample bird",
        "Test warbler",
        "Example finch",
        "Mock gull",
        "Dummy owl",
    ];
    format!("{} {}", FIRST[class % 10], SECOND[class / 10 % 5])
}

/// A drawn picture whose colours depend on the class.
fn picture(class: usize, item: usize, side: u32) -> RgbImage {
    let hue = class as f64 * 2.4;
    let channel = |shift: f64, light: f64| (light * (0.55 + 0.4 * (hue + shift).sin())) as u8;
    let (cx, cy) = (0.5 + 0.12 * noise(item), 0.5 + 0.12 * noise(item + 77));
    RgbImage::from_fn(side, side, |x, y| {
        let (u, v) = (
            f64::from(x) / f64::from(side),
            f64::from(y) / f64::from(side),
        );
        let radius = ((u - cx).powi(2) + (v - cy).powi(2) * (1.0 + class as f64 % 3.0)).sqrt();
        let ripple = (radius * (12.0 + class as f64 % 7.0 * 3.0)).sin() * 40.0;
        let light =
            190.0 + ripple - 110.0 * radius + 6.0 * noise(item * 31 + (x * 3 + y * 7) as usize);
        image::Rgb([
            channel(0.0, light),
            channel(2.1, light),
            channel(4.2, light),
        ])
    })
}

fn encoded(class: usize, item: usize) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture(class, item, 168)
        .write_to(&mut file, image::ImageFormat::Png)
        .expect("PNG");
    file.into_inner()
}

fn metric(
    name: &str,
    title: &str,
    definition: &str,
    unit: Unit,
    better: Better,
    values: [f64; 3],
) -> MetricRow {
    MetricRow {
        name: name.to_owned(),
        title: title.to_owned(),
        definition: definition.to_owned(),
        unit,
        better,
        after: Some(values[0]),
        before: Some(values[1]),
        start: Some(values[2]).filter(|v| v.is_finite()),
    }
}

fn metrics() -> Vec<MetricRow> {
    use Better::{Larger, Neither, Smaller};
    use Unit::{Number, Percent};
    vec![
        metric(
            "recall@1",
            "Recall@1",
            "Share of images whose nearest neighbour has their class.",
            Percent,
            Larger,
            [0.6234, 0.2871, 0.0812],
        ),
        metric(
            "recall@4",
            "Recall@4",
            "Share of images with at least one of their class among the 4 nearest.",
            Percent,
            Larger,
            [0.8231, 0.4873, 0.1931],
        ),
        metric(
            "map_at_r",
            "MAP@R",
            "Mean average precision among the R nearest, R being the number of other images of the class.",
            Percent,
            Larger,
            [0.2418, 0.0713, 0.0127],
        ),
        metric(
            "nmi",
            "NMI",
            "Agreement of k-means clusters with the classes: mutual information over mean entropy.",
            Percent,
            Larger,
            [0.6611, 0.5102, f64::NAN],
        ),
        metric(
            "rho_spectrum@2",
            "Spectral decay ρ",
            "Divergence of the singular value spectrum from a flat one, without the largest value.",
            Number,
            Smaller,
            [0.412, 0.2031, f64::NAN],
        ),
        metric(
            "dists@intra_over_inter",
            "Embedding density π",
            "Mean distance within classes over mean distance between classes.",
            Number,
            Neither,
            [0.3131, 0.8912, 0.9721],
        ),
    ]
}

fn queries() -> Vec<Query> {
    (0..20)
        .map(|q| Query {
            picture: encoded(q, q),
            class: class_name(q),
            neighbours: (0..5)
                .map(|k| {
                    let correct = noise(q * 5 + k) > -0.35 - 0.05 * (5.0 - k as f64);
                    let class = if correct { q } else { (q + k + 3) % 50 };
                    Neighbour {
                        picture: encoded(class, 100 + q * 5 + k),
                        class: class_name(class),
                        correct,
                    }
                })
                .collect(),
        })
        .collect()
}

fn map(classes: usize, each: usize) -> EmbeddingMap {
    let dimension = 32;
    let value = |i: usize, k: usize| {
        let class = i / each;
        noise(class * 1009 + k * 13) + 0.55 * (noise(i * 37 + k * 101) + noise(i * 91 + k * 7 + 5))
    };
    let data: Vec<f32> = (0..classes * each)
        .flat_map(|i| (0..dimension).map(move |k| value(i, k) as f32))
        .collect();
    let layout = project(&data, dimension, MAP_LIMIT);
    let points = layout
        .rows
        .iter()
        .zip(&layout.places)
        .enumerate()
        .map(|(t, (row, place))| MapPoint {
            x: f64::from(place[0]),
            y: f64::from(place[1]),
            class: row / each,
            class_name: class_name(row / each),
            thumbnail: Some(t),
        });
    EmbeddingMap {
        method: layout.method.describe(),
        points: points.collect(),
        thumbnails: layout
            .rows
            .iter()
            .map(|row| picture(row / each, *row, 64))
            .collect(),
    }
}

fn training(title: &str, quantity: &str, value: &dyn Fn(f64) -> f64) -> TrainingCurve {
    TrainingCurve {
        title: title.to_owned(),
        quantity: quantity.to_owned(),
        note: String::new(),
        time: "step".to_owned(),
        points: (0..1200)
            .map(|i| (i as f64, value(i as f64) * (1.0 + 0.1 * noise(i))))
            .collect(),
    }
}

fn progress(metric: &str, split: &str, top: f64, start: f64, seed: usize) -> ProgressCurve {
    let value =
        |e: usize| top - (top - start) * (-(e as f64) / 6.0).exp() + 0.008 * noise(e + seed);
    ProgressCurve {
        metric: metric.to_owned(),
        split: split.to_owned(),
        unit: Unit::Percent,
        points: (0..=30).map(|e| (e as f64, value(e))).collect(),
    }
}

fn group(title: &str, rows: &[(&str, &str)]) -> SettingGroup {
    let rows = rows
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect();
    SettingGroup {
        title: title.to_owned(),
        rows,
    }
}

/// A full report; `classes` times `each` images on the map.
pub fn report(classes: usize, each: usize) -> Report {
    let decay = |rate: f64| {
        (0..128)
            .map(|i| (-rate * f64::from(i)).exp() + 0.02)
            .collect()
    };
    Report {
        title: "Sample recipe on drawn pictures".to_owned(),
        summary: "Made-up numbers that show what a report looks like. No network was trained.".to_owned(),
        settings: vec![
            group("Recipe", &[("objective", "margin, β 1.2 (learnable)"), ("miner", "distance-weighted"), ("batch", "112 images, 2 per class"), ("optimizer", "Adam, learning rate 1e-5"), ("epochs", "30")]),
            group("Data", &[("training", "25 classes, 1,500 images"), ("unseen", "25 classes, 1,500 images"), ("fingerprint", "3f8a0c52d7b1e94460c2a5b7c90d1f63")]),
            group("Device", &[("device", "CPU (flex), 2 threads"), ("seed", "0")]),
            group("Versions", &[("likewise", "0.1.0"), ("commit", "0000000")]),
        ],
        training: vec![
            training("Training objective", "objective", &|i| 0.12 + 0.5 * (-i / 260.0).exp()),
            training("Effective rank", "directions", &|i| 40.0 - 12.0 * (-i / 300.0).exp()),
        ],
        progress: vec![
            progress("Recall@1", "test", 0.62, 0.287, 1),
            progress("Recall@1", "validation", 0.66, 0.31, 2),
            progress("MAP@R", "test", 0.24, 0.071, 3),
            progress("MAP@R", "validation", 0.27, 0.08, 4),
            progress("NMI", "test", 0.66, 0.51, 5),
        ],
        metrics: metrics(),
        start: Start::RawPixels,
        protocol: "validation: a part of the training classes was held out; the epoch with the best Recall@1 on it (27) was chosen, and the test classes were read once, at that epoch.".to_owned(),
        queries: queries(),
        spectrum: Some(Spectra { of: "training classes".to_owned(), before: decay(0.09), after: decay(0.035) }),
        map: Some(map(classes, each)),
        warnings: vec!["Only 25 unseen classes: differences below about 2 points are within the noise.".to_owned()],
        skipped_files: 3,
    }
}
