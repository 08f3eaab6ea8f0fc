//! What the threads of a loader have in common, and how they come by an image: from memory, from
//! the folder of decoded images, or by decoding what a cut needs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use likewise::{Error, Result};

use super::cache::Cache;
use super::disk::Disk;
use super::{LoaderOptions, Role};
use crate::dataset::Dataset;
use crate::decode::Picture;
use crate::rgb::{Part, Region};
use crate::transform::{Cut, Transform};

#[derive(Debug)]
pub(super) struct Shared {
    pub dataset: Arc<Dataset>,
    pub train: Transform,
    pub evaluate: Transform,
    pub options: LoaderOptions,
    pub cache: Cache,
    pub disk: Option<Disk>,
    pub bad: Mutex<BTreeMap<usize, String>>,
}

impl Shared {
    /// Reads and decodes an image: all of it while there is room to keep it in memory, else what
    /// the cut needs.
    pub fn read_part(
        &self,
        index: usize,
        draw: impl FnOnce((usize, usize)) -> Cut,
    ) -> Result<(Part, Cut)> {
        if let Some(disk) = &self.disk {
            return self.read_kept(disk, index, draw);
        }
        let bytes = self.dataset.read(index)?;
        let named = |error| self.dataset.at_item(index, &error);
        let picture = Picture::open(&bytes).map_err(named)?;
        let (width, height) = picture.size();
        let cut = draw((width, height));
        if self.cache.has_room((width * height * 3) as u64) {
            let image = Arc::new(picture.decode().map_err(named)?);
            self.cache.offer(index, &image);
            return Ok((image.into(), cut));
        }
        let reduction = if self.options.exact {
            1
        } else {
            cut.reduction()
        };
        let part = picture
            .decode_part(cut.needed(), reduction)
            .map_err(named)?;
        Ok((part, cut))
    }

    /// As [`Self::read_part`], by way of the folder of decoded images.
    fn read_kept(
        &self,
        disk: &Disk,
        index: usize,
        draw: impl FnOnce((usize, usize)) -> Cut,
    ) -> Result<(Part, Cut)> {
        let slot = disk.slot(&self.dataset, index)?;
        // What cannot be read is made again.
        if let Ok(Some(kept)) = slot.open() {
            let (width, height) = kept.size();
            let cut = draw((width, height));
            let keep = self.cache.has_room((width * height * 3) as u64);
            let region = match keep {
                true => Region {
                    left: 0,
                    top: 0,
                    width,
                    height,
                },
                false => cut.needed(),
            };
            let part = kept.read(region).map_err(|error| {
                let error = Error::Data(format!("its decoded copy cannot be read: {error}"));
                self.dataset.at_item(index, &error)
            })?;
            if keep {
                self.cache.offer(index, &part.image);
            }
            return Ok((part, cut));
        }
        let image = Arc::new(disk.shrink(self.dataset.decode(index)?));
        disk.write(&slot, &image);
        self.cache.offer(index, &image);
        let part = Part::from(image);
        let cut = draw(part.size());
        Ok((part, cut))
    }

    pub fn transform(&self, role: Role) -> &Transform {
        match role {
            Role::Train => &self.train,
            Role::Evaluate => &self.evaluate,
        }
    }
}
