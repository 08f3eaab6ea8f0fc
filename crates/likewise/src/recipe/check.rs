//! The second stage: what a recipe means, and which combinations cannot exist.

use super::{EarlyStopping, Protocol, Recipe};
use crate::metric::Direction;
use crate::miner::{self, TupleKind};
use crate::objective::{Embeddings, Family};
use crate::train::Split;
use crate::{Error, Result};

impl Recipe {
    /// Refuses values outside their range and combinations that cannot be run, naming the keys.
    pub fn validate(&self) -> Result<()> {
        self.data.validate()?;
        self.sampler.validate()?;
        self.optimizer.validate()?;
        self.objective.validate()?;
        self.check_tuples()?;
        self.check_embeddings()?;
        self.check_memory()?;
        self.model
            .feature_dim([3, self.data.image_size, self.data.image_size])?;
        self.check_evaluation()?;
        self.check_kept()?;
        self.check_early_stopping()?;
        if self.train.chunk_size == Some(0) {
            return Err(Error::Recipe(
                "train.chunk_size = 0: at least 1 (or leave it out to embed whole batches)".into(),
            ));
        }
        if self.train.accumulation_steps == 0 {
            return Err(Error::Recipe(
                "train.accumulation_steps = 0: at least 1 (a step for every batch)".into(),
            ));
        }
        if self.train.epochs == 0 {
            return Err(Error::Recipe("train.epochs = 0: at least 1".into()));
        }
        if self.name.contains(['/', '\\']) || self.name.starts_with('.') {
            return Err(Error::Recipe(format!(
                "name = \"{}\" cannot be a folder name: use letters, digits, - and _",
                self.name
            )));
        }
        Ok(())
    }

    fn check_tuples(&self) -> Result<()> {
        let objective = self.objective.entry();
        match &self.miner {
            None if !objective.needs_miner() => Ok(()),
            None => Err(Error::Recipe(format!(
                "objective.name = \"{}\" needs tuples, but there is no [miner] table: add one with \
                 name = {}",
                objective.name,
                miner::serving(objective.tuples)
            ))),
            Some(miner) if objective.tuples == [TupleKind::None] => Err(Error::Recipe(format!(
                "objective.name = \"{}\" chooses its own pairs: remove the [miner] table (found \
                 name = \"{}\")",
                objective.name,
                miner.name()
            ))),
            Some(miner) if !objective.takes(miner.entry().tuples) => Err(Error::Recipe(format!(
                "miner.name = \"{}\" makes {}, not what objective.name = \"{}\" takes: use {}",
                miner.name(),
                miner.entry().tuples.name(),
                objective.name,
                miner::serving(objective.tuples)
            ))),
            Some(miner) => miner.validate(),
        }
    }

    fn check_embeddings(&self) -> Result<()> {
        let normalized = self.model.normalize;
        let miner = self
            .miner
            .as_ref()
            .filter(|miner| miner.entry().needs_unit_embeddings);
        let needs_unit = match miner {
            Some(miner) => Some(format!("miner.name = \"{}\"", miner.name())),
            None => (self.objective.entry().embeddings == Embeddings::Unit)
                .then(|| format!("objective.name = \"{}\"", self.objective.name())),
        };
        if let Some(what) = needs_unit
            && !normalized
        {
            return Err(Error::Recipe(format!(
                "{what} is defined for embeddings of length 1 only: set model.normalize = true"
            )));
        }
        if self.objective.penalises_norm() && normalized {
            return Err(Error::Recipe(format!(
                "objective.name = \"{}\" penalises the length of embeddings (objective.l2), which is \
                 always 1 here: set model.normalize = false, or objective.l2 = 0",
                self.objective.name()
            )));
        }
        Ok(())
    }

    fn check_memory(&self) -> Result<()> {
        let Some(memory) = &self.cross_batch_memory else {
            return Ok(());
        };
        memory.validate()?;
        if self.objective.entry().family == Family::Proxies {
            return Err(Error::Recipe(format!(
                "objective.name = \"{}\" compares with its proxies, not with other embeddings: remove \
                 the [cross_batch_memory] table",
                self.objective.name()
            )));
        }
        Ok(())
    }

    fn check_evaluation(&self) -> Result<()> {
        let evaluation = &self.evaluation;
        if !evaluation
            .progress
            .iter()
            .any(|name| name == evaluation.select)
        {
            let names: Vec<String> = evaluation
                .progress
                .iter()
                .map(|name| name.to_string())
                .collect();
            return Err(Error::Recipe(format!(
                "evaluation.select = \"{}\" is not one of evaluation.progress = {names:?}",
                evaluation.select
            )));
        }
        if evaluation.batch_size == 0 {
            return Err(Error::Recipe(
                "evaluation.batch_size = 0: at least 1".into(),
            ));
        }
        if self.train.protocol == Protocol::Validation && evaluation.splits.contains(&Split::Test) {
            return Err(Error::Recipe(
                "evaluation.splits names \"test\", but train.protocol = \"validation\" reads the test \
                 classes once, at the end: remove it, or set train.protocol = \"paper\""
                    .into(),
            ));
        }
        Ok(())
    }

    /// Metrics that tell epochs apart: computed in every evaluation, one number, better one way.
    fn check_kept(&self) -> Result<()> {
        let evaluation = &self.evaluation;
        let also = (self.train.protocol == Protocol::Paper).then_some(&evaluation.metrics);
        for metric in evaluation.kept() {
            let key = if metric == evaluation.select {
                "select"
            } else {
                "keep_best"
            };
            let mut computed = evaluation.progress.iter();
            let computed = computed.any(|name| name == metric)
                || also.is_some_and(|set| set.iter().any(|name| name == metric));
            let problem = if metric.is_array() {
                "is a list of numbers; choose a metric that is one number"
            } else if metric.metric().direction == Direction::Neither {
                "describes the embedding without ranking it; choose a metric of which more or less is \
                 better"
            } else if !computed {
                "is not computed while training: add it to evaluation.progress"
            } else {
                continue;
            };
            return Err(Error::Recipe(format!(
                "evaluation.{key}: \"{metric}\" {problem}"
            )));
        }
        Ok(())
    }

    fn check_early_stopping(&self) -> Result<()> {
        let Some(EarlyStopping {
            patience,
            min_delta,
        }) = self.train.early_stopping
        else {
            return Ok(());
        };
        let problem = if self.train.protocol == Protocol::Paper {
            "train.early_stopping under train.protocol = \"paper\" would let the test classes end the \
             run: remove it, or set train.protocol = \"validation\""
                .into()
        } else if self.evaluation.every == 0 {
            "train.early_stopping needs evaluations while training: set evaluation.every to 1 or more"
                .into()
        } else if patience == 0 {
            "train.early_stopping.patience = 0: at least 1".into()
        } else if !(min_delta.is_finite() && min_delta >= 0.0) {
            format!("train.early_stopping.min_delta = {min_delta}: 0 or more")
        } else {
            return Ok(());
        };
        Err(Error::Recipe(problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective;

    fn recipe(objective: &str, miner: Option<&str>) -> Recipe {
        let mut text = format!(
            "[model.backbone]\narchitecture = 'conv_net'\n[objective]\nname = '{objective}'\n"
        );
        if let Some(miner) = miner {
            text += &format!("[miner]\nname = '{miner}'\n");
        }
        toml::from_str(&text).unwrap()
    }

    /// Every objective with every miner: what does not fit is refused with the names of both and
    /// of every miner that would.
    #[test]
    fn a_miner_of_other_tuples_is_refused_with_those_that_fit() {
        for objective in objective::TABLE {
            for miner in miner::TABLE {
                let result = recipe(objective.name, Some(miner.name)).check_tuples();
                if objective.takes(miner.tuples) {
                    result.unwrap();
                    continue;
                }
                let message = result.unwrap_err().to_string();
                let quoted = |name: &str| message.contains(&format!("\"{name}\""));
                assert!(quoted(objective.name) && quoted(miner.name), "{message}");
                for other in miner::TABLE
                    .iter()
                    .filter(|other| objective.takes(other.tuples))
                {
                    assert!(quoted(other.name), "{} is missing: {message}", other.name);
                }
            }
            let result = recipe(objective.name, None).check_tuples();
            assert_eq!(
                result.is_err(),
                objective.needs_miner(),
                "{}",
                objective.name
            );
        }
    }

    /// Settings of selection that contradict each other, each with the words that must be said.
    #[test]
    fn selection_that_cannot_be_is_refused_with_its_keys() {
        let paper = "[train]\nprotocol='paper'";
        for (settings, words) in [
            (
                "[evaluation]\nsplits=['train','test']",
                ["evaluation.splits", "paper"],
            ),
            (
                "[evaluation]\nkeep_best=['nmi']",
                ["keep_best", "evaluation.progress"],
            ),
            (
                "[evaluation]\nprogress=['recall@1','dists@intra']\nkeep_best=['dists@intra']",
                ["dists@intra", "ranking"],
            ),
            (
                "[evaluation]\nprogress=['recall@1','rho_spectrum@0']\nselect='rho_spectrum@0'",
                ["evaluation.select", "list"],
            ),
            (
                &format!("{paper}\nearly_stopping={{patience=3}}"),
                ["train.early_stopping", "paper"],
            ),
            (
                "[train]\nearly_stopping={patience=0}",
                ["train.early_stopping.patience", "at least 1"],
            ),
            (
                "[train]\nearly_stopping={patience=1,min_delta=-0.1}",
                ["min_delta = -0.1", "0 or more"],
            ),
            (
                "[train]\nearly_stopping={patience=1}\n[evaluation]\nevery=0",
                ["train.early_stopping", "evaluation.every"],
            ),
        ] {
            let message = with(settings).validate().unwrap_err().to_string();
            for word in words {
                assert!(message.contains(word), "{settings}: {message}");
            }
        }
        for settings in [
            "[evaluation]\nsplits=['train']\nkeep_best=['map_at_r']",
            &format!("{paper}\n[evaluation]\nsplits=['test','train']\nkeep_best=['nmi']"),
            "[train]\nearly_stopping={patience=3}",
        ] {
            with(settings).validate().unwrap();
        }
    }

    fn with(settings: &str) -> Recipe {
        let text = format!(
            "[model.backbone]\narchitecture='conv_net'\n[objective]\nname='multisimilarity'\n{settings}"
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn a_miner_with_a_key_out_of_range_is_refused() {
        let mut recipe = recipe("triplet", Some("semihard"));
        recipe.miner = Some(toml::from_str("name = 'semihard'\nbudget = 0").unwrap());
        let message = recipe.check_tuples().unwrap_err().to_string();
        assert!(
            message.contains("miner.budget = 0") && message.contains("at least 1"),
            "{message}"
        );
    }
}
