//! Batch samplers with a memory bank against stored values, against naive twins, by what they
//! draw how often, and under properties that must hold for any data. Host code only, so this is
//! an ordinary test binary.

mod data;
mod degenerate;
mod distribution;
mod golden;
mod properties;
mod twins;
