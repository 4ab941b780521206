//! Instant and range queries.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::params::Params;
use super::{Answer, Failure, Kind, json, time};
use crate::export::history::{History, View};
use crate::export::state::ExportState;
use crate::promql::{self, EvalError, Expr, Limits, Span, Value};

/// Most samples that a query may load: one series each of 1,000 trials over 15 minutes at 1 s, twice.
pub(super) const SAMPLES: usize = 2_000_000;

/// Prometheus's warning beside an answer of which something was left out.
pub(super) const TRUNCATED: &str = "results truncated due to limit";

/// What all queries share.
struct Asked {
    query: String,
    limits: Limits,
    limit: usize,
    at_most: Duration,
}

impl Asked {
    fn of(params: &Params) -> Result<Asked, Failure> {
        let mut limits = Limits { samples: SAMPLES, ..Limits::default() };
        if let Some(lookback) = time::duration(params, "lookback_delta")? {
            limits.lookback = lookback;
        }
        let at_most = timeout(params)?;
        let query = params.get("query").unwrap_or_default().to_owned();
        Ok(Asked { query, limits, limit: params.limit("limit")?, at_most })
    }

    fn parse(&self) -> Result<Expr, Failure> {
        promql::parse(&self.query).map_err(|problem| {
            let hint = if problem.hint.is_empty() { String::new() } else { format!("; {}", problem.hint) };
            Failure::parameter("query", format!("{}{hint}", problem.message))
        })
    }
}

/// How long a query may take.
pub(super) fn timeout(params: &Params) -> Result<Duration, Failure> {
    let asked = time::duration(params, "timeout")?;
    Ok(asked.map_or(super::pool::LONGEST, |ms| Duration::from_millis(ms.unsigned_abs())))
}

/// The history; without one there is nothing to answer from.
pub(super) fn history(state: &ExportState) -> Result<&Arc<History>, Failure> {
    let off = "no history is kept: query_retention is 0 in the configuration";
    state.history().ok_or_else(|| Failure::new(Kind::Unavailable, off))
}

/// Runs `work` in the query's turn over a view of the history.
pub(super) async fn over_history<T: Send + 'static>(
    state: &Arc<ExportState>,
    at_most: Duration,
    work: impl FnOnce(&View) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let history = history(state)?.clone();
    let shown = state.clone();
    let run = move |stop: Arc<AtomicBool>| {
        let view = history.view(shown.snapshot(), SAMPLES, stop);
        let done = work(&view);
        match view.is_exhausted() {
            true => Err(too_much()),
            false => done,
        }
    };
    state.queries().run(at_most, run).await
}

fn too_much() -> Failure {
    Failure::new(Kind::Execution, "query processing would load too many samples into memory in query execution")
}

fn failed(error: EvalError) -> Failure {
    Failure::new(Kind::Execution, error.to_string())
}

/// The present, milliseconds since the Unix epoch.
fn now() -> i64 {
    crate::sys::clock::now().wall_ms
}

/// `/api/v1/query`
pub(super) async fn instant(state: &Arc<ExportState>, params: &Params) -> Result<Answer, Failure> {
    let asked = Asked::of(params)?;
    let at = time::instant(params, "time")?.unwrap_or_else(now);
    over_history(state, asked.at_most, move |view| {
        let expr = asked.parse()?;
        let value = promql::instant(&expr, view, at, &asked.limits).map_err(failed)?;
        let series = match &value {
            Value::Vector(all) => all.len(),
            Value::Matrix(all) => all.len(),
            Value::Scalar(_) | Value::Text(_) => 0,
        };
        let data = json::value(&value, at, asked.limit)?;
        Ok(Answer { data, warnings: truncated(series, asked.limit) })
    })
    .await
}

/// `/api/v1/query_range`
pub(super) async fn range(state: &Arc<ExportState>, params: &Params) -> Result<Answer, Failure> {
    let asked = Asked::of(params)?;
    let span = span(params, asked.limits.steps)?;
    over_history(state, asked.at_most, move |view| {
        let expr = asked.parse()?;
        if !matches!(expr.kind(), promql::Kind::Scalar | promql::Kind::Vector) {
            let kind = expr.kind().as_str();
            let message = format!("invalid expression type {kind:?} for range query, must be Scalar or instant Vector");
            return Err(Failure::parameter("query", message));
        }
        let tracks = promql::range(&expr, view, span, &asked.limits).map_err(failed)?;
        let matrix = json::matrix(&tracks, asked.limit)?;
        let data = format!("{{\"resultType\":\"matrix\",\"result\":{matrix}}}");
        Ok(Answer { data, warnings: truncated(tracks.len(), asked.limit) })
    })
    .await
}

/// A warning where something was left out.
pub(super) fn truncated(there: usize, limit: usize) -> Vec<&'static str> {
    if there > limit { vec![TRUNCATED] } else { Vec::new() }
}

fn span(params: &Params, steps: usize) -> Result<Span, Failure> {
    let missing = |name| Failure::parameter(name, "cannot parse \"\" to a valid timestamp");
    let start = time::instant(params, "start")?.ok_or_else(|| missing("start"))?;
    let end = time::instant(params, "end")?.ok_or_else(|| missing("end"))?;
    if end < start {
        return Err(Failure::parameter("end", "end timestamp must not be before start time"));
    }
    let without = || Failure::parameter("step", "cannot parse \"\" to a valid duration");
    let step = time::duration(params, "step")?.ok_or_else(without)?;
    if (end - start) / step > steps as i64 {
        let message = "exceeded maximum resolution of 11,000 points per timeseries. \
                       Try decreasing the query resolution (?step=XX)";
        return Err(Failure::new(Kind::BadData, message));
    }
    Ok(Span { start, end, step })
}
