//! Networks: golden values of the bottleneck ResNet, batch normalisation in both modes, initial
//! values, gradients and state dicts.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData};
use likewise::model::batch_norm::BatchNorm2d;
use likewise::model::conv::Conv2dConfig;
use likewise::model::init::{ParameterSource, parameter_id};
use likewise::model::state::{self, from_safetensors, load_state_dict, to_safetensors};
use likewise::model::{
    Backbone, BackboneConfig, ConvNetConfig, MlpConfig, Network, NetworkConfig, Pooling,
    ResnetConfig, StateDict, assign_ids, l2_normalize,
};
use likewise::random::{Purpose, stream};
use likewise::train::{Optimizer, OptimizerConfig, ParameterGradients};
use likewise_kernels::Epilogue;
use rand::Rng;
use serde_json::Value;

use crate::support::{
    Array, Case, assert_close, assert_close_norm, fixtures, manifest, tensors, values,
};

pub fn cases() -> Vec<Case> {
    [
        (
            "golden_resnet_features",
            golden_resnet_features as fn(&Device),
        ),
        ("golden_resnet_gradients", golden_resnet_gradients),
        ("golden_resnet_adam", golden_resnet_adam),
        (
            "golden_resnet50_has_torchvision_names_and_shapes",
            resnet50_has_torchvision_names_and_shapes,
        ),
        (
            "pretrained_weights_leave_the_head_alone",
            pretrained_weights_leave_the_head_alone,
        ),
        (
            "stride_in_1x1_moves_the_stride",
            stride_in_1x1_moves_the_stride,
        ),
        (
            "convolution_agrees_with_loops",
            convolution_agrees_with_loops,
        ),
        ("pooling_agrees_with_loops", pooling_agrees_with_loops),
        (
            "frozen_statistics_stay_while_scale_and_shift_move",
            frozen_statistics_stay_while_scale_and_shift_move,
        ),
        (
            "batch_statistics_follow_pytorch",
            batch_statistics_follow_pytorch,
        ),
        ("clones_share_no_statistics", clones_share_no_statistics),
        (
            "gradients_agree_with_finite_differences",
            gradients_agree_with_finite_differences,
        ),
        (
            "normalisation_is_finite_at_zero",
            normalisation_is_finite_at_zero,
        ),
        ("gradient_of_the_head_alone", gradient_of_the_head_alone),
        (
            "same_seed_same_weights_on_every_device",
            same_seed_same_weights_on_every_device,
        ),
        (
            "initial_values_have_the_stated_distributions",
            initial_values_have_the_stated_distributions,
        ),
        (
            "identities_are_hashes_of_paths",
            identities_are_hashes_of_paths,
        ),
        (
            "state_round_trip_is_bit_equal",
            state_round_trip_is_bit_equal,
        ),
        (
            "misfit_weights_are_refused_by_name",
            misfit_weights_are_refused_by_name,
        ),
    ]
    .into_iter()
    .map(|(name, run)| Case::new(format!("model::{name}"), run))
    .collect()
}

/// Reads that are synchronous on the devices tested need no executor.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}

fn state_dict<M: Module>(module: &M) -> StateDict {
    block_on(state::state_dict(module)).unwrap()
}

/// Numbers in [−1, 1) that do not depend on the device.
fn noise(count: usize, item: u64) -> Vec<f32> {
    let mut random = stream(11, Purpose::Toy, 0, 0, item);
    (0..count)
        .map(|_| 2.0 * random.random::<f32>() - 1.0)
        .collect()
}

fn noise_tensor<const D: usize>(shape: [usize; D], item: u64, device: &Device) -> Tensor<D> {
    Tensor::from_data(
        TensorData::new(noise(shape.iter().product(), item), shape),
        device,
    )
}

fn size(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// The fixture's ResNet with its weights.
fn fixture_network(device: &Device) -> Network {
    let manifest = manifest("backbone");
    let layers = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(size)
        .collect::<Vec<_>>();
    let resnet = ResnetConfig {
        width: size(&manifest["width"]),
        layers: layers.try_into().unwrap(),
        stride_in_1x1: false,
    };
    let config = NetworkConfig {
        embedding_dim: size(&manifest["embedding_dim"]),
        frozen_batch_norm: true,
        ..NetworkConfig::new(BackboneConfig::Resnet(resnet))
    };
    let image = size(&manifest["image_size"]);
    let mut network = config.init(0, [3, image, image], device).unwrap();
    let weights = fixture_weights(manifest["weights"].as_str().unwrap());
    load_state_dict(&mut network, &own_names(weights)).unwrap();
    network
}

fn fixture_weights(file: &str) -> StateDict {
    from_safetensors(&std::fs::read(fixtures("backbone").join(file)).unwrap()).unwrap()
}

fn fixture_tensors(entry: &str) -> BTreeMap<String, Array> {
    tensors("backbone", manifest("backbone")[entry].as_str().unwrap())
}

/// Mean over rows of ‖embedding − target‖².
fn fixture_loss(network: &Network, images: Tensor<4>, targets: Tensor<2>) -> Tensor<1> {
    let [rows, _] = targets.dims();
    (network.forward(images).embeddings - targets)
        .square()
        .sum()
        .div_scalar(rows as f64)
}

fn golden_resnet_features(device: &Device) {
    let (inputs, expected) = (fixture_tensors("inputs"), fixture_tensors("expected"));
    let network = fixture_network(device);
    let compare = |name: &str, actual: Vec<f64>| {
        let expected = &expected[&format!("features.{name}")].values;
        let largest = expected
            .iter()
            .fold(0.0, |largest: f64, value| largest.max(value.abs()));
        assert_close_norm(name, &actual, expected, 0.0, 2e-6);
        // Small values of a map are differences of large ones.
        assert_close(name, &actual, expected, 2e-6 * largest, 0.0);
    };
    let images = inputs["images"].tensor::<4>(device);
    let Backbone::Resnet(backbone) = &network.backbone else {
        panic!("not a resnet")
    };
    let mut stages = 0;
    backbone.forward_observed(images.clone(), |name, map| {
        stages += 1;
        compare(name, values(map.clone()));
    });
    assert_eq!(stages, 6);
    let output = network.forward(images.clone());
    compare(
        "embedding",
        values(network.head.forward(output.features.clone())),
    );
    compare("pooled", values(output.features));
    compare("embedding_normalized", values(output.embeddings));
    let loss = values(fixture_loss(
        &network,
        images,
        inputs["targets"].tensor(device),
    ));
    assert_close("loss", &loss, &expected["loss"].values, 1e-6, 2e-5);
}

/// Gradients of all parameters by name, in f64.
fn gradients_by_name<M: Module>(
    module: &M,
    gradients: &GradientsParams,
) -> BTreeMap<String, Vec<f64>> {
    struct Collect<'a> {
        gradients: &'a GradientsParams,
        found: BTreeMap<ParamId, Vec<f64>>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                self.found.insert(param.id, values(gradient));
            }
        }
    }
    let mut collect = Collect {
        gradients,
        found: BTreeMap::new(),
    };
    module.visit(&mut collect);
    let mut found = collect.found;
    state_dict(module)
        .into_keys()
        .filter_map(|name| Some((name.clone(), found.remove(&parameter_id(&name))?)))
        .collect()
}

/// A whole torchvision ResNet, classifier included, as a network of this crate.
fn own_names(weights: StateDict) -> StateDict {
    weights
        .into_iter()
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .map(|(name, data)| match name.strip_prefix("fc.") {
            Some(rest) => (format!("head.{rest}"), data),
            None => (format!("backbone.{name}"), data),
        })
        .collect()
}

/// The name in this crate of a fixture's parameter.
fn own_name(torchvision: &str) -> String {
    own_names([(torchvision.to_owned(), TensorData::zeros::<f32, _>([1]))].into())
        .into_keys()
        .next()
        .unwrap()
}

fn golden_resnet_gradients(device: &Device) {
    let (inputs, expected) = (fixture_tensors("inputs"), fixture_tensors("expected"));
    let device = device.clone().autodiff();
    let network = fixture_network(&device);
    let images = inputs["images"].tensor::<4>(&device).require_grad();
    let mut gradients =
        fixture_loss(&network, images.clone(), inputs["targets"].tensor(&device)).backward();
    let of_images = images
        .grad_remove(&mut gradients)
        .unwrap()
        .slice([0..1, 0..1, 0..1]);
    let by_name = gradients_by_name(&network, &GradientsParams::from_grads(gradients, &network));
    let mut compared = 0;
    for (name, array) in &expected {
        match name.strip_prefix("grad.") {
            Some("input_channel0_row0") => {
                assert_close_norm(name, &values(of_images.clone()), &array.values, 1e-7, 1e-4);
            }
            Some(parameter) => assert_close_norm(
                name,
                &by_name[&own_name(parameter)],
                &array.values,
                1e-6,
                2e-5,
            ),
            None => continue,
        }
        compared += 1;
    }
    assert!(compared > 10, "only {compared} gradients compared");
    let trainable = fixture_weights(manifest("backbone")["weights"].as_str().unwrap())
        .into_keys()
        .filter(|name| name.ends_with(".weight") || name.ends_with(".bias"))
        .count();
    assert_eq!(
        by_name.len(),
        trainable,
        "every weight and bias has a gradient, no statistic has one"
    );
    let norm = by_name
        .values()
        .flatten()
        .map(|g| g * g)
        .sum::<f64>()
        .sqrt();
    assert_close(
        "norm",
        &[norm],
        &expected["grad_norm_all_parameters"].values,
        0.0,
        2e-5,
    );
}

fn golden_resnet_adam(device: &Device) {
    let (inputs, expected) = (fixture_tensors("inputs"), fixture_tensors("expected"));
    let settings = manifest("backbone")["adam"].clone();
    let number = |key: &str| settings[key].as_f64().unwrap();
    let device = device.clone().autodiff();
    let mut network = fixture_network(&device);
    let (images, targets) = (
        inputs["images"].tensor::<4>(&device),
        inputs["targets"].tensor::<2>(&device),
    );
    let config = OptimizerConfig {
        learning_rate: number("lr"),
        weight_decay: number("weight_decay"),
        epsilon: number("eps"),
        ..OptimizerConfig::default()
    };
    let mut adam = Optimizer::new(config, 0.0);
    let mut losses = Vec::new();
    for _ in 0..size(&settings["steps"]) {
        let loss = fixture_loss(&network, images.clone(), targets.clone());
        losses.extend(values(loss.clone()));
        let gradients = ParameterGradients::of(&network, loss.backward());
        network = adam.step(network, gradients, 1.0);
    }
    losses.extend(values(fixture_loss(&network, images, targets)));
    assert_close(
        "losses",
        &losses,
        &expected["adam_losses"].values,
        2e-6,
        2e-5,
    );
    let state = state_dict(&network);
    for (name, data) in own_names(fixture_weights(
        manifest("backbone")["weights"].as_str().unwrap(),
    )) {
        assert!(
            !name.contains("running_") || state[&name] == data,
            "{name} must stay fixed"
        );
    }
    let mut compared = 0;
    for (name, array) in &expected {
        if let Some(parameter) = name.strip_prefix("adam3.") {
            let actual: Vec<f64> = state[&own_name(parameter)].iter::<f64>().collect();
            // Adam's first steps divide each gradient by its own size, which magnifies the
            // relative error of the smallest ones.
            assert_close(name, &actual, &array.values, 2e-6, 1e-5);
            compared += 1;
        }
    }
    assert!(compared > 10, "only {compared} parameters compared");
}

fn resnet50_has_torchvision_names_and_shapes(device: &Device) {
    let path = fixtures("backbone").join("resnet50_state_dict.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let expected: BTreeMap<String, Vec<usize>> = file["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["name"].as_str().unwrap(),
                entry["shape"].as_array().unwrap(),
            )
        })
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .map(|(name, shape)| (own_name(name), shape.iter().map(size).collect()))
        .collect();
    let config = NetworkConfig {
        embedding_dim: 1000,
        ..NetworkConfig::new(BackboneConfig::Resnet(ResnetConfig::default()))
    };
    let network = config.init(0, [3, 224, 224], device).unwrap();
    let actual: BTreeMap<String, Vec<usize>> = state_dict(&network)
        .into_iter()
        .map(|(name, data)| (name, data.shape().to_vec()))
        .collect();
    assert_eq!(actual, expected);
}

fn pretrained_weights_leave_the_head_alone(device: &Device) {
    let weights = fixture_weights(manifest("backbone")["weights"].as_str().unwrap());
    let config = NetworkConfig {
        embedding_dim: 5,
        ..NetworkConfig::new(BackboneConfig::Resnet(ResnetConfig {
            width: size(&manifest("backbone")["width"]),
            layers: [1; 4],
            stride_in_1x1: false,
        }))
    };
    let mut network = config.init(3, [3, 64, 64], device).unwrap();
    let before = state_dict(&network);
    network.load_pretrained(weights.clone()).unwrap();
    let after = state_dict(&network);
    for (name, data) in &after {
        match name.strip_prefix("backbone.") {
            Some(rest) => assert_eq!(*data, weights[rest], "{name}"),
            None => assert_eq!(*data, before[name], "{name}"),
        }
    }
    let mut foreign = weights;
    foreign.insert("features.0.weight".into(), TensorData::zeros::<f32, _>([1]));
    let error = network.load_pretrained(foreign).unwrap_err().to_string();
    assert!(error.contains("features.0.weight"), "{error}");
    assert_eq!(state_dict(&network), after);
}

/// Two stages of two convolutions on images of 8×8. One set of shapes for many tests, because
/// the first launch of a shape is slow on a WGSL device.
fn small_conv_net(frozen_batch_norm: bool) -> NetworkConfig {
    let conv_net = ConvNetConfig {
        channels: vec![4, 6],
        convolutions_per_stage: 2,
        pooled_stages: None,
    };
    NetworkConfig {
        embedding_dim: 6,
        frozen_batch_norm,
        ..NetworkConfig::new(BackboneConfig::ConvNet(conv_net))
    }
}

const SMALL_INPUT: [usize; 3] = [3, 8, 8];

fn small_images(item: u64, device: &Device) -> Tensor<4> {
    noise_tensor([4, 3, 8, 8], item, device)
}

fn stride_in_1x1_moves_the_stride(device: &Device) {
    let images = noise_tensor([1, 3, 32, 32], 0, device);
    let maps = |stride_in_1x1| {
        let resnet = ResnetConfig {
            width: 4,
            layers: [1; 4],
            stride_in_1x1,
        };
        let config = NetworkConfig::new(BackboneConfig::Resnet(resnet));
        let network = config.init(1, [3, 32, 32], device).unwrap();
        let Backbone::Resnet(backbone) = network.backbone else {
            panic!("not a resnet")
        };
        let mut maps = BTreeMap::new();
        backbone.forward_observed(images.clone(), |name, map| {
            maps.insert(name.to_owned(), (map.dims(), values(map.clone())));
        });
        maps
    };
    let (later, earlier) = (maps(false), maps(true));
    for (name, (shape, map)) in &later {
        assert_eq!(*shape, earlier[name].0, "{name}");
        let same = *map == earlier[name].1;
        assert_eq!(
            same,
            ["stem_before_maxpool", "stem", "layer1"].contains(&name.as_str()),
            "{name}"
        );
    }
    assert_eq!(later["layer4"].0, [1, 128, 1, 1]);
}

fn convolution_agrees_with_loops(device: &Device) {
    for (kernel, stride, height, width) in [
        (1, 1, 3, 4),
        (1, 2, 5, 4),
        (3, 1, 5, 6),
        (3, 2, 6, 5),
        (7, 2, 9, 8),
    ] {
        let (batch, input, output) = (2, 3, 4);
        let source = ParameterSource::new(5, "conv", device);
        let conv = Conv2dConfig {
            input,
            output,
            kernel,
            stride,
        }
        .init(&source);
        let images = noise_tensor([batch, input, height, width], 1, device);
        let (image, weight) = (values(images.clone()), values(conv.weight.val()));
        let actual = conv.forward(images);
        let (rows, columns) = (height.div_ceil(stride), width.div_ceil(stride));
        assert_eq!(actual.dims(), [batch, output, rows, columns]);
        let at = |b: usize, c: usize, y: usize, x: usize| {
            let (y, x) = (y.checked_sub(kernel / 2)?, x.checked_sub(kernel / 2)?);
            (y < height && x < width).then(|| image[((b * input + c) * height + y) * width + x])
        };
        let mut expected = Vec::new();
        for index in 0..batch * output * rows * columns {
            let (x, rest) = (index % columns, index / columns);
            let (y, rest) = (rest % rows, rest / rows);
            let (o, b) = (rest % output, rest / output);
            let mut sum = 0.0;
            for tap in 0..input * kernel * kernel {
                let (c, dy, dx) = (tap / kernel / kernel, tap / kernel % kernel, tap % kernel);
                sum += weight[o * input * kernel * kernel + tap]
                    * at(b, c, y * stride + dy, x * stride + dx).unwrap_or(0.0);
            }
            expected.push(sum);
        }
        assert_close(
            &format!("{kernel}x{kernel}/{stride}"),
            &values(actual),
            &expected,
            2e-6,
            1e-5,
        );
    }
}

fn pooling_agrees_with_loops(device: &Device) {
    let map = noise_tensor([2, 3, 2, 5], 2, device);
    let positions: Vec<Vec<f64>> = values(map.clone())
        .chunks(10)
        .map(<[f64]>::to_vec)
        .collect();
    let mean = |p: &Vec<f64>| p.iter().sum::<f64>() / 10.0;
    let max = |p: &Vec<f64>| p.iter().copied().fold(f64::MIN, f64::max);
    let average: Vec<f64> = positions.iter().map(mean).collect();
    let double: Vec<f64> = positions.iter().map(|p| mean(p) + max(p)).collect();
    assert_close(
        "average",
        &values(Pooling::Average.forward(map.clone())),
        &average,
        1e-6,
        1e-6,
    );
    assert_close(
        "average_max",
        &values(Pooling::AverageMax.forward(map)),
        &double,
        1e-6,
        1e-6,
    );
}

/// One step of gradient descent on a fixed loss.
fn step(network: Network, device: &Device) -> Network {
    let images = small_images(3, device);
    let weights = noise_tensor([4, 6], 4, device);
    let loss = (network.forward(images).embeddings * weights).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    SgdConfig::new().init().step(0.1, network, gradients)
}

fn frozen_statistics_stay_while_scale_and_shift_move(device: &Device) {
    let autodiff = device.clone().autodiff();
    let round_trip: [fn(Network) -> Network; 3] = [
        |network| network,
        |network| network.for_evaluation().for_training(),
        |network| {
            let mut restored = small_conv_net(true)
                .init(9, SMALL_INPUT, &network.devices()[0].clone().autodiff())
                .unwrap();
            load_state_dict(&mut restored, &state_dict(&network)).unwrap();
            restored
        },
    ];
    for frozen in [true, false] {
        for (way, prepare) in round_trip.iter().enumerate() {
            if way == 2 && !frozen {
                continue;
            }
            let network = prepare(
                small_conv_net(frozen)
                    .init(1, SMALL_INPUT, &autodiff)
                    .unwrap(),
            );
            let before = state_dict(&network);
            let after = state_dict(&step(network, &autodiff));
            for (name, data) in &before {
                let moved = after[name] != *data;
                let statistic = name.contains("running_");
                assert_eq!(
                    moved,
                    !(frozen && statistic),
                    "{name}, frozen {frozen}, preparation {way}"
                );
            }
        }
    }
    let network = small_conv_net(false)
        .init(1, SMALL_INPUT, &autodiff)
        .unwrap();
    let before = state_dict(&network);
    network.for_evaluation().forward(small_images(3, device));
    assert_eq!(
        state_dict(&network),
        before,
        "evaluation must not move statistics"
    );
}

/// `input` `[B, 2, H, W]` after a convolution that changes nothing, normalised.
fn normalised(norm: &BatchNorm2d, input: Tensor<4>) -> Tensor<4> {
    let device = input.device();
    let config = Conv2dConfig {
        input: 2,
        output: 2,
        kernel: 1,
        stride: 1,
    };
    let mut conv = config.init(&ParameterSource::new(0, "identity", &device));
    let identity = Tensor::<2>::eye(2, &device).reshape([2, 2, 1, 1]);
    conv.weight = conv.weight.map(|_| identity);
    norm.after(&conv, input, None, Epilogue::None)
}

fn batch_statistics_follow_pytorch(device: &Device) {
    let device = device.clone().autodiff();
    let norm = BatchNorm2d::new(2, &ParameterSource::new(0, "bn", &device));
    let (mut mean, mut variance) = ([0.0; 2], [1.0; 2]);
    for batch in 0..3 {
        let input = noise_tensor([3, 2, 1, 2], 20 + batch, &device) * 3.0 + 1.0;
        let x = values(input.clone());
        let output = values(normalised(&norm, input));
        for channel in 0..2 {
            let members: Vec<usize> = (0..12).filter(|index| index / 2 % 2 == channel).collect();
            let n = members.len() as f64;
            let m = members.iter().map(|&i| x[i]).sum::<f64>() / n;
            let squares = members.iter().map(|&i| (x[i] - m).powi(2)).sum::<f64>();
            for &i in &members {
                let expected = (x[i] - m) / (squares / n + 1e-5).sqrt();
                assert_close("output", &[output[i]], &[expected], 1e-5, 1e-5);
            }
            mean[channel] = 0.9 * mean[channel] + 0.1 * m;
            variance[channel] = 0.9 * variance[channel] + 0.1 * squares / (n - 1.0);
        }
        assert_close(
            "running mean",
            &values(norm.running_mean.value(false)),
            &mean,
            1e-6,
            1e-6,
        );
        assert_close(
            "running variance",
            &values(norm.running_var.value(false)),
            &variance,
            1e-6,
            1e-6,
        );
    }
    let input = noise_tensor([1, 2, 1, 2], 30, &device);
    let x = values(input.clone());
    let expected: Vec<f64> = (0..4)
        .map(|i| (x[i] - mean[i / 2]) / (variance[i / 2] + 1e-5).sqrt())
        .collect();
    assert_close(
        "evaluation",
        &values(normalised(&norm.valid(), input.inner())),
        &expected,
        1e-6,
        1e-5,
    );
    normalised(&norm, noise_tensor([1, 2, 1, 1], 31, &device));
    let single = values(norm.running_var.value(false));
    assert!(
        single.iter().all(|v| v.is_finite()),
        "a single value per channel gives {single:?}"
    );
}

fn clones_share_no_statistics(device: &Device) {
    let device = device.clone().autodiff();
    let norm = BatchNorm2d::new(2, &ParameterSource::new(0, "bn", &device));
    let copy = norm.clone();
    normalised(&norm, noise_tensor([3, 2, 2, 2], 1, &device));
    assert_eq!(values(copy.running_mean.value(false)), [0.0; 2]);
    assert_ne!(values(norm.running_mean.value(false)), [0.0; 2]);
}

fn gradients_agree_with_finite_differences(device: &Device) {
    let device = device.clone().autodiff();
    for (frozen_batch_norm, pooling) in [(false, Pooling::Average), (true, Pooling::AverageMax)] {
        let config = NetworkConfig {
            pooling,
            ..small_conv_net(frozen_batch_norm)
        };
        let network = config.init(2, SMALL_INPUT, &device).unwrap();
        let images = small_images(5, &device);
        let weights = noise_tensor([4, 6], 6, &device);
        let loss = |network: &Network| {
            (network.forward(images.clone()).embeddings * weights.clone()).sum()
        };
        let gradients = GradientsParams::from_grads(loss(&network).backward(), &network);
        let by_name = gradients_by_name(&network, &gradients);
        let state = state_dict(&network);
        assert_eq!(by_name.len(), 4 * 3 + 2);
        for (item, (name, gradient)) in by_name.iter().enumerate() {
            let direction = noise(gradient.len(), 100 + item as u64);
            let analytic: f64 = gradient
                .iter()
                .zip(&direction)
                .map(|(g, d)| g * f64::from(*d))
                .sum();
            let size = 2e-3 / (gradient.len() as f64).sqrt();
            let moved = |sign: f64| {
                let mut state = state.clone();
                let data = &state[name];
                let values: Vec<f32> = data
                    .iter::<f64>()
                    .zip(&direction)
                    .map(|(value, d)| (value + sign * size * f64::from(*d)) as f32)
                    .collect();
                let data = TensorData::new(values, data.shape().clone());
                state.insert(name.clone(), data);
                let mut moved = network.clone();
                load_state_dict(&mut moved, &state).unwrap();
                values_of(loss(&moved))
            };
            let numeric = (moved(1.0) - moved(-1.0)) / (2.0 * size);
            assert_close(name, &[analytic], &[numeric], 4e-3, 2e-2);
        }
    }
}

fn values_of(scalar: Tensor<1>) -> f64 {
    values(scalar)[0]
}

fn normalisation_is_finite_at_zero(device: &Device) {
    let device = device.clone().autodiff();
    let rows = [
        [0.0, 0.0, 0.0],
        [3.0, 4.0, 0.0],
        [1e-20, 0.0, 0.0],
        [1e-3, 0.0, -1e-3],
    ];
    let rows = Tensor::<2>::from_data(rows, &device).require_grad();
    let upstream = [[0.5, -1.0, 2.0]; 4];
    let normalized = l2_normalize(rows.clone());
    let z = values(normalized.clone());
    let root = 0.5_f64.sqrt();
    assert_close(
        "values",
        &z[..6],
        &[0.0, 0.0, 0.0, 0.6, 0.8, 0.0],
        1e-7,
        1e-6,
    );
    assert_close("tiny", &z[9..], &[root, 0.0, -root], 1e-6, 1e-6);
    let gradients = (normalized * Tensor::from_data(upstream, &device))
        .sum()
        .backward();
    let gradient = values(rows.grad(&gradients).unwrap());
    assert!(
        gradient.iter().chain(&z).all(|value| value.is_finite()),
        "{gradient:?}"
    );
    // (g − z ⟨z, g⟩) / ‖x‖
    let inner = 0.6 * 0.5 - 0.8;
    let expected = [
        (0.5 - 0.6 * inner) / 5.0,
        (-1.0 - 0.8 * inner) / 5.0,
        2.0 / 5.0,
    ];
    assert_close("gradient", &gradient[3..6], &expected, 1e-6, 1e-5);
}

/// Regression guard for tracel-ai/burn#5162: a frozen backbone below a trained head gave zero
/// or NaN gradients on some devices.
fn gradient_of_the_head_alone(device: &Device) {
    let device = device.clone().autodiff();
    let images = small_images(7, &device);
    let weights = noise_tensor([4, 6], 8, &device);
    let gradients = |network: &Network| {
        let loss = (network.forward(images.clone()).embeddings * weights.clone()).sum();
        gradients_by_name(
            network,
            &GradientsParams::from_grads(loss.backward(), network),
        )
    };
    let mut network = small_conv_net(true).init(1, SMALL_INPUT, &device).unwrap();
    let full = gradients(&network);
    network.backbone = network.backbone.no_grad();
    let head = gradients(&network);
    assert_eq!(
        head.keys().collect::<Vec<_>>(),
        ["head.bias", "head.weight"]
    );
    for (name, gradient) in &head {
        assert!(
            gradient.iter().any(|&g| g != 0.0),
            "{name} has a zero gradient"
        );
        assert_close(name, gradient, &full[name], 1e-6, 1e-5);
    }
}

fn every_architecture() -> [NetworkConfig; 3] {
    let resnet = ResnetConfig {
        width: 4,
        layers: [1; 4],
        stride_in_1x1: false,
    };
    [
        NetworkConfig::new(BackboneConfig::Mlp(MlpConfig {
            hidden: vec![10, 7],
        })),
        small_conv_net(false),
        NetworkConfig::new(BackboneConfig::Resnet(resnet)),
    ]
}

fn same_seed_same_weights_on_every_device(device: &Device) {
    for config in every_architecture() {
        let weights =
            |seed, device: &Device| state_dict(&config.init(seed, [3, 16, 16], device).unwrap());
        let here = weights(4, device);
        assert_eq!(here, weights(4, &Device::flex()));
        assert_eq!(here, weights(4, &device.clone().autodiff()));
        let other = weights(5, device);
        for (name, data) in &here {
            let drawn = !name.contains("bn") && !name.contains("downsample.1");
            assert_eq!(*data != other[name], drawn, "{name}");
        }
    }
}

fn initial_values_have_the_stated_distributions(device: &Device) {
    let network = NetworkConfig::new(BackboneConfig::Mlp(MlpConfig { hidden: vec![100] }))
        .init(6, [1, 10, 10], device)
        .unwrap();
    let state = state_dict(&network);
    for name in [
        "backbone.layers.0.weight",
        "backbone.layers.0.bias",
        "head.weight",
        "head.bias",
    ] {
        let draws: Vec<f64> = state[name].iter::<f64>().collect();
        let count = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / count;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / count;
        // Fan-in is 100: U(−0.1, 0.1) has standard deviation 0.0577; five standard errors.
        assert!(draws.iter().all(|x| x.abs() <= 0.1), "{name} leaves ±0.1");
        assert!(
            mean.abs() < 5.0 * 0.0577 / count.sqrt(),
            "{name}: mean {mean}"
        );
        assert!(
            (variance * 300.0 - 1.0).abs() < 5.0 * 0.9 / count.sqrt(),
            "{name}: variance {variance}"
        );
    }
    let conv = Conv2dConfig {
        input: 40,
        output: 50,
        kernel: 3,
        stride: 1,
    };
    let weight = values(
        conv.init(&ParameterSource::new(6, "conv", device))
            .weight
            .val(),
    );
    let (count, deviation) = (weight.len() as f64, (2.0_f64 / 450.0).sqrt());
    let mean = weight.iter().sum::<f64>() / count;
    let variance = weight.iter().map(|x| x * x).sum::<f64>() / count;
    assert!(mean.abs() < 5.0 * deviation / count.sqrt(), "mean {mean}");
    assert!(
        (variance / deviation.powi(2) - 1.0).abs() < 5.0 * (2.0 / count).sqrt(),
        "variance {variance}"
    );
}

fn identities_are_hashes_of_paths(device: &Device) {
    #[derive(Default)]
    struct Ids(Vec<ParamId>);
    impl ModuleVisitor for Ids {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.id);
        }
    }
    let ids = |network: &Network| {
        let mut ids = Ids::default();
        network.visit(&mut ids);
        ids.0.sort();
        ids.0
    };
    let hashes = |network: &Network, prefix: &str| {
        let mut ids: Vec<ParamId> = state_dict(network)
            .into_keys()
            .map(|name| parameter_id(&format!("{prefix}{name}")))
            .collect();
        ids.sort();
        ids.dedup();
        ids
    };
    for config in every_architecture() {
        let network = config.init(0, [3, 16, 16], device).unwrap();
        assert_eq!(ids(&network), hashes(&network, ""));
        let renamed = assign_ids(network, "teacher.network");
        assert_eq!(ids(&renamed), hashes(&renamed, "teacher.network."));
    }
}

fn state_round_trip_is_bit_equal(device: &Device) {
    let autodiff = device.clone().autodiff();
    let config = small_conv_net(false);
    let trained = step(config.init(1, SMALL_INPUT, &autodiff).unwrap(), &autodiff);
    let state = state_dict(&trained);
    let metadata = BTreeMap::from([("format".to_owned(), "likewise".to_owned())]);
    let restored = from_safetensors(&to_safetensors(&state, Some(metadata)).unwrap()).unwrap();
    assert_eq!(restored, state);
    let mut other = config.init(2, SMALL_INPUT, &autodiff).unwrap();
    load_state_dict(&mut other, &restored).unwrap();
    assert_eq!(state_dict(&other), state);
    let images = small_images(9, device);
    let embed =
        |network: &Network| values(network.for_evaluation().forward(images.clone()).embeddings);
    assert_eq!(embed(&trained), embed(&other));
    let (continued, resumed) = (step(trained, &autodiff), step(other, &autodiff));
    for (name, data) in state_dict(&continued) {
        let resumed = state_dict(&resumed)[&name].clone();
        assert_close(
            &name,
            &resumed.iter().collect::<Vec<f64>>(),
            &data.iter().collect::<Vec<f64>>(),
            1e-6,
            1e-5,
        );
    }
    let error = from_safetensors(&[1, 2, 3]).unwrap_err().to_string();
    assert!(error.contains("safetensors"), "{error}");
}

fn misfit_weights_are_refused_by_name(device: &Device) {
    let config = NetworkConfig::new(BackboneConfig::Mlp(MlpConfig { hidden: vec![4] }));
    let mut network = config.init(0, [1, 1, 2], device).unwrap();
    let before = state_dict(&network);
    let mut state = state_dict(&config.init(1, [1, 1, 2], device).unwrap());
    let weight = state.remove("backbone.layers.0.weight").unwrap();
    state.insert("backbone.layers.7.weight".into(), weight);
    state.insert("head.bias".into(), TensorData::zeros::<f32, _>([5]));
    state.insert("head.weight".into(), TensorData::zeros::<i64, _>([128, 4]));
    let error = load_state_dict(&mut network, &state)
        .unwrap_err()
        .to_string();
    for part in [
        "missing: backbone.layers.0.weight",
        "not part of the network: backbone.layers.7.weight",
        "head.bias is [5] instead of [128]",
        "not floating point: head.weight",
    ] {
        assert!(error.contains(part), "{error} should say {part}");
    }
    assert_eq!(state_dict(&network), before, "nothing may be loaded");
}
