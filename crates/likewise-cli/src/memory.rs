//! How much memory a piece of work takes at its peak.

use burn::tensor::Device;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Runs `work` and returns the bytes it had in use at its peak above those in use before: memory of
/// the process on the CPU; elsewhere what the device's pools grew by, if the device says so.
pub fn peak_of<E>(
    device: &Device,
    work: impl FnOnce() -> Result<(), E>,
) -> Result<Option<usize>, E> {
    if *device != Device::flex() {
        device.memory_cleanup();
        let reserved = || device.memory_pool_usage().map(|usage| usage.bytes_reserved);
        let before = reserved();
        work()?;
        let grown = reserved().zip(before);
        return Ok(grown.map(|(after, before)| after.saturating_sub(before) as usize));
    }
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    work()?;
    Ok(Some(ALLOCATOR.peak_usage().saturating_sub(before)))
}
