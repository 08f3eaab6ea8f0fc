//! Queries, galleries and their order in double precision: what the tests of ranking operations
//! compare with.

use std::cmp::Ordering;

use burn::tensor::{Device, Int, Tensor, TensorData};
use likewise_kernels::Score;

use crate::support::{numbers, tensor};

/// Both scores.
pub const SCORES: [Score; 2] = [Score::SquaredEuclidean, Score::Cosine];

/// Rows of queries and of a gallery on the host.
pub struct Problem {
    pub queries: Vec<f32>,
    pub gallery: Vec<f32>,
    pub components: usize,
    pub score: Score,
}

impl Problem {
    /// Random rows of `shape` queries, gallery rows and components.
    pub fn random(shape: [usize; 3], score: Score, seed: u64) -> Self {
        let [queries, gallery, components] = shape;
        Self {
            queries: numbers(queries * components, seed),
            gallery: numbers(gallery * components, seed + 1),
            components,
            score,
        }
    }

    /// Rows of a few small whole numbers: many scores are the same, and all are exact.
    pub fn whole(shape: [usize; 3], score: Score, seed: u64) -> Self {
        let mut problem = Self::random(shape, score, seed);
        for value in problem.queries.iter_mut().chain(&mut problem.gallery) {
            *value = (*value * 2.0).round();
        }
        problem
    }

    /// [`Problem::whole`] with infinity and what is no number among the values.
    pub fn without_numbers(score: Score) -> Self {
        let mut problem = Self::whole([8, 70, 3], score, 5);
        for row in [0, 20, 69] {
            problem.gallery[row * 3 + 1] = f32::NAN;
        }
        problem.gallery[30 * 3] = f32::INFINITY;
        problem.queries[4] = f32::NAN;
        // Not zero, whose product with infinity is not a number.
        let first = problem.queries.iter_mut().step_by(3);
        first.for_each(|x| *x = -1.0);
        problem
    }

    pub fn query_rows(&self) -> usize {
        self.queries.len() / self.components
    }

    pub fn gallery_rows(&self) -> usize {
        self.gallery.len() / self.components
    }

    /// Queries and gallery on the device.
    pub fn tensors(&self, device: &Device) -> [Tensor<2>; 2] {
        [&self.queries, &self.gallery].map(|rows| {
            let shape = [rows.len() / self.components, self.components];
            tensor(rows, shape, device)
        })
    }

    /// Scores of a query with all gallery rows.
    pub fn scores(&self, query: usize) -> Vec<f64> {
        let query = &self.queries[query * self.components..][..self.components];
        let score = |row: &[f32]| {
            let pairs = query.iter().zip(row).map(|(&q, &g)| [q, g].map(f64::from));
            match self.score {
                Score::SquaredEuclidean => pairs.map(|[q, g]| (q - g).powi(2)).sum(),
                Score::Cosine => -pairs.map(|[q, g]| q * g).sum::<f64>(),
            }
        };
        self.gallery.chunks(self.components).map(score).collect()
    }

    /// Rounding errors of a score, at most.
    pub fn rounding(&self) -> f64 {
        3e-6 * self.components as f64
    }
}

/// The order of rows, given with their scores.
pub fn order(a: (f64, usize), b: (f64, usize)) -> Ordering {
    let scores = a.0.partial_cmp(&b.0);
    let scores = scores.unwrap_or_else(|| a.0.is_nan().cmp(&b.0.is_nan()));
    scores.then(a.1.cmp(&b.1))
}

/// Each query's own row: in turn none, the last and some row.
pub fn own_rows(problem: &Problem) -> Vec<i64> {
    let rows = problem.gallery_rows() as i64;
    let own = |query: usize| match query % 3 {
        0 => -1,
        1 => rows - 1,
        _ => query as i64 * 7 % rows,
    };
    (0..problem.query_rows()).map(own).collect()
}

/// A tensor of whole numbers of the device's type.
pub fn whole<const D: usize>(values: &[i64], shape: [usize; D], device: &Device) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// The same matrix, its columns side by side in memory instead of its rows.
pub fn by_columns(matrix: Tensor<2>) -> Tensor<2> {
    // Adding forces the transposed values into memory.
    (matrix.transpose() + 0.0).transpose()
}
