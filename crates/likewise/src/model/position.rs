//! Position embeddings for another number of patches: bicubic interpolation as PyTorch has it
//! (half-pixel centres, a = −0.75, border repeated), without smoothing.

/// Parameter of the cubic convolution.
const A: f64 = -0.75;

/// Weights `[new rows · new columns, old rows · old columns]`, row-major, that interpolate values on a
/// grid.
pub(super) fn resampling(old: [usize; 2], new: [usize; 2]) -> Vec<f32> {
    let [rows, columns] = [axis(old[0], new[0]), axis(old[1], new[1])];
    let mut weights = Vec::with_capacity(new[0] * new[1] * old[0] * old[1]);
    for row in &rows {
        for column in &columns {
            for &vertical in row {
                weights.extend(
                    column
                        .iter()
                        .map(|horizontal| (vertical * horizontal) as f32),
                );
            }
        }
    }
    weights
}

/// For each new place its weights of the old ones.
fn axis(old: usize, new: usize) -> Vec<Vec<f64>> {
    let scale = old as f64 / new as f64;
    let place = |index: usize| {
        let mut weights = vec![0.0; old];
        let at = (index as f64 + 0.5) * scale - 0.5;
        let base = at.floor();
        for tap in -1..=2 {
            let source = base + f64::from(tap);
            let nearest = source.clamp(0.0, old as f64 - 1.0) as usize;
            weights[nearest] += cubic((at - source).abs());
        }
        weights
    };
    (0..new).map(place).collect()
}

fn cubic(distance: f64) -> f64 {
    let x = distance;
    if x <= 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_to_one_and_the_same_size_changes_nothing() {
        for (old, new) in [(14, 7), (3, 5), (1, 4), (14, 6)] {
            let weights = resampling([old, 2], [new, 2]);
            for row in weights.chunks_exact(2 * old) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            }
        }
        let same = resampling([3, 3], [3, 3]);
        for (index, weight) in same.iter().enumerate() {
            let expected = if index / 9 == index % 9 { 1.0 } else { 0.0 };
            assert!((weight - expected).abs() < 1e-7);
        }
    }

    /// `torch.nn.functional.interpolate(torch.tensor([[[[0., 1., 4.]]]]), size=(1, 5), mode="bicubic")`.
    #[test]
    fn values_are_those_of_pytorch() {
        let weights = resampling([1, 3], [1, 5]);
        let values: Vec<f32> = weights
            .chunks_exact(3)
            .map(|row| row[1] + 4.0 * row[2])
            .collect();
        let expected = [-0.0960, 0.1720, 1.0, 2.9080, 4.2880];
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-5, "{values:?}");
        }
    }
}
