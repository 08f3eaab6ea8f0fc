//! The nearest centroid on GPUs: `shaders/assign_nearest.wgsl`.

use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::wgpu::{CubeBackend, CubeTensor, into_contiguous};
use burn::tensor::{DType, IntDType};

use super::AssignNearest;
use crate::blocks::{TILE, blocks, cast, float_rows, workable};
use crate::launch::{distinct, empty, launch_into};
use crate::score::Score;
use crate::shaders;

impl AssignNearest for CubeBackend {
    fn nearest_rows(
        points: CubeTensor,
        centroids: CubeTensor,
        score: Score,
        dtype: IntDType,
    ) -> (CubeTensor, CubeTensor) {
        let [point_rows, components] = points.meta.shape().dims();
        let matrices = distinct([points, centroids].map(into_contiguous).to_vec());
        let size = workable(matrices[1].meta.shape()[0], components);
        let (mut rows, mut scores): (Vec<_>, Vec<_>) = blocks(point_rows, size)
            .map(|block| nearest(float_rows(&matrices[0], block), &matrices[1], score))
            .unzip();
        let (rows, scores) = match rows.len() {
            1 => (rows.remove(0), scores.remove(0)),
            _ => (Self::int_cat(rows, 0), Self::float_cat(scores, 0)),
        };
        (cast(rows, dtype), scores)
    }
}

/// The result for some points.
fn nearest(points: CubeTensor, centroids: &CubeTensor, score: Score) -> (CubeTensor, CubeTensor) {
    let [point_rows, components] = points.meta.shape().dims();
    let rows = empty(&points, [point_rows], DType::I32);
    let scores = empty(&points, [point_rows], DType::F32);
    let sizes = [
        point_rows as u32,
        centroids.meta.shape()[0] as u32,
        components as u32,
        score.word(),
    ];
    let workgroups = point_rows.div_ceil(TILE) as u32;
    let inputs = vec![points, centroids.clone()];
    launch_into(
        shaders::ASSIGN_NEAREST,
        workgroups,
        inputs,
        &[&rows, &scores],
        sizes,
    );
    (rows, scores)
}
