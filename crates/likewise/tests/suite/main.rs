//! The library's tests that need a device, each run on `flex` and on a WGSL device. A machine
//! without a WGSL adapter reports the latter as ignored, never as passed;
//! `LIKEWISE_REQUIRE_GPU=1` turns that into a failure.

mod backbones;
mod conv;
mod conv_finish;
mod gram;
mod log_sum_exp;
mod max_pool;
mod miner;
mod model;
mod objective;
mod objective_proxies;
mod precision;
mod saving;
mod step;
mod support;
mod train;
mod waves;
mod wgsl;

use libtest_mimic::{Arguments, Trial};
use support::Case;

fn main() {
    let arguments = Arguments::from_args();
    let cases: Vec<Case> = [
        backbones::cases(),
        conv::cases(),
        conv_finish::cases(),
        gram::cases(),
        log_sum_exp::cases(),
        max_pool::cases(),
        miner::cases(),
        model::cases(),
        objective::cases(),
        precision::cases(),
        saving::cases(),
        step::cases(),
        objective_proxies::cases(),
        train::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let trials = cases
        .into_iter()
        .flat_map(Case::into_trials)
        .collect::<Vec<Trial>>();
    libtest_mimic::run(&arguments, trials).exit();
}
