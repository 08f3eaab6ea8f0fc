//! Where the time of a step goes: the device is drained at the end of each stage, so the stages of
//! this pass add up to more than a step that is left alone.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result};
use burn::tensor::Device;
use likewise::train::{Stage, Trainer};

/// Time of each stage since the watch began.
#[derive(Debug)]
pub struct Stopwatch(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    last: Instant,
    seconds: BTreeMap<Stage, f64>,
    failure: Option<String>,
}

impl Stopwatch {
    /// Times the stages of `trainer` on `device`.
    pub fn attach(trainer: &mut Trainer, device: &Device) -> Self {
        let state = Rc::new(RefCell::new(State {
            last: Instant::now(),
            seconds: BTreeMap::new(),
            failure: None,
        }));
        let (shared, device) = (Rc::clone(&state), device.clone());
        trainer.listen_to_stages(move |stage| {
            let drained = device.sync();
            let mut state = shared.borrow_mut();
            if let Err(error) = drained {
                state.failure = Some(error.to_string());
            }
            *state.seconds.entry(stage).or_default() += state.last.elapsed().as_secs_f64();
            state.last = Instant::now();
        });
        Self(state)
    }

    /// Seconds of each stage.
    pub fn seconds(&self) -> Result<Vec<(Stage, f64)>> {
        let state = self.0.borrow();
        if let Some(failure) = &state.failure {
            return Err(anyhow::anyhow!("{failure}")).context("the device failed");
        }
        let seconds = |stage| state.seconds.get(&stage).copied().unwrap_or_default();
        Ok(Stage::ALL.map(|stage| (stage, seconds(stage))).to_vec())
    }
}
