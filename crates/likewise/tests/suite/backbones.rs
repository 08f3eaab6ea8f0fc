//! Every backbone against PyTorch's own: features, gradients of all parameters, and what batch
//! statistics do, of the networks that `benches/compare_backbones.py` writes. The committed ones are
//! narrow; `LIKEWISE_BACKBONES` names a folder with others.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use likewise::model::init::parameter_id;
use likewise::model::state::{from_safetensors, safetensors_metadata, state_dict};
use likewise::model::{BackboneConfig, HeadInit, Network, NetworkConfig, PRESETS, StateDict};
use likewise::train::{Optimizer, OptimizerConfig, ParameterGradients};

use crate::support::{Case, assert_close, assert_close_norm, fixtures, values};

pub fn cases() -> Vec<Case> {
    let golden = ["resnet", "googlenet", "bn_inception", "vit", "vit_resized"].map(|name| {
        Case::new(format!("golden_backbone::{name}"), move |device| {
            golden(name, device);
        })
    });
    let others = [
        Case::new("backbone::frozen_statistics_stay", frozen_statistics_stay),
        Case::new(
            "backbone::gradient_of_the_head_alone",
            gradient_of_the_head_alone,
        ),
        Case::new("backbone::head_init_he", head_init_he),
    ];
    golden.into_iter().chain(others).collect()
}

/// A network of PyTorch's with what it computed.
struct Golden {
    config: BackboneConfig,
    tensors: StateDict,
    size: usize,
}

impl Golden {
    fn read(name: &str) -> Self {
        let folder = std::env::var_os("LIKEWISE_BACKBONES")
            .map_or_else(|| fixtures("backbones"), PathBuf::from);
        let file = folder.join(format!("{name}.safetensors"));
        let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let tensors = from_safetensors(&bytes).unwrap();
        let config = &safetensors_metadata(&bytes).unwrap()["backbone"];
        let size = tensors["images"].shape()[3];
        Self {
            config: serde_json::from_str(config).unwrap(),
            tensors,
            size,
        }
    }

    fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.tensors[name].clone(), device)
    }

    fn values(&self, name: &str) -> Vec<f64> {
        self.tensors[name].iter::<f64>().collect()
    }

    fn below(&self, prefix: &str) -> StateDict {
        let below = self
            .tensors
            .iter()
            .filter_map(|(name, data)| Some((name.strip_prefix(prefix)?.to_owned(), data.clone())));
        below.collect()
    }

    fn network(&self, frozen: bool, device: &Device) -> Network {
        let mut config = NetworkConfig::new(self.config.clone());
        config.frozen_batch_norm = frozen && config.backbone.architecture().batch_norm;
        let input = [3, self.size, self.size];
        let mut network = config.init(0, input, device).unwrap();
        network.load_pretrained(self.below("weight.")).unwrap();
        network
    }

    /// Features and gradients of ⟨features, targets⟩ / B, with fixed statistics or those of the
    /// batch. What PyTorch loses in single precision may be lost a few times over: narrow networks of
    /// random weights magnify rounding.
    fn compare(&self, prefix: &str, network: &Network) {
        let rounding = self.values(&format!("{prefix}.rounding"));
        let [of_features, tolerance] = [(0, 5e-6), (1, 5e-5)]
            .map(|(index, least): (usize, f64)| least.max(6.0 * rounding[index]));
        let device = device_of(network);
        let images = self.tensor::<4>("images", &device).require_grad();
        let targets = self.tensor::<2>("targets", &device);
        let features = network.forward(images.clone()).features;
        let [batch, _] = features.dims();
        assert_close_norm(
            &format!("{prefix} features"),
            &values(features.clone()),
            &self.values(&format!("{prefix}.features")),
            0.0,
            of_features,
        );
        let loss = (features * targets).sum().div_scalar(batch as f64);
        let mut found = loss.backward();
        let of_images = values(images.grad_remove(&mut found).unwrap());
        let expected = self.values(&format!("{prefix}.image_gradient"));
        assert_close_norm(
            &format!("{prefix} gradient of the images"),
            &of_images[..expected.len()],
            &expected,
            1e-6,
            tolerance,
        );
        let gradients = by_name(network, &GradientsParams::from_grads(found, network));
        let expected = self.below(&format!("{prefix}.grad."));
        let largest =
            |norm: f64, name: &String| norm.max(self.values(&format!("{prefix}.norm.{name}"))[0]);
        // Gradients that cancel, such as those of biases before a normalisation, are noise.
        let noise = f64::max(3e-6, 1e-3 * tolerance) * expected.keys().fold(0.0, largest);
        for (name, stored) in &expected {
            let gradient = &gradients[&format!("backbone.{name}")];
            let stored: Vec<f64> = stored.iter::<f64>().collect();
            let what = format!("{prefix} gradient of {name}");
            let first = &gradient[..stored.len()];
            assert_close_norm(&what, first, &stored, noise, tolerance);
            let norm = gradient
                .iter()
                .map(|value| value * value)
                .sum::<f64>()
                .sqrt();
            let expected = self.values(&format!("{prefix}.norm.{name}"));
            assert_close(&what, &[norm], &expected, noise, tolerance);
        }
        let backbone = gradients
            .keys()
            .filter(|name| name.starts_with("backbone."));
        assert_eq!(
            backbone.count(),
            expected.len(),
            "parameters with gradients"
        );
    }
}

fn device_of(network: &Network) -> Device {
    network.head.weight.val().device()
}

fn by_name(network: &Network, gradients: &GradientsParams) -> BTreeMap<String, Vec<f64>> {
    struct Collect<'a>(&'a GradientsParams, BTreeMap<ParamId, Vec<f64>>);
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.0.get::<D>(param.id).map(values);
            self.1.extend(gradient.map(|gradient| (param.id, gradient)));
        }
    }
    let mut collect = Collect(gradients, BTreeMap::new());
    network.visit(&mut collect);
    let mut found = collect.1;
    state(network)
        .into_keys()
        .filter_map(|name| Some((name.clone(), found.remove(&parameter_id(&name))?)))
        .collect()
}

fn state(network: &Network) -> StateDict {
    pollster::block_on(state_dict(network)).unwrap()
}

fn golden(name: &str, device: &Device) {
    let golden = Golden::read(name);
    let device = device.clone().autodiff();
    golden.compare("fixed", &golden.network(true, &device));
    if !golden.config.architecture().batch_norm {
        return;
    }
    let network = golden.network(false, &device);
    golden.compare("batch", &network);
    let after = state(&network);
    let expected = golden.below("batch.after.");
    assert!(!expected.is_empty());
    for (name, data) in expected {
        let actual: Vec<f64> = after[&format!("backbone.{name}")].iter::<f64>().collect();
        let expected: Vec<f64> = data.iter::<f64>().collect();
        assert_close_norm(&name, &actual, &expected, 1e-6, 5e-5);
    }
}

/// Of these networks one is enough on a device that compiles kernels for minutes for each.
fn some<'a>(names: &'a [&'a str], device: &Device) -> &'a [&'a str] {
    if *device == Device::flex() {
        names
    } else {
        &names[..1]
    }
}

/// A step moves scale, shift and weights and leaves frozen statistics bit for bit; so does one after
/// the network was stored and loaded again.
fn frozen_statistics_stay(device: &Device) {
    let names = some(&["resnet", "googlenet", "bn_inception"], device);
    let device = device.clone().autodiff();
    for name in names {
        let golden = Golden::read(name);
        let mut network = golden.network(true, &device);
        let mut optimizer = Optimizer::new(OptimizerConfig::default(), 0.0);
        for resumed in [false, true] {
            let before = state(&network);
            if resumed {
                network = golden.network(true, &device);
                likewise::model::state::load_state_dict(&mut network, &before).unwrap();
            }
            let loss = network
                .forward(golden.tensor("images", &device))
                .embeddings
                .narrow(0, 0, 1)
                .sum();
            let gradients = ParameterGradients::of(&network, loss.backward());
            network = optimizer.step(network, gradients, 1.0);
            for (parameter, data) in state(&network) {
                let statistic = parameter.contains("running_");
                let same = data == before[&parameter];
                assert_eq!(same, statistic, "{name}: {parameter} (resumed: {resumed})");
            }
        }
    }
}

/// With the backbone left out of the graph the head's gradients are those of the whole.
fn gradient_of_the_head_alone(device: &Device) {
    let names = some(&["resnet", "googlenet", "bn_inception", "vit"], device);
    let device = device.clone().autodiff();
    for name in names {
        let golden = Golden::read(name);
        let network = golden.network(true, &device);
        let gradients = |features: Tensor<2>| {
            let loss = network.embed(features).slice([0..2, 0..3]).sum();
            let found = GradientsParams::from_grads(loss.backward(), &network);
            by_name(&network, &found)
        };
        let features = network.forward(golden.tensor("images", &device)).features;
        let whole = gradients(features.clone());
        let alone = gradients(Tensor::from_inner(features.inner()));
        assert_eq!(alone.len(), 2, "{name}: only the head has gradients");
        for (parameter, gradient) in &alone {
            assert!(
                gradient.iter().any(|value| *value != 0.0),
                "{name}: {parameter}"
            );
            assert_close(parameter, gradient, &whole[parameter], 1e-7, 1e-6);
        }
    }
}

fn head_init_he(device: &Device) {
    let (_, backbone) = PRESETS.iter().find(|(name, _)| *name == "mlp").unwrap();
    let config = NetworkConfig {
        head_init: HeadInit::He,
        ..NetworkConfig::new(backbone())
    };
    let network = config.init(1, [3, 8, 8], device).unwrap();
    let weight = values(network.head.weight.val());
    let variance = weight.iter().map(|w| w * w).sum::<f64>() / weight.len() as f64;
    // N(0, 2 / 128); 32,768 draws, five standard errors.
    assert_close("variance", &[variance], &[2.0 / 128.0], 0.0, 0.04);
    assert!(
        values(network.head.bias.val())
            .iter()
            .all(|&bias| bias == 0.0)
    );
}
