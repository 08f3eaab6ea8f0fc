//! Exact search among rows on the host: ranks, nearest rows and nearest centroids. Scores are
//! computed in tiles of single precision with the widest vectors of the processor, on all cores,
//! and again in double precision wherever rounding could decide: the results are those of double
//! precision, and the same everywhere.

mod assign;
mod frame;
mod nearest;
mod offsets;
mod packed;
mod pairs;
mod ranks;
mod rows;
#[cfg(test)]
mod tests;

pub use assign::{Nearest, Points};
pub use nearest::{Neighbour, nearest};
pub use pairs::sum_of_distances;
pub use ranks::{Found, Ranking};
pub use rows::{NOT_IN_GALLERY, Rows, norms};
