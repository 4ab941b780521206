//! A client for training loops. It never waits, unless it is told to ([`Trainer::should_stop`]): what the daemon does not
//! take at once is kept up to a bound and then left out; without a daemon every call does nothing.
//!
//! ```no_run
//! use earlystop::model::{Hello, Step, TrialSpec};
//! use earlystop::wire::trainer::Trainer;
//!
//! let spec = TrialSpec { total_steps: Some(1000), ..TrialSpec::default() };
//! let mut trainer = Trainer::hello(Hello { spec, ..Hello::default() });
//! for step in 1..=1000 {
//!     // ... train ...
//!     let loss = 1.0 / step as f64;
//!     trainer.report(Step { step: Some(step), metrics: vec![("train_loss".into(), loss)], ..Step::default() });
//!     if let Some(stop) = trainer.stop_requested() {
//!         let id = stop.id;
//!         trainer.ack(id, Some(std::time::Duration::from_secs(30)));
//!         // ... save a checkpoint ...
//!         return trainer.stopped(&[]);
//!     }
//! }
//! trainer.completed(&[("test_rmse", 0.64)]);
//! ```

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::answer::Answer;
use super::link::Link;
use super::{Speaker, write};
use crate::model::{Done, DoneStatus, Hello, Name, Refusal, Step, StopId, StopNotice, Welcome};
use crate::sys::places::Places;

/// Time between two sends of progress.
const BETWEEN: Duration = Duration::from_millis(100);
/// Reports with values that may go out at once in a row, so that the last value before a long silence is not held; one
/// more each [`BETWEEN`].
const AT_ONCE: f64 = 10.0;
/// Time between two looks for a stop: a look is a system call of some 300 ns.
const LOOK: Duration = Duration::from_millis(10);
/// Time before the daemon is looked for again after it went away; doubled each time up to [`RETRY_MOST`].
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(30);
/// Reported values held at most before they are sent: a line may have 64 KiB, a value with its step takes up to 45.
const VALUES_HELD: usize = 1000;
/// How long `done` may wait for a daemon that does not read.
const LAST_WORD: Duration = Duration::from_millis(200);

/// A trainer's side of the socket.
#[derive(Debug)]
pub struct Trainer {
    hello: Hello,
    sockets: Vec<PathBuf>,
    link: Option<Link>,
    retry_at: Instant,
    retry_after: Duration,
    held: Held,
    /// Reports with values that may go out at once, and when that was counted.
    at_once: (f64, Instant),
    /// The phase of the last report.
    phase: Option<String>,
    sent_at: Option<Instant>,
    looked_at: Option<Instant>,
    welcome: Option<Welcome>,
    stop: Option<StopNotice>,
    /// Answers that were asked for and have not come.
    unanswered: u32,
    refused: Option<Refusal>,
    dropped: u64,
}

/// Progress that has not been sent yet.
#[derive(Debug, Default)]
struct Held {
    step: Step,
    any: bool,
    values: usize,
}

impl Trainer {
    /// Says hello to the daemon that a client of this user finds: `$EARLYSTOP_SOCKET`, the user's, root's. An experiment
    /// or a worker that hello leaves open is taken from `$EARLYSTOP_EXPERIMENT` and `$RANK`.
    pub fn hello(mut hello: Hello) -> Trainer {
        let given = |key: &str| std::env::var(key).ok().filter(|value| !value.is_empty());
        let experiment = || given("EARLYSTOP_EXPERIMENT").and_then(|name| Name::new(&name).ok());
        hello.spec.experiment = hello.spec.experiment.or_else(experiment);
        if hello.worker.is_empty() {
            hello.worker = given("RANK").unwrap_or_default();
        }
        Trainer::hello_to(Places::here().client_sockets(), hello)
    }

    /// Says hello to the first of these sockets where a daemon answers.
    pub fn hello_to(sockets: Vec<PathBuf>, hello: Hello) -> Trainer {
        let now = Instant::now();
        let mut trainer = Trainer {
            hello,
            sockets,
            link: None,
            retry_at: now,
            retry_after: RETRY,
            held: Held::default(),
            at_once: (AT_ONCE, now),
            phase: None,
            sent_at: None,
            looked_at: None,
            welcome: None,
            stop: None,
            unanswered: 0,
            refused: None,
            dropped: 0,
        };
        trainer.connect(now);
        trainer
    }

    /// Reports progress. Progress within 100 ms of the last send is merged with what follows. Every value of a metric
    /// arrives, with its step, and at once unless they come faster than ten a second for long.
    pub fn report(&mut self, step: Step) {
        let now = Instant::now();
        if !self.held.takes(&step) {
            self.send_held(now);
        }
        let has_values = !step.metrics.is_empty() || !step.points.is_empty();
        let at_once = step.sample || step.phase != self.phase;
        if step.phase != self.phase {
            self.phase.clone_from(&step.phase);
        }
        self.held.add(step);
        let due = self.sent_at.is_none_or(|at| now - at >= BETWEEN);
        if at_once || due || self.held.values >= VALUES_HELD || has_values && self.may_go_at_once(now) {
            self.send_held(now);
        }
    }

    fn may_go_at_once(&mut self, now: Instant) -> bool {
        let (left, counted) = self.at_once;
        let left = AT_ONCE.min(left + (now - counted).as_secs_f64() / BETWEEN.as_secs_f64());
        let may = left >= 1.0;
        self.at_once = (if may { left - 1.0 } else { left }, now);
        may
    }

    /// Sends what is held: before something long during which nothing is reported.
    pub fn flush(&mut self) {
        self.send_held(Instant::now());
    }

    /// The stop that was asked for, if one was. Cheap enough for every step: it looks every 10 ms at most.
    pub fn stop_requested(&mut self) -> Option<&StopNotice> {
        let now = Instant::now();
        if self.looked_at.is_none_or(|at| now - at >= LOOK) {
            self.looked_at = Some(now);
            self.listen(now);
        }
        self.stop.as_ref()
    }

    /// Reports progress and waits until it is judged: the stop if rules over learning curves end the trial at this very
    /// report (Optuna's `should_prune`). Anything else that stops the trial is told as well. Waits for `patience` at most, and
    /// then not again before the daemon has caught up; without a daemon it does not wait at all.
    pub fn should_stop(&mut self, step: Step, patience: Duration) -> Option<&StopNotice> {
        let now = Instant::now();
        if !self.held.takes(&step) {
            self.send_held(now);
        }
        self.phase.clone_from(&step.phase);
        self.held.add(Step { answer: true, ..step });
        let is_behind = self.unanswered > 0;
        let dropped = self.dropped;
        // Counted before it goes out: the answer may be there before the call that sends it is back.
        self.unanswered += 1;
        self.send_held(now);
        if self.dropped != dropped {
            self.unanswered = self.unanswered.saturating_sub(1);
        }
        self.await_answers(now + if is_behind { Duration::ZERO } else { patience });
        self.stop.as_ref()
    }

    /// Whether the daemon has answered all that [`should_stop`](Trainer::should_stop) asked.
    pub fn is_answered(&mut self) -> bool {
        self.listen(Instant::now());
        self.unanswered == 0
    }

    fn await_answers(&mut self, until: Instant) {
        while self.unanswered > 0 && self.stop.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            match &self.link {
                Some(link) if !left.is_zero() => link.wait(left),
                _ => return,
            }
            self.listen(Instant::now());
        }
    }

    /// Tells that a stop was understood; `need` lengthens its deadline, up to what the policy allows.
    pub fn ack(&mut self, id: StopId, need: Option<Duration>) {
        self.say(&write::ack(id, need.map(|d| d.as_millis() as u64)), Instant::now());
    }

    /// What the daemon said to hello: the trial's full name, its run, where an earlier attempt had come to.
    pub fn welcome(&mut self) -> Option<&Welcome> {
        self.listen(Instant::now());
        self.welcome.as_ref()
    }

    /// As [`welcome`](Trainer::welcome), but waits for it: for trainers that resume at `last_step`.
    pub fn wait_for_welcome(&mut self, timeout: Duration) -> Option<&Welcome> {
        let until = Instant::now() + timeout;
        while self.welcome.is_none() && self.refused.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            match &self.link {
                Some(link) if !left.is_zero() => link.wait(left),
                _ => break,
            }
            self.listen(Instant::now());
        }
        self.welcome.as_ref()
    }

    /// The last refusal of the daemon, for a log.
    pub fn refused(&self) -> Option<&Refusal> {
        self.refused.as_ref()
    }

    /// Lines that were left out since nobody took them.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The whole run is through; final figures.
    pub fn completed(self, metrics: &[(&str, f64)]) {
        self.done(DoneStatus::Completed, metrics);
    }

    /// It failed.
    pub fn failed(self, metrics: &[(&str, f64)]) {
        self.done(DoneStatus::Failed, metrics);
    }

    /// It stopped early, by itself or because it was asked.
    pub fn stopped(self, metrics: &[(&str, f64)]) {
        self.done(DoneStatus::Stopped, metrics);
    }

    fn done(mut self, status: DoneStatus, metrics: &[(&str, f64)]) {
        let now = Instant::now();
        self.send_held(now);
        let metrics = metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        self.say(&write::done(&Done { status, metrics }, Speaker::Peer), now);
        if let Some(link) = &mut self.link {
            link.finish(LAST_WORD);
        }
    }

    fn send_held(&mut self, now: Instant) {
        if self.held.any {
            self.sent_at = Some(now);
            let step = self.held.take();
            self.say(&write::step(&step, Speaker::Peer), now);
        }
        self.listen(now);
    }

    fn say(&mut self, line: &str, now: Instant) {
        self.connect(now);
        let taken = self.link.as_mut().is_some_and(|link| link.send(line));
        self.dropped += u64::from(!taken);
        self.let_go(now);
    }

    /// Takes what the daemon has said meanwhile.
    fn listen(&mut self, now: Instant) {
        while let Some(answer) = self.link.as_mut().and_then(Link::receive) {
            match answer {
                Answer::Welcome(welcome) => {
                    // After the daemon came back, this trial is meant and no new one.
                    self.hello.spec.trial = Some(welcome.trial.clone());
                    self.hello.spec.experiment = Some(welcome.experiment.clone());
                    self.retry_after = RETRY;
                    self.welcome = Some(welcome);
                }
                Answer::Stop(notice) => self.stop = Some(notice),
                Answer::Go(_) => self.unanswered = self.unanswered.saturating_sub(1),
                Answer::Error(refusal) => {
                    // What was refused is not judged: no other answer comes to it.
                    self.unanswered = self.unanswered.saturating_sub(1);
                    self.refused = Some(refusal);
                }
                _ => {}
            }
        }
        self.let_go(now);
    }

    fn let_go(&mut self, now: Instant) {
        if self.link.as_ref().is_some_and(Link::is_broken) {
            self.link = None;
            self.unanswered = 0;
            self.retry_at = now + self.retry_after;
            self.retry_after = (self.retry_after * 2).min(RETRY_MOST);
        }
    }

    fn connect(&mut self, now: Instant) {
        if self.link.is_some() || now < self.retry_at {
            return;
        }
        self.link = self.sockets.iter().find_map(|path| Link::connect(path).ok());
        match &mut self.link {
            Some(link) => {
                link.send(&write::hello(&self.hello));
            }
            None => {
                self.retry_at = now + self.retry_after;
                self.retry_after = (self.retry_after * 2).min(RETRY_MOST);
            }
        }
    }
}

impl Drop for Trainer {
    /// What is held goes out; the trial itself runs on, since nobody said how it ended.
    fn drop(&mut self) {
        self.send_held(Instant::now());
    }
}

impl Held {
    /// Whether this report can be merged with what is held: same phase, no step back, `n` and `seconds` said by both or
    /// neither, values with steps.
    fn takes(&self, next: &Step) -> bool {
        let held = &self.step;
        let values = |s: &Step| !s.metrics.is_empty() || !s.points.is_empty();
        !self.any
            || held.phase == next.phase
                && held.n.is_some() == next.n.is_some()
                && held.seconds.is_some() == next.seconds.is_some()
                && next.step.is_none_or(|step| held.step.is_none_or(|before| before <= step))
                && (!values(next) || next.step.is_some())
                && (held.metrics.is_empty() || held.step.is_some())
    }

    fn add(&mut self, mut next: Step) {
        let held = &mut self.step;
        self.any = true;
        self.values += next.metrics.len() + next.points.iter().map(|(_, points)| points.len()).sum::<usize>();
        // Values of the report before become points, so that none is lost and each keeps its step.
        if let Some(step) = held.step.filter(|step| next.step != Some(*step) || !next.metrics.is_empty()) {
            for (metric, value) in held.metrics.drain(..) {
                points_of(&mut held.points, metric).push((step, value));
            }
        }
        for (metric, points) in next.points.drain(..) {
            points_of(&mut held.points, metric).extend(points);
        }
        held.metrics.append(&mut next.metrics);
        held.step = next.step.or(held.step);
        held.epoch = next.epoch.or(held.epoch);
        held.samples = next.samples.or(held.samples);
        held.total_steps = next.total_steps.or(held.total_steps);
        held.phase = next.phase.or(held.phase.take());
        held.n = sum(held.n, next.n, |a, b| a + b);
        held.seconds = sum(held.seconds, next.seconds, |a, b| a + b);
        held.sample |= next.sample;
        held.answer |= next.answer;
    }

    fn take(&mut self) -> Step {
        std::mem::take(self).step
    }
}

fn sum<T>(a: Option<T>, b: Option<T>, plus: impl Fn(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(plus(a, b)),
        (a, b) => a.or(b),
    }
}

fn points_of(all: &mut Vec<(String, Vec<(u64, f64)>)>, metric: String) -> &mut Vec<(u64, f64)> {
    let at = all.iter().position(|(name, _)| *name == metric).unwrap_or_else(|| {
        all.push((metric, Vec::new()));
        all.len() - 1
    });
    &mut all[at].1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: u64, loss: f64) -> Step {
        Step { step: Some(step), metrics: vec![("loss".into(), loss)], ..Step::default() }
    }

    #[test]
    fn progress_is_merged_and_every_value_kept() {
        let mut held = Held::default();
        for (step, loss) in [(1, 0.9), (2, 0.8), (3, 0.7)] {
            let next = Step { n: Some(1), seconds: Some(0.5), epoch: Some(step as f64 / 10.0), ..at(step, loss) };
            assert!(held.takes(&next));
            held.add(next);
        }
        let step = held.take();
        assert_eq!((step.step, step.n, step.seconds, step.epoch), (Some(3), Some(3), Some(1.5), Some(0.3)));
        assert_eq!(step.points, [("loss".into(), vec![(1, 0.9), (2, 0.8)])]);
        assert_eq!(step.metrics, [("loss".into(), 0.7)]);
        assert!(!held.any);
    }

    #[test]
    fn values_of_one_step_in_two_reports_are_both_kept() {
        let mut held = Held::default();
        held.add(at(5, 0.5));
        let accuracy = Step { step: Some(5), metrics: vec![("accuracy".into(), 0.9)], ..Step::default() };
        held.add(accuracy);
        held.add(Step { step: Some(6), ..Step::default() });
        let step = held.take();
        assert_eq!(step.points, [("loss".into(), vec![(5, 0.5)]), ("accuracy".into(), vec![(5, 0.9)])]);
        assert!(step.metrics.is_empty());
    }

    #[test]
    fn what_cannot_be_merged_is_not() {
        let train = |step| Step { phase: Some("train".into()), ..at(step, 0.5) };
        let mut held = Held::default();
        held.add(train(5));
        assert!(held.takes(&train(6)));
        assert!(!held.takes(&Step { phase: Some("eval".into()), ..train(6) }));
        assert!(!held.takes(&train(4)), "a step back begins a segment");
        assert!(!held.takes(&Step { n: Some(1), ..train(6) }), "n is the difference for one and said for the other");
        assert!(!held.takes(&Step { step: None, ..train(6) }), "a value without a step");
    }
}
