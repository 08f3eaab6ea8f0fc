//! What makes a gallery row near to a query, and the scores of all pairs from tensor operations.

use std::ops::Range;

use burn::tensor::{Int, Tensor, TensorData};

use crate::blocks::blocks;

/// Elements of a tensor in the twins, at most: 16 MiB.
const ELEMENTS: usize = 1 << 22;

/// The number that the nearest row has the smallest of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// ‖q − g‖², from differences.
    SquaredEuclidean,
    /// −⟨q, g⟩, for rows that the caller has normalized.
    Cosine,
}

impl Score {
    /// What the shaders call it.
    pub(crate) fn word(self) -> u32 {
        match self {
            Self::SquaredEuclidean => 0,
            Self::Cosine => 1,
        }
    }

    /// Scores `[Q, G]` of all pairs of a query `[Q, D]` and a gallery row `[G, D]`, from tensor
    /// operations. Nothing is empty.
    fn matrix(self, queries: &Tensor<2>, gallery: &Tensor<2>) -> Tensor<2> {
        let ([query_rows, components], [gallery_rows, _]) = (queries.dims(), gallery.dims());
        let width = (ELEMENTS / components).clamp(1, gallery_rows);
        let height = (ELEMENTS / (components * width)).max(1);
        let rows = blocks(query_rows, height).map(|rows| {
            let queries = queries.clone().slice([rows]);
            let columns = blocks(gallery_rows, width)
                .map(|columns| self.block(queries.clone(), gallery.clone().slice([columns])));
            Tensor::cat(columns.collect(), 1)
        });
        Tensor::cat(rows.collect(), 0)
    }

    fn block(self, queries: Tensor<2>, gallery: Tensor<2>) -> Tensor<2> {
        let queries = queries.unsqueeze_dim::<3>(1);
        let gallery = gallery.unsqueeze_dim::<3>(0);
        match self {
            Self::SquaredEuclidean => {
                let difference = queries - gallery;
                (difference.clone() * difference).sum_dim(2).squeeze_dim(2)
            }
            Self::Cosine => (queries * gallery).sum_dim(2).squeeze_dim(2).neg(),
        }
    }
}

/// The order of all gallery rows for some queries: smaller scores first, smaller ties first among
/// the same scores. Nothing is empty.
#[derive(Debug)]
pub struct Order {
    /// The scores `[Q, G]`.
    pub raw: Tensor<2>,
    /// The scores with +∞ for what is not a number, `[Q, G]`.
    pub scores: Tensor<2>,
    /// Row numbers, plus the number of rows for what is not a number, `[Q, G]`.
    pub ties: Tensor<2, Int>,
}

impl Order {
    /// Calls `f` with the order for some queries after another, and their numbers: it returns
    /// what belongs to them.
    pub fn for_blocks<T>(
        queries: &Tensor<2>,
        gallery: &Tensor<2>,
        score: Score,
        mut f: impl FnMut(Self, Range<usize>) -> T,
    ) -> Vec<T> {
        let (query_rows, gallery_rows) = (queries.dims()[0], gallery.dims()[0]);
        blocks(query_rows, (ELEMENTS / gallery_rows).max(1))
            .map(|rows| {
                let queries = queries.clone().slice([rows.clone()]);
                f(Self::new(score.matrix(&queries, gallery)), rows)
            })
            .collect()
    }

    fn new(raw: Tensor<2>) -> Self {
        let gallery_rows = raw.dims()[1];
        let no_number = raw.clone().is_nan();
        let rows = row_numbers(raw.dims(), &raw);
        Self {
            scores: raw.clone().mask_fill(no_number.clone(), f32::INFINITY),
            ties: rows + no_number.int() * gallery_rows as i64,
            raw,
        }
    }
}

/// The number of its column in each entry.
pub fn row_numbers(shape: [usize; 2], like: &Tensor<2>) -> Tensor<2, Int> {
    Tensor::<1, Int>::arange(0..shape[1] as i64, &like.device())
        .unsqueeze_dim::<2>(0)
        .expand(shape)
}

/// The same rows if they have components; otherwise rows of one zero, which have the same scores.
pub fn with_components(rows: Tensor<2>) -> Tensor<2> {
    let [count, components] = rows.dims();
    if components == 0 {
        // Not `Tensor::zeros`: beside empty tensors those of Burn 0.22.1 were undefined on GPUs.
        Tensor::from_data(TensorData::zeros::<f32, _>([count, 1]), &rows.device())
    } else {
        rows
    }
}
