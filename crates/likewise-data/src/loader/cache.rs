//! Decoded images kept in memory at native size: decoding a small dataset again every epoch is
//! wasted work. Nothing is ever evicted; with random access any other policy hits no more often.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::rgb::RgbImage;

#[derive(Debug)]
pub(super) struct Cache {
    images: Vec<OnceLock<Arc<RgbImage>>>,
    free: AtomicU64,
}

impl Cache {
    /// A cache for items `0..items` that holds at most `bytes` bytes of pixels.
    pub fn new(items: usize, bytes: u64) -> Self {
        let items = if bytes == 0 { 0 } else { items };
        Self {
            images: (0..items).map(|_| OnceLock::new()).collect(),
            free: AtomicU64::new(bytes),
        }
    }

    pub fn get(&self, index: usize) -> Option<Arc<RgbImage>> {
        self.images.get(index)?.get().cloned()
    }

    /// Whether an image of so many bytes can still be kept.
    pub fn has_room(&self, bytes: u64) -> bool {
        !self.images.is_empty() && self.free.load(Ordering::Relaxed) >= bytes
    }

    /// Keeps an image if there is room for it.
    pub fn offer(&self, index: usize, image: &Arc<RgbImage>) {
        let Some(slot) = self.images.get(index) else {
            return;
        };
        let bytes = image.bytes();
        let take = |free: u64| free.checked_sub(bytes);
        if self
            .free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_err()
        {
            return;
        }
        if slot.set(Arc::clone(image)).is_err() {
            // Another stream was faster.
            self.free.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_fits_and_counts_each_image_once() {
        let image = Arc::new(RgbImage::new(2, 1, vec![0; 6]).unwrap());
        let cache = Cache::new(3, 13);
        cache.offer(0, &image);
        cache.offer(0, &image);
        cache.offer(1, &image);
        cache.offer(2, &image);
        let held: Vec<bool> = (0..3).map(|index| cache.get(index).is_some()).collect();
        assert_eq!(held, [true, true, false]);
        assert!(Cache::new(3, 0).get(0).is_none());
    }
}
