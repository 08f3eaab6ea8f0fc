//! The first rows on the processor: exact search.

use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::IntDType;

use super::TopK;
use crate::flex::{integers, tensor, values, whole_numbers};
use crate::plain_search::{is_finite, order};
use crate::score::Score;
use crate::search::{NOT_IN_GALLERY, Rows, nearest};

impl TopK for Flex {
    fn first_rows(
        queries: FloatTensor<Self>,
        gallery: FloatTensor<Self>,
        own: IntTensor<Self>,
        k: usize,
        score: Score,
        dtype: IntDType,
    ) -> (IntTensor<Self>, FloatTensor<Self>) {
        let [count, dim] = queries.shape().dims();
        let [queries, gallery] = [queries, gallery].map(|matrix| matrix.to_contiguous());
        let own: Vec<u32> = whole_numbers(own)
            .into_iter()
            .map(|row| u32::try_from(row).unwrap_or(NOT_IN_GALLERY))
            .collect();
        let lists = first(values(&queries), values(&gallery), &own, dim, k, score);
        let (mut rows, mut scores) = (vec![-1; count * k], vec![f32::INFINITY; count * k]);
        let lines = rows.chunks_exact_mut(k).zip(scores.chunks_exact_mut(k));
        for ((rows, scores), list) in lines.zip(lists) {
            for ((to_row, to_score), (row, score)) in rows.iter_mut().zip(scores).zip(list) {
                (*to_row, *to_score) = (row as i32, score);
            }
        }
        (
            integers(rows, &[count, k], dtype),
            tensor(scores, &[count, k]),
        )
    }
}

fn first(
    queries: &[f32],
    gallery: &[f32],
    own: &[u32],
    dim: usize,
    k: usize,
    score: Score,
) -> Vec<Vec<(u32, f32)>> {
    if is_finite([queries, gallery]) {
        let all: Vec<u32> = (0..own.len() as u32).collect();
        let (queries, gallery) = (Rows::new(queries, dim), Rows::new(gallery, dim));
        let lists = nearest(queries, gallery, score, Some(own), &all, k);
        let pairs = |list: Vec<crate::search::Neighbour>| {
            list.iter()
                .map(|found| (found.row, found.score as f32))
                .collect()
        };
        return lists.into_iter().map(pairs).collect();
    }
    let queries = queries.chunks_exact(dim).zip(own);
    queries
        .map(|(query, &own)| order(query, gallery, Some(own), score))
        .collect()
}
