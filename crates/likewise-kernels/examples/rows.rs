//! Milliseconds of this crate's operations on a matrix of pairs of `B` rows with 128 components,
//! beside the same from Burn's tensor operations (the twins), and of some of those operations.
//!
//! Usage: `RAYON_NUM_THREADS=1 cargo run --release -p likewise-kernels --example rows [repeats]`

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::{Bool, Device, Distribution, Int, Tensor};
use likewise_kernels::{
    choose_on_sphere, choose_on_sphere_twin, choose_uniform, choose_uniform_twin, choose_weighted,
    choose_weighted_twin, log_sum_exp, log_sum_exp_twin, pairwise_squared_distance,
    pairwise_squared_distance_twin,
};

const DIMENSION: usize = 128;

/// An operation of two tensors.
type Pairwise = fn(Tensor<2>, Tensor<2>) -> Tensor<2>;

fn main() {
    let repeats = std::env::args().nth(1).map_or(20, |argument| {
        argument.parse().expect("a number of repeats")
    });
    let only = std::env::args().nth(2);
    for batch in [112, 512, 1024] {
        if only.as_ref().is_some_and(|only| *only != batch.to_string()) {
            continue;
        }
        println!("B = {batch}: least milliseconds of {repeats}");
        let bench = Bench { batch, repeats };
        bench.pairwise("pairwise distance", pairwise_squared_distance, repeats);
        let few = (repeats / 5).max(2);
        bench.pairwise(
            "pairwise distance, twin",
            pairwise_squared_distance_twin,
            few,
        );
        bench.log_sum_exp("log-sum-exp", log_sum_exp);
        bench.log_sum_exp("log-sum-exp, twin", log_sum_exp_twin);
        bench.choices();
        bench.tensor_operations();
    }
}

#[derive(Clone, Copy)]
struct Bench {
    batch: usize,
    repeats: usize,
}

impl Bench {
    fn report<T>(self, name: &str, mut f: impl FnMut() -> T) {
        print(name, least(self.repeats, &mut f));
    }

    fn uniform(self, columns: usize) -> Tensor<2> {
        let between = Distribution::Uniform(0.0, 1.0);
        Tensor::random([self.batch, columns], between, &Device::flex())
    }

    /// Unit vectors.
    fn rows(self) -> Tensor<2> {
        let normal = Distribution::Normal(0.0, 1.0);
        let x = Tensor::<2>::random([self.batch, DIMENSION], normal, &Device::flex());
        x.clone() / (x.clone() * x).sum_dim(1).sqrt()
    }

    fn mask(self) -> Tensor<2, Bool> {
        self.uniform(self.batch).greater_elem(0.1)
    }

    fn pairwise(self, name: &str, operation: Pairwise, repeats: usize) {
        let x = self.rows().autodiff().require_grad();
        let y = self.rows().autodiff().require_grad();
        let forward = least(repeats, &mut || operation(x.clone(), x.clone()));
        print(&format!("{name}, to itself"), forward);
        let forward_of_two = least(repeats, &mut || operation(x.clone(), y.clone()));
        print(&format!("{name}, to others"), forward_of_two);
        let dense = least(repeats, &mut || {
            operation(x.clone(), x.clone()).sum().backward()
        });
        print(&format!("{name}, to itself, with backward"), dense);
        let dense = least(repeats, &mut || {
            operation(x.clone(), y.clone()).sum().backward()
        });
        print(&format!("{name}, to others, with backward"), dense);
        let rows = self.batch as i64;
        let index = Tensor::<1, Int>::arange(0..rows, &Device::flex()) * (rows + 7) % (rows * rows);
        let sparse = least(repeats, &mut || {
            let distance = operation(x.clone(), x.clone());
            let entries = distance.reshape([self.batch * self.batch]);
            entries.select(0, index.clone()).sum().backward()
        });
        print(&format!("{name}, one entry a row, with backward"), sparse);
    }

    fn log_sum_exp(self, name: &str, operation: fn(Tensor<2>, Tensor<2, Bool>, bool) -> Tensor<2>) {
        let x = (self.uniform(self.batch) * 30.0).autodiff().require_grad();
        let kept = self.mask();
        self.report(name, || operation(x.clone(), kept.clone(), true));
        self.report(&format!("{name}, with backward"), || {
            operation(x.clone(), kept.clone(), true).sum().backward()
        });
    }

    fn choices(self) {
        let x = self.rows();
        let squared = pairwise_squared_distance(x.clone(), x);
        let (mask, uniform) = (self.mask(), self.uniform(1).squeeze_dim::<1>(1));
        let inputs = || (squared.clone(), mask.clone(), uniform.clone());
        self.report("uniform choice", || {
            choose_uniform(mask.clone(), uniform.clone())
        });
        self.report("uniform choice, twin", || {
            choose_uniform_twin(mask.clone(), uniform.clone())
        });
        self.report("weighted choice", || {
            let (x, mask, uniform) = inputs();
            choose_weighted(x, mask, uniform)
        });
        self.report("weighted choice, twin", || {
            let (x, mask, uniform) = inputs();
            choose_weighted_twin(x, mask, uniform)
        });
        self.report("choice on the sphere", || {
            let (x, mask, uniform) = inputs();
            choose_on_sphere(x, mask, uniform, DIMENSION, 0.5)
        });
        self.report("choice on the sphere, twin", || {
            let (x, mask, uniform) = inputs();
            choose_on_sphere_twin(x, mask, uniform, DIMENSION, 0.5)
        });
    }

    fn tensor_operations(self) {
        let (rows, x, y) = (
            self.rows(),
            self.uniform(self.batch),
            self.uniform(self.batch),
        );
        let mask = self.mask();
        let count = self.batch as i64;
        let index = Tensor::<1, Int>::arange(0..count, &Device::flex()) * (count + 1);
        self.report("Burn: matmul", || {
            rows.clone().matmul(rows.clone().transpose())
        });
        self.report("Burn: exp", || x.clone().exp());
        self.report("Burn: log", || x.clone().log());
        self.report("Burn: sqrt", || x.clone().sqrt());
        self.report("Burn: mul", || x.clone() * y.clone());
        self.report("Burn: mul by a column", || {
            x.clone() * y.clone().narrow(1, 0, 1)
        });
        self.report("Burn: add of the transpose", || {
            x.clone() + x.clone().transpose()
        });
        self.report("Burn: add_scalar", || x.clone().add_scalar(1.0));
        self.report("Burn: clamp_min", || x.clone().clamp_min(0.5));
        self.report("Burn: greater_elem", || x.clone().greater_elem(0.5));
        self.report("Burn: greater", || x.clone().greater(y.clone()));
        self.report("Burn: bool_and", || mask.clone().bool_and(mask.clone()));
        self.report("Burn: bool_not", || mask.clone().bool_not());
        self.report("Burn: float of a mask", || mask.clone().float());
        self.report("Burn: mask_fill", || x.clone().mask_fill(mask.clone(), 1.0));
        self.report("Burn: mask_where", || {
            x.clone().mask_where(mask.clone(), y.clone())
        });
        self.report("Burn: sum", || x.clone().sum());
        self.report("Burn: sum_dim(1)", || x.clone().sum_dim(1));
        self.report("Burn: sum_dim(0)", || x.clone().sum_dim(0));
        self.report("Burn: max_dim(1)", || x.clone().max_dim(1));
        self.report("Burn: argmax(1)", || x.clone().argmax(1));
        self.report("Burn: any_dim(1)", || mask.clone().any_dim(1));
        self.report("Burn: cumsum(1)", || x.clone().cumsum(1));
        self.report("Burn: select of rows", || {
            x.clone().select(0, index.clone() % count)
        });
        let pairs = self.batch * self.batch;
        self.report("Burn: select of one entry a row", || {
            x.clone().reshape([pairs]).select(0, index.clone())
        });
        let tracked = x.clone().autodiff().require_grad();
        self.report("Burn: the same, with backward", || {
            let entries = tracked.clone().reshape([pairs]).select(0, index.clone());
            entries.sum().backward()
        });
        let column = (index.clone() % count).reshape([self.batch, 1]);
        self.report("Burn: gather of one entry a row, with backward", || {
            tracked.clone().gather(1, column.clone()).sum().backward()
        });
        self.report("Burn: sum with backward", || {
            tracked.clone().sum().backward()
        });
    }
}

fn least<T>(repeats: usize, f: &mut dyn FnMut() -> T) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..=repeats {
        let start = Instant::now();
        black_box(f());
        least = least.min(start.elapsed().as_secs_f64() * 1e3);
    }
    least
}

fn print(name: &str, milliseconds: f64) {
    println!("  {name:<56} {milliseconds:>9.3}");
}
