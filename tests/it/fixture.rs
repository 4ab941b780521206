//! Snapshots made by hand: a trial with everything, one with nothing, one that was stopped.

use std::collections::BTreeMap;
use std::sync::Arc;

use earlystop::model::*;

const MIB: u64 = 1 << 20;

/// The moment of all snapshots here, 100 s after the trials began.
pub fn now() -> Moment {
    start().plus(100 * SECOND)
}

fn start() -> Moment {
    Moment { boot_ns: 1000 * SECOND, mono_ns: 1000 * SECOND, wall_ms: 1_790_000_000_000 }
}

/// A trial without anything.
pub fn named(experiment: &str, trial: &str) -> TrialView {
    TrialView {
        run: RunId::from_parts(1_790_000_000_000, 7),
        attempt: 1,
        experiment: Name::made_of(experiment),
        trial: Name::made_of(trial),
        labels: Arc::default(),
        params: Arc::default(),
        objective: None,
        group: None,
        fold: None,
        parent: None,
        uid: 1000,
        root: None,
        ask_only: false,
        state: TrialState::Running,
        started: start(),
        ended: None,
        exit: None,
        tree: None,
        totals: Totals::default(),
        progress: Progress::default(),
        metrics: BTreeMap::new(),
        rules: Vec::new(),
        stops: BTreeMap::new(),
        saved: BTreeMap::new(),
        stop: None,
    }
}

/// A trial whose tree could not be read and whose trainer says nothing.
pub fn bare_trial() -> TrialView {
    named("default", "bare")
}

fn texts(pairs: &[(&str, &str)]) -> Arc<BTreeMap<String, String>> {
    Arc::new(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
}

fn member(pid: u32, private: u64) -> ProcSample {
    ProcSample {
        key: ProcKey { pid, start: 5000, inode: 0 },
        memory: Some(Memory { resident: private + 10 * MIB, shared: 10 * MIB }),
        cpu_seconds: 1.25,
        comm: "python3 \"x\"\\".into(),
    }
}

fn tree(run: RunId, members: Vec<ProcSample>) -> TreeSample {
    let sum = |part: fn(Memory) -> u64| members.iter().filter_map(|m| m.memory).map(part).sum();
    TreeSample {
        run,
        complete: true,
        memory: Some(Memory { resident: sum(|m| m.resident), shared: sum(|m| m.shared) }),
        swap: Some(MIB),
        proportional: Some(300 * MIB),
        limit: Some(1024 * MIB),
        cpu: Pair { first: 42.5, second: 1.5 },
        utilization: Some(0.97),
        processes: members.len() as u32,
        threads: 9,
        io: Some(Pair { first: 4096, second: 8192 }),
        major_faults: Some(3),
        switches: Some(Pair { first: 1200, second: 34 }),
        members: members.into(),
    }
}

/// A living trial with a value for everything, hostile labels among them.
pub fn full_trial() -> TrialView {
    let mut view = named("red_wine", "svm-1");
    view.labels = texts(&[
        ("algorithm", "svm \"fast\" \\ two\nlines"),
        ("0bad", "no label name"),
        ("bad-er", "no label name"),
        ("run", "one of ours"),
    ]);
    view.params = texts(&[("learning_rate", "0.01"), ("a.b", "first"), ("a_b", "the same label"), ("ü", "1")]);
    view.group = Some(Name::made_of("b32"));
    view.fold = Some("3".to_owned());
    view.tree = Some(tree(view.run, vec![member(100, 200 * MIB), member(101, 50 * MIB), member(102, 30 * MIB)]));
    view.totals = Totals {
        cpu: Pair { first: 42.5, second: 1.5 },
        io: Some(Pair { first: 4096, second: 8192 }),
        major_faults: Some(3),
        switches: Some(Pair { first: 1200, second: 34 }),
        memory_peak: Some(333 * MIB),
    };
    view.progress = progress();
    view.metrics = metrics();
    let rule =
        |name: &str, state| RuleView { rule: name.into(), state, since: start(), why: String::new(), parts: vec![] };
    view.rules = vec![rule("memory-cap", RuleState::Pending), rule("stalled", RuleState::Unknown)];
    view.stops = [(("old-rule".into(), StopOutcome::Observed), 1)].into();
    view.saved = [("old-rule".into(), 12.5)].into();
    view
}

fn progress() -> Progress {
    let mut step_times = StepTimes::default();
    step_times.observe(0.004, 90);
    step_times.observe(2.0, 10);
    step_times.observe(2000.0, 1);
    Progress {
        since_step: BTreeMap::new(),
        hello: Some(start()),
        step: Some(101),
        target_steps: Some(5000),
        total_epochs: Some(20.0),
        epoch: Some(0.5),
        steps_total: 101,
        samples_total: 3232,
        heartbeats: 102,
        last_heartbeat: Some(start().plus(99 * SECOND)),
        last_step_at: Some(start().plus(99 * SECOND)),
        phase: Some("train".to_owned()),
        phase_since: Some(start()),
        phases: [("train".to_owned(), Pair { first: 80.0, second: 40.0 }), ("eval".to_owned(), Pair::default())].into(),
        step_times,
        workers: [("0".to_owned(), 101), ("1".to_owned(), 100)].into(),
    }
}

fn metrics() -> BTreeMap<String, MetricView> {
    let rmse = MetricView {
        last: 0.7,
        seen: 0.7,
        best: Some(0.65),
        best_report: Some(2),
        improvements: vec![Improvement {
            mode: Some(Mode::Min),
            min_delta: 0.01,
            best: 0.66,
            step: Some(70),
            report: 7,
        }],
        peer_median: Some(0.68),
        best_step: Some(80),
        step: Some(100),
        mode: Some(Mode::Min),
        reports: 10,
        last_word: None,
    };
    let loss = MetricView { last: 0.3, seen: f64::NAN, reports: 101, step: Some(101), ..MetricView::default() };
    let huge = MetricView { last: f64::INFINITY, seen: f64::INFINITY, reports: 1, ..MetricView::default() };
    [("val_rmse".to_owned(), rmse), ("train_loss".to_owned(), loss), ("grad\"norm\n".to_owned(), huge)].into()
}

/// A trial that a rule stopped.
pub fn stopped_trial() -> TrialView {
    let mut view = full_trial();
    view.trial = Name::made_of("svm-2");
    end(&mut view, TrialState::Stopped);
    view.exit = Some(Exit { cause: ExitCause::Rule, status: Some(ExitStatus::Signal(11)) });
    view.stops = [(("memory-cap".into(), StopOutcome::Terminated), 1)].into();
    let reason = "memory <script> 612 MiB > 512 MiB for 5s".to_owned();
    let id = StopId::from_parts(1_790_000_000_000, 9);
    view.stop = Some(StopView { id, rule: "memory-cap".into(), reason, rung: 1, since: start().plus(88 * SECOND) });
    view
}

/// Ends a trial, its last look left in place.
pub fn end(view: &mut TrialView, state: TrialState) {
    view.state = state;
    view.ended = Some(start().plus(90 * SECOND));
    view.exit = Some(Exit { cause: ExitCause::Completed, status: Some(ExitStatus::Code(0)) });
    if let Some(metric) = view.metrics.get_mut("val_rmse") {
        metric.last_word = Some(0.64);
    }
}

/// [`full_trial`] under another name.
pub fn living(trial: &str) -> TrialView {
    TrialView { trial: Name::made_of(trial), ..full_trial() }
}

/// A living trial of so many processes.
pub fn with_processes(n: u32) -> TrialView {
    let mut view = full_trial();
    view.tree = Some(tree(view.run, (0..n).map(|i| member(1000 + i, MIB)).collect()));
    view
}

/// A snapshot of these trials, with a host and two rules.
pub fn of(trials: Vec<TrialView>) -> Snapshot {
    let mut stops = [0; StopOutcome::ALL.len()];
    stops[1] = 1;
    let cap = RuleTotals {
        evaluations: 100,
        seconds: 0.25,
        failures: 1,
        spared_finished: 12,
        spared_censored: 2,
        false_stops: 1,
        stops,
    };
    Snapshot {
        at: now(),
        trials: trials.into_iter().map(Arc::new).collect(),
        host: HostSample {
            memory_available: Some(6 << 30),
            memory_total: Some(8 << 30),
            cpu_utilization: Some(0.5),
            pressure: vec![("memory", "some", 1.5), ("memory", "full", 0.5)],
        },
        up: vec![(SourceName::Processes, true), (SourceName::Pressure, false)],
        last_tick: Some(now()),
        overruns: 2,
        tick_seconds: 0.002,
        rules: [("memory-cap".into(), cap), ("manual".into(), RuleTotals::default())].into(),
        heartbeats: 102,
        window_bytes: 65_536,
        reload: (true, start()),
        process_series: 5000,
        ..Snapshot::default()
    }
}

/// A living trial with everything, one with nothing, one that was stopped.
pub fn snapshot() -> Snapshot {
    of(vec![full_trial(), bare_trial(), stopped_trial()])
}

/// [`snapshot`] and a trial without a step yet, after so many ticks more: counters, steps and times go on.
pub fn after(ticks: u64) -> Snapshot {
    let mut snapshot = snapshot();
    let mut starting = TrialView { trial: Name::made_of("svm-new"), ..bare_trial() };
    starting.progress.hello = Some(start());
    snapshot.trials.push(Arc::new(starting));
    snapshot.at = now().plus(ticks * SECOND);
    snapshot.last_tick = Some(snapshot.at);
    snapshot.overruns += ticks;
    snapshot.heartbeats += ticks;
    for totals in snapshot.rules.values_mut() {
        totals.evaluations += ticks;
        totals.failures += ticks;
        totals.seconds += ticks as f64 / 1000.0;
    }
    for pressure in &mut snapshot.host.pressure {
        pressure.2 += ticks as f64 / 10.0;
    }
    for view in &mut snapshot.trials {
        let view = Arc::make_mut(view);
        if view.state.is_living() && view.tree.is_some() {
            advance(view, ticks);
        }
    }
    snapshot
}

fn advance(view: &mut TrialView, ticks: u64) {
    let seconds = ticks as f64;
    view.totals.cpu.first += seconds;
    view.totals.io = Some(Pair { first: 4096 * ticks, second: 8192 * ticks });
    view.totals.major_faults = Some(3 + ticks);
    view.totals.switches = Some(Pair { first: 1200 + ticks, second: 34 + ticks });
    view.progress.step = Some(101 + ticks);
    view.progress.steps_total += ticks;
    view.progress.samples_total += 32 * ticks;
    view.progress.heartbeats += ticks;
    view.progress.step_times.observe(0.03, ticks);
    view.progress.phases.entry("train".to_owned()).or_default().first += seconds;
}
