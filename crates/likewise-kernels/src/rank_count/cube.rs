//! The ranks on GPUs: `shaders/rank_count*.wgsl`.

use burn::backend::ops::IntTensorOps;
use burn::backend::wgpu::{CubeBackend, CubeTensor, into_contiguous};
use burn::tensor::{DType, IntDType};

use super::RankCount;
use crate::blocks::{TILE, blocks, cast, float_rows, indices, int_rows, workable};
use crate::launch::{distinct, empty, launch_into};
use crate::score::Score;
use crate::shaders;

impl RankCount for CubeBackend {
    fn count_before(
        queries: CubeTensor,
        gallery: CubeTensor,
        positives: CubeTensor,
        own: CubeTensor,
        score: Score,
        dtype: IntDType,
    ) -> CubeTensor {
        let [query_rows, components] = queries.meta.shape().dims();
        let [gallery_rows, _] = gallery.meta.shape().dims();
        let matrices = distinct([queries, gallery].map(into_contiguous).to_vec());
        let [positives, own] = [positives, own].map(indices);
        let size = workable(gallery_rows, components);
        let counts = blocks(query_rows, size).map(|rows| {
            let block = Block {
                queries: float_rows(&matrices[0], rows.clone()),
                gallery: &matrices[1],
                positives: int_rows(&positives, rows.clone()),
                own: int_rows(&own, rows),
                score,
            };
            block.counts()
        });
        let mut counts: Vec<CubeTensor> = counts.collect();
        let counts = match counts.len() {
            1 => counts.remove(0),
            _ => Self::int_cat(counts, 0),
        };
        cast(counts, dtype)
    }
}

/// Some queries, and the whole gallery.
struct Block<'a> {
    queries: CubeTensor,
    gallery: &'a CubeTensor,
    positives: CubeTensor,
    own: CubeTensor,
    score: Score,
}

impl Block<'_> {
    fn counts(self) -> CubeTensor {
        let [query_rows, components] = self.queries.meta.shape().dims();
        let (gallery_rows, slots) = (self.gallery.meta.shape()[0], self.positives.meta.shape()[1]);
        let keys = empty(&self.queries, [query_rows, slots], DType::U32);
        let counts = empty(&self.queries, [query_rows, slots], DType::I32);
        let [a, b, c, d] = [query_rows, gallery_rows, components, slots].map(|size| size as u32);
        let sizes = [a, b, c, d, self.score.word(), 0, 0, 0];

        let mut inputs = vec![self.queries, self.gallery.clone(), self.positives];
        let workgroups = (query_rows * slots).div_ceil(256) as u32;
        launch_into(
            shaders::RANK_COUNT_POSITIVES,
            workgroups,
            inputs.clone(),
            &[&keys, &counts],
            sizes,
        );
        inputs.extend([self.own, keys]);
        let tiles = (query_rows.div_ceil(TILE) * gallery_rows.div_ceil(TILE)) as u32;
        launch_into(shaders::RANK_COUNT, tiles, inputs, &[&counts], sizes);
        counts
    }
}
