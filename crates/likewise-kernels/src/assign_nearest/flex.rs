//! The nearest centroids on the processor: exact search.

use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::IntDType;

use super::AssignNearest;
use crate::flex::{integers, tensor, values};
use crate::plain_search::{is_finite, order};
use crate::score::Score;
use crate::search::{Nearest, Points, Rows};

impl AssignNearest for Flex {
    fn nearest_rows(
        points: FloatTensor<Self>,
        centroids: FloatTensor<Self>,
        score: Score,
        dtype: IntDType,
    ) -> (IntTensor<Self>, FloatTensor<Self>) {
        let [rows, dim] = points.shape().dims();
        let [points, centroids] = [points, centroids].map(|matrix| matrix.to_contiguous());
        let found = assign(values(&points), values(&centroids), dim, score);
        let numbers = found
            .iter()
            .map(|nearest| nearest.centroid as i32)
            .collect();
        let scores = found.iter().map(|nearest| nearest.score as f32).collect();
        (integers(numbers, &[rows], dtype), tensor(scores, &[rows]))
    }
}

fn assign(points: &[f32], centroids: &[f32], dim: usize, score: Score) -> Vec<Nearest> {
    if is_finite([points, centroids]) {
        let rows = Rows::new(points, dim);
        let all: Vec<u32> = (0..rows.len() as u32).collect();
        let numbers: Vec<u32> = (0..(centroids.len() / dim) as u32).collect();
        let unknown = vec![Nearest::NONE; rows.len()];
        let points = Points::new(rows, score);
        return points.assign(&all, Rows::new(centroids, dim), &numbers, &unknown);
    }
    let nearest = |point: &[f32]| {
        let (centroid, score) = order(point, centroids, None, score)[0];
        Nearest {
            centroid,
            score: score.into(),
        }
    };
    points.chunks_exact(dim).map(nearest).collect()
}
