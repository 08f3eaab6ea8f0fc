//! The ranks on GPUs: `shaders/rank_count*.wgsl`.

use burn::backend::ops::IntTensorOps;
use burn::backend::wgpu::{CubeBackend, CubeTensor, into_contiguous};
use burn::tensor::{DType, IntDType};

use super::RankCount;
use crate::blocks::{TILE, bindable, blocks, cast, float_rows, indices, int_rows, workable};
use crate::launch::{Shader, distinct, empty, launch_into};
use crate::score::Score;

const POSITIVES: Shader = Shader {
    name: "rank_count_positives",
    source: include_str!("../../../../shaders/rank_count_positives.wgsl"),
    workgroup: [256, 1],
};

const COUNT: Shader = Shader {
    name: "rank_count",
    source: include_str!("../../../../shaders/rank_count.wgsl"),
    workgroup: [16, 16],
};

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
        let slots = positives.meta.shape()[1];
        let part = bindable(components).min(gallery_rows);
        let size = bindable(components.max(slots)).min(workable(part, components));
        let counts = blocks(query_rows, size).map(|rows| {
            let block = Block {
                queries: float_rows(&matrices[0], rows.clone()),
                gallery: &matrices[1],
                positives: int_rows(&positives, rows.clone()),
                own: int_rows(&own, rows),
                score,
            };
            block.counts(part)
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
    /// Counts of the gallery taken in parts of `part` rows.
    fn counts(self, part: usize) -> CubeTensor {
        let [query_rows, components] = self.queries.meta.shape().dims();
        let slots = self.positives.meta.shape()[1];
        let keys = empty(&self.queries, [query_rows, slots], DType::U32);
        let counts = empty(&self.queries, [query_rows, slots], DType::I32);

        let parts = || {
            blocks(self.gallery.meta.shape()[0], part).map(|rows| {
                let words = [query_rows, rows.len(), components, slots, rows.start];
                let [a, b, c, d, e] = words.map(|word| word as u32);
                let sizes = [a, b, c, d, e, self.score.word(), 0, 0];
                (float_rows(self.gallery, rows), sizes)
            })
        };
        // The scores of all positives have to be known before the first row is counted.
        for (gallery, sizes) in parts() {
            let workgroups = (query_rows * slots).div_ceil(256) as u32;
            let inputs = vec![self.queries.clone(), gallery, self.positives.clone()];
            launch_into(POSITIVES, workgroups, inputs, &[&keys, &counts], sizes);
        }
        for (gallery, sizes) in parts() {
            let rows = gallery.meta.shape()[0];
            let tiles = (query_rows.div_ceil(TILE) * rows.div_ceil(TILE)) as u32;
            let (queries, positives) = (self.queries.clone(), self.positives.clone());
            let inputs = vec![queries, gallery, positives, self.own.clone(), keys.clone()];
            launch_into(COUNT, tiles, inputs, &[&counts], sizes);
        }
        counts
    }
}
