//! Rules and alerts, as Prometheus shows its own: a policy file is a group, a rule an alerting rule, a trial for which it
//! is pending or fires an alert.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::params::Params;
use super::{Answer, Failure, json as write, time};
use crate::model::{AlertView, Rule, RunId, SECOND, Snapshot, TrialView};
use crate::policy::template::{self, Facts};
use crate::policy::words;

/// `/api/v1/rules`
pub(super) fn rules(snapshot: &Snapshot, params: &Params) -> Result<Answer, Failure> {
    let alerting = match params.get("type") {
        None | Some("alert") => true,
        Some("record") => false,
        Some(other) => return Err(Failure::parameter("type", format!("not supported value {other:?}"))),
    };
    let wanted =
        |name: &str, value: &str| params.all(name).next().is_none() || params.all(name).any(|one| one == value);
    let with_alerts = params.get("exclude_alerts") != Some("true");
    let trials = by_run(snapshot);
    let mut groups: Vec<(String, String, Vec<Value>)> = Vec::new();
    for rule in snapshot.policy.rules.iter().filter(|_| alerting) {
        let file = rule.place.0.display().to_string();
        let group = rule.place.0.file_stem().map_or_else(|| file.clone(), |stem| stem.to_string_lossy().into_owned());
        if !wanted("rule_name[]", &rule.name) || !wanted("rule_group[]", &group) || !wanted("file[]", &file) {
            continue;
        }
        let described = describe(rule, snapshot, &trials, with_alerts);
        match groups.last_mut().filter(|(known, ..)| *known == file) {
            Some((.., rules)) => rules.push(described),
            None => groups.push((file, group, vec![described])),
        }
    }
    let last = last_evaluation(snapshot);
    let groups: Vec<Value> = groups
        .into_iter()
        .map(|(file, name, rules)| {
            let time: f64 = rules.iter().filter_map(|rule| rule["evaluationTime"].as_f64()).sum();
            json!({
                "name": name, "file": file, "rules": rules, "interval": seconds(snapshot.interval_ns), "limit": 0,
                "evaluationTime": time, "lastEvaluation": last,
            })
        })
        .collect();
    Ok(Answer::of(json!({ "groups": groups }).to_string()))
}

/// `/api/v1/alerts`
pub(super) fn alerts(snapshot: &Snapshot) -> Answer {
    let trials = by_run(snapshot);
    let rules: HashMap<&str, &Rule> = snapshot.policy.rules.iter().map(|rule| (&*rule.name, &**rule)).collect();
    let all: Vec<Value> = snapshot
        .alerts
        .iter()
        .filter_map(|active| Some(alert(active, rules.get(&*active.rule)?, trials.get(&active.run)?)))
        .collect();
    Answer::of(json!({ "alerts": all }).to_string())
}

fn by_run(snapshot: &Snapshot) -> HashMap<RunId, &TrialView> {
    snapshot.trials.iter().map(|view| (view.run, &**view)).collect()
}

fn last_evaluation(snapshot: &Snapshot) -> String {
    time::written(snapshot.last_tick.map_or(0, |at| at.wall_ms))
}

fn describe(rule: &Rule, snapshot: &Snapshot, trials: &HashMap<RunId, &TrialView>, with_alerts: bool) -> Value {
    let active: Vec<&AlertView> = snapshot.alerts.iter().filter(|alert| alert.rule == rule.name).collect();
    let state = match (active.iter().any(|alert| alert.firing), active.is_empty()) {
        (true, _) => "firing",
        (_, false) => "pending",
        _ => "inactive",
    };
    let totals = snapshot.rules.get(&rule.name);
    let evaluations = totals.map_or(0, |totals| totals.evaluations);
    let mut described = json!({
        "type": "alerting",
        "name": &*rule.name,
        "query": &*rule.expr,
        "duration": seconds(rule.hold_ns),
        "keepFiringFor": seconds(rule.keep_firing_ns),
        "labels": {},
        "annotations": { "summary": rule.summary.as_deref().unwrap_or(&rule.words) },
        "state": state,
        "health": if evaluations > 0 { "ok" } else { "unknown" },
        "evaluationTime": totals.map_or(0.0, |totals| totals.seconds / evaluations.max(1) as f64),
        "lastEvaluation": last_evaluation(snapshot),
    });
    if with_alerts {
        let shown = active.iter().filter_map(|active| Some(alert(active, rule, trials.get(&active.run)?)));
        described["alerts"] = shown.collect();
    }
    described
}

fn alert(active: &AlertView, rule: &Rule, view: &TrialView) -> Value {
    let mut labels: serde_json::Map<String, Value> =
        active.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    labels.insert("alertname".to_owned(), (&*rule.name).into());
    labels.insert("trial".to_owned(), view.trial.as_str().into());
    labels.insert("experiment".to_owned(), view.experiment.as_str().into());
    json!({
        "labels": labels,
        "annotations": { "summary": summary(active, rule, view) },
        "state": if active.firing { "firing" } else { "pending" },
        "activeAt": time::written(active.since.wall_ms),
        "value": write::exponent(active.value),
    })
}

/// Why, in words: the rule's summary filled in, or its condition with the value seen.
fn summary(active: &AlertView, rule: &Rule, view: &TrialView) -> String {
    let Some(summary) = &rule.summary else { return words::reason(rule, active.value) };
    let (trial, experiment) = (view.trial.as_str(), view.experiment.as_str());
    let label = |name: &str| view.labels.get(name).cloned();
    template::render(summary, &Facts { value: active.value, trial, experiment, label: &label })
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / SECOND as f64
}
