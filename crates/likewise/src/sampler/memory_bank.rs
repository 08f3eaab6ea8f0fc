//! Embeddings of the whole training set on the host, from which some samplers build batches.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, check};

/// One embedding for each training image, `[N, D]` row-major; row i is that of image i.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryBank {
    values: Vec<f32>,
    dimension: usize,
}

impl MemoryBank {
    /// A bank of `values`, whole rows of `dimension` coordinates each.
    ///
    /// # Errors
    /// [`Error::Data`] when there is no row or a part of one. Values that are not finite are
    /// found when a batch is drawn from them.
    pub fn new(values: Vec<f32>, dimension: usize) -> Result<Self> {
        if dimension == 0 || values.is_empty() || !values.len().is_multiple_of(dimension) {
            return Err(Error::Data(format!(
                "memory bank: {} values are not one or more whole rows of dimension {dimension}",
                values.len()
            )));
        }
        Ok(Self { values, dimension })
    }

    /// Number of images N.
    pub fn rows(&self) -> usize {
        self.values.len() / self.dimension
    }

    /// Number of coordinates D.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The embedding of image `row`, which must be below N.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dimension..][..self.dimension]
    }

    /// All embeddings, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Replaces each of `rows` by momentum · old + (1 − momentum) · new, the new ones in `values`,
    /// `[rows, D]` row-major. A row that comes twice is replaced twice, in order.
    ///
    /// # Errors
    /// [`Error::Data`] for a row that does not exist or another number of values, and
    /// [`Error::Recipe`] for a momentum outside [0, 1). The bank is then as before.
    pub fn update(&mut self, rows: &[usize], values: &[f32], momentum: f64) -> Result<()> {
        check::number("sampler.bank.momentum", momentum, 0.0..1.0)?;
        if values.len() != rows.len() * self.dimension {
            return Err(Error::Data(format!(
                "memory bank: {} values for {} rows of dimension {}",
                values.len(),
                rows.len(),
                self.dimension
            )));
        }
        if let Some(row) = rows.iter().find(|&&row| row >= self.rows()) {
            return Err(Error::Data(format!(
                "memory bank: there is no row {row}, only {}",
                self.rows()
            )));
        }
        for (&row, new) in rows.iter().zip(values.chunks_exact(self.dimension)) {
            let old = &mut self.values[row * self.dimension..][..self.dimension];
            if momentum == 0.0 {
                old.copy_from_slice(new);
                continue;
            }
            for (old, &new) in old.iter_mut().zip(new) {
                *old = (momentum * f64::from(*old) + (1.0 - momentum) * f64::from(new)) as f32;
            }
        }
        Ok(())
    }
}

/// How a memory bank follows the network: the key `bank` of a sampler that uses one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BankSettings {
    /// Replace the rows of a batch by the embeddings that its training step computed.
    pub update: bool,
    /// Share of the old row that stays in it then; in [0, 1), 0 overwrites.
    pub momentum: f64,
    /// Epochs between embeddings of the whole training set anew; 0 does so only before training.
    pub refresh_every: u32,
}

impl Default for BankSettings {
    fn default() -> Self {
        Self {
            update: true,
            momentum: 0.0,
            refresh_every: 0,
        }
    }
}

impl BankSettings {
    pub(super) fn validate(&self) -> Result<()> {
        check::number("sampler.bank.momentum", self.momentum, 0.0..1.0)?;
        if !self.update && self.momentum != 0.0 {
            return Err(Error::Recipe(format!(
                "`sampler.bank.momentum = {}` has no effect with `sampler.bank.update = false`: \
                 set one of them back",
                self.momentum
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bank() -> MemoryBank {
        MemoryBank::new(vec![0.0, 0.0, 1.0, 2.0, 4.0, 8.0], 2).unwrap()
    }

    #[test]
    fn an_update_without_momentum_overwrites_only_its_rows_and_the_last_one_wins() {
        let mut bank = bank();
        bank.update(&[2, 0, 2], &[9.0, 9.0, 5.0, 6.0, 7.0, 8.0], 0.0)
            .unwrap();
        assert_eq!(bank.values(), [5.0, 6.0, 1.0, 2.0, 7.0, 8.0]);
        assert_eq!((bank.rows(), bank.dimension()), (3, 2));
        assert_eq!(bank.row(1), [1.0, 2.0]);
    }

    #[test]
    fn momentum_keeps_its_share_of_the_old_row_each_time_the_row_comes() {
        let mut bank = bank();
        bank.update(&[1, 1], &[2.0, 0.0, 0.0, 1.0], 0.75).unwrap();
        // 0.75·(0.75·old + 0.25·first) + 0.25·second
        assert_eq!(bank.row(1), [0.9375, 1.375]);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let mut changed = bank();
        let text = |result: Result<()>| result.unwrap_err().to_string();
        assert!(text(changed.update(&[3], &[0.0, 0.0], 0.0)).contains("no row 3"));
        assert!(text(changed.update(&[0, 1], &[0.0; 3], 0.0)).contains("3 values for 2 rows"));
        assert!(text(changed.update(&[0], &[0.0; 2], 1.0)).contains("sampler.bank.momentum"));
        assert_eq!(changed, bank());
        for (values, dimension) in [(vec![], 2), (vec![0.0; 3], 2), (vec![0.0; 3], 0)] {
            assert!(MemoryBank::new(values, dimension).is_err());
        }
    }

    #[test]
    fn settings_that_contradict_themselves_are_refused() {
        let settings = |update, momentum| BankSettings {
            update,
            momentum,
            ..BankSettings::default()
        };
        assert!(settings(true, 0.5).validate().is_ok());
        assert!(settings(false, 0.0).validate().is_ok());
        for refused in [
            settings(false, 0.5),
            settings(true, 1.0),
            settings(true, f64::NAN),
        ] {
            let error = refused.validate().unwrap_err().to_string();
            assert!(error.contains("sampler.bank.momentum"), "{error}");
        }
    }
}
