//! How much memory there is for training.

use sysinfo::System;

use crate::device::{Chosen, Kind};

/// Memory of a device, or of the machine for devices that share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Available {
    /// Bytes that are free, as far as is known.
    pub free: u64,
    /// Bytes there are.
    pub total: u64,
    /// Whose they are.
    pub owner: String,
}

/// Memory that `device` has; none if its driver does not say.
pub fn available(device: &Chosen) -> Option<Available> {
    let own = device
        .adapter
        .as_ref()
        .filter(|adapter| matches!(adapter.kind, Kind::Discrete | Kind::Virtual));
    let Some(adapter) = own else {
        return of_the_machine();
    };
    // What other programs take of it is not known.
    adapter.memory.map(|total| Available {
        free: total,
        total,
        owner: adapter.name.clone(),
    })
}

/// Memory of the machine, or of the part of it that this process may use.
fn of_the_machine() -> Option<Available> {
    let mut system = System::new();
    system.refresh_memory();
    let (mut free, mut total) = (system.available_memory(), system.total_memory());
    if let Some(limits) = system.cgroup_limits() {
        free = free.min(limits.free_memory);
        total = total.min(limits.total_memory);
    }
    (total > 0).then(|| Available {
        free,
        total,
        owner: "this machine".into(),
    })
}
