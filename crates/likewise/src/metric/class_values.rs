//! Retrieval metrics class by class. Sums over each class's queries are all that averages, the
//! worst class and confidence intervals need, so they are what is kept.

use super::average_precision::{self as ap, QueryRanks};
use super::name::MetricName;
use super::precision::{precision_at, r_precision};
use super::recall::recall_at;
use super::table::Quantity;

/// One class that has queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassRow {
    /// Its label.
    pub label: u32,
    /// Number of queries.
    pub queries: usize,
    /// Number of items each of them should find: other members of the class, or its members in a
    /// separate gallery.
    pub positives: usize,
}

/// What an average gives equal weight to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Averaging {
    /// Every query, as all published retrieval metrics do (micro average).
    Queries,
    /// Every class: the mean over classes of the means over their queries (macro average).
    Classes,
}

/// The class with the smallest value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorstClass {
    /// The class; of equal ones the lowest label.
    pub class: ClassRow,
    /// Its value.
    pub value: f64,
}

/// Retrieval metrics of each class, summed over its queries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassValues {
    names: Vec<MetricName>,
    classes: Vec<ClassRow>,
    /// Row-major, classes × names.
    sums: Vec<f64>,
}

impl ClassValues {
    /// Nothing seen yet. `names` are metrics with a value for every query (see [`of_query`]),
    /// `labels` those of the queries.
    pub(super) fn new(names: Vec<MetricName>, labels: &[u32]) -> Self {
        let mut sorted = labels.to_vec();
        sorted.sort_unstable();
        let classes: Vec<ClassRow> = sorted
            .chunk_by(|a, b| a == b)
            .map(|class| ClassRow {
                label: class[0],
                queries: class.len(),
                positives: 0,
            })
            .collect();
        let sums = vec![0.0; names.len() * classes.len()];
        Self {
            names,
            classes,
            sums,
        }
    }

    /// Adds a query of class `label` to the metrics whose distances are those of `ranks`.
    pub(super) fn add(&mut self, label: u32, query: QueryRanks<'_>, columns: &[usize]) {
        let class = self.classes.partition_point(|class| class.label < label);
        self.classes[class].positives = query.ranks.len();
        let width = self.names.len();
        for &column in columns {
            if let Some(value) = of_query(self.names[column], query) {
                self.sums[class * width + column] += value;
            }
        }
    }

    /// The metrics, in the order of the table. `worst_class_recall@k` is not one of them: see
    /// [`ClassValues::worst`].
    pub fn names(&self) -> &[MetricName] {
        &self.names
    }

    /// The classes that have queries, by label.
    pub fn classes(&self) -> &[ClassRow] {
        &self.classes
    }

    /// Number of queries.
    pub fn queries(&self) -> usize {
        self.classes.iter().map(|class| class.queries).sum()
    }

    /// Number of queries that have nothing to find. They are misses of Recall@k and of the mAP
    /// family over the class size, and do not count in the other metrics.
    pub fn unmatched_queries(&self) -> usize {
        let unmatched = self.classes.iter().filter(|class| class.positives == 0);
        unmatched.map(|class| class.queries).sum()
    }

    /// Mean of a metric over the queries of the class in place `class` of [`Self::classes`]; none
    /// if they do not count, or the metric is not one of [`Self::names`].
    pub fn value(&self, class: usize, name: MetricName) -> Option<f64> {
        let (sum, count) = self.class_sum(class, self.column(name)?);
        (count > 0.0).then(|| sum / count)
    }

    /// A metric over all classes; none if no query counts or the metric is not one of
    /// [`Self::names`].
    pub fn mean(&self, name: MetricName, averaging: Averaging) -> Option<f64> {
        let column = self.column(name)?;
        let shares = (0..self.classes.len()).map(|class| self.share(class, column, averaging));
        let (sum, count) = shares.fold((0.0, 0.0), |total, share| {
            (total.0 + share.0, total.1 + share.1)
        });
        (count > 0.0).then(|| sum / count)
    }

    /// The class with the smallest value of a metric, of those that have something to find; for
    /// `worst_class_recall@k` that of Recall@k.
    pub fn worst(&self, name: MetricName) -> Option<WorstClass> {
        let name = name.of_queries();
        let of_class = |class: usize| {
            let value = self.value(class, name)?;
            let class = self.classes[class];
            (class.positives > 0).then_some(WorstClass { class, value })
        };
        (0..self.classes.len())
            .filter_map(of_class)
            .min_by(|a, b| a.value.total_cmp(&b.value))
    }

    /// What a class contributes to the numerator and the denominator of an average.
    pub(super) fn share(&self, class: usize, column: usize, averaging: Averaging) -> (f64, f64) {
        let (sum, count) = self.class_sum(class, column);
        match averaging {
            Averaging::Classes if count > 0.0 => (sum / count, 1.0),
            _ => (sum, count),
        }
    }

    fn class_sum(&self, class: usize, column: usize) -> (f64, f64) {
        let row = self.classes[class];
        let counts = row.positives > 0 || counts_unmatched(self.names[column]);
        let count = if counts { row.queries as f64 } else { 0.0 };
        (self.sums[class * self.names.len() + column], count)
    }

    fn column(&self, name: MetricName) -> Option<usize> {
        self.names.binary_search(&name).ok()
    }
}

/// Whether a query with nothing to find counts, with the value 0.
fn counts_unmatched(name: MetricName) -> bool {
    let nothing = QueryRanks {
        ranks: &[],
        in_gallery: false,
    };
    of_query(name, nothing).is_some()
}

/// A retrieval metric of one query; none if the query does not count.
fn of_query(name: MetricName, query: QueryRanks<'_>) -> Option<f64> {
    let k = name.parameter().unsigned_abs();
    match name.quantity() {
        Quantity::Precision => precision_at(query, k),
        Quantity::MapAtR => ap::map_at_r(query),
        Quantity::RPrecision => r_precision(query),
        Quantity::ApFull => ap::ap_full(query),
        Quantity::MeanReciprocalRank => ap::reciprocal_rank(query),
        Quantity::Map => Some(ap::map_upstream(query)),
        Quantity::MapLim => Some(ap::map_lim(query)),
        Quantity::Map1000 => Some(ap::map_1000(query)),
        Quantity::MapC => Some(ap::map_c(query)),
        _ => Some(recall_at(query, k)),
    }
}
