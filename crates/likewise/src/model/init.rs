//! Initial values and identities of parameters. Values are drawn on the host from the seed and
//! the parameter's path, so every backend starts from the same weights; identities are hashes of
//! the path, so optimizer state finds its parameter again after saving and loading.

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::random::{Purpose, name_hash, stream};

/// The identity of the parameter at `path` (names joined by dots).
pub fn parameter_id(path: &str) -> ParamId {
    ParamId::from(name_hash(path))
}

/// Gives every float parameter of `module` the identity of its path below `prefix` (for example
/// `objective`), and leaves the values alone.
pub fn assign_ids<M: Module>(module: M, prefix: &str) -> M {
    module.map(&mut AssignIds {
        path: ModulePath::below(prefix),
    })
}

struct AssignIds {
    path: ModulePath,
}

impl ModuleMapper for AssignIds {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.exit(container_type);
    }

    fn map_float<const D: usize>(&mut self, mut param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.id = parameter_id(&self.path.joined());
        param
    }
}

/// The path of the field a walk through a module is at. Variants of enums are left out, so that
/// a parameter's name says where it is and not which alternative holds it.
#[derive(Debug, Default)]
pub(crate) struct ModulePath(Vec<String>);

impl ModulePath {
    pub(crate) fn below(prefix: &str) -> Self {
        Self(
            prefix
                .split('.')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    pub(crate) fn enter(&mut self, name: &str, container_type: &str) {
        if !is_enum(container_type) {
            self.0.push(name.to_owned());
        }
    }

    pub(crate) fn exit(&mut self, container_type: &str) {
        if !is_enum(container_type) {
            self.0.pop();
        }
    }

    pub(crate) fn joined(&self) -> String {
        self.0.join(".")
    }
}

fn is_enum(container_type: &str) -> bool {
    container_type.starts_with("Enum:")
}

/// Makes the parameters of one module: knows the seed of the run, the module's path and the
/// device. The names given must be the names of the module's fields.
#[derive(Clone, Debug)]
pub struct ParameterSource {
    seed: u64,
    path: String,
    device: Device,
}

impl ParameterSource {
    /// The source of a root module; `path` may be empty.
    pub fn new(seed: u64, path: impl Into<String>, device: &Device) -> Self {
        Self {
            seed,
            path: path.into(),
            device: device.clone(),
        }
    }

    /// The source of the submodule in the field `name`.
    pub fn child(&self, name: impl AsRef<str>) -> Self {
        Self {
            path: self.path_of(name.as_ref()),
            ..self.clone()
        }
    }

    /// The identity of the field `name`.
    pub fn id(&self, name: &str) -> ParamId {
        parameter_id(&self.path_of(name))
    }

    /// The device parameters are made on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A parameter whose entries all equal `value`.
    pub fn constant<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        value: f32,
    ) -> Param<Tensor<D>> {
        self.parameter(name, shape, |_| value)
    }

    /// A parameter drawn from U(−`bound`, `bound`).
    pub fn uniform<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        bound: f64,
    ) -> Param<Tensor<D>> {
        self.parameter(name, shape, |random| {
            ((2.0 * random.random::<f64>() - 1.0) * bound) as f32
        })
    }

    /// A parameter drawn from N(0, `deviation`²).
    pub fn normal<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        deviation: f64,
    ) -> Param<Tensor<D>> {
        self.parameter(name, shape, |random| {
            (standard_normal(random) * deviation) as f32
        })
    }

    fn parameter<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        mut draw: impl FnMut(&mut ChaCha8Rng) -> f32,
    ) -> Param<Tensor<D>> {
        let path = self.path_of(name);
        let mut random = stream(self.seed, Purpose::Initialization, 0, 0, name_hash(&path));
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| draw(&mut random)).collect();
        let mut param = Param::from_data(TensorData::new(values, shape), &self.device);
        param.id = parameter_id(&path);
        param
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

/// One draw from N(0, 1) (Box and Muller).
fn standard_normal(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_draws_have_mean_zero_variance_one_and_normal_tails() {
        let mut random = stream(7, Purpose::Initialization, 0, 0, 0);
        let draws: Vec<f64> = (0..100_000).map(|_| standard_normal(&mut random)).collect();
        let mean =
            |f: &dyn Fn(f64) -> f64| draws.iter().map(|&x| f(x)).sum::<f64>() / draws.len() as f64;
        // Five standard errors of each moment.
        assert!(mean(&|x| x).abs() < 0.016);
        assert!((mean(&|x| x * x) - 1.0).abs() < 0.023);
        assert!((mean(&|x| x.powi(4)) - 3.0).abs() < 0.16);
        assert!((mean(&|x| f64::from(u8::from(x.abs() > 1.959_964))) - 0.05).abs() < 0.0035);
    }
}
