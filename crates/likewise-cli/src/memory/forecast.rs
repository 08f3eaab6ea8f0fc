//! What is said of memory before the first step: how much it will take, whether it fits, and what to
//! do if it does not.

use anyhow::{Result, bail};
use likewise::model::{Kept, Precision};
use likewise::recipe::Recipe;
use likewise::train::MemoryEstimate;

use super::available::{Available, available};
use super::gigabytes;
use crate::device::Chosen;
use crate::progress::say;

/// Share of the free memory beyond which an estimate may turn out too low.
const COMFORTABLE: f64 = 0.9;
/// Share of all memory beyond which an estimate would have to be far off to fit.
const HOPELESS: f64 = 1.2;
/// Batches that wait in the loader.
const QUEUED: u64 = 4;

/// What to tell the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// What a step takes of how much.
    pub text: String,
    /// That it may be too much, and what to do.
    pub warning: Option<String>,
}

impl Forecast {
    /// Tells them.
    pub fn say(&self) {
        say(format!("memory  {}", self.text));
        if let Some(warning) = &self.warning {
            say(format!("warning: {warning}"));
        }
    }
}

/// What a step takes; refuses what cannot fit.
pub fn check(recipe: &Recipe, classes: usize, device: &Chosen) -> Result<Forecast> {
    let estimate = estimate(recipe, classes, device)?;
    fits_a_binding(&estimate, device)?;
    match available(device) {
        Some(memory) => judge(&estimate, recipe, &memory),
        None => Ok(Forecast {
            text: format!("about {} for a step", gigabytes(estimate.bytes())),
            warning: None,
        }),
    }
}

/// What a step takes on `device`; on the processor, with the batches that wait to be used.
pub fn estimate(
    recipe: &Recipe,
    classes: usize,
    device: &Chosen,
) -> likewise::Result<MemoryEstimate> {
    let on_processor = device.adapter.is_none();
    let fused = on_processor && recipe.train.precision == Precision::F32;
    let kept = if fused { Kept::Fused } else { Kept::Separate };
    let mut estimate = MemoryEstimate::new(recipe, classes, kept)?;
    if on_processor {
        let pixels = 3 * recipe.data.image_size.pow(2) * recipe.sampler.batch_size();
        let pixels = 4 * pixels as u64;
        estimate.batch += QUEUED * pixels;
        // In chunks, the pixels of the whole batch wait, too.
        if estimate.images < recipe.sampler.batch_size() {
            estimate.batch += pixels;
        } else {
            estimate.chunking += pixels;
        }
    }
    Ok(estimate)
}

fn judge(estimate: &MemoryEstimate, recipe: &Recipe, memory: &Available) -> Result<Forecast> {
    let needed = estimate.bytes();
    let text = format!(
        "about {} for a step of {} images, {} at a time; {} has {}, {} of it free",
        gigabytes(needed),
        recipe.sampler.batch_size(),
        estimate.images,
        memory.owner,
        gigabytes(memory.total),
        gigabytes(memory.free),
    );
    let way_out = || way_out(recipe, estimate, memory);
    if needed as f64 > HOPELESS * memory.total as f64 {
        bail!("not enough memory: {text}. {}", way_out());
    }
    let is_tight = needed as f64 > COMFORTABLE * memory.free as f64;
    Ok(Forecast {
        warning: is_tight.then(|| format!("this may be too much. {}", way_out())),
        text,
    })
}

fn way_out(recipe: &Recipe, estimate: &MemoryEstimate, memory: &Available) -> String {
    let room = (COMFORTABLE * memory.free as f64) as u64;
    let chunk = estimate.images_within(room);
    let mut ways = Vec::new();
    if chunk > 0 {
        let same = match recipe.model.frozen_batch_norm {
            true => "the same gradient, each image embedded twice",
            false => "each image embedded twice; BatchNorm normalises each chunk by itself",
        };
        ways.push(format!("--set train.chunk_size={chunk} ({same})"));
    }
    if !recipe.train.gradient_checkpointing {
        ways.push("--set train.gradient_checkpointing=true".into());
    }
    ways.push("a smaller data.image_size".into());
    format!(
        "It will fit, or come nearer to it, with {}",
        ways.join(", or ")
    )
}

/// Refuses maps that are larger than what a kernel may see on this adapter. The tensor library takes
/// Vulkan's word for this limit only where there is none.
fn fits_a_binding(estimate: &MemoryEstimate, device: &Chosen) -> Result<()> {
    let Some(adapter) = device
        .adapter
        .as_ref()
        .filter(|adapter| adapter.interface != "vulkan")
    else {
        return Ok(());
    };
    let limit = adapter.max_buffer_binding;
    if estimate.largest_tensor <= limit {
        return Ok(());
    }
    let each = (estimate.largest_tensor / estimate.images as u64).max(1);
    bail!(
        "the largest map of {} images takes {}, and a kernel on {} sees {} at most: --set \
         train.chunk_size={}",
        estimate.images,
        gigabytes(estimate.largest_tensor),
        adapter.name,
        gigabytes(limit),
        (limit / each).max(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(more: &str) -> Recipe {
        let text = format!(
            "model.backbone = {{ architecture = 'resnet' }}\nmodel.frozen_batch_norm = true\n\
             objective.name = 'multisimilarity'\n{more}"
        );
        toml::from_str(&text).unwrap()
    }

    fn memory(gigabytes: u64) -> Available {
        Available {
            free: gigabytes * 1_000_000_000,
            total: 2 * gigabytes * 1_000_000_000,
            owner: "a card".into(),
        }
    }

    #[test]
    fn a_step_is_judged_by_what_is_free_and_what_there_is() {
        let recipe = recipe("");
        let estimate = MemoryEstimate::new(&recipe, 100, Kept::Fused).unwrap();
        // About 5.5 GB.
        let verdict = |gigabytes| judge(&estimate, &recipe, &memory(gigabytes));
        assert_eq!(verdict(24).unwrap().warning, None);
        let tight = verdict(5).unwrap().warning.unwrap();
        assert!(tight.contains("train.chunk_size="), "{tight}");
        let hopeless = verdict(2).unwrap_err().to_string();
        assert!(hopeless.contains("train.chunk_size="), "{hopeless}");
    }

    #[test]
    fn the_way_out_is_a_chunk_that_fits() {
        let recipe = recipe("");
        let estimate = MemoryEstimate::new(&recipe, 100, Kept::Fused).unwrap();
        let text = way_out(&recipe, &estimate, &memory(3));
        let chunk = text.split_once("chunk_size=").unwrap().1;
        let chunk: usize = chunk.split_once(' ').unwrap().0.parse().unwrap();
        let with_chunk = self::recipe(&format!("train.chunk_size = {chunk}"));
        let smaller = MemoryEstimate::new(&with_chunk, 100, Kept::Fused).unwrap();
        assert_eq!(
            judge(&smaller, &with_chunk, &memory(3)).unwrap().warning,
            None,
            "{text}"
        );
        // Where the parameters alone are too much, no chunk helps.
        assert!(!way_out(&recipe, &estimate, &memory(0)).contains("chunk_size"));
    }
}
