//! The same metrics by loops over everything: sort all items, look at every pair.

use std::cmp::Ordering;

use likewise::metric::{
    Contingency, EntropyMean, MetricSet, Space, Start, class_distances, evaluate, kmeans,
    nearest_neighbours, positive_ranks, singular_values,
};

use crate::data::{RandomSplit, assert_close};

const SPACES: [Space; 2] = [Space::Euclidean, Space::Cosine];

fn splits() -> Vec<RandomSplit> {
    [
        (1, 37, 3, 5),
        (2, 90, 7, 12),
        (3, 130, 16, 2),
        (4, 65, 1, 30),
        (5, 33, 5, 33),
    ]
    .map(|(seed, rows, dim, classes)| RandomSplit::new(seed, rows, dim, classes))
    .into()
}

fn unit(row: &[f32]) -> Vec<f64> {
    let norm = row
        .iter()
        .map(|&value| f64::from(value).powi(2))
        .sum::<f64>()
        .sqrt();
    row.iter().map(|&value| f64::from(value) / norm).collect()
}

/// Something that grows with the distance.
fn distance(a: &[f32], b: &[f32], space: Space) -> f64 {
    match space {
        Space::Euclidean => a
            .iter()
            .zip(b)
            .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
            .sum(),
        Space::Cosine => -unit(a).iter().zip(unit(b)).map(|(a, b)| a * b).sum::<f64>(),
    }
}

/// All other rows, sorted.
fn ranking(split: &RandomSplit, query: usize, space: Space) -> Vec<usize> {
    let mut others: Vec<usize> = (0..split.rows()).filter(|&row| row != query).collect();
    let key = |row: usize| distance(split.row(query), split.row(row), space);
    others.sort_by(|&a, &b| {
        key(a)
            .partial_cmp(&key(b))
            .unwrap_or(Ordering::Equal)
            .then(a.cmp(&b))
    });
    others
}

fn relevance(split: &RandomSplit, query: usize, space: Space) -> Vec<bool> {
    ranking(split, query, space)
        .iter()
        .map(|&row| split.labels[row] == split.labels[query])
        .collect()
}

#[test]
fn neighbour_lists_and_ranks_equal_a_full_sort() {
    for split in splits() {
        let queries: Vec<usize> = (0..split.rows()).collect();
        for space in SPACES {
            let lists =
                nearest_neighbours(&split.embeddings, split.dim, space, &queries, 9).unwrap();
            let all =
                nearest_neighbours(&split.embeddings, split.dim, space, &queries, 10_000).unwrap();
            let mut visited = vec![None; split.rows()];
            positive_ranks(
                &split.embeddings,
                split.dim,
                &split.labels,
                space,
                |query, ranks| {
                    assert!(
                        visited[query].replace(ranks.to_vec()).is_none(),
                        "visited once"
                    );
                },
            )
            .unwrap();
            for query in queries.iter().copied() {
                let sorted = ranking(&split, query, space);
                let rows = |list: &[likewise::metric::Neighbour]| {
                    list.iter().map(|n| n.row).collect::<Vec<_>>()
                };
                assert_eq!(rows(&all[query]), sorted);
                assert_eq!(rows(&lists[query]), sorted[..9]);
                let ranks = (1u32..).zip(relevance(&split, query, space));
                let expected: Vec<u32> = ranks
                    .filter_map(|(rank, hit)| hit.then_some(rank))
                    .collect();
                assert_eq!(visited[query].as_ref(), Some(&expected));
            }
        }
    }
}

/// (1/den) Σ_{r ≤ R} prec(r)·rel(r), counting hits anew at each place.
fn average_precision(relevance: &[bool], limit: usize, denominator: usize) -> f64 {
    let hits = |places: usize| relevance[..places].iter().filter(|&&hit| hit).count() as f64;
    let places = (1..=limit.min(relevance.len())).filter(|&place| relevance[place - 1]);
    places.map(|place| hits(place) / place as f64).sum::<f64>() / denominator as f64
}

fn retrieval_twin(name: &str, relevance: &[bool]) -> Option<f64> {
    let positives = relevance.iter().filter(|&&hit| hit).count();
    let size = positives + 1;
    let rows = relevance.len() + 1;
    let first = relevance.iter().position(|&hit| hit);
    let value = match name {
        "recall@1" | "recall@4" => {
            let k: usize = name[7..].parse().unwrap();
            return Some(f64::from(u8::from(
                relevance[..k.min(relevance.len())].contains(&true),
            )));
        }
        "mAP" => return Some(average_precision(relevance, rows, size)),
        "mAP_lim" => return Some(average_precision(relevance, rows.min(1023), size)),
        "mAP_1000" => return Some(average_precision(relevance, 1000, size)),
        "mAP_c" => return Some(average_precision(relevance, size, size)),
        "map_at_r" => average_precision(relevance, positives, positives),
        "ap_full" => average_precision(relevance, rows - 1, positives),
        "r_precision" => {
            relevance[..positives].iter().filter(|&&hit| hit).count() as f64 / positives as f64
        }
        "mean_reciprocal_rank" => 1.0 / (first? + 1) as f64,
        name if name.starts_with("precision@") => {
            let k: usize = name[10..].parse().unwrap();
            relevance.iter().take(k).filter(|&&hit| hit).count() as f64 / k as f64
        }
        other => panic!("no twin for {other}"),
    };
    (positives > 0).then_some(value)
}

#[test]
fn retrieval_metrics_equal_their_definitions() {
    let names = [
        "recall@1",
        "recall@4",
        "mAP",
        "mAP_lim",
        "mAP_1000",
        "mAP_c",
        "map_at_r",
        "ap_full",
        "r_precision",
        "mean_reciprocal_rank",
        "precision@1",
        "precision@3",
        "precision@1000",
    ];
    for split in splits() {
        for (space, prefix) in SPACES.into_iter().zip(["e_", "c_"]) {
            let request = MetricSet::parse(names.map(|name| format!("{prefix}{name}"))).unwrap();
            let values =
                evaluate(&split.embeddings, split.dim, &split.labels, &request, 0).unwrap();
            let rankings: Vec<Vec<bool>> = (0..split.rows())
                .map(|query| relevance(&split, query, space))
                .collect();
            for name in names {
                let each: Vec<f64> = rankings
                    .iter()
                    .filter_map(|r| retrieval_twin(name, r))
                    .collect();
                let expected = each.iter().sum::<f64>() / each.len() as f64;
                let value = values.get(&format!("{prefix}{name}")).unwrap();
                assert_close(name, &[value], &[expected], 1e-15, 1e-12);
            }
        }
    }
}

#[test]
fn class_distances_equal_a_loop_over_pairs() {
    for split in &splits() {
        for space in SPACES {
            let found =
                class_distances(&split.embeddings, split.dim, &split.labels, space).unwrap();
            let metric = |a: &[f32], b: &[f32]| match space {
                Space::Euclidean => distance(a, b, space).sqrt(),
                Space::Cosine => 1.0 + distance(a, b, space),
            };
            let mut classes = split.labels.clone();
            classes.sort_unstable();
            classes.dedup();
            let rows_of =
                |class: u32| (0..split.rows()).filter(move |&row| split.labels[row] == class);
            let mut within = Vec::new();
            for &class in &classes {
                let pairs = rows_of(class).flat_map(|a| rows_of(class).map(move |b| (a, b)));
                let each: Vec<f64> = pairs
                    .filter(|(a, b)| a != b)
                    .map(|(a, b)| metric(split.row(a), split.row(b)))
                    .collect();
                if !each.is_empty() {
                    within.push(each.iter().sum::<f64>() / each.len() as f64);
                }
            }
            let intra = within.iter().sum::<f64>() / within.len() as f64;
            assert_close("intra", &[found.intra.unwrap()], &[intra], 1e-14, 1e-12);
            let centre = |class: u32| -> Vec<f32> {
                let size = rows_of(class).count() as f64;
                let mean = |d| {
                    rows_of(class)
                        .map(|row| f64::from(split.row(row)[d]))
                        .sum::<f64>()
                        / size
                };
                (0..split.dim).map(|d| mean(d) as f32).collect()
            };
            let pairs = classes
                .iter()
                .flat_map(|&a| classes.iter().map(move |&b| (a, b)));
            let between: Vec<f64> = pairs
                .filter(|(a, b)| a != b)
                .map(|(a, b)| metric(&centre(a), &centre(b)))
                .collect();
            let inter = between.iter().sum::<f64>() / between.len() as f64;
            // The twin rounds the centres to single precision.
            assert_close("inter", &[found.inter.unwrap()], &[inter], 1e-6, 1e-6);
        }
    }
}

#[test]
fn pair_counts_and_information_equal_loops_over_rows() {
    for split in splits() {
        let clusters: Vec<u32> = split
            .labels
            .iter()
            .enumerate()
            .map(|(i, &y)| (y + (i as u32 % 3)) % 9)
            .collect();
        let table = Contingency::new(&split.labels, &clusters);
        let (mut both, mut either) = (0.0, 0.0);
        for a in 0..split.rows() {
            for b in 0..a {
                let class = split.labels[a] == split.labels[b];
                let cluster = clusters[a] == clusters[b];
                both += 2.0 * f64::from(u8::from(class && cluster));
                either += f64::from(u8::from(class)) + f64::from(u8::from(cluster));
            }
        }
        assert_close(
            "f1",
            &[table.pair_f1().unwrap()],
            &[both / either],
            0.0,
            1e-12,
        );
        let share = |matches: &dyn Fn(usize) -> bool| {
            (0..split.rows()).filter(|&row| matches(row)).count() as f64 / split.rows() as f64
        };
        let (mut mutual, mut classes, mut groups) = (0.0, 0.0, 0.0);
        for row in 0..split.rows() {
            let p = share(&|other| split.labels[other] == split.labels[row]);
            let q = share(&|other| clusters[other] == clusters[row]);
            let pq = share(&|other| {
                split.labels[other] == split.labels[row] && clusters[other] == clusters[row]
            });
            mutual += (pq / (p * q)).ln() / split.rows() as f64;
            classes -= p.ln() / split.rows() as f64;
            groups -= q.ln() / split.rows() as f64;
        }
        let arithmetic = table.nmi(EntropyMean::Arithmetic);
        assert_close(
            "nmi",
            &[arithmetic],
            &[2.0 * mutual / (classes + groups)],
            1e-14,
            1e-11,
        );
        let geometric = table.nmi(EntropyMean::Geometric);
        assert_close(
            "geometric",
            &[geometric],
            &[mutual / (classes * groups).sqrt()],
            1e-14,
            1e-11,
        );
    }
}

#[test]
fn ami_is_zero_on_average_over_all_orders_of_the_clusters() {
    let classes = [0, 0, 1, 1, 2, 2];
    let mut clusters = [0, 0, 0, 1, 1, 2];
    let (mut sum, mut count) = (0.0, 0);
    permutations(&mut clusters, 0, &mut |order| {
        sum += Contingency::new(&classes, order).ami();
        count += 1;
    });
    assert_eq!(count, 720);
    assert!((sum / f64::from(count)).abs() < 1e-12, "{sum}");
}

fn permutations(items: &mut [u32; 6], from: usize, visit: &mut impl FnMut(&[u32])) {
    if from == items.len() {
        return visit(items);
    }
    for other in from..items.len() {
        items.swap(from, other);
        permutations(items, from + 1, visit);
        items.swap(from, other);
    }
}

#[test]
fn kmeans_equals_plain_lloyd() {
    let split = RandomSplit::new(8, 120, 6, 7);
    let start: Vec<f32> = [3, 40, 77, 119]
        .iter()
        .flat_map(|&row| split.row(row).to_vec())
        .collect();
    let found = kmeans(
        &split.embeddings,
        split.dim,
        Space::Euclidean,
        Start::Centroids(&start),
        5,
    )
    .unwrap();
    let mut centroids: Vec<Vec<f64>> = start
        .chunks(split.dim)
        .map(|row| row.iter().map(|&value| f64::from(value)).collect())
        .collect();
    let squared = |row: usize, centroid: &[f64]| -> f64 {
        split
            .row(row)
            .iter()
            .zip(centroid)
            .map(|(&x, c)| (f64::from(x) - c).powi(2))
            .sum()
    };
    let mut assignment = vec![0; split.rows()];
    for round in 0..=5 {
        let mut inertia = 0.0;
        for (row, assigned) in assignment.iter_mut().enumerate() {
            let all: Vec<f64> = centroids
                .iter()
                .map(|centroid| squared(row, centroid))
                .collect();
            let nearest = all.iter().copied().fold(f64::INFINITY, f64::min);
            *assigned = all.iter().position(|&value| value == nearest).unwrap();
            inertia += nearest;
        }
        assert_close("inertia", &[found.inertia[round]], &[inertia], 0.0, 1e-12);
        for (cluster, centroid) in centroids.iter_mut().enumerate().filter(|_| round < 5) {
            let members: Vec<usize> = (0..split.rows())
                .filter(|&row| assignment[row] == cluster)
                .collect();
            for (d, value) in centroid.iter_mut().enumerate() {
                *value = members
                    .iter()
                    .map(|&row| f64::from(split.row(row)[d]))
                    .sum::<f64>()
                    / members.len() as f64;
            }
        }
    }
    assert_eq!(
        found
            .assignment
            .iter()
            .map(|&c| c as usize)
            .collect::<Vec<_>>(),
        assignment
    );
    assert_close(
        "centroids",
        &found.centroids,
        &centroids.concat(),
        1e-14,
        1e-12,
    );
}

#[test]
fn an_empty_cluster_takes_the_farthest_point() {
    // Two of the starts are far away on the right: every point goes to the first.
    let points = [0.0f32, 1.0, 2.0, 10.0];
    let starts = [3.0f32, 100.0, 200.0];
    let found = kmeans(&points, 1, Space::Euclidean, Start::Centroids(&starts), 4).unwrap();
    let mut used = found.assignment.clone();
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), 3, "{:?}", found.assignment);
    assert_eq!(
        found.assignment[3], 1,
        "the farthest point fills the first empty cluster"
    );
    assert!(
        found.inertia.windows(2).all(|pair| pair[1] <= pair[0]),
        "{:?}",
        found.inertia
    );
}

#[test]
fn plus_plus_draws_in_proportion_to_the_squared_distance() {
    // With zero iterations the centroids are the drawn points: at 0, 1 and 3 on a line. Each is
    // drawn first with probability ⅓, the second by squared distance, the last is left over.
    let mut counts = [0u32; 9];
    let draws = 3000;
    for seed in 0..draws {
        let start = Start::PlusPlus { clusters: 3, seed };
        let found = kmeans(&[0.0, 1.0, 3.0], 1, Space::Euclidean, start, 0).unwrap();
        let index = |value: f64| [0.0, 1.0, 3.0].iter().position(|&x| x == value).unwrap();
        let mut drawn = found.centroids.clone();
        drawn.sort_by(f64::total_cmp);
        assert_eq!(drawn, [0.0, 1.0, 3.0], "a point is not drawn twice");
        counts[index(found.centroids[0]) * 3 + index(found.centroids[1])] += 1;
    }
    let expected = [
        0.0,
        1.0 / 10.0,
        9.0 / 10.0,
        1.0 / 5.0,
        0.0,
        4.0 / 5.0,
        9.0 / 13.0,
        4.0 / 13.0,
        0.0,
    ];
    let mut chi_squared = 0.0;
    for (&count, share) in counts.iter().zip(expected) {
        let mean = draws as f64 * share / 3.0;
        if mean == 0.0 {
            assert_eq!(count, 0);
        } else {
            chi_squared += (f64::from(count) - mean).powi(2) / mean;
        }
    }
    assert!(
        chi_squared < 20.5,
        "χ² with 5 degrees of freedom: {chi_squared} (p < 0.001)"
    );
}

#[test]
fn singular_values_satisfy_the_matrix_identities() {
    // Σσ² = ‖X‖² and Σσ⁴ = ‖XᵀX‖², over matrices of one and of many blocks of rows.
    for (rows, dim) in [(5, 9), (300, 4), (700, 2), (513, 33)] {
        let split = RandomSplit::new(rows as u64, rows, dim, 3);
        let sigma = singular_values(&split.embeddings, dim).unwrap();
        assert_eq!(sigma.len(), rows.min(dim));
        assert!(
            sigma
                .windows(2)
                .all(|pair| pair[0] >= pair[1] && pair[1] >= 0.0)
        );
        let squares: f64 = split
            .embeddings
            .iter()
            .map(|&value| f64::from(value).powi(2))
            .sum();
        assert_close(
            "Σσ²",
            &[sigma.iter().map(|s| s * s).sum()],
            &[squares],
            0.0,
            1e-13,
        );
        let gram = |a: usize, b: usize| -> f64 {
            (0..rows)
                .map(|r| f64::from(split.row(r)[a]) * f64::from(split.row(r)[b]))
                .sum()
        };
        let fourth: f64 = (0..dim)
            .flat_map(|a| (0..dim).map(move |b| (a, b)))
            .map(|(a, b)| gram(a, b).powi(2))
            .sum();
        assert_close(
            "Σσ⁴",
            &[sigma.iter().map(|s| s.powi(4)).sum()],
            &[fourth],
            0.0,
            1e-12,
        );
    }
}
