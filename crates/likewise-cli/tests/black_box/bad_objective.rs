//! Objectives, miners, samplers and memories that do not go together, or settings out of range.

use super::support::{Place, refused};

fn refuse(assignments: &[&str], words: &[&str]) {
    let place = Place::new();
    let mut arguments = vec!["train", "--run", "run"];
    for assignment in assignments {
        arguments.extend(["--set", assignment]);
    }
    refused(&place.run(&arguments), words);
    assert!(
        !place.path("run").exists(),
        "a run folder was made for {assignments:?}"
    );
}

#[test]
fn a_miner_of_other_tuples_is_refused_with_those_that_fit() {
    refuse(
        &["objective.name=triplet", "miner.name=lifted"],
        &["lifted", "triplet", "\"semihard\"", "\"distance\""],
    );
    refuse(
        &[
            "objective.name=npair",
            "miner.name=semihard",
            "model.normalize=false",
        ],
        &["semihard", "npair", "use \"npair\""],
    );
    refuse(
        &["objective.name=circle", "miner.name=random"],
        &["random", "circle", "\"lifted\"", "\"multisimilarity\""],
    );
    refuse(
        &["objective.name=softmax", "miner.name=random"],
        &["softmax", "[miner]", "random"],
    );
}

#[test]
fn objectives_that_penalise_the_length_of_unit_vectors() {
    for (objective, miner) in [
        ("npair", "npair"),
        ("angular", "npair"),
        ("lifted", "lifted"),
    ] {
        refuse(
            &[
                &format!("objective.name={objective}"),
                &format!("miner.name={miner}"),
                "model.normalize=true",
            ],
            &[objective, "model.normalize = false", "objective.l2 = 0"],
        );
    }
}

#[test]
fn objectives_for_unit_vectors_of_others() {
    for objective in [
        "multisimilarity",
        "histogram",
        "softmax",
        "softtriplet",
        "arcface",
    ] {
        refuse(
            &[
                &format!("objective.name={objective}"),
                "model.normalize=false",
            ],
            &[objective, "model.normalize = true"],
        );
    }
    refuse(
        &[
            "objective.name=triplet",
            "miner.name=distance",
            "model.normalize=false",
        ],
        &["distance", "model.normalize = true"],
    );
}

#[test]
fn a_memory_for_an_objective_that_compares_with_proxies() {
    for objective in ["softmax", "proxynca", "proxy_anchor", "arcface"] {
        refuse(
            &[
                &format!("objective.name={objective}"),
                "cross_batch_memory.size=64",
            ],
            &[objective, "[cross_batch_memory]"],
        );
    }
}

#[test]
fn a_memory_of_nothing() {
    refuse(
        &["cross_batch_memory.size=0"],
        &["cross_batch_memory.size", "at least 1"],
    );
    refuse(
        &["cross_batch_memory.size=-1"],
        &["cross_batch_memory.size", "-1"],
    );
    refuse(
        &["cross_batch_memory={length=5}"],
        &["cross_batch_memory", "length", "size"],
    );
}

#[test]
fn samplers_with_settings_out_of_range() {
    for (sampler, assignment, words) in [
        (
            "greedy_coreset",
            "pool_size=4",
            &["sampler.pool_size", "56"][..],
        ),
        (
            "greedy_coreset",
            "projection_dim=0",
            &["sampler.projection_dim"],
        ),
        ("d2_coreset", "lambda=-1", &["sampler.lambda", "-1"]),
        (
            "d2_coreset",
            "ridge=0",
            &["sampler.ridge", "greater than 0"],
        ),
        (
            "distance_histogram",
            "bins=0",
            &["sampler.bins", "at least 1"],
        ),
        (
            "distance_histogram",
            "pool_size=100000",
            &["sampler.pool_size", "at most"],
        ),
        (
            "frechet",
            "candidates=0",
            &["sampler.candidates", "at least 1"],
        ),
        ("frechet", "pool_size=111", &["sampler.pool_size", "112"]),
        ("frechet", "epsilon=nan", &["sampler.epsilon", "NaN"]),
        (
            "frechet",
            "bank.momentum=1",
            &["sampler.bank.momentum", "less than 1"],
        ),
        (
            "frechet",
            "bank.rate=1",
            &["sampler", "rate", "refresh_every"],
        ),
        ("spc", "bank.momentum=0.5", &["sampler", "bank"]),
        (
            "frechet",
            "samples_per_class=5",
            &["samples_per_class", "5", "112"],
        ),
    ] {
        refuse(
            &[
                &format!("sampler.name={sampler}"),
                &format!("sampler.{assignment}"),
            ],
            words,
        );
    }
    refuse(
        &["sampler.name=coreset"],
        &["sampler.name", "coreset", "greedy_coreset"],
    );
    refuse(
        &[
            "sampler.name=frechet",
            "sampler.bank={update=false, momentum=0.5}",
        ],
        &["sampler.bank.momentum", "sampler.bank.update"],
    );
}

#[test]
fn miners_and_objectives_with_settings_out_of_range() {
    for (objective, miner, assignment, words) in [
        (
            "triplet",
            "semihard",
            "miner.budget=0",
            &["miner.budget", "at least 1"][..],
        ),
        ("triplet", "distance", "miner.budget=-1", &["miner", "-1"]),
        (
            "triplet",
            "distance",
            "miner.rho.p_switch=1.5",
            &["miner.rho.p_switch", "1.5"],
        ),
        ("triplet", "random", "miner.bugdet=2", &["miner", "bugdet"]),
        (
            "triplet",
            "random",
            "objective.margin=-0.1",
            &["objective.margin", "-0.1"],
        ),
        (
            "margin",
            "distance",
            "objective.beta=-1",
            &["objective.beta", "-1"],
        ),
    ] {
        refuse(
            &[
                &format!("objective.name={objective}"),
                &format!("miner.name={miner}"),
                assignment,
            ],
            words,
        );
    }
}

#[test]
fn chunks_and_observation_that_cannot_be() {
    refuse(&["train.chunk_size=0"], &["train.chunk_size", "at least 1"]);
    refuse(&["train.chunk_size=-4"], &["train.chunk_size", "-4"]);
    refuse(&["train.observe_every=-1"], &["train.observe_every", "-1"]);
}

#[test]
fn settings_may_stand_before_the_name_of_what_they_belong_to() {
    refuse(
        &[
            "objective.margin=-7",
            "miner.budget=3",
            "objective.name=triplet",
            "miner.name=random",
        ],
        &["objective.margin", "-7"],
    );
}
