//! Pulls the trainer and turns its events into progress, records and files.

use anyhow::Result;
use likewise::model::Pretrained;
use likewise::recipe::Recipe;
use likewise::train::{Split, Trainer};

use super::session::Session;
use crate::device::Chosen;
use crate::interrupt::Interrupt;
use crate::memory::forecast;
use crate::progress::say;
use crate::run_folder::RunFolder;
use crate::source::LoaderSource;
use crate::tracker::{self, Trackers};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are done and evaluated.
    Finished,
    /// The user stopped it; a checkpoint was written.
    Interrupted,
}

/// Trains from the beginning, the backbone starting from `weights`, or from the folder's last checkpoint.
pub fn train(
    recipe: &Recipe,
    weights: Option<Pretrained>,
    device: &Chosen,
    source: &mut LoaderSource,
    folder: &mut RunFolder,
    interrupt: &Interrupt,
    mut trackers: Trackers,
) -> Result<Ending> {
    let mut trainer = match folder.load()? {
        Some(state) => Trainer::resume(recipe, source, &device.device, state)?,
        None => {
            let mut trainer = Trainer::new(recipe, source, &device.device)?;
            if let Some(weights) = weights {
                trainer.load_pretrained(weights)?;
            }
            trainer
        }
    };
    if trainer.progress().finished {
        say("this run is complete; nothing is left to do");
        for warning in trackers.close(tracker::Ending::Finished) {
            say(format!("warning: {warning}"));
        }
        return Ok(Ending::Finished);
    }
    let mut session = Session::new(device, folder, trackers);
    let classes = source.class_names(Split::Train).len();
    let estimated = forecast::estimate(recipe, classes, device)?.bytes();
    let ended = work(&mut trainer, source, &mut session, interrupt, estimated);
    let ending = match &ended {
        Ok(Ending::Finished) => tracker::Ending::Finished,
        Ok(Ending::Interrupted) => tracker::Ending::Stopped,
        Err(_) => tracker::Ending::Failed,
    };
    // Why the run failed matters more than what the trackers say.
    let closed = session.close_trackers(ending);
    ended.and_then(|ending| closed.map(|()| ending))
}

fn work(
    trainer: &mut Trainer,
    source: &mut LoaderSource,
    session: &mut Session<'_>,
    interrupt: &Interrupt,
    estimated: u64,
) -> Result<Ending> {
    loop {
        let event = pollster::block_on(trainer.next_event(source))
            .map_err(|error| session.explain(error))?;
        let Some(event) = event else { break };
        let after_step = session.handle(event, source)?;
        if after_step && interrupt.is_asked() {
            session.flush()?;
            let state =
                pollster::block_on(trainer.checkpoint()).map_err(|error| session.explain(error))?;
            session.interrupted(&state)?;
            return Ok(Ending::Interrupted);
        }
    }
    // The last state says that nothing is left to do.
    let state = pollster::block_on(trainer.checkpoint()).map_err(|error| session.explain(error))?;
    session.memory(estimated)?;
    session.finish(&state, source)?;
    Ok(Ending::Finished)
}
