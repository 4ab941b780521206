//! What is expected at a moment, and what came.

use std::collections::BTreeMap;

use super::file::{AlertTest, ExpectedAlert, ExprTest, Group, StopTest};
use super::store::Store;
use super::time;
use crate::engine::rehearsal::{Alert, Rehearsal};
use crate::promql::{self, Element, Labels, Limits, NAME, Value};

/// One expectation of a group.
#[derive(Clone, Copy)]
pub(super) enum Expected<'g> {
    Expr(&'g ExprTest),
    Alerts(&'g AlertTest),
    Stops(&'g StopTest),
}

/// All expectations of a group with their times, milliseconds.
pub(super) fn moments(group: &Group) -> Result<Vec<(i64, Expected<'_>)>, String> {
    let exprs = group.promql_expr_test.iter().map(|t| (&t.eval_time, Expected::Expr(t)));
    let alerts = group.alert_rule_test.iter().map(|t| (&t.eval_time, Expected::Alerts(t)));
    let stops = group.stop_rule_test.iter().map(|t| (&t.eval_time, Expected::Stops(t)));
    exprs.chain(alerts).chain(stops).map(|(at, expected)| Ok((time(at)?, expected))).collect()
}

impl Expected<'_> {
    /// What is not as expected.
    pub fn look(self, rehearsal: &Rehearsal, store: &Store, at: i64) -> Result<Option<String>, String> {
        match self {
            Expected::Expr(test) => expr(test, store, at),
            Expected::Alerts(test) => alerts(test, rehearsal, at),
            Expected::Stops(test) => stops(test, rehearsal, at),
        }
    }
}

fn when(at: i64) -> String {
    crate::policy::words::duration(at.max(0) as u64 * crate::model::MILLI)
}

fn differs(what: &str, at: i64, expected: &[String], got: &[String]) -> Option<String> {
    let list = |items: &[String]| if items.is_empty() { "nil".to_string() } else { items.join(", ") };
    (expected != got)
        .then(|| format!("{what}, time: {},\n        exp: {}\n        got: {}", when(at), list(expected), list(got)))
}

/// Numbers that differ by rounding only.
fn close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

fn expr(test: &ExprTest, store: &Store, at: i64) -> Result<Option<String>, String> {
    let what = format!("expr: {:?}", test.expr);
    let parsed = promql::parse(&test.expr).map_err(|p| format!("{what}: {}", p.message))?;
    let came = match promql::instant(&parsed, store, at, &Limits::default()) {
        Ok(Value::Vector(elements)) => elements,
        Ok(Value::Scalar(value)) => vec![Element { labels: Labels::empty(), value }],
        Ok(_) => return Err(format!("{what}: it gives neither a number nor an instant vector")),
        Err(why) => return Ok(Some(format!("{what}, time: {}, failed: {why}", when(at)))),
    };
    let mut expected = Vec::new();
    for sample in &test.exp_samples {
        let text = if sample.labels.trim().is_empty() { "{}" } else { &sample.labels };
        let (labels, _) = promql::parse_series(text).map_err(|p| format!("{what}: labels {text:?}: {}", p.message))?;
        let value = sample.value.to_string();
        let value = value.parse().map_err(|_| format!("{what}: the value {value:?} is no number"))?;
        expected.push(Element { labels, value });
    }
    let fits = expected.len() == came.len()
        && expected.iter().all(|e| came.iter().any(|c| c.labels == e.labels && close(c.value, e.value)));
    let show = |elements: &[Element]| {
        let mut told: Vec<String> = elements.iter().map(|e| format!("{} {}", e.labels, e.value)).collect();
        told.sort();
        told
    };
    Ok(if fits { None } else { differs(&what, at, &show(&expected), &show(&came)) })
}

fn alerts(test: &AlertTest, rehearsal: &Rehearsal, at: i64) -> Result<Option<String>, String> {
    let rule = &test.alertname;
    let found = rehearsal.alerts(rule).ok_or_else(|| no_rule(rule))?;
    if let Some(why) = rehearsal.failure(rule) {
        return Ok(Some(format!("alertname: {rule}, time: {}, the evaluation failed: {why}", when(at))));
    }
    let mut got: Vec<String> = Vec::new();
    for alert in found.iter().filter(|a| a.firing) {
        let summaries = test.exp_alerts.iter().any(|e| e.exp_annotations.contains_key("summary"));
        got.push(shown(labels_of(rule, alert), rehearsal.reason(rule, alert).filter(|_| summaries)));
    }
    let mut expected: Vec<String> = test.exp_alerts.iter().map(|e| expected_alert(rule, e)).collect();
    got.sort();
    expected.sort();
    Ok(differs(&format!("alertname: {rule}"), at, &expected, &got))
}

fn no_rule(rule: &str) -> String {
    format!("there is no rule {rule:?} in rule_files")
}

fn labels_of(rule: &str, alert: &Alert) -> BTreeMap<String, String> {
    let named = alert.labels.pairs().filter(|(name, _)| *name != NAME);
    let mut labels: BTreeMap<String, String> = named.map(|(n, v)| (n.to_string(), v.to_string())).collect();
    labels.insert("alertname".to_string(), rule.to_string());
    labels
}

fn expected_alert(rule: &str, expected: &ExpectedAlert) -> String {
    let mut labels: BTreeMap<String, String> =
        expected.exp_labels.iter().map(|(n, v)| (n.clone(), v.to_string())).filter(|(_, v)| !v.is_empty()).collect();
    labels.insert("alertname".to_string(), rule.to_string());
    shown(labels, expected.exp_annotations.get("summary").cloned())
}

fn shown(labels: BTreeMap<String, String>, summary: Option<String>) -> String {
    let labels = Labels::new(labels);
    match summary {
        Some(summary) => format!("{labels} summary {summary:?}"),
        None => labels.to_string(),
    }
}

fn stops(test: &StopTest, rehearsal: &Rehearsal, at: i64) -> Result<Option<String>, String> {
    let rule = &test.rule;
    let fired = rehearsal.fired(rule).ok_or_else(|| no_rule(rule))?;
    let reasons = test.exp_stops.iter().any(|s| s.reason.is_some());
    let told = |experiment: &str, trial: &str, reason: Option<&str>| match reason {
        Some(reason) => format!("{experiment}/{trial} ({reason})"),
        None => format!("{experiment}/{trial}"),
    };
    let got: Vec<String> = fired.iter().map(|((e, t), why)| told(e, t, reasons.then_some(why.as_str()))).collect();
    let mut expected: Vec<String> = test
        .exp_stops
        .iter()
        .map(|s| told(s.experiment.as_deref().unwrap_or("default"), &s.trial, s.reason.as_deref()))
        .collect();
    expected.sort();
    Ok(differs(&format!("rule: {rule}"), at, &expected, &got))
}
