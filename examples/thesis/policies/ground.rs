//! What was recorded, by data set, and what the library's replay answers about it.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use earlystop::cli::diagnostics::{Style, render};
use earlystop::model::{Mode, RunId, TrialState, TrialView};
use earlystop::policy;
use earlystop::replay::{Outcome, Past, Question, Stopped, Tape, Under, past, retell};

/// A journal and the trials in it.
#[derive(Debug)]
pub struct Ground {
    tape: Tape,
    past: Past,
}

/// The trials of one data set that came to their end; refits are none, for they use the rows of the test.
#[derive(Debug)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// The metric that trials are judged by.
    pub metric: String,
    /// Which way that is better.
    pub mode: Mode,
    /// They.
    pub trials: Vec<Arc<TrialView>>,
}

/// What a policy would have done.
#[derive(Debug, Default)]
pub struct Answer {
    /// Trials that it stops.
    pub stopped: HashMap<RunId, Stopped>,
    /// Stops that the guard held back.
    pub held_back: usize,
}

/// Steps, seconds and CPU seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Steps.
    pub steps: f64,
    /// Seconds, each trial by its own clock.
    pub seconds: f64,
    /// CPU seconds, user and system.
    pub cpu: f64,
}

impl Ground {
    /// Plays a journal as it was. No daemon may be writing it.
    pub fn open(journal: &Path) -> Result<Ground, Box<dyn Error>> {
        let tape = Tape::open(journal)?;
        let past = past(&tape)?;
        Ok(Ground { tape, past })
    }

    /// Its data sets, by name.
    pub fn sets(&self) -> Vec<Set> {
        let mut sets: BTreeMap<&str, BTreeMap<&str, &Arc<TrialView>>> = BTreeMap::new();
        let views = self.past.trials.values().map(|lived| &lived.view);
        for view in views.filter(|view| view.state == TrialState::Completed && view.fold.as_deref() != Some("refit")) {
            // One that was cut off was run again: runs are in the order of time, and the last one counts.
            sets.entry(view.experiment.as_str()).or_default().insert(view.trial.as_str(), view);
        }
        let set = |(name, trials): (&str, BTreeMap<&str, &Arc<TrialView>>)| {
            let objective = trials.values().find_map(|view| view.objective.clone())?;
            let trials = trials.into_values().cloned().collect();
            Some(Set { name: name.to_string(), metric: objective.metric, mode: objective.mode, trials })
        };
        sets.into_iter().filter_map(set).collect()
    }

    /// Everything that ended, whatever ended it: what a live run used.
    pub fn spent(&self, set: &str) -> Spent {
        let views = self.past.trials.values().map(|lived| &lived.view);
        let of_set = views.filter(|view| view.experiment.as_str() == set && view.fold.as_deref() != Some("refit"));
        of_set.fold(Spent::default(), |sum, view| sum.and(view))
    }

    /// Trials of a set that a rule stopped.
    pub fn stopped(&self, set: &str) -> usize {
        let views = self.past.trials.values().map(|lived| &lived.view);
        views.filter(|view| view.experiment.as_str() == set && view.stop.is_some()).count()
    }

    /// What each policy would have done, by the library's replay, so many at a time as there are cores; `done` is told how
    /// many are through. A journal has one reader at a time, so each core has a copy. Errors: findings in a policy; a damaged
    /// journal; no room for the copies.
    pub fn under(&self, texts: &[String], done: impl Fn(usize) + Sync) -> Result<Vec<Answer>, String> {
        let cores = thread::available_parallelism().map_or(1, usize::from).min(texts.len());
        let copies = tempfile::tempdir().map_err(|e| format!("no folder for copies of the journal: {e}"))?;
        let (next, through) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let answers: Vec<OnceLock<Answer>> = texts.iter().map(|_| OnceLock::new()).collect();
        let work = |core: usize| -> Result<(), String> {
            let copy = copies.path().join(format!("{core}.sqlite"));
            fs::copy(self.tape.path(), &copy)
                .map_err(|e| format!("cannot copy {} to {}: {e}", self.tape.path().display(), copy.display()))?;
            let tape = Tape::open(&copy).map_err(|e| e.to_string())?;
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some((answer, text)) = answers.get(place).zip(texts.get(place)) else { return Ok(()) };
                let _ = answer.set(self.played(&tape, text)?);
                done(through.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        thread::scope(|scope| {
            let cores: Vec<_> = (0..cores)
                .map(|core| {
                    scope.spawn({
                        let work = &work;
                        move || work(core)
                    })
                })
                .collect();
            cores.into_iter().try_for_each(|core| core.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
        Ok(answers.into_iter().map(|answer| answer.into_inner().unwrap_or_default()).collect())
    }

    fn played(&self, tape: &Tape, text: &str) -> Result<Answer, String> {
        if text.is_empty() {
            return Ok(Answer::default());
        }
        let parsed = policy::parse(text, Path::new("policy.toml"), &tape.context());
        let (policy, _) = parsed
            .map_err(|findings| -> String { findings.iter().map(|finding| render(finding, Style::Plain)).collect() })?;
        let told = retell(tape, &self.past, Under::Given(Arc::new(policy))).map_err(|e| e.to_string())?;
        let mut outcome = Outcome::default();
        outcome.add(&self.past, &told, &Question::default());
        let stopped = outcome.stopped.into_iter().map(|stopped| (stopped.view.run, stopped)).collect();
        Ok(Answer { stopped, held_back: told.would.len() })
    }
}

impl Set {
    /// All that its trials used.
    pub fn spent(&self) -> Spent {
        self.trials.iter().fold(Spent::default(), |sum, view| sum.and(view))
    }

    /// What a policy would have saved of that.
    pub fn saved(&self, answer: &Answer) -> Spent {
        let saved = self.trials.iter().filter_map(|view| answer.stopped.get(&view.run)).map(|stopped| stopped.saved);
        saved.fold(Spent::default(), |sum, one| Spent {
            steps: sum.steps + one.steps,
            seconds: sum.seconds + one.seconds,
            cpu: sum.cpu + one.cpu_seconds,
        })
    }
}

impl Spent {
    fn and(self, view: &Arc<TrialView>) -> Spent {
        Spent {
            steps: self.steps + view.progress.steps_total as f64,
            seconds: self.seconds + view.elapsed(view.started),
            cpu: self.cpu + view.totals.cpu.first + view.totals.cpu.second,
        }
    }

    /// Each as a share of the same of `whole`; 0 of nothing is 0.
    pub fn share_of(self, whole: Spent) -> Spent {
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        Spent {
            steps: share(self.steps, whole.steps),
            seconds: share(self.seconds, whole.seconds),
            cpu: share(self.cpu, whole.cpu),
        }
    }
}

/// The final value of a trial's objective; a NaN and a missing one are none.
pub fn score(view: &TrialView, metric: &str) -> Option<f64> {
    let metric = view.metrics.get(metric)?;
    Some(metric.last_word.unwrap_or(metric.last)).filter(|value| !value.is_nan())
}
