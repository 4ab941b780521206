//! The report of a replay in recorded time, as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Args;
use super::recorded::{Replay, Replayed};
use crate::model::Moment;
use crate::replay::{Bounds, Break, Experiment, Stopped, Used};

/// All of it.
pub fn report(args: &Args, replay: &Replay) -> Value {
    let outcome = &replay.outcome;
    let told = || replay.journals.iter().map(|journal| &journal.told);
    let would: Vec<Value> = told().flat_map(|told| &told.would).map(would_stop).collect();
    let saved = outcome.stopped.iter().map(|stopped| stopped.saved);
    json!({
        "mode": "recorded",
        "policy": args.policy.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "journals": replay.journals.iter().map(|journal| account(journal, replay.own)).collect::<Vec<_>>(),
        "trials": outcome.trials,
        "stopped": outcome.stopped.len(),
        // Stops of trials that came to their end in the record: whatever they were worth, they were no waste.
        "stopped_complete": outcome.stopped.iter().filter(|s| !s.at_least && !s.finished).count(),
        "never_began": outcome.never,
        "stops": outcome.stopped.iter().map(stop).collect::<Vec<_>>(),
        "observed": would,
        "rules": rules(replay),
        "cost": replay.cost.as_str(),
        "recorded": used(outcome.recorded),
        "used": used(outcome.used),
        "saved": used(saved.fold(Used::default(), sum)),
        "speedup": spread(outcome.speedup(replay.cost)),
        "kept": mean_of(outcome.experiments.iter().map(|e| e.kept), "share"),
        "regret": mean_of(outcome.experiments.iter().map(|e| e.regret), "mean"),
        "regret_scaled": mean_of(outcome.experiments.iter().map(|e| e.regret_scaled), "mean"),
        "experiments": outcome.experiments.iter().map(experiment).collect::<Vec<_>>(),
        "without_objective": outcome.without.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "censored": {"trials": outcome.censored, "needed_beyond_record": outcome.beyond},
    })
}

fn sum(a: Used, b: Used) -> Used {
    Used {
        steps: a.steps + b.steps,
        seconds: a.seconds + b.seconds,
        cpu_seconds: a.cpu_seconds + b.cpu_seconds,
        gib_hours: a.gib_hours + b.gib_hours,
    }
}

/// A journal: whether the replay of its own policies is equal.
fn account(journal: &Replayed, own: bool) -> Value {
    let past = &journal.past;
    let equal = if past.breaks.is_empty() { Value::Bool(past.differences.is_empty()) } else { Value::Null };
    let differences = past.differences.iter().map(|d| json!({"of": d.of, "journal": d.journal, "replay": d.replay}));
    json!({
        "path": journal.path.display().to_string(),
        "lives": past.lives,
        "trials": past.trials.len(),
        "times_made_up": journal.made_up,
        "stops": past.stops,
        // Under another policy nothing is to be equal.
        "equal": if own { equal } else { Value::Null },
        "differences": differences.filter(|_| own).collect::<Vec<_>>(),
        "breaks": past.breaks.iter().map(|b| Value::String(told(b))).collect::<Vec<_>>(),
    })
}

/// Why nobody can claim that all is equal, in words.
pub fn told(broken: &Break) -> String {
    let time = |at: &Moment| crate::journal::utc(at.wall_ms);
    match broken {
        Break::Dropped(count, first, last) if last.wall_ms > 0 => {
            format!("{count} inputs are missing between {} and {}", time(first), time(last))
        }
        Break::Dropped(count, ..) => format!("{count} rows were cut off at the front ([journal] max_size, max_age)"),
        Break::Killed(at) => {
            format!("the daemon that began at {} was killed, or still runs: its last moments may be missing", time(at))
        }
        Break::Refused(files) => {
            let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            format!("this version refuses a policy of the record: {}", files.join(", "))
        }
        Break::Processes(rules) => {
            format!("rules that read single processes, of which the journal keeps none: {}", rules.join(", "))
        }
    }
}

fn used(used: Used) -> Value {
    let Used { steps, seconds, cpu_seconds, gib_hours } = used;
    json!({"steps": steps, "seconds": seconds, "cpu_seconds": cpu_seconds, "gib_hours": gib_hours})
}

/// JSON has no infinity: null.
fn spread(bounds: Bounds) -> Value {
    json!({"median": bounds.high, "mean": bounds.high, "low": bounds.low, "high": bounds.high})
}

/// The mean over experiments; null where none has an objective.
fn mean_of(all: impl Iterator<Item = Bounds>, name: &str) -> Value {
    let all: Vec<Bounds> = all.collect();
    if all.is_empty() {
        return Value::Null;
    }
    let mean = |of: fn(&Bounds) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
    let (low, high) = (mean(|b| b.low), mean(|b| b.high));
    // What is told is as if nothing unknown were the best: the end of the bounds that is good for the policy.
    let told = if name == "share" { high } else { low };
    json!({name: told, "low": low, "high": high})
}

fn experiment(e: &Experiment) -> Value {
    let bounds = |b: Bounds| json!({"low": b.low, "high": b.high});
    json!({
        "experiment": e.name.as_str(),
        "metric": e.objective.metric,
        "mode": e.objective.mode.as_str(),
        "complete": e.complete,
        "needed_beyond_record": e.beyond,
        "best": e.best,
        "kept_best": e.kept_best,
        "kept": bounds(e.kept),
        "regret": bounds(e.regret),
        "regret_scaled": bounds(e.regret_scaled),
    })
}

fn stop(stopped: &Stopped) -> Value {
    let Stopped { view, stop, saved, at_least, finished } = stopped;
    json!({
        "experiment": view.experiment.as_str(),
        "trial": view.trial.as_str(),
        "run": view.run.to_string(),
        "attempt": view.attempt,
        "rule": &*stop.rule,
        "reason": stop.reason,
        "at": stop.at.unix_seconds(),
        "elapsed_seconds": stop.view.elapsed(stop.at),
        "step": stop.view.progress.step,
        "in_record": stop.in_record,
        "finished": finished,
        "saved": used(*saved),
        "at_least": at_least,
    })
}

fn would_stop(would: &crate::replay::WouldStop) -> Value {
    json!({
        "experiment": would.view.experiment.as_str(),
        "trial": would.view.trial.as_str(),
        "run": would.view.run.to_string(),
        "attempt": would.view.attempt,
        "rule": &*would.rule,
        "outcome": would.outcome.as_str(),
        "said": would.said,
        "at": would.at.unix_seconds(),
        "elapsed_seconds": would.view.elapsed(would.at),
        "step": would.view.progress.step,
    })
}

/// Each rule that did something, or would have.
fn rules(replay: &Replay) -> Vec<Value> {
    let mut rules: BTreeMap<&str, (u64, u64, Used)> = BTreeMap::new();
    for stopped in &replay.outcome.stopped {
        let rule = rules.entry(&stopped.stop.rule).or_default();
        (rule.0, rule.2) = (rule.0 + 1, sum(rule.2, stopped.saved));
    }
    for would in replay.journals.iter().flat_map(|journal| &journal.told.would) {
        rules.entry(&would.rule).or_default().1 += 1;
    }
    let told = |(rule, (stopped, observed, saved)): (&str, (u64, u64, Used))| json!({"rule": rule, "stopped": stopped, "observed": observed, "saved": used(saved)});
    rules.into_iter().map(told).collect()
}
