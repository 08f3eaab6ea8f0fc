//! The program's allocator, and how much memory a piece of work takes at its peak.

use burn::tensor::Device;
use mimalloc::MiMalloc;
use peakmem_alloc::{PeakMemAlloc, PeakMemAllocTrait};

#[global_allocator]
static ALLOCATOR: PeakMemAlloc<MiMalloc> = PeakMemAlloc::new(MiMalloc);

/// mimalloc's `purge_delay`, which its bindings leave out.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// How long freed memory is kept, in milliseconds: longer than a step, which would otherwise fetch (and
/// the system clear) the same memory again.
const KEPT: std::ffi::c_long = 10_000;

/// Makes the allocator keep what a step frees for the next.
#[expect(unsafe_code, reason = "a setting of the allocator, a C library")]
pub fn keep_freed_memory() {
    // SAFETY: sets a number that is read whenever memory is freed.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, KEPT) }
}

/// A watch on memory: of the process on the CPU, of the device's pools elsewhere.
pub struct Peak {
    device: Device,
    /// Bytes the pools held at the beginning.
    before: Option<usize>,
}

impl Peak {
    /// Watches from now on. One watch at a time.
    pub fn watch(device: &Device) -> Self {
        let device = device.clone();
        let mut before = None;
        if device == Device::flex() {
            ALLOCATOR.reset_peak_memory();
        } else {
            device.memory_cleanup();
            before = reserved(&device);
        }
        Self { device, before }
    }

    /// Bytes in use at the peak so far beyond those in use at the beginning; on devices, bytes that
    /// their pools have grown by, if they say so.
    pub fn bytes(&self) -> Option<usize> {
        if self.device == Device::flex() {
            return Some(ALLOCATOR.get_peak_memory());
        }
        Some(reserved(&self.device)?.saturating_sub(self.before?))
    }
}

fn reserved(device: &Device) -> Option<usize> {
    let usage = device.memory_pool_usage()?;
    usize::try_from(usage.bytes_reserved).ok()
}
