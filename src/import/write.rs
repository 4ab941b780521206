//! Writing a history as a journal: an engine listens to it, as a daemon's would have, and what it says of the trials is kept.

use std::path::Path;

use super::Trouble;
use super::history::History;
use super::timeline::Timeline;
use crate::engine::Engine;
use crate::journal::{Imported, JournalError, Recorder};
use crate::model::{Effect, Event, Moment, Reply};

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines of trials.
    pub lines: u64,
    /// Ticks between them.
    pub ticks: u64,
    /// Time between two ticks at most times, nanoseconds.
    pub interval_ns: u64,
}

/// Writes a history to a journal that is not there yet. The trials are those of the user `uid`.
///
/// # Errors
/// There is a file already, the disk, a trial that no daemon would have taken.
pub fn write(history: &History, journal: &Path, uid: u32) -> Result<Written, Trouble> {
    let timeline = Timeline::of(history, uid);
    let imported = Imported { source: history.source.clone(), format: history.format, times: history.times };
    let failed = |error: JournalError| unwritten(journal, &error);
    let mut recorder = Recorder::create(journal, timeline.settings(), imported, timeline.begins()).map_err(failed)?;
    let mut engine = Engine::new(timeline.settings().clone(), || 0, timeline.begins());
    let mut written = Written { interval_ns: timeline.settings().interval_ns, ..Written::default() };
    timeline.tell(|at, event| {
        let effects = engine.step(at, &event);
        match event {
            Event::Tick(_) => written.ticks += 1,
            _ => written.lines += 1,
        }
        keep(&mut recorder, at, event, effects).map_err(|why| match why {
            Lost::Journal(error) => failed(error),
            Lost::Refused(message) => {
                Trouble::new(&history.source, message, "this is a fault of earlystop's import: please report it")
            }
        })
    })?;
    recorder.finish(timeline.ends()).map_err(failed)?;
    Ok(written)
}

/// Why something could not be kept.
enum Lost {
    Journal(JournalError),
    Refused(String),
}

impl From<JournalError> for Lost {
    fn from(error: JournalError) -> Lost {
        Lost::Journal(error)
    }
}

/// An event and what came of it.
fn keep(recorder: &mut Recorder, at: Moment, event: Event, effects: Vec<Effect>) -> Result<(), Lost> {
    recorder.event(at, event)?;
    for effect in effects {
        match effect {
            Effect::Send(_, Reply::Error(refusal)) => return Err(Lost::Refused(refusal.message)),
            Effect::Drop(reason) => return Err(Lost::Refused(format!("something was dropped: {}", reason.as_str()))),
            effect => recorder.effect(at, effect)?,
        }
    }
    Ok(())
}

fn unwritten(journal: &Path, error: &JournalError) -> Trouble {
    match error {
        JournalError::Unreadable { what, .. } => Trouble::new(journal.display(), what, "give another file with -o"),
        other => Trouble::new(journal.display(), other.to_string(), "give another file with -o"),
    }
}
