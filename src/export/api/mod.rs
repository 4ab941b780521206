//! Prometheus's HTTP API, answered by the engine inside: which path is what, and the envelope of every answer.
//!
//! - `params`: parameters of URL and form; `time`: instants and durations in them.
//! - `pool`: queries on threads of their own, few at a time, with a time limit.
//! - `query`, `series`: what is answered from the history.
//! - `rules`, `meta`: what is answered from the snapshot and the table.
//! - `json`: values as Prometheus writes them.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::state::ExportState;

mod json;
mod meta;
mod params;
mod pool;
mod query;
mod rules;
mod series;
mod time;

use params::Params;
pub(super) use pool::Pool;

/// Methods of the API: a form is sent where a query is too long for a URL.
const METHODS: &str = "GET, HEAD, POST";
const JSON: &str = "application/json";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Query,
    QueryRange,
    Series,
    Labels,
    LabelValues(String),
    Metadata,
    Rules,
    Alerts,
    BuildInfo,
}

impl Endpoint {
    /// The endpoint of a path.
    pub fn of(path: &str) -> Option<Endpoint> {
        Some(match path.strip_prefix("/api/v1/")? {
            "query" => Endpoint::Query,
            "query_range" => Endpoint::QueryRange,
            "series" => Endpoint::Series,
            "labels" => Endpoint::Labels,
            "metadata" => Endpoint::Metadata,
            "rules" => Endpoint::Rules,
            "alerts" => Endpoint::Alerts,
            "status/buildinfo" => Endpoint::BuildInfo,
            other => {
                let name = other.strip_prefix("label/")?.strip_suffix("/values")?;
                Endpoint::LabelValues(name.to_owned())
            }
        })
    }
}

/// Why there is no answer, in Prometheus's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    kind: Kind,
    message: String,
}

/// `errorType` and the status that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    BadData,
    TooLarge,
    Execution,
    Timeout,
    Unavailable,
    Internal,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::BadData | Kind::TooLarge => "bad_data",
            Kind::Execution => "execution",
            Kind::Timeout => "timeout",
            Kind::Unavailable => "unavailable",
            Kind::Internal => "internal",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Kind::BadData => StatusCode::BAD_REQUEST,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Timeout | Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Failure {
    fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into() }
    }

    /// A parameter that cannot be understood.
    fn parameter(name: &str, message: impl std::fmt::Display) -> Failure {
        Failure::new(Kind::BadData, format!("invalid parameter {name:?}: {message}"))
    }
}

/// An answer's `data`, as JSON.
#[derive(Debug)]
struct Answer {
    data: String,
    warnings: Vec<&'static str>,
}

impl Answer {
    fn of(data: String) -> Answer {
        Answer { data, warnings: Vec::new() }
    }
}

/// Answers a request.
pub(super) async fn answer(
    state: &Arc<ExportState>,
    endpoint: Endpoint,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    if ![Method::GET, Method::HEAD, Method::POST].contains(request.method()) {
        let mut refused = reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "Read only.\n");
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static(METHODS));
        return refused;
    }
    let answer = match Params::read(request).await {
        Ok(params) => dispatch(state, endpoint, params).await,
        Err(failure) => Err(failure),
    };
    let body = answer.and_then(|Answer { data, warnings }| {
        let warnings = match warnings[..] {
            [] => String::new(),
            _ => format!(",\"warnings\":{}", json::list(&warnings)),
        };
        state.queries().body(format!("{{\"status\":\"success\",\"data\":{data}{warnings}}}"))
    });
    match body {
        Ok(body) => reply(StatusCode::OK, JSON, body),
        Err(Failure { kind, message }) => {
            let (word, message) = (kind.word(), json::text(&message));
            let body = format!("{{\"status\":\"error\",\"errorType\":\"{word}\",\"error\":{message}}}");
            reply(kind.status(), JSON, body)
        }
    }
}

async fn dispatch(state: &Arc<ExportState>, endpoint: Endpoint, params: Params) -> Result<Answer, Failure> {
    match endpoint {
        Endpoint::Query => query::instant(state, &params).await,
        Endpoint::QueryRange => query::range(state, &params).await,
        Endpoint::Series => series::series(state, &params).await,
        Endpoint::Labels => series::names(state, &params).await,
        Endpoint::LabelValues(name) => series::values(state, &name, &params).await,
        Endpoint::Metadata => meta::metadata(&params),
        Endpoint::BuildInfo => Ok(meta::build_info()),
        Endpoint::Rules => off_the_server(state, move |snapshot| rules::rules(snapshot, &params)).await,
        Endpoint::Alerts => off_the_server(state, |snapshot| Ok(rules::alerts(snapshot))).await,
    }
}

/// Thousands of trials make long lists: they are written on a thread that nobody waits for.
async fn off_the_server(
    state: &Arc<ExportState>,
    work: impl FnOnce(&crate::model::Snapshot) -> Result<Answer, Failure> + Send + 'static,
) -> Result<Answer, Failure> {
    let snapshot = state.snapshot();
    let done = tokio::task::spawn_blocking(move || work(&snapshot)).await;
    done.unwrap_or_else(|_| Err(Failure::new(Kind::Internal, "the answer could not be written")))
}

fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let values = Endpoint::LabelValues("trial".to_owned());
        assert_eq!(Endpoint::of("/api/v1/label/trial/values"), Some(values));
        assert_eq!(Endpoint::of("/api/v1/query"), Some(Endpoint::Query));
        for none in ["/api/v1/", "/api/v1/query/", "/api/v1/nothing", "/query", "/api/v1/label/trial", "/api/v2/query"]
        {
            assert_eq!(Endpoint::of(none), None, "{none}");
        }
    }
}
