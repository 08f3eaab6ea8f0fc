//! Evaluation metrics of embeddings: retrieval, clustering and embedding-space measures, exact, on
//! the host, in double precision. Definitions that differ between libraries stand side by side
//! under names of their own; [`METRICS`] is the one list of them.

mod average_precision;
mod bootstrap;
mod class_values;
mod clustering;
mod conformance;
mod distances;
mod evaluate;
mod kmeans;
mod name;
mod neighbours;
mod points;
mod precision;
mod recall;
mod retrieval;
mod seeding;
mod spectrum;
mod table;

pub use average_precision::{
    QueryRanks, ap_full, map_1000, map_at_r, map_c, map_lim, map_upstream, reciprocal_rank,
};
pub use bootstrap::{Bootstrap, Interval};
pub use class_values::{Averaging, ClassRow, ClassValues, WorstClass};
pub use clustering::{Contingency, EntropyMean};
pub use conformance::{Comparison, Program, conformance};
pub use distances::{ClassDistances, class_distances};
pub use evaluate::{MetricValues, evaluate, evaluate_by_class, evaluate_query_gallery};
pub use kmeans::{ITERATIONS, KMeans, Start, kmeans};
pub use name::{MetricName, MetricSet};
pub use neighbours::{Neighbour, nearest_neighbours, positive_ranks};
pub use points::{Space, check_embeddings, check_labels};
pub use precision::{precision_at, r_precision};
pub use recall::recall_at;
pub use retrieval::Side;
pub use spectrum::{
    FLOOR, NormalizedSpectrum, normalized_spectrum, singular_values, spectral_decay,
};
pub use table::{Direction, METRICS, Metric, Parameter, Quantity};
