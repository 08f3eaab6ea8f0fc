//! Weights from elsewhere: which of their tensors a backbone takes, and what they say about the
//! network they belong to.

use std::collections::BTreeMap;

use super::architecture::Architecture;
use super::backbone::BackboneConfig;
use super::network::NetworkConfig;
use super::state::StateDict;
use crate::error::{Error, Result};

/// Key of a weight file's metadata: `true` if halving blocks stride in their first 1×1 convolution.
pub const STRIDE_IN_1X1: &str = "stride_in_1x1";

/// Named tensors as published, and the words in their file's header.
#[derive(Clone, Debug)]
pub struct Pretrained {
    /// Tensors under the names of the file.
    pub tensors: StateDict,
    /// What the file says about itself.
    pub metadata: BTreeMap<String, String>,
}

impl Pretrained {
    /// Tensors of a file that says nothing about itself.
    pub fn new(tensors: StateDict) -> Self {
        Self {
            tensors,
            metadata: BTreeMap::new(),
        }
    }

    /// Where the file says the strides lie, if it does.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] if it says neither `true` nor `false`.
    pub fn stride_in_1x1(&self) -> Result<Option<bool>> {
        let Some(word) = self.metadata.get(STRIDE_IN_1X1) else {
            return Ok(None);
        };
        word.parse().map(Some).map_err(|_| {
            Error::Weights(format!(
                "the metadata of the weights say {STRIDE_IN_1X1} = {word}, which is neither true nor \
                 false"
            ))
        })
    }

    /// Refuses weights for a network that has the same names and shapes but computes something else.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] with the setting to change.
    pub fn check(&self, network: &NetworkConfig) -> Result<()> {
        let BackboneConfig::Resnet(resnet) = &network.backbone else {
            return Ok(());
        };
        match self.stride_in_1x1()? {
            Some(stride) if stride != resnet.stride_in_1x1 => Err(Error::Weights(format!(
                "these weights belong to a ResNet with stride_in_1x1 = {stride}, but the recipe says \
                 {}: use --set model.backbone.stride_in_1x1={stride}",
                resnet.stride_in_1x1
            ))),
            _ => Ok(()),
        }
    }
}

/// How the tensors of a file and those of a network fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// What the network has and the file lacks.
    pub missing: Vec<String>,
    /// What the file has, the network lacks, and files of this architecture do not usually have.
    pub unused: Vec<String>,
    /// What has another shape: name, shape in the file, shape in the network.
    pub differing: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// What is not made of floating-point numbers.
    pub not_float: Vec<String>,
    /// What files of this architecture have and a backbone does not take: the classifier, counters.
    pub leftovers: Vec<String>,
}

impl Fit {
    /// Compares the tensors of a file with the shapes of a backbone, by name.
    pub fn new(
        file: &StateDict,
        backbone: &BTreeMap<String, Vec<usize>>,
        architecture: &Architecture,
    ) -> Self {
        let mut fit = Self::default();
        for (name, shape) in backbone {
            match file.get(name) {
                None => fit.missing.push(name.clone()),
                Some(data) => {
                    let found = data.shape().to_vec();
                    if found != *shape {
                        fit.differing.push((name.clone(), found, shape.clone()));
                    }
                    if !data.dtype().is_float() {
                        fit.not_float.push(name.clone());
                    }
                }
            }
        }
        for name in file.keys().filter(|name| !backbone.contains_key(*name)) {
            if architecture.leaves_over(name) {
                fit.leftovers.push(name.clone());
            } else {
                fit.unused.push(name.clone());
            }
        }
        fit
    }

    /// Whether the file has exactly what the backbone needs.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
            && self.unused.is_empty()
            && self.differing.is_empty()
            && self.not_float.is_empty()
    }

    /// The tensors of another shape, in words.
    pub fn differing_words(&self) -> Vec<String> {
        let words = self
            .differing
            .iter()
            .map(|(name, found, expected)| format!("{name} is {found:?} instead of {expected:?}"));
        words.collect()
    }

    /// Refuses what is not complete, with every name.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`].
    pub fn require(&self) -> Result<()> {
        if self.is_complete() {
            return Ok(());
        }
        let lists = [
            ("missing", compact(&self.missing)),
            ("not part of the network", compact(&self.unused)),
            ("of another shape", self.differing_words()),
            ("not floating point", compact(&self.not_float)),
        ];
        let sentences: Vec<String> = lists
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(problem, names)| format!("{problem}: {}", names.join(", ")))
            .collect();
        Err(Error::Weights(format!(
            "the weights do not fit the network, nothing was loaded; {}",
            sentences.join("; ")
        )))
    }
}

/// Names with common parts as one: `layer1.{0,1}.bn1.{bias,weight}`.
pub fn compact(names: &[String]) -> Vec<String> {
    let mut tree = Tree::default();
    for name in names {
        tree.insert(name.split('.'));
    }
    tree.lines()
}

/// Names by their parts.
#[derive(Default, PartialEq, Eq)]
struct Tree(BTreeMap<String, Tree>);

impl Tree {
    fn insert<'a>(&mut self, mut parts: impl Iterator<Item = &'a str>) {
        if let Some(part) = parts.next() {
            self.0.entry(part.to_owned()).or_default().insert(parts);
        }
    }

    /// One line for each group of children with the same descendants.
    fn lines(&self) -> Vec<String> {
        let mut groups: Vec<(&Tree, Vec<&str>)> = Vec::new();
        for (part, below) in &self.0 {
            match groups.iter_mut().find(|(tree, _)| *tree == below) {
                Some((_, parts)) => parts.push(part),
                None => groups.push((below, vec![part])),
            }
        }
        let lines = groups.into_iter().flat_map(|(below, parts)| {
            let head = match parts[..] {
                [part] => part.to_owned(),
                _ => format!("{{{}}}", parts.join(",")),
            };
            let below = below.lines();
            if below.is_empty() {
                return vec![head];
            }
            below.iter().map(|line| format!("{head}.{line}")).collect()
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_common_parts_are_listed_together() {
        let names = [
            "a.0.bn.weight",
            "a.0.bn.bias",
            "a.1.bn.weight",
            "a.1.bn.bias",
            "a.2.bn.bias",
            "c",
        ];
        let names = names.map(String::from);
        assert_eq!(
            compact(&names),
            ["a.{0,1}.bn.{bias,weight}", "a.2.bn.bias", "c"]
        );
        assert!(compact(&[]).is_empty());
    }
}
