//! How the rows of two matrices are compared.

/// A number for two rows that is smaller the nearer they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Score {
    /// Squared Euclidean distance, from differences.
    SquaredEuclidean,
    /// Minus the inner product: for unit rows minus the cosine.
    Cosine,
}
