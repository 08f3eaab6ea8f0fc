//! The real program, as a user meets it: what it does with good and bad input.

mod bad_data;
mod bad_options;
mod bad_recipe;
mod bad_run_folder;
mod evaluate;
mod support;
mod toy;
mod train;
