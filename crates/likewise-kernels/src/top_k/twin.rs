//! The first rows from tensor operations, one after another, because a sort reads tensors back: the
//! reference for the kernels, and what runs on devices and number formats without one.

use burn::tensor::{Int, Tensor};

use crate::score::{Order, Score, row_numbers};

/// The tie of a row that is not, or no longer, there; above all others.
const ABSENT: i64 = i32::MAX as i64;

pub fn top_k(
    queries: Tensor<2>,
    gallery: Tensor<2>,
    own: Tensor<1, Int>,
    k: usize,
    score: Score,
) -> (Tensor<2, Int>, Tensor<2>) {
    let blocks = Order::for_blocks(&queries, &gallery, score, |order, rows| {
        first(order, own.clone().slice([rows]), k)
    });
    let (rows, scores): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
    (Tensor::cat(rows, 0), Tensor::cat(scores, 0))
}

fn first(order: Order, own: Tensor<1, Int>, k: usize) -> (Tensor<2, Int>, Tensor<2>) {
    let shape = order.raw.dims();
    let gallery_rows = shape[1] as i64;
    let mut taken = row_numbers(shape, &order.raw).equal(own.unsqueeze_dim::<2>(1).expand(shape));
    let (mut scores, mut ties) = (order.scores, order.ties);
    let mut found = Vec::new();
    for _ in 0..k {
        scores = scores.mask_fill(taken.clone(), f32::INFINITY);
        ties = ties.mask_fill(taken, ABSENT);
        let least = scores.clone().min_dim(1).expand(shape);
        let greater = scores.clone().greater(least);
        let tie = ties.clone().mask_fill(greater, ABSENT).min_dim(1);
        taken = ties.clone().equal(tie.clone().expand(shape));
        found.push(tie);
    }
    let ties = Tensor::cat(found, 1);
    let absent = ties.clone().equal_elem(ABSENT);
    // Not a remainder, which Burn 0.22.1 rounds on GPUs.
    let no_number = ties.clone().greater_equal_elem(gallery_rows);
    let rows = ties - no_number.int() * gallery_rows;
    let rows = rows.mask_fill(absent.clone(), 0);
    let scores = order.raw.gather(1, rows.clone());
    (
        rows.mask_fill(absent.clone(), -1),
        scores.mask_fill(absent, f32::INFINITY),
    )
}
