//! Random choices of one column in each row of a matrix, without a read-back: the host draws one
//! uniform number per row, the device finds the column it falls on.

mod cube;
mod flex;
mod operation;
mod sphere;
mod twin;

use burn::backend::Dispatch;
use burn::tensor::{Bool, BoolStore, DType, Int, Tensor};

use crate::flex::has_loops;
use crate::launch::is_wgsl;
use operation::{Choice, Weights};
use sphere::Sphere;

/// For each row of `candidates` `[R, C]`, one of them, all with the same chance: number ⌊u·n⌋ of
/// its n candidates (from 0), for the row's `uniform` number u in [0, 1) `[R]`. Gives column
/// numbers `[R]`, the same on every device; 0 for a row without a candidate.
///
/// # Panics
///
/// If there are not as many uniform numbers as rows.
pub fn choose_uniform(candidates: Tensor<2, Bool>, uniform: Tensor<1>) -> Tensor<1, Int> {
    check("choose_uniform", &candidates, &uniform);
    if candidates.dims().contains(&0) || !has_kernel(&uniform, &candidates) {
        return twin::uniform(candidates.inner(), uniform.inner());
    }
    let dtype = uniform.device().settings().int_dtype;
    Tensor::from_dispatch(Dispatch::row_choice_uniform(
        candidates.inner().into_dispatch(),
        uniform.inner().into_dispatch(),
        dtype,
    ))
}

/// The same as [`choose_uniform`] from Burn's own tensor operations.
///
/// # Panics
///
/// If there are not as many uniform numbers as rows.
pub fn choose_uniform_twin(candidates: Tensor<2, Bool>, uniform: Tensor<1>) -> Tensor<1, Int> {
    check("choose_uniform", &candidates, &uniform);
    twin::uniform(candidates.inner(), uniform.inner())
}

/// For each row of `candidates` `[R, C]`, one of them, with chances proportional to the exponentials
/// of `log_weights` `[R, C]`: the first whose cumulative weight exceeds u times the row's total,
/// for the row's `uniform` number u in [0, 1) `[R]`. Gives column numbers `[R]`, on different
/// devices the same except where u falls within rounding of a boundary between two candidates.
///
/// Never gives another column than a candidate of positive weight, whatever rounding does. A
/// candidate whose log-weight is not a number, or below −1e30, has weight 0, one above 1e30 counts
/// as 1e30; if all have weight 0, they have the same chance. A row without a candidate gives 0.
/// There is no gradient.
///
/// # Panics
///
/// If `log_weights` and `candidates` differ in shape, or there are not as many uniform numbers as
/// rows.
pub fn choose_weighted(
    log_weights: Tensor<2>,
    candidates: Tensor<2, Bool>,
    uniform: Tensor<1>,
) -> Tensor<1, Int> {
    check("choose_weighted", &candidates, &uniform);
    check_shapes("choose_weighted", &log_weights, &candidates);
    weighted(log_weights, candidates, uniform, Weights::Logarithms)
}

/// The same as [`choose_weighted`] from Burn's own tensor operations.
///
/// # Panics
///
/// If `log_weights` and `candidates` differ in shape, or there are not as many uniform numbers as
/// rows.
pub fn choose_weighted_twin(
    log_weights: Tensor<2>,
    candidates: Tensor<2, Bool>,
    uniform: Tensor<1>,
) -> Tensor<1, Int> {
    check("choose_weighted", &candidates, &uniform);
    check_shapes("choose_weighted", &log_weights, &candidates);
    twin::weighted(log_weights.inner(), candidates.inner(), uniform.inner())
}

/// [`choose_weighted`] with the weights of [`sphere_log_weight`]: candidates of all distances have
/// the same chance if rows are spread evenly over the sphere.
///
/// # Panics
///
/// If `squared_distances` and `candidates` differ in shape, or there are not as many uniform
/// numbers as rows.
pub fn choose_on_sphere(
    squared_distances: Tensor<2>,
    candidates: Tensor<2, Bool>,
    uniform: Tensor<1>,
    dimension: usize,
    lower_cutoff: f64,
) -> Tensor<1, Int> {
    check("choose_on_sphere", &candidates, &uniform);
    check_shapes("choose_on_sphere", &squared_distances, &candidates);
    let weights = Weights::Sphere(Sphere::new(dimension, lower_cutoff));
    weighted(squared_distances, candidates, uniform, weights)
}

/// The same as [`choose_on_sphere`] from Burn's own tensor operations.
///
/// # Panics
///
/// If `squared_distances` and `candidates` differ in shape, or there are not as many uniform
/// numbers as rows.
pub fn choose_on_sphere_twin(
    squared_distances: Tensor<2>,
    candidates: Tensor<2, Bool>,
    uniform: Tensor<1>,
    dimension: usize,
    lower_cutoff: f64,
) -> Tensor<1, Int> {
    let log_weights = sphere_log_weight(squared_distances, dimension, lower_cutoff);
    choose_weighted_twin(log_weights, candidates, uniform)
}

fn weighted(
    numbers: Tensor<2>,
    candidates: Tensor<2, Bool>,
    uniform: Tensor<1>,
    weights: Weights,
) -> Tensor<1, Int> {
    let (numbers, candidates, uniform) = (numbers.inner(), candidates.inner(), uniform.inner());
    let runs = has_kernel(&numbers, &candidates) && uniform.dtype() == DType::F32;
    if numbers.dims().contains(&0) || !runs {
        let log_weights = match weights {
            Weights::Logarithms => numbers,
            Weights::Sphere(sphere) => sphere.log_weights(numbers),
        };
        return twin::weighted(log_weights, candidates, uniform);
    }
    let dtype = numbers.device().settings().int_dtype;
    Tensor::from_dispatch(Dispatch::row_choice_weighted(
        numbers.into_dispatch(),
        candidates.into_dispatch(),
        uniform.into_dispatch(),
        weights,
        dtype,
    ))
}

/// Logarithm of the inverse density of distances d between points spread evenly over the unit
/// sphere in `dimension` coordinates, up to a constant: `(2 − D) ln d − (D − 3)/2 · ln(1 − d²/4)`
/// for `squared_distances` d² of any shape. Distances below `lower_cutoff` count as that, those
/// above 2 − 1e-4, or not a number, as 2 − 1e-4 (Wu et al., Sampling Matters in Deep Embedding
/// Learning, 2017). There is no gradient.
pub fn sphere_log_weight<const N: usize>(
    squared_distances: Tensor<N>,
    dimension: usize,
    lower_cutoff: f64,
) -> Tensor<N> {
    Sphere::new(dimension, lower_cutoff).log_weights(squared_distances.inner())
}

/// Whether loops or a shader can run on these.
fn has_kernel<const N: usize>(values: &Tensor<N>, candidates: &Tensor<2, Bool>) -> bool {
    let words = || {
        values.dtype() == DType::F32
            && candidates.dtype() == DType::Bool(BoolStore::U32)
            && u32::try_from(candidates.shape().num_elements()).is_ok()
            && is_wgsl(&candidates.device())
    };
    has_loops(values) || words()
}

fn check(name: &str, candidates: &Tensor<2, Bool>, uniform: &Tensor<1>) {
    assert_eq!(
        candidates.dims()[0],
        uniform.dims()[0],
        "{name}: rows, and uniform numbers"
    );
}

fn check_shapes(name: &str, values: &Tensor<2>, candidates: &Tensor<2, Bool>) {
    assert_eq!(
        values.dims(),
        candidates.dims(),
        "{name}: shapes of the values and of the candidates"
    );
}
