//! The ranks on the processor: exact search.

use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::IntDType;

use super::RankCount;
use crate::flex::{integers, values, whole_numbers};
use crate::plain_search::{is_finite, order};
use crate::score::Score;
use crate::search::{NOT_IN_GALLERY, Ranking, Rows};

impl RankCount for Flex {
    fn count_before(
        queries: FloatTensor<Self>,
        gallery: FloatTensor<Self>,
        positives: IntTensor<Self>,
        own: IntTensor<Self>,
        score: Score,
        dtype: IntDType,
    ) -> IntTensor<Self> {
        let ([_, dim], [rows, _]) = (queries.shape().dims(), gallery.shape().dims());
        let [count, slots] = positives.shape().dims();
        let [queries, gallery] = [queries, gallery].map(|matrix| matrix.to_contiguous());
        // What is not a row of the gallery is padding.
        let numbers = |tensor| -> Vec<u32> {
            let numbers = whole_numbers(tensor).into_iter();
            let row = |number: i64| {
                u32::try_from(number)
                    .ok()
                    .filter(|&row| (row as usize) < rows)
            };
            numbers
                .map(|number| row(number).unwrap_or(NOT_IN_GALLERY))
                .collect()
        };
        let (positives, own) = (numbers(positives), numbers(own));
        let task = Task {
            queries: values(&queries),
            gallery: values(&gallery),
            positives: &positives,
            own: &own,
            dim,
            slots,
            score,
        };
        let exact = is_finite([task.queries, task.gallery]) && !task.asks_for_own();
        let counts = if exact { task.search() } else { task.plain() };
        integers(counts, &[count, slots], dtype)
    }
}

struct Task<'a> {
    queries: &'a [f32],
    gallery: &'a [f32],
    positives: &'a [u32],
    own: &'a [u32],
    dim: usize,
    slots: usize,
    score: Score,
}

impl Task<'_> {
    /// Whether a query's own row is one of its positives, which is not counted itself.
    fn asks_for_own(&self) -> bool {
        let mut lines = self.positives.chunks_exact(self.slots).zip(self.own);
        lines.any(|(positives, own)| *own != NOT_IN_GALLERY && positives.contains(own))
    }

    fn search(&self) -> Vec<i32> {
        let mut asked = self.positives.to_vec();
        for line in asked.chunks_exact_mut(self.slots) {
            // Padding to the end.
            line.sort_unstable();
        }
        let of = |query: u32| {
            let line = &asked[query as usize * self.slots..][..self.slots];
            &line[..line.partition_point(|&row| row != NOT_IN_GALLERY)]
        };
        let ranking = Ranking {
            queries: Rows::new(self.queries, self.dim),
            gallery: Rows::new(self.gallery, self.dim),
            score: self.score,
            own: Some(self.own),
        };
        let order: Vec<u32> = (0..self.own.len() as u32).collect();
        let mut counts = vec![0; self.positives.len()];
        ranking.visit(&order, of, |query, found| {
            let first = query as usize * self.slots;
            let asked = &self.positives[first..first + self.slots];
            for (count, positive) in counts[first..].iter_mut().zip(asked) {
                let place = found.rows.iter().position(|row| row == positive);
                *count = place.map_or(0, |place| found.ranks[place] as i32 - 1);
            }
        });
        counts
    }

    fn plain(&self) -> Vec<i32> {
        let mut counts = Vec::with_capacity(self.positives.len());
        let lines = self
            .queries
            .chunks_exact(self.dim)
            .zip(self.positives.chunks_exact(self.slots));
        for ((query, positives), &own) in lines.zip(self.own) {
            let rows = order(query, self.gallery, None, self.score);
            for &positive in positives {
                let place = rows.iter().position(|&(row, _)| row == positive);
                let before = &rows[..place.unwrap_or(0)];
                counts.push(before.iter().filter(|&&(row, _)| row != own).count() as i32);
            }
        }
        counts
    }
}
