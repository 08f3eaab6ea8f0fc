//! pytorch-metric-learning: searches all other rows and leaves the query out by its index, skips
//! classes of one, and computes retrieval by the definitions used here. Its clusters come from
//! faiss.

use super::super::clustering::{Contingency, EntropyMean};
use super::faiss::{self, POINTS_PER_CENTROID};
use super::{Comparison, Program, Split};
use crate::Result;

/// What is compared with.
pub const NAMES: &[&str] = &[
    "precision@1",
    "r_precision",
    "map_at_r",
    "ap_full",
    "mean_reciprocal_rank",
    "nmi",
    "ami",
];

const RETRIEVAL: [(&str, &str); 5] = [
    ("precision_at_1", "precision@1"),
    ("r_precision", "r_precision"),
    ("mean_average_precision_at_r", "map_at_r"),
    ("mean_average_precision", "ap_full"),
    ("mean_reciprocal_rank", "mean_reciprocal_rank"),
];

pub fn compare(split: &Split<'_>, found: &mut Vec<Comparison>) -> Result<()> {
    let program = Program::PytorchMetricLearning;
    for (theirs, ours) in RETRIEVAL {
        let value = split.values.get(ours);
        let equal_when = "its k is left at None";
        found.push(split.compare(program, (theirs, value), ours, equal_when, String::new)?);
    }
    let classes = split.classes.classes().len();
    let sampled = split.labels.len() > classes * POINTS_PER_CENTROID;
    let table = if sampled {
        let clusters = faiss::clusters(split.embeddings, split.dim, classes, POINTS_PER_CENTROID)?;
        Contingency::new(split.labels, &clusters)
    } else {
        Contingency::new(split.labels, &split.clusters)
    };
    for (theirs, value, ours) in [
        ("NMI", table.nmi(EntropyMean::Arithmetic), "nmi"),
        ("AMI", table.ami(), "ami"),
    ] {
        let reason = || {
            let starts = "k-means starts from random rows there, from k-means++ here";
            if sampled {
                format!("{starts}; centroids there are found from {POINTS_PER_CENTROID} rows each")
            } else {
                starts.into()
            }
        };
        let equal_when = "both find the same clusters";
        found.push(split.compare(program, (theirs, Some(value)), ours, equal_when, reason)?);
    }
    Ok(())
}
