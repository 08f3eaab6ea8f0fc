//! Selections and costs against stored values, F64 from F32 inputs.

use likewise::sampler::d2_coreset::{Normal, Spread, nearest};
use likewise::sampler::distance_histogram::Profile;
use likewise::sampler::frechet::Target;
use likewise::sampler::greedy_coreset::{Cover, select};

use crate::data::{Fixture, assert_close, indices};

const TOLERANCE: f64 = 1e-9;

fn argmin(costs: &[f64]) -> usize {
    (0..costs.len())
        .min_by(|&a, &b| costs[a].total_cmp(&costs[b]))
        .unwrap()
}

#[test]
fn golden_greedy_coreset_picks() {
    let fixture = Fixture::read();
    let points = fixture.input("memory_bank").points();
    let count = fixture.number("/n_seeds") as usize;
    let firsts = fixture.manifest["greedy_first_picks"].as_array().unwrap();
    assert!(!firsts.is_empty());
    for first in firsts {
        let name = format!("greedy_coreset.first{first}.picks");
        let picks = select(&points, first.as_u64().unwrap() as usize, count);
        assert_eq!(picks, fixture.expected(&name).indices(), "{name}");
    }
}

#[test]
fn golden_greedy_coreset_initial_scores_never_count() {
    let fixture = Fixture::read();
    let points = fixture.input("memory_bank").points();
    let initial = &fixture.expected("greedy_coreset.initial_score").values;
    for first in 0..points.len() {
        let cover = Cover::new(&points, first);
        assert!(
            cover
                .scores()
                .iter()
                .zip(initial)
                .all(|(score, norm)| score < norm)
        );
    }
}

#[test]
fn golden_greedy_coreset_softened_candidates() {
    let fixture = Fixture::read();
    let points = fixture.input("memory_bank").points();
    let forced = fixture
        .input("greedy_coreset_softened.forced_picks")
        .indices();
    let masks = fixture.expected("greedy_coreset_softened.candidate_mask");
    assert_eq!(masks.shape[0], forced.len() - 1);
    let mut cover = Cover::new(&points, forced[0]);
    for (mask, &next) in masks.rows().zip(&forced[1..]) {
        let allowed: Vec<usize> = (0..mask.len()).filter(|&row| mask[row] == 1.0).collect();
        assert_eq!(cover.farthest_few(), allowed);
        cover.pick(next);
    }
}

#[test]
fn golden_d2_coreset_densities_and_first_pick() {
    let fixture = Fixture::read();
    let points = fixture.input("memory_bank").points();
    for (ridge, name) in [(0.0, "ridge0"), (1e-6, "ridge1e-6")] {
        let name = format!("d2_coreset.log_density_{name}");
        let densities = Normal::fit(&points, ridge).unwrap().log_density(&points);
        assert_close(
            &name,
            &densities,
            &fixture.expected(&name).values,
            TOLERANCE,
        );
    }
    let draw = &fixture.input("d2_coreset.normal_draw").values;
    let expected = fixture.expected("d2_coreset.first_pick").indices();
    assert_eq!(nearest(&points, draw), expected[0]);
}

#[test]
fn golden_d2_coreset_weights_and_probabilities() {
    let fixture = Fixture::read();
    let points = fixture.input("memory_bank").points();
    let densities = Normal::fit(&points, 0.0).unwrap().log_density(&points);
    let forced = fixture.input("d2_coreset.forced_picks").indices();
    let weights = fixture.expected("d2_coreset.log_weight_lambda1");
    for (lambda, name) in [(1.0, "lambda1"), (2.0, "lambda2")] {
        let name = format!("d2_coreset.probability_{name}");
        let probabilities = fixture.expected(&name);
        assert_eq!(probabilities.shape[0], forced.len());
        let mut spread = Spread::new(&points, densities.clone(), lambda, forced[0]);
        for (step, expected) in probabilities.rows().enumerate() {
            if step > 0 {
                spread.pick(forced[step]);
            }
            assert_close(&name, &spread.probabilities(), expected, TOLERANCE);
            if lambda == 1.0 {
                let found = spread.log_weights().into_iter();
                // The file has no infinities.
                let found: Vec<f64> = found.map(|weight| weight.max(-1e300)).collect();
                let expected = weights.rows().nth(step).unwrap();
                assert_close("d2_coreset.log_weight_lambda1", &found, expected, TOLERANCE);
            }
        }
    }
}

#[test]
fn golden_distance_histogram_costs() {
    let fixture = Fixture::read();
    let points = fixture.input("memory_bank").points();
    let profile = Profile::new(&points, fixture.number("/ddm/bins") as usize);
    let close = |name: &str, actual: &[f64]| {
        let name = format!("ddm.{name}");
        assert_close(&name, actual, &fixture.expected(&name).values, TOLERANCE);
    };
    close("distance_range", &[profile.range().0, profile.range().1]);
    close("pool_histogram", profile.histogram());
    let candidates: Vec<Vec<usize>> = fixture
        .input("candidate_batches")
        .rows()
        .map(indices)
        .collect();
    let histograms: Vec<f64> = candidates
        .iter()
        .flat_map(|rows| profile.histogram_of(rows))
        .collect();
    close("candidate_histogram", &histograms);
    let costs: Vec<_> = candidates.iter().map(|rows| profile.cost(rows)).collect();
    let terms = |term: &dyn Fn(usize) -> f64| (0..costs.len()).map(term).collect::<Vec<f64>>();
    close("mean_term", &terms(&|i| costs[i].mean));
    close("std_term", &terms(&|i| costs[i].std));
    close("wasserstein", &terms(&|i| costs[i].wasserstein));
    let weight = fixture.number("/ddm/wasserstein_weight");
    let totals = terms(&|i| costs[i].total(weight));
    close("cost", &totals);
    assert_eq!(argmin(&totals), fixture.number("/ddm/argmin") as usize);
}

#[test]
fn golden_frechet_distances() {
    let fixture = Fixture::read();
    let points = fixture.input("memory_bank").points();
    let candidates = fixture.input("candidate_batches");
    let target = Target::new(&points, candidates.shape[1], fixture.number("/frd/epsilon"));
    let costs: Vec<f64> = candidates
        .rows()
        .map(|rows| target.distance(&indices(rows)))
        .collect();
    assert_close(
        "frd.cost",
        &costs,
        &fixture.expected("frd.cost").values,
        TOLERANCE,
    );
    assert_eq!(argmin(&costs), fixture.number("/frd/argmin") as usize);
}

#[test]
fn golden_frechet_distances_of_singular_covariances_in_either_form() {
    let fixture = Fixture::read();
    let points = fixture.input("frd_rank_deficient.pool").points();
    let candidates = fixture.input("frd_rank_deficient.candidate_batches");
    let rows = candidates.shape[1];
    assert!(rows < points.dimension());
    // Announcing more rows than dimensions chooses the form of the coordinates.
    for (epsilon, announced, name) in [
        (0.0, rows, "eps0"),
        (0.0, 10 * rows, "eps0"),
        (1e-8, rows, "eps1e-8"),
    ] {
        let target = Target::new(&points, announced, epsilon);
        let costs: Vec<f64> = candidates
            .rows()
            .map(|rows| target.distance(&indices(rows)))
            .collect();
        // The square root of an eigenvalue that is only rounding, 1e-17, is 3e-9.
        let name = format!("frd_rank_deficient.cost_{name}");
        assert_close(&name, &costs, &fixture.expected(&name).values, 1e-7);
    }
}
