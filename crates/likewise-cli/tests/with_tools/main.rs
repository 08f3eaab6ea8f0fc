//! The real program beside what is not Rust: TensorBoard and MLflow read what it wrote, and file
//! systems are full or read-only. Without Python and these packages, or where nothing may be
//! mounted, a test is ignored, never passed; `LIKEWISE_REQUIRE_PYTHON=1` makes it fail instead.

#[allow(dead_code, reason = "the other test program uses the rest")]
#[path = "../black_box/support.rs"]
mod support;

#[cfg(unix)]
mod mlflow;
mod mounts;
mod python;
mod tensorboard;

use libtest_mimic::{Arguments, Trial};

fn trial(name: &str, usable: bool, test: fn()) -> Trial {
    let test = move || {
        test();
        Ok(())
    };
    Trial::test(name, test).with_ignored_flag(!usable)
}

fn main() {
    let arguments = Arguments::from_args();
    let required = std::env::var("LIKEWISE_REQUIRE_PYTHON").is_ok_and(|value| value == "1");
    let has = |module: &str| required || python::has(module);
    let (tensorboard, mounts) = (has("tensorboard"), mounts::allowed());
    let trials = vec![
        trial(
            "tensorboard::shows_a_run_in_progress_and_continued_without_duplicates",
            tensorboard,
            tensorboard::live_and_continued,
        ),
        trial(
            "tensorboard::holds_every_metric_of_every_split",
            tensorboard,
            tensorboard::holds_everything,
        ),
        #[cfg(unix)]
        trial(
            "mlflow::a_server_holds_runs_that_end_and_go_on_in_every_way",
            has("mlflow"),
            mlflow::runs_on_a_server,
        ),
        trial(
            "mounts::a_full_disk_loses_nothing",
            mounts,
            mounts::full_disk,
        ),
        trial(
            "mounts::a_read_only_run_folder_is_refused",
            mounts,
            mounts::read_only,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}
