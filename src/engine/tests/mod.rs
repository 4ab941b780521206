//! Scenes for the engine: time is an argument, so nothing here waits.

mod asked;
mod elsewhere;
mod gaps;
mod hellos;
mod ladders;
mod learning;
mod promql;
mod reports;
mod states;

use std::sync::Arc;

use super::*;
use crate::model::*;

/// An engine, its clock and what it has done.
pub struct Scene {
    pub engine: Engine,
    pub now: Moment,
    pub done: Vec<Effect>,
}

pub const MIB: u64 = 1 << 20;

/// Process `pid`, started once.
pub fn key(pid: u32) -> ProcKey {
    ProcKey { pid, start: u64::from(pid) * 10, inode: u64::from(pid) + 7 }
}

/// Run number `n`.
pub fn run(n: u128) -> RunId {
    RunId(n)
}

/// A rule with every default, its condition in the shorthand's terms.
pub fn rule(name: &str, condition: Shorthand) -> Rule {
    let expr = crate::policy::explain(&condition);
    Rule { shorthand: Some(condition), ..promql_rule(name, &expr) }
}

/// A rule with every default, its condition in PromQL.
pub fn promql_rule(name: &str, expr: &str) -> Rule {
    let reads = crate::policy::Reads::of(&crate::promql::parse(expr).expect("a sound expression"));
    Rule {
        name: name.into(),
        place: ("test.toml".into(), 1),
        expr: expr.into(),
        stopper: None,
        holdout: 0.0,
        shorthand: None,
        words: name.to_string(),
        measure: Measure::Plain,
        scope: Scope::Trial,
        evaluate: Evaluate::Local,
        looks_back_ns: reads.looks_back_ns,
        reads_heartbeats: reads.heartbeats,
        learns: reads.learning,
        confirm_proportional: false,
        hold_ns: 0,
        keep_firing_ns: 0,
        for_reports: None,
        filter: Filter::default(),
        warmup_ns: 0,
        warmup_steps: 0,
        action: Action::Stop,
        ladder: Arc::new(Ladder::gentle()),
        observe: false,
        max_stops: None,
        serial_ns: None,
        stop_group: false,
        summary: Some(format!("{name} fires")),
    }
}

/// `metric > bound`
pub fn above(metric: &str, labels: &[(&str, &str)], bound: f64) -> Shorthand {
    let labels = labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let series = Shorthand::Series(SeriesName { metric: metric.to_string(), labels });
    Shorthand::Compare(Comparison::Above, Box::new(series), Box::new(Shorthand::Number(bound)))
}

/// `memory > bytes`
pub fn memory_above(bytes: u64) -> Shorthand {
    above("trial_memory_bytes", &[], bytes as f64)
}

impl Scene {
    /// Nothing has happened yet; these rules are in force.
    pub fn new(rules: Vec<Rule>) -> Scene {
        Scene::with(Settings::default(), rules, None)
    }

    pub fn with(settings: Settings, rules: Vec<Rule>, guard: Option<Guard>) -> Scene {
        let now = Moment { boot_ns: 1000 * SECOND, mono_ns: 1000 * SECOND, wall_ms: 1_700_000_000_000 };
        let mut scene = Scene { engine: Engine::new(settings, || 0, now), now, done: Vec::new() };
        scene.policy(rules, guard);
        scene
    }

    pub fn policy(&mut self, rules: Vec<Rule>, guard: Option<Guard>) {
        let rules = rules.into_iter().map(Arc::new).collect();
        self.event(Event::Policy(Arc::new(Policy { rules, guard, ..Policy::default() })));
    }

    pub fn event(&mut self, event: Event) {
        let effects = self.engine.step(self.now, &event);
        self.done.extend(effects);
    }

    /// Time passes.
    pub fn pass(&mut self, ns: u64) {
        self.now = self.now.plus(ns);
    }

    pub fn wake(&mut self) {
        self.event(Event::Wake);
    }

    /// The effects since the last time it was asked.
    pub fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.done)
    }

    /// `run` registers a trial with this root.
    pub fn register(&mut self, n: u128, name: &str, pid: u32) {
        let spec = TrialSpec { trial: Some(Name::new(name).unwrap()), ..TrialSpec::default() };
        self.event(Event::Register(Register {
            run: run(n),
            spec,
            fallback: Name::new("fallback").unwrap(),
            root: Root { key: key(pid), subreaper: None },
            uid: 1000,
            position: Position::Outside,
            may_stop: true,
            conn: None,
        }));
    }

    pub fn hello_as(&mut self, conn: u64, fresh: u128, peer: Peer, hello: Hello) {
        let said = Said::Hello(Box::new(hello), run(fresh));
        self.event(Event::Line(Line { conn: ConnId(conn), peer, said }));
    }

    /// Hello of process `pid` at `position`.
    pub fn hello(&mut self, conn: u64, fresh: u128, pid: u32, position: Position, name: Option<&str>) {
        let spec = TrialSpec { trial: name.map(|n| Name::new(n).unwrap()), ..TrialSpec::default() };
        let hello = Hello { spec, worker: "0".into(), ..Hello::default() };
        self.hello_as(conn, fresh, Peer { uid: 1000, key: Some(key(pid)), position }, hello);
    }

    pub fn say(&mut self, conn: u64, said: Said) {
        let peer = Peer { uid: 1000, key: None, position: Position::Outside };
        self.event(Event::Line(Line { conn: ConnId(conn), peer, said }));
    }

    pub fn step(&mut self, conn: u64, step: Step) {
        self.say(conn, Said::Step(Box::new(step)));
    }

    pub fn report(&mut self, conn: u64, step: u64, metrics: &[(&str, f64)]) {
        let metrics = metrics.iter().map(|(n, v)| (n.to_string(), *v)).collect();
        self.step(conn, Step { step: Some(step), metrics, ..Step::default() });
    }

    pub fn sample(&self, n: u128, memory: u64, pids: &[u32]) -> TreeSample {
        let memory = Memory { resident: memory + MIB, shared: MIB };
        let proc = |pid: &u32| ProcSample { key: key(*pid), memory: Some(memory), cpu_seconds: 0.0, comm: "t".into() };
        TreeSample {
            run: run(n),
            complete: true,
            memory: (!pids.is_empty()).then_some(memory),
            swap: Some(0),
            proportional: None,
            limit: Some(1 << 40),
            cpu: Pair { first: 1.0, second: 0.5 },
            utilization: Some(0.1),
            processes: pids.len() as u32,
            threads: pids.len() as u32,
            io: None,
            major_faults: None,
            switches: None,
            members: pids.iter().map(proc).collect(),
        }
    }

    /// A tick with one process a trial: (run, pid, memory).
    pub fn tick(&mut self, trials: &[(u128, u32, u64)]) {
        let trees = trials.iter().map(|(n, pid, memory)| self.sample(*n, *memory, &[*pid])).collect();
        self.tick_of(trees);
    }

    pub fn tick_of(&mut self, trees: Vec<TreeSample>) {
        let tick = Tick { at: self.now, took_ns: 0, overruns: 0, trees, host: HostSample::default(), up: Vec::new() };
        self.event(Event::Tick(tick));
    }

    /// So many ticks, a second apart, each after its second.
    pub fn ticks(&mut self, count: u32, trials: &[(u128, u32, u64)]) {
        for _ in 0..count {
            self.pass(SECOND);
            self.tick(trials);
        }
    }

    /// The fresh look that a rule asked for.
    pub fn confirm(&mut self, n: u128, pid: u32, memory: u64) {
        let sample = self.sample(n, memory, &[pid]);
        self.event(Event::Reading(Reading { cause: ReadingCause::Confirm, sample }));
    }

    pub fn tree(&mut self, n: u128, pids: &[u32]) {
        let members = pids.iter().map(|p| Member { key: key(*p), state: RunState::Alive }).collect();
        self.event(Event::Tree(Tree { run: run(n), members }));
    }

    pub fn view(&self, n: u128) -> Arc<TrialView> {
        let snapshot = self.engine.snapshot();
        snapshot.trials.iter().find(|v| v.run == run(n)).cloned().expect("the trial is there")
    }

    pub fn stop_id(&self, n: u128) -> StopId {
        self.view(n).stop.as_ref().expect("the trial is on a ladder").id
    }

    pub fn rule_state(&self, n: u128) -> RuleState {
        self.view(n).rules[0].state
    }
}

/// Signals given: process and signal.
pub fn signals(effects: &[Effect]) -> Vec<(u32, Signal)> {
    let shot = |e: &Effect| if let Effect::Signal(shot) = e { Some((shot.key.pid, shot.signal)) } else { None };
    effects.iter().filter_map(shot).collect()
}

/// Whether the tree is to be read to confirm a rule.
pub fn wants_confirm(effects: &[Effect]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::Read(_, ReadingCause::Confirm)))
}

/// What the trainers were told.
pub fn asks(effects: &[Effect]) -> Vec<StopNotice> {
    let ask = |e: &Effect| if let Effect::Send(_, Reply::Stop(notice)) = e { Some(notice.clone()) } else { None };
    effects.iter().filter_map(ask).collect()
}

/// Refusals sent.
pub fn refusals(effects: &[Effect]) -> Vec<ErrorCode> {
    let refusal = |e: &Effect| if let Effect::Send(_, Reply::Error(r)) = e { Some(r.code) } else { None };
    effects.iter().filter_map(refusal).collect()
}

/// Welcomes sent.
pub fn welcomes(effects: &[Effect]) -> Vec<Welcome> {
    let welcome = |e: &Effect| if let Effect::Send(_, Reply::Welcome(w)) = e { Some(w.clone()) } else { None };
    effects.iter().filter_map(welcome).collect()
}

/// Outcomes of stops.
pub fn outcomes(effects: &[Effect]) -> Vec<StopOutcome> {
    let close = |e: &Effect| if let Effect::Close(_, outcome) = e { Some(*outcome) } else { None };
    effects.iter().filter_map(close).collect()
}
