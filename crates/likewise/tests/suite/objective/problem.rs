//! A small batch in double precision, with its tuples: what the loops of the twins run over.

use burn::tensor::{Device, Tensor};
use likewise::batch::{BatchLabels, EMPTY};
use likewise::miner::{TupleKind, Tuples};
use likewise::objective::{Outcome, RankingObjective};
use likewise::pairwise::Pairwise;

use super::{init, tuples};
use crate::support::Array;

/// References, the first `anchors` of which are compared with all of them.
#[derive(Clone)]
pub struct Problem {
    pub points: Vec<Vec<f64>>,
    pub labels: Vec<u32>,
    pub anchors: usize,
    pub triplets: Vec<[usize; 3]>,
    /// Second negative of each triplet.
    pub second: Vec<Option<usize>>,
    /// Positive of each anchor.
    pub positive: Vec<Option<usize>>,
    /// Whether only some of the pairs count.
    pub subset: bool,
    /// Points that weights without gradient are computed from, if not `points`.
    pub fixed: Option<Vec<Vec<f64>>>,
}

impl Problem {
    /// Three classes and a lone row on the unit circle; a switched triplet and a repeated one.
    pub fn by_angle() -> Self {
        let angles = [0.0_f64, 25.0, 47.0, 80.0, 113.0, 150.0, 207.0, 290.0, 331.0];
        let points = angles
            .iter()
            .map(|a| vec![a.to_radians().cos(), a.to_radians().sin()]);
        Self {
            points: points.collect(),
            labels: vec![0, 1, 0, 1, 2, 0, 2, 1, 3],
            anchors: 9,
            triplets: vec![
                [0, 2, 1],
                [2, 5, 3],
                [5, 0, 4],
                [1, 3, 2],
                [3, 7, 5],
                [7, 1, 0],
                [4, 6, 3],
                [6, 4, 7],
                [0, 0, 2],
                [1, 3, 2],
            ],
            second: [4, 6, 1, 8, 4, 6, 0, 5, 1, 6]
                .iter()
                .enumerate()
                .map(|(triplet, &row)| (triplet != 3).then_some(row))
                .collect(),
            positive: vec![
                Some(2),
                Some(7),
                Some(5),
                Some(1),
                Some(6),
                Some(0),
                Some(4),
                Some(3),
                None,
            ],
            subset: false,
            fixed: None,
        }
    }

    /// The same tuples on vectors of length other than one.
    pub fn scattered() -> Self {
        let coordinate =
            |i: usize, k: usize| ((i * 7 + k * 3 + 1) as f64 * 1.37).sin() * (0.6 + 0.1 * k as f64);
        let points = (0..9)
            .map(|i| (0..3).map(|k| coordinate(i, k)).collect())
            .collect();
        Self {
            points,
            ..Self::by_angle()
        }
    }

    /// The first five rows as anchors, compared with a memory of the others, the last of which is an
    /// empty place.
    #[must_use]
    pub fn with_memory(mut self) -> Self {
        self.anchors = 5;
        self.labels[8] = EMPTY;
        let kept: Vec<bool> = self.triplets.iter().map(|row| row[0] < 5).collect();
        let mut keep = kept.iter();
        self.triplets.retain(|_| *keep.next().unwrap());
        let mut keep = kept.iter();
        self.second.retain(|_| *keep.next().unwrap());
        self.second = self
            .second
            .iter()
            .map(|row| row.filter(|&row| row != 8))
            .collect();
        self.positive.truncate(5);
        self
    }

    pub fn leaf(&self, device: &Device) -> Tensor<2> {
        self.rows(0..self.anchors, device).require_grad()
    }

    fn rows(&self, rows: std::ops::Range<usize>, device: &Device) -> Tensor<2> {
        Array {
            shape: vec![rows.len(), self.points[0].len()],
            values: self.points[rows].concat(),
        }
        .tensor(device)
    }

    /// The objective of the recipe text on tuples of this kind, padded to at least `length`.
    pub fn forward(
        &self,
        text: &str,
        kind: TupleKind,
        length: usize,
        leaf: Tensor<2>,
        device: &Device,
    ) -> Outcome {
        let (own, memory) = self.labels.split_at(self.anchors);
        let labels = BatchLabels::with_memory(own, memory, device);
        let pairwise = if memory.is_empty() {
            Pairwise::new(leaf)
        } else {
            let memory = self.rows(self.anchors..self.points.len(), &device.clone().inner());
            Pairwise::with_memory(leaf, memory)
        };
        init(text, self.points[0].len(), device)
            .forward(&pairwise, &labels, &self.tuples(kind, length, device))
            .unwrap()
    }

    fn tuples(&self, kind: TupleKind, length: usize, device: &Device) -> Tuples {
        match kind {
            TupleKind::None => Tuples::None,
            TupleKind::Triplets => tuples::triplets(&self.triplets, length, device),
            TupleKind::Quadruplets => {
                tuples::quadruplets(&self.triplets, &self.second, length, device)
            }
            TupleKind::NPairs => tuples::n_pairs(&self.positive, device),
            TupleKind::PairSets => tuples::pair_sets(
                [self.anchors, self.points.len()],
                |i, j| self.positives(i).contains(&j),
                |i, j| self.negatives(i).contains(&j),
                device,
            ),
        }
    }

    /// Positives of anchor `i` that count.
    pub fn positives(&self, i: usize) -> Vec<usize> {
        self.others(i, |label| label == self.labels[i])
    }

    /// Negatives of anchor `i` that count.
    pub fn negatives(&self, i: usize) -> Vec<usize> {
        self.others(i, |label| label != self.labels[i] && label != EMPTY)
    }

    fn others(&self, i: usize, of: impl Fn(u32) -> bool) -> Vec<usize> {
        let counts = |j: usize| !self.subset || !(3 * i + j).is_multiple_of(4);
        let all = 0..self.points.len();
        all.filter(|&j| j != i && of(self.labels[j]) && counts(j))
            .collect()
    }

    pub fn squared(&self, i: usize, j: usize) -> f64 {
        let pairs = self.points[i].iter().zip(&self.points[j]);
        pairs.map(|(a, b)| (a - b).powi(2)).sum()
    }

    pub fn distance(&self, i: usize, j: usize) -> f64 {
        self.squared(i, j).sqrt()
    }

    pub fn dot(&self, i: usize, j: usize) -> f64 {
        dot(&self.points[i], &self.points[j])
    }

    pub fn norm(&self, i: usize) -> f64 {
        self.dot(i, i).sqrt()
    }

    pub fn cosine(&self, i: usize, j: usize) -> f64 {
        cosine(&self.points[i], &self.points[j])
    }

    /// The cosine where it counts as a constant.
    pub fn fixed_cosine(&self, i: usize, j: usize) -> f64 {
        let points = self.fixed.as_ref().unwrap_or(&self.points);
        cosine(&points[i], &points[j])
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

fn cosine(x: &[f64], y: &[f64]) -> f64 {
    dot(x, y) / (dot(x, x) * dot(y, y)).sqrt()
}
