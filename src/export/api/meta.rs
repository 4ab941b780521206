//! What is known without any series: the table's rows, and who answers.

use super::params::Params;
use super::{Answer, Failure};
use crate::state::table::{DAEMON_METRICS, TRIAL_METRICS};

/// The version that Grafana and others choose features by: the Prometheus whose PromQL this is, and behind the plus, which
/// versions are not compared by, who it is.
const VERSION: &str = concat!("3.14.0+earlystop.", env!("CARGO_PKG_VERSION"));

/// `/api/v1/metadata`
pub(super) fn metadata(params: &Params) -> Result<Answer, Failure> {
    let limit = params.limit("limit")?;
    // Each metric has one row, which any limit but none would let through.
    params.limit("limit_per_metric")?;
    let trials = TRIAL_METRICS.iter().map(|row| (row.name, row.kind, row.help));
    let all = trials.chain(DAEMON_METRICS.iter().map(|row| (row.name, row.kind, row.help)));
    let asked = |name: &str| params.get("metric").is_none_or(|metric| metric == name);
    let data: serde_json::Map<String, serde_json::Value> = all
        .filter(|(name, ..)| asked(name))
        .take(limit)
        .map(|(name, kind, help)| {
            (name.to_owned(), serde_json::json!([{"type": kind.as_str(), "help": help, "unit": ""}]))
        })
        .collect();
    Ok(Answer::of(serde_json::Value::Object(data).to_string()))
}

/// `/api/v1/status/buildinfo`
pub(super) fn build_info() -> Answer {
    let data = serde_json::json!({
        "version": VERSION,
        "revision": "",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
        "application": "earlystop",
    });
    Answer::of(data.to_string())
}
