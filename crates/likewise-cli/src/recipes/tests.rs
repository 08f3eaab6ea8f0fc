//! The recipes of the paper against what its scripts ran and its figures show. The table here is
//! the other source: a value that is changed in a recipe has to be wrong in one of the two.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use likewise::recipe::{Layers, Protocol, Recipe};
use toml::Value;

use super::*;

/// Folder, name in the literature, epochs, steps an epoch.
const DATASETS: [(&str, &str, u32); 3] = [
    ("cub200", "CUB200-2011", 150),
    ("cars196", "CARS196", 150),
    ("online_products", "Stanford Online Products", 100),
];

/// A run of the paper's script.
struct Method {
    name: &'static str,
    /// What its label is in the paper's figures.
    label: &'static str,
    normalize: bool,
    objective: &'static str,
    /// `""`: none.
    miner: &'static str,
    /// Probability of the ρ-switch on each dataset.
    p_switch: Option<[f64; 3]>,
    /// Recall@1 and its standard deviation on each dataset; `""`: not run.
    recall: [&'static str; 3],
}

const DISTANCE: &str = "name = 'distance'\nlower_cutoff = 0.5";
const CONTRASTIVE: &str = "name = 'contrastive'\npos_margin = 0\nneg_margin = 1";
const TRIPLET: &str = "name = 'triplet'\nmargin = 0.2";
const MARGIN_06: &str = "name = 'margin'\nmargin = 0.2\nbeta = 0.6\nbeta_constant = false\nnu = 0\n\
                         learning_rate = 5e-4\nactive_count = 'triplets'";
const MARGIN_12: &str = "name = 'margin'\nmargin = 0.2\nbeta = 1.2\nbeta_constant = false\nnu = 0\n\
                         learning_rate = 5e-4\nactive_count = 'triplets'";

#[rustfmt::skip]
const METHODS: &[Method] = &[
    Method { name: "angular", label: "Angular", normalize: false,
        objective: "name = 'angular'\nalpha_degrees = 45\nang_weight = 2\nl2 = 0.005", miner: "name = 'npair'",
        p_switch: None, recall: ["62.10 ± 0.27", "78.00 ± 0.32", "73.22 ± 0.07"] },
    Method { name: "arcface", label: "ArcFace", normalize: true,
        objective: "name = 'arcface'\nangular_margin = 0.5\nfeature_scale = 16\nlearning_rate = 5e-4", miner: "",
        p_switch: None, recall: ["62.67 ± 0.67", "79.16 ± 0.97", "77.71 ± 0.15"] },
    Method { name: "contrastive_distance", label: "Contrastive (D)", normalize: true, objective: CONTRASTIVE, miner: DISTANCE,
        p_switch: None, recall: ["61.50 ± 0.17", "75.78 ± 0.39", "73.21 ± 0.04"] },
    Method { name: "lifted", label: "Generalised lifted structure", normalize: false,
        objective: "name = 'lifted'\nneg_margin = 1\nl2 = 0.005", miner: "name = 'lifted'",
        p_switch: None, recall: ["59.59 ± 0.60", "72.17 ± 0.38", "75.21 ± 0.12"] },
    Method { name: "histogram", label: "Histogram", normalize: true,
        objective: "name = 'histogram'\nn_bins = 65", miner: "",
        p_switch: None, recall: ["60.55 ± 0.26", "76.47 ± 0.38", "71.30 ± 0.10"] },
    Method { name: "margin_b06_distance", label: "Margin (D, β = 0.6)", normalize: true, objective: MARGIN_06, miner: DISTANCE,
        p_switch: None, recall: ["62.50 ± 0.24", "77.70 ± 0.32", "77.38 ± 0.11"] },
    Method { name: "margin_b12_distance", label: "Margin (D, β = 1.2)", normalize: true, objective: MARGIN_12, miner: DISTANCE,
        p_switch: None, recall: ["63.09 ± 0.46", "79.86 ± 0.33", "78.43 ± 0.07"] },
    Method { name: "multisimilarity", label: "Multi-similarity", normalize: true,
        objective: "name = 'multisimilarity'\npos_weight = 2\nneg_weight = 40\nmargin = 0.1\nthresh = 0.5", miner: "",
        p_switch: None, recall: ["62.80 ± 0.70", "81.68 ± 0.19", "77.99 ± 0.09"] },
    Method { name: "npair", label: "N-pair", normalize: false,
        objective: "name = 'npair'\nl2 = 0.005", miner: "name = 'npair'",
        p_switch: None, recall: ["61.63 ± 0.58", "77.48 ± 0.28", "75.86 ± 0.08"] },
    Method { name: "proxynca", label: "ProxyNCA", normalize: true,
        objective: "name = 'proxynca'\nscale = 3\nlearning_rate = 5e-4", miner: "",
        p_switch: None, recall: ["62.80 ± 0.47", "78.48 ± 0.58", ""] },
    Method { name: "quadruplet_distance", label: "Quadruplet (D)", normalize: true,
        objective: "name = 'quadruplet'\nmargin_alpha_1 = 0.2\nmargin_alpha_2 = 0.2", miner: DISTANCE,
        p_switch: None, recall: ["61.71 ± 0.64", "76.34 ± 0.27", "76.95 ± 0.10"] },
    Method { name: "snr_distance", label: "SNR (D)", normalize: true,
        objective: "name = 'snr'\nmargin = 0.2\nreg_lambda = 0", miner: DISTANCE,
        p_switch: None, recall: ["62.88 ± 0.18", "78.69 ± 0.19", "77.61 ± 0.34"] },
    Method { name: "softtriplet", label: "SoftTriple", normalize: true,
        objective: "name = 'softtriplet'\nn_centroids = 2\nmargin_delta = 0.01\ngamma = 0.1\nlam = 8\nreg_weight = 0.2\n\
                    learning_rate = 1e-5", miner: "",
        p_switch: None, recall: ["60.83 ± 0.47", "75.66 ± 0.46", ""] },
    Method { name: "softmax", label: "Softmax", normalize: true,
        objective: "name = 'softmax'\ntemperature = 0.05\nlearning_rate = 1e-5", miner: "",
        p_switch: None, recall: ["61.66 ± 0.33", "78.91 ± 0.27", "76.92 ± 0.64"] },
    Method { name: "triplet_distance", label: "Triplet (D)", normalize: true, objective: TRIPLET, miner: DISTANCE,
        p_switch: None, recall: ["62.87 ± 0.35", "79.13 ± 0.27", "77.39 ± 0.15"] },
    Method { name: "triplet_random", label: "Triplet (R)", normalize: true, objective: TRIPLET, miner: "name = 'random'",
        p_switch: None, recall: ["58.48 ± 0.31", "70.63 ± 0.43", "67.86 ± 0.14"] },
    Method { name: "triplet_semihard", label: "Triplet (S)", normalize: true, objective: TRIPLET,
        miner: "name = 'semihard'\nmargin = 0.2",
        p_switch: None, recall: ["60.09 ± 0.49", "72.51 ± 0.47", "73.61 ± 0.14"] },
    Method { name: "triplet_softhard", label: "Triplet (H)", normalize: true, objective: TRIPLET, miner: "name = 'softhard'",
        p_switch: None, recall: ["61.61 ± 0.21", "77.60 ± 0.33", "73.50 ± 0.09"] },
    Method { name: "r_contrastive_distance", label: "R-Contrastive (D)", normalize: true, objective: CONTRASTIVE, miner: DISTANCE,
        p_switch: Some([0.4, 0.35, 0.15]), recall: ["63.57 ± 0.66", "81.06 ± 0.41", "74.36 ± 0.11"] },
    Method { name: "r_margin_b06_distance", label: "R-Margin (D, β = 0.6)", normalize: true, objective: MARGIN_06, miner: DISTANCE,
        p_switch: Some([0.4, 0.35, 0.15]), recall: ["64.93 ± 0.42", "82.37 ± 0.13", "77.58 ± 0.11"] },
    Method { name: "r_margin_b12_distance", label: "R-Margin (D, β = 1.2)", normalize: true, objective: MARGIN_12, miner: DISTANCE,
        p_switch: Some([0.35, 0.35, 0.15]), recall: ["63.32 ± 0.33", "81.11 ± 0.49", "78.52 ± 0.10"] },
    Method { name: "r_snr_distance", label: "R-SNR (D)", normalize: true,
        objective: "name = 'snr'\nmargin = 0.2\nreg_lambda = 0.005", miner: DISTANCE,
        p_switch: Some([0.3, 0.35, 0.15]), recall: ["62.97 ± 0.32", "80.38 ± 0.34", "77.69 ± 0.25"] },
    Method { name: "r_triplet_distance", label: "R-Triplet (D)", normalize: true, objective: TRIPLET, miner: DISTANCE,
        p_switch: Some([0.4, 0.35, 0.15]), recall: ["63.28 ± 0.18", "81.17 ± 0.12", "77.33 ± 0.14"] },
];

impl Method {
    /// The `[objective]` and `[miner]` tables on a dataset.
    fn tables(&self, dataset: usize) -> String {
        let mut objective = self.objective.to_string();
        if dataset == 2 {
            // Two exceptions of the script for Stanford Online Products.
            objective = match self.name {
                "histogram" => objective.replace("65", "11"),
                "softmax" => objective.replace("1e-5", "2e-3"),
                _ => objective,
            };
        }
        let mut text = format!("[objective]\n{objective}\n");
        if !self.miner.is_empty() {
            text += &format!("[miner]\n{}\n", self.miner);
        }
        if let Some(p_switch) = self.p_switch {
            let p = p_switch[dataset];
            text += &format!("rho = {{ p_switch = {p}, switch_mode = 'anchor_as_positive' }}\n");
        }
        text
    }
}

/// Every run of the paper: its method, its dataset, and its recipe.
fn runs() -> impl Iterator<Item = (&'static Method, usize, &'static Embedded)> {
    (0..DATASETS.len()).flat_map(|dataset| {
        METHODS
            .iter()
            .filter(move |method| !method.recall[dataset].is_empty())
            .map(move |method| {
                let name = format!("{}/{}", DATASETS[dataset].0, method.name);
                let embedded = Embedded::named(&name);
                (
                    method,
                    dataset,
                    embedded.unwrap_or_else(|| panic!("{name} is missing")),
                )
            })
    })
}

fn resolved(embedded: &Embedded) -> Recipe {
    let recipe = embedded
        .layers()
        .and_then(|layers| Ok(layers.into_recipe()?));
    recipe.unwrap_or_else(|error| panic!("{}: {error:#}", embedded.name))
}

/// Every setting by its dotted path.
fn settings(recipe: &Recipe) -> BTreeMap<String, String> {
    fn add(path: String, value: &Value, settings: &mut BTreeMap<String, String>) {
        if let Value::Table(table) = value {
            for (key, value) in table {
                add(format!("{path}.{key}"), value, settings);
            }
        } else {
            settings.insert(path[1..].to_string(), value.to_string());
        }
    }
    let mut settings = BTreeMap::new();
    add(
        String::new(),
        &Value::try_from(recipe).unwrap(),
        &mut settings,
    );
    settings
}

#[test]
fn there_are_the_67_runs_of_the_paper_and_no_others() {
    let expected: BTreeSet<&str> = runs().map(|(_, _, embedded)| embedded.name).collect();
    let grouped = Embedded::recipes().filter(|embedded| !embedded.group().is_empty());
    let found: BTreeSet<&str> = grouped.map(|embedded| embedded.name).collect();
    assert_eq!(found, expected);
    assert_eq!(found.len(), 67);
}

#[test]
fn objective_and_miner_are_those_of_the_script() {
    for (method, dataset, embedded) in runs() {
        let recipe = resolved(embedded);
        let text = format!(
            "[model.backbone]\narchitecture = 'mlp'\n{}",
            method.tables(dataset)
        );
        let expected: Recipe = toml::from_str(&text).unwrap();
        assert_eq!(recipe.objective, expected.objective, "{}", embedded.name);
        assert_eq!(recipe.miner, expected.miner, "{}", embedded.name);
        assert_eq!(
            recipe.model.normalize, method.normalize,
            "{}",
            embedded.name
        );
    }
}

#[test]
fn the_rest_is_the_setting_that_all_runs_share() {
    let shared = "
        [data]\naugmentation = 'base'\nimage_size = 224\nresize = 256\ncrop_area = [0.08, 1.0]\nflip = 0.5
        mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]
        [model]\nembedding_dim = 128\nfrozen_batch_norm = true\npretrained = true\npooling = 'average'
        [model.backbone]\narchitecture = 'resnet'\nwidth = 64\nlayers = [3, 4, 6, 3]
        [sampler]\nname = 'spc'\nbatch_size = 112\nsamples_per_class = 2\nwith_replacement = true
        [optimizer]\nname = 'adam'\nlearning_rate = 1e-5\nweight_decay = 4e-4\nbetas = [0.9, 0.999]\nepsilon = 1e-8
        [optimizer.schedule]\nname = 'multi_step'\nmilestones = []
        [train]\nprotocol = 'paper'\nprecision = 'f32'\naccumulation_steps = 1
        [evaluation]\nevery = 1\nsplits = ['train']\nbatch_size = 112\nselect = 'recall@1'
        [objective]\nname = 'multisimilarity'";
    let shared: Recipe = toml::from_str(shared).unwrap();
    for (_, dataset, embedded) in runs() {
        let (source, _, epochs) = DATASETS[dataset];
        let recipe = resolved(embedded);
        let mut expected = shared.clone();
        expected.data.source = source.into();
        expected.train.epochs = epochs;
        expected.model.normalize = recipe.model.normalize;
        expected.evaluation.metrics = recipe.evaluation.metrics.clone();
        expected.evaluation.progress = recipe.evaluation.progress.clone();
        assert_eq!(recipe.data, expected.data, "{}", embedded.name);
        assert_eq!(recipe.model, expected.model, "{}", embedded.name);
        assert_eq!(recipe.sampler, expected.sampler, "{}", embedded.name);
        assert_eq!(recipe.optimizer, expected.optimizer, "{}", embedded.name);
        assert_eq!(recipe.train, expected.train, "{}", embedded.name);
        assert_eq!(recipe.evaluation, expected.evaluation, "{}", embedded.name);
        assert_eq!(recipe.cross_batch_memory, None, "{}", embedded.name);
        assert_eq!(recipe.train.protocol, Protocol::Paper);
        assert_eq!(recipe.seed, 0);
    }
}

#[test]
fn a_recipe_differs_from_its_base_in_objective_and_miner_only() {
    for (method, dataset, embedded) in runs() {
        let base = Embedded::named(&format!("base/{}", DATASETS[dataset].0)).unwrap();
        let mut layers: Layers = base.layers().unwrap();
        layers.set("objective.name=multisimilarity").unwrap();
        let (base, recipe) = (
            settings(&layers.into_recipe().unwrap()),
            settings(&resolved(embedded)),
        );
        let keys: BTreeSet<&String> = base.keys().chain(recipe.keys()).collect();
        for key in keys
            .into_iter()
            .filter(|key| base.get(*key) != recipe.get(*key))
        {
            let own = ["name", "summary", "expected"].contains(&key.as_str())
                || key.starts_with("objective.")
                || key.starts_with("miner.")
                || (key == "model.normalize" && !method.normalize);
            assert!(own, "{}: {key} differs from the base", embedded.name);
        }
    }
}

#[test]
fn the_header_names_the_published_figure_and_the_command() {
    for (method, dataset, embedded) in runs() {
        let (_, title, _) = DATASETS[dataset];
        let recall = format!("Recall@1 {} %", method.recall[dataset]);
        let recipe = resolved(embedded);
        assert_eq!(recipe.name, method.name);
        assert_eq!(recipe.expected, recall);
        assert_eq!(recipe.summary, format!("{} on {title}", method.label));
        assert!(recipe.paper.contains("ICML 2020"), "{}", embedded.name);
        let header: Vec<&str> = embedded
            .text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .collect();
        let header = header.join("\n");
        let command = format!(
            "for s in 0 1 2 3 4; do likewise train --config {} --data PATH --weights FILE --seed $s; done",
            embedded.name
        );
        assert!(
            header.contains(&recall) && header.contains(&command),
            "{header}"
        );
        assert!(
            embedded.text.lines().count() <= 24,
            "{} is long",
            embedded.name
        );
    }
}

/// What differs between the original code and the formula is said where a figure depends on it.
#[test]
fn figures_of_code_that_did_something_else_are_marked() {
    let marked = [
        "angular",
        "arcface",
        "lifted",
        "quadruplet_distance",
        "snr_distance",
        "r_snr_distance",
        "softtriplet",
    ];
    for (method, dataset, embedded) in runs() {
        let says_so = embedded.text.contains("original code");
        let expected =
            marked.contains(&method.name) || (method.name == "histogram" && dataset == 2);
        assert_eq!(says_so, expected, "{}", embedded.name);
    }
}

#[test]
fn the_chapter_of_the_book_has_the_figures() {
    let mut table = String::from(
        "| recipe | method | CUB200-2011 | CARS196 | Stanford Online Products |\n|---|---|---|---|---|\n",
    );
    for method in METHODS {
        let cell = |recall: &str| {
            if recall.is_empty() {
                "–".to_string()
            } else {
                recall.to_string()
            }
        };
        let [cub, cars, sop] = method.recall.map(cell);
        table += &format!(
            "| `{}` | {} | {cub} | {cars} | {sop} |\n",
            method.name, method.label
        );
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/paper-recipes.md");
    let text = fs::read_to_string(file).unwrap();
    assert!(
        text.contains(&table),
        "docs/src/paper-recipes.md should contain:\n{table}"
    );
}

#[test]
fn what_an_embedded_recipe_extends_is_found_from_its_folder() {
    let beside = |file: &str, base: &str| super::beside(file, base).display().to_string();
    assert_eq!(
        beside("cub200/npair.toml", "../base/cub200.toml"),
        "base/cub200.toml"
    );
    assert_eq!(beside("emoji.toml", "other.toml"), "other.toml");
    assert_eq!(beside("a.toml", "../../b.toml"), "../../b.toml");
    assert_eq!(beside("/x/y/a.toml", "../b.toml"), "/x/b.toml");
}

#[test]
fn a_name_with_a_slip_is_recognised() {
    assert_eq!(
        nearest("cub200/margin_b12_distanc"),
        Some("cub200/margin_b12_distance")
    );
    assert_eq!(nearest("configs/cars196/npair.toml"), Some("cars196/npair"));
    assert_eq!(nearest("something/else/altogether.toml"), None);
}
