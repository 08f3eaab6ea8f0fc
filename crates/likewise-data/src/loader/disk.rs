//! Decoded images kept in a folder, for data whose decoding holds a run up. A file an image, named
//! after what it was made from: a changed source file is another name, and runs that share the
//! folder write the same bytes to the same name.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use likewise::{Error, Result};
use sha2::{Digest, Sha256};

use crate::dataset::{Dataset, hexadecimal};
use crate::decode::Picture;
use crate::resize::resize;
use crate::rgb::{Part, Region, RgbImage};
use crate::transform::shorter_side_size;

/// Begins every file; another number is another layout.
const MAGIC: &[u8; 8] = b"LWRGB\0\0\x01";
/// The magic bytes, width and height.
const HEADER: usize = 16;
/// Images whose size is looked at to say how much the folder will take.
const SAMPLED: usize = 100;

/// Where decoded images are kept, and how large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskCache {
    /// The folder; made if it is not there. Runs may share it.
    pub folder: PathBuf,
    /// Images are shrunk until the shorter side has this many pixels. None: kept as they are, so
    /// that batches are those of a run without the cache.
    pub side: Option<usize>,
}

/// The open folder.
#[derive(Debug)]
pub(super) struct Disk {
    options: DiskCache,
    written: AtomicU64,
    problem: Mutex<Option<String>>,
}

/// Place of one image.
pub(super) struct Slot {
    path: PathBuf,
}

impl Disk {
    pub fn open(options: DiskCache) -> Result<Self> {
        if options.side == Some(0) {
            return Err(Error::Recipe(
                "the side of cached images must be at least 1 pixel".to_owned(),
            ));
        }
        fs::create_dir_all(&options.folder).map_err(|error| {
            Error::Data(format!(
                "{}: cannot be made the folder of decoded images: {error}",
                options.folder.display()
            ))
        })?;
        Ok(Self {
            options,
            written: AtomicU64::new(0),
            problem: Mutex::new(None),
        })
    }

    /// The first reason why something could not be written.
    pub fn problem(&self) -> Option<String> {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        problem.clone()
    }

    /// The place of an image, by everything its pixels depend on.
    pub fn slot(&self, dataset: &Dataset, index: usize) -> Result<Slot> {
        let mut hash = Sha256::new();
        hash.update(dataset.stamp(index)?);
        hash.update(format!("{:?}", self.options.side));
        let key = hexadecimal(&hash.finalize());
        let (folder, file) = key[..34].split_at(2);
        Ok(Slot {
            path: self.options.folder.join(folder).join(format!("{file}.rgb")),
        })
    }

    /// The image as it is kept.
    pub fn shrink(&self, image: RgbImage) -> RgbImage {
        let (width, height) = (image.width(), image.height());
        match self.options.side {
            Some(side) if side < width.min(height) => {
                let (width, height) = shorter_side_size((width, height), side);
                resize(&image, width, height)
            }
            _ => image,
        }
    }

    /// Writes an image. What cannot be written is decoded again next time: no reason to stop.
    pub fn write(&self, slot: &Slot, image: &RgbImage) {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = slot.write(image, number) {
            let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
            problem.get_or_insert_with(|| {
                format!(
                    "{}: decoded images are not kept any more: {error}",
                    slot.path.display()
                )
            });
        }
    }

    /// Bytes that all images of a dataset will take, estimated from some of them.
    pub fn estimate(&self, dataset: &Dataset) -> Result<u64> {
        let count = dataset.items().len();
        let step = (count / SAMPLED).max(1);
        let (mut bytes, mut looked_at) = (0, 0);
        for index in (0..count).step_by(step) {
            let file = dataset.read(index)?;
            // A file that cannot be decoded is dealt with when its turn comes.
            let Ok(picture) = Picture::open(&file) else {
                continue;
            };
            let (width, height) = picture.size();
            let (width, height) = match self.options.side {
                Some(side) if side < width.min(height) => shorter_side_size((width, height), side),
                _ => (width, height),
            };
            bytes += (width * height * 3 + HEADER) as u64;
            looked_at += 1;
        }
        Ok(bytes * count as u64 / looked_at.max(1))
    }
}

impl Slot {
    /// The image, if it is there and whole.
    pub fn open(&self) -> io::Result<Option<Kept>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut header = [0; HEADER];
        if file.read_exact(&mut header).is_err() || header[..8] != *MAGIC {
            return Ok(None);
        }
        let word = |at: usize| {
            let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            u32::from_le_bytes(bytes) as usize
        };
        let (width, height) = (word(8), word(12));
        let whole = (width as u64 * height as u64 * 3) + HEADER as u64;
        Ok((file.metadata()?.len() == whole).then_some(Kept {
            file,
            width,
            height,
        }))
    }

    /// Under a name of this process and image first, so that nobody sees half of it.
    fn write(&self, image: &RgbImage, number: u64) -> io::Result<()> {
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX).to_le_bytes();
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let temporary = folder.join(format!("{}-{number}.new", std::process::id()));
        let written = File::create(&temporary).and_then(|mut file| {
            let mut header = MAGIC.to_vec();
            header.extend(side(image.width()));
            header.extend(side(image.height()));
            file.write_all(&header)?;
            file.write_all(image.pixels())
        });
        let renamed = written.and_then(|()| fs::rename(&temporary, &self.path));
        if renamed.is_err() {
            fs::remove_file(&temporary).ok();
        }
        renamed
    }
}

/// An image in the folder.
pub(super) struct Kept {
    file: File,
    width: usize,
    height: usize,
}

impl Kept {
    /// Width and height in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The rows that a region needs.
    pub fn read(mut self, region: Region) -> io::Result<Part> {
        let stride = self.width * 3;
        let start = HEADER as u64 + (region.top * stride) as u64;
        self.file.seek(SeekFrom::Start(start))?;
        let mut pixels = vec![0; region.height * stride];
        self.file.read_exact(&mut pixels)?;
        let image = RgbImage::new(self.width, region.height, pixels);
        let image = image.ok_or(ErrorKind::InvalidData)?;
        Ok(Part {
            image: image.into(),
            left: 0,
            top: region.top,
            whole: (self.width, self.height),
            reduction: 1,
        })
    }
}
