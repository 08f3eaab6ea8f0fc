//! Learning-rate schedules: a factor on every group's learning rate.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How learning rates change during training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Multiplied by `gamma` after each epoch of `milestones`.
    MultiStep {
        /// Epochs, counted from 1, after which the rate drops.
        milestones: Vec<u32>,
        /// Factor of each drop.
        #[serde(default = "default_gamma")]
        gamma: f64,
    },
    /// Half a cosine from 1 down to 0, after a linear warm-up.
    Cosine {
        /// Epochs of warm-up.
        #[serde(default)]
        warmup_epochs: f64,
    },
}

fn default_gamma() -> f64 {
    0.3
}

impl Default for Schedule {
    fn default() -> Self {
        Self::MultiStep {
            milestones: Vec::new(),
            gamma: default_gamma(),
        }
    }
}

impl Schedule {
    /// Refuses values outside their range.
    pub fn validate(&self, epochs_key: &str) -> Result<()> {
        match self {
            Self::MultiStep { gamma, .. } if !(gamma.is_finite() && *gamma > 0.0) => Err(
                Error::Recipe(format!("optimizer.schedule.gamma = {gamma}: above 0")),
            ),
            Self::Cosine { warmup_epochs }
                if !(warmup_epochs.is_finite() && *warmup_epochs >= 0.0) =>
            {
                Err(Error::Recipe(format!(
                    "optimizer.schedule.warmup_epochs = {warmup_epochs}: 0 or more, below {epochs_key}"
                )))
            }
            _ => Ok(()),
        }
    }

    /// The factor at batch `batch` (from 0) of `batches` in epoch `epoch` (from 1) of `epochs`.
    pub fn factor(&self, epoch: u32, epochs: u32, batch: u32, batches: u32) -> f64 {
        match self {
            Self::MultiStep { milestones, gamma } => {
                let drops = milestones
                    .iter()
                    .filter(|&&milestone| milestone < epoch)
                    .count();
                gamma.powi(i32::try_from(drops).unwrap_or(i32::MAX))
            }
            Self::Cosine { warmup_epochs } => {
                let done = f64::from(epoch - 1) + (f64::from(batch) + 0.5) / f64::from(batches);
                if done < *warmup_epochs {
                    return done / warmup_epochs;
                }
                let span = (f64::from(epochs) - warmup_epochs).max(f64::MIN_POSITIVE);
                let fraction = ((done - warmup_epochs) / span).min(1.0);
                0.5 * (1.0 + (std::f64::consts::PI * fraction).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multi_step_drops_after_each_milestone() {
        let schedule = Schedule::MultiStep {
            milestones: vec![2, 4],
            gamma: 0.1,
        };
        let factors: Vec<f64> = (1..=5)
            .map(|epoch| schedule.factor(epoch, 5, 0, 10))
            .collect();
        for (factor, expected) in factors.iter().zip([1.0, 1.0, 0.1, 0.1, 0.01]) {
            assert!((factor - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn cosine_rises_in_warm_up_and_falls_to_nothing() {
        let schedule = Schedule::Cosine { warmup_epochs: 1.0 };
        let factors: Vec<f64> = (0..100)
            .map(|step| schedule.factor(step / 10 + 1, 10, step % 10, 10))
            .collect();
        assert!(factors[..10].windows(2).all(|pair| pair[0] < pair[1]));
        assert!(factors[10..].windows(2).all(|pair| pair[0] > pair[1]));
        assert!(factors[99] < 0.001 && factors.iter().all(|factor| (0.0..=1.0).contains(factor)));
    }
}
