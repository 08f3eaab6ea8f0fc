//! The bounded queue between decoding threads and the trainer. Threads claim a few rows of the
//! earliest unfinished batch at a time; a batch may be started only within the bound.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use likewise::{Error, Result};

use super::{HostBatch, LoaderStatistics, PlannedBatch, SkippedImage};
use crate::dataset::Dataset;

/// Rows claimed at once: few enough to share one batch among threads, enough to make the lock
/// cheap for small images.
const CLAIM: usize = 4;

/// What became of one row.
#[derive(Clone, Debug)]
pub(super) enum Row {
    Pending,
    /// The item whose pixels are in the row, and what it replaced.
    Filled {
        index: usize,
        skipped: Option<SkippedImage>,
    },
    /// Evaluation only: an unusable image leaves no row.
    LeftOut(SkippedImage),
    Failed(String),
}

/// A batch that is being filled.
#[derive(Debug)]
pub(super) struct Filled {
    planned: PlannedBatch,
    pixels: Arc<Mutex<Vec<f32>>>,
    rows: Vec<Row>,
    pending: usize,
}

/// Rows of one batch for one thread.
pub(super) struct Claim {
    /// Position of the batch in the plan.
    pub position: usize,
    pub rows: Range<usize>,
    pub epoch: u32,
    pub batch: u32,
    /// Item index of each row and how often it occurred earlier in the batch.
    pub items: Vec<(usize, u32)>,
    pub pixels: Arc<Mutex<Vec<f32>>>,
}

#[derive(Debug)]
struct State {
    plan: VecDeque<PlannedBatch>,
    open: VecDeque<Filled>,
    /// Position in the plan of the first open batch = batches handed over.
    delivered: usize,
    /// Next unclaimed row of the last open batch.
    next_row: usize,
    closed: bool,
    statistics: LoaderStatistics,
}

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    ready: Condvar,
    /// Seen by threads between two images, so that they stop promptly.
    pub stop: AtomicBool,
    values: usize,
    bound: usize,
}

impl Queue {
    /// A queue for `plan`, with `values` floats a row and at most `bound` open batches.
    pub fn new(plan: Vec<PlannedBatch>, values: usize, bound: usize) -> Self {
        let state = State {
            plan: plan.into(),
            open: VecDeque::new(),
            delivered: 0,
            next_row: 0,
            closed: false,
            statistics: LoaderStatistics::default(),
        };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            ready: Condvar::new(),
            stop: AtomicBool::new(false),
            values,
            bound,
        }
    }

    /// The next rows to fill; waits while the queue is full. `None`: nothing is left to do.
    pub fn claim(&self) -> Option<Claim> {
        let start = Instant::now();
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let unclaimed = state
                .open
                .back()
                .is_some_and(|last| state.next_row < last.rows.len());
            if unclaimed || self.open_next(&mut state) {
                state.statistics.worker_wait += start.elapsed();
                return state.claim_rows();
            }
            if state.plan.is_empty() {
                return None;
            }
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn open_next(&self, state: &mut State) -> bool {
        if state.open.len() >= self.bound {
            return false;
        }
        let Some(planned) = state.plan.pop_front() else {
            return false;
        };
        let count = planned.indices.len();
        state.open.push_back(Filled {
            planned,
            pixels: Arc::new(Mutex::new(vec![0.0; count * self.values])),
            rows: vec![Row::Pending; count],
            pending: count,
        });
        state.next_row = 0;
        true
    }

    /// Records the outcome of a claim.
    pub fn finish(&self, claim: &Claim, rows: Vec<Row>, cached: usize, busy: Duration) {
        let mut state = self.lock();
        state.statistics.worker_busy += busy;
        state.statistics.images += rows.len();
        state.statistics.cached += cached;
        let Some(at) = claim.position.checked_sub(state.delivered) else {
            return;
        };
        let Some(filled) = state.open.get_mut(at) else {
            return;
        };
        for (slot, row) in filled.rows[claim.rows.clone()].iter_mut().zip(rows) {
            *slot = row;
            filled.pending -= 1;
        }
        if filled.pending == 0 {
            self.ready.notify_all();
        }
    }

    /// The next batch of the plan, when all its rows are done. `None` after the last.
    pub fn take(&self) -> Option<Filled> {
        let start = Instant::now();
        let mut state = self.lock();
        loop {
            if state.closed || (state.open.is_empty() && state.plan.is_empty()) {
                return None;
            }
            if state.open.front().is_some_and(|first| first.pending == 0) {
                break;
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let filled = state.open.pop_front();
        state.delivered += 1;
        state.statistics.batches += 1;
        state.statistics.consumer_wait += start.elapsed();
        self.work.notify_all();
        filled
    }

    /// Lets threads end; nothing more is handed over.
    pub fn close(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.lock().closed = true;
        self.work.notify_all();
        self.ready.notify_all();
    }

    pub fn statistics(&self) -> LoaderStatistics {
        self.lock().statistics
    }

    pub fn remaining(&self) -> usize {
        let state = self.lock();
        state.open.len() + state.plan.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Rows of the last open batch; the caller has seen that some are unclaimed.
    fn claim_rows(&mut self) -> Option<Claim> {
        let position = self.delivered + self.open.len() - 1;
        let last = self.open.back()?;
        let rows = self.next_row..(self.next_row + CLAIM).min(last.rows.len());
        self.next_row = rows.end;
        let indices = &last.planned.indices;
        let occurrence = |row: usize| {
            let earlier = indices[..row]
                .iter()
                .filter(|&&index| index == indices[row])
                .count();
            (indices[row], u32::try_from(earlier).unwrap_or(u32::MAX))
        };
        Some(Claim {
            position,
            items: rows.clone().map(occurrence).collect(),
            rows,
            epoch: last.planned.epoch,
            batch: last.planned.batch,
            pixels: Arc::clone(&last.pixels),
        })
    }
}

impl Filled {
    /// The finished batch; the first failed row makes it an error.
    pub fn into_batch(self, dataset: &Dataset, size: usize) -> Result<HostBatch> {
        let mut pixels =
            std::mem::take(&mut *self.pixels.lock().unwrap_or_else(PoisonError::into_inner));
        let values = 3 * size * size;
        let (mut indices, mut skipped) = (Vec::with_capacity(self.rows.len()), Vec::new());
        for (row, outcome) in self.rows.into_iter().enumerate() {
            match outcome {
                Row::Filled {
                    index,
                    skipped: instead,
                } => {
                    if indices.len() < row {
                        // Rows before this one were left out: close the gap.
                        pixels
                            .copy_within(row * values..(row + 1) * values, indices.len() * values);
                    }
                    indices.push(index);
                    skipped.extend(instead);
                }
                Row::LeftOut(image) => skipped.push(image),
                Row::Failed(text) => return Err(Error::Data(text)),
                Row::Pending => {
                    return Err(Error::Data("a batch was handed over unfinished".to_owned()));
                }
            }
        }
        pixels.truncate(indices.len() * values);
        Ok(HostBatch {
            epoch: self.planned.epoch,
            batch: self.planned.batch,
            shape: [indices.len(), 3, size, size],
            labels: indices
                .iter()
                .map(|&index| dataset.items()[index].label)
                .collect(),
            pixels,
            indices,
            skipped,
        })
    }
}
