//! The density of distances on the unit sphere.
//!
//! Everything is computed from the squared distance s: 1 − s/4 is then rounded only once, so that
//! nothing is lost near opposite points, where it decides.

use burn::tensor::Tensor;

/// The density is not defined beyond two opposite points; distances are clamped to 2 − this.
const ANTIPODE_GAP: f64 = 1e-4;

/// `slope · ln s + bend · ln(1 − s/4)` for s clamped to where it is finite.
#[derive(Clone, Copy, Debug)]
pub struct Sphere {
    /// Factor of ln s.
    pub slope: f32,
    /// Factor of ln(1 − s/4).
    pub bend: f32,
    /// Smallest and largest s.
    pub range: [f32; 2],
    /// 1 − s/4 for the largest s.
    pub lowest: f32,
}

impl Sphere {
    /// The inverse density in `dimension` coordinates, with distances below `lower_cutoff` counting
    /// as that.
    pub fn new(dimension: usize, lower_cutoff: f64) -> Self {
        let dimension = dimension as f64;
        let highest = 2.0 - ANTIPODE_GAP;
        Self {
            slope: (0.5 * (2.0 - dimension)) as f32,
            bend: (-0.5 * (dimension - 3.0)) as f32,
            range: [
                (lower_cutoff * lower_cutoff) as f32,
                (highest * highest) as f32,
            ],
            // (2 − d)(2 + d)/4.
            lowest: (0.25 * ANTIPODE_GAP * (2.0 + highest)) as f32,
        }
    }

    /// The log-weights as tensor operations.
    pub fn log_weights<const N: usize>(&self, squared: Tensor<N>) -> Tensor<N> {
        // A comparison, unlike a minimum, sends what is not a number to the clamp on every device.
        let inside = squared.clone().lower_elem(4.0);
        let squared = squared
            .mask_fill(inside.bool_not(), 4.0)
            .clamp_min(self.range[0]);
        let rest = squared
            .clone()
            .mul_scalar(-0.25)
            .add_scalar(1.0)
            .clamp_min(self.lowest);
        squared
            .clamp_max(self.range[1])
            .log()
            .mul_scalar(self.slope)
            + rest.log().mul_scalar(self.bend)
    }
}
