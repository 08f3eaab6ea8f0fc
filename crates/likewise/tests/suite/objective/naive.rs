//! The objectives as plain loops in double precision.

use super::problem::Problem;

fn positive_part(x: f64) -> f64 {
    x.max(0.0)
}

/// Mean, 0 of nothing.
fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.into_iter().collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn variance(values: &[f64]) -> f64 {
    let middle = mean(values.iter().copied());
    let squares: f64 = values.iter().map(|v| (v - middle).powi(2)).sum();
    squares / (values.len() - 1) as f64
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Weights of `value` on nodes a `step` apart from `first` on.
fn node_weight(value: f64, first: f64, step: f64, node: usize) -> f64 {
    positive_part(1.0 - (value - first - node as f64 * step).abs() / step)
}

impl Problem {
    /// Mean of `loss(d(a,p)², d(a,n)²)` over the triplets.
    fn mean_over_triplets(&self, loss: impl Fn(f64, f64) -> f64) -> f64 {
        let each = self.triplets.iter();
        mean(each.map(|&[a, p, n]| loss(self.squared(a, p), self.squared(a, n))))
    }

    pub fn contrastive(&self, pos_margin: f64, neg_margin: f64) -> f64 {
        self.mean_over_triplets(|p, n| {
            positive_part(p.sqrt() - pos_margin) + positive_part(neg_margin - n.sqrt())
        })
    }

    pub fn contrastive_over_pairs(&self, pos_margin: f64, neg_margin: f64) -> f64 {
        let pull = (0..self.anchors).flat_map(|i| {
            let pairs = self.positives(i).into_iter();
            pairs.map(move |p| positive_part(self.distance(i, p) - pos_margin))
        });
        let push = (0..self.anchors).flat_map(|i| {
            let pairs = self.negatives(i).into_iter();
            pairs.map(move |n| positive_part(neg_margin - self.distance(i, n)))
        });
        mean(pull) + mean(push)
    }

    pub fn triplet(&self, margin: f64) -> f64 {
        self.mean_over_triplets(|p, n| positive_part(p - n + margin))
    }

    pub fn margin(&self, margin: f64, beta: f64, count_triplets: bool) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for &[a, p, n] in &self.triplets {
            let pull = positive_part((self.squared(a, p) + 1e-8).sqrt() - beta + margin);
            let push = positive_part(beta - (self.squared(a, n) + 1e-8).sqrt() + margin);
            sum += pull + push;
            let active = f64::from(u8::from(pull > 0.0)) + f64::from(u8::from(push > 0.0));
            count += if count_triplets {
                active.min(1.0)
            } else {
                active
            };
        }
        if count > 0.0 { sum / count } else { sum }
    }

    pub fn snr(&self, margin: f64, lambda: f64) -> f64 {
        let ratio = |a: usize, x: usize| {
            let pairs = self.points[a].iter().zip(&self.points[x]);
            let difference: Vec<f64> = pairs.map(|(a, x)| a - x).collect();
            variance(&difference) / variance(&self.points[a])
        };
        let terms = self.triplets.iter();
        let terms = terms.map(|&[a, p, n]| ratio(a, p) - ratio(a, n) + margin);
        let sums = self.triplets.iter();
        let sums = sums.map(|row| self.points[row[0]].iter().sum::<f64>().abs());
        mean(terms.filter(|&term| term > 0.0)) + lambda * mean(sums)
    }

    pub fn quadruplet(&self, first: f64, second: f64, epsilon: f64) -> f64 {
        let distance = |i, j| (self.squared(i, j) + epsilon).sqrt();
        let triplets = self.triplets.iter();
        let near = triplets
            .clone()
            .map(|&[a, p, n]| positive_part(distance(a, p) - distance(a, n) + first));
        let far = triplets.zip(&self.second).filter_map(|(&[a, p, n], q)| {
            q.map(|q| positive_part(distance(a, p) - distance(n, q) + second))
        });
        mean(near) + mean(far)
    }

    fn mean_norm(&self) -> f64 {
        mean((0..self.anchors).map(|i| self.norm(i)))
    }

    /// Mean over the anchors with a positive p of log(1 + Σ_n exp(exponent(i, p, n))).
    fn over_n_pairs(&self, exponent: impl Fn(usize, usize, usize) -> f64) -> f64 {
        let pairs = self.positive.iter().enumerate();
        mean(pairs.filter_map(|(i, p)| {
            let sum = |p| {
                let negatives = self.negatives(i).into_iter();
                negatives.map(|n| exponent(i, p, n).exp()).sum::<f64>()
            };
            p.map(|p| (1.0 + sum(p)).ln())
        }))
    }

    pub fn npair(&self, l2: f64) -> f64 {
        self.over_n_pairs(|i, p, n| self.dot(i, n) - self.dot(i, p)) + l2 * self.mean_norm()
    }

    pub fn angular(&self, degrees: f64, weight: f64, l2: f64) -> f64 {
        let square = degrees.to_radians().tan().powi(2);
        let n_pair =
            self.over_n_pairs(|i, p, n| (self.dot(i, n) - self.dot(i, p)).clamp(-50.0, 50.0));
        let angular = self.over_n_pairs(|i, p, n| {
            4.0 * square * (self.cosine(i, n) + self.cosine(p, n))
                - 2.0 * (1.0 + square) * self.cosine(i, p)
        });
        n_pair + weight * angular + l2 * self.mean_norm()
    }

    pub fn lifted(&self, margin: f64, l2: f64, epsilon: f64) -> f64 {
        let distance = |i, j| (self.squared(i, j) + epsilon).sqrt();
        let mut losses = Vec::new();
        for i in 0..self.anchors {
            let (positives, negatives) = (self.positives(i), self.negatives(i));
            if positives.is_empty() {
                continue;
            }
            let pull: f64 = positives.iter().map(|&p| distance(i, p).exp()).sum();
            let push: f64 = negatives
                .iter()
                .map(|&n| (margin - distance(i, n)).exp())
                .sum();
            losses.push(positive_part(pull.ln() + push.ln()));
        }
        mean(losses) + l2 * self.mean_norm()
    }

    pub fn multisimilarity(&self, alpha: f64, beta: f64, epsilon: f64, lambda: f64) -> f64 {
        let mut losses = Vec::new();
        for i in 0..self.anchors {
            let similarities =
                |of: Vec<usize>| -> Vec<f64> { of.iter().map(|&j| self.dot(i, j)).collect() };
            let positives = similarities(self.positives(i));
            let negatives = similarities(self.negatives(i));
            let least = positives.iter().copied().fold(f64::INFINITY, f64::min);
            let largest = negatives.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let kept_p: Vec<f64> = positives
                .into_iter()
                .filter(|s| s - epsilon < largest)
                .collect();
            let kept_n: Vec<f64> = negatives
                .into_iter()
                .filter(|s| s + epsilon > least)
                .collect();
            if kept_p.is_empty() || kept_n.is_empty() {
                continue;
            }
            let pull: f64 = kept_p.iter().map(|s| (-alpha * (s - lambda)).exp()).sum();
            let push: f64 = kept_n.iter().map(|s| (beta * (s - lambda)).exp()).sum();
            losses.push((1.0 + pull).ln() / alpha + (1.0 + push).ln() / beta);
        }
        mean(losses)
    }

    pub fn histogram(&self, nodes: usize) -> f64 {
        let step = 2.0 / (nodes - 1) as f64;
        let similarities = |of: fn(&Self, usize) -> Vec<usize>| -> Vec<f64> {
            let of_row = |i| of(self, i).into_iter().filter(move |&j| j > i);
            let pairs = (0..self.anchors).flat_map(|i| of_row(i).map(move |j| (i, j)));
            pairs
                .map(|(i, j)| self.dot(i, j).clamp(-1.0, 1.0))
                .collect()
        };
        let positives = similarities(Self::positives);
        let negatives = similarities(Self::negatives);
        let height = |values: &[f64], node: usize| {
            mean(values.iter().map(|&s| node_weight(s, -1.0, step, node)))
        };
        let (mut loss, mut up_to) = (0.0, 0.0);
        for node in 0..nodes {
            up_to += height(&positives, node);
            loss += height(&negatives, node) * up_to;
        }
        loss
    }

    pub fn circle(&self, m: f64, gamma: f64) -> f64 {
        let mut losses = Vec::new();
        for i in 0..self.anchors {
            let (positives, negatives) = (self.positives(i), self.negatives(i));
            if positives.is_empty() || negatives.is_empty() {
                continue;
            }
            let pull = positives.iter().map(|&p| {
                let weight = positive_part(1.0 + m - self.fixed_cosine(i, p));
                (-gamma * weight * (self.cosine(i, p) - (1.0 - m))).exp()
            });
            let push = negatives.iter().map(|&n| {
                let weight = positive_part(self.fixed_cosine(i, n) + m);
                (gamma * weight * (self.cosine(i, n) - m)).exp()
            });
            losses.push((1.0 + pull.sum::<f64>() * push.sum::<f64>()).ln());
        }
        mean(losses)
    }

    pub fn ntxent(&self, temperature: f64) -> f64 {
        let power = |i, j| (self.cosine(i, j) / temperature).exp();
        let mut losses = Vec::new();
        for i in 0..self.anchors {
            let push: f64 = self.negatives(i).iter().map(|&n| power(i, n)).sum();
            for p in self.positives(i) {
                losses.push(-(power(i, p) / (power(i, p) + push)).ln());
            }
        }
        mean(losses)
    }

    pub fn supcon(&self, temperature: f64) -> f64 {
        let mut losses = Vec::new();
        for i in 0..self.anchors {
            let (positives, negatives) = (self.positives(i), self.negatives(i));
            if positives.is_empty() {
                continue;
            }
            let others = positives.iter().chain(&negatives);
            let sum: f64 = others
                .map(|&j| (self.cosine(i, j) / temperature).exp())
                .sum();
            let pull = positives.iter().map(|&p| self.cosine(i, p) / temperature);
            losses.push(sum.ln() - mean(pull));
        }
        mean(losses)
    }

    pub fn fastap(&self, bins: usize) -> f64 {
        let step = 4.0 / bins as f64;
        let mut losses = Vec::new();
        for i in 0..self.anchors {
            let (positives, negatives) = (self.positives(i), self.negatives(i));
            if positives.is_empty() {
                continue;
            }
            let height = |of: &[usize], node| -> f64 {
                let distances = of.iter().map(|&j| 2.0 - 2.0 * self.cosine(i, j));
                distances.map(|d| node_weight(d, 0.0, step, node)).sum()
            };
            let (mut positives_up_to, mut up_to, mut precision) = (0.0, 0.0, 0.0);
            for node in 0..=bins {
                let positive = height(&positives, node);
                positives_up_to += positive;
                up_to += positive + height(&negatives, node);
                if positive > 0.0 {
                    precision += positive * positives_up_to / up_to;
                }
            }
            losses.push(1.0 - precision / positives.len() as f64);
        }
        mean(losses)
    }

    pub fn smoothap(&self, temperature: f64, include_query: bool) -> f64 {
        let mut losses = Vec::new();
        for q in 0..self.anchors {
            let own = include_query.then_some(q);
            let class: Vec<usize> = own.into_iter().chain(self.positives(q)).collect();
            let negatives = self.negatives(q);
            if class.is_empty() {
                continue;
            }
            let above = |i: usize, of: &[usize]| -> f64 {
                let others = of.iter().filter(|&&j| j != i);
                others
                    .map(|&j| sigmoid((self.cosine(q, j) - self.cosine(q, i)) / temperature))
                    .sum()
            };
            let precision = class.iter().map(|&i| {
                let rank = 1.0 + above(i, &class);
                rank / (rank + above(i, &negatives))
            });
            losses.push(1.0 - mean(precision));
        }
        mean(losses)
    }
}
