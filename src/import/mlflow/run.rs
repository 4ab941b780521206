//! Runs as MLflow has them, and what they are as trials.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::import::past::{Past, Source, Status};
use crate::import::points::{Odd, Point, reports};
use crate::import::{Ask, Trouble};
use crate::journal::Format;
use crate::model::Name;
use crate::wire::param_name;

/// MLflow's own measurements of the machine count steps of their own.
const SYSTEM: &str = "system/";
/// MLflow's own tags.
const OWN: &str = "mlflow.";
/// The tag of a nested run.
const PARENT: &str = "mlflow.parentRunId";

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The runs that have the metric.
    pub runs: Vec<Run>,
    /// Names of all metrics of all runs.
    pub metrics: BTreeSet<String>,
    /// Names of all runs by their ids, of those without the metric too.
    pub names: HashMap<String, String>,
}

/// A run.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    pub id: String,
    pub name: String,
    pub experiment: String,
    pub status: String,
    /// Milliseconds since the Unix epoch.
    pub began: Option<i64>,
    pub ended: Option<i64>,
    pub params: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub values: Vec<Value>,
}

/// A value of a metric.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub metric: String,
    pub step: i64,
    /// Milliseconds since the Unix epoch.
    pub at: i64,
    pub value: f64,
}

/// Whether a metric is taken.
pub(super) fn is_taken(metric: &str) -> bool {
    !metric.starts_with(SYSTEM)
}

/// A value as MLflow's tables hold it: they know no infinity.
pub(super) fn value_of(stored: f64) -> f64 {
    match stored {
        v if v >= f64::MAX => f64::INFINITY,
        v if v <= f64::MIN => f64::NEG_INFINITY,
        v => v,
    }
}

/// The experiments that are asked for, by name or id.
///
/// # Errors
/// There is none of this name.
pub(super) fn choose(place: &str, all: &[(String, String)], ask: &Ask) -> Result<Vec<(String, String)>, Trouble> {
    let Some(wanted) = &ask.experiment else { return Ok(all.to_vec()) };
    let fits = |(id, name): &&(String, String)| {
        // As it is there, or as it will be called here.
        name == wanted || id == wanted || Name::made_of(name).as_str() == wanted
    };
    let chosen: Vec<_> = all.iter().filter(fits).cloned().collect();
    match chosen.is_empty() {
        false => Ok(chosen),
        true => Err(Trouble::unknown(place, "experiment", wanted, all.iter().map(|(_, name)| name.as_str()))),
    }
}

/// Runs as trials.
///
/// # Errors
/// No run has the metric.
pub(super) fn source(place: String, format: Format, found: Found, ask: &Ask) -> Result<Source, Trouble> {
    if found.runs.is_empty() {
        return Err(Trouble::unknown(place, "metric", &ask.metric, found.metrics.iter().map(String::as_str)));
    }
    let names: BTreeSet<&str> = found.runs.iter().flat_map(|run| &run.values).map(|v| v.metric.as_str()).collect();
    let mut metrics = vec![ask.metric.clone()];
    metrics.extend(names.into_iter().filter(|name| *name != ask.metric).map(String::from));
    let places: HashMap<&str, usize> = metrics.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
    let mut odd = Odd::default();
    let trials = found.runs.iter().map(|run| past(run, &places, &found.names, &mut odd)).collect();
    let mut remarks = odd.remarks();
    let without = found.names.len() - found.runs.len();
    remarks.extend((without > 0).then(|| format!("runs left out since they have no {}: {without}", ask.metric)));
    let mut source = Source { place, format, experiment: "default".into(), metrics: metrics.clone(), trials, remarks };
    source.begin_at(ask.first);
    Ok(source)
}

fn past(run: &Run, metrics: &HashMap<&str, usize>, names: &HashMap<String, String>, odd: &mut Odd) -> Past {
    let point = |v: &Value| {
        let metric = *metrics.get(v.metric.as_str())?;
        Some(Point { metric, step: v.step, at: nanoseconds(v.at), value: v.value })
    };
    let own = run.tags.iter().filter(|(key, _)| !key.starts_with(OWN));
    let mut labels: BTreeMap<String, String> = own.map(|(key, value)| (param_name(key), value.clone())).collect();
    if let Some(parent) = run.tags.get(PARENT) {
        labels.insert("parent_run".into(), names.get(parent).unwrap_or(parent).clone());
    }
    let name = if run.name.is_empty() { &run.id } else { &run.name };
    Past {
        name: name.clone(),
        id: run.id.chars().take(8).collect(),
        experiment: Some(run.experiment.clone()),
        params: run.params.clone(),
        labels,
        began: run.began.map(nanoseconds),
        ended: run.ended.map(nanoseconds),
        reports: reports(run.values.iter().filter_map(point).collect(), odd),
        status: Status::of(&run.status),
        ..Past::default()
    }
}

/// Of milliseconds; what no clock says is held to what one can.
fn nanoseconds(ms: i64) -> i64 {
    const LATEST_MS: i64 = 7_260_000_000_000;
    ms.clamp(0, LATEST_MS) * 1_000_000
}
