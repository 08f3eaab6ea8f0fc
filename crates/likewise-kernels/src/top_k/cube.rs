//! The first rows on GPUs: `shaders/score_keys.wgsl` and `shaders/top_k.wgsl`.

use burn::backend::wgpu::{CubeBackend, CubeTensor, into_contiguous};
use burn::tensor::{DType, IntDType};

use super::TopK;
use crate::blocks::{TILE, blocks, cast, float_rows, indices, workable};
use crate::launch::{distinct, empty, launch_into};
use crate::score::Score;
use crate::shaders;

/// Scores that are held at a time: 32 MiB.
const SCORES: usize = 1 << 23;
/// Rows that a list may hold for small k too; narrowing it down further takes longer.
const LIST: usize = 256;

impl TopK for CubeBackend {
    fn first_rows(
        queries: CubeTensor,
        gallery: CubeTensor,
        own: CubeTensor,
        k: usize,
        score: Score,
        dtype: IntDType,
    ) -> (CubeTensor, CubeTensor) {
        let [query_rows, components] = queries.meta.shape().dims();
        let [gallery_rows, _] = gallery.meta.shape().dims();
        let matrices = distinct([queries, gallery].map(into_contiguous).to_vec());
        let (queries, gallery) = (&matrices[0], &matrices[1]);
        let own = indices(own);

        let size = held(gallery_rows)
            .min(workable(gallery_rows, components))
            .min(query_rows);
        let keys = empty(queries, [size, gallery_rows], DType::U32);
        let rows = empty(queries, [query_rows, k], DType::I32);
        let scores = empty(queries, [query_rows, k], DType::F32);
        for block in blocks(query_rows, size) {
            let some = float_rows(queries, block.clone());
            write_keys(some, gallery, score, &keys);
            let sizes = [
                block.len() as u32,
                gallery_rows as u32,
                k as u32,
                k.max(LIST) as u32,
                block.start as u32,
                0,
                0,
                0,
            ];
            let inputs = vec![keys.clone(), own.clone()];
            let workgroups = block.len() as u32;
            launch_into(shaders::TOP_K, workgroups, inputs, &[&rows, &scores], sizes);
        }
        (cast(rows, dtype), scores)
    }
}

/// Queries whose scores are held at a time: whole tiles, if there are many.
fn held(gallery_rows: usize) -> usize {
    let rows = SCORES / gallery_rows;
    if rows < TILE {
        rows.max(1)
    } else {
        rows / TILE * TILE
    }
}

/// Writes the ordered scores of some queries.
fn write_keys(queries: CubeTensor, gallery: &CubeTensor, score: Score, keys: &CubeTensor) {
    let [query_rows, components] = queries.meta.shape().dims();
    let gallery_rows = gallery.meta.shape()[0];
    let sizes = [
        query_rows as u32,
        gallery_rows as u32,
        components as u32,
        score.word(),
    ];
    let tiles = (query_rows.div_ceil(TILE) * gallery_rows.div_ceil(TILE)) as u32;
    launch_into(
        shaders::SCORE_KEYS,
        tiles,
        vec![queries, gallery.clone()],
        &[keys],
        sizes,
    );
}
