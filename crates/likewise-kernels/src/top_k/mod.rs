//! The nearest gallery rows of each query, in order: what neighbour lists, Recall@k and mining across
//! a gallery are made of.

mod cube;
mod flex;
mod twin;

#[cfg(not(target_family = "wasm"))]
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
#[cfg(not(target_family = "wasm"))]
use burn::tensor::{DType, Shape};
use burn::tensor::{Int, IntDType, Tensor};

use crate::flex::has_loops;
use crate::launch::accepts_matrices;
use crate::score::{Score, with_components};

/// Rows that [`top_k`] finds for a query at most.
pub const LARGEST_K: usize = 1024;
/// Gallery rows of which the scores for one query fit a buffer that every device can bind.
const GALLERY: usize = 1 << 25;

/// The `k` rows of the `gallery` `[G, D]` that come first for each of the `queries` `[Q, D]`, in
/// order, and their scores: `[Q, k]` each. Smaller scores come first, lower row numbers among equal
/// scores; equal rows have equal scores, and a score that is not a number comes last.
///
/// `own` `[Q]` is the gallery row of each query itself, which is left out; −1 if it is not in the
/// gallery. Where no rows are left the row is −1 and the score +∞. There is no gradient.
///
/// # Panics
///
/// If `k` is not in 1..=[`LARGEST_K`], the gallery has more than 2^25 rows, the rows of queries and
/// gallery differ in length, or `queries` and `own` in their number.
pub fn top_k(
    queries: Tensor<2>,
    gallery: Tensor<2>,
    own: Tensor<1, Int>,
    k: usize,
    score: Score,
) -> (Tensor<2, Int>, Tensor<2>) {
    check(&queries, &gallery, &own, k);
    let (queries, gallery, own) = (queries.inner(), gallery.inner(), own.inner());
    let (queries, gallery) = (with_components(queries), with_components(gallery));
    if queries.dims()[0] == 0 || gallery.dims()[0] == 0 {
        return nothing(&queries, k);
    }
    let elements = queries.dims()[0] * k;
    if !has_loops(&queries) && !accepts_matrices(&[&queries, &gallery], elements) {
        return twin::top_k(queries, gallery, own, k, score);
    }
    let dtype = queries.device().settings().int_dtype;
    let (rows, scores) = Dispatch::first_rows(
        queries.into_dispatch(),
        gallery.into_dispatch(),
        own.into_dispatch(),
        k,
        score,
        dtype,
    );
    (Tensor::from_dispatch(rows), Tensor::from_dispatch(scores))
}

/// The same as [`top_k`] from Burn's own tensor operations: the reference that the kernels are tested
/// against.
///
/// # Panics
///
/// As [`top_k`].
pub fn top_k_twin(
    queries: Tensor<2>,
    gallery: Tensor<2>,
    own: Tensor<1, Int>,
    k: usize,
    score: Score,
) -> (Tensor<2, Int>, Tensor<2>) {
    check(&queries, &gallery, &own, k);
    let (queries, gallery, own) = (queries.inner(), gallery.inner(), own.inner());
    let (queries, gallery) = (with_components(queries), with_components(gallery));
    if queries.dims()[0] == 0 || gallery.dims()[0] == 0 {
        return nothing(&queries, k);
    }
    twin::top_k(queries, gallery, own, k, score)
}

fn nothing(queries: &Tensor<2>, k: usize) -> (Tensor<2, Int>, Tensor<2>) {
    let (shape, device) = ([queries.dims()[0], k], queries.device());
    let scores = Tensor::full(shape, f32::INFINITY, &device);
    (Tensor::full(shape, -1, &device), scores)
}

fn check(queries: &Tensor<2>, gallery: &Tensor<2>, own: &Tensor<1, Int>, k: usize) {
    let ([rows, components], [gallery_rows, width]) = (queries.dims(), gallery.dims());
    assert!(
        (1..=LARGEST_K).contains(&k),
        "top_k: k must be between 1 and {LARGEST_K}, not {k}"
    );
    assert!(
        gallery_rows <= GALLERY,
        "top_k: the gallery may have {GALLERY} rows, not {gallery_rows}: search it in parts"
    );
    assert_eq!(
        components, width,
        "top_k: rows of queries and gallery differ in length"
    );
    assert_eq!(
        rows,
        own.dims()[0],
        "top_k: one own row is needed for each query"
    );
}

/// The operation for each backend that has a form of its own. Nothing is empty.
#[backend_extension(Cube, Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait TopK: Backend {
    /// Rows, of type `dtype`, and scores, both `[Q, k]`, for `queries` `[Q, D]`, `gallery` `[G, D]`
    /// and `own` `[Q]`.
    #[fusion(meta = outputs)]
    fn first_rows(
        queries: FloatTensor<Self>,
        gallery: FloatTensor<Self>,
        own: IntTensor<Self>,
        k: usize,
        score: Score,
        dtype: IntDType,
    ) -> (IntTensor<Self>, FloatTensor<Self>);
}

#[cfg(not(target_family = "wasm"))]
fn outputs(
    queries: &TensorSpec,
    _gallery: &TensorSpec,
    _own: &TensorSpec,
    k: &usize,
    _score: &Score,
    dtype: &IntDType,
) -> (TensorSpec, TensorSpec) {
    let shape = Shape::new([queries.shape[0], *k]);
    let rows = TensorSpec::new(shape.clone(), DType::from(*dtype));
    (rows, TensorSpec::new(shape, queries.dtype))
}
