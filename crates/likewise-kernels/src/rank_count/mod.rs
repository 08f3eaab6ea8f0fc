//! The ranks of positives in the order of the whole gallery without that order: what exact
//! retrieval metrics need, in no more memory than the result takes.

mod cube;
mod flex;
mod twin;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
#[cfg(not(target_family = "wasm"))]
use burn::tensor::DType;
use burn::tensor::{Int, IntDType, Tensor};

use crate::flex::has_loops;
use crate::launch::accepts_matrices;
use crate::score::{Score, with_components};

/// For each of the `positives` `[Q, P]` of the `queries` `[Q, D]`, the number of rows of the
/// `gallery` `[G, D]` that come before it: those of a smaller score, or of the same score and a
/// lower row number. `[Q, P]`.
///
/// `positives` are gallery rows, in any order; those below 0 (or not below G) are padding and give
/// 0. `own` `[Q]` is the gallery row of each query itself, which is not counted; −1 if it is not in
/// the gallery. A score that is not a number comes last. Equal rows have equal scores. There is no
/// gradient.
///
/// # Panics
///
/// If the rows of queries and gallery differ in length, or `queries`, `positives` and `own` in their
/// number.
pub fn rank_count(
    queries: Tensor<2>,
    gallery: Tensor<2>,
    positives: Tensor<2, Int>,
    own: Tensor<1, Int>,
    score: Score,
) -> Tensor<2, Int> {
    check(&queries, &gallery, &positives, &own);
    let (queries, gallery) = (queries.inner(), gallery.inner());
    let (positives, own) = (positives.inner(), own.inner());
    let (queries, gallery) = (with_components(queries), with_components(gallery));
    if positives.dims().contains(&0) || gallery.dims()[0] == 0 {
        return positives.zeros_like();
    }
    let elements = positives.shape().num_elements();
    if !has_loops(&queries) && !accepts_matrices(&[&queries, &gallery], elements) {
        return twin::rank_count(queries, gallery, positives, own, score);
    }
    let dtype = queries.device().settings().int_dtype;
    Tensor::from_dispatch(Dispatch::count_before(
        queries.into_dispatch(),
        gallery.into_dispatch(),
        positives.into_dispatch(),
        own.into_dispatch(),
        score,
        dtype,
    ))
}

/// The same as [`rank_count`] from Burn's own tensor operations: the reference that the kernels are
/// tested against.
///
/// # Panics
///
/// If the rows of queries and gallery differ in length, or `queries`, `positives` and `own` in their
/// number.
pub fn rank_count_twin(
    queries: Tensor<2>,
    gallery: Tensor<2>,
    positives: Tensor<2, Int>,
    own: Tensor<1, Int>,
    score: Score,
) -> Tensor<2, Int> {
    check(&queries, &gallery, &positives, &own);
    let (queries, gallery) = (queries.inner(), gallery.inner());
    let (positives, own) = (positives.inner(), own.inner());
    let (queries, gallery) = (with_components(queries), with_components(gallery));
    if positives.dims().contains(&0) || gallery.dims()[0] == 0 {
        return positives.zeros_like();
    }
    twin::rank_count(queries, gallery, positives, own, score)
}

fn check(
    queries: &Tensor<2>,
    gallery: &Tensor<2>,
    positives: &Tensor<2, Int>,
    own: &Tensor<1, Int>,
) {
    let [rows, components] = queries.dims();
    assert_eq!(
        components,
        gallery.dims()[1],
        "rank_count: rows of queries and gallery differ in length"
    );
    assert_eq!(
        [rows, rows],
        [positives.dims()[0], own.dims()[0]],
        "rank_count: one row of positives and one own row are needed for each query"
    );
}

/// The operation for each backend that has a form of its own. Nothing is empty.
#[backend_extension(Cube, Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait RankCount: Backend {
    /// `[Q, P]`, of type `dtype`, for `queries` `[Q, D]`, `gallery` `[G, D]`, `positives` `[Q, P]`
    /// and `own` `[Q]`.
    #[fusion(dtype = DType::from(*dtype), shape = positives)]
    fn count_before(
        queries: FloatTensor<Self>,
        gallery: FloatTensor<Self>,
        positives: IntTensor<Self>,
        own: IntTensor<Self>,
        score: Score,
        dtype: IntDType,
    ) -> IntTensor<Self>;
}
