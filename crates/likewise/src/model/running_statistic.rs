//! A vector that a module updates during its forward pass and that no optimizer touches, yet
//! that is saved with the parameters. Unlike Burn's `RunningState`, a clone is independent and
//! the value read is always the newest.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param, ParamId,
};
use burn::tensor::{Device, Tensor};

use super::init::ParameterSource;

/// An exponential moving average, `[C]`, kept outside the gradient graph.
#[derive(Debug)]
pub struct RunningStatistic {
    id: ParamId,
    /// Never an autodiff tensor.
    value: Mutex<Tensor<1>>,
}

impl RunningStatistic {
    /// A statistic in the field `name` of the source's module, `channels` times `value`.
    pub fn new(name: &str, channels: usize, value: f32, source: &ParameterSource) -> Self {
        let tensor = Tensor::full([channels], value, source.device());
        Self::with_id(source.id(name), tensor)
    }

    /// The current value, ready to be combined with autodiff tensors if `autodiff`.
    pub fn value(&self, autodiff: bool) -> Tensor<1> {
        let value = self.lock().clone();
        if autodiff {
            Tensor::from_inner(value)
        } else {
            value
        }
    }

    /// `value ← (1 − momentum) · value + momentum · newest`.
    pub fn update(&self, newest: Tensor<1>, momentum: f64) {
        let mut value = self.lock();
        *value = value.clone().mul_scalar(1.0 - momentum)
            + newest.without_autodiff().mul_scalar(momentum);
    }

    fn with_id(id: ParamId, value: Tensor<1>) -> Self {
        Self {
            id,
            value: Mutex::new(value.without_autodiff()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tensor<1>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn param(&self) -> Param<Tensor<1>> {
        Param::initialized(self.id, self.value(false))
    }
}

impl Clone for RunningStatistic {
    fn clone(&self) -> Self {
        Self::with_id(self.id, self.value(false))
    }
}

impl Module for RunningStatistic {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        visitor.visit_float(&self.param());
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let (id, value, _) = mapper.map_float(self.param()).consume();
        Self::with_id(id, value)
    }

    fn to_device(self, device: &Device) -> Self {
        Self::with_id(self.id, self.value(false).to_device(device))
    }

    fn fork(self, device: &Device) -> Self {
        self.to_device(device)
    }

    fn collect_devices(&self, mut devices: Devices) -> Devices {
        let device = self.lock().device();
        if !devices.contains(&device) {
            devices.push(device);
        }
        devices
    }

    fn materialize(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn train(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for RunningStatistic {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .add_formatted(&format!("RunningStatistic {:?}", self.lock().dims()))
            .optional()
    }
}

impl ModuleDisplay for RunningStatistic {}
