//! Every file format and colour model against the pixels Pillow gives.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fs;
use std::path::{Path, PathBuf};

use likewise_data::decode::decode;
use likewise_data::transform;
use serde_json::Value;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

fn sample(name: &str) -> Vec<u8> {
    fs::read(samples().join(name)).unwrap()
}

#[test]
fn every_format_decodes_to_the_expected_rgb() {
    let manifest: Value = serde_json::from_slice(&sample("manifest.json")).unwrap();
    let manifest = manifest.as_object().unwrap();
    assert!(manifest.len() >= 25);
    for (name, entry) in manifest {
        let image = decode(&sample(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = decode(&sample(entry["expected"].as_str().unwrap())).unwrap();
        let tolerance = entry["tolerance"].as_u64().unwrap();
        assert_eq!(
            (image.width(), image.height()),
            (expected.width(), expected.height()),
            "{name}: size"
        );
        let pairs = image.pixels().iter().zip(expected.pixels());
        let worst = pairs
            .map(|(left, right)| left.abs_diff(*right))
            .max()
            .unwrap();
        assert!(u64::from(worst) <= tolerance, "{name}: differs by {worst}");
    }
}

#[test]
fn truncated_and_foreign_files_are_errors() {
    for name in [
        "rgb.jpg",
        "progressive.jpg",
        "exif_6.jpg",
        "rgb.png",
        "lossless.webp",
        "rgb.bmp",
    ] {
        let bytes = sample(name);
        for part in [bytes.len() / 3, bytes.len() / 2, bytes.len() * 9 / 10] {
            assert!(
                decode(&bytes[..part]).is_err(),
                "{name}: {part} of {} bytes",
                bytes.len()
            );
        }
    }
    let error = decode(b"<html>404</html>").unwrap_err().to_string();
    assert!(error.contains("not a JPEG, PNG"), "{error}");
    assert!(decode(b"").is_err());
}

#[test]
fn an_end_marker_inside_an_exif_thumbnail_does_not_complete_a_jpeg() {
    let bytes = sample("rgb.jpg");
    let mut with_thumbnail = bytes[..2].to_vec();
    with_thumbnail.extend([0xFF, 0xE2, 0x00, 0x06, 0xFF, 0xD9, 0xFF, 0xD9]);
    with_thumbnail.extend(&bytes[2..]);
    assert!(decode(&with_thumbnail).is_ok());
    assert!(decode(&with_thumbnail[..with_thumbnail.len() - 40]).is_err());
}

#[test]
fn golden_colour_jitter_equals_pillow() {
    let sheet = decode(&sample("jitter.png")).unwrap();
    let manifest: Value = serde_json::from_slice(&sample("jitter.json")).unwrap();
    let values = manifest["side"].as_u64().unwrap() as usize * sheet.width() * 3;
    let tiles: Vec<&[u8]> = sheet.pixels().chunks_exact(values).collect();
    let steps = manifest["steps"].as_array().unwrap();
    assert_eq!(tiles.len(), steps.len() + 1);
    for (step, expected) in steps.iter().zip(&tiles[1..]) {
        let mut pixels = tiles[0].to_vec();
        let factor = step["factor"].as_f64().unwrap();
        match step["kind"].as_str().unwrap() {
            "brightness" => transform::adjust_brightness(&mut pixels, factor),
            "contrast" => transform::adjust_contrast(&mut pixels, factor),
            "saturation" => transform::adjust_saturation(&mut pixels, factor),
            "hue" => transform::adjust_hue(&mut pixels, factor),
            other => panic!("unknown step {other}"),
        }
        assert_eq!(pixels, *expected, "{step}");
    }
}

/// A part of a JPEG is what the whole has there, wherever it lies.
#[test]
fn a_part_of_a_jpeg_equals_the_whole() {
    use likewise_data::decode::Picture;
    use likewise_data::rgb::Region;
    let mut partial = 0;
    for name in [
        "detail_420.jpg",
        "detail_422.jpg",
        "detail_progressive.jpg",
        "detail_restart.jpg",
        "rgb.jpg",
        "grey.jpg",
        "exif_6.jpg",
    ] {
        let bytes = sample(name);
        let whole = decode(&bytes).unwrap();
        let (width, height) = Picture::open(&bytes).unwrap().size();
        assert_eq!((width, height), (whole.width(), whole.height()), "{name}");
        let steps = |length: usize| (0..length).step_by((length / 7).max(1));
        for (left, top) in steps(width).flat_map(|left| steps(height).map(move |top| (left, top))) {
            for (across, down) in [(1, 1), (9, 5), (40, 30), (width, height)] {
                let region = Region {
                    left,
                    top,
                    width: across.min(width - left),
                    height: down.min(height - top),
                };
                let part = Picture::open(&bytes)
                    .unwrap()
                    .decode_part(region, 1)
                    .unwrap();
                assert_eq!((part.whole, part.reduction), ((width, height), 1));
                partial += usize::from(part.image.height() < height);
                for y in region.top..region.top + region.height {
                    let row = &part.image.row(y - part.top)[(region.left - part.left) * 3..];
                    assert_eq!(
                        &row[..region.width * 3],
                        &whole.row(y)[region.left * 3..][..region.width * 3],
                        "{name}: row {y} of {region:?}"
                    );
                }
            }
        }
    }
    assert!(partial > 100, "{partial}");
}

/// Whatever bytes are wrong, the C library ends with an error or some pixels.
#[test]
fn damaged_jpegs_end_in_an_error_or_in_pixels() {
    use likewise_data::decode::Picture;
    use likewise_data::rgb::Region;
    let (mut errors, mut pixels) = (0, 0);
    for name in [
        "rgb_420.jpg",
        "detail_progressive.jpg",
        "detail_restart.jpg",
        "grey.jpg",
    ] {
        let sound = sample(name);
        for (at, reduction) in (2..sound.len())
            .step_by(3)
            .zip([1, 2, 8].into_iter().cycle())
        {
            let mut bytes = sound.clone();
            bytes[at] ^= 0x5A;
            let decoded = Picture::open(&bytes).and_then(|picture| {
                let (width, height) = picture.size();
                let region = Region {
                    left: width / 2,
                    top: height / 3,
                    width: (width - width / 2).min(30),
                    height: (height - height / 3).min(30),
                };
                picture.decode_part(region, reduction)
            });
            match decoded {
                Ok(part) => pixels += part.image.pixels().len(),
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    errors += 1;
                }
            }
        }
    }
    assert!(errors > 20 && pixels > 10_000, "{errors} {pixels}");
}
