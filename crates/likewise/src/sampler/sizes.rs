//! Checks of the keys that several samplers share.

use super::BankSettings;
use crate::{Error, Result, check};

/// Refuses batches that are not made of whole groups of a class, at least two of them.
pub(super) fn check_batch(batch_size: usize, samples_per_class: usize) -> Result<()> {
    if samples_per_class < 1 || batch_size < 2 {
        return Err(Error::Recipe(format!(
            "sampler: batch_size must be at least 2 and samples_per_class at least 1 (found \
             {batch_size} and {samples_per_class})"
        )));
    }
    if !batch_size.is_multiple_of(samples_per_class) {
        return Err(Error::Recipe(format!(
            "sampler.samples_per_class = {samples_per_class} does not divide \
             sampler.batch_size = {batch_size}"
        )));
    }
    if batch_size == samples_per_class {
        return Err(Error::Recipe(format!(
            "sampler.samples_per_class = {samples_per_class} fills the batch with one class: \
             there would be no negatives"
        )));
    }
    Ok(())
}

/// Refuses a pool of fewer than `least` images, and settings of projection or bank out of range.
pub(super) fn check_pool(
    pool_size: usize,
    least: usize,
    projection_dim: Option<usize>,
    bank: &BankSettings,
) -> Result<()> {
    if pool_size < least {
        return Err(Error::Recipe(format!(
            "`sampler.pool_size = {pool_size}`: a batch of this size takes {least} images from \
             the pool: raise it, or lower sampler.batch_size"
        )));
    }
    if let Some(dimension) = projection_dim {
        check::number("sampler.projection_dim", dimension as f64, 1.0..)?;
    }
    bank.validate()
}
