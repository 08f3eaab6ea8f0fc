//! Rows of large matrices, some at a time, so that buffers stay small and no dispatch keeps a device
//! busy for long. A tensor itself can always be bound: CubeCL allocates none that cannot.

use std::ops::Range;

use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::wgpu::{CubeBackend, CubeTensor, into_contiguous};
use burn::tensor::{DType, IntDType, Slice};

/// Rows in a block at most.
const ROWS: usize = 1 << 20;
/// Components of pairs of rows that a dispatch adds up about: a few milliseconds of a fast device,
/// a tenth of a second of a slow one.
const WORK: u64 = 1 << 34;
/// Rows on each side of the tiles of pairs that a workgroup computes.
pub const TILE: usize = 64;

/// The numbers of `rows` rows in blocks of `size` (the last may be shorter).
pub fn blocks(rows: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows)
        .step_by(size)
        .map(move |first| first..(first + size).min(rows))
}

/// Rows to be paired with `others` rows of `components` in one dispatch: whole tiles.
pub fn workable(others: usize, components: usize) -> usize {
    let rows = WORK / (others as u64 * components as u64);
    // The clamp makes it fit.
    (rows.clamp(TILE as u64, ROWS as u64) as usize).next_multiple_of(TILE)
}

/// Some rows of a contiguous matrix of single precision, contiguous.
pub fn float_rows(matrix: &CubeTensor, rows: Range<usize>) -> CubeTensor {
    let [count, columns] = matrix.meta.shape().dims();
    if rows == (0..count) {
        return matrix.clone();
    }
    let slices = [Slice::from(rows), Slice::from(0..columns)];
    into_contiguous(CubeBackend::float_slice(matrix.clone(), &slices))
}

/// Some rows of a contiguous tensor of whole numbers, contiguous.
pub fn int_rows(tensor: &CubeTensor, rows: Range<usize>) -> CubeTensor {
    if rows == (0..tensor.meta.shape()[0]) {
        return tensor.clone();
    }
    into_contiguous(CubeBackend::int_slice(tensor.clone(), &[Slice::from(rows)]))
}

/// Contiguous whole numbers of 32 bits.
pub fn indices(tensor: CubeTensor) -> CubeTensor {
    into_contiguous(cast(tensor, IntDType::I32))
}

/// Whole numbers of type `dtype`.
pub fn cast(tensor: CubeTensor, dtype: IntDType) -> CubeTensor {
    if tensor.dtype == DType::from(dtype) {
        tensor
    } else {
        CubeBackend::int_cast(tensor, dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_all_rows_once() {
        assert_eq!(blocks(0, 3).count(), 0);
        assert_eq!(blocks(7, 3).collect::<Vec<_>>(), [0..3, 3..6, 6..7]);
        assert_eq!(blocks(6, 3).collect::<Vec<_>>(), [0..3, 3..6]);
    }

    #[test]
    fn blocks_have_whole_tiles() {
        assert_eq!(workable(1, 1), ROWS);
        assert_eq!(workable(1 << 20, 1 << 14), TILE);
    }
}
