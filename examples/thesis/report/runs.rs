//! The trials of a journal with everything that was reported and measured of them.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::{Path, PathBuf};

use earlystop::journal::{Input, Reader};
use earlystop::model::{ConnId, Event, Line, Mode, Moment, RunId, Said, Step, TreeSample, TrialView};

use crate::search::share::Share;

/// What a trial said of a stretch of its training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// When it was said, seconds since the trial's start.
    pub at: f64,
    /// Epochs done so far.
    pub epoch: f64,
    /// Samples seen so far.
    pub samples: u64,
    /// Steps of the stretch.
    pub steps: u64,
    /// Seconds they took.
    pub seconds: f64,
    /// Mean loss of the stretch.
    pub loss: f64,
}

/// What the sidecar saw of a trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// When, seconds since the trial's start.
    pub at: f64,
    /// Epochs done so far.
    pub epoch: f64,
    /// RSS - shared, bytes.
    pub memory: f64,
    /// CPU used so far, seconds.
    pub cpu: f64,
}

/// One trial; of one that was tried again, the last attempt.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its last head.
    pub view: TrialView,
    /// What it said, in order.
    pub windows: Vec<Window>,
    /// What was seen of it while it trained, in order.
    pub looks: Vec<Look>,
    /// Highest RSS - shared that was seen in each phase, bytes.
    pub peaks: BTreeMap<String, f64>,
    /// The phase it is in, as far as the journal is read.
    phase: String,
}

impl Run {
    /// A label, or nothing.
    pub fn label(&self, name: &str) -> &str {
        self.view.labels.get(name).map_or("", String::as_str)
    }

    /// A hyperparameter, if it is a number.
    pub fn param(&self, name: &str) -> Option<f64> {
        self.view.params.get(name)?.parse().ok()
    }

    /// Its data set's name for people: made-up data say so, and so does a part of the rows.
    pub fn set(&self) -> String {
        let mut name = self.view.experiment.to_string();
        if self.label("synthetic") == "true" {
            name += " (SYNTHETIC data)";
        }
        if let Ok(share) = self.label("share").parse::<Share>() {
            name += &format!(" ({} of the training rows)", share.percent());
        }
        name
    }

    /// Its configuration.
    pub fn group(&self) -> &str {
        self.view.group.as_ref().map_or("", |group| group.as_str())
    }

    /// Whether it is the last training, on all rows but the test's.
    pub fn is_refit(&self) -> bool {
        self.view.fold.as_deref() == Some("refit")
    }

    /// Whether lower scores are better.
    pub fn lower_is_better(&self) -> bool {
        self.view.objective.as_ref().is_some_and(|objective| objective.mode == Mode::Min)
    }

    /// CPU of the whole run, seconds.
    pub fn cpu(&self) -> f64 {
        self.view.totals.cpu.first + self.view.totals.cpu.second
    }

    /// Seconds from start to end.
    pub fn elapsed(&self) -> f64 {
        self.view.ended.map_or(0.0, |ended| ended.seconds_since(self.view.started))
    }

    /// Highest RSS - shared that was seen, bytes.
    pub fn peak(&self) -> Option<f64> {
        self.view.totals.memory_peak.filter(|peak| *peak > 0).map(|peak| peak as f64)
    }

    /// Seconds of its steps, evaluation left out.
    pub fn trained(&self) -> f64 {
        self.windows.iter().map(|window| window.seconds).sum()
    }

    /// Samples a second of training.
    pub fn throughput(&self) -> Option<f64> {
        let samples = self.windows.last()?.samples as f64;
        Some(samples / self.trained()).filter(|throughput| throughput.is_finite())
    }

    /// Seconds a step, over the whole run.
    pub fn step_time(&self) -> Option<f64> {
        let steps: u64 = self.windows.iter().map(|window| window.steps).sum();
        (steps > 0).then(|| self.trained() / steps as f64)
    }

    /// Whether the loss became no number, or ten times the first.
    pub fn diverged(&self) -> bool {
        let Some(first) = self.windows.first().map(|window| window.loss) else { return false };
        self.windows.iter().any(|window| !window.loss.is_finite() || window.loss > 10.0 * first)
    }
}

/// The journal of a folder in which a search, or a control, wrote.
pub fn journal_in(folder: &Path) -> PathBuf {
    folder.join("state").join(earlystop::sys::places::host_name()).join("journal.sqlite")
}

/// What a journal holds.
#[derive(Clone, Debug)]
pub struct Journal {
    /// All trials, by experiment and name.
    pub runs: Vec<Run>,
    /// Inputs that the journal says it lacks.
    pub dropped: u64,
}

/// Reads a journal that no daemon is writing.
pub fn read(journal: &Path) -> Result<Journal, Box<dyn Error>> {
    let reader = Reader::open(journal)?;
    let mut runs: HashMap<RunId, Run> = HashMap::new();
    for view in reader.heads()? {
        runs.insert(
            view.run,
            Run { view, windows: Vec::new(), looks: Vec::new(), peaks: BTreeMap::new(), phase: String::new() },
        );
    }
    let mut dropped = 0;
    let mut talking: HashMap<ConnId, RunId> = HashMap::new();
    for recorded in reader {
        let recorded = recorded?;
        match recorded.input {
            Input::Started(_) => talking.clear(),
            Input::Dropped(lost) => dropped += lost.count,
            Input::Event(Event::Reading(reading)) => look(&mut runs, recorded.at, &reading.sample),
            Input::Event(Event::Tick(tick)) => tick.trees.iter().for_each(|tree| look(&mut runs, tick.at, tree)),
            Input::Event(Event::Line(Line { conn, said, .. })) => match said {
                Said::Hello(_, run) => drop(talking.insert(conn, run)),
                Said::Step(step) => {
                    if let Some(run) = talking.get(&conn).and_then(|run| runs.get_mut(run)) {
                        let at = recorded.at.seconds_since(run.view.started);
                        run.windows.extend(window(at, &step));
                        run.phase = step.phase.clone().unwrap_or(std::mem::take(&mut run.phase));
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
    let mut last: BTreeMap<(String, String), Run> = BTreeMap::new();
    for mut run in runs.into_values() {
        // A tick bears the time at which it began; a look on demand may have come between.
        run.looks.sort_by(|a, b| a.at.total_cmp(&b.at));
        let name = (run.view.experiment.to_string(), run.view.trial.to_string());
        if last.get(&name).is_none_or(|before| before.view.attempt < run.view.attempt) {
            last.insert(name, run);
        }
    }
    Ok(Journal { runs: last.into_values().collect(), dropped })
}

/// A report of steps; those of an evaluation carry none.
fn window(at: f64, step: &Step) -> Option<Window> {
    let loss = step.metrics.iter().find(|(name, _)| name == "train_loss").map_or(f64::NAN, |(_, loss)| *loss);
    let (epoch, samples) = (step.epoch.unwrap_or(0.0), step.samples.unwrap_or(0));
    Some(Window { at, epoch, samples, steps: step.n?, seconds: step.seconds?, loss })
}

fn look(runs: &mut HashMap<RunId, Run>, at: Moment, tree: &TreeSample) {
    let (Some(run), Some(memory)) = (runs.get_mut(&tree.run), tree.memory) else { return };
    // A process that is going has given its pages back already.
    if !tree.complete || memory.resident == 0 {
        return;
    }
    let peak = run.peaks.entry(run.phase.clone()).or_default();
    *peak = peak.max(memory.private() as f64);
    if run.phase != "train" {
        return;
    }
    let at = at.seconds_since(run.view.started);
    let epoch = run.windows.last().map_or(0.0, |window| window.epoch);
    run.looks.push(Look { at, epoch, memory: memory.private() as f64, cpu: tree.cpu.first + tree.cpu.second });
}
