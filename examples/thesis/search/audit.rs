//! Looks a journal through: is every trial in it, from its first word to its last?

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::path::Path;

use earlystop::journal::{Input, Reader};
use earlystop::model::{Event, Line, Said};

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Trials that said hello and, later, done: set and name.
    pub whole: HashSet<(String, String)>,
    /// Their steps, all in all.
    pub steps: u64,
    /// Reports with steps.
    pub reports: u64,
    /// Samples of memory and CPU.
    pub samples: u64,
    /// Inputs that the journal says are missing.
    pub dropped: u64,
}

/// Reads it from its beginning to its end. No daemon may be writing it.
pub fn audit(journal: &Path) -> Result<Audit, Box<dyn Error>> {
    let mut audit = Audit::default();
    let mut talking = HashMap::new();
    for recorded in Reader::open(journal)? {
        match recorded?.input {
            Input::Started(_) => talking.clear(),
            Input::Dropped(dropped) => audit.dropped += dropped.count,
            Input::Event(Event::Reading(_)) => audit.samples += 1,
            Input::Event(Event::Tick(tick)) => audit.samples += tick.trees.len() as u64,
            Input::Event(Event::Line(Line { conn, said, .. })) => match said {
                Said::Hello(hello, _) => {
                    let name =
                        |name: Option<&earlystop::model::Name>| name.map(ToString::to_string).unwrap_or_default();
                    let who = (name(hello.spec.experiment.as_ref()), name(hello.spec.trial.as_ref()));
                    talking.insert(conn, (who, 0));
                }
                Said::Step(step) => {
                    audit.reports += u64::from(step.step.is_some());
                    if let (Some((_, steps)), Some(at)) = (talking.get_mut(&conn), step.step) {
                        *steps = at;
                    }
                }
                Said::Done(_) => {
                    if let Some((who, steps)) = talking.remove(&conn) {
                        audit.steps += steps;
                        audit.whole.insert(who);
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
    Ok(audit)
}
