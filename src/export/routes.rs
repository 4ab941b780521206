//! Which path gets which answer.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::api::{self, Endpoint};
use super::chunks::Chunks;
use super::http::Server;
use super::reread::InForce;
use super::state::Encoding;
use super::{page, text};

const TEXT: &str = "text/plain; charset=utf-8";
const NOT_FOUND: &str =
    "Nothing here. There is /metrics (Prometheus), /api/v1/query and its like, /-/healthy, /-/ready and / (a page).\n";
const NOT_ALLOWED: &str = "Read only: GET and HEAD. Trials are stopped with `earlystop stop`, over the Unix socket.\n";

/// What an answer carries: a text, or one that is written while it is read.
pub(super) type Body = Either<Full<Bytes>, Chunks>;

/// The answer to a request, the web file's headers added.
pub(super) async fn respond(server: &Server, request: Request<Incoming>) -> Response<Body> {
    let web = server.web.in_force().await;
    let mut response = answer(server, &web, request).await;
    for (name, value) in &web.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

async fn answer(server: &Server, web: &InForce, request: Request<Incoming>) -> Response<Body> {
    if let Some(auth) = &web.auth
        && !auth.allows(request.headers().get(header::AUTHORIZATION)).await
    {
        return unauthorized();
    }
    if let Some(endpoint) = Endpoint::of(request.uri().path()) {
        return api::answer(&server.state, endpoint, request).await.map(Either::Left);
    }
    let path = request.uri().path();
    if !["/", "/metrics", "/-/healthy", "/-/ready"].contains(&path) {
        return reply(StatusCode::NOT_FOUND, TEXT, NOT_FOUND);
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refused = reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, NOT_ALLOWED);
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/metrics" => metrics(server, &request),
        "/-/healthy" => reply(StatusCode::OK, TEXT, "earlystop is healthy.\n"),
        "/-/ready" if server.state.is_ready() => reply(StatusCode::OK, TEXT, "earlystop is ready.\n"),
        "/-/ready" => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, "Not ready: the first tick is not in yet.\n"),
        _ => reply(StatusCode::OK, "text/html; charset=utf-8", page::render(&server.state.snapshot())),
    }
}

fn metrics(server: &Server, request: &Request<Incoming>) -> Response<Body> {
    let encoding = if takes_gzip(request.headers()) { Encoding::Gzip } else { Encoding::Plain };
    let chunks = match *request.method() {
        Method::HEAD => Chunks::none(),
        _ => server.state.exposition(encoding),
    };
    let mut response = with_headers(text::CONTENT_TYPE, Either::Right(chunks));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if encoding == Encoding::Gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether the client names gzip without `q=0`. `*` alone does not count: who wants it says so.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    offers.flat_map(|value| value.split(',')).any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = |part: &str| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        gzip && !parts.any(refused)
    })
}

fn unauthorized() -> Response<Body> {
    let mut refused = reply(StatusCode::UNAUTHORIZED, TEXT, "Unauthorized.\n");
    refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"earlystop\""));
    refused
}

fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = with_headers(content_type, Either::Left(Full::new(body.into())));
    *response.status_mut() = status;
    response
}

fn with_headers(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::CONTENT_SECURITY));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_given_to_those_who_ask() {
        let asked = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            takes_gzip(&headers)
        };
        for yes in ["gzip", "deflate, gzip;q=0.5", "GZIP", "br , gzip ; q=1"] {
            assert!(asked(yes), "{yes}");
        }
        for no in ["", "identity", "gzip;q=0", "gzip; q=0.0", "*", "gzipped"] {
            assert!(!asked(no), "{no}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
