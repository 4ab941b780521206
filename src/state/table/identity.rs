//! Readers: who a trial is, how it stands, how it ended, and what rules did to it.

use std::collections::BTreeMap;

use super::system::one;
use super::{Emit, is_reserved_label};
use crate::model::{ExitStatus, Moment, TrialState, TrialView};

/// Emits the trial's labels and params. A name that would break the exposition (no label name, one of ours, or two that
/// become one) is left out: one client's label must not cost the scrape of all.
pub(super) fn info(view: &TrialView, _: Moment, emit: &mut Emit) {
    let params: BTreeMap<String, &str> =
        view.params.iter().rev().map(|(name, value)| (param_label(name), value.as_str())).collect();
    let attempt = view.attempt.to_string();
    let run = view.run.to_string();
    let mut labels: Vec<(&str, &str)> = view
        .labels
        .iter()
        .filter(|(name, _)| is_label_name(name) && !is_reserved_label(name))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    labels.extend(params.iter().map(|(name, value)| (name.as_str(), *value)));
    labels.extend(view.group.as_ref().map(|group| ("group", group.as_str())));
    labels.extend(view.fold.as_ref().map(|fold| ("fold", fold.as_str())));
    labels.extend([("run", run.as_str()), ("attempt", attempt.as_str())]);
    emit(&labels, 1.0);
}

fn is_label_name(name: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(ok) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// The label of a param: `param_` and its name, other characters made `_`.
pub(super) fn param_label(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    "param_".chars().chain(name.chars().map(keep)).collect()
}

pub(super) fn state(view: &TrialView, _: Moment, emit: &mut Emit) {
    for state in TrialState::ALL {
        emit(&[("state", state.as_str())], f64::from(u8::from(state == view.state)));
    }
}

pub(super) fn start_time(view: &TrialView, _: Moment, emit: &mut Emit) {
    emit(&[], view.started.unix_seconds());
}

pub(super) fn end_time(view: &TrialView, _: Moment, emit: &mut Emit) {
    one(view.ended.map(Moment::unix_seconds), emit);
}

pub(super) fn elapsed(view: &TrialView, now: Moment, emit: &mut Emit) {
    emit(&[], view.elapsed(now));
}

pub(super) fn rule_state(view: &TrialView, _: Moment, emit: &mut Emit) {
    for rule in &view.rules {
        emit(&[("rule", &rule.rule)], rule.state.as_number());
    }
}

pub(super) fn stops(view: &TrialView, _: Moment, emit: &mut Emit) {
    for ((rule, outcome), n) in &view.stops {
        emit(&[("rule", rule), ("outcome", outcome.as_str())], *n as f64);
    }
}

pub(super) fn saved(view: &TrialView, _: Moment, emit: &mut Emit) {
    for (rule, seconds) in &view.saved {
        emit(&[("rule", rule)], *seconds);
    }
}

pub(super) fn exit_info(view: &TrialView, _: Moment, emit: &mut Emit) {
    let Some(exit) = view.exit else { return };
    let (status, signal) = match exit.status {
        Some(ExitStatus::Code(code)) => (code.to_string(), String::new()),
        Some(ExitStatus::Signal(number)) => (String::new(), signal_name(number)),
        None => Default::default(),
    };
    emit(&[("cause", exit.cause.as_str()), ("status", &status), ("signal", &signal)], 1.0);
}

/// `SIGSEGV`; the number where it has no name (real-time signals).
fn signal_name(number: u8) -> String {
    match nix::sys::signal::Signal::try_from(i32::from(number)) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => number.to_string(),
    }
}
