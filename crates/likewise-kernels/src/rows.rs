//! What loops over the rows of a matrix have in common.

/// Numbers added up or compared side by side.
pub const LANES: usize = 64;
/// Elements of the rows that a work item has about.
const ITEM: usize = 1 << 14;

/// Rows of a work item.
pub fn item_rows(columns: usize) -> usize {
    (ITEM / columns).max(1)
}

/// The largest number of a whole number of lanes, −∞ if there is none.
#[inline(always)]
pub fn largest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in row.as_chunks::<LANES>().0 {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}
