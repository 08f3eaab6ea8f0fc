//! open-metric-learning: leaves the query out by its identity. Its precision@k divides by the
//! smaller of k and the number of positives, its MAP@k by the number of hits. `torch.topk` leaves the
//! order of equally near neighbours open; here it is that of their indices.

use super::super::average_precision::QueryRanks;
use super::{Comparison, Program, Split, counted};
use crate::Result;

/// What is compared with.
pub const NAMES: &[&str] = &["recall@1", "recall@10", "precision@10", "map_at_r"];

const K: u32 = 10;

/// Its retrieval metrics, summed over queries.
#[derive(Default)]
pub struct Sums {
    precision: f64,
    map: f64,
}

impl Sums {
    /// Adds a query with the ranks of its positives.
    pub fn add(&mut self, split: &Split<'_>, ranks: &[u32]) {
        let query = QueryRanks {
            ranks,
            in_gallery: true,
        };
        self.precision += precision_at(query, K, split.labels.len() - 1);
        self.map += map_at(query, K);
    }
}

pub fn compare(split: &Split<'_>, sums: &Sums, found: &mut Vec<Comparison>) -> Result<()> {
    let queries = split.labels.len() as f64;
    let program = Program::OpenMetricLearning;
    for (theirs, ours) in [("cmc@1", "recall@1"), ("cmc@10", "recall@10")] {
        let value = split.values.get(ours);
        let equal_when = "no two neighbours are equally near";
        let mut row = split.compare(program, (theirs, value), ours, equal_when, String::new)?;
        if split.repeated() > 0 {
            let rows = counted(split.repeated(), "repeated row", "repeated rows");
            row.reason = Some(format!(
                "{rows}: it orders equally near neighbours as it happens, the value is by index"
            ));
        }
        found.push(row);
    }
    let reason = || match split.singletons() {
        0 => "its denominator is min(k, n − 1), so that a perfect ranking scores 1".into(),
        singletons => format!(
            "{}: 0 divided by 0 there",
            counted(singletons, "class of one", "classes of one")
        ),
    };
    found.push(split.compare(
        program,
        ("precision@10", Some(sums.precision / queries)),
        "precision@10",
        "every class has more than k members",
        reason,
    )?);
    let reason = || {
        "it ranks the first k and divides by the hits among them: missing positives cost nothing"
            .into()
    };
    found.push(split.compare(
        program,
        ("map@10", Some(sums.map / queries)),
        "map_at_r",
        "the ranking is perfect and no class has one member",
        reason,
    )?);
    Ok(())
}

/// NaN without positives, as there.
fn precision_at(query: QueryRanks<'_>, k: u32, items: usize) -> f64 {
    let k = (k as usize).min(items);
    let hits = query.hits_within(k as u32);
    hits as f64 / query.ranks.len().min(k) as f64
}

fn map_at(query: QueryRanks<'_>, k: u32) -> f64 {
    match query.hits_within(k) {
        0 => 0.0,
        hits => query.precision_sum(k as usize) / hits as f64,
    }
}
