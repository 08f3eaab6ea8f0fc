//! Datasets, image decoding, transforms and the prefetching loader of Likewise: everything between
//! files on disk and the host batches a trainer uploads. No tensors here, and no device.
//!
//! ```
//! # use std::sync::Arc;
//! # use likewise_data::{Dataset, Loader, LoaderOptions, PlannedBatch, Split, TransformOptions};
//! # fn main() -> likewise::Result<()> {
//! let dataset = Arc::new(Dataset::embedded_emoji()?);
//! let transforms = TransformOptions { size: 64, ..TransformOptions::default() };
//! let loader = Loader::new(Arc::clone(&dataset), &transforms, LoaderOptions::default())?;
//! let train = dataset.split(Split::Train);
//! let plan = vec![PlannedBatch { epoch: 0, batch: 0, indices: train.indices[..8].to_vec() }];
//! for batch in loader.train(plan)? {
//!     assert_eq!(batch?.shape, [8, 3, 64, 64]);
//! }
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

pub mod dataset;
pub mod decode;
#[cfg(not(target_family = "wasm"))]
mod jpeg;
pub mod loader;
pub mod resize;
pub mod rgb;
pub mod transform;

pub use dataset::{
    Benchmark, DataSource, Dataset, DatasetOptions, Part, Split, SplitItems, SplitOptions,
};
pub use loader::{Batches, DiskCache, HostBatch, Loader, LoaderOptions, OnBadImage, PlannedBatch};
pub use rgb::RgbImage;
pub use transform::{Augmentation, Normalization, Transform, TransformOptions};
