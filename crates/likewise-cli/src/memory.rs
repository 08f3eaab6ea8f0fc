//! The program's allocator, how much memory a piece of work takes at its peak, and how much training
//! will take.

mod available;
pub mod forecast;

use burn::tensor::Device;
use mimalloc::MiMalloc;
use peakmem_alloc::{PeakMemAlloc, PeakMemAllocTrait};
use serde::{Deserialize, Serialize};

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

/// The most memory this process has held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// Bytes of the machine's memory: resident where the system says (Linux), else allocated.
    pub process_bytes: u64,
    /// Bytes that the device's pools hold, if it is not the processor.
    pub device_bytes: Option<u64>,
}

impl MemoryUse {
    /// Up to now.
    pub fn so_far(device: &Device) -> Self {
        let allocated = || ALLOCATOR.get_peak_memory() as u64;
        let device_bytes = match *device == Device::flex() {
            true => None,
            false => reserved(device).map(|bytes| bytes as u64),
        };
        Self {
            process_bytes: resident_peak().unwrap_or_else(allocated),
            device_bytes,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let process = gigabytes(self.process_bytes);
        match self.device_bytes {
            Some(bytes) => format!(
                "{} on the device, {process} in the program",
                gigabytes(bytes)
            ),
            None => process,
        }
    }
}

/// Largest resident size of the process so far, in bytes, where the system keeps account of it.
fn resident_peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Bytes for people.
pub fn gigabytes(bytes: u64) -> String {
    let gigabytes = bytes as f64 / 1e9;
    match gigabytes {
        0.0..1.0 => format!("{:.0} MB", 1e3 * gigabytes),
        _ => format!("{gigabytes:.1} GB"),
    }
}
