//! How much memory a piece of work takes at its peak.

use burn::tensor::Device;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// A watch on memory: of the process on the CPU, of the device's pools elsewhere.
pub struct Peak {
    device: Device,
    before: Option<usize>,
}

impl Peak {
    /// Watches from now on. One watch at a time.
    pub fn watch(device: &Device) -> Self {
        let device = device.clone();
        let before = if device == Device::flex() {
            ALLOCATOR.reset_peak_usage();
            Some(ALLOCATOR.current_usage())
        } else {
            device.memory_cleanup();
            reserved(&device)
        };
        Self { device, before }
    }

    /// Bytes in use at the peak so far beyond those in use at the beginning; on devices, bytes that
    /// their pools have grown by, if they say so.
    pub fn bytes(&self) -> Option<usize> {
        let now = if self.device == Device::flex() {
            Some(ALLOCATOR.peak_usage())
        } else {
            reserved(&self.device)
        };
        Some(now?.saturating_sub(self.before?))
    }
}

fn reserved(device: &Device) -> Option<usize> {
    let usage = device.memory_pool_usage()?;
    usize::try_from(usage.bytes_reserved).ok()
}
