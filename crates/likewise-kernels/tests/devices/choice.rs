//! Random choices of a column in each row: exact on every device where they must be, never outside
//! their support, with the right frequencies, and the same as a search in double precision.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use likewise_kernels::{
    choose_on_sphere, choose_on_sphere_twin, choose_uniform, choose_uniform_twin, choose_weighted,
    choose_weighted_twin, sphere_log_weight,
};

use crate::support::{self, Case, integers, values};

/// Rows and columns: less, as many as and more than lanes and blocks.
const SIZES: [[usize; 2]; 7] = [
    [1, 1],
    [40, 1],
    [9, 31],
    [33, 64],
    [20, 65],
    [112, 112],
    [3, 9_000],
];

const INFINITY: f32 = f32::INFINITY;

type Weighted = fn(Tensor<2>, Tensor<2, Bool>, Tensor<1>) -> Tensor<1, Int>;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for [rows, columns] in SIZES {
        let name = |what: &str| format!("choice::{what}_{rows}x{columns}");
        cases.push(Case::new(name("uniform"), move |device| async move {
            uniform_against_loops(device, [rows, columns], choose_uniform).await;
        }));
        cases.push(Case::new(name("weighted"), move |device| async move {
            weighted_against_loops(device, [rows, columns], choose_weighted).await;
        }));
        cases.push(Case::new(name("on_sphere"), move |device| async move {
            on_sphere_against_loops(device, [rows, columns]).await;
        }));
    }
    cases.extend([
        Case::new("choice::twins", |device| async move {
            uniform_against_loops(device.clone(), [20, 65], choose_uniform_twin).await;
            weighted_against_loops(device, [20, 65], choose_weighted_twin).await;
        }),
        Case::new("choice::uniform_at_the_ends", uniform_at_the_ends),
        Case::new("choice::uniform_frequencies", uniform_frequencies),
        Case::new("choice::weighted_frequencies", weighted_frequencies),
        Case::new("choice::weighted_edges", |device| async move {
            weighted_edges(device.clone(), choose_weighted).await;
            weighted_edges(device, choose_weighted_twin).await;
        }),
        Case::new("choice::support_is_exact", support_is_exact),
        Case::new("choice::sphere_weights", sphere_weights),
        Case::new("choice::sphere_odd_distances", odd_distances),
        Case::new("choice::sphere_equalises_distances", equalised_distances),
        Case::new("choice::more_rows_than_workgroups", many_rows),
        Case::new("choice::between_other_operations", between_operations),
        Case::new("choice::strided", strided),
        Case::new("choice::of_tracked_values", of_tracked_values),
        Case::new("choice::without_entries", without_entries),
    ]);
    cases
}

fn matrix(data: &[f32], shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(data.to_vec(), shape), device)
}

fn mask(data: &[bool], shape: [usize; 2], device: &Device) -> Tensor<2, Bool> {
    Tensor::from_data(TensorData::new(data.to_vec(), shape), device)
}

fn vector(data: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(data.to_vec(), [data.len()]), device)
}

/// Numbers in [0, 1) of 24 bits, the same on every machine.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let halved = |number: f32| (number + 1.0) / 2.0;
    support::numbers(count, seed)
        .into_iter()
        .map(halved)
        .collect()
}

async fn columns_of(chosen: Tensor<1, Int>) -> Vec<usize> {
    let column = |column| usize::try_from(column).expect("a column number");
    integers(chosen).await.into_iter().map(column).collect()
}

/// Candidates, of which some rows have none, some one, some all.
fn candidates([rows, columns]: [usize; 2], seed: u64) -> Vec<bool> {
    let draws = numbers(rows * columns, seed);
    (0..rows * columns)
        .map(|index| match (index / columns) % 5 {
            0 => true,
            1 => index % columns == columns / 2,
            2 if rows > 7 => (index / columns) % 2 == 1,
            _ => draws[index] < 0.4,
        })
        .collect()
}

async fn uniform_against_loops(
    device: Device,
    [rows, columns]: [usize; 2],
    choose: fn(Tensor<2, Bool>, Tensor<1>) -> Tensor<1, Int>,
) {
    let candidates = candidates([rows, columns], 1);
    let uniform = numbers(rows, 2);
    let chosen = columns_of(choose(
        mask(&candidates, [rows, columns], &device),
        vector(&uniform, &device),
    ))
    .await;
    assert_eq!(chosen.len(), rows);
    for (row, candidates) in candidates.chunks(columns).enumerate() {
        let places: Vec<usize> = (0..columns).filter(|&column| candidates[column]).collect();
        let number = (uniform[row] * places.len() as f32) as usize;
        let expected = match places.len() {
            0 => 0,
            count => places[number.min(count - 1)],
        };
        assert_eq!(chosen[row], expected, "row {row}");
    }
}

/// The smallest and the largest uniform number give the first and the last candidate.
async fn uniform_at_the_ends(device: Device) {
    let [rows, columns] = [2, 3000];
    let candidates: Vec<bool> = (0..rows * columns)
        .map(|index| (7..2990).contains(&(index % columns)))
        .collect();
    let chosen = choose_uniform(
        mask(&candidates, [rows, columns], &device),
        vector(&[0.0, 1.0f32.next_down()], &device),
    );
    assert_eq!(columns_of(chosen).await, [7, 2989]);
}

/// Cumulative weights of a row's candidates relative to their total, in double precision.
fn cumulative(log_weights: &[f64], candidates: &[bool]) -> Vec<f64> {
    let largest = (0..candidates.len())
        .filter(|&column| candidates[column])
        .fold(f64::NEG_INFINITY, |largest, column| {
            largest.max(log_weights[column])
        });
    let mut sum = 0.0;
    let sums: Vec<f64> = log_weights
        .iter()
        .zip(candidates)
        .map(|(weight, &candidate)| {
            sum += if candidate {
                (weight - largest).exp()
            } else {
                0.0
            };
            sum
        })
        .collect();
    sums.iter().map(|value| value / sum).collect()
}

/// Each choice is the one of the search, up to rounding of the boundaries.
fn assert_inverts(
    chosen: &[usize],
    log_weights: &[f64],
    candidates: &[bool],
    uniform: &[f32],
    allowed: f64,
) {
    let columns = candidates.len() / uniform.len();
    let rows = log_weights.chunks(columns).zip(candidates.chunks(columns));
    for (row, (log_weights, candidates)) in rows.enumerate() {
        let column = chosen[row];
        if !candidates.contains(&true) {
            assert_eq!(column, 0, "row {row} without candidates");
            continue;
        }
        assert!(candidates[column], "row {row}: {column} is no candidate");
        let cumulative = cumulative(log_weights, candidates);
        let from = if column == 0 {
            0.0
        } else {
            cumulative[column - 1]
        };
        let target = f64::from(uniform[row]);
        assert!(
            from - allowed <= target && target < cumulative[column] + allowed,
            "row {row}: {column} covers {from} to {}, not {target}",
            cumulative[column]
        );
    }
}

async fn weighted_against_loops(device: Device, [rows, columns]: [usize; 2], choose: Weighted) {
    let candidates = candidates([rows, columns], 3);
    let uniform = numbers(rows, 4);
    for scale in [0.5, 6.0, 150.0] {
        let log_weights: Vec<f32> = numbers(rows * columns, 5)
            .iter()
            .map(|value| value * scale - 40.0)
            .collect();
        let chosen = columns_of(choose(
            matrix(&log_weights, [rows, columns], &device),
            mask(&candidates, [rows, columns], &device),
            vector(&uniform, &device),
        ))
        .await;
        let wide: Vec<f64> = log_weights.iter().map(|&value| f64::from(value)).collect();
        assert_inverts(&chosen, &wide, &candidates, &uniform, 3e-6);
    }
}

/// The formula in double precision.
fn log_weight(squared: f64, dimension: usize, lower_cutoff: f64) -> f64 {
    let squared = squared.clamp(lower_cutoff * lower_cutoff, (2.0 - 1e-4) * (2.0 - 1e-4));
    let dimension = dimension as f64;
    0.5 * (2.0 - dimension) * squared.ln() - 0.5 * (dimension - 3.0) * (-0.25 * squared).ln_1p()
}

async fn on_sphere_against_loops(device: Device, [rows, columns]: [usize; 2]) {
    let candidates = candidates([rows, columns], 6);
    let uniform = numbers(rows, 7);
    let squared: Vec<f32> = numbers(rows * columns, 8)
        .iter()
        .map(|value| value * 4.0)
        .collect();
    for dimension in [2, 3, 16, 128] {
        let wide: Vec<f64> = squared
            .iter()
            .map(|&value| log_weight(value.into(), dimension, 0.5))
            .collect();
        for choose in [choose_on_sphere, choose_on_sphere_twin] {
            let chosen = choose(
                matrix(&squared, [rows, columns], &device),
                mask(&candidates, [rows, columns], &device),
                vector(&uniform, &device),
                dimension,
                0.5,
            );
            // Errors of the log-weights are relative errors of the weights.
            let allowed = 5e-6 + 1e-6 * dimension as f64;
            assert_inverts(
                &columns_of(chosen).await,
                &wide,
                &candidates,
                &uniform,
                allowed,
            );
        }
    }
}

/// Single-precision weights against the formula, from coincident to opposite points.
async fn sphere_weights(device: Device) {
    let squared: Vec<f32> = (0..=4000u16).map(|i| f32::from(i) * 1e-3).collect();
    for dimension in [2, 3, 8, 128, 512] {
        let actual = values(sphere_log_weight(vector(&squared, &device), dimension, 0.5)).await;
        for (&squared, &actual) in squared.iter().zip(&actual) {
            let expected = log_weight(squared.into(), dimension, 0.5);
            let allowed = 1e-5 + 1e-6 * dimension as f64;
            assert!(
                (actual - expected).abs() < allowed,
                "D = {dimension}, d² = {squared}: {actual} instead of {expected}"
            );
        }
    }
}

/// What is no distance between unit vectors counts as the largest one.
async fn odd_distances(device: Device) {
    let odd = [f32::NAN, INFINITY, 4.0, 4.000_001, 49.0, 0.0, -INFINITY];
    let weights = values(sphere_log_weight(vector(&odd, &device), 128, 0.5)).await;
    assert!(
        weights.iter().all(|weight| weight.is_finite()),
        "{weights:?}"
    );
    assert_eq!(weights[..4], [weights[4]; 4]);
    assert_eq!(weights[5], weights[6]);

    // One that far weighs more than all the others together.
    let rows = odd.len() - 2;
    let mut squared = vec![1.0; rows * 40];
    for (row, &value) in odd[..rows].iter().enumerate() {
        squared[row * 40 + 3 * row + 1] = value;
    }
    let chosen = choose_on_sphere(
        matrix(&squared, [rows, 40], &device),
        mask(&vec![true; rows * 40], [rows, 40], &device),
        vector(&vec![0.5; rows], &device),
        128,
        0.5,
    );
    assert_eq!(columns_of(chosen).await, [1, 4, 7, 10, 13]);
}

/// Counts of how often each column is chosen from one row of candidates, in `draws` draws at evenly
/// mixed uniform numbers.
async fn frequencies(
    columns: usize,
    draws: usize,
    choose: impl Fn(Vec<f32>) -> Tensor<1, Int>,
) -> Vec<f64> {
    let mut counts = vec![0.0; columns];
    for column in columns_of(choose(numbers(draws, 9))).await {
        counts[column] += 1.0;
    }
    counts
}

/// χ² of counts: above the limit once in about 10⁵ sets of right counts.
fn assert_distributed(counts: &[f64], chances: &[f64]) {
    let total: f64 = counts.iter().sum();
    let (mut statistic, mut freedom) = (0.0, -1.0);
    for (&count, &chance) in counts.iter().zip(chances) {
        if chance == 0.0 {
            assert_eq!(count, 0.0, "outside the support");
            continue;
        }
        let expected = chance * total;
        assert!(expected >= 5.0, "too few draws to judge");
        statistic += (count - expected) * (count - expected) / expected;
        freedom += 1.0;
    }
    // Wilson and Hilferty's approximation of the quantile.
    let spread = 2.0 / (9.0 * freedom);
    let limit = freedom * (1.0 - spread + 4.27 * f64::sqrt(spread)).powi(3);
    assert!(
        statistic < limit,
        "χ² = {statistic}, at most {limit} expected"
    );
}

async fn uniform_frequencies(device: Device) {
    let columns = 70;
    let row: Vec<bool> = (0..columns).map(|column| column % 3 != 1).collect();
    let count = row.iter().filter(|&&candidate| candidate).count() as f64;
    let counts = frequencies(columns, 8_000, |uniform| {
        let candidates = mask(&row, [1, columns], &device).expand([uniform.len(), columns]);
        choose_uniform(candidates, vector(&uniform, &device))
    })
    .await;
    let chances: Vec<f64> = row
        .iter()
        .map(|&candidate| f64::from(u8::from(candidate)) / count)
        .collect();
    assert_distributed(&counts, &chances);
}

async fn weighted_frequencies(device: Device) {
    let columns = 70;
    let row: Vec<bool> = (0..columns).map(|column| column % 3 != 1).collect();
    let weights: Vec<f32> = (0..columns)
        .map(|column| 1.0 + (column % 7) as f32)
        .collect();
    let log_weights: Vec<f32> = weights.iter().map(|weight| weight.ln() + 90.0).collect();
    let counts = frequencies(columns, 8_000, |uniform| {
        let rows = uniform.len();
        choose_weighted(
            matrix(&log_weights, [1, columns], &device).expand([rows, columns]),
            mask(&row, [1, columns], &device).expand([rows, columns]),
            vector(&uniform, &device),
        )
    })
    .await;
    let chance = |column: usize| f64::from(u8::from(row[column])) * f64::from(weights[column]);
    let total: f64 = (0..columns).map(chance).sum();
    let chances: Vec<f64> = (0..columns).map(|column| chance(column) / total).collect();
    assert_distributed(&counts, &chances);
}

/// Rows spread evenly over the sphere in three dimensions, where squared distances are uniform: the
/// weights give all distances the same chance.
async fn equalised_distances(device: Device) {
    let (columns, draws) = (4_000, 2_000);
    let squared: Vec<f32> = (0..columns)
        .map(|column| 4.0 * (column as f32 + 0.5) / columns as f32)
        .collect();
    let counts = frequencies(columns, draws, |uniform| {
        choose_on_sphere(
            matrix(&squared, [1, columns], &device).expand([draws, columns]),
            mask(&vec![true; columns], [1, columns], &device).expand([draws, columns]),
            vector(&uniform, &device),
            3,
            0.1,
        )
    })
    .await;
    // Bins of equal width in distance, from above the cut-off.
    let mut bins = vec![0.0; 19];
    for (count, squared) in counts.iter().zip(&squared) {
        let bin = (squared.sqrt() / 0.1) as usize;
        if bin > 0 {
            bins[bin.min(19) - 1] += count;
        }
    }
    assert_distributed(&bins, &[1.0 / 19.0; 19]);
}

/// Weights that are infinite, no numbers or of no size; rows of them alone; rows without candidates.
async fn weighted_edges(device: Device, choose: Weighted) {
    #[rustfmt::skip]
    let log_weights = [
        f32::NAN, -INFINITY, 0.0, f32::NAN,
        INFINITY, 1e4, INFINITY, 3e38,
        -INFINITY, -INFINITY, -INFINITY, -INFINITY,
        f32::NAN, f32::NAN, f32::NAN, f32::NAN,
        1.0, f32::NAN, 2.0, 3.0,
        -1e4, 0.0, -1e4, 1.0,
        -3e38, -2000.0, -3e38, -INFINITY,
    ];
    let mut candidates = [true; 28];
    candidates[11] = false;
    candidates[15] = false;
    candidates[16..20].fill(false);
    candidates[23] = false;
    let expected = [
        [2, 2, 2],
        [0, 2, 3],
        [0, 1, 2],
        [0, 1, 2],
        [0, 0, 0],
        [1, 1, 1],
        [1, 1, 1],
    ];
    for (draw, uniform) in [0.0, 0.5, 1.0f32.next_down()].into_iter().enumerate() {
        let chosen = columns_of(choose(
            matrix(&log_weights, [7, 4], &device),
            mask(&candidates, [7, 4], &device),
            vector(&[uniform; 7], &device),
        ))
        .await;
        let expected: Vec<usize> = expected.iter().map(|row| row[draw]).collect();
        assert_eq!(chosen, expected, "u = {uniform}");
    }
}

/// Nothing outside the support in many draws, with weights over the whole range of rounding and
/// underflow, and uniform numbers at the ends.
async fn support_is_exact(device: Device) {
    let (rows, columns) = (1_000, 90);
    // Software devices are slow.
    let rounds: u64 = if device == Device::flex() { 100 } else { 2 };
    for round in 0..rounds {
        let log_weights: Vec<f32> = numbers(rows * columns, 100 + round)
            .iter()
            .map(|value| value * 220.0 - 110.0)
            .collect();
        let candidates: Vec<bool> = numbers(rows * columns, 300 + round)
            .iter()
            .map(|&value| value < 0.3)
            .collect();
        let mut uniform = numbers(rows, 500 + round);
        for value in uniform.iter_mut().step_by(3) {
            *value = 1.0f32.next_down();
        }
        for value in uniform.iter_mut().skip(1).step_by(7) {
            *value = 0.0;
        }
        let chosen = columns_of(choose_weighted(
            matrix(&log_weights, [rows, columns], &device),
            mask(&candidates, [rows, columns], &device),
            vector(&uniform, &device),
        ))
        .await;
        for (row, &column) in chosen.iter().enumerate() {
            let entries = row * columns..(row + 1) * columns;
            let (weights, candidates) = (&log_weights[entries.clone()], &candidates[entries]);
            assert!(candidates[column], "row {row}: {column} is no candidate");
            let largest = (0..columns)
                .filter(|&column| candidates[column])
                .fold(f32::MIN, |largest, column| largest.max(weights[column]));
            let below = largest - weights[column];
            assert!(below < 88.0, "row {row}: weight exp(−{below})");
        }
    }
}

/// More rows than a dispatch has workgroups along one dimension.
async fn many_rows(device: Device) {
    let [rows, columns] = [66_000, 3];
    let candidates = vec![true; rows * columns];
    let uniform = numbers(rows, 13);
    let of = |weights: &[f32]| {
        choose_weighted(
            matrix(weights, [rows, columns], &device),
            mask(&candidates, [rows, columns], &device),
            vector(&uniform, &device),
        )
    };
    let log_weights = numbers(rows * columns, 14);
    let wide: Vec<f64> = log_weights.iter().map(|&value| f64::from(value)).collect();
    let chosen = columns_of(of(&log_weights)).await;
    assert_inverts(&chosen, &wide, &candidates, &uniform, 1e-6);
}

/// Inputs that are results, and a choice that is computed with.
async fn between_operations(device: Device) {
    let [rows, columns] = [50, 130];
    let (values, uniform) = (numbers(rows * columns, 15), numbers(rows, 16));
    let x = matrix(&values, [rows, columns], &device);
    let candidates = x.clone().mul_scalar(2.0).greater_elem(0.5);
    let log_weights = x.mul_scalar(4.0).sub_scalar(1.0);
    let u = vector(&uniform, &device).mul_scalar(0.5);
    let chosen = choose_weighted(log_weights, candidates.clone(), u.clone());
    let shifted = chosen.add_scalar(7).mul_scalar(2);
    let even = choose_uniform(candidates, u).add_scalar(1);

    let is_candidate: Vec<bool> = values.iter().map(|value| value * 2.0 > 0.5).collect();
    let wide: Vec<f64> = values.iter().map(|&v| f64::from(v * 4.0 - 1.0)).collect();
    let halves: Vec<f32> = uniform.iter().map(|value| value * 0.5).collect();
    let chosen: Vec<usize> = columns_of(shifted)
        .await
        .iter()
        .map(|c| c / 2 - 7)
        .collect();
    assert_inverts(&chosen, &wide, &is_candidate, &halves, 3e-6);
    let chosen: Vec<usize> = columns_of(even).await.iter().map(|c| c - 1).collect();
    let none = vec![0.0; rows * columns];
    assert_inverts(&chosen, &none, &is_candidate, &halves, 1e-6);
}

/// Transposed, sliced and repeated inputs.
async fn strided(device: Device) {
    let [rows, columns] = [12, 70];
    let log_weights = numbers(rows * columns, 10);
    let all = candidates([rows + 2, columns], 11);
    let uniform = numbers(rows + 1, 12);
    let by_columns: Vec<f32> = (0..rows * columns)
        .map(|index| log_weights[index % rows * columns + index / rows])
        .collect();
    let sliced = || {
        (
            mask(&all, [rows + 2, columns], &device).narrow(0, 2, rows),
            vector(&uniform, &device).narrow(0, 1, rows),
        )
    };
    let (candidates, numbers) = sliced();
    let chosen = columns_of(choose_weighted(
        matrix(&by_columns, [columns, rows], &device).transpose(),
        candidates,
        numbers,
    ))
    .await;
    let wide: Vec<f64> = log_weights.iter().map(|&value| f64::from(value)).collect();
    assert_inverts(&chosen, &wide, &all[2 * columns..], &uniform[1..], 3e-6);

    let (candidates, numbers) = sliced();
    let chosen = columns_of(choose_uniform(candidates, numbers)).await;
    let even = vec![0.0; rows * columns];
    assert_inverts(&chosen, &even, &all[2 * columns..], &uniform[1..], 1e-6);
}

/// Values that have gradients may be chosen by; the choice has none.
async fn of_tracked_values(device: Device) {
    let device = device.clone().autodiff();
    let x = matrix(&[0.0, -200.0, -200.0, 0.0], [2, 2], &device).require_grad();
    let candidates = mask(&[true; 4], [2, 2], &device);
    let uniform = || vector(&[0.3, 0.7], &device);
    let chosen = choose_weighted(x.clone(), candidates.clone(), uniform());
    assert_eq!(columns_of(chosen.clone()).await, [0, 1]);
    assert_eq!(
        columns_of(choose_uniform(candidates, uniform())).await,
        [0, 1]
    );
    // Usable as an index of what has gradients.
    let entries = x.clone().gather(1, chosen.reshape([2, 1]));
    let gradients = entries.sum().backward();
    let gradient = values(x.grad(&gradients).expect("gradient")).await;
    assert_eq!(gradient, [1.0, 0.0, 0.0, 1.0]);
}

/// Without columns or rows.
async fn without_entries(device: Device) {
    let of = |[rows, columns]: [usize; 2]| {
        let values = matrix(&[], [rows, columns], &device);
        let candidates = mask(&[], [rows, columns], &device);
        let uniform = vector(&vec![0.0; rows], &device);
        let weighted = choose_weighted(values, candidates.clone(), uniform.clone());
        [weighted, choose_uniform(candidates, uniform)]
    };
    for chosen in of([2, 0]) {
        assert_eq!(columns_of(chosen).await, [0, 0]);
    }
    for chosen in of([0, 3]) {
        assert_eq!(chosen.dims(), [0]);
    }
}
