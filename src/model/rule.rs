//! Rules: a condition and what to do when it holds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Ladder, Limits, RemoteServer};

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Comparison {
    /// The operator as PromQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
            Comparison::Below => "<",
            Comparison::AtMost => "<=",
        }
    }

    /// Whether it holds. Never for NaN.
    pub fn holds(self, a: f64, b: f64) -> bool {
        match self {
            Comparison::Above => a > b,
            Comparison::AtLeast => a >= b,
            Comparison::Below => a < b,
            Comparison::AtMost => a <= b,
        }
    }
}

/// Arithmetic operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Over,
}

/// A series of one trial by name and labels; several may match (`trial_gpu_memory_bytes` of two GPUs).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector {
    /// A name of the metrics table, `_sum` and `_count` of a histogram included.
    pub metric: String,
    /// Labels that must be equal.
    pub labels: Vec<(String, String)>,
}

/// The small expression tree that the shorthand compiles to. Like PromQL it yields a set of labelled values, here for one
/// trial at a time; a comparison filters.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Number(f64),
    /// The tick's time, seconds since the Unix epoch (`time()`).
    Now,
    /// The sample of this tick.
    Series(Selector),
    /// The samples of this tick of every matching series, added up (`sum by (trial, experiment)`): CPU over its modes.
    Sum(Selector),
    /// Mean of the samples in the window (`avg_over_time`).
    Mean(Selector, u64),
    /// Increase a second over the window (`rate`).
    Rate(Selector, u64),
    /// Seconds since the last step, time in these phases left out; nothing before the first step or after `done`.
    SinceStep(Vec<String>),
    /// Seconds since hello while no step has come.
    SinceHello,
    /// Two values with equal labels (or a number) become one.
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// Keeps the left values for which it holds.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// Keeps the values that are NaN (`x != x`).
    IsNan(Box<Expr>),
    /// Keeps the values that are NaN or infinite.
    NotFinite(Box<Expr>),
    /// The first one's values, if every one has some.
    All(Vec<Expr>),
    /// The values of any.
    Any(Vec<Expr>),
}

impl Expr {
    /// How far back it looks, nanoseconds.
    pub fn looks_back(&self) -> u64 {
        self.fold(&|e| match e {
            Expr::Mean(_, ns) | Expr::Rate(_, ns) => *ns,
            _ => 0,
        })
    }

    /// Whether it is about heartbeats: after a gap such a rule waits for a new one.
    pub fn reads_heartbeats(&self) -> bool {
        let of = |name: &str| (name == "trial_last_heartbeat_timestamp_seconds") as u64;
        let reads = |e: &Expr| match e {
            Expr::SinceStep(_) | Expr::SinceHello => 1,
            Expr::Series(s) | Expr::Sum(s) | Expr::Mean(s, _) | Expr::Rate(s, _) => of(&s.metric),
            _ => 0,
        };
        self.fold(&reads) > 0
    }

    /// Whether it reads what the trainer measured: such a rule is a learning rule.
    pub fn reads_learning(&self) -> bool {
        let of = |name: &str| (name.starts_with("trial_metric") || name == "trial_steps_since_best") as u64;
        let reads = |e: &Expr| match e {
            Expr::Series(s) | Expr::Sum(s) | Expr::Mean(s, _) | Expr::Rate(s, _) => of(&s.metric),
            _ => 0,
        };
        self.fold(&reads) > 0
    }

    /// Whether it reads a series of a metric whose name fits.
    pub fn reads(&self, fits: &dyn Fn(&str) -> bool) -> bool {
        let of = |e: &Expr| match e {
            Expr::Series(s) | Expr::Sum(s) | Expr::Mean(s, _) | Expr::Rate(s, _) => fits(&s.metric) as u64,
            _ => 0,
        };
        self.fold(&of) > 0
    }

    /// Every window it reads: selector and length in nanoseconds.
    pub fn windows(&self) -> Vec<(Selector, u64)> {
        let mut found = Vec::new();
        self.visit(&mut |e| {
            if let Expr::Mean(s, ns) | Expr::Rate(s, ns) = e {
                found.push((s.clone(), *ns));
            }
        });
        found
    }

    /// The largest value that `of` gives for any node.
    fn fold(&self, of: &dyn Fn(&Expr) -> u64) -> u64 {
        let mut most = 0;
        self.visit(&mut |e| most = most.max(of(e)));
        most
    }

    /// Calls `see` for this node and all below it.
    pub fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Expr)) {
        see(self);
        match self {
            Expr::Arithmetic(_, a, b) | Expr::Compare(_, a, b) => {
                a.visit(see);
                b.visit(see);
            }
            Expr::IsNan(a) | Expr::NotFinite(a) => a.visit(see),
            Expr::All(all) | Expr::Any(all) => all.iter().for_each(|e| e.visit(see)),
            _ => {}
        }
    }
}

/// What a firing rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Ends the trial by its ladder.
    #[default]
    Stop,
    /// Says so in the log, in /metrics and in `list`.
    Warn,
}

/// Which trials a rule is about: globs on `experiment`, `trial`, labels and `param.NAME`.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Key (`experiment`, `trial`, `group`, a label, `param.NAME`) and the glob its value must match.
    pub globs: Vec<(String, globset::GlobMatcher)>,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Filter) -> bool {
        let texts = |f: &Filter| -> Vec<(String, String)> {
            f.globs.iter().map(|(k, g)| (k.clone(), g.glob().glob().to_string())).collect()
        };
        texts(self) == texts(other)
    }
}

/// A rule, resolved and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Unique over all files.
    pub name: Arc<str>,
    /// File and line, for messages.
    pub place: (PathBuf, usize),
    /// What must hold.
    pub condition: Expr,
    /// The condition in words, for reasons: `memory > 512 MiB`.
    pub words: String,
    /// How long it must hold, nanoseconds (`for`).
    pub hold_ns: u64,
    /// How long it goes on firing after it no longer holds, nanoseconds.
    pub keep_firing_ns: u64,
    /// How many reports in a row must meet it, where that is asked for.
    pub for_reports: Option<u32>,
    /// Which trials.
    pub filter: Filter,
    /// Time from the trial's start in which the condition counts as false, nanoseconds.
    pub warmup_ns: u64,
    /// Steps before which the condition counts as false.
    pub warmup_steps: u64,
    /// What to do.
    pub action: Action,
    /// How a stop goes.
    pub ladder: Arc<Ladder>,
    /// Only say what it would do.
    pub observe: bool,
    /// At most so many stops in so many nanoseconds, per experiment.
    pub max_stops: Option<(u32, u64)>,
    /// No new stop by it while any stop is under way or less than so many nanoseconds over.
    pub serial_ns: Option<u64>,
    /// A stop takes the whole group.
    pub stop_group: bool,
    /// Template of the reason, with `{{ value | bytes }}` and the like.
    pub summary: Option<String>,
}

impl Rule {
    /// Whether the guard protects trials from it.
    pub fn learns(&self) -> bool {
        self.condition.reads_learning()
    }
}

/// The brake on learning rules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guard {
    /// At most this share of an experiment's trials may be stopped by learning rules.
    pub max_share: f64,
    /// From how many trials of the experiment on the share is counted; before, nothing is refused.
    pub after: u32,
    /// So many of the best by objective are not stopped.
    pub keep_best: u32,
}

impl Default for Guard {
    fn default() -> Guard {
        Guard { max_share: 0.8, after: 5, keep_best: 1 }
    }
}

/// All rules in force and the texts they came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// In the order of file name and place.
    pub rules: Vec<Arc<Rule>>,
    /// The brake, `None` where it was switched off.
    pub guard: Option<Guard>,
    /// Who evaluates the rules that are evaluated elsewhere; the policy's own `[remote]`, else the configuration's.
    pub remote: Option<Arc<RemoteServer>>,
    /// File and text, for the journal.
    pub texts: BTreeMap<PathBuf, String>,
}

/// What the engine needs to know beside the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Time between ticks, nanoseconds.
    pub interval_ns: u64,
    /// No signal, no ask: only say what would be done.
    pub observe: bool,
    /// How long a heartbeat rule waits for a new heartbeat after a gap, nanoseconds.
    pub gap_grace_ns: u64,
    /// How long an ended trial stays on /metrics, nanoseconds.
    pub ended_retention_ns: u64,
    /// How many processes get series of their own; 0 = none.
    pub process_series: usize,
    /// Bounds.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Settings {
        const MINUTE: u64 = 60 * super::SECOND;
        Settings {
            interval_ns: super::SECOND,
            observe: false,
            gap_grace_ns: MINUTE,
            ended_retention_ns: 15 * MINUTE,
            process_series: 5000,
            limits: Limits::default(),
        }
    }
}
