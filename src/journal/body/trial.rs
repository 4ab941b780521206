//! Trials, stops and processes as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Broken, Json, field, object, record, wanted};
use crate::model::{
    Exit, ExitStatus, ExitUsage, Improvement, Ladder, Limits, Member, Memory, MetricView, Moment, Objective, Pair,
    PartView, Peer, Position, ProcKey, ProcSample, Progress, Root, RuleView, Rung, Settings, Shot, Signal, StepTimes,
    StopOutcome, StopRecord, StopView, Totals, TreeSample, TrialSpec, TrialView,
};

record!(ProcKey { pid, start, inode });
record!(Root { key, subreaper });
record!(Peer { uid, key, position });
record!(ExitUsage { user_seconds, system_seconds, max_resident });
record!(Member { key, state });
record!(Memory { resident, shared });
record!(ProcSample { key, memory, cpu_seconds, comm });
record!(Objective { metric, mode });
record!(TrialSpec {
    trial,
    experiment,
    labels,
    params,
    objective,
    modes,
    total_steps,
    total_epochs,
    start_step,
    group,
    fold
});
record!(Rung { ask, signal, to, wait_ns, max_ns });
record!(Ladder { name, rungs });
record!(StopRecord { id, run, rule, reason, ladder, rung, rung_since_ns, rung_until_ns });
record!(Shot { stop, run, rung, key, signal, wake, owner });
record!(StopView { id, rule, reason, rung, since });
record!(RuleView { rule, state, since, why, parts });
record!(PartView { depth, text, value });
record!(Exit { cause, status });
record!(StepTimes { buckets, sum });
record!(MetricView {
    last,
    seen,
    best,
    best_step,
    best_report,
    improvements,
    peer_median,
    step,
    mode,
    reports,
    last_word
});
record!(Improvement { mode, min_delta, best, step, report });
record!(Totals { cpu, io, major_faults, switches, memory_peak });
record!(Progress {
    hello,
    step,
    target_steps,
    total_epochs,
    epoch,
    steps_total,
    samples_total,
    heartbeats,
    last_heartbeat,
    last_step_at,
    since_step,
    phase,
    phase_since,
    phases,
    step_times,
    workers,
});
record!(Settings { interval_ns, lookback_ns, observe, gap_grace_ns, ended_retention_ns, process_series, limits });
record!(Limits {
    running_trials,
    ended_trials,
    labels,
    params,
    value_bytes,
    metrics,
    phases,
    processes,
    workers,
    connections
});

impl Json for Moment {
    fn put(&self) -> Value {
        (self.boot_ns, self.mono_ns, self.wall_ms).put()
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        let (boot_ns, mono_ns, wall_ms) = Json::take(value)?;
        Ok(Moment { boot_ns, mono_ns, wall_ms })
    }
}

impl<T: Json> Json for Pair<T> {
    fn put(&self) -> Value {
        Value::Array(vec![self.first.put(), self.second.put()])
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        let (first, second) = Json::take(value)?;
        Ok(Pair { first, second })
    }
}

impl Json for Signal {
    fn put(&self) -> Value {
        self.0.put()
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        i32::take(value).map(Signal)
    }
}

impl Json for ExitStatus {
    fn put(&self) -> Value {
        match self {
            ExitStatus::Code(code) => object([("code", code.put())]),
            ExitStatus::Signal(signal) => object([("signal", signal.put())]),
        }
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        match (field(value, "code")?, field(value, "signal")?) {
            (Some(code), None) => Ok(ExitStatus::Code(code)),
            (None, Some(signal)) => Ok(ExitStatus::Signal(signal)),
            _ => wanted("a code or a signal", value),
        }
    }
}

impl Json for Position {
    fn put(&self) -> Value {
        match self {
            Position::Outside => "outside".into(),
            Position::Root(run) => object([("root", run.put())]),
            Position::Inside(run) => object([("inside", run.put())]),
        }
    }
    fn take(value: &Value) -> Result<Self, Broken> {
        match (value.as_str(), field(value, "root")?, field(value, "inside")?) {
            (Some("outside"), None, None) => Ok(Position::Outside),
            (None, Some(run), None) => Ok(Position::Root(run)),
            (None, None, Some(run)) => Ok(Position::Inside(run)),
            _ => wanted("a position", value),
        }
    }
}

impl Json for TrialView {
    fn put(&self) -> Value {
        let TrialView { run, attempt, experiment, trial, labels, params, objective, group, fold, parent, .. } = self;
        let TrialView { uid, root, ask_only, state, started, ended, exit, totals, progress, metrics, .. } = self;
        let TrialView { tree, rules, stops, saved, stop, .. } = self;
        let stops: Vec<(Arc<str>, StopOutcome, u64)> =
            stops.iter().map(|((rule, outcome), count)| (rule.clone(), *outcome, *count)).collect();
        let saved: BTreeMap<String, f64> = saved.iter().map(|(k, v)| (k.to_string(), *v)).collect();
        object([
            ("run", run.put()),
            ("attempt", attempt.put()),
            ("experiment", experiment.put()),
            ("trial", trial.put()),
            ("labels", labels.put()),
            ("params", params.put()),
            ("objective", objective.put()),
            ("group", group.put()),
            ("fold", fold.put()),
            ("parent", parent.put()),
            ("uid", uid.put()),
            ("root", root.put()),
            ("ask_only", ask_only.put()),
            ("state", state.put()),
            ("started", started.put()),
            ("ended", ended.put()),
            ("exit", exit.put()),
            ("tree", tree.as_ref().map_or(Value::Null, put_tree)),
            ("totals", totals.put()),
            ("progress", progress.put()),
            ("metrics", metrics.put()),
            ("rules", rules.put()),
            ("stops", stops.put()),
            ("saved", saved.put()),
            ("stop", stop.put()),
        ])
    }

    fn take(value: &Value) -> Result<Self, Broken> {
        let stops: Vec<(Arc<str>, StopOutcome, u64)> = field(value, "stops")?;
        let saved: BTreeMap<String, f64> = field(value, "saved")?;
        Ok(TrialView {
            run: field(value, "run")?,
            attempt: field(value, "attempt")?,
            experiment: field(value, "experiment")?,
            trial: field(value, "trial")?,
            labels: field(value, "labels")?,
            params: field(value, "params")?,
            objective: field(value, "objective")?,
            group: field(value, "group")?,
            fold: field(value, "fold")?,
            parent: field(value, "parent")?,
            uid: field(value, "uid")?,
            root: field(value, "root")?,
            ask_only: field(value, "ask_only")?,
            state: field(value, "state")?,
            started: field(value, "started")?,
            ended: field(value, "ended")?,
            exit: field(value, "exit")?,
            tree: value.get("tree").map(take_tree).transpose().map_err(|b| b.under("tree"))?,
            totals: field(value, "totals")?,
            progress: field(value, "progress")?,
            metrics: field(value, "metrics")?,
            rules: field(value, "rules")?,
            stops: stops.into_iter().map(|(rule, outcome, count)| ((rule, outcome), count)).collect(),
            saved: saved.into_iter().map(|(rule, seconds)| (Arc::from(rule), seconds)).collect(),
            stop: field(value, "stop")?,
        })
    }
}

/// A head's tree goes without its members: they mean nothing in the next life.
fn put_tree(tree: &TreeSample) -> Value {
    object([
        ("run", tree.run.put()),
        ("complete", tree.complete.put()),
        ("memory", tree.memory.put()),
        ("swap", tree.swap.put()),
        ("proportional", tree.proportional.put()),
        ("limit", tree.limit.put()),
        ("cpu", tree.cpu.put()),
        ("utilization", tree.utilization.put()),
        ("processes", tree.processes.put()),
        ("threads", tree.threads.put()),
        ("io", tree.io.put()),
        ("major_faults", tree.major_faults.put()),
        ("switches", tree.switches.put()),
    ])
}

fn take_tree(value: &Value) -> Result<TreeSample, Broken> {
    Ok(TreeSample {
        run: field(value, "run")?,
        complete: field(value, "complete")?,
        memory: field(value, "memory")?,
        swap: field(value, "swap")?,
        proportional: field(value, "proportional")?,
        limit: field(value, "limit")?,
        cpu: field(value, "cpu")?,
        utilization: field(value, "utilization")?,
        processes: field(value, "processes")?,
        threads: field(value, "threads")?,
        io: field(value, "io")?,
        major_faults: field(value, "major_faults")?,
        switches: field(value, "switches")?,
        members: Arc::from([]),
    })
}

#[cfg(test)]
pub(in crate::journal) mod tests {
    use super::*;
    use crate::journal::packed::tests::full;
    use crate::model::{ExitCause, Mode, Name, RuleState, RunId, StopId, TrialState};

    pub fn spec() -> TrialSpec {
        TrialSpec {
            trial: Some(Name::made_of("t")),
            experiment: Some(Name::made_of("e")),
            labels: BTreeMap::from([("a".into(), "ü\n".into())]),
            params: BTreeMap::from([("lr".into(), "0.01".into())]),
            objective: Some(Objective { metric: "rmse".into(), mode: Mode::Min }),
            modes: BTreeMap::from([("acc".into(), Mode::Max)]),
            total_steps: Some(5),
            total_epochs: Some(2.5),
            start_step: 3,
            group: Some(Name::made_of("g")),
            fold: Some("1".into()),
        }
    }

    /// A view with every field set.
    pub fn view(run: RunId, state: TrialState) -> TrialView {
        let at = |n: u64| Moment { boot_ns: n, mono_ns: n + 1, wall_ms: n as i64 };
        let metric = MetricView {
            last: 0.25,
            seen: f64::INFINITY,
            best: Some(0.2),
            best_step: Some(4),
            best_report: Some(3),
            improvements: vec![Improvement { mode: None, min_delta: 0.5, best: 0.25, step: Some(4), report: 2 }],
            peer_median: Some(0.75),
            step: Some(5),
            mode: Some(Mode::Min),
            reports: 6,
            last_word: Some(0.3),
        };
        let mut step_times = StepTimes::default();
        step_times.observe(0.1, 7);
        let progress = Progress {
            hello: Some(at(1)),
            step: Some(2),
            target_steps: Some(3),
            total_epochs: Some(4.0),
            epoch: Some(0.5),
            steps_total: 6,
            samples_total: 7,
            heartbeats: 8,
            last_heartbeat: Some(at(9)),
            last_step_at: Some(at(10)),
            since_step: [("eval".to_string(), 2.5), (String::new(), 0.5)].into(),
            phase: Some("train".into()),
            phase_since: Some(at(11)),
            phases: BTreeMap::from([("train".into(), Pair { first: 1.5, second: 2.5 })]),
            step_times,
            workers: BTreeMap::from([("0".into(), 5)]),
        };
        let rule: Arc<str> = "memory-cap".into();
        let why = "memory".to_string();
        let rules = vec![RuleView { rule: rule.clone(), state: RuleState::Pending, since: at(12), why, parts: vec![] }];
        let spec = spec();
        let exit = Exit { cause: ExitCause::Rule, status: Some(ExitStatus::Signal(15)) };
        let key = ProcKey { pid: 1, start: 2, inode: 3 };
        TrialView {
            run,
            attempt: 2,
            experiment: Name::made_of("e"),
            trial: Name::made_of("t"),
            labels: Arc::new(spec.labels),
            params: Arc::new(spec.params),
            objective: spec.objective,
            group: spec.group,
            fold: spec.fold,
            parent: Some(RunId(9)),
            uid: 1000,
            root: Some(key),
            ask_only: true,
            state,
            started: at(1),
            ended: (!state.is_living()).then(|| at(20)),
            exit: (!state.is_living()).then_some(exit),
            tree: Some(TreeSample { members: Arc::from([]), ..full(run) }),
            totals: Totals {
                cpu: Pair { first: 0.1, second: 0.2 },
                io: Some(Pair { first: 1, second: 2 }),
                major_faults: Some(3),
                switches: Some(Pair { first: 4, second: 5 }),
                memory_peak: Some(6),
            },
            progress,
            metrics: BTreeMap::from([("rmse".into(), metric), ("acc".into(), MetricView::default())]),
            rules,
            stops: BTreeMap::from([((rule.clone(), StopOutcome::Limited), 2)]),
            saved: BTreeMap::from([(rule.clone(), 12.5)]),
            stop: Some(StopView { id: StopId(5), rule, reason: "r".into(), rung: 1, since: at(13) }),
        }
    }

    #[test]
    fn heads_come_back_in_every_state() {
        for state in TrialState::ALL {
            let whole = view(RunId(1 << 100), state);
            let text = whole.put().to_string();
            assert_eq!(TrialView::take(&serde_json::from_str(&text).unwrap()).unwrap(), whole);
        }
        let settings = Settings::default();
        assert_eq!(Settings::take(&settings.put()).unwrap(), settings);
    }
}
