//! Resizing, cropping and normalisation against Pillow and torchvision, bit for bit. The folder is
//! `LIKEWISE_FIXTURES` if set; its manifest says what is checked.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use likewise::random::{Purpose, stream};
use likewise_data::Normalization;
use likewise_data::decode::decode;
use likewise_data::resize::{Resizer, resize};
use likewise_data::rgb::{Region, RgbImage};
use likewise_data::transform::{Augmentation, Scratch, TransformOptions, greyscale};
use likewise_data::transform::{Cut, center_crop_offset, shorter_side_size};
use safetensors::SafeTensors;
use serde_json::Value;

struct Fixtures {
    folder: PathBuf,
    manifest: Value,
    tensors: HashMap<String, (Vec<usize>, Vec<u8>)>,
}

impl Fixtures {
    fn load() -> Self {
        let root = std::env::var_os("LIKEWISE_FIXTURES").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../likewise/tests/fixtures"),
            PathBuf::from,
        );
        let folder = root.join("transforms");
        let manifest = fs::read(folder.join("manifest.json")).expect("transform fixtures");
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let bytes = fs::read(folder.join(manifest["tensors"].as_str().unwrap())).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = tensors
            .tensors()
            .into_iter()
            .map(|(name, view)| (name, (view.shape().to_vec(), view.data().to_vec())))
            .collect();
        Self {
            folder,
            manifest,
            tensors,
        }
    }

    /// Name, manifest entry and decoded image of each image.
    fn images(&self) -> Vec<(String, &Value, RgbImage)> {
        let images = self.manifest["images"].as_array().unwrap();
        assert!(!images.is_empty());
        images
            .iter()
            .map(|entry| {
                let name = entry["name"].as_str().unwrap().to_owned();
                let file = fs::read(self.folder.join(entry["file"].as_str().unwrap())).unwrap();
                (name, entry, decode(&file).unwrap())
            })
            .collect()
    }

    fn tensor(&self, key: &str) -> Option<&(Vec<usize>, Vec<u8>)> {
        self.tensors.get(key)
    }

    fn floats(&self, key: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let (shape, bytes) = self.tensor(key)?;
        let values = bytes
            .chunks_exact(4)
            .map(|value| f32::from_le_bytes(value.try_into().unwrap()));
        Some((shape.clone(), values.collect()))
    }
}

fn number(value: &Value, key: &str) -> usize {
    value[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} missing")) as usize
}

/// Resizes the shorter side to 256 and takes the central 224, as bytes.
fn evaluation_bytes(image: &RgbImage) -> Vec<u8> {
    let (width, height) = shorter_side_size((image.width(), image.height()), 256);
    let window = Region {
        left: center_crop_offset(width, 224),
        top: center_crop_offset(height, 224),
        width: 224,
        height: 224,
    };
    let mut out = Vec::new();
    let cut = Cut {
        region: image.region(),
        resized: (width, height),
        window,
    };
    Resizer::default().resize(&image.clone().into(), &cut, &mut out);
    out
}

#[test]
fn golden_decoded_images() {
    let fixtures = Fixtures::load();
    for (name, _, image) in fixtures.images() {
        let (shape, pixels) = fixtures.tensor(&format!("{name}.image")).unwrap();
        assert_eq!(shape, &[image.height(), image.width(), 3], "{name}");
        assert_eq!(image.pixels(), pixels, "{name}");
    }
}

#[test]
fn golden_evaluation_transform_bytes_and_geometry() {
    let fixtures = Fixtures::load();
    for (name, entry, image) in fixtures.images() {
        let (width, height) = shorter_side_size((image.width(), image.height()), 256);
        assert_eq!(width, number(entry, "resized_width"), "{name}");
        assert_eq!(height, number(entry, "resized_height"), "{name}");
        if entry.get("crop_top").is_some() {
            assert_eq!(
                center_crop_offset(height, 224),
                number(entry, "crop_top"),
                "{name}"
            );
            assert_eq!(
                center_crop_offset(width, 224),
                number(entry, "crop_left"),
                "{name}"
            );
        }
        if let Some((_, expected)) = fixtures.tensor(&format!("{name}.eval_u8")) {
            assert_eq!(&evaluation_bytes(&image), expected, "{name}");
        }
    }
    for file in fixtures.manifest["expected_png"].as_array().unwrap() {
        let file = file.as_str().unwrap();
        let source = file.replace("_eval.expected", "");
        let image = decode(&fs::read(fixtures.folder.join(source)).unwrap()).unwrap();
        let expected = decode(&fs::read(fixtures.folder.join(file)).unwrap()).unwrap();
        assert_eq!(evaluation_bytes(&image), expected.pixels(), "{file}");
    }
}

#[test]
fn golden_boxes_resized_to_224() {
    let fixtures = Fixtures::load();
    let mut checked = 0;
    for (_, entry, image) in fixtures.images() {
        for crop in entry["boxes"].as_array().unwrap() {
            let key = crop["key"].as_str().unwrap();
            let region = Region {
                left: number(crop, "left"),
                top: number(crop, "top"),
                width: number(crop, "width"),
                height: number(crop, "height"),
            };
            let window = Region {
                left: 0,
                top: 0,
                width: 224,
                height: 224,
            };
            let mut out = Vec::new();
            let cut = Cut {
                region,
                resized: (224, 224),
                window,
            };
            Resizer::default().resize(&image.clone().into(), &cut, &mut out);
            assert_eq!(out, fixtures.tensor(key).unwrap().1, "{key}");
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[test]
fn golden_resize_flip_and_greyscale() {
    let fixtures = Fixtures::load();
    let mut checked = [0; 4];
    for (name, _, image) in fixtures.images() {
        for (case, (width, height)) in [(100, 20), (7, 5)].into_iter().enumerate() {
            if let Some((_, expected)) =
                fixtures.tensor(&format!("{name}.resize_{width}x{height}_u8"))
            {
                assert_eq!(
                    resize(&image, width, height).pixels(),
                    expected,
                    "{name} {width}"
                );
                checked[case] += 1;
            }
        }
        if let Some((shape, expected)) = fixtures.tensor(&format!("{name}.greyscale_u8")) {
            let mut grey = image.pixels().to_vec();
            greyscale(&mut grey);
            let channels = if shape.len() == 3 { shape[2] } else { 1 };
            let step = 3 / channels;
            let grey: Vec<u8> = grey.into_iter().step_by(step).collect();
            assert_eq!(&grey, expected, "{name}");
            checked[2] += 1;
        }
        let flipped = ["hflip", "hflip_u8"]
            .iter()
            .find_map(|suffix| fixtures.tensor(&format!("{name}.{suffix}")));
        if let Some((_, expected)) = flipped {
            let mirror = RgbImage::new(image.width(), image.height(), expected.clone()).unwrap();
            crops_match_image_or_mirror(&name, &image, &mirror);
            checked[3] += 1;
        }
    }
    assert!(checked.iter().all(|&count| count > 0), "{checked:?}");
}

/// Draws full-height or full-width crops at the image's own size: each must be a part of the image
/// or of the expected mirror image, and both must occur.
fn crops_match_image_or_mirror(name: &str, image: &RgbImage, mirror: &RgbImage) {
    let size = image.width().min(image.height());
    let options = TransformOptions {
        augmentation: Augmentation::Red,
        size,
        resize: Some(size),
        normalization: Normalization::IDENTITY,
        ..TransformOptions::default()
    };
    let transform = options.train().unwrap();
    let mut scratch = Scratch::default();
    let mut out = vec![0.0; transform.values()];
    let mut seen = [false; 2];
    for item in 0..20 {
        let mut rng = stream(0, Purpose::Augmentation, 0, 0, item);
        transform.apply(&image.clone().into(), &mut rng, &mut scratch, &mut out);
        let bytes: Vec<u8> = out
            .iter()
            .map(|value| (value * 255.0).round() as u8)
            .collect();
        let found = [image, mirror].map(|whole| is_square_part(whole, size, &bytes));
        assert!(found[0] || found[1], "{name}, draw {item}");
        seen = [seen[0] || found[0], seen[1] || found[1]];
    }
    assert_eq!(seen, [true; 2], "{name}");
}

/// Whether planes `[3, size, size]` equal some square part of an image.
fn is_square_part(whole: &RgbImage, size: usize, planes: &[u8]) -> bool {
    let offsets = (0..=whole.height() - size)
        .flat_map(|top| (0..=whole.width() - size).map(move |left| (top, left)));
    let value = |(top, left): (usize, usize), at: usize| {
        let (channel, y, x) = (at / (size * size), at / size % size, at % size);
        whole.row(top + y)[(left + x) * 3 + channel]
    };
    let mut offsets = offsets;
    offsets.any(|offset| {
        planes
            .iter()
            .enumerate()
            .all(|(at, &byte)| value(offset, at) == byte)
    })
}

#[test]
fn golden_normalised_rows_and_statistics() {
    let fixtures = Fixtures::load();
    let transform = TransformOptions::default().evaluate().unwrap();
    let mut scratch = Scratch::default();
    let mut checked = 0;
    for (name, entry, image) in fixtures.images() {
        let mut out = vec![0.0; transform.values()];
        let mut rng = stream(0, Purpose::Augmentation, 0, 0, 0);
        transform.apply(&image.clone().into(), &mut rng, &mut scratch, &mut out);
        let planes: Vec<&[f32]> = out.chunks_exact(224 * 224).collect();
        if let Some((shape, expected)) =
            fixtures.floats(&format!("{name}.eval_normalized_rows0_31"))
        {
            assert_eq!(shape, [3, 32, 224]);
            for (plane, rows) in planes.iter().zip(expected.chunks_exact(32 * 224)) {
                for (value, wanted) in plane.iter().zip(rows) {
                    assert!((value - wanted).abs() < 1e-6, "{name}: {value} {wanted}");
                }
            }
            checked += 1;
        }
        let Some(statistics) = entry.get("eval_normalized_mean_std") else {
            continue;
        };
        for (channel, plane) in planes.iter().enumerate() {
            let count = plane.len() as f64;
            let mean = plane.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
            let wanted = statistics[0][channel].as_f64().unwrap();
            assert!((mean - wanted).abs() < 1e-5, "{name}: mean {mean} {wanted}");
        }
    }
    assert!(checked > 0);
}

#[test]
fn a_window_equals_the_same_part_of_the_whole() {
    let fixtures = Fixtures::load();
    for (name, _, image) in fixtures.images() {
        let whole = resize(&image, 90, 70);
        let window = Region {
            left: 13,
            top: 9,
            width: 40,
            height: 50,
        };
        let mut part = Vec::new();
        let cut = Cut {
            region: image.region(),
            resized: (90, 70),
            window,
        };
        Resizer::default().resize(&image.clone().into(), &cut, &mut part);
        for (y, row) in part.chunks_exact(40 * 3).enumerate() {
            assert_eq!(row, &whole.row(9 + y)[13 * 3..53 * 3], "{name}, row {y}");
        }
    }
}

/// Columns of the output that are brighter on the left tell a flip from none.
fn is_flipped(out: &[f32], size: usize) -> bool {
    out[0] > out[size - 1]
}

#[test]
fn half_of_the_training_images_are_flipped_and_none_in_evaluation() {
    let pixels = (0..32usize)
        .flat_map(|_| (0..32u8).flat_map(|x| [x * 8; 3]))
        .collect();
    let image = RgbImage::new(32, 32, pixels).unwrap();
    let mut scratch = Scratch::default();
    for augmentation in [Augmentation::Base, Augmentation::Red, Augmentation::Big] {
        let options = TransformOptions {
            augmentation,
            size: 16,
            ..TransformOptions::default()
        };
        let transform = options.train().unwrap();
        assert!(transform.is_random());
        let mut out = vec![0.0; transform.values()];
        let flips = (0..2000u64)
            .filter(|&item| {
                let mut rng = stream(5, Purpose::Augmentation, 1, 2, item);
                transform.apply(&image.clone().into(), &mut rng, &mut scratch, &mut out);
                is_flipped(&out, transform.size())
            })
            .count() as f64;
        // Chi-square with one degree of freedom: 10.8 at 0.001.
        let chi_square = 2.0 * (flips - 1000.0).powi(2) / 1000.0;
        assert!(chi_square < 10.8, "{augmentation:?}: {flips} of 2000");
    }
    let transform = TransformOptions {
        size: 16,
        ..TransformOptions::default()
    }
    .evaluate()
    .unwrap();
    assert!(!transform.is_random());
}

#[test]
fn a_fifth_of_the_adv_images_are_grey_and_colours_move() {
    let pixels = (0..32 * 32).flat_map(|_| [200u8, 120, 40]).collect();
    let image = RgbImage::new(32, 32, pixels).unwrap();
    let options = TransformOptions {
        augmentation: Augmentation::Adv,
        size: 8,
        normalization: Normalization::IDENTITY,
        ..TransformOptions::default()
    };
    let transform = options.train().unwrap();
    let mut scratch = Scratch::default();
    let mut out = vec![0.0; transform.values()];
    let mut grey = 0.0;
    let mut reds = std::collections::BTreeSet::new();
    for item in 0..2000 {
        let mut rng = stream(1, Purpose::Augmentation, 0, 0, item);
        transform.apply(&image.clone().into(), &mut rng, &mut scratch, &mut out);
        let [red, green, blue] = [0, 64, 128].map(|at| out[at]);
        // One step of jitter on grey may leave a difference of one level.
        grey += f64::from(u8::from(
            (red - green).abs() < 0.009 && (green - blue).abs() < 0.009,
        ));
        reds.insert((red * 255.0) as u32);
    }
    let chi_square = (grey - 400.0f64).powi(2) / 400.0 + (grey - 400.0f64).powi(2) / 1600.0;
    assert!(chi_square < 10.8, "{grey} of 2000");
    assert!(reds.len() > 50, "{} levels of red", reds.len());
}

#[test]
fn default_resize_keeps_the_customary_ratio_and_big_enlarges_both_transforms() {
    let options = |size| TransformOptions {
        size,
        ..TransformOptions::default()
    };
    assert_eq!(options(224).resized_size(), 256);
    assert_eq!(options(64).resized_size(), 73);
    assert_eq!(options(112).resized_size(), 128);
    let big = TransformOptions {
        augmentation: Augmentation::Big,
        ..options(224)
    };
    assert_eq!(big.train().unwrap().size(), 256);
    assert_eq!(big.evaluate().unwrap().size(), 256);
    let none = TransformOptions {
        augmentation: Augmentation::None,
        ..options(64)
    };
    assert!(!none.train().unwrap().is_random());
}

#[test]
fn impossible_options_are_refused_with_their_values() {
    let good = TransformOptions::default();
    let bad = [
        TransformOptions {
            size: 0,
            ..good.clone()
        },
        TransformOptions {
            resize: Some(200),
            ..good.clone()
        },
        TransformOptions {
            crop_area: (0.0, 1.0),
            ..good.clone()
        },
        TransformOptions {
            crop_area: (0.5, 0.4),
            ..good.clone()
        },
        TransformOptions {
            crop_area: (0.5, f64::NAN),
            ..good.clone()
        },
        TransformOptions {
            crop_aspect: (2.0, 1.0),
            ..good.clone()
        },
    ];
    for options in bad {
        assert!(options.train().is_err(), "{options:?}");
    }
    let error = TransformOptions {
        resize: Some(200),
        ..good
    }
    .evaluate()
    .unwrap_err()
    .to_string();
    assert!(error.contains("224") && error.contains("200"), "{error}");
}
