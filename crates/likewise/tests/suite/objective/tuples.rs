//! Tuples of every kind for tests, made on the host.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use likewise::batch::EMPTY;
use likewise::miner::{NPairs, PairSets, Quadruplets, Triplets, TupleKind, Tuples};

/// Triplets, padded to at least `length`.
pub fn triplets(rows: &[[usize; 3]], length: usize, device: &Device) -> Tuples {
    Triplets::from_rows(rows, length, &device.clone().inner()).into()
}

/// Triplets with second negatives.
pub fn quadruplets(
    rows: &[[usize; 3]],
    second: &[Option<usize>],
    length: usize,
    device: &Device,
) -> Tuples {
    let device = &device.clone().inner();
    let triplets = Triplets::from_rows(rows, length, device);
    let [length] = triplets.valid.dims();
    let mut second = second.to_vec();
    second.resize(length, None);
    let (second_negative, has_second) = optional(&second, device);
    Quadruplets {
        triplets,
        second_negative,
        has_second,
    }
    .into()
}

/// One positive for each anchor that has one.
pub fn n_pairs(positive: &[Option<usize>], device: &Device) -> Tuples {
    let (positive, valid) = optional(positive, &device.clone().inner());
    NPairs { positive, valid }.into()
}

/// Sets of pairs `[anchors, references]`.
pub fn pair_sets(
    [anchors, references]: [usize; 2],
    positive: impl Fn(usize, usize) -> bool,
    negative: impl Fn(usize, usize) -> bool,
    device: &Device,
) -> Tuples {
    let mask = |holds: &dyn Fn(usize, usize) -> bool| {
        let of_row = |row| (0..references).map(move |column| holds(row, column));
        let values: Vec<bool> = (0..anchors).flat_map(of_row).collect();
        let data = TensorData::new(values, [anchors, references]);
        Tensor::<2, Bool>::from_data(data, &device.clone().inner())
    };
    PairSets {
        positive: mask(&positive),
        negative: mask(&negative),
    }
    .into()
}

/// Tuples of the kind from what some triplets say: the first reference of a third class as second
/// negative, the first positive of each anchor, the pairs that occur.
pub fn of_kind(
    kind: TupleKind,
    rows: &[[usize; 3]],
    anchors: usize,
    labels: &[u32],
    device: &Device,
) -> Tuples {
    match kind {
        TupleKind::None => Tuples::None,
        TupleKind::Triplets => triplets(rows, 0, device),
        TupleKind::Quadruplets => {
            let second: Vec<Option<usize>> = rows
                .iter()
                .map(|&[a, _, n]| {
                    let third = |label: u32| ![labels[a], labels[n], EMPTY].contains(&label);
                    labels.iter().position(|&label| third(label))
                })
                .collect();
            quadruplets(rows, &second, 0, device)
        }
        TupleKind::NPairs => {
            let first = |anchor| rows.iter().find(|row| row[0] == anchor).map(|row| row[1]);
            n_pairs(&(0..anchors).map(first).collect::<Vec<_>>(), device)
        }
        TupleKind::PairSets => {
            let occurs = |r: usize, c: usize, member: usize| {
                rows.iter().any(|row| row[0] == r && row[member] == c)
            };
            pair_sets(
                [anchors, labels.len()],
                |r, c| r != c && labels[r] == labels[c] && occurs(r, c, 1),
                |r, c| labels[r] != labels[c] && occurs(r, c, 2),
                device,
            )
        }
    }
}

fn optional(rows: &[Option<usize>], device: &Device) -> (Tensor<1, Int>, Tensor<1>) {
    let index: Vec<i32> = rows.iter().map(|row| row.unwrap_or(0) as i32).collect();
    let valid: Vec<f32> = rows
        .iter()
        .map(|row| f32::from(u8::from(row.is_some())))
        .collect();
    let size = [rows.len()];
    (
        Tensor::from_data(TensorData::new(index, size), device),
        Tensor::from_data(TensorData::new(valid, size), device),
    )
}
