//! Random trials with random curves on some workers, and what our rule says of each report.

use std::sync::Arc;

use earlystop::model::{Mode, RunId, StopperKind};
use earlystop::stopper::{self, Case, End, Field, Peer, Stopper, Verdict};
use serde_json::Value as Json;

use crate::promqltest::random::Random;

/// Where trials report.
#[derive(Clone, Copy, PartialEq)]
pub enum Spacing {
    /// All at 1, 2, 3, ...
    Common,
    /// Each at steps of its own, one to three apart.
    Own,
}

/// Values that are no numbers.
#[derive(Clone, Copy, PartialEq)]
pub enum Odd {
    None,
    /// NaN, in some trials.
    Nan,
    /// NaN, in very few.
    Few,
    /// NaN and infinities.
    All,
}

/// A rule of ours and its twin's settings.
pub struct Rule {
    pub kind: StopperKind,
    pub settings: Json,
    pub grace: Option<f64>,
    pub max: Option<f64>,
    pub min_peers: Option<usize>,
    pub spacing: Spacing,
    pub odd: Odd,
    /// Whether the two may differ at a report.
    pub intended: fn(&Report) -> bool,
}

/// A report of a trial.
#[derive(Debug)]
pub struct Report {
    pub trial: usize,
    pub step: u32,
    pub value: f64,
    /// The trial's first value.
    pub first: f64,
    /// Whether it has come to the rule's `max`.
    pub at_length: bool,
}

/// What we say.
pub struct Said {
    pub stops: bool,
    pub verdict: Verdict,
}

/// A trial that has not ended.
struct Trial {
    name: usize,
    reports: std::vec::IntoIter<(u32, f64)>,
    before: Option<f64>,
    first: f64,
}

/// One study.
pub struct Study {
    pub mode: Mode,
    rule: Arc<dyn Stopper>,
    grace: Option<f64>,
    max: Option<f64>,
    min_peers: Option<usize>,
    field: Field,
    waiting: Vec<Trial>,
    running: Vec<Trial>,
    workers: usize,
}

impl Study {
    /// With random trials: as a rule 8 to 40, of 5 to 30 reports, on 1 to 8 workers.
    pub fn new(rule: &Rule, random: &mut Random) -> Study {
        let grid = random.permille(500);
        let length = 5 + random.below(25);
        let mut waiting: Vec<Trial> = (0..8 + random.below(32) as usize)
            .map(|name| {
                let reports = curve(random, rule, length, grid);
                Trial { name, first: reports[0].1, reports: reports.into_iter(), before: None }
            })
            .collect();
        waiting.reverse();
        Study {
            mode: if random.permille(500) { Mode::Max } else { Mode::Min },
            rule: stopper::of(&rule.kind).expect("a kind with a rule"),
            grace: rule.grace,
            max: rule.max,
            min_peers: rule.min_peers,
            field: Field::default(),
            waiting,
            running: Vec::new(),
            workers: if random.permille(300) { 1 } else { 2 + random.below(7) as usize },
        }
    }

    /// The next report of one of those that run; the next trial starts when a worker is free.
    pub fn next(&mut self, random: &mut Random) -> Option<Report> {
        while self.running.len() < self.workers {
            let Some(trial) = self.waiting.pop() else { break };
            let peer = Peer { name: trial.name.to_string().into(), ..Peer::default() };
            self.field.enter(RunId(trial.name as u128), peer);
            self.running.push(trial);
        }
        let chosen = random.below(self.running.len().max(1) as u64) as usize;
        let trial = self.running.get_mut(chosen)?;
        let (step, value) = trial.reports.next().expect("a trial without further reports has ended");
        let at_length = self.max.is_some_and(|max| f64::from(step) >= max);
        Some(Report { trial: trial.name, step, value, first: trial.first, at_length })
    }

    /// What our rule says.
    pub fn decide(&mut self, report: &Report) -> Said {
        let (run, at) = (RunId(report.trial as u128), f64::from(report.step));
        self.field.report(run, at, if self.mode == Mode::Max { report.value } else { -report.value });
        let unit = self.field.unit(run).expect("it has entered");
        let trial = self.running.iter_mut().find(|trial| trial.name == report.trial).expect("it runs");
        let before = trial.before.replace(at);
        let Study { grace, max, min_peers, mode, .. } = *self;
        let field = &mut self.field;
        let verdict = self.rule.decide(&mut Case { field, run, unit, at, before, max, grace, min_peers, mode });
        Said { stops: matches!(verdict, Verdict::Stop(_)), verdict }
    }

    /// How the trial ended, if it did: who was stopped by the real rule, is.
    pub fn after(&mut self, report: &Report, stopped: bool, random: &mut Random) -> Option<&'static str> {
        let place = self.running.iter().position(|trial| trial.name == report.trial).expect("it runs");
        let (how, end) = if stopped {
            ("stopped", End::Cut)
        } else if self.running[place].reports.len() == 0 {
            ("complete", End::Complete)
        } else if random.permille(5) {
            ("failed", End::Cut)
        } else {
            return None;
        };
        self.running.remove(place);
        self.field.end(RunId(report.trial as u128), end);
        Some(how)
    }
}

/// Steps and values. On a grid of 1/16 many are equal, and sums are exact in any order.
fn curve(random: &mut Random, rule: &Rule, length: u64, grid: bool) -> Vec<(u32, f64)> {
    let unit = |random: &mut Random| random.below(1 << 20) as f64 / f64::from(1 << 20);
    let (end, speed, noise) = (4.0 * unit(random) - 2.0, 1.0 + 10.0 * unit(random), unit(random));
    let odd = match rule.odd {
        Odd::None => 0,
        Odd::Few => u64::from(random.permille(50)) * 100,
        Odd::Nan | Odd::All => u64::from(random.permille(300)) * random.below(400),
    };
    let all_odd = odd > 0 && random.permille(50);
    let mut step = 0;
    // Some are shorter than the others.
    let length = if random.permille(200) { 1 + random.below(length) } else { length };
    let reports = (0..length).map(|_| {
        step += if rule.spacing == Spacing::Own { 1 + random.below(3) as u32 } else { 1 };
        let value = end * (1.0 - (-f64::from(step) / speed).exp()) + noise * (unit(random) - 0.5);
        let value = if grid { (value * 16.0).round() / 16.0 } else { value };
        if all_odd || random.permille(odd) {
            let one = if rule.odd == Odd::All { random.below(3) } else { 0 };
            return (step, [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][one as usize]);
        }
        (step, value)
    });
    reports.collect()
}
