//! Where to cut: the arithmetic of torchvision's crops, with Python's rounding (half to even).

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::rgb::Region;

/// Attempts at a crop of the drawn area and aspect before falling back to the centre.
const ATTEMPTS: usize = 10;

/// Width and height after the shorter side is resized to `side`; the longer side is rounded down.
pub fn shorter_side_size((width, height): (usize, usize), side: usize) -> (usize, usize) {
    if width <= height {
        (side, side * height / width)
    } else {
        (side * width / height, side)
    }
}

/// First pixel of a centred crop of `crop` pixels out of `size`: (size - crop)/2, an exact half
/// rounded to even.
pub fn center_crop_offset(size: usize, crop: usize) -> usize {
    let margin = size - crop;
    let half = margin / 2;
    if margin % 2 == 1 && half % 2 == 1 {
        half + 1
    } else {
        half
    }
}

/// A uniformly drawn first pixel of a crop of `crop` pixels out of `size`.
pub(super) fn random_offset(size: usize, crop: usize, rng: &mut ChaCha8Rng) -> usize {
    // Drawn as 32 bits, so that the number does not depend on the platform's word.
    let last = u32::try_from(size - crop).unwrap_or(u32::MAX);
    rng.random_range(0..=last) as usize
}

/// The region of a random resized crop: area a uniform share of the image's, logarithm of the
/// aspect uniform, position uniform. After ten drawn regions that do not fit, the largest centred
/// region within the aspect limits.
pub fn random_resized_region(
    (image_width, image_height): (usize, usize),
    area: (f64, f64),
    aspect: (f64, f64),
    rng: &mut ChaCha8Rng,
) -> Region {
    let whole = side(image_width) * side(image_height);
    for _ in 0..ATTEMPTS {
        let target = whole * uniform(rng, area.0, area.1);
        let ratio = uniform(rng, aspect.0.ln(), aspect.1.ln()).exp();
        let (width, height) = (rounded(target * ratio), rounded(target / ratio));
        if (1..=image_width).contains(&width) && (1..=image_height).contains(&height) {
            let top = random_offset(image_height, height, rng);
            let left = random_offset(image_width, width, rng);
            return Region {
                left,
                top,
                width,
                height,
            };
        }
    }
    fallback(image_width, image_height, aspect)
}

fn fallback(image_width: usize, image_height: usize, (narrow, wide): (f64, f64)) -> Region {
    let ratio = side(image_width) / side(image_height);
    let (width, height) = if ratio < narrow {
        (image_width, round(side(image_width) / narrow))
    } else if ratio > wide {
        (round(side(image_height) * wide), image_height)
    } else {
        (image_width, image_height)
    };
    let (width, height) = (width.clamp(1, image_width), height.clamp(1, image_height));
    Region {
        left: (image_width - width) / 2,
        top: (image_height - height) / 2,
        width,
        height,
    }
}

pub(super) fn uniform(rng: &mut ChaCha8Rng, least: f64, greatest: f64) -> f64 {
    least + (greatest - least) * rng.random::<f64>()
}

/// The side whose square is `area`, in whole pixels.
fn rounded(area: f64) -> usize {
    round(area.sqrt())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a side in pixels"
)]
fn round(value: f64) -> usize {
    value.round_ties_even() as usize
}

#[expect(clippy::cast_precision_loss, reason = "image sides are far below 2^52")]
fn side(pixels: usize) -> f64 {
    pixels as f64
}

#[cfg(test)]
mod tests {
    use likewise::random::{Purpose, stream};

    use super::*;

    #[test]
    fn centre_offsets_round_an_exact_half_to_even() {
        let offsets = [
            (224, 0),
            (225, 0),
            (226, 1),
            (227, 2),
            (229, 2),
            (231, 4),
            (341, 58),
        ];
        for (size, offset) in offsets {
            assert_eq!(center_crop_offset(size, 224), offset, "size {size}");
        }
    }

    #[test]
    fn the_longer_side_is_rounded_down() {
        assert_eq!(shorter_side_size((64, 48), 256), (341, 256));
        assert_eq!(shorter_side_size((200, 351), 256), (256, 449));
        assert_eq!(shorter_side_size((40, 1), 256), (10240, 256));
    }

    #[test]
    fn drawn_areas_and_aspects_lie_in_range_and_fill_it() {
        let image = (400, 400);
        let (mut areas, mut aspects) = (Vec::new(), Vec::new());
        for item in 0..4000 {
            let mut rng = stream(3, Purpose::Augmentation, 0, 0, item);
            let region = random_resized_region(image, (0.2, 0.5), (0.75, 4.0 / 3.0), &mut rng);
            assert!(region.left + region.width <= 400 && region.top + region.height <= 400);
            areas.push(side(region.width * region.height) / 160_000.0);
            aspects.push(side(region.width) / side(region.height));
        }
        assert!(areas.iter().all(|area| (0.195..0.505).contains(area)));
        assert!(aspects.iter().all(|aspect| (0.74..1.35).contains(aspect)));
        // Uniform on [0.2, 0.5]: mean 0.35, standard error 0.0014; the logarithm of the aspect is
        // symmetric: mean 0, standard error 0.0026.
        let mean = |values: &[f64]| values.iter().sum::<f64>() / side(values.len());
        assert!((mean(&areas) - 0.35).abs() < 0.006);
        let logarithms: Vec<f64> = aspects.iter().map(|aspect| aspect.ln()).collect();
        assert!(mean(&logarithms).abs() < 0.011);
        // All tenths of the area's range are used about equally (chi-square, 9 degrees: 27.9 at
        // 0.001).
        let mut bins = [0.0f64; 10];
        for area in &areas {
            let bin = (0..10)
                .rev()
                .find(|&bin| *area >= 0.2 + 0.03 * f64::from(bin))
                .unwrap_or(0);
            bins[bin as usize] += 1.0;
        }
        let chi_square: f64 = bins
            .iter()
            .map(|count| (count - 400.0).powi(2) / 400.0)
            .sum();
        assert!(chi_square < 27.9, "{chi_square}: {bins:?}");
    }

    #[test]
    fn an_image_too_long_for_any_crop_gets_the_largest_central_one() {
        let mut rng = stream(0, Purpose::Augmentation, 0, 0, 0);
        let region = random_resized_region((1000, 10), (0.9, 1.0), (0.75, 4.0 / 3.0), &mut rng);
        assert_eq!(
            region,
            Region {
                left: 493,
                top: 0,
                width: 13,
                height: 10
            }
        );
        let region = random_resized_region((10, 1000), (0.9, 1.0), (0.75, 4.0 / 3.0), &mut rng);
        assert_eq!(
            region,
            Region {
                left: 0,
                top: 493,
                width: 10,
                height: 13
            }
        );
    }
}
