//! The decision function: an event comes in, effects go out. No I/O, no clock, no runtime.
//!
//! Reading order: [`Engine`] here, then `hello` (how trials begin), `progress` (what they report), `records` (what is
//! remembered of it), `learning` (rules over learning curves), `asked` (trainers that wait to hear whether to go on), `tick`
//! (samples and gaps), `judge` (what rules say, and of whom), `rules` (states), `why` (explanations), `guard` (brakes), `ladder` (stops),
//! `remote` (rules that are evaluated elsewhere), `ending`, `attempts`, `requests`.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::model::{
    ConnId, DropReason, Effect, Event, HostSample, Line, Loudness, MILLI, Moment, Policy, ProcKey, Root, RuleTotals,
    RunId, Said, Settings, Snapshot, SourceName, StopRecord, TrialView,
};
use crate::promql;
use crate::state::windows::Windows;

mod asked;
mod attempts;
mod derived;
mod ending;
mod guard;
mod hello;
mod holdout;
mod judge;
mod ladder;
mod learning;
mod lost;
mod memory;
mod outside;
mod progress;
mod reasons;
mod records;
pub mod rehearsal;
mod remote;
mod requests;
mod rules;
mod stop;
mod tick;
mod trial;
mod why;

#[cfg(test)]
mod tests;

pub use attempts::LastAttempt;
pub use ladder::MANUAL;
pub use lost::lost;
pub use memory::{Remembered, Scribe};

use asked::Asked;
use derived::{Demands, Medians};
use guard::Braking;
use hello::FullName;
use judge::Prepared;
use learning::Learners;
use records::Records;
use remote::Elsewhere;
use trial::{Identity, Sight, Trial};
use why::Explain;

/// A living trial of a daemon before this one.
#[derive(Clone, Debug)]
pub struct Returning {
    /// Its outside, as last known.
    pub view: Arc<TrialView>,
    /// Its root, if its process could be found again.
    pub root: Option<Root>,
    /// Whether anything may stop it.
    pub may_stop: bool,
    /// Its own hello founded it.
    pub by_hello: bool,
    /// It is one of several in its process.
    pub shared: bool,
    /// The stop it was on, and who had got the rung's signal.
    pub stop: Option<(StopRecord, HashSet<ProcKey>)>,
}

/// All that is known, and what follows from it.
pub struct Engine {
    settings: Settings,
    policy: Arc<Policy>,
    /// Its rules, ready to be evaluated.
    prepared: Arc<[Prepared]>,
    /// What they look back on.
    windows: Windows,
    /// What rules count beside.
    demands: Demands,
    /// The curves of all trials.
    records: Records,
    /// Rules over them.
    learners: Learners,
    medians: Medians,
    /// Bounds of an evaluation.
    evaluation: promql::Limits,
    /// Nanoseconds of some clock, to measure what rules cost; replay passes one that stands still.
    meter: fn() -> u64,
    now: Moment,
    trials: HashMap<RunId, Trial>,
    /// Living trials in the order of their start.
    living: Vec<RunId>,
    /// Ended trials in the order of their end.
    ended: VecDeque<RunId>,
    /// Which trial a connection reports for.
    conns: HashMap<ConnId, RunId>,
    /// Trials that share a process; the first stands for it with the sampler.
    shared: HashMap<ProcKey, Vec<RunId>>,
    /// Trainers that wait for an answer.
    asked: Vec<Asked>,
    attempts: HashMap<FullName, LastAttempt>,
    /// The start before, of living trials that have one.
    before: HashMap<RunId, LastAttempt>,
    reloaders: Vec<ConnId>,
    braking: Braking,
    elsewhere: Elsewhere,
    gap: Option<Moment>,
    last_tick: Option<Moment>,
    host: HostSample,
    up: Vec<(SourceName, bool)>,
    overruns: u64,
    tick_seconds: f64,
    rule_totals: BTreeMap<Arc<str>, RuleTotals>,
    heartbeats: u64,
    reload: (bool, Moment),
    /// Stops so far, to tell the ids of one millisecond apart.
    ids: u64,
    out: Vec<Effect>,
}

impl Engine {
    /// An engine without trials and without rules.
    pub fn new(settings: Settings, meter: fn() -> u64, now: Moment) -> Engine {
        let evaluation =
            promql::Limits { lookback: (settings.lookback_ns / MILLI) as i64, ..promql::Limits::default() };
        Engine {
            settings,
            policy: Arc::default(),
            prepared: Arc::new([]),
            windows: Windows::default(),
            demands: Demands::default(),
            records: Records::default(),
            learners: Learners::default(),
            medians: Medians::default(),
            evaluation,
            meter,
            now,
            trials: HashMap::new(),
            living: Vec::new(),
            ended: VecDeque::new(),
            conns: HashMap::new(),
            shared: HashMap::new(),
            asked: Vec::new(),
            attempts: HashMap::new(),
            before: HashMap::new(),
            reloaders: Vec::new(),
            braking: Braking::default(),
            elsewhere: Elsewhere::default(),
            gap: None,
            last_tick: None,
            host: HostSample::default(),
            up: Vec::new(),
            overruns: 0,
            tick_seconds: 0.0,
            rule_totals: BTreeMap::from([(Arc::from(MANUAL), RuleTotals::default())]),
            heartbeats: 0,
            reload: (true, now),
            ids: 0,
            out: Vec::new(),
        }
    }

    /// Takes an event in and gives what is to be done, in order.
    pub fn step(&mut self, now: Moment, event: &Event) -> Vec<Effect> {
        self.now = now;
        match event {
            Event::Policy(policy) => self.on_policy(policy, now),
            Event::ReloadFailed(text) => {
                self.reload.0 = false;
                self.answer_reload(Some(text));
            }
            Event::Tick(tick) => self.on_tick(tick),
            Event::Reading(reading) => self.on_reading(reading, now),
            Event::Tree(tree) => self.on_tree(tree, now),
            Event::Exited(exited) => self.on_exited(exited, now),
            Event::Register(register) => self.on_register(register, now),
            Event::Line(line) => self.on_line(line, now),
            Event::Closed(conn) => self.on_closed(*conn, now),
            Event::Signalled(_) | Event::Wake => {}
            Event::Swept(swept) => self.on_swept(swept, now),
            Event::Remote(answer) => self.on_remote(answer),
        }
        self.climb_down(now);
        self.answer_asked(now);
        std::mem::take(&mut self.out)
    }

    /// A line from a client.
    fn on_line(&mut self, line: &Line, now: Moment) {
        match &line.said {
            Said::Hello(hello, fresh) => self.on_hello(line.conn, line.peer, hello, *fresh, now),
            Said::Step(step) => self.on_step(line.conn, line.peer, step, now),
            Said::Done(done) => {
                if let Some(run) = self.reporting(line.conn) {
                    self.on_done(run, done, now);
                }
            }
            Said::Ack(id, need_ms) => {
                if let Some(run) = self.reporting(line.conn) {
                    self.on_ack(run, *id, *need_ms, now);
                }
            }
            Said::Request(request) => self.on_request(line.conn, line.peer, request, now),
        }
    }

    /// The living trial for which a connection speaks.
    fn reporting(&mut self, conn: ConnId) -> Option<RunId> {
        let run = self.conns.get(&conn).copied()?;
        let trial = self.trials.get_mut(&run)?;
        let speaks = trial.speakers.get(&conn).is_some_and(|s| s.primary);
        (speaks && trial.view.state.is_living()).then_some(run)
    }

    /// Another policy from now on.
    fn on_policy(&mut self, policy: &Arc<Policy>, now: Moment) {
        let old = std::mem::replace(&mut self.policy, policy.clone());
        for rule in &policy.rules {
            self.rule_totals.entry(rule.name.clone()).or_default();
        }
        self.adopt(&old.rules, now);
        self.reload = (true, now);
        self.answer_reload(None);
    }

    /// When it must be woken although nothing happened, boot clock in nanoseconds.
    pub fn next_wake(&self) -> Option<u64> {
        self.next_rung()
    }

    /// Whether trials still live.
    pub fn is_idle(&self) -> bool {
        self.living.is_empty()
    }

    /// Takes up what a daemon before this one had in hand. Rules are unsure about everything before now.
    pub fn restore(
        &mut self,
        now: Moment,
        returning: Vec<Returning>,
        ended: Vec<Arc<TrialView>>,
        attempts: HashMap<FullName, LastAttempt>,
    ) -> Vec<Effect> {
        self.now = now;
        self.attempts = attempts;
        for view in ended {
            let run = view.run;
            let sight = Sight::None;
            let mut trial = Trial::new(now, identity_of(&view, sight, true, false), &Default::default());
            self.records.settle(&view);
            trial.view = view;
            self.trials.insert(run, trial);
            self.ended.push_back(run);
        }
        for back in returning {
            self.take_back(back, now);
        }
        self.begin_gap(now);
        std::mem::take(&mut self.out)
    }

    /// A living trial of before.
    fn take_back(&mut self, back: Returning, now: Moment) {
        let run = back.view.run;
        let sight = match (back.root, back.shared) {
            (Some(root), false) => Sight::Tree(root),
            (Some(root), true) => Sight::Shared(root.key),
            (None, _) => Sight::None,
        };
        let mut trial =
            Trial::new(now, identity_of(&back.view, sight, back.may_stop, back.by_hello), &Default::default());
        trial.cpu_shared = back.view.totals.cpu.first + back.view.totals.cpu.second;
        trial.counted = back.view.progress.step;
        trial.samples_seen = back.view.progress.samples_total;
        trial.modes = back.view.metrics.iter().filter_map(|(n, m)| m.mode.map(|mode| (n.clone(), mode))).collect();
        trial.view = back.view;
        trial.view_mut().state = crate::model::TrialState::Running;
        trial.view_mut().tree = None;
        self.equip(&mut trial, now);
        self.records.introduce(&trial.view);
        self.trials.insert(run, trial);
        self.living.push(run);
        self.remember_attempt(run);
        match sight {
            Sight::Tree(root) => self.out.push(Effect::Track(run, root, self.trials[&run].uid)),
            Sight::Shared(key) => self.join_shared(key, run, self.trials[&run].uid),
            Sight::None => {}
        }
        if let Some((record, given)) = back.stop {
            self.take_up(record, given, now);
        }
    }

    /// Everything as it is now, for all who look.
    pub fn snapshot(&self) -> Snapshot {
        let runs = self.living.iter().chain(&self.ended).filter_map(|run| self.trials.get(run));
        Snapshot {
            at: self.now,
            trials: runs.map(|t| self.outside(t, Explain::No)).collect(),
            host: self.host.clone(),
            up: self.up.clone(),
            last_tick: self.last_tick,
            overruns: self.overruns,
            tick_seconds: self.tick_seconds,
            rules: self.rule_totals.clone(),
            heartbeats: self.heartbeats,
            window_bytes: self.windows.bytes(),
            reload: self.reload,
            process_series: self.settings.process_series,
            interval_ns: self.settings.interval_ns,
            policy: self.policy.clone(),
            alerts: self.alerts(),
        }
    }

    /// A trial from outside, with its rules.
    fn outside(&self, trial: &Trial, explain: Explain) -> Arc<TrialView> {
        if trial.standings.is_empty() {
            return trial.view.clone();
        }
        let mut view = (*trial.view).clone();
        view.rules = self.rule_views(trial, explain);
        Arc::new(view)
    }

    /// The journal keeps the trial's head.
    fn head(&mut self, run: RunId) {
        if let Some(trial) = self.trials.get(&run) {
            self.out.push(Effect::Head(trial.view.clone()));
        }
    }

    /// Something was dropped.
    fn drop_one(&mut self, reason: DropReason) {
        self.out.push(Effect::Drop(reason));
    }

    /// A line for the log.
    fn note(&mut self, loudness: Loudness, text: String) {
        self.out.push(Effect::Note(loudness, text));
    }
}

/// Who a trial of before is.
fn identity_of(view: &TrialView, sight: Sight, may_stop: bool, by_hello: bool) -> Identity {
    Identity {
        run: view.run,
        attempt: view.attempt,
        experiment: view.experiment.clone(),
        trial: view.trial.clone(),
        named: true,
        parent: view.parent,
        uid: view.uid,
        sight,
        may_stop,
        by_hello,
    }
}
