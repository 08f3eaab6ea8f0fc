//! Metrics against stored values, against naive twins, and under properties that must hold for
//! any data. Host code only, so this is an ordinary test binary.

mod classes;
mod conformance;
mod data;
mod degenerate;
mod golden;
mod names;
mod properties;
mod query_gallery;
mod twins;
