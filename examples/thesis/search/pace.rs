//! How long a trial is: so many epochs as its search says, or so many more that it lasts a given time.
//!
//! A trial that is to last is timed first, once for each configuration, beside a sidecar whose journal is thrown away. What
//! came of that is written down beside the search's journal.

use std::collections::HashMap;
use std::error::Error;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::hands::Hands;
use super::plan::{Configuration, Fold};
use super::record::Record;
use super::shared::{self, Mapped};
use super::trainer::Kind;
use super::worker::{Arguments, Effort};
use crate::sidecar::{Setup, Sidecar};

/// Folder of a search whose trials last, beside the journal of another.
pub const FOLDER: &str = "long";

/// The file beside the journal.
const FILE: &str = "pace.jsonl";

/// Training time between two reports of a trial that is to last. Where steps take a microsecond, a report every 100 steps
/// is 10,000 a second: with three trials at a time the journal kept some 16,000 reports a second, and lacked the others
/// (red_wine, 2,000 epochs, 4 cores). At this pace it gets a few hundred.
const SECONDS_A_REPORT: f64 = 0.005;

/// Training time that is long enough to time a step by, and how often that is done: the fastest counts, for what else the
/// machine does makes steps slower, never faster.
const ENOUGH: f64 = 0.05;
const TIMES: u32 = 3;

/// A timed run is repeated with more steps, until it was long enough; with so many it is, however short a step.
const FIRST: u64 = 8;
const MOST: u64 = 1 << 26;

/// Trials are made so much longer than asked for: a step may be faster than it was when it was timed.
const MARGIN: f64 = 1.3;

/// A configuration as it was timed, and what follows from that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// The data set.
    pub set: String,
    /// The configuration's name.
    pub group: String,
    /// Steps of the timed run.
    pub steps: u64,
    /// Seconds that these took, evaluation left out; the fastest of three runs.
    pub seconds: f64,
    /// Passes over the training rows that its trials make.
    pub epochs: u32,
    /// Steps between two reports.
    pub steps_a_report: u64,
}

/// How much each configuration's trials train.
pub struct Pace {
    effort: Effort,
    /// Trials that are to last are timed beside this sidecar.
    lasting: Option<(Lasting, Sidecar)>,
}

/// What is needed to make trials last.
struct Lasting {
    seconds: f64,
    file: PathBuf,
    known: Mutex<HashMap<(String, String), Timed>>,
}

impl Pace {
    /// All trials have this effort; with `at_least`, as many epochs more as make them last so many seconds.
    ///
    /// # Errors
    /// What an earlier run timed cannot be read; the sidecar does not start; Ray trains, whose trials have one sidecar only.
    pub fn new(effort: Effort, at_least: Option<f64>, trainer: Kind, out: &Path) -> Result<Pace, Box<dyn Error>> {
        let Some(seconds) = at_least else { return Ok(Pace { effort, lasting: None }) };
        if trainer == Kind::Ray {
            return Err(
                "--at-least times each configuration beside a sidecar of its own, and Ray has only one: leave it \
                        out, or take --trainer sklearn"
                    .into(),
            );
        }
        let lasting = Lasting::new(seconds, out)?;
        let sidecar = Sidecar::start("", "no policy".as_ref(), Setup::default())?;
        Ok(Pace { effort, lasting: Some((lasting, sidecar)) })
    }

    /// The effort of a configuration's trials; a configuration that is new is timed, on this core.
    pub fn of(&self, one: &Configuration, rows: &Path, core: usize, hands: &Hands) -> io::Result<Effort> {
        let Some((lasting, sidecar)) = &self.lasting else { return Ok(self.effort) };
        let timed = lasting.of(one, self.effort, |effort, fold| {
            let path = shared::path(rows, &one.set, &Fold::Without(0).name());
            let mut arguments = Arguments::of(one, &path, fold, effort);
            arguments.push(format!("--core={core}"));
            let view = hands.run(&arguments, &one.set, &format!("{}-{fold}", one.name()), sidecar)?;
            let an_epoch = Mapped::open(&path).map_err(|e| io::Error::other(e.to_string()))?.head.train;
            let cpu = view.totals.cpu.first + view.totals.cpu.second;
            Ok(Ran { wall: view.progress.step_times.sum, cpu, an_epoch: an_epoch.div_ceil(one.batch_size) })
        })?;
        Ok(Effort { epochs: timed.epochs, steps_a_report: Some(timed.steps_a_report), ..self.effort })
    }

    /// Tells how long trials were made, and how many are shorter all the same.
    pub fn tell(&self, records: &[Record]) -> Result<(), Box<dyn Error>> {
        let Some((lasting, _)) = &self.lasting else { return Ok(()) };
        let folder = lasting.file.parent().unwrap_or(Path::new("."));
        said(&read(folder)?).iter().for_each(|line| println!("{line}"));
        let short = records.iter().filter(|record| record.rule.is_none() && record.elapsed_seconds < lasting.seconds);
        match short.count() {
            0 => {}
            count => println!("{count} of {} trials lasted less than {} s.", records.len(), lasting.seconds),
        }
        Ok(())
    }
}

impl Lasting {
    fn new(seconds: f64, out: &Path) -> Result<Lasting, Box<dyn Error>> {
        let known = read(out)?.into_iter().map(|timed| ((timed.set.clone(), timed.group.clone()), timed)).collect();
        Ok(Lasting { seconds, file: out.join(FILE), known: Mutex::new(known) })
    }

    /// `run` trains so much and tells what it took.
    fn of(
        &self,
        one: &Configuration,
        effort: Effort,
        run: impl Fn(&Effort, &str) -> io::Result<Ran>,
    ) -> io::Result<Timed> {
        let key = (one.set.clone(), one.name());
        if let Some(timed) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(timed.clone());
        }
        let once = |steps: u64, time: u32| {
            let short = Effort { epochs: u32::MAX, steps: Some(steps), steps_a_report: Some(steps), ..effort };
            run(&short, &format!("timed{time}-{steps}"))
        };
        let first = once(FIRST, 1)?;
        let (mut steps, mut seconds) = (FIRST, first.wall);
        while seconds < ENOUGH && steps < MOST {
            steps = next(steps, seconds);
            seconds = once(steps, 1)?.seconds(steps, &first);
        }
        for time in 2..=TIMES {
            seconds = seconds.min(once(steps, time)?.seconds(steps, &first));
        }
        let a_step = seconds / steps as f64;
        let wanted = (MARGIN * self.seconds / (a_step * first.an_epoch as f64)).ceil();
        // A cast of a float ends at the largest number.
        let (epochs, steps_a_report) = (effort.epochs.max(wanted as u32), (SECONDS_A_REPORT / a_step).ceil() as u64);
        let timed = Timed { set: key.0.clone(), group: key.1.clone(), steps, seconds, epochs, steps_a_report };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Two folds may have been timed at the same time; all folds get the same.
        if let Some(first) = known.get(&key) {
            return Ok(first.clone());
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.file)?;
        writeln!(file, "{}", serde_json::to_string(&timed)?)?;
        known.insert(key, timed.clone());
        Ok(timed)
    }
}

/// What a timed run took.
struct Ran {
    /// Seconds of its steps.
    wall: f64,
    /// CPU seconds of the whole process.
    cpu: f64,
    /// Steps of an epoch.
    an_epoch: usize,
}

impl Ran {
    /// Seconds that its steps take on a core of their own: where the core is shared, CPU time tells them better. What the
    /// process needs beside its steps, the first run of all needed too.
    fn seconds(&self, steps: u64, first: &Ran) -> f64 {
        let more = steps - FIRST;
        let cpu = if more > 0 { (self.cpu - first.cpu) * steps as f64 / more as f64 } else { self.cpu };
        if cpu > 0.0 { self.wall.min(cpu) } else { self.wall }
    }
}

/// Steps of the next timed run, after one of `steps` that was too short: such that it is long enough, if it goes on like
/// this; but the first steps of all are slow, so 8 to 512 times as many.
fn next(steps: u64, seconds: f64) -> u64 {
    let factor = (MARGIN * ENOUGH / seconds.max(1e-9)).ceil() as u64;
    (steps * factor.clamp(8, 512)).min(MOST)
}

/// A length that trials may be asked to have, seconds.
pub fn seconds(text: &str) -> Result<f64, String> {
    let wanted = "a length is more than 0 and at most 3600 seconds";
    text.parse().ok().filter(|seconds| *seconds > 0.0 && *seconds <= 3600.0).ok_or_else(|| wanted.to_string())
}

/// What was timed for a search; nothing for one whose trials are as long as they are. A last line that was cut off is left
/// out: that configuration is timed again.
pub fn read(out: &Path) -> Result<Vec<Timed>, Box<dyn Error>> {
    crate::lines::read(&out.join(FILE))
}

/// What a person has to know of trials that were made to last.
pub fn said(timed: &[Timed]) -> Option<String> {
    let range = |of: fn(&Timed) -> u64| {
        let (least, most) = (timed.iter().map(of).min()?, timed.iter().map(of).max()?);
        Some(if least == most { format!("{least}") } else { format!("{least} to {most}") })
    };
    Some(format!(
        "Trials were made longer, so that there is something to see over time: each of {} configurations was timed, and its \
         trials train for {} epochs. They report every {} steps, about every {:.0} ms of training, and not at each epoch's end.",
        timed.len(),
        range(|timed| timed.epochs.into())?,
        range(|timed| timed.steps_a_report)?,
        1e3 * SECONDS_A_REPORT
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Task;
    use crate::search::plan::grid;

    #[test]
    fn a_configuration_is_timed_once_and_lasts_as_long_as_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let effort = Effort { epochs: 20, steps: None, eval_rows: 7, steps_a_report: None };
        let lasting = Lasting::new(2.0, folder.path()).expect("nothing was timed yet");
        let one = &grid("red_wine", Task::Regression, 7)[0];
        // A step of 10 µs, 50 an epoch: 2.6 s are 5,200 epochs, 5 ms are 500 steps. The first run of each length is slower.
        let run = |effort: &Effort, fold: &str| {
            let steps = effort.steps.expect("a timed run has its steps");
            assert_eq!((effort.eval_rows, effort.steps_a_report), (7, Some(steps)));
            assert!(fold.ends_with(&format!("-{steps}")), "{fold}");
            let cpu = 0.004 + 1e-5 * steps as f64;
            Ok(Ran { wall: if fold.starts_with("timed1-") { 3e-5 } else { 1e-5 } * steps as f64, cpu, an_epoch: 50 })
        };
        let timed = lasting.of(one, effort, run).expect("it was timed");
        assert!((5_199..=5_201).contains(&timed.epochs) && (499..=501).contains(&timed.steps_a_report), "{timed:?}");
        let again = lasting.of(one, effort, |_, _| Err(io::Error::other("it is known"))).expect("it is known");
        assert_eq!(again, timed);
        assert_eq!(read(folder.path()).expect("written"), [timed.clone()]);
        assert!(said(&[timed]).expect("one").contains("each of 1 configurations"));
        assert_eq!(said(&[]), None);
    }

    #[test]
    fn on_a_shared_core_cpu_time_tells_how_long_steps_take() {
        let ran = |wall, cpu| Ran { wall, cpu, an_epoch: 1 };
        let first = ran(1e-5, 0.004);
        let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found} {wanted}");
        close(ran(0.3, 0.104).seconds(FIRST * 1000, &first), 0.1 * 1000.0 / 999.0);
        close(ran(0.09, 0.104).seconds(FIRST * 1000, &first), 0.09);
        close(ran(0.09, 0.003).seconds(FIRST * 1000, &first), 0.09);
        close(ran(1.4, 0.5).seconds(FIRST, &ran(1.4, 0.5)), 0.5);
    }

    #[test]
    fn a_timed_run_grows_until_it_is_long_enough() {
        assert_eq!(next(8, 1e-6), 8 * 512);
        assert_eq!(next(8, 0.04), 64);
        assert_eq!(next(MOST / 2, 0.0), MOST);
    }
}
