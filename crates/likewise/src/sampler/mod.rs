//! Batch samplers decide which images form a batch: in metric learning the composition of the
//! batch, not the pass over the data, defines what can be compared.

mod candidates;
mod class_index;
mod classmates;
pub mod d2_coreset;
pub mod distance_histogram;
mod draw;
pub mod frechet;
pub mod greedy_coreset;
mod memory_bank;
mod moments;
mod plan;
mod points;
mod pool;
mod projection;
mod sizes;
pub mod spc;
pub mod spc_random;

use serde::{Deserialize, Serialize};

pub use class_index::ClassIndex;
pub use d2_coreset::D2Coreset;
pub use distance_histogram::DistanceHistogram;
pub use draw::Draw;
pub use frechet::Frechet;
pub use greedy_coreset::GreedyCoreset;
pub use memory_bank::{BankSettings, MemoryBank};
pub use plan::BatchPlan;
pub use points::Points;
pub use spc::SamplesPerClass;
pub use spc_random::SpcRandom;

use crate::{Error, Result};

/// A way to compose batches. Its type has a public field `batch_size`, the images in a batch.
pub trait BatchSampler {
    /// Refuses settings outside their ranges with [`Error::Recipe`], naming the key.
    fn validate(&self) -> Result<()>;

    /// Classes without which no batch can be drawn.
    fn classes_needed(&self) -> usize {
        2
    }

    /// How its memory bank is kept, for samplers that use one.
    fn bank(&self) -> Option<&BankSettings> {
        None
    }

    /// Dataset indices of the batch, B of them; a function of `draw` alone.
    ///
    /// # Errors
    /// Those of [`Draw::bank`], and [`Error::NotFinite`] when an embedding looked at is not
    /// finite.
    fn draw(&self, draw: &Draw<'_>) -> Result<Vec<usize>>;
}

/// One line of [`TABLE`].
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Name in recipes.
    pub name: &'static str,
    /// Name in the literature.
    pub title: &'static str,
    /// What it draws, in a sentence.
    pub summary: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    /// Whether it needs embeddings of the whole training set.
    pub memory_bank: bool,
    /// The sampler with its default settings; serialise it to list them.
    pub default: fn() -> SamplerConfig,
}

/// Makes the enum, its dispatch and the table from one line a sampler:
/// `Variant(type) "name", memory bank, "title", "summary", "paper"`.
macro_rules! samplers {
    ($($variant:ident($sampler:ty) $name:literal, $bank:literal, $title:literal, $summary:literal, $paper:literal;)*) => {
        /// Which sampler, with its settings: the `[sampler]` table of a recipe.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name")]
        pub enum SamplerConfig {
            $(
                #[doc = concat!($title, ".")]
                #[serde(rename = $name)]
                $variant($sampler),
            )*
        }

        /// Every batch sampler, in the order in which help and menus show them.
        pub const TABLE: &[Entry] = &[$(Entry {
            name: $name,
            title: $title,
            summary: $summary,
            paper: $paper,
            memory_bank: $bank,
            default: || SamplerConfig::$variant(<$sampler>::default()),
        },)*];

        impl SamplerConfig {
            /// The name in recipes.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            fn sampler(&self) -> &dyn BatchSampler {
                match self { $(Self::$variant(sampler) => sampler,)* }
            }

            /// Images in a batch, B.
            pub fn batch_size(&self) -> usize {
                match self { $(Self::$variant(sampler) => sampler.batch_size,)* }
            }

            /// Replaces the batch size.
            pub fn set_batch_size(&mut self, size: usize) {
                match self { $(Self::$variant(sampler) => sampler.batch_size = size,)* }
            }
        }
    };
}

samplers! {
    Spc(SamplesPerClass) "spc", false, "SPC-n", "random classes, n random images of each", "Roth et al. 2020";
    SpcRandom(SpcRandom) "spc_random", false, "SPC-R", "random images (class first), with one positive pair guaranteed", "Roth et al. 2020";
    GreedyCoreset(GreedyCoreset) "greedy_coreset", true, "GC (greedy coreset)", "images that cover a random pool best, with random classmates", "Roth et al. 2020; k-centre selection of Gonzalez 1985";
    D2Coreset(D2Coreset) "d2_coreset", true, "D² coreset", "images that are likely in a random pool and far from each other, with random classmates", "Roth et al. 2020 (code); D² weighting of Arthur and Vassilvitskii 2007";
    DistanceHistogram(DistanceHistogram) "distance_histogram", true, "DDM (distance distribution matching)", "of random batches the one with distances and spread most like those of a pool", "Roth et al. 2020";
    Frechet(Frechet) "frechet", true, "FRD (Fréchet distance matching)", "of random batches the one with mean and covariance most like those of a pool", "Roth et al. 2020; distance of Dowson and Landau 1982";
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self::Spc(SamplesPerClass::default())
    }
}

/// The line of [`TABLE`] with this name.
pub fn entry(name: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.name == name)
}

impl SamplerConfig {
    /// The line of [`TABLE`] about this sampler.
    pub fn entry(&self) -> &'static Entry {
        entry(self.name()).expect("the table and the enum are made from the same lines")
    }

    /// How the memory bank is kept, for samplers that use one.
    pub fn bank(&self) -> Option<&BankSettings> {
        self.sampler().bank()
    }

    /// Refuses settings that cannot form a batch.
    ///
    /// # Errors
    /// [`Error::Recipe`] naming the key and its value.
    pub fn validate(&self) -> Result<()> {
        self.sampler().validate()
    }

    /// Refuses data from which no batch can be drawn.
    ///
    /// # Errors
    /// [`Error::Data`] when there are too few classes or images.
    pub fn validate_data(&self, index: &ClassIndex) -> Result<()> {
        let needed = self.sampler().classes_needed();
        let found = index.classes().len();
        if found < needed {
            return Err(Error::Data(format!(
                "the training split has {found} classes, but a batch of {} images needs at least \
                 {needed}: lower sampler.batch_size, raise sampler.samples_per_class, or add data",
                self.batch_size()
            )));
        }
        if index.images() < self.batch_size() {
            return Err(Error::Data(format!(
                "the training split has {} images, fewer than one batch: lower \
                 sampler.batch_size (now {})",
                index.images(),
                self.batch_size()
            )));
        }
        Ok(())
    }

    /// Batches in an epoch: ⌊N/B⌋. An epoch is not a pass over the data: every batch is an
    /// independent draw.
    pub fn batches_per_epoch(&self, index: &ClassIndex) -> usize {
        index.images() / self.batch_size()
    }

    /// Dataset indices of one batch, a function of the arguments alone. The settings and the data
    /// must be valid.
    ///
    /// # Errors
    /// For samplers with a memory bank, [`Error::Data`] when there is none or it does not fit the
    /// images, and [`Error::NotFinite`] when an embedding looked at is not finite.
    pub fn batch(
        &self,
        index: &ClassIndex,
        bank: Option<&MemoryBank>,
        seed: u64,
        epoch: u32,
        batch: u32,
    ) -> Result<Vec<usize>> {
        self.sampler().draw(&Draw {
            index,
            bank,
            seed,
            epoch,
            batch,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_are_those_of_recipes_and_defaults_are_valid() {
        for entry in TABLE {
            let config = (entry.default)();
            assert_eq!(config.name(), entry.name);
            assert_eq!(config.bank().is_some(), entry.memory_bank);
            config.validate().unwrap();
            let text = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<SamplerConfig>(&text).unwrap(), config);
            let bare = format!("name = \"{}\"", entry.name);
            assert_eq!(toml::from_str::<SamplerConfig>(&bare).unwrap(), config);
        }
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_key() {
        let coresets = ["greedy_coreset", "d2_coreset"];
        let matching = ["distance_histogram", "frechet"];
        let with_bank = [coresets, matching].concat();
        let mut refused: Vec<(&str, &str, &str)> = Vec::new();
        for name in with_bank {
            refused.extend([
                (name, "batch_size = 15", "sampler.batch_size"),
                (name, "samples_per_class = 112", "sampler.samples_per_class"),
                (name, "projection_dim = 0", "sampler.projection_dim"),
                (name, "bank = { momentum = 1.0 }", "sampler.bank.momentum"),
            ]);
        }
        for name in coresets {
            refused.push((name, "pool_size = 55", "sampler.pool_size"));
        }
        for name in matching {
            refused.push((name, "pool_size = 111", "sampler.pool_size"));
            refused.push((name, "candidates = 0", "sampler.candidates"));
        }
        refused.extend([
            ("d2_coreset", "lambda = -1.0", "sampler.lambda"),
            ("d2_coreset", "ridge = 0.0", "sampler.ridge"),
            ("distance_histogram", "bins = 0", "sampler.bins"),
            ("distance_histogram", "bins = 70000", "sampler.bins"),
            (
                "distance_histogram",
                "pool_size = 5000",
                "sampler.pool_size",
            ),
            (
                "distance_histogram",
                "wasserstein_weight = -1.0",
                "sampler.wasserstein_weight",
            ),
            ("frechet", "epsilon = -1e-8", "sampler.epsilon"),
        ]);
        for (name, line, key) in refused {
            let text = format!("name = \"{name}\"\n{line}");
            let config: SamplerConfig = toml::from_str(&text).unwrap();
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(key), "{text}: {error}");
        }
        for text in [
            "name = \"frechet\"\nsoftened = true",
            "name = \"greedy_coreset\"\nbank = { rate = 1.0 }",
            "name = \"spc\"\nbank = {}",
            "name = \"coreset\"",
        ] {
            assert!(toml::from_str::<SamplerConfig>(text).is_err(), "{text}");
        }
    }
}
