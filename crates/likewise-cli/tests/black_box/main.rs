//! The real program, as a user meets it: what it does with good and bad input.

mod backbones;
mod bad_bench;
mod bad_data;
mod bad_objective;
mod bad_options;
mod bad_recipe;
mod bad_run_folder;
mod bench;
mod bench_train;
mod benchmarks;
mod broken_runs;
mod checkpoints;
mod chunks;
mod doctor;
mod evaluate;
mod memories;
mod not_finite;
mod paper_recipes;
mod support;
mod toy;
mod trackers;
mod train;
mod weights;
