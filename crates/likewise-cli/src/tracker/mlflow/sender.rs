//! The thread that talks to an MLflow server. While the server is away it tries again and again;
//! it gives up when the run ends or the server refuses.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Ending;
use super::client::{Client, Failure};
use super::{Timed, now};
use crate::output;

/// Metrics and parameters in a request, by the limits of the server.
const METRICS: usize = 1000;
const PARAMETERS: usize = 100;
/// Longest value of a parameter that servers of all versions take, in characters.
const LONGEST: usize = 500;
/// How long values are gathered before they are sent.
const GATHER: Duration = Duration::from_secs(1);
/// Pauses between attempts double up to this one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often it is looked whether the run has ended.
const GLANCE: Duration = Duration::from_millis(100);

/// What is to be sent beside metrics.
#[derive(Debug)]
pub struct Job {
    pub client: Client,
    pub experiment: String,
    pub run_name: String,
    pub parameters: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    /// Where the run remembers what it is called on the server.
    pub state: PathBuf,
}

/// What thread and run tell each other beside the queue.
#[derive(Debug, Default)]
pub struct Signals {
    /// How the run ended, when it has.
    pub ending: Option<Ending>,
    /// That the server does not answer; said once.
    pub notice: Option<String>,
    /// Why the thread gave up.
    pub failure: Option<String>,
}

/// `mlflow.json`: the run on the server.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Known {
    run_id: String,
    experiment_id: String,
    experiment: String,
}

/// The thread's work.
#[derive(Debug)]
pub struct Sender {
    job: Job,
    queue: Receiver<Timed>,
    signals: Arc<Mutex<Signals>>,
    run_id: String,
    has_warned: Cell<bool>,
    /// The last step of each metric that the server has.
    sent: BTreeMap<String, i64>,
}

impl Sender {
    pub fn new(job: Job, queue: Receiver<Timed>, signals: Arc<Mutex<Signals>>) -> Self {
        Self {
            job,
            queue,
            signals,
            run_id: String::new(),
            has_warned: Cell::new(false),
            sent: BTreeMap::new(),
        }
    }

    /// Sends what is `known` of the run and then what comes, until the queue is closed.
    pub fn run(mut self, known: Vec<Timed>) {
        if let Err(failure) = self.work(known) {
            let text = format!("{failure}; --resume sends what is missing");
            self.lock().failure = Some(text);
        }
    }

    fn work(&mut self, known: Vec<Timed>) -> Result<(), Failure> {
        self.begin()?;
        self.send(known)?;
        loop {
            let mut gathered = Vec::new();
            let mut open = true;
            let end = Instant::now() + GATHER;
            while open && gathered.len() < METRICS && Instant::now() < end {
                let wait = end.saturating_duration_since(Instant::now());
                match self.queue.recv_timeout(wait) {
                    Ok(record) => gathered.push(record),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => open = false,
                }
            }
            self.send(gathered)?;
            if !open {
                return self.end();
            }
        }
    }

    /// Finds the run that this one is on the server, or makes it.
    fn begin(&mut self) -> Result<(), Failure> {
        let known = std::fs::read_to_string(&self.job.state).ok();
        let known = known.and_then(|text| serde_json::from_str::<Known>(&text).ok());
        if let Some(known) = known.filter(|known| known.experiment == self.job.experiment) {
            let query = ("run_id", known.run_id.as_str());
            match self.insist(|client| client.get("runs/get", query)) {
                Ok(run) => {
                    self.sent = last_steps(&run);
                    self.run_id = known.run_id;
                    let body = json!({"run_id": self.run_id, "status": "RUNNING"});
                    return self.post("runs/update", &body).map(drop);
                }
                Err(Failure::NotFound) => {}
                Err(failure) => return Err(failure),
            }
        }
        self.create()
    }

    fn create(&mut self) -> Result<(), Failure> {
        let experiment = self.job.experiment.clone();
        let experiment_id = match self.find(&experiment) {
            Err(Failure::NotFound) => {
                let body = json!({"name": experiment});
                match self.post("experiments/create", &body) {
                    Ok(answer) => text(&answer["experiment_id"])?,
                    // Another run may have made it in the meantime.
                    Err(failure) => self.find(&experiment).map_err(|_| failure)?,
                }
            }
            found => found?,
        };
        let tags = pairs(&self.job.tags);
        let body = json!({
            "experiment_id": experiment_id,
            "run_name": self.job.run_name,
            "start_time": now(),
            "tags": tags,
        });
        let answer = self.post("runs/create", &body)?;
        self.run_id = text(&answer["run"]["info"]["run_id"])?;
        for some in pairs(&self.job.parameters).chunks(PARAMETERS) {
            let body = json!({"run_id": self.run_id, "params": some});
            self.post("runs/log-batch", &body)?;
        }
        let known = Known {
            run_id: self.run_id.clone(),
            experiment_id,
            experiment,
        };
        output::write_json(&self.job.state, &known)
            .map_err(|error| Failure::Refused(format!("{error:#}")))
    }

    fn find(&self, experiment: &str) -> Result<String, Failure> {
        let query = ("experiment_name", experiment);
        let answer = self.insist(|client| client.get("experiments/get-by-name", query))?;
        text(&answer["experiment"]["experiment_id"])
    }

    /// Sends what the server does not have. Values that are not finite cannot be sent.
    fn send(&mut self, records: Vec<Timed>) -> Result<(), Failure> {
        let mut metrics = Vec::new();
        for (timestamp, points) in records {
            for point in points {
                let key = metric_name(&point.curve);
                let step = point.step as i64;
                let is_new = self.sent.get(&key).is_none_or(|&last| step > last);
                if is_new && point.value.is_finite() {
                    metrics.push(json!({
                        "key": key, "value": point.value, "timestamp": timestamp, "step": step,
                    }));
                    self.sent.insert(key, step);
                }
            }
        }
        for some in metrics.chunks(METRICS) {
            let body = json!({"run_id": self.run_id, "metrics": some});
            self.post("runs/log-batch", &body)?;
        }
        Ok(())
    }

    /// Says how the run ended. One that was dropped without an end goes on being shown as running.
    fn end(&mut self) -> Result<(), Failure> {
        let status = match self.lock().ending {
            Some(Ending::Finished) => "FINISHED",
            Some(Ending::Stopped) => "KILLED",
            Some(Ending::Failed) => "FAILED",
            None => return Ok(()),
        };
        let body = json!({"run_id": self.run_id, "status": status, "end_time": now()});
        self.post("runs/update", &body).map(drop)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.insist(|client| client.post(path, body))
    }

    /// Tries until the server answers, or the run has ended.
    fn insist(
        &self,
        request: impl Fn(&Client) -> Result<Value, Failure>,
    ) -> Result<Value, Failure> {
        let mut pause = Duration::from_secs(1);
        loop {
            match request(&self.job.client) {
                Err(Failure::Unavailable(why)) => {
                    if !self.has_warned.replace(true) {
                        let notice =
                            format!("no answer yet ({why}); trying again until the run ends");
                        self.lock().notice = Some(notice);
                    }
                    if !self.wait(pause) {
                        return Err(Failure::Unavailable(why));
                    }
                    pause = LONGEST_PAUSE.min(2 * pause);
                }
                other => return other,
            }
        }
    }

    /// Waits; false if the run has ended before that.
    fn wait(&self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            if self.lock().ending.is_some() {
                return false;
            }
            thread::sleep(GLANCE);
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Signals> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last step of each metric of a run.
fn last_steps(run: &Value) -> BTreeMap<String, i64> {
    let metrics = run["run"]["data"]["metrics"].as_array();
    let step = |metric: &Value| {
        let step = metric.get("step").map_or(Some(0), Value::as_i64)?;
        Some((metric["key"].as_str()?.to_owned(), step))
    };
    metrics.into_iter().flatten().filter_map(step).collect()
}

fn text(value: &Value) -> Result<String, Failure> {
    let text = value.as_str().map(ToOwned::to_owned);
    text.ok_or_else(|| Failure::Refused("the server's answer is not MLflow's".into()))
}

/// As the API takes tags and parameters.
fn pairs(map: &BTreeMap<String, String>) -> Vec<Value> {
    let pair = |(key, value): (&String, &String)| {
        let value: String = value.chars().take(LONGEST).collect();
        json!({"key": key, "value": value})
    };
    map.iter().map(pair).collect()
}

/// MLflow allows letters, digits and `_-./ ` in names.
fn metric_name(curve: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-./ ".contains(c);
    let name = curve.replace('@', "_at_");
    name.chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}
