//! TensorBoard: event files, one folder a run.

mod event;
mod logs;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::past::{Past, Source};
use super::points::{Odd, Point, reports};
use super::{Ask, Trouble};
use crate::journal::Format;
use logs::Log;

/// Whether a file is one of events, by its name or by how it begins.
pub(super) fn is_events(path: &Path, head: &[u8]) -> bool {
    let named = path.file_name().is_some_and(|name| name.to_string_lossy().contains(logs::EVENTS));
    named || record::begins(head)
}

/// Reads a file, or a folder of folders.
///
/// # Errors
/// A file is damaged; no run has the metric.
pub(super) fn read(path: &Path, ask: &Ask) -> Result<Source, Trouble> {
    let logs = logs::read(path)?;
    let place = path.display().to_string();
    let all = logs.len();
    let mut runs = by_folder(&logs, &ask.metric);
    if runs.is_empty() {
        runs = by_parent(&logs, &ask.metric);
    }
    if runs.is_empty() {
        let known = known(&logs);
        return Err(Trouble::unknown(place, "metric", &ask.metric, known.iter().map(String::as_str)));
    }
    let names: BTreeSet<&str> = runs.values().flat_map(|log| log.scalars.keys()).map(String::as_str).collect();
    let mut metrics = vec![ask.metric.clone()];
    metrics.extend(names.into_iter().filter(|name| *name != ask.metric).map(String::from));
    let places: HashMap<&str, usize> = metrics.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
    let root = name_of(path);
    let mut odd = Odd::default();
    let trials = runs.iter().map(|(folder, log)| past(folder, log, &root, &places, &mut odd)).collect::<Vec<_>>();
    let mut remarks = odd.remarks();
    let without = all.saturating_sub(trials.len());
    remarks.extend(
        (without > 0).then(|| format!("folders that are no trials since they have no {}: {without}", ask.metric)),
    );
    let format = Format::TensorBoard;
    let mut source = Source { place, format, experiment: root, metrics: metrics.clone(), trials, remarks };
    source.begin_at(ask.first);
    Ok(source)
}

/// Runs whose own files have the metric. What a folder below without it says of hyperparameters is theirs: PyTorch's
/// `add_hparams` makes one.
fn by_folder(logs: &BTreeMap<PathBuf, Log>, metric: &str) -> BTreeMap<PathBuf, Log> {
    let has_it = |log: &&Log| log.scalars.contains_key(metric);
    let mut runs: BTreeMap<PathBuf, Log> =
        logs.iter().filter(|(_, log)| has_it(log)).map(|(folder, log)| (folder.clone(), log.clone())).collect();
    for (folder, log) in logs.iter().filter(|(_, log)| !has_it(log)) {
        if let Some(outer) = folder.parent().and_then(|parent| runs.get_mut(parent)) {
            outer.params.extend(log.params.clone());
        }
    }
    runs
}

/// Runs that keep parts of themselves in folders below, as Keras does (`train`, `validation`): there `val` of
/// `validation/val` is the tag.
fn by_parent(logs: &BTreeMap<PathBuf, Log>, metric: &str) -> BTreeMap<PathBuf, Log> {
    let mut runs: BTreeMap<PathBuf, Log> = BTreeMap::new();
    for (folder, log) in logs {
        let Some(parent) = folder.parent() else { continue };
        let run = runs.entry(parent.to_path_buf()).or_default();
        let own = log.scalars.iter().map(|(tag, values)| (part(folder, tag), values.clone()));
        run.scalars.extend(own);
        run.params.extend(log.params.clone());
        run.began = [run.began, log.began].into_iter().flatten().min();
    }
    runs.retain(|_, run| run.scalars.contains_key(metric));
    for (folder, run) in &mut runs {
        if let Some(log) = logs.get(folder) {
            run.scalars.extend(log.scalars.clone());
            run.params.extend(log.params.clone());
            run.status = log.status;
        }
    }
    runs
}

/// A tag as a run's, whose part lies in a folder below.
fn part(folder: &Path, tag: &str) -> String {
    format!("{}/{tag}", folder.file_name().unwrap_or_default().to_string_lossy())
}

/// All names that a metric may have.
fn known(logs: &BTreeMap<PathBuf, Log>) -> BTreeSet<String> {
    let tags = logs.values().flat_map(|log| log.scalars.keys().cloned());
    let below = logs.iter().filter(|(folder, _)| folder.components().next().is_some());
    let parts = below.flat_map(|(folder, log)| log.scalars.keys().map(|tag| part(folder, tag)));
    tags.chain(parts).collect()
}

fn past(folder: &Path, log: &Log, root: &str, metrics: &HashMap<&str, usize>, odd: &mut Odd) -> Past {
    let name = folder.to_string_lossy().into_owned();
    let points = log.scalars.iter().filter_map(|(tag, values)| Some((*metrics.get(tag.as_str())?, values)));
    let points = points.flat_map(|(metric, values)| {
        values.iter().map(move |(step, at, value)| Point { metric, step: *step, at: *at, value: *value })
    });
    Past {
        name: if name.is_empty() { root.to_string() } else { name },
        id: "again".into(),
        params: log.params.clone(),
        began: log.began,
        reports: reports(points.collect(), odd),
        status: log.status,
        ..Past::default()
    }
}

/// The name of a folder, or of the folder that a file lies in.
fn name_of(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let folder = if whole.is_dir() { Some(whole.as_path()) } else { whole.parent() };
    folder.and_then(Path::file_name).map_or("runs".into(), |name| name.to_string_lossy().into_owned())
}
