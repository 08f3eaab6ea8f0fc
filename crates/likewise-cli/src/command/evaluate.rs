//! `likewise evaluate`.

mod arrays;
mod checkpoint;
mod conformance;
mod input;
mod per_class;
mod print;

use std::collections::BTreeMap;

use anyhow::Result;
use likewise::metric::{
    self, Averaging, Bootstrap, ClassValues, Interval, METRICS, MetricName, MetricSet, MetricValues,
};

use crate::args::Evaluate;
use input::Input;

/// Computes metrics of a finished run, or of embeddings and labels from files.
pub fn run(options: &Evaluate) -> Result<()> {
    let input = Input::read(options)?;
    if options.conformance {
        return conformance::run(&input, options);
    }
    let result = Evaluated::new(&input, options)?;
    if let Some(file) = &options.per_class {
        per_class::write(file, &input, &result.classes)?;
    }
    if options.json {
        print::json(&input, &result, options)
    } else {
        print::text(&input, &result, options)
    }
}

/// All there is to print.
struct Evaluated {
    values: MetricValues,
    classes: ClassValues,
    /// Intervals of metrics averaged over queries.
    intervals: BTreeMap<MetricName, Interval>,
    /// Intervals of metrics averaged over classes.
    class_intervals: BTreeMap<MetricName, Interval>,
}

impl Evaluated {
    fn new(input: &Input, options: &Evaluate) -> Result<Self> {
        let requested = requested(input, options)?;
        let split = &input.queries;
        let (values, classes) = match &input.gallery {
            Some(gallery) => {
                metric::evaluate_query_gallery(split.side(), gallery.side(), &requested)?
            }
            None => metric::evaluate_by_class(
                &split.values,
                split.dim,
                &split.labels,
                &requested,
                options.seed,
            )?,
        };
        let intervals = |averaging| {
            let how = Bootstrap {
                resamples: options.resamples,
                confidence: options.confidence,
                seed: options.seed,
            };
            match options.resamples {
                0 => Ok(BTreeMap::new()),
                _ => classes.intervals(averaging, &how),
            }
        };
        Ok(Self {
            intervals: intervals(Averaging::Queries)?,
            class_intervals: if options.macro_average || options.json {
                intervals(Averaging::Classes)?
            } else {
                BTreeMap::new()
            },
            values,
            classes,
        })
    }
}

/// The metrics asked for; by default every metric of the table that there can be, with the numbers
/// of neighbours and offsets in common use.
fn requested(input: &Input, options: &Evaluate) -> Result<MetricSet> {
    if !options.metrics.is_empty() {
        return Ok(MetricSet::parse(&options.metrics)?);
    }
    let table = METRICS
        .iter()
        .map(|metric| metric.name.replace("@k", "@1").replace("@m", "@1"));
    let more = [
        "recall@8",
        "recall@10",
        "recall@100",
        "recall@1000",
        "precision@10",
    ];
    let named = MetricSet::parse(table.chain(more.map(String::from)))?;
    let all = MetricSet::default();
    let all = all.iter().chain(named.iter());
    Ok(all
        .filter(|name| input.gallery.is_none() || name.is_retrieval())
        .collect())
}
