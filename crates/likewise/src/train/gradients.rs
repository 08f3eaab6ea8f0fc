//! Gradients of parameters by their path, so that those of several backward passes can be added
//! up and looked at before an optimizer uses them.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Gradients, Tensor};

use crate::model::init::ModulePath;

/// The gradient of every parameter that has one, flattened, by path.
#[derive(Clone, Debug, Default)]
pub struct ParameterGradients(BTreeMap<String, Tensor<1>>);

impl ParameterGradients {
    /// Takes the gradients of the parameters of `module` out of a backward pass.
    pub fn of<M: Module>(module: &M, mut gradients: Gradients) -> Self {
        Self::take(module, &mut gradients)
    }

    /// The same for a backward pass in which something else is left to be looked at.
    pub fn take<M: Module>(module: &M, gradients: &mut Gradients) -> Self {
        let mut collector = Collector {
            gradients,
            path: ModulePath::default(),
            found: BTreeMap::new(),
        };
        module.visit(&mut collector);
        Self(collector.found)
    }

    /// Adds the gradients of another backward pass.
    pub fn add(&mut self, other: Self) {
        for (path, gradient) in other.0 {
            let sum = match self.0.remove(&path) {
                Some(sum) => sum + gradient,
                None => gradient,
            };
            self.0.insert(path, sum);
        }
    }

    /// Paths and gradients, in the order of paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor<1>)> {
        self.0
            .iter()
            .map(|(path, gradient)| (path.as_str(), gradient))
    }

    /// Multiplies all gradients with `factor`, `[1]`.
    pub fn scale(&mut self, factor: &Tensor<1>) {
        for gradient in self.0.values_mut() {
            *gradient = gradient.clone() * factor.clone();
        }
    }

    /// Sum of the magnitudes of all values, `[1]`, on the device; nothing without gradients.
    pub(super) fn total(&self) -> Option<Tensor<1>> {
        let sums = self.0.values().map(|gradient| gradient.clone().abs().sum());
        let sums: Vec<_> = sums.collect();
        (!sums.is_empty()).then(|| Tensor::cat(sums, 0).sum())
    }

    /// Replaces every gradient by zeros if `overflown`, `[1]`, holds.
    pub(super) fn clear_if(&mut self, overflown: &Tensor<1, Bool>) {
        for gradient in self.0.values_mut() {
            let mask = overflown.clone().expand(gradient.dims());
            *gradient = gradient.clone().mask_fill(mask, 0.0);
        }
    }

    /// Takes out the gradient of the parameter at `path`.
    pub(super) fn remove(&mut self, path: &str) -> Option<Tensor<1>> {
        self.0.remove(path)
    }

    /// Root mean square and largest magnitude over all values of the parameters below `prefix`,
    /// `[2]`, on the device; nothing if there are none.
    pub fn magnitude(&self, prefix: &str) -> Option<Tensor<1>> {
        let below = self.0.iter().filter(|(path, _)| path.starts_with(prefix));
        let (mut squares, mut largest, mut count) = (Vec::new(), Vec::new(), 0);
        for (_, gradient) in below {
            count += gradient.dims()[0];
            squares.push(gradient.clone().square().sum());
            largest.push(gradient.clone().abs().max());
        }
        if count == 0 {
            return None;
        }
        let mean = Tensor::cat(squares, 0).sum().div_scalar(count as f64);
        Some(Tensor::cat(
            vec![mean.sqrt(), Tensor::cat(largest, 0).max()],
            0,
        ))
    }
}

struct Collector<'a> {
    gradients: &'a mut Gradients,
    path: ModulePath,
    found: BTreeMap<String, Tensor<1>>,
}

impl ModuleVisitor for Collector<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad_remove(self.gradients) {
            self.found
                .insert(self.path.joined(), gradient.flatten::<1>(0, D - 1));
        }
    }
}
