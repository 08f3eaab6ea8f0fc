//! Control: triplets inside classes. Nothing in them tells one class from another.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::anchors::validate_budget;
use super::choice::below;
use super::{RhoSwitch, TripletMiner, Triplets, rho};
use crate::Result;
use crate::batch::BatchLabels;
use crate::pairwise::Pairwise;

/// For each triplet a class of the batch, uniform over those there are, and a, p and n uniform in
/// it, all with replacement: they may coincide.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntraRandom {
    /// Number of triplets of a batch, 1 to 1,000,000; absent: as many as the batch has rows, B.
    pub budget: Option<usize>,
    /// The ρ-switch on the drawn triplets; absent: none. With it, only classes of two or more take
    /// part.
    pub rho: Option<RhoSwitch>,
}

impl TripletMiner for IntraRandom {
    fn validate(&self) -> Result<()> {
        validate_budget(self.budget)?;
        rho::validate(self.rho.as_ref())
    }

    fn rho(&self) -> Option<&RhoSwitch> {
        self.rho.as_ref()
    }

    fn draw(&self, _: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Triplets {
        // The first row of each class stands for it.
        let takes_part = |&row: &usize| {
            labels.class_of(row)[0] == row && (self.rho.is_none() || labels.positive_count(row) > 0)
        };
        let classes: Vec<usize> = (0..labels.len()).filter(takes_part).collect();
        let count = self.budget.unwrap_or(labels.len());
        let drawn = if classes.is_empty() { 0 } else { count };
        let rows: Vec<[usize; 3]> = (0..drawn)
            .map(|_| {
                let class = labels.class_of(classes[below(classes.len(), rng)]);
                let anchors = class.partition_point(|&reference| reference < labels.len());
                [anchors, class.len(), class.len()].map(|count| class[below(count, rng)])
            })
            .collect();
        Triplets::from_rows(&rows, count, &labels.device.device())
    }
}
