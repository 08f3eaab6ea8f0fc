//! A real MLflow server, and its own client to see what it was told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::python;
use crate::support::{Place, events, refused, stderr, succeeded};

const READER: &str = include_str!("read_mlflow.py");

/// A server on a free port of this machine, with everything it started.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(place: &Place) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let number = port.to_string();
        let database = format!("sqlite:///{}", place.path("mlflow.db").display());
        let process = python::command(&["-m", "mlflow", "server", "--host", "127.0.0.1"])
            .args(["--port", &number, "--workers", "1"])
            .args(["--backend-store-uri", &database])
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            .current_dir(place.path(""))
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { process, port };
        let from = Instant::now();
        while !server.is_up() {
            let ended = server.process.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {ended:?}");
            assert!(
                from.elapsed() < Duration::from_secs(180),
                "the server does not answer"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        server
    }

    fn is_up(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.contains("200"))
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The run that `folder` belongs to, with some of its curves.
    fn read(&self, folder: &Path, curves: &[&str]) -> Value {
        let known = std::fs::read_to_string(folder.join("mlflow.json")).unwrap();
        let known: Value = serde_json::from_str(&known).unwrap();
        let address = self.address();
        let arguments = [&address, known["run_id"].as_str().unwrap()];
        python::ask(READER, &[&arguments[..], curves].concat())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.process.wait();
    }
}

/// Steps and losses as the run folder has them.
fn losses(run: &Path) -> Vec<(u64, f64)> {
    let all = events(run);
    let number = |event: &Value, key: &str| event[key].as_u64().unwrap();
    let batches = number(&all[0], "batches_per_epoch");
    let steps = all.iter().filter(|event| event["event"] == "step");
    let found: std::collections::BTreeMap<u64, f64> = steps
        .map(|event| {
            let done = (number(event, "epoch") - 1) * batches + number(event, "batch") + 1;
            (done, event["loss"].as_f64().unwrap())
        })
        .collect();
    found.into_iter().collect()
}

fn assert_losses(read: &Value, run: &Path) {
    let shown = read["curves"]["train/loss"].as_array().unwrap();
    let shown: Vec<(u64, f32)> = shown
        .iter()
        .map(|point| {
            (
                point[0].as_u64().unwrap(),
                point[1].as_f64().unwrap() as f32,
            )
        })
        .collect();
    let recorded = losses(run).into_iter();
    assert_eq!(
        shown,
        recorded
            .map(|(step, loss)| (step, loss as f32))
            .collect::<Vec<_>>()
    );
}

pub fn runs_on_a_server() {
    let place = Place::new();
    place.dataset(14, 6);
    let server = Server::start(&place);
    let tracker = format!("mlflow={}/birds", server.address());
    finished(&place, &server, &tracker);
    stopped_and_continued(&place, &server, &tracker);
    failed(&place, &server, &tracker);
    told_afterwards(&place, &server, &tracker);
}

fn finished(place: &Place, server: &Server, tracker: &str) {
    let more = ["--epochs", "3", "--run", "one", "--tracker", tracker];
    let output = place.train(&more);
    succeeded(&output);
    assert!(!stderr(&output).contains("tracker"), "{}", stderr(&output));
    let run = place.path("one");
    let read = server.read(&run, &["train/loss"]);
    assert_eq!(
        (&read["status"], &read["experiment"]),
        (&"FINISHED".into(), &"birds".into())
    );
    assert_losses(&read, &run);
    assert_eq!(read["params"]["objective.name"], "multisimilarity");
    assert_eq!(read["params"]["sampler.batch_size"], "8");
    assert!(read["tags"]["likewise.dataset"].as_str().unwrap().len() > 20);
    let all = events(&run);
    let end = all.last().unwrap();
    for (name, value) in end["metrics"].as_object().unwrap() {
        let name = format!("result/{}", name.replace('@', "_at_"));
        assert_eq!(&read["metrics"][&name], value, "{name}");
    }
    for name in [
        "validation/recall_at_1",
        "epoch/images_per_second",
        "train/learning_rate",
    ] {
        assert!(read["metrics"][name].is_number(), "{name}: {read}");
    }
}

fn stopped_and_continued(place: &Place, server: &Server, tracker: &str) {
    let options = ["--run", "two", "--tracker", tracker, "--epochs", "1000000"];
    let run = place.path("two");
    let start = |more: &[&str]| {
        place
            .command(&Place::train_arguments(&[&options[..], more].concat()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let wait = |count: usize| {
        let from = Instant::now();
        let lines = || std::fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
        while lines().matches("\"event\":\"epoch\"").count() < count
            || !run.join("mlflow.json").exists()
        {
            assert!(from.elapsed() < Duration::from_secs(120));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let signal = |process: &mut Child, name: &str| {
        let id = process.id().to_string();
        Command::new("kill").args([name, &id]).status().unwrap();
        process.wait().unwrap().code()
    };
    let mut process = start(&[]);
    wait(3);
    assert_eq!(signal(&mut process, "-INT"), Some(130));
    let read = server.read(&run, &["train/loss"]);
    assert_eq!(read["status"], "KILLED");
    assert_losses(&read, &run);
    let runs = read["runs"].clone();
    // Continued, killed without a chance to say so, and continued once more: one run, each step once.
    let mut process = start(&["--resume"]);
    wait(6);
    signal(&mut process, "-KILL");
    assert_eq!(server.read(&run, &[])["status"], "RUNNING");
    let mut process = start(&["--resume"]);
    wait(9);
    assert_eq!(signal(&mut process, "-INT"), Some(130));
    let read = server.read(&run, &["train/loss"]);
    assert_eq!((&read["status"], &read["runs"]), (&"KILLED".into(), &runs));
    assert_losses(&read, &run);
}

fn failed(place: &Place, server: &Server, tracker: &str) {
    let more = [
        "--run",
        "three",
        "--tracker",
        tracker,
        "--set",
        "optimizer.learning_rate=1e30",
    ];
    refused(&place.train(&more), &["NaN"]);
    let read = server.read(&place.path("three"), &["train/loss"]);
    assert_eq!(read["status"], "FAILED");
}

/// A finished run that MLflow never heard of.
fn told_afterwards(place: &Place, server: &Server, tracker: &str) {
    succeeded(&place.train(&["--run", "four", "--epochs", "2"]));
    succeeded(&place.train(&[
        "--run",
        "four",
        "--epochs",
        "2",
        "--resume",
        "--tracker",
        tracker,
    ]));
    let run = place.path("four");
    let read = server.read(&run, &["train/loss"]);
    assert_eq!(read["status"], "FINISHED");
    assert_losses(&read, &run);
}
