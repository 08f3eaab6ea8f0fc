//! One error type for the library: what was wrong, where, and the way out.

/// An error a user can act on. The text names the key or value at fault and what is allowed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recipe holds a value, key or combination that cannot be run.
    #[error("{0}")]
    Recipe(String),
    /// The data does not satisfy what the recipe needs.
    #[error("{0}")]
    Data(String),
    /// Weights or a checkpoint do not fit the network.
    #[error("{0}")]
    Weights(String),
    /// A number that must be finite is not.
    #[error("{0}")]
    NotFinite(String),
    /// The device failed or refused an operation.
    #[error("{0}")]
    Device(String),
}

/// The library's result.
pub type Result<T> = std::result::Result<T, Error>;
