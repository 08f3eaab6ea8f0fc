//! The kernels that are measured. One more is one more entry here.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use likewise::random::{self, Purpose};
use likewise_kernels::{
    Measure, Score, assign_nearest, assign_nearest_twin, choose_on_sphere, choose_on_sphere_twin,
    choose_uniform, choose_uniform_twin, choose_weighted, choose_weighted_twin, pairwise_distance,
    pairwise_distance_twin, rank_count, rank_count_twin, singular_values, singular_values_twin,
    top_k, top_k_twin,
};
use rand::Rng;

/// A kernel, and how it is put to work.
pub struct Entry {
    /// Name on the command line and in tables.
    pub name: &'static str,
    /// What is measured, for these inputs.
    pub prepare: fn(&Inputs) -> Work,
}

/// Positives of each query.
const POSITIVES: usize = 8;
/// Rows of a neighbour list.
const NEIGHBOURS: usize = 10;

/// Every kernel.
pub const TABLE: &[Entry] = &[
    Entry {
        name: "squared_euclidean",
        prepare: |inputs| forward(inputs, Measure::SquaredEuclidean),
    },
    Entry {
        name: "squared_euclidean+backward",
        prepare: |inputs| with_backward(inputs, Measure::SquaredEuclidean),
    },
    Entry {
        name: "euclidean",
        prepare: |inputs| forward(inputs, Measure::Euclidean),
    },
    Entry {
        name: "euclidean+backward",
        prepare: |inputs| with_backward(inputs, Measure::Euclidean),
    },
    Entry {
        name: "cosine",
        prepare: |inputs| forward(inputs, Measure::Cosine),
    },
    Entry {
        name: "cosine+backward",
        prepare: |inputs| with_backward(inputs, Measure::Cosine),
    },
    Entry {
        name: "dot_product",
        prepare: |inputs| forward(inputs, Measure::DotProduct),
    },
    Entry {
        name: "dot_product+backward",
        prepare: |inputs| with_backward(inputs, Measure::DotProduct),
    },
    Entry {
        name: "choose_on_sphere",
        prepare: |inputs| {
            let dimension = inputs.dimension;
            choice(
                inputs,
                move |d, c, u| choose_on_sphere(d, c, u, dimension, 0.5),
                move |d, c, u| choose_on_sphere_twin(d, c, u, dimension, 0.5),
            )
        },
    },
    Entry {
        name: "choose_weighted",
        prepare: |inputs| choice(inputs, choose_weighted, choose_weighted_twin),
    },
    Entry {
        name: "choose_uniform",
        prepare: |inputs| {
            choice(
                inputs,
                |_, candidates, uniform| choose_uniform(candidates, uniform),
                |_, candidates, uniform| choose_uniform_twin(candidates, uniform),
            )
        },
    },
    Entry {
        name: "rank_count",
        prepare: ranks,
    },
    Entry {
        name: "top_k",
        prepare: neighbours,
    },
    Entry {
        name: "assign_nearest",
        prepare: nearest,
    },
    Entry {
        name: "singular_values",
        prepare: spectrum,
    },
];

/// One repetition of a kernel and of its twin, and what the kernel has to do at least.
pub struct Work {
    /// Starts the kernel.
    pub kernel: Box<dyn Fn()>,
    /// Starts the tensor operations it stands for.
    pub twin: Box<dyn Fn()>,
    /// Of inputs and outputs.
    pub bytes: f64,
    /// Additions and multiplications, where these are what counts.
    pub operations: Option<f64>,
}

/// What kernels compute with.
pub struct Inputs {
    /// Rows B.
    pub batch: usize,
    /// Components D.
    pub dimension: usize,
    /// Embeddings of length 1, `[B, D]`.
    pub rows: Tensor<2>,
    device: Device,
}

impl Inputs {
    /// Inputs of these sizes, on `device`.
    pub fn new(batch: usize, dimension: usize, device: &Device) -> Self {
        let values = numbers(batch * dimension, 0, -1.0);
        let rows: Tensor<2> =
            Tensor::from_data(TensorData::new(values, [batch, dimension]), device);
        let norm = rows.clone().square().sum_dim(1).sqrt();
        Self {
            batch,
            dimension,
            rows: rows / norm,
            device: device.clone(),
        }
    }

    /// Numbers from −1 to 1 for each pair of rows, `[B, B]`.
    fn pairs(&self) -> Tensor<2> {
        let values = numbers(self.batch * self.batch, 1, -1.0);
        Tensor::from_data(
            TensorData::new(values, [self.batch, self.batch]),
            &self.device,
        )
    }
}

/// Numbers from `lowest` to 1.
fn numbers(count: usize, item: u64, lowest: f32) -> Vec<f32> {
    let mut rng = random::stream(0, Purpose::Initialization, 0, 0, item);
    (0..count).map(|_| rng.random_range(lowest..1.0)).collect()
}

/// Additions and multiplications for each pair and component.
fn pair_operations(measure: Measure) -> f64 {
    match measure {
        Measure::SquaredEuclidean | Measure::Euclidean => 3.0,
        Measure::Cosine | Measure::DotProduct => 2.0,
    }
}

/// The measure of all rows with each other.
fn forward(inputs: &Inputs, measure: Measure) -> Work {
    let (batch, dimension) = (inputs.batch as f64, inputs.dimension as f64);
    let run = |operation: fn(Tensor<2>, Tensor<2>, Measure) -> Tensor<2>| {
        let rows = inputs.rows.clone();
        Box::new(move || drop(operation(rows.clone(), rows.clone(), measure)))
    };
    Work {
        kernel: run(pairwise_distance),
        twin: run(pairwise_distance_twin),
        bytes: 4.0 * (batch * dimension + batch * batch),
        operations: Some(pair_operations(measure) * batch * batch * dimension),
    }
}

/// The same, and the gradient of a weighted sum.
fn with_backward(inputs: &Inputs, measure: Measure) -> Work {
    let forward = forward(inputs, measure);
    let (rows, weights) = (inputs.rows.clone().autodiff(), inputs.pairs().autodiff());
    let run = |operation: fn(Tensor<2>, Tensor<2>, Measure) -> Tensor<2>| {
        let (rows, weights) = (rows.clone(), weights.clone());
        Box::new(move || {
            let x = rows.clone().detach().require_grad();
            let values = operation(x.clone(), x.clone(), measure);
            let gradients = (values * weights.clone()).sum().backward();
            drop(x.grad(&gradients));
        })
    };
    Work {
        kernel: run(pairwise_distance),
        twin: run(pairwise_distance_twin),
        bytes: 2.0 * forward.bytes,
        operations: forward.operations.map(|count| 2.0 * count),
    }
}

/// The choice of one of half of the rows for each row, by squared distances or log-weights.
fn choice<K, T>(inputs: &Inputs, kernel: K, twin: T) -> Work
where
    K: Fn(Tensor<2>, Tensor<2, Bool>, Tensor<1>) -> Tensor<1, Int> + 'static,
    T: Fn(Tensor<2>, Tensor<2, Bool>, Tensor<1>) -> Tensor<1, Int> + 'static,
{
    let batch = inputs.batch as f64;
    let rows = inputs.rows.clone();
    let distances = pairwise_distance(rows.clone(), rows, Measure::SquaredEuclidean);
    let candidates = inputs.pairs().greater_elem(0.0);
    let uniform = numbers(inputs.batch, 2, 0.0);
    let uniform = Tensor::from_data(TensorData::new(uniform, [inputs.batch]), &inputs.device);
    let arguments = (distances, candidates, uniform);
    let others = arguments.clone();
    Work {
        kernel: Box::new(move || {
            let (distances, candidates, uniform) = arguments.clone();
            drop(kernel(distances, candidates, uniform));
        }),
        twin: Box::new(move || {
            let (distances, candidates, uniform) = others.clone();
            drop(twin(distances, candidates, uniform));
        }),
        bytes: 8.0 * (batch * batch + batch),
        operations: None,
    }
}

/// Which row each query is.
fn own(inputs: &Inputs) -> Tensor<1, Int> {
    Tensor::arange(0..inputs.batch as i64, &inputs.device)
}

/// The ranks of some positives of each row among all others.
fn ranks(inputs: &Inputs) -> Work {
    let batch = inputs.batch;
    let positives: Vec<i32> = numbers(batch * POSITIVES, 3, 0.0)
        .into_iter()
        .map(|number| (number * batch as f32) as i32)
        .collect();
    let positives = TensorData::new(positives, [batch, POSITIVES]);
    let positives: Tensor<2, Int> = Tensor::from_data(positives, &inputs.device);
    type Operation =
        fn(Tensor<2>, Tensor<2>, Tensor<2, Int>, Tensor<1, Int>, Score) -> Tensor<2, Int>;
    let run = |operation: Operation| {
        let (rows, positives, own) = (inputs.rows.clone(), positives.clone(), own(inputs));
        let score = Score::SquaredEuclidean;
        Box::new(move || {
            let gallery = rows.clone();
            drop(operation(
                rows.clone(),
                gallery,
                positives.clone(),
                own.clone(),
                score,
            ));
        })
    };
    search(inputs, run(rank_count), run(rank_count_twin), 2 * POSITIVES)
}

/// The nearest rows of each row.
fn neighbours(inputs: &Inputs) -> Work {
    type Operation =
        fn(Tensor<2>, Tensor<2>, Tensor<1, Int>, usize, Score) -> (Tensor<2, Int>, Tensor<2>);
    let run = |operation: Operation| {
        let (rows, own, k) = (
            inputs.rows.clone(),
            own(inputs),
            NEIGHBOURS.min(inputs.batch),
        );
        let score = Score::SquaredEuclidean;
        Box::new(move || drop(operation(rows.clone(), rows.clone(), own.clone(), k, score)))
    };
    search(inputs, run(top_k), run(top_k_twin), 2 * NEIGHBOURS)
}

/// The nearest of as many centroids for each row.
fn nearest(inputs: &Inputs) -> Work {
    type Operation = fn(Tensor<2>, Tensor<2>, Score) -> (Tensor<1, Int>, Tensor<1>);
    let run = |operation: Operation| {
        let rows = inputs.rows.clone();
        let values = numbers(inputs.batch * inputs.dimension, 4, -1.0);
        let values = TensorData::new(values, [inputs.batch, inputs.dimension]);
        let centroids: Tensor<2> = Tensor::from_data(values, &inputs.device);
        let score = Score::SquaredEuclidean;
        Box::new(move || drop(operation(rows.clone(), centroids.clone(), score)))
    };
    search(inputs, run(assign_nearest), run(assign_nearest_twin), 2)
}

/// Work on the scores of all pairs of rows, with so many numbers a row besides the components.
fn search(inputs: &Inputs, kernel: Box<dyn Fn()>, twin: Box<dyn Fn()>, numbers: usize) -> Work {
    let (batch, dimension) = (inputs.batch as f64, inputs.dimension as f64);
    Work {
        kernel,
        twin,
        bytes: 4.0 * batch * (2.0 * dimension + numbers as f64),
        operations: Some(pair_operations(Measure::SquaredEuclidean) * batch * batch * dimension),
    }
}

/// All singular values of the rows.
fn spectrum(inputs: &Inputs) -> Work {
    let run = |operation: fn(Tensor<2>) -> Tensor<1>| {
        let rows = inputs.rows.clone();
        Box::new(move || drop(operation(rows.clone())))
    };
    Work {
        kernel: run(singular_values),
        twin: run(singular_values_twin),
        bytes: 4.0 * (inputs.batch * inputs.dimension) as f64,
        operations: None,
    }
}
