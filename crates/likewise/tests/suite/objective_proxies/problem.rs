//! Problems in double precision, and what each objective with class representatives makes of them in
//! plain loops.

/// Embeddings, labels and representatives `[C][K][D]` in double precision.
#[derive(Clone)]
pub struct Problem {
    pub points: Vec<Vec<f64>>,
    pub labels: Vec<u32>,
    pub table: Vec<Vec<Vec<f64>>>,
}

fn wave(seed: usize, i: usize, k: usize) -> f64 {
    ((i * 7 + k * 3 + seed * 11 + 1) as f64 * 1.37).sin() * (0.6 + 0.1 * k as f64)
}

impl Problem {
    /// Nine embeddings of three of five classes, K representatives a class; of length 1 if `unit`.
    pub fn new(count: usize, unit: bool) -> Self {
        let vector = |seed, i| -> Vec<f64> { (0..4).map(|k| wave(seed, i, k)).collect() };
        let points = (0..9).map(|i| vector(0, i));
        Self {
            points: points.map(|p| if unit { unit_of(&p) } else { p }).collect(),
            labels: vec![0, 3, 3, 4, 0, 4, 4, 3, 4],
            table: (0..5)
                .map(|c| (0..count).map(|j| vector(1 + j, c)).collect())
                .collect(),
        }
    }

    /// e · ŵ of each embedding with the representatives of each class, embeddings as they are.
    pub fn products(&self, normalize: bool) -> Vec<Vec<Vec<f64>>> {
        let row = |point: &Vec<f64>| {
            let point = if normalize {
                unit_of(point)
            } else {
                point.clone()
            };
            let class =
                |class: &Vec<Vec<f64>>| class.iter().map(|w| dot(&point, &unit_of(w))).collect();
            self.table.iter().map(class).collect()
        };
        self.points.iter().map(row).collect()
    }

    /// The same with one representative a class.
    pub fn cosines(&self, normalize: bool) -> Vec<Vec<f64>> {
        let products = self.products(normalize).into_iter();
        products.map(|row| row.concat()).collect()
    }

    /// Mean cross-entropy of `scale` · similarity, with `margin` applied to that of the own class.
    pub fn cross_entropy(
        &self,
        similarity: &[Vec<f64>],
        scale: f64,
        margin: impl Fn(f64) -> f64,
    ) -> f64 {
        let rows = similarity.iter().zip(&self.labels);
        let each = rows.map(|(row, &label)| {
            let own = label as usize;
            let logit = |c: usize| scale * if c == own { margin(row[c]) } else { row[c] };
            log_sum((0..row.len()).map(logit)) - logit(own)
        });
        each.sum::<f64>() / self.labels.len() as f64
    }

    pub fn proxynca(&self, scale: f64) -> f64 {
        let scaled = |x: &[f64]| -> Vec<f64> { unit_of(x).iter().map(|v| scale * v).collect() };
        let each = self.points.iter().zip(&self.labels).map(|(point, &label)| {
            let delta = |c: usize| -> f64 {
                let pairs = scaled(point).into_iter().zip(scaled(&self.table[c][0]));
                pairs.map(|(a, b)| (a - b).powi(2)).sum()
            };
            let own = label as usize;
            let others = (0..self.table.len()).filter(|&c| c != own);
            delta(own) + log_sum(others.map(|c| -delta(c)))
        });
        each.sum::<f64>() / self.labels.len() as f64
    }

    pub fn proxy_anchor(&self, margin: f64, alpha: f64) -> f64 {
        let cosines = self.cosines(true);
        let cosine = |i: usize, c: usize| cosines[i][c];
        let (mut pull, mut push, mut present) = (0.0, 0.0, 0.0);
        for c in 0..self.table.len() {
            let rows = |own: bool| {
                let rows = 0..self.labels.len();
                rows.filter(move |&i| (self.labels[i] as usize == c) == own)
            };
            let one = || std::iter::once(0.0);
            pull += log_sum(one().chain(rows(true).map(|i| -alpha * (cosine(i, c) - margin))));
            push += log_sum(one().chain(rows(false).map(|i| alpha * (cosine(i, c) + margin))));
            present += f64::from(u8::from(rows(true).next().is_some()));
        }
        pull / present + push / self.table.len() as f64
    }

    pub fn softtriplet(&self, delta: f64, gamma: f64, lam: f64, tau: f64) -> f64 {
        let relaxed: Vec<Vec<f64>> = self
            .products(false)
            .iter()
            .map(|row| {
                let class = |s: &Vec<f64>| {
                    let total = log_sum(s.iter().map(|s| s / gamma));
                    s.iter().map(|s| (s / gamma - total).exp() * s).sum()
                };
                row.iter().map(class).collect()
            })
            .collect();
        let count = self.table[0].len();
        let mut spread = 0.0;
        for class in &self.table {
            for j in 0..count {
                for i in 0..j {
                    let cosine = dot(&unit_of(&class[i]), &unit_of(&class[j]));
                    spread += (2.0 + 1e-5 - 2.0 * cosine).sqrt();
                }
            }
        }
        let normalizer = (self.table.len() * count * (count - 1)).max(1) as f64;
        self.cross_entropy(&relaxed, lam, |own| own - delta) + tau * spread / normalizer
    }

    pub fn subcenter_arcface(&self, margin: f64, scale: f64, monotonic: bool) -> f64 {
        let nearest = |s: &Vec<f64>| s.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let rows = self.products(true).into_iter();
        let cosines: Vec<Vec<f64>> = rows.map(|row| row.iter().map(nearest).collect()).collect();
        self.cross_entropy(&cosines, scale, |own| by_angle(own, margin, monotonic))
    }
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub fn unit_of(x: &[f64]) -> Vec<f64> {
    let length = dot(x, x).sqrt();
    x.iter().map(|v| v / length).collect()
}

pub fn log_sum(terms: impl Iterator<Item = f64>) -> f64 {
    let terms: Vec<f64> = terms.collect();
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + terms.iter().map(|t| (t - largest).exp()).sum::<f64>().ln()
}

pub fn by_angle(cosine: f64, margin: f64, monotonic: bool) -> f64 {
    let angle = cosine.clamp(1e-7 - 1.0, 1.0 - 1e-7).acos();
    if monotonic && angle > std::f64::consts::PI - margin {
        cosine - margin * margin.sin()
    } else {
        (angle + margin).cos()
    }
}
