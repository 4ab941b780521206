//! From trials as a source has them to a history: names, totals, ends, times.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::history::{End, Ended, History, Report};
use super::past::{Past, Source, Status};
use super::{Ask, Trouble, times};
use crate::journal::Times;
use crate::model::{Limits, Name};
use crate::wire::{check_label, param_name};

/// Concludes what the source leaves open.
///
/// # Errors
/// No trial is left.
pub(super) fn settle(mut source: Source, ask: &Ask) -> Result<History, Trouble> {
    if source.trials.is_empty() {
        return Err(Trouble::new(&source.place, "there is no trial in it", "is it the right source?"));
    }
    let mut remarks = std::mem::take(&mut source.remarks);
    remarks.extend(within_limits(&mut source));
    let experiments: Vec<Name> = source.trials.iter().map(|past| experiment_of(past, &source, ask)).collect();
    let totals = longest(&source.trials, &experiments);
    let times = match source.trials.iter().flat_map(|past| &past.reports).all(|report| report.at.is_some()) {
        true => Times::Recorded,
        false => Times::MadeUp,
    };
    let mut taken = HashSet::new();
    let mut trials = Vec::with_capacity(source.trials.len());
    for (past, experiment) in source.trials.into_iter().zip(experiments) {
        let name = free_name(&past, &experiment, &mut taken);
        let total = ask.total.or(past.total).or(totals.get(&experiment).copied());
        trials.push(Ended {
            name,
            experiment,
            end: end_of(&past, total),
            params: past.params,
            labels: past.labels,
            group: past.group.as_deref().map(Name::made_of),
            fold: past.fold,
            total,
            began: past.began.unwrap_or(i64::MAX),
            ended: past.ended.unwrap_or(i64::MIN),
            reports: past.reports,
        });
    }
    match times {
        Times::MadeUp => remarks
            .extend(times::make_up(&mut trials).map_err(|(message, hint)| Trouble::new(&source.place, message, hint))?),
        Times::Recorded => times::straighten(&mut trials),
    }
    let Source { place, format, metrics, .. } = source;
    Ok(History { source: place, format, times, objective: ask.objective(), metrics, trials, remarks })
}

/// The experiment that a trial belongs to.
fn experiment_of(past: &Past, source: &Source, ask: &Ask) -> Name {
    Name::made_of(past.experiment.as_ref().or(ask.experiment.as_ref()).unwrap_or(&source.experiment))
}

/// The longest curve of each experiment, of trials that may have come to their end.
fn longest(trials: &[Past], experiments: &[Name]) -> HashMap<Name, u64> {
    let mut totals = HashMap::new();
    for (past, experiment) in trials.iter().zip(experiments) {
        let may_be_whole = matches!(past.status, None | Some(Status::Finished));
        if let Some(step) = last_step(past).filter(|_| may_be_whole) {
            let total = totals.entry(experiment.clone()).or_insert(step);
            *total = step.max(*total);
        }
    }
    totals
}

fn last_step(past: &Past) -> Option<u64> {
    past.reports.iter().filter_map(|report| report.step).max()
}

/// Complete is who says so or has come to its total.
fn end_of(past: &Past, total: Option<u64>) -> End {
    let reached = matches!((last_step(past), total), (Some(step), Some(total)) if step >= total);
    match past.status {
        Some(Status::Finished) => End::Completed,
        Some(Status::Failed) => End::Failed,
        Some(Status::Stopped) => End::Stopped,
        Some(Status::Open) | None if reached => End::Completed,
        Some(Status::Open) | None => End::Lost,
    }
}

/// A name that no other trial of the experiment has: two trials of one name would be attempts of one.
fn free_name(past: &Past, experiment: &Name, taken: &mut HashSet<(Name, Name)>) -> Name {
    let mut name = Name::made_of(&past.name);
    let mut number = 1;
    while !taken.insert((experiment.clone(), name.clone())) {
        let tail = if number == 1 { format!("-{}", past.id) } else { format!("-{}-{number}", past.id) };
        let head: String = past.name.chars().take(Name::MAX.saturating_sub(tail.len())).collect();
        name = Name::made_of(&format!("{head}{tail}"));
        number += 1;
    }
    name
}

/// What the contract bounds is bounded here too; says what was left out.
fn within_limits(source: &mut Source) -> Vec<String> {
    let limits = Limits::default();
    let (mut params, mut labels, mut metrics) = (0, 0, 0);
    for past in &mut source.trials {
        let before = past.params.len();
        past.params = bounded(std::mem::take(&mut past.params), limits.params, &limits, param_name);
        params += before - past.params.len();
        let before = past.labels.len();
        past.labels.retain(|name, _| check_label(name).is_ok());
        past.labels = bounded(std::mem::take(&mut past.labels), limits.labels, &limits, str::to_string);
        labels += before - past.labels.len();
        metrics += usize::from(fewer_metrics(&mut past.reports, limits.metrics));
    }
    let said = |n: usize, what: &str| (n > 0).then(|| format!("{what}: {n}"));
    let bytes = limits.value_bytes;
    let all = [
        said(
            params,
            &format!(
                "parameters left out since they are longer than {bytes} bytes, or more than {} a trial",
                limits.params
            ),
        ),
        said(
            labels,
            &format!(
                "labels left out since they are longer than {bytes} bytes, more than {} a trial, or named as one of ours",
                limits.labels
            ),
        ),
        said(
            metrics,
            &format!("trials with more than {} metrics, of which the first by name are taken", limits.metrics),
        ),
    ];
    all.into_iter().flatten().collect()
}

/// Values that are not too long, and not too many of them.
fn bounded(
    all: BTreeMap<String, String>,
    most: usize,
    limits: &Limits,
    name: impl Fn(&str) -> String,
) -> BTreeMap<String, String> {
    let short = |(key, value): &(String, String)| key.len().max(value.len()) <= limits.value_bytes && !key.is_empty();
    let mut kept = BTreeMap::new();
    for (key, value) in all.into_iter().map(|(key, value)| (name(&key), value)).filter(short) {
        if kept.len() < most {
            // Two names may become one: the first stays.
            kept.entry(key).or_insert(value);
        }
    }
    kept
}

/// Takes the metrics beyond the limit out of a trial's reports; true if there were any.
fn fewer_metrics(reports: &mut Vec<Report>, most: usize) -> bool {
    let names = |r: &Report| -> Vec<usize> {
        r.values.iter().map(|(m, _)| *m).chain(r.points.iter().map(|(m, ..)| *m)).collect()
    };
    let mut used: Vec<usize> = reports.iter().flat_map(names).collect();
    used.sort_unstable();
    used.dedup();
    let Some(bound) = used.get(most).copied() else { return false };
    for report in reports.iter_mut() {
        report.values.retain(|(metric, _)| *metric < bound);
        report.points.retain(|(metric, ..)| *metric < bound);
    }
    reports.retain(|report| report.step.is_some() || !report.points.is_empty());
    true
}
