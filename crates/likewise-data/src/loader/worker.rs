//! A decoding thread: claims rows, decodes and transforms their images, records what became of
//! them. Whatever goes wrong with an image, panics of a decoder included, becomes that row's
//! outcome.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

use likewise::random::{Purpose, stream};

use super::queue::{Claim, Queue, Row};
use super::shared::Shared;
use super::{OnBadImage, Role, SkippedImage};
use crate::rgb::Part;
use crate::transform::{Cut, Scratch};

/// Works until the queue has nothing left or is closed.
pub(super) fn run(shared: &Shared, role: Role, queue: &Queue) {
    let values = shared.transform(role).values();
    let mut worker = Worker {
        shared,
        role,
        scratch: Scratch::default(),
        cached: 0,
    };
    let mut pixels = Vec::new();
    while let Some(claim) = queue.claim() {
        let start = Instant::now();
        worker.cached = 0;
        pixels.resize(claim.rows.len() * values, 0.0);
        let mut rows = Vec::with_capacity(claim.rows.len());
        for (&(index, occurrence), out) in claim.items.iter().zip(pixels.chunks_exact_mut(values)) {
            if queue.stop.load(Ordering::Relaxed) {
                return;
            }
            rows.push(worker.fill(&claim, index, occurrence, out));
        }
        let range = claim.rows.start * values..claim.rows.end * values;
        let mut batch = claim.pixels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = batch.get_mut(range) {
            part.copy_from_slice(&pixels);
        }
        drop(batch);
        queue.finish(&claim, rows, worker.cached, start.elapsed());
    }
}

struct Worker<'a> {
    shared: &'a Shared,
    role: Role,
    scratch: Scratch,
    cached: usize,
}

impl Worker<'_> {
    /// Fills one row, or finds out why not.
    fn fill(&mut self, claim: &Claim, index: usize, occurrence: u32, out: &mut [f32]) -> Row {
        let reason = match self.fill_with(claim, index, occurrence, out) {
            Ok(()) => {
                return Row::Filled {
                    index,
                    skipped: None,
                };
            }
            Err(reason) => reason,
        };
        if self.shared.options.on_bad_image == OnBadImage::Fail {
            return Row::Failed(format!(
                "{reason} (--on-bad-image skip leaves such files out)"
            ));
        }
        let mut skipped = SkippedImage {
            index,
            replacement: None,
            reason,
        };
        if self.role == Role::Evaluate {
            return Row::LeftOut(skipped);
        }
        for replacement in self.same_class(index) {
            if self.fill_with(claim, replacement, occurrence, out).is_ok() {
                skipped.replacement = Some(replacement);
                return Row::Filled {
                    index: replacement,
                    skipped: Some(skipped),
                };
            }
        }
        let class = &self.shared.dataset.classes()[self.shared.dataset.items()[index].class];
        Row::Failed(format!(
            "no image of class `{class}` can be read; first: {}",
            skipped.reason
        ))
    }

    /// The other images of an image's class and split, the next one first.
    fn same_class(&self, index: usize) -> Vec<usize> {
        let item = &self.shared.dataset.items()[index];
        let members = &self.shared.dataset.split(item.split).members[item.label as usize];
        let at = members
            .iter()
            .position(|&member| member == index)
            .unwrap_or(0);
        members[at + 1..]
            .iter()
            .chain(&members[..at])
            .copied()
            .collect()
    }

    /// Decodes (or takes from memory), transforms, writes to `out`. The error names the file.
    fn fill_with(
        &mut self,
        claim: &Claim,
        index: usize,
        occurrence: u32,
        out: &mut [f32],
    ) -> Result<(), String> {
        // The image's index and, above it, how often it came before in this batch: an image drawn
        // twice must not be augmented to the same pixels.
        let item = index as u64 | u64::from(occurrence) << 40;
        let seed = self.shared.options.seed;
        let mut rng = stream(seed, Purpose::Augmentation, claim.epoch, claim.batch, item);
        let transform = self.shared.transform(self.role);
        let (part, cut) = self.part(index, |size| transform.cut(size, &mut rng))?;
        let scratch = &mut self.scratch;
        guard(|| {
            transform.resize(&part, &cut, scratch);
            transform.finish(&mut rng, scratch, out);
        })
        .map_err(|panic| self.name_panic(index, &panic))
    }

    /// An image, or as much of it as the cut needs that is drawn when its size is known.
    fn part(
        &mut self,
        index: usize,
        draw: impl FnOnce((usize, usize)) -> Cut,
    ) -> Result<(Part, Cut), String> {
        if let Some(image) = self.shared.cache.get(index) {
            self.cached += 1;
            let part = Part::from(image);
            let cut = draw(part.size());
            return Ok((part, cut));
        }
        if let Some(reason) = self.bad().get(&index) {
            return Err(reason.clone());
        }
        let decoded = guard(|| self.shared.read_part(index, draw))
            .map_err(|panic| self.name_panic(index, &panic))
            .and_then(|decoded| decoded.map_err(|error| error.to_string()));
        if let Err(reason) = &decoded {
            self.bad().insert(index, reason.clone());
        }
        decoded
    }

    fn bad(&self) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<usize, String>> {
        self.shared
            .bad
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn name_panic(&self, index: usize, panic: &str) -> String {
        format!(
            "{}: decoding failed unexpectedly: {panic}",
            self.shared.dataset.items()[index].name
        )
    }
}

/// Runs `work`; a panic becomes its message.
fn guard<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "panic without a message".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(guard(|| 3), Ok(3));
        let row = std::hint::black_box(7);
        assert_eq!(
            guard(|| assert!(row < 7, "row {row}")),
            Err("row 7".to_owned())
        );
    }
}
