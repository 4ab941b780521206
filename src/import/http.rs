//! A small HTTP client: one question after the other over one connection, answers in JSON.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{self, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::Trouble;
use crate::model::Endpoint;

/// Largest answer that is read, bytes: a page of 25,000 values has some 2 MB, one of 1,000 runs with many parameters some 20 MB.
const LARGEST: usize = 256 << 20;
/// How long an answer is waited for: MLflow over a large database takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who asks, as a header.
#[derive(Clone)]
pub(super) struct Credentials(HeaderValue);

impl Credentials {
    /// By user and password.
    pub fn basic(user: &str, password: &str) -> Option<Credentials> {
        Credentials::of(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    /// By a token.
    pub fn bearer(token: &str) -> Option<Credentials> {
        Credentials::of(format!("Bearer {token}"))
    }

    fn of(text: String) -> Option<Credentials> {
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(Credentials(value))
    }
}

/// A server and the connection to it.
pub(super) struct Http {
    endpoint: Endpoint,
    credentials: Option<Credentials>,
    runtime: Runtime,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Http {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// The system gives no event queue.
    pub fn new(endpoint: Endpoint, credentials: Option<Credentials>) -> Result<Http, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Trouble::new(&endpoint, error.to_string(), "are too many files open?"))?;
        Ok(Http { endpoint, credentials, runtime, open: None })
    }

    /// Asks by GET; `path` begins with a slash and has its query.
    ///
    /// # Errors
    /// It cannot be reached, or does not answer with JSON that means success.
    pub fn get(&mut self, path: &str) -> Result<Value, Trouble> {
        let request = self.request("GET", path, Bytes::new())?;
        self.ask(request)
    }

    /// Asks by POST with a JSON body.
    ///
    /// # Errors
    /// It cannot be reached, or does not answer with JSON that means success.
    pub fn post(&mut self, path: &str, body: &Value) -> Result<Value, Trouble> {
        let request = self.request("POST", path, Bytes::from(body.to_string()))?;
        self.ask(request)
    }

    fn request(&self, method: &str, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Trouble> {
        let Endpoint { https, host, port, prefix } = &self.endpoint;
        let default = if *https { 443 } else { 80 };
        let mut name = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        if *port != default {
            name += &format!(":{port}");
        }
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{prefix}{path}"))
            .header(header::HOST, name)
            .header(header::USER_AGENT, concat!("earlystop/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(Credentials(secret)) = &self.credentials {
            request = request.header(header::AUTHORIZATION, secret);
        }
        let refused =
            |error| Trouble::new(&self.endpoint, format!("this cannot be asked: {error}"), "is the address right?");
        request.body(Full::new(body)).map_err(refused)
    }

    fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Value, Trouble> {
        let (endpoint, open) = (&self.endpoint, &mut self.open);
        let whole =
            self.runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange(endpoint, open, request)).await });
        let silent = |_| unreachable(endpoint, &format!("no answer within {} s", PATIENCE.as_secs()));
        let (status, body) = whole.map_err(silent)??;
        understood(endpoint, status, &body)
    }
}

/// A question and its answer, over the kept connection or a new one.
async fn exchange(
    endpoint: &Endpoint,
    open: &mut Option<SendRequest<Full<Bytes>>>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), Trouble> {
    let first = match open.take() {
        // The server may have closed it meanwhile; nothing that is asked here changes anything there.
        Some(mut kept) => kept.send_request(request.clone()).await.ok().map(|response| (kept, response)),
        None => None,
    };
    let (sender, response) = match first {
        Some(pair) => pair,
        None => {
            let mut sender = connect(endpoint).await?;
            let sent = sender.send_request(request).await;
            (sender, sent.map_err(|error| unreachable(endpoint, &format!("no answer: {error}")))?)
        }
    };
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| unreachable(endpoint, &format!("the answer broke off: {error}")))?;
    *open = Some(sender);
    Ok((status, body.to_bytes()))
}

async fn connect(endpoint: &Endpoint) -> Result<SendRequest<Full<Bytes>>, Trouble> {
    let broken = |why: String| unreachable(endpoint, &why);
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await;
    let stream = stream.map_err(|error| broken(format!("cannot connect: {error}")))?;
    // A question is one small write; its answer is waited for.
    let _ = stream.set_nodelay(true);
    if !endpoint.https {
        return speak(stream).await.map_err(broken);
    }
    let name = ServerName::try_from(endpoint.host.clone()).map_err(|error| broken(error.to_string()))?;
    let connector = connector().map_err(|error| broken(format!("TLS: {error}")))?;
    let stream = connector.connect(name, stream).await.map_err(|error| broken(format!("TLS: {error}")))?;
    speak(stream).await.map_err(broken)
}

/// What makes TLS connections to servers for which somebody vouches whom the system trusts.
fn connector() -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("this system trusts nobody (no ca-certificates?)".to_string());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

async fn speak<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // It ends with its sender; whoever waits for an answer hears of an error.
    tokio::spawn(async {
        let _ = connection.await;
    });
    Ok(sender)
}

/// An answer that means success, read as JSON.
fn understood(endpoint: &Endpoint, status: StatusCode, body: &[u8]) -> Result<Value, Trouble> {
    let json = serde_json::from_slice::<Value>(body);
    if status.is_success() {
        let hint = "is it the address of an MLflow tracking server?";
        return json.map_err(|error| Trouble::new(endpoint, format!("the answer is no JSON: {error}"), hint));
    }
    let said = json.ok().and_then(|json| Some(json.get("message")?.as_str()?.to_string()));
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    let hint = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        }
        status if status.is_redirection() => "it sends elsewhere: give that address",
        _ => "is it the address of an MLflow tracking server?",
    };
    Err(Trouble::new(endpoint, format!("it answers {status}{said}"), hint))
}

fn unreachable(endpoint: &Endpoint, why: &str) -> Trouble {
    Trouble::new(endpoint, why, "is the server running, and is this its address?")
}

/// An address without what stands in front of an `@`, and that; a fragment (the page of a browser) is cut off.
///
/// # Errors
/// It is no address.
pub(super) fn endpoint(text: &str) -> Result<(Endpoint, Option<(String, String)>), Trouble> {
    let plain = text.split('#').next().unwrap_or(text);
    // Nothing of the text is shown: there may be a password in it.
    let refuse = |what: &str| Trouble::new("address", what, "write http://HOST:PORT or https://HOST");
    let uri: Uri = plain.parse().map_err(|_| refuse("this is no URL"))?;
    let https = uri.scheme_str() == Some("https");
    let authority = uri
        .authority()
        .filter(|authority| !authority.host().is_empty())
        .ok_or_else(|| refuse("the host is missing"))?;
    let user = authority.as_str().rsplit_once('@').map(|(user, _)| {
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        (decoded(user), decoded(password))
    });
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_string();
    let port = authority.port_u16().unwrap_or(if https { 443 } else { 80 });
    Ok((Endpoint { https, host, port, prefix: uri.path().trim_end_matches('/').to_string() }, user))
}

/// A part of a URL with its `%` resolved.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%');
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text as a value in a URL's query.
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let (found, user) = endpoint("http://127.0.0.1:5000/#/experiments/1").unwrap();
        assert_eq!((found.to_string().as_str(), user), ("http://127.0.0.1:5000", None));
        let (found, user) = endpoint("https://ann:p%40ss@ml.example/team/").unwrap();
        assert_eq!(found.to_string(), "https://ml.example:443/team");
        assert_eq!(user, Some(("ann".into(), "p@ss".into())));
        let trouble = endpoint("http://ann:secret@").unwrap_err();
        assert!(!trouble.to_string().contains("secret"), "{trouble}");
        assert_eq!(encoded("val loss/\u{e4}"), "val%20loss%2F%C3%A4");
    }
}
