//! Looks a journal through: is every trial in it, from its first word to its last?

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::path::Path;

use earlystop::journal::{Input, Reader};
use earlystop::model::{ConnId, Event, Line, Name, RunId, Said};

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Trials that said hello and came to an end: set and name.
    pub whole: HashSet<(String, String)>,
    /// Their steps, all in all; of a trial that ran more than once, those of the last time.
    pub steps: u64,
    /// Reports with steps.
    pub reports: u64,
    /// Samples of memory and CPU.
    pub samples: u64,
    /// Inputs that the journal says are missing.
    pub dropped: u64,
}

/// A trial's set and name.
type Who = (String, String);

/// Reads it from its beginning to its end. No daemon may be writing it.
pub fn audit(journal: &Path) -> Result<Audit, Box<dyn Error>> {
    let mut audit = Audit::default();
    let mut talking: HashMap<ConnId, Who> = HashMap::new();
    let mut running: HashMap<RunId, Who> = HashMap::new();
    let mut steps: HashMap<Who, u64> = HashMap::new();
    for recorded in Reader::open(journal)? {
        match recorded?.input {
            // Whoever wrote before was killed, or ended while trials ran.
            Input::Started(_) => (talking, running) = Default::default(),
            Input::Dropped(dropped) => audit.dropped += dropped.count,
            Input::Event(Event::Reading(_)) => audit.samples += 1,
            Input::Event(Event::Tick(tick)) => audit.samples += tick.trees.len() as u64,
            // The kernel may tell of the end before the last lines are read.
            Input::Event(Event::Exited(exited)) => audit.whole.extend(running.remove(&exited.run)),
            Input::Event(Event::Line(Line { conn, said, .. })) => match said {
                Said::Hello(hello, run) => {
                    let text = |name: &Option<Name>| name.as_ref().map(ToString::to_string).unwrap_or_default();
                    let who = (text(&hello.spec.experiment), text(&hello.spec.trial));
                    running.insert(run, who.clone());
                    talking.insert(conn, who);
                }
                Said::Step(step) => {
                    audit.reports += u64::from(step.step.is_some());
                    if let (Some(who), Some(at)) = (talking.get(&conn), step.step) {
                        steps.insert(who.clone(), at);
                    }
                }
                Said::Done(_) => audit.whole.extend(talking.remove(&conn)),
                _ => {}
            },
            _ => {}
        }
    }
    audit.steps = audit.whole.iter().filter_map(|who| steps.get(who)).sum();
    Ok(audit)
}
