//! Histograms of the pairs of each anchor, with linear weights on the two nodes around a value.
//! Each pair is put in place by arithmetic, so that the work does not grow with the number of nodes.
//! Weights are whole numbers: their sums are exact and do not depend on the order of addition.

use burn::tensor::{Bool, IndexingUpdateOp, Int, Tensor};

/// Sums of weights of a row stay below two to this power.
const SUM_BITS: u32 = 30;
/// Weights finer than two to minus this are beyond single precision.
const WEIGHT_BITS: u32 = 23;

/// Histograms over N nodes of the positive and of the negative pairs of each of R anchors. Without
/// gradient; [`gradient`](Self::gradient) leads back to the pairs.
pub(super) struct PairHistogram {
    /// Positive pairs on each node, `[R, N]`; rows sum to their number.
    pub positive: Tensor<2>,
    /// Negative pairs on each node, `[R, N]`.
    pub negative: Tensor<2>,
    /// Column of a pair among the bins of the positives, those of the negatives, and one for pairs
    /// that are neither, `[R, C]`.
    place: Tensor<2, Int>,
    /// Pairs within the nodes, `[R, C]`.
    inside: Tensor<2, Bool>,
}

impl PairHistogram {
    /// Histograms of `position` `[R, C]`: values in units of the spacing of `nodes` ≥ 2, the first of
    /// which is at 0. Values beyond the first or last node count as on it. Pairs outside of both
    /// masks `[R, C]` do not count.
    pub fn new(
        position: Tensor<2>,
        nodes: usize,
        positive: &Tensor<2, Bool>,
        negative: &Tensor<2, Bool>,
    ) -> Self {
        let [rows, columns] = position.dims();
        let columns_bits = columns.next_power_of_two().trailing_zeros();
        let one = 2.0_f64.powi(SUM_BITS.saturating_sub(columns_bits).min(WEIGHT_BITS) as i32);
        // Truncation is the floor within the nodes; in integers, NaN ends up in some bin, too.
        let bin = position.clone().int().clamp(0, nodes as i64 - 2);
        let fraction = position - bin.clone().float();
        let within = fraction.clone().clamp(0.0, 1.0);
        let inside = within.clone().equal(fraction);
        let upper = within.mul_scalar(one).add_scalar(0.5).int();

        let neither = positive.clone().bool_or(negative.clone()).bool_not();
        let place = bin
            .clone()
            .add_scalar(nodes as i64)
            .mask_where(positive.clone(), bin)
            .mask_fill(neither, 2 * nodes as i64);
        let device = place.device();
        let sums = |values: Tensor<2, Int>| {
            Tensor::<2, Int>::zeros([rows, 2 * nodes + 1], &device).scatter(
                1,
                place.clone(),
                values,
                IndexingUpdateOp::Add,
            )
        };
        let upper = sums(upper);
        let all = sums(Tensor::full([rows, columns], one as i64, &device));
        let before = Tensor::cat(
            vec![
                Tensor::zeros([rows, 1], &device),
                upper.clone().narrow(1, 0, 2 * nodes),
            ],
            1,
        );
        let weights = (all - upper + before).float().div_scalar(one);
        Self {
            positive: weights.clone().narrow(1, 0, nodes),
            negative: weights.narrow(1, nodes, nodes),
            place,
            inside,
        }
    }

    /// Gradient for the positions `[R, C]`, from the derivatives of a function of the histograms: how
    /// much larger that for node k + 1 is than that for node k, k < N, for each anchor `[R, N]` (the
    /// last column is ignored).
    pub fn gradient(self, positive: Tensor<2>, negative: Tensor<2>) -> Tensor<2> {
        let [rows, _] = positive.dims();
        let neither = Tensor::zeros([rows, 1], &positive.device());
        let slopes = Tensor::cat(vec![positive, negative, neither], 1);
        slopes
            .gather(1, self.place)
            .mask_fill(self.inside.bool_not(), 0.0)
    }
}
