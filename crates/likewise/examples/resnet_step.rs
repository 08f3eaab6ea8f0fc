//! Time of a training step and of an evaluation pass of ResNet50 with frozen BatchNorm on the
//! processor, for `benches/compare_resnet50.py`: `resnet_step BATCH SIZE [REPEATS]`.

use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use likewise::model::{BackboneConfig, NetworkConfig, ResnetConfig};
use likewise::train::ParameterGradients;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let [batch, size] = numbers[..2] else {
        eprintln!("usage: resnet_step BATCH SIZE [REPEATS]");
        std::process::exit(2);
    };
    let repeats = numbers.get(2).copied().unwrap_or(5);
    let device = Device::flex();
    let autodiff = device.clone().autodiff();
    let mut config = NetworkConfig::new(BackboneConfig::Resnet(ResnetConfig::default()));
    config.frozen_batch_norm = true;
    let network = config
        .init(0, [3, size, size], &autodiff)
        .expect("sizes that work");
    let pixels: Vec<f32> = (0..batch * 3 * size * size)
        .map(|i| (i as f32 * 0.37).sin())
        .collect();
    let images = |device: &Device| -> Tensor<4> {
        Tensor::from_data(
            TensorData::new(pixels.clone(), [batch, 3, size, size]),
            device,
        )
    };
    // The least time by the clock and of the processor, in ms.
    let best = |mut work: Box<dyn FnMut()>| {
        work();
        let least = [f64::INFINITY; 2];
        (0..repeats).fold(least, |least, _| {
            let (start, processor) = (Instant::now(), processor_ms());
            work();
            let clock = 1e3 * start.elapsed().as_secs_f64();
            [
                least[0].min(clock),
                least[1].min(processor_ms() - processor),
            ]
        })
    };
    let evaluated = network.for_evaluation();
    let forward = best(Box::new(|| {
        evaluated.forward(images(&device)).embeddings.into_data();
    }));
    let step = best(Box::new(|| {
        let embeddings = network.forward(images(&autodiff)).embeddings;
        let target = embeddings.clone().detach().narrow(0, 0, 1);
        let loss = (embeddings - target).square().sum();
        ParameterGradients::of(&network, loss.backward());
    }));
    println!(
        "{{\"forward_ms\": {:.1}, \"forward_cpu_ms\": {:.1}, \"step_ms\": {:.1}, \"step_cpu_ms\": {:.1}, \
         \"peak_mib\": {}}}",
        forward[0],
        forward[1],
        step[0],
        step[1],
        peak_mib()
    );
}

/// Time all threads of this process have run so far, where Linux says it; else 0.
fn processor_ms() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let nanoseconds: u64 = threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|times| times.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    1e-6 * nanoseconds as f64
}

/// The largest resident memory of this process so far, where Linux says it.
fn peak_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.unwrap_or(0) / 1024
}
