//! The ranks from tensor operations: the reference for the kernels, and what runs on devices and
//! number formats without one.

use burn::tensor::{Int, Tensor};

use crate::score::{Order, Score, row_numbers};

pub fn rank_count(
    queries: Tensor<2>,
    gallery: Tensor<2>,
    positives: Tensor<2, Int>,
    own: Tensor<1, Int>,
    score: Score,
) -> Tensor<2, Int> {
    let ranks = Order::for_blocks(&queries, &gallery, score, |order, rows| {
        let positives = positives.clone().slice([rows.clone()]);
        ranks(&order, positives, own.clone().slice([rows]))
    });
    Tensor::cat(ranks, 0)
}

fn ranks(order: &Order, positives: Tensor<2, Int>, own: Tensor<1, Int>) -> Tensor<2, Int> {
    let shape = order.raw.dims();
    let gallery_rows = shape[1] as i64;
    let own = own.unsqueeze_dim::<2>(1).expand(shape);
    let others = row_numbers(shape, &order.raw).not_equal(own);

    let padding = positives
        .clone()
        .lower_elem(0)
        .bool_or(positives.clone().greater_equal_elem(gallery_rows));
    let rows = positives.clamp(0, gallery_rows - 1);
    let scores = order.scores.clone().gather(1, rows.clone());
    let ties = order.ties.clone().gather(1, rows);
    let counts = (0..padding.dims()[1]).map(|slot| {
        let score = scores.clone().narrow(1, slot, 1).expand(shape);
        let tie = ties.clone().narrow(1, slot, 1).expand(shape);
        let tied = order.scores.clone().equal(score.clone());
        let before = tied.bool_and(order.ties.clone().lower(tie));
        let before = before.bool_or(order.scores.clone().lower(score));
        before.bool_and(others.clone()).int().sum_dim(1)
    });
    Tensor::cat(counts.collect(), 1).mask_fill(padding, 0)
}
