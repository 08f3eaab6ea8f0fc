//! The table of metrics. Command-line help, reports and documentation are made from it.

use super::points::Space;

/// Which way a metric improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Larger is better.
    Higher,
    /// Smaller is better.
    Lower,
    /// Describes the embedding without ranking it.
    Neither,
}

/// What follows the `@` of a metric's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// The name is complete as it is.
    None,
    /// `@k`, a positive number of neighbours.
    Neighbours,
    /// `@m`: direction and offset of a spectral decay; 0 is the spectrum itself.
    Spectrum,
}

/// What is measured. The order is that of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// Hit rate among the k nearest.
    Recall,
    /// Smallest hit rate of a class.
    WorstClassRecall,
    /// Share of positives among the k nearest.
    Precision,
    /// Average precision within R, over R.
    MapAtR,
    /// Precision within R.
    RPrecision,
    /// Average precision of the whole ranking, over R.
    ApFull,
    /// Inverse rank of the nearest positive.
    MeanReciprocalRank,
    /// Average precision of the whole ranking, over the class size.
    Map,
    /// The same within 1023.
    MapLim,
    /// The same within 1000.
    Map1000,
    /// The same within the class size.
    MapC,
    /// Normalised mutual information, arithmetic mean.
    Nmi,
    /// Normalised mutual information, geometric mean.
    NmiGeometric,
    /// Adjusted mutual information.
    Ami,
    /// F1 over pairs.
    F1,
    /// Mean distance within classes.
    Intra,
    /// Mean distance between class centres.
    Inter,
    /// Ratio of both.
    IntraOverInter,
    /// Spectral decay of the D − 1 largest singular values.
    Spectrum,
    /// Spectral decay of all D singular values.
    SpectrumFull,
}

/// One line of the table.
#[derive(Debug)]
pub struct Metric {
    /// Name as it is written in recipes and results, `k` or `m` standing for a number.
    pub name: &'static str,
    /// What is measured.
    pub quantity: Quantity,
    /// Title for tables and axes.
    pub title: &'static str,
    /// Definition in one sentence.
    pub definition: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Which way it improves.
    pub direction: Direction,
    /// Smallest and largest possible value in the space of the plain name.
    pub range: (f64, f64),
    /// What follows the `@`.
    pub parameter: Parameter,
    /// The space of the plain name. Prefixed with `e_` or `c_`, the name means the Euclidean or
    /// the cosine variant. None if no distance is involved: then there is no prefix.
    pub space: Option<Space>,
}

impl Metric {
    /// The name before `@k` or `@m`.
    pub(super) fn stem(&self) -> &'static str {
        match self.parameter {
            Parameter::None => self.name,
            Parameter::Neighbours | Parameter::Spectrum => self
                .name
                .split_once('@')
                .map_or(self.name, |(stem, _)| stem),
        }
    }
}

const ROTH: &str = "Roth et al. 2020, Revisiting Training Strategies and Generalization \
                    Performance in Deep Metric Learning";
const MUSGRAVE: &str = "Musgrave et al. 2020, A Metric Learning Reality Check";
const UNBOUNDED: f64 = f64::INFINITY;

/// A line for a retrieval or clustering metric in 0..=1, Euclidean unless prefixed.
const fn score(
    name: &'static str,
    quantity: Quantity,
    title: &'static str,
    definition: &'static str,
    source: &'static str,
) -> Metric {
    Metric {
        name,
        quantity,
        title,
        definition,
        source,
        direction: Direction::Higher,
        range: (0.0, 1.0),
        parameter: Parameter::None,
        space: Some(Space::Euclidean),
    }
}

/// Every metric, in the order of reports.
pub static METRICS: [Metric; 20] = [
    Metric {
        parameter: Parameter::Neighbours,
        ..score(
            "recall@k",
            Quantity::Recall,
            "Recall@k",
            "Share of queries with at least one item of their class among the k nearest; classes \
             of one count as misses.",
            "Jégou et al. 2011, Product Quantization for Nearest Neighbor Search; Oh Song et al. \
             2016",
        )
    },
    Metric {
        parameter: Parameter::Neighbours,
        ..score(
            "worst_class_recall@k",
            Quantity::WorstClassRecall,
            "Worst class Recall@k",
            "Smallest Recall@k of a class, over its own queries; classes without another item to \
             find are left out.",
            "Sagawa et al. 2020, Distributionally Robust Neural Networks (worst group)",
        )
    },
    Metric {
        parameter: Parameter::Neighbours,
        ..score(
            "precision@k",
            Quantity::Precision,
            "Precision@k",
            "Mean over queries of the share of items of their class among the k nearest, divided \
             by k even where the class or the list is shorter; classes of one are skipped.",
            "Manning et al. 2008, Introduction to Information Retrieval, 8.4; at k = 1 Musgrave \
             et al. 2020",
        )
    },
    score(
        "map_at_r",
        Quantity::MapAtR,
        "MAP@R",
        "Mean over queries of the average precision within the R nearest, R the number of other \
         members of the class, divided by R; classes of one are skipped.",
        MUSGRAVE,
    ),
    score(
        "r_precision",
        Quantity::RPrecision,
        "R-precision",
        "Mean over queries of the share of their class among the R nearest, R the number of \
         other members of the class; classes of one are skipped.",
        MUSGRAVE,
    ),
    score(
        "ap_full",
        Quantity::ApFull,
        "mAP (standard)",
        "Mean over queries of the average precision of the whole ranking, divided by the number \
         of other members of the class; classes of one are skipped.",
        "Manning et al. 2008, Introduction to Information Retrieval, 8.4",
    ),
    score(
        "mean_reciprocal_rank",
        Quantity::MeanReciprocalRank,
        "MRR",
        "Mean over queries of 1 over the rank of the nearest item of their class; classes of one \
         are skipped.",
        "Voorhees 1999, The TREC-8 Question Answering Track Report",
    ),
    score(
        "mAP",
        Quantity::Map,
        "mAP (class size)",
        "Mean over queries of the average precision of the whole ranking, divided by the class \
         size with the query: a perfect ranking scores (n − 1)/n.",
        ROTH,
    ),
    score(
        "mAP_lim",
        Quantity::MapLim,
        "mAP (1023 nearest)",
        "mAP over the 1023 nearest items, divided by the class size with the query.",
        ROTH,
    ),
    score(
        "mAP_1000",
        Quantity::Map1000,
        "mAP (1000 nearest)",
        "mAP over the 1000 nearest items, divided by the class size with the query.",
        ROTH,
    ),
    score(
        "mAP_c",
        Quantity::MapC,
        "mAP (class-size nearest)",
        "mAP over as many nearest items as the class has members with the query, divided by that \
         number: the mAP of the paper's tables.",
        ROTH,
    ),
    score(
        "nmi",
        Quantity::Nmi,
        "NMI",
        "Mutual information of classes and k-means clusters, k the number of classes of the \
         split, over the arithmetic mean of both entropies.",
        "Manning et al. 2008, Introduction to Information Retrieval, 16.3",
    ),
    score(
        "nmi_geometric",
        Quantity::NmiGeometric,
        "NMI (geometric)",
        "As nmi, over the geometric mean of both entropies.",
        "Strehl & Ghosh 2002, Cluster Ensembles",
    ),
    Metric {
        range: (-1.0, 1.0),
        ..score(
            "ami",
            Quantity::Ami,
            "AMI",
            "Mutual information of classes and k-means clusters corrected for chance: 0 is what \
             a random clustering of these sizes reaches.",
            "Vinh et al. 2010, Information Theoretic Measures for Clusterings Comparison",
        )
    },
    score(
        "f1",
        Quantity::F1,
        "F1",
        "F1 over pairs of items: those in the same k-means cluster as prediction of those in the \
         same class.",
        "Oh Song et al. 2016, Deep Metric Learning via Lifted Structured Feature Embedding",
    ),
    density(
        "dists@intra",
        Quantity::Intra,
        "π_intra",
        "Mean distance of two items of a class, averaged over classes of two or more; cosine \
         distance unless prefixed with e_.",
        Direction::Neither,
        2.0,
    ),
    density(
        "dists@inter",
        Quantity::Inter,
        "π_inter",
        "Mean distance of the centres of two classes; cosine distance unless prefixed with e_.",
        Direction::Neither,
        2.0,
    ),
    density(
        "dists@intra_over_inter",
        Quantity::IntraOverInter,
        "π_ratio",
        "π_intra over π_inter, the embedding density; larger means a more evenly filled space.",
        Direction::Higher,
        UNBOUNDED,
    ),
    decay(
        "rho_spectrum@m",
        Quantity::Spectrum,
        "ρ(Φ)",
        "KL divergence of the D − 1 largest singular values of the embeddings, normalised and \
         without the |m| − 1 largest, from uniform (m > 0: KL(U‖S), m < 0: KL(S‖U), m = 0: the \
         values); the paper plots m = 2.",
    ),
    decay(
        "rho_spectrum_full@m",
        Quantity::SpectrumFull,
        "ρ(Φ), all values",
        "As rho_spectrum@m with all D singular values.",
    ),
];

const fn density(
    name: &'static str,
    quantity: Quantity,
    title: &'static str,
    definition: &'static str,
    direction: Direction,
    largest: f64,
) -> Metric {
    Metric {
        direction,
        range: (0.0, largest),
        space: Some(Space::Cosine),
        ..score(name, quantity, title, definition, ROTH)
    }
}

const fn decay(
    name: &'static str,
    quantity: Quantity,
    title: &'static str,
    definition: &'static str,
) -> Metric {
    Metric {
        direction: Direction::Lower,
        range: (0.0, UNBOUNDED),
        parameter: Parameter::Spectrum,
        space: None,
        ..score(name, quantity, title, definition, ROTH)
    }
}
