//! Names of metrics: `recall@1`, `c_nmi`, `rho_spectrum@-1`. A name that parses can be computed;
//! the key a result is stored under is the name's one canonical spelling.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::points::Space;
use super::table::{METRICS, Metric, Parameter, Quantity};
use crate::{Error, Result};

/// One metric with its space and parameter. Displays as the canonical key: without a prefix in
/// the space of the table, so `e_recall@1` becomes `recall@1`. Ordered as the table, then by
/// space, then by parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MetricName {
    quantity: Quantity,
    space: Option<Space>,
    parameter: i32,
}

impl MetricName {
    /// What is measured.
    pub fn quantity(self) -> Quantity {
        self.quantity
    }

    /// The space distances are taken in; none if there are no distances.
    pub fn space(self) -> Option<Space> {
        self.space
    }

    /// The number after `@`; 0 where there is none.
    pub fn parameter(self) -> i32 {
        self.parameter
    }

    /// The retrieval metric with a value for each query that this one is made of: itself, except
    /// that the Recall@k of the worst class is made of Recall@k.
    pub(super) fn of_queries(self) -> Self {
        let quantity = match self.quantity {
            Quantity::WorstClassRecall => Quantity::Recall,
            quantity => quantity,
        };
        Self { quantity, ..self }
    }

    /// The metric's line in the table.
    pub fn metric(self) -> &'static Metric {
        &METRICS[self.quantity as usize]
    }

    /// Smallest and largest possible value. Euclidean distances have no largest.
    pub fn range(self) -> (f64, f64) {
        let metric = self.metric();
        let euclidean = metric.space == Some(Space::Cosine) && self.space == Some(Space::Euclidean);
        (
            metric.range.0,
            if euclidean {
                f64::INFINITY
            } else {
                metric.range.1
            },
        )
    }

    /// Whether the value is an array: the spectrum itself.
    pub fn is_array(self) -> bool {
        self.metric().parameter == Parameter::Spectrum && self.parameter == 0
    }

    /// Reads a name; none if it is not one.
    fn read(text: &str) -> Option<Self> {
        METRICS.iter().find_map(|metric| {
            let plain = Self::read_plain(metric, metric.space, text);
            let prefixed = metric.space.and_then(|_| {
                let (prefix, rest) = text.split_at_checked(2)?;
                let space = match prefix {
                    "e_" => Space::Euclidean,
                    "c_" => Space::Cosine,
                    _ => return None,
                };
                Self::read_plain(metric, Some(space), rest)
            });
            plain.or(prefixed)
        })
    }

    fn read_plain(metric: &Metric, space: Option<Space>, text: &str) -> Option<Self> {
        let rest = text.strip_prefix(metric.stem())?;
        let parameter = match metric.parameter {
            Parameter::None => rest.is_empty().then_some(0),
            Parameter::Neighbours => rest.strip_prefix('@')?.parse().ok().filter(|&k| k > 0),
            Parameter::Spectrum => rest
                .strip_prefix('@')?
                .parse()
                .ok()
                .filter(|&m| m > i32::MIN),
        }?;
        Some(Self {
            quantity: metric.quantity,
            space,
            parameter,
        })
    }
}

impl fmt::Display for MetricName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = self.metric();
        match self.space {
            space if space == metric.space => {}
            Some(Space::Cosine) => formatter.write_str("c_")?,
            _ => formatter.write_str("e_")?,
        }
        match metric.parameter {
            Parameter::None => formatter.write_str(metric.name),
            Parameter::Neighbours | Parameter::Spectrum => {
                write!(formatter, "{}@{}", metric.stem(), self.parameter)
            }
        }
    }
}

impl FromStr for MetricName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::read(text).ok_or_else(|| Error::Recipe(unknown(text)))
    }
}

impl TryFrom<String> for MetricName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<MetricName> for String {
    fn from(name: MetricName) -> Self {
        name.to_string()
    }
}

fn unknown(text: &str) -> String {
    let known = METRICS
        .iter()
        .map(|metric| metric.name)
        .collect::<Vec<_>>()
        .join(", ");
    let nearest = nearest(text);
    format!(
        "`{text}` is not a metric; the nearest is `{nearest}`. Known: {known} \
         (k a positive number, m a whole number; prefix c_ for cosine, e_ for Euclidean distance)"
    )
}

/// The known name most like `text`, with the number of `text` where that makes a valid name.
fn nearest(text: &str) -> String {
    let number = text.rsplit_once('@').map_or("", |(_, number)| number);
    let spellings = METRICS.iter().flat_map(|metric| {
        let prefixes: &[&str] = if metric.space.is_some() {
            &["", "e_", "c_"]
        } else {
            &[""]
        };
        prefixes.iter().map(move |prefix| match metric.parameter {
            Parameter::None => format!("{prefix}{}", metric.name),
            Parameter::Neighbours | Parameter::Spectrum => {
                let with_number = format!("{prefix}{}@{number}", metric.stem());
                let valid = MetricName::read(&with_number).is_some();
                if valid {
                    with_number
                } else {
                    format!("{prefix}{}@1", metric.stem())
                }
            }
        })
    });
    spellings
        .max_by(|a, b| strsim::jaro_winkler(text, a).total_cmp(&strsim::jaro_winkler(text, b)))
        .unwrap_or_default()
}

/// The metrics of one evaluation, each once, in the order of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetricSet {
    names: std::collections::BTreeSet<MetricName>,
}

impl MetricSet {
    /// Reads names such as `recall@1`.
    ///
    /// # Errors
    /// The first unknown name, with the nearest known one.
    pub fn parse<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let names = names
            .into_iter()
            .map(|name| name.as_ref().parse())
            .collect::<Result<_>>()?;
        Ok(Self { names })
    }

    /// The names, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = MetricName> + '_ {
        self.names.iter().copied()
    }

    /// Adds a metric unless it is there.
    pub fn insert(&mut self, name: MetricName) {
        self.names.insert(name);
    }
}

impl FromIterator<MetricName> for MetricSet {
    fn from_iter<I: IntoIterator<Item = MetricName>>(names: I) -> Self {
        Self {
            names: names.into_iter().collect(),
        }
    }
}

/// The list of Roth et al. 2020, and MAP@R.
impl Default for MetricSet {
    fn default() -> Self {
        let name = |quantity: Quantity, parameter| {
            let space = METRICS[quantity as usize].space;
            MetricName {
                quantity,
                space,
                parameter,
            }
        };
        let recall = [1, 2, 4].map(|k| name(Quantity::Recall, k));
        let spectrum = [0, -1, 1, 2, 10].map(|m| name(Quantity::Spectrum, m));
        let plain = [
            Quantity::MapAtR,
            Quantity::MapLim,
            Quantity::Map1000,
            Quantity::MapC,
            Quantity::Nmi,
            Quantity::F1,
            Quantity::Intra,
            Quantity::Inter,
            Quantity::IntraOverInter,
        ]
        .map(|quantity| name(quantity, 0));
        recall.into_iter().chain(plain).chain(spectrum).collect()
    }
}
