//! The one B×B matrix that miners and ranking objectives are functions of.

use std::cell::OnceCell;

use burn::tensor::{Int, Tensor};

/// Pairwise quantities of the embeddings `[B, D]` of a batch, each computed once, when first
/// asked for, with its gradient.
#[derive(Debug)]
pub struct Pairwise {
    embeddings: Tensor<2>,
    squared_distance: OnceCell<Tensor<2>>,
    distance: OnceCell<Tensor<2>>,
    similarity: OnceCell<Tensor<2>>,
}

impl Pairwise {
    /// Pairwise quantities of the rows of `embeddings` `[B, D]`.
    pub fn new(embeddings: Tensor<2>) -> Self {
        Self {
            embeddings,
            squared_distance: OnceCell::new(),
            distance: OnceCell::new(),
            similarity: OnceCell::new(),
        }
    }

    /// The rows themselves, `[B, D]`.
    pub fn embeddings(&self) -> Tensor<2> {
        self.embeddings.clone()
    }

    /// ‖x_i − x_j‖², `[B, B]`, computed from differences: exactly 0 for coincident rows.
    pub fn squared_distance(&self) -> Tensor<2> {
        self.squared_distance
            .get_or_init(|| {
                likewise_kernels::pairwise_squared_distance(
                    self.embeddings.clone(),
                    self.embeddings.clone(),
                )
            })
            .clone()
    }

    /// ‖x_i − x_j‖, `[B, B]`. The gradient at coincident rows is zero.
    pub fn distance(&self) -> Tensor<2> {
        self.distance
            .get_or_init(|| root(self.squared_distance()))
            .clone()
    }

    /// ‖x_i − x_j‖ as plain values without gradient, `[B, B]`, for decisions such as mining.
    pub fn distance_values(&self) -> Tensor<2> {
        self.squared_distance().inner().sqrt()
    }

    /// ‖x_i − x_j‖² of the pairs (`rows[t]`, `columns[t]`), `[T]`, with gradient. Indices may
    /// repeat.
    pub fn squared_distances(&self, rows: &Tensor<1, Int>, columns: &Tensor<1, Int>) -> Tensor<1> {
        entries(self.squared_distance(), rows, columns)
    }

    /// x_i · x_j, `[B, B]`.
    pub fn similarity(&self) -> Tensor<2> {
        self.similarity
            .get_or_init(|| {
                self.embeddings
                    .clone()
                    .matmul(self.embeddings.clone().transpose())
            })
            .clone()
    }
}

/// Elements (`rows[t]`, `columns[t]`) of `matrix` `[R, C]`: `[T]`. Indices may repeat; their
/// gradients add up.
pub fn entries(matrix: Tensor<2>, rows: &Tensor<1, Int>, columns: &Tensor<1, Int>) -> Tensor<1> {
    let [height, width] = matrix.dims();
    let index = rows.clone().mul_scalar(width as i64) + columns.clone();
    matrix.reshape([height * width]).select(0, index)
}

/// Square root of a non-negative tensor whose derivative at zero is zero instead of infinite.
pub fn root<const D: usize>(squared: Tensor<D>) -> Tensor<D> {
    let zero = squared.clone().lower_equal_elem(0.0);
    squared
        .mask_fill(zero.clone(), 1.0)
        .sqrt()
        .mask_fill(zero, 0.0)
}
