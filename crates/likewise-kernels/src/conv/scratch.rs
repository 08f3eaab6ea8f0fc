//! Buffers that each thread keeps between calls, since fresh memory of this size costs more than
//! filling it.

use std::cell::RefCell;

use crate::tile::Lanes;

/// Working memory of one thread. Contents are left over from earlier use.
#[derive(Default)]
pub struct Scratch {
    lanes: Vec<Lanes>,
    values: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Lends this thread's buffers, of at least these lengths, to `f`, which must not call this again.
pub fn with_scratch<T>(
    lanes: usize,
    values: usize,
    f: impl FnOnce(&mut [Lanes], &mut [f32]) -> T,
) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.lanes.len() < lanes {
            scratch.lanes.resize(lanes, Lanes::ZERO);
        }
        if scratch.values.len() < values {
            scratch.values.resize(values, 0.0);
        }
        f(&mut scratch.lanes[..lanes], &mut scratch.values[..values])
    })
}
