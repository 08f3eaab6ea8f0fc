//! Running the cases natively: each is one trial on `flex` and one on the WGSL device.

use libtest_mimic::{Arguments, Trial};

use crate::support::Case;

#[path = "../../../likewise/tests/suite/wgsl.rs"]
mod wgsl;

use burn::tensor::Device;
use wgsl::{adapter_required, wgsl_device};

/// Runs the cases that the command line asks for, and exits.
pub fn run(cases: Vec<Case>) -> ! {
    let missing = wgsl_device().is_none();
    let trials: Vec<Trial> = cases
        .into_iter()
        .flat_map(|case| trials(case, missing))
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit()
}

fn trials(case: Case, missing: bool) -> [Trial; 2] {
    let (flex, wgsl) = (case.clone(), case);
    [
        Trial::test(format!("{}::flex", flex.name), move || {
            pollster::block_on((flex.run)(Device::flex()));
            Ok(())
        }),
        Trial::test(format!("{}::wgsl", wgsl.name), move || {
            match wgsl_device() {
                Some(device) => {
                    pollster::block_on((wgsl.run)(device));
                    Ok(())
                }
                None => Err("LIKEWISE_REQUIRE_GPU=1, but this machine has no WGSL adapter".into()),
            }
        })
        .with_ignored_flag(missing && !adapter_required()),
    ]
}
