//! The code of Roth et al. 2020: takes the first neighbour for the query and drops it, counts the
//! query in the denominators of its mAP, and reads the label of the last row where a search asks
//! for more neighbours than there are.

use super::super::clustering::{Contingency, EntropyMean};
use super::super::points::rows_by_class;
use super::super::spectrum::{singular_values, spectral_decay};
use super::{Comparison, Program, Split, counted};
use crate::Result;

/// What is compared with.
pub const NAMES: &[&str] = &[
    "recall@1",
    "recall@2",
    "recall@4",
    "ap_full",
    "map_at_r",
    "nmi",
    "f1",
    "dists@intra",
    "rho_spectrum@2",
    "rho_spectrum_full@2",
];

/// Largest k of its default recalls: as many neighbours are searched for all of them.
const LARGEST_K: usize = 4;

pub fn compare(split: &Split<'_>, sums: &Sums, found: &mut Vec<Comparison>) -> Result<()> {
    retrieval(split, sums, found)?;
    clustering(split, found)?;
    intra(split, found)?;
    spectrum(split, found)
}

/// Its retrieval metrics, summed over queries.
#[derive(Default)]
pub struct Sums {
    recall: [f64; 3],
    map: f64,
    map_lim: f64,
    map_1000: f64,
    map_c: f64,
}

impl Sums {
    /// Adds a query with the ranks of its positives.
    pub fn add(&mut self, split: &Split<'_>, query: usize, ranks: &[u32]) {
        let rows = split.labels.len();
        let list = List {
            ranks: without_first(ranks, split.earlier_copies[query]),
            rows,
            last_is_positive: split.labels.last() == Some(&split.labels[query]),
        };
        let size = ranks.len() + 1;
        for (sum, k) in self.recall.iter_mut().zip([1, 2, LARGEST_K]) {
            *sum += f64::from(u8::from(list.hits(k).next().is_some()));
        }
        self.map += list.precision_sum(rows) / size as f64;
        self.map_lim += list.precision_sum(rows.min(1023)) / size as f64;
        self.map_1000 += list.precision_sum(1000) / size as f64;
        self.map_c += list.precision_sum(size) / size as f64;
    }
}

fn retrieval(split: &Split<'_>, sums: &Sums, found: &mut Vec<Comparison>) -> Result<()> {
    let rows = split.labels.len();
    let mean = |sum: f64| Some(sum / rows as f64);
    let dropped = split.repeated();
    let wrongly_dropped = || {
        let queries = counted(dropped, "query is", "queries are");
        format!("{queries} a repeated row: its copy was dropped and the query itself found")
    };
    let program = Program::Original;
    let names = [
        ("e_recall@1", "recall@1"),
        ("e_recall@2", "recall@2"),
        ("e_recall@4", "recall@4"),
    ];
    for ((theirs, ours), sum) in names.into_iter().zip(sums.recall) {
        let reason = || match dropped {
            0 => "fewer rows than neighbours: the label of the last row was read instead".into(),
            _ => wrongly_dropped(),
        };
        let equal_when = "no row is repeated";
        found.push(split.compare(program, (theirs, mean(sum)), ours, equal_when, reason)?);
    }
    let perfect = perfect_score(split);
    let of_classes = split.classes.classes().iter();
    let largest = of_classes.map(|class| class.queries).max().unwrap_or(0);
    for (theirs, sum, places, ours) in [
        ("mAP", sums.map, rows, "ap_full"),
        ("mAP_lim", sums.map_lim, rows.min(1023), "ap_full"),
        ("mAP_1000", sums.map_1000, 1000, "ap_full"),
        ("mAP_c", sums.map_c, largest, "map_at_r"),
    ] {
        let reason = || {
            let mut reasons = vec![format!(
                "the query counts in its denominator: perfect is {perfect:.3} here"
            )];
            if dropped > 0 {
                reasons.push(wrongly_dropped());
            }
            if rows <= places {
                reasons.push(format!(
                    "it asks for {places} neighbours of {rows} rows: the label of the last row is \
                     read for those that are missing"
                ));
            }
            reasons.join("; ")
        };
        let equal_when = "never: the query counts in its denominator";
        found.push(split.compare(program, (theirs, mean(sum)), ours, equal_when, reason)?);
    }
    Ok(())
}

/// Mean over queries of (n − 1)/n, n the size of the class.
fn perfect_score(split: &Split<'_>) -> f64 {
    let of_class = split.classes.classes().iter().map(|class| class.positives);
    of_class.map(|others| others as f64).sum::<f64>() / split.labels.len() as f64
}

/// Places of the positives in the list that begins with the query and from which the first entry
/// was dropped. `ranks` are the places among all other rows, `earlier` the number of those that
/// come before the query.
fn without_first(ranks: &[u32], earlier: u32) -> Vec<u32> {
    if earlier == 0 {
        return ranks.to_vec();
    }
    let mut places: Vec<u32> = ranks
        .iter()
        .filter(|&&rank| rank > 1)
        .map(|&rank| if rank <= earlier { rank - 1 } else { rank })
        .collect();
    places.insert(places.partition_point(|&place| place < earlier), earlier);
    places
}

/// What it takes for a query's neighbours.
struct List {
    /// 1-based places of positives, in 1..rows.
    ranks: Vec<u32>,
    /// Number of rows; the places from here on are missing neighbours.
    rows: usize,
    /// Whether missing neighbours, index −1, carry the label of the query.
    last_is_positive: bool,
}

impl List {
    /// Places of positives among the first `places`.
    fn hits(&self, places: usize) -> impl Iterator<Item = usize> + '_ {
        let missing = if self.last_is_positive {
            self.rows..places + 1
        } else {
            0..0
        };
        let real = self.ranks.iter().map(|&rank| rank as usize);
        real.take_while(move |&place| place <= places)
            .chain(missing)
    }

    fn precision_sum(&self, places: usize) -> f64 {
        let precision = |(hits, place): (usize, usize)| hits as f64 / place as f64;
        (1..).zip(self.hits(places)).map(precision).sum()
    }
}

fn clustering(split: &Split<'_>, found: &mut Vec<Comparison>) -> Result<()> {
    let table = Contingency::new(split.labels, &split.clusters);
    let reason = || {
        "k-means starts from random rows there, from k-means++ here (and there K is the number of \
         training classes; here as many as in this split)"
            .into()
    };
    for (theirs, value, ours) in [
        ("nmi", Some(table.nmi(EntropyMean::Arithmetic)), "nmi"),
        ("f1", table.pair_f1(), "f1"),
    ] {
        let equal_when = "both find the same clusters";
        found.push(split.compare(Program::Original, (theirs, value), ours, equal_when, reason)?);
    }
    Ok(())
}

fn intra(split: &Split<'_>, found: &mut Vec<Comparison>) -> Result<()> {
    let singletons = split.singletons();
    let reason = || {
        if singletons == 0 {
            return "rows of zeros, or one class only: an error or NaN there".into();
        }
        format!(
            "{}: the larger value of the first two classes was put in for each",
            counted(singletons, "class of one", "classes of one")
        )
    };
    found.push(split.compare(
        Program::Original,
        ("dists@intra", intra_value(split)),
        "dists@intra",
        "no class has one member, no row is zero",
        reason,
    )?);
    Ok(())
}

/// Mean over classes of the mean cosine distance within each. NaN of a class is replaced by the
/// maximum of the classes in places 0 and 1: the mask of NaN is used as indices. (The distance of
/// a row from itself over 0 is NaN or, by rounding, infinite; if all are infinite, place 0 is left
/// out there.)
fn intra_value(split: &Split<'_>) -> Option<f64> {
    let mut classes: Vec<f64> = rows_by_class(split.labels)
        .iter()
        .map(|class| class_distance(split, class))
        .collect();
    let is_nan = |value: &f64| value.is_nan();
    // The indices used are 0 for every NaN and 1 for everything else.
    let first = classes.iter().any(is_nan).then_some(0);
    let second = classes.iter().any(|value| !value.is_nan()).then_some(1);
    let chosen: Option<Vec<f64>> = first
        .into_iter()
        .chain(second)
        .map(|place: usize| classes.get(place).copied())
        .collect();
    let chosen = chosen?;
    if chosen.iter().any(is_nan) && classes.iter().any(is_nan) {
        return None;
    }
    let largest = chosen.into_iter().fold(f64::NEG_INFINITY, f64::max);
    classes
        .iter_mut()
        .filter(|value| value.is_nan())
        .for_each(|value| *value = largest);
    Some(classes.iter().sum::<f64>() / classes.len() as f64)
}

/// Mean of 1 − cos over ordered pairs of a class: the sum of all cosines is the squared length of
/// the sum of the unit vectors. NaN for one row, or with a row of zeros.
fn class_distance(split: &Split<'_>, class: &[u32]) -> f64 {
    if class.len() == 1 {
        return f64::NAN;
    }
    let mut sum = vec![0.0; split.dim];
    for &row in class {
        let row = &split.embeddings[row as usize * split.dim..][..split.dim];
        let squares = row.iter().map(|&value| f64::from(value).powi(2));
        let norm = squares.sum::<f64>().sqrt();
        sum.iter_mut()
            .zip(row)
            .for_each(|(sum, &value)| *sum += f64::from(value) / norm);
    }
    let rows = class.len() as f64;
    let cosines: f64 = sum.iter().map(|value| value * value).sum();
    1.0 - (cosines - rows) / (rows * rows - rows)
}

fn spectrum(split: &Split<'_>, found: &mut Vec<Comparison>) -> Result<()> {
    let all = singular_values(split.embeddings, split.dim)?;
    let fewer = &all[..(split.dim - 1).min(all.len())];
    for (theirs, sigma, ours) in [
        ("rho_spectrum@2 (CPU)", fewer, "rho_spectrum@2"),
        (
            "rho_spectrum@2 (GPU)",
            all.as_slice(),
            "rho_spectrum_full@2",
        ),
    ] {
        let value = spectral_decay(sigma, 2, 0.0).map(|(value, _)| value);
        let reason = || "a singular value is zero: infinite there, raised to a floor here".into();
        let equal_when = "no singular value is zero";
        found.push(split.compare(Program::Original, (theirs, value), ours, equal_when, reason)?);
    }
    Ok(())
}
