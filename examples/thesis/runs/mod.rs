//! The trials of a journal with everything that was reported and measured of them.

mod diverged;
#[cfg(test)]
pub mod tests;

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::{Path, PathBuf};

pub use diverged::WORDS as DIVERGED;
use earlystop::journal::{Input, Reader};
use earlystop::model::{ConnId, Event, Line, Mode, Moment, RunId, Said, Step, TreeSample, TrialState, TrialView};

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
    /// Mean loss of the stretch, where it said one.
    pub loss: Option<f64>,
    /// Highest loss of a step of it, where it said one.
    pub worst: Option<f64>,
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

/// What a trial was judged by once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// When it was said, seconds since the trial's start.
    pub at: f64,
    /// Steps done by then.
    pub step: u64,
    /// The score.
    pub value: f64,
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
    /// What it was judged by each time it said so, in order.
    pub scores: Vec<Score>,
    /// Highest RSS - shared that was seen in each phase, bytes.
    pub peaks: BTreeMap<String, f64>,
    /// The phase it is in, as far as the journal is read.
    phase: String,
    /// Steps done, as far as the journal is read.
    step: u64,
    diverged: bool,
}

impl Run {
    /// A trial of which nothing but its head is known.
    pub fn new(view: TrialView) -> Run {
        let (windows, looks, scores, peaks, phase) = Default::default();
        Run { view, windows, looks, scores, peaks, phase, step: 0, diverged: false }
    }

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

    /// All steps that it was to do, if it did them and the journal has them whole.
    pub fn whole_steps(&self) -> Option<u64> {
        let is_whole = self.view.state == TrialState::Completed && Some(self.step) == self.view.progress.target_steps;
        (is_whole && self.step > 0).then_some(self.step)
    }

    /// The score that it ended with, if it is a number.
    pub fn final_score(&self) -> Option<f64> {
        let metric = self.view.metrics.get(&self.view.objective.as_ref()?.metric)?;
        Some(metric.last_word.unwrap_or(metric.last)).filter(|score| score.is_finite())
    }

    /// Whether its loss or score is none that training comes back from: [`diverged::WORDS`] says what that is.
    pub fn diverged(&self) -> bool {
        self.diverged
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
        runs.insert(view.run, Run::new(view));
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
                        let objective = run.view.objective.as_ref().map(|objective| objective.metric.as_str());
                        let said = step.metrics.iter().filter(|(name, _)| Some(name.as_str()) == objective);
                        let done = step.step.unwrap_or(run.step);
                        run.step = done;
                        run.scores.extend(said.map(|(_, value)| Score { at, step: done, value: *value }));
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
    let mut runs: Vec<Run> = last.into_values().collect();
    diverged::mark(&mut runs);
    Ok(Journal { runs, dropped })
}

/// A report of steps; those of an evaluation carry none.
fn window(at: f64, step: &Step) -> Option<Window> {
    // Clients that merge reports say the values as points, each with its step.
    let points = step.points.iter().filter_map(|(name, of)| Some((name, of.last()?.1)));
    let values: Vec<(&String, f64)> = step.metrics.iter().map(|(name, value)| (name, *value)).chain(points).collect();
    let metric = |wanted: &str| values.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let (loss, worst) = (metric("train_loss"), metric("train_loss_max"));
    let (epoch, samples) = (step.epoch.unwrap_or(0.0), step.samples.unwrap_or(0));
    Some(Window { at, epoch, samples, steps: step.n?, seconds: step.seconds?, loss, worst })
}

fn look(runs: &mut HashMap<RunId, Run>, at: Moment, tree: &TreeSample) {
    let (Some(run), Some(memory)) = (runs.get_mut(&tree.run), tree.memory) else { return };
    // A process that is going has given its pages back already.
    if !tree.complete || memory.resident == 0 {
        return;
    }
    let peak = run.peaks.entry(run.phase.clone()).or_default();
    *peak = peak.max(memory.private() as f64);
    // While it waits for a verdict it holds what it trains with.
    if !["train", "wait"].contains(&run.phase.as_str()) {
        return;
    }
    let at = at.seconds_since(run.view.started);
    let epoch = run.windows.last().map_or(0.0, |window| window.epoch);
    run.looks.push(Look { at, epoch, memory: memory.private() as f64, cpu: tree.cpu.first + tree.cpu.second });
}
