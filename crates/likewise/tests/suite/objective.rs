//! Objectives: golden values and gradients, loops on points placed by angle, finite differences,
//! degenerate batches and what happens to NaN.

mod degenerate;
mod golden;
mod naive;
mod problem;
mod tuples;
mod twins;

pub use golden::parameter_gradients;

use burn::tensor::{Device, Int, Tensor};
use likewise::objective::{Objective, ObjectiveConfig, Setting};
use likewise::pairwise::entries;

use crate::support::{Case, values};

pub fn cases() -> Vec<Case> {
    let own = vec![Case::new(
        "objective::repeated_pairs_add_their_gradients",
        repeated_pairs,
    )];
    let groups = [own, twins::cases(), degenerate::cases(), golden::cases()];
    groups.into_iter().flatten().collect()
}

/// The objective of a recipe's `[objective]` table, for 16 classes.
fn init(text: &str, dimension: usize, device: &Device) -> Objective {
    let config: ObjectiveConfig =
        toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let setting = Setting {
        classes: 16,
        dimension,
        seed: 0,
    };
    config.init(setting, device).unwrap()
}

fn repeated_pairs(device: &Device) {
    let device = &device.clone().autodiff();
    let matrix: Tensor<2> = Tensor::from_data([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], device);
    let matrix = matrix.require_grad();
    let index = |rows: [i32; 5]| Tensor::<1, Int>::from_data(rows, &device.clone().inner());
    let picked = entries(
        matrix.clone(),
        &index([1, 0, 1, 1, 0]),
        &index([2, 0, 2, 2, 1]),
    );
    assert_eq!(values(picked.clone()), vec![6.0, 1.0, 6.0, 6.0, 2.0]);
    let weight: Tensor<1> = Tensor::from_data([1.0, 10.0, 2.0, 4.0, 20.0], device);
    let gradients = (picked * weight).sum().backward();
    let gradient = values(matrix.grad(&gradients).unwrap());
    assert_eq!(gradient, vec![10.0, 20.0, 0.0, 0.0, 0.0, 7.0]);
}
