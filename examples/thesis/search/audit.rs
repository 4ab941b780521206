//! Looks a journal through: is every trial in it, from its first word to its last?

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use earlystop::journal::{Input, Reader};
use earlystop::model::{ConnId, Event, Line, Moment, Name, RunId, Said};

use super::plan::Planned;
use super::record::Record;
use crate::stats::quantile;

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audit {
    /// Trials that said hello and came to an end: set and name.
    pub whole: HashSet<(String, String)>,
    /// Their steps, all in all; of a trial that ran more than once, those of the last time.
    pub steps: u64,
    /// Reports with steps.
    pub reports: u64,
    /// Samples of memory and CPU.
    pub samples: u64,
    /// Seconds between two looks at all trials, while there were any.
    pub gaps: Vec<f64>,
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
    let mut looked: Option<Moment> = None;
    for recorded in Reader::open(journal)? {
        match recorded?.input {
            // Whoever wrote before was killed, or ended while trials ran.
            Input::Started(_) => (talking, running, looked) = Default::default(),
            Input::Dropped(dropped) => audit.dropped += dropped.count,
            Input::Event(Event::Reading(_)) => audit.samples += 1,
            Input::Event(Event::Tick(tick)) => {
                audit.samples += tick.trees.len() as u64;
                audit.gaps.extend(looked.map(|before| tick.at.seconds_since(before)));
                looked = (!tick.trees.is_empty()).then_some(tick.at);
            }
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

/// Says what the journal holds; an error if a trial is missing in it.
pub fn account(planned: &[&Planned], all: &[Record], journal: &Path, start: Instant) -> Result<(), Box<dyn Error>> {
    let audit = audit(journal)?;
    let is_missing = |planned: &&&Planned| !audit.whole.contains(&(planned.configuration.set.clone(), planned.name()));
    let missing: Vec<String> = planned.iter().filter(is_missing).map(|planned| planned.name()).collect();
    // A sum of nothing is -0.
    let cpu = all.iter().map(|record| record.cpu_seconds).sum::<f64>() + 0.0;
    println!(
        "{} trials, {} steps, {} reports, {} samples in {}; {cpu:.1} s of CPU; this run took {:.1} s.",
        audit.whole.len(),
        audit.steps,
        audit.reports,
        audit.samples,
        journal.display(),
        start.elapsed().as_secs_f64()
    );
    if let (Some(middle), Some(late)) = (quantile(&audit.gaps, 0.5), quantile(&audit.gaps, 0.99)) {
        println!("The sidecar looked every {:.1} ms (median; 99 % within {:.1} ms).", 1e3 * middle, 1e3 * late);
    }
    if audit.dropped > 0 {
        println!("The journal says that it lacks {} inputs.", audit.dropped);
    }
    match missing.as_slice() {
        [] => Ok(()),
        [first, ..] => {
            Err(format!("{} trials are not whole in the journal; the first is {first}", missing.len()).into())
        }
    }
}
