//! The one matrix that miners and ranking objectives are functions of: every anchor of a batch
//! against every reference. References are the batch itself, followed by remembered embeddings
//! where there is a memory.

use std::cell::OnceCell;

use burn::tensor::{Int, Tensor};

use crate::model::l2_normalize;

/// Pairs per row of the matrix up to which single distances are computed from the rows behind
/// them instead of being picked from the matrix: beyond, the rows would take more memory.
const SINGLE_PAIRS: usize = 8;

/// Pairwise quantities of anchors `[R, D]` and references `[C, D]`, each computed once, when first
/// asked for, with its gradient. Anchor r and reference r are the same embedding.
#[derive(Debug)]
pub struct Pairwise {
    anchors: Tensor<2>,
    references: Tensor<2>,
    squared_distance: OnceCell<Tensor<2>>,
    distance: OnceCell<Tensor<2>>,
    similarity: OnceCell<Tensor<2>>,
    unit: OnceCell<Box<Pairwise>>,
}

impl Pairwise {
    /// Each of the rows of `embeddings` `[B, D]` with each: R = C = B.
    pub fn new(embeddings: Tensor<2>) -> Self {
        Self::between(embeddings.clone(), embeddings)
    }

    /// Each of `embeddings` `[B, D]` with each of them and of `memory` `[M, D]`, which gets no
    /// gradient: R = B, C = B + M.
    pub fn with_memory(embeddings: Tensor<2>, memory: Tensor<2>) -> Self {
        let memory = if embeddings.is_autodiff() {
            Tensor::from_inner(memory)
        } else {
            memory
        };
        let references = Tensor::cat(vec![embeddings.clone(), memory], 0);
        Self::between(embeddings, references)
    }

    fn between(anchors: Tensor<2>, references: Tensor<2>) -> Self {
        Self {
            anchors,
            references,
            squared_distance: OnceCell::new(),
            distance: OnceCell::new(),
            similarity: OnceCell::new(),
            unit: OnceCell::new(),
        }
    }

    /// R and C.
    pub fn dims(&self) -> [usize; 2] {
        [self.anchors.dims()[0], self.references.dims()[0]]
    }

    /// D.
    pub fn dimension(&self) -> usize {
        self.anchors.dims()[1]
    }

    /// The embeddings of the batch, `[R, D]`.
    pub fn anchors(&self) -> Tensor<2> {
        self.anchors.clone()
    }

    /// What anchors are compared with, `[C, D]`.
    pub fn references(&self) -> Tensor<2> {
        self.references.clone()
    }

    /// The same for embeddings scaled to length 1. Zero rows stay zero, with a finite gradient.
    pub fn unit(&self) -> &Self {
        self.unit.get_or_init(|| {
            let [rows, columns] = self.dims();
            let references = l2_normalize(self.references());
            let anchors = if rows == columns {
                references.clone()
            } else {
                references.clone().narrow(0, 0, rows)
            };
            Box::new(Self::between(anchors, references))
        })
    }

    /// ‖a_r − x_c‖², `[R, C]`, computed from differences: exactly 0 for coincident rows.
    pub fn squared_distance(&self) -> Tensor<2> {
        self.squared_distance
            .get_or_init(|| {
                likewise_kernels::pairwise_squared_distance(self.anchors(), self.references())
            })
            .clone()
    }

    /// ‖a_r − x_c‖, `[R, C]`. The gradient at coincident rows is zero.
    pub fn distance(&self) -> Tensor<2> {
        self.distance
            .get_or_init(|| root(self.squared_distance()))
            .clone()
    }

    /// ‖a_r − x_c‖² as plain values without gradient, `[R, C]`, for decisions such as mining.
    pub fn squared_distance_values(&self) -> Tensor<2> {
        self.squared_distance().inner()
    }

    /// ‖a_r − x_c‖ as plain values without gradient, `[R, C]`.
    pub fn distance_values(&self) -> Tensor<2> {
        self.squared_distance_values().sqrt()
    }

    /// ‖a − x‖² of the pairs (anchor `rows[t]`, reference `columns[t]`), `[T]`, with gradient.
    /// Indices may repeat.
    pub fn squared_distances(&self, rows: &Tensor<1, Int>, columns: &Tensor<1, Int>) -> Tensor<1> {
        let [pairs] = rows.dims();
        if pairs > SINGLE_PAIRS * self.dims()[0] {
            return entries(self.squared_distance(), rows, columns);
        }
        let difference =
            self.anchors().select(0, rows.clone()) - self.references().select(0, columns.clone());
        difference.square().sum_dim(1).squeeze_dim(1)
    }

    /// a_r · x_c, `[R, C]`.
    pub fn similarity(&self) -> Tensor<2> {
        self.similarity
            .get_or_init(|| match self.dims() {
                [rows, columns] if rows == columns => likewise_kernels::gram(self.anchors()),
                _ => self.anchors().matmul(self.references().transpose()),
            })
            .clone()
    }

    /// a · x of the pairs (anchor `rows[t]`, reference `columns[t]`), `[T]`, with gradient. Indices
    /// may repeat.
    pub fn similarities(&self, rows: &Tensor<1, Int>, columns: &Tensor<1, Int>) -> Tensor<1> {
        let [pairs] = rows.dims();
        if pairs > SINGLE_PAIRS * self.dims()[0] {
            return entries(self.similarity(), rows, columns);
        }
        let product =
            self.anchors().select(0, rows.clone()) * self.references().select(0, columns.clone());
        product.sum_dim(1).squeeze_dim(1)
    }

    /// a_r · x of each anchor r and its reference `columns[r]`, `[R, 1]`, with gradient.
    pub fn row_similarity(&self, columns: &Tensor<1, Int>) -> Tensor<2> {
        (self.anchors() * self.references().select(0, columns.clone())).sum_dim(1)
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
