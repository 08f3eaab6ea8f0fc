//! The report of a training run: one HTML file that needs nothing else, neither a network nor a
//! script, and reads the same on a phone, on paper and in the dark.
//!
//! Plain data comes in, text goes out; nothing here knows of files or of training.

mod curves;
mod map;
mod metrics;
mod neighbours;
mod page;
mod picture;
pub mod projection;
mod settings;
mod spectrum;
mod tsne;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use image::RgbImage;
pub use page::render;

pub use crate::chart::Unit;

/// All that the report of a run shows. Parts that are empty are left out of the page.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Heading, such as the recipe's name and the data set.
    pub title: String,
    /// One or two plain sentences under the heading; may be empty.
    pub summary: String,
    /// What was run, on what and with which versions, in groups, in reading order.
    pub settings: Vec<SettingGroup>,
    /// What was seen of the training steps over time, the objective first.
    pub training: Vec<TrainingCurve>,
    /// Metrics of unseen classes over epochs; curves of the same metric share a chart.
    pub progress: Vec<ProgressCurve>,
    /// Metrics of unseen classes, the most important one first.
    pub metrics: Vec<MetricRow>,
    /// What [`MetricRow::start`] is the value of.
    pub start: Start,
    /// Which epoch the numbers are from and how it was chosen.
    pub protocol: String,
    /// Queries with their nearest neighbours, all from unseen classes.
    pub queries: Vec<Query>,
    /// Singular values of the embeddings before and after training.
    pub spectrum: Option<Spectra>,
    /// Map of the embeddings of unseen classes.
    pub map: Option<EmbeddingMap>,
    /// Everything a reader should know before trusting the numbers.
    pub warnings: Vec<String>,
    /// Number of files that could not be read and were skipped.
    pub skipped_files: usize,
}

/// What there is without any training for the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// The pixels themselves.
    #[default]
    RawPixels,
    /// Features of a network trained for another task.
    PretrainedFeatures,
}

/// Settings that belong together.
#[derive(Clone, Debug)]
pub struct SettingGroup {
    /// Heading, such as `Recipe`, `Data`, `Device`, `Versions`.
    pub title: String,
    /// Names and values in reading order.
    pub rows: Vec<(String, String)>,
}

/// A number of the training steps over time.
#[derive(Clone, Debug)]
pub struct TrainingCurve {
    /// Heading, such as `Training objective`.
    pub title: String,
    /// What the vertical axis shows, such as `objective`.
    pub quantity: String,
    /// What it tells, in one sentence; may be empty.
    pub note: String,
    /// What the horizontal axis counts: `step` or `epoch`.
    pub time: String,
    /// Time and value, in order of time. Non-finite values leave a gap.
    pub points: Vec<(f64, f64)>,
}

/// One metric of one split over epochs.
#[derive(Clone, Debug)]
pub struct ProgressCurve {
    /// Title of the metric, as in [`MetricRow::title`].
    pub metric: String,
    /// `test` or `validation`.
    pub split: String,
    /// How its values are written.
    pub unit: Unit,
    /// Epoch (0 is the untrained network) and value. Non-finite values leave a gap.
    pub points: Vec<(f64, f64)>,
}

/// Which change of a metric is an improvement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Larger values are better.
    Larger,
    /// Smaller values are better.
    Smaller,
    /// The metric describes; it does not rank.
    Neither,
}

/// One metric: trained, untrained, and on raw pixels. Missing or non-finite values read `n/a`.
#[derive(Clone, Debug)]
pub struct MetricRow {
    /// Name in files and on the command line, such as `recall@1`.
    pub name: String,
    /// Name for readers, such as `Recall@1`.
    pub title: String,
    /// What it measures, in one sentence.
    pub definition: String,
    /// How its values are written.
    pub unit: Unit,
    /// Which change is an improvement.
    pub better: Better,
    /// Value of the untrained network.
    pub before: Option<f64>,
    /// Value of the trained network.
    pub after: Option<f64>,
    /// Value without any training for the task; see [`Report::start`].
    pub start: Option<f64>,
}

/// An image with the images the network finds most alike.
#[derive(Clone, Debug)]
pub struct Query {
    /// The query: an encoded picture (PNG, JPEG, WebP, GIF, BMP or PNM); large ones are made smaller.
    pub picture: Vec<u8>,
    /// Its class.
    pub class: String,
    /// The nearest images, nearest first.
    pub neighbours: Vec<Neighbour>,
}

/// One of the images the network finds most alike to a query.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// An encoded picture, as in [`Query::picture`].
    pub picture: Vec<u8>,
    /// Its class.
    pub class: String,
    /// Whether that is the query's class.
    pub correct: bool,
}

/// Singular values of the embedding matrix, not centred, largest first. They are normalised here.
#[derive(Clone, Debug)]
pub struct Spectra {
    /// Whose embeddings, such as `training classes` (as in Roth et al., ICML 2020).
    pub of: String,
    /// Of the untrained network; may be empty.
    pub before: Vec<f64>,
    /// Of the trained network.
    pub after: Vec<f64>,
}

/// Map of embeddings, made by [`projection::project`] or otherwise.
#[derive(Clone, Debug)]
pub struct EmbeddingMap {
    /// How the map was made, in one sentence, such as [`projection::Method::describe`].
    pub method: String,
    /// The items.
    pub points: Vec<MapPoint>,
    /// Pictures that points refer to; each goes into the page once, as a cell of a few dozen pixels.
    pub thumbnails: Vec<RgbImage>,
}

/// One item on the map.
#[derive(Clone, Debug)]
pub struct MapPoint {
    /// Horizontal place.
    pub x: f64,
    /// Vertical place.
    pub y: f64,
    /// Class index; chooses colour and shape.
    pub class: usize,
    /// Class name.
    pub class_name: String,
    /// Index into [`EmbeddingMap::thumbnails`].
    pub thumbnail: Option<usize>,
}
