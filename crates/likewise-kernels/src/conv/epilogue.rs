//! What follows the normalisation of a batch norm, plane by plane.

/// What [`batch_norm_train`](super::batch_norm_train) does with the normalised values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// Nothing.
    None,
    /// ReLU.
    Relu,
    /// ReLU, then 2x2 max pool with stride 2; of an odd number of rows or columns the last is left
    /// out.
    ReluMaxPool,
}

/// The normalisation of one channel: `(x − mean) · scale + offset`.
#[derive(Clone, Copy)]
pub struct Affine {
    pub mean: f32,
    pub scale: f32,
    pub offset: f32,
}

impl Affine {
    /// With `scale = gamma / √(variance + epsilon)` and `offset = beta`.
    pub fn new(mean: f32, variance: f32, epsilon: f64, gamma: f32, beta: f32) -> Self {
        let scale = f64::from(gamma) / (f64::from(variance) + epsilon).sqrt();
        Self {
            mean,
            scale: scale as f32,
            offset: beta,
        }
    }

    #[inline(always)]
    fn apply(self, x: f32) -> f32 {
        (x - self.mean) * self.scale + self.offset
    }
}

impl Epilogue {
    /// Height and width of the output for an input of `size`.
    pub fn output(self, size: [usize; 2]) -> [usize; 2] {
        match self {
            Self::None | Self::Relu => size,
            Self::ReluMaxPool => size.map(|length| length / 2),
        }
    }

    /// One plane of the output.
    #[inline(always)]
    pub fn forward(self, x: &[f32], y: &mut [f32], affine: Affine, size: [usize; 2]) {
        match self {
            Self::None => {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = affine.apply(x);
                }
            }
            Self::Relu => {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = relu(affine.apply(x));
                }
            }
            Self::ReluMaxPool => {
                let [_, columns] = self.output(size);
                for (x, y) in x
                    .chunks_exact(2 * size[1])
                    .zip(y.chunks_exact_mut(columns.max(1)))
                {
                    pool_rows(x, y, affine, size[1]);
                }
            }
        }
    }

    /// One plane of the gradient of the normalised values; places that get none are left alone.
    #[inline(always)]
    pub fn backward(
        self,
        x: &[f32],
        y_grad: &[f32],
        grad: &mut [f32],
        affine: Affine,
        size: [usize; 2],
        scratch: &mut PoolScratch,
    ) {
        match self {
            Self::None => grad.copy_from_slice(y_grad),
            Self::Relu => {
                for ((grad, &y_grad), &x) in grad.iter_mut().zip(y_grad).zip(x) {
                    *grad = if affine.apply(x) > 0.0 { y_grad } else { 0.0 };
                }
            }
            Self::ReluMaxPool => unpool(x, y_grad, grad, affine, size[1], scratch),
        }
    }
}

/// One row of the pooled output from two rows of `x`.
#[inline(always)]
fn pool_rows(x: &[f32], y: &mut [f32], affine: Affine, width: usize) {
    let (upper, lower) = x.split_at(width);
    let (upper, lower) = (&upper[..2 * y.len()], &lower[..2 * y.len()]);
    for j in 0..y.len() {
        let z = [
            upper[2 * j],
            upper[2 * j + 1],
            lower[2 * j],
            lower[2 * j + 1],
        ];
        let z = z.map(|x| affine.apply(x));
        y[j] = relu(larger(larger(z[0], z[1]), larger(z[2], z[3])));
    }
}

/// Values of the pairs of a plane, see [`unpool`].
#[derive(Default)]
pub struct PoolScratch {
    maxima: Vec<f32>,
    grads: Vec<f32>,
}

/// The gradient of each window goes to the first of its largest values, if that is positive. The
/// steps treat pairs of columns and pairs of rows in turn, each a long loop over neighbours.
#[inline(always)]
fn unpool(
    x: &[f32],
    y_grad: &[f32],
    grad: &mut [f32],
    affine: Affine,
    width: usize,
    PoolScratch { maxima, grads }: &mut PoolScratch,
) {
    let columns = width / 2;
    if columns == 0 {
        return;
    }
    // Pairs of an even width never straddle rows: the plane is one row of pairs.
    let row = if width.is_multiple_of(2) {
        x.len()
    } else {
        width
    };
    maxima.resize(x.len() / width * columns, 0.0);
    grads.resize(x.len() / width * columns, 0.0);

    for (x, maxima) in x.chunks_exact(row).zip(maxima.chunks_exact_mut(row / 2)) {
        let x = &x[..2 * maxima.len()];
        for (j, maximum) in maxima.iter_mut().enumerate() {
            *maximum = larger(affine.apply(x[2 * j]), affine.apply(x[2 * j + 1]));
        }
    }
    let rows = maxima
        .chunks_exact(2 * columns)
        .zip(grads.chunks_exact_mut(2 * columns));
    for ((maxima, grads), y_grad) in rows.zip(y_grad.chunks_exact(columns)) {
        let (upper, lower) = maxima.split_at(columns);
        let (upper_grads, lower_grads) = grads.split_at_mut(columns);
        let blocks = columns - columns % BLOCK;
        for from in (0..blocks).step_by(BLOCK) {
            route::<BLOCK>(
                from,
                [upper, lower, y_grad],
                [&mut *upper_grads, &mut *lower_grads],
            );
        }
        for from in blocks..columns {
            route::<1>(
                from,
                [upper, lower, y_grad],
                [&mut *upper_grads, &mut *lower_grads],
            );
        }
    }
    let pairs = maxima
        .chunks_exact(row / 2)
        .zip(grads.chunks_exact(row / 2));
    for ((x, grad), (maxima, grads)) in x
        .chunks_exact(row)
        .zip(grad.chunks_exact_mut(row))
        .zip(pairs)
    {
        let pairs = grad
            .as_chunks_mut::<2>()
            .0
            .iter_mut()
            .zip(x.as_chunks::<2>().0);
        for (([left, right], x), (&maximum, &grad)) in pairs.zip(maxima.iter().zip(grads)) {
            let first = affine.apply(x[0]) == maximum;
            *left = select(first, grad, 0.0);
            *right = select(first, 0.0, grad);
        }
    }
}

/// `a` if so, else `b`; both are at hand, so that no branch keeps a loop from being vectorised.
#[inline(always)]
fn select(condition: bool, a: f32, b: f32) -> f32 {
    if condition { a } else { b }
}

/// The larger value, or NaN if there is one. Without branches, which vectors do not have.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    select((b > a) | b.is_nan(), b, a)
}

/// max(0, z), NaN kept.
#[inline(always)]
fn relu(z: f32) -> f32 {
    if z < 0.0 { 0.0 } else { z }
}

/// Pairs of rows are treated in blocks of this many columns: rows of small images are too short for
/// the compiler to vectorise a loop over them.
const BLOCK: usize = 8;

/// Columns `from..from + N` of two rows of maxima: the gradient goes to the larger, if positive.
#[inline(always)]
fn route<const N: usize>(
    from: usize,
    [upper, lower, y_grad]: [&[f32]; 3],
    [upper_grads, lower_grads]: [&mut [f32]; 2],
) {
    let [upper, lower, y_grad] = [upper, lower, y_grad].map(|values| {
        let mut block = [0.0; N];
        block.copy_from_slice(&values[from..from + N]);
        block
    });
    let (mut to_upper, mut to_lower) = ([0.0; N], [0.0; N]);
    for j in 0..N {
        let maximum = larger(upper[j], lower[j]);
        let grad = select(maximum > 0.0, y_grad[j], 0.0);
        to_upper[j] = select(upper[j] == maximum, grad, 0.0);
        to_lower[j] = select(upper[j] == maximum, 0.0, grad);
    }
    upper_grads[from..from + N].copy_from_slice(&to_upper);
    lower_grads[from..from + N].copy_from_slice(&to_lower);
}
