//! MLflow, by its REST API, from a thread of its own: the run never waits for the server. What a
//! server does not have yet is sent again when the run is continued.

mod client;
mod sender;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use self::client::Client;
use self::sender::{Job, Sender, Signals};
use super::choice::MlflowServer;
use super::series::{Point, Series};
use super::{Ending, Tracker};
use crate::environment::Environment;
use crate::history::Record;
use crate::run_folder::{RunFolder, settings};
use crate::source::dataset_name;

/// Records that may wait to be sent.
const QUEUE: usize = 10_000;
/// How long the end of a run waits until everything is sent.
const LAST_WAIT: Duration = Duration::from_secs(20);

/// Points with the time at which they were measured, in milliseconds since 1970.
type Timed = (u64, Vec<Point>);

/// Sends a run to a server.
#[derive(Debug)]
pub struct Mlflow {
    series: Series,
    queue: Option<SyncSender<Timed>>,
    signals: Arc<Mutex<Signals>>,
    done: Receiver<()>,
}

impl Mlflow {
    /// Starts the thread; it makes or finds the experiment and the run.
    pub fn open(
        server: &MlflowServer,
        folder: &RunFolder,
        environment: &Environment,
    ) -> Result<Self> {
        let recipe = folder.recipe();
        let mut series = Series::default();
        let mut known: Vec<Timed> = Vec::new();
        let mut time = now();
        for record in folder.history().records() {
            if let Record::Started { time: seconds, .. } = record {
                time = seconds * 1000;
            }
            known.push((time, series.follow(record)));
        }
        let experiment = server.experiment.clone();
        let job = Job {
            client: Client::new(&server.address),
            experiment: experiment.unwrap_or_else(|| dataset_name(&recipe.data)),
            run_name: format!("{} seed {}", recipe.name, recipe.seed),
            parameters: settings(recipe)
                .into_iter()
                .map(|(key, value)| (key, value.trim_matches('"').to_owned()))
                .collect(),
            tags: tags(environment),
            state: folder.path().join("mlflow.json"),
        };
        let (queue, waiting) = sync_channel(QUEUE);
        let (say_done, done) = sync_channel(1);
        let signals = Arc::<Mutex<Signals>>::default();
        let sender = Sender::new(job, waiting, Arc::clone(&signals));
        thread::Builder::new()
            .name("mlflow".into())
            .spawn(move || {
                sender.run(known);
                let _ = say_done.send(());
            })
            .context("a thread for MLflow cannot be started")?;
        Ok(Self {
            series,
            queue: Some(queue),
            signals,
            done,
        })
    }

    /// What the thread has to say, once.
    fn check(&self) -> Result<()> {
        let mut signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        match signals.failure.take() {
            Some(failure) => bail!(failure),
            None => Ok(()),
        }
    }
}

impl Tracker for Mlflow {
    fn record(&mut self, record: &Record) -> Result<()> {
        self.check()?;
        let points = self.series.follow(record);
        let (false, Some(queue)) = (points.is_empty(), &self.queue) else {
            return Ok(());
        };
        match queue.try_send((now(), points)) {
            Ok(()) => Ok(()),
            // It has ended, and said why.
            Err(TrySendError::Disconnected(_)) => self.check(),
            Err(TrySendError::Full(_)) => {
                bail!("{QUEUE} records wait to be sent; --resume sends what is missing")
            }
        }
    }

    fn warning(&mut self) -> Option<String> {
        let mut signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        signals.notice.take()
    }

    fn close(&mut self, ending: Ending) -> Result<()> {
        let mut signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        signals.ending = Some(ending);
        drop(signals);
        self.queue = None;
        let waited = self.done.recv_timeout(LAST_WAIT);
        self.check()?;
        if waited == Err(RecvTimeoutError::Timeout) {
            bail!(
                "not everything was sent within {} s; --resume sends what is missing",
                LAST_WAIT.as_secs()
            );
        }
        Ok(())
    }
}

fn now() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.map_or(0, |time| time.as_millis() as u64)
}

fn tags(environment: &Environment) -> BTreeMap<String, String> {
    let device = &environment.device;
    let mut tags = BTreeMap::from([
        ("mlflow.source.name".into(), "likewise".into()),
        ("mlflow.source.type".into(), "LOCAL".into()),
        ("likewise.version".into(), environment.version.into()),
        (
            "likewise.device".into(),
            format!("{} [{}]", device.name, device.backend),
        ),
        ("likewise.dataset".into(), environment.dataset.clone()),
        ("likewise.system".into(), environment.system.clone()),
    ]);
    if let Some(commit) = environment.git {
        tags.insert("mlflow.source.git.commit".into(), commit.into());
    }
    tags
}
