//! One HTTP/1.1 connection to the remote Prometheus, kept open between queries.

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Trouble, tls};
use crate::model::RemoteOutcome::{Invalid, Refused, Unreachable};
use crate::model::{Access, Password, RemoteServer, Secret};

/// Largest answer that is read, packed or unpacked, bytes: some 100,000 series. A rule's answer has a few.
pub(super) const LARGEST: usize = 16 << 20;

/// Largest file of a password or token that is read, bytes.
const LARGEST_SECRET: u64 = 64 << 10;

/// A connection, or the way to a new one.
pub(super) struct Client {
    server: Arc<RemoteServer>,
    open: Option<SendRequest<Full<Bytes>>>,
}

/// A whole answer, unpacked.
#[derive(Debug)]
pub(super) struct Whole {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

impl Client {
    pub fn new(server: Arc<RemoteServer>) -> Client {
        Client { server, open: None }
    }

    /// Asks at `/api/v1/query`, at the server's own time: its samples bear its clock. The server is told how long it may take.
    /// A future that is dropped takes its connection along.
    pub async fn query(&mut self, expr: &str, patience: Duration) -> Result<Whole, Trouble> {
        let form = format!("query={}&timeout={}ms", encoded(expr), patience.as_millis().max(1));
        let request = self.request(form)?;
        let kept = self.open.take().filter(|sender| !sender.is_closed());
        let first = match kept {
            // The server may have closed it in the same moment: a question is no harm twice.
            Some(mut sender) => sender.send_request(request.clone()).await.ok().map(|response| (sender, response)),
            None => None,
        };
        let (sender, response) = match first {
            Some(pair) => pair,
            None => {
                let mut sender = self.connect().await?;
                let sent = sender.send_request(request).await;
                let response = sent.map_err(|error| self.broken(&format!("no answer: {error}")))?;
                (sender, response)
            }
        };
        let whole = self.whole(response).await?;
        self.open = Some(sender);
        Ok(whole)
    }

    fn request(&self, form: String) -> Result<Request<Full<Bytes>>, Trouble> {
        let endpoint = &self.server.endpoint;
        let default = if endpoint.https { 443 } else { 80 };
        let mut host = if endpoint.host.contains(':') { format!("[{}]", endpoint.host) } else { endpoint.host.clone() };
        if endpoint.port != default {
            let _ = write!(host, ":{}", endpoint.port);
        }
        let mut request = Request::post(format!("{}/api/v1/query", endpoint.prefix))
            .header(header::HOST, host)
            .header(header::USER_AGENT, concat!("earlystop/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "application/json")
            .header(header::ACCEPT_ENCODING, "gzip")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, Secret(value)) in &self.server.headers {
            request = request.header(name, value);
        }
        if let Some(secret) = self.authorization()? {
            request = request.header(header::AUTHORIZATION, secret);
        }
        request
            .body(Full::new(Bytes::from(form)))
            .map_err(|error| Trouble::new(Invalid, format!("this cannot be asked over HTTP: {error}")))
    }

    fn authorization(&self) -> Result<Option<HeaderValue>, Trouble> {
        let text = match &self.server.access {
            Access::Open => return Ok(None),
            Access::Basic(user, Password::Text(Secret(password))) => basic(user, password),
            Access::Basic(user, Password::File(file)) => basic(user, &secret(file)?),
            Access::BearerFile(file) => format!("Bearer {}", secret(file)?),
        };
        let mut value = HeaderValue::try_from(text)
            .map_err(|_| Trouble::new(Refused, "the token holds a character that no header may"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Trouble> {
        let endpoint = &self.server.endpoint;
        let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await;
        let stream = stream.map_err(|error| self.broken(&format!("cannot connect: {error}")))?;
        // A request is one small write; its answer is waited for.
        let _ = stream.set_nodelay(true);
        if !endpoint.https {
            return self.speak(stream).await;
        }
        // The files are read for every connection: certificates change.
        let connector = tls::connector(&self.server.tls).map_err(|why| self.broken(&why))?;
        let name = self.server.tls.server_name.as_ref().unwrap_or(&endpoint.host).clone();
        let name = ServerName::try_from(name).map_err(|error| self.broken(&format!("server_name: {error}")))?;
        let stream = connector.connect(name, stream).await;
        self.speak(stream.map_err(|error| self.broken(&format!("TLS: {error}")))?).await
    }

    async fn speak<S>(&self, stream: S) -> Result<SendRequest<Full<Bytes>>, Trouble>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error.to_string()))?;
        // It ends with its sender, or when the server closes it; whoever waits for an answer hears of an error.
        tokio::spawn(async {
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn whole(&self, response: Response<Incoming>) -> Result<Whole, Trouble> {
        let status = response.status();
        let packed = response.headers().get(header::CONTENT_ENCODING).cloned();
        let too_large = || Trouble::new(Invalid, format!("{}: an answer above {LARGEST} bytes", self.server.endpoint));
        let body = Limited::new(response.into_body(), LARGEST).collect().await.map_err(|error| match error
            .is::<LengthLimitError>(
        ) {
            true => too_large(),
            false => self.broken(&format!("the answer broke off: {error}")),
        })?;
        let body = body.to_bytes();
        let body = match packed.as_ref().map(HeaderValue::as_bytes) {
            None | Some(b"identity") => body.to_vec(),
            Some(b"gzip" | b"x-gzip") => {
                let mut plain = Vec::new();
                let read = MultiGzDecoder::new(&body[..]).take(LARGEST as u64 + 1).read_to_end(&mut plain);
                read.map_err(|error| Trouble::new(Invalid, format!("the answer cannot be unpacked: {error}")))?;
                if plain.len() > LARGEST {
                    return Err(too_large());
                }
                plain
            }
            Some(_) => return Err(Trouble::new(Invalid, "the answer is packed in a way that nobody asked for")),
        };
        Ok(Whole { status, body })
    }

    fn broken(&self, why: &str) -> Trouble {
        Trouble::new(Unreachable, format!("{}: {why}", self.server.endpoint))
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A file's only line.
fn secret(file: &std::path::Path) -> Result<String, Trouble> {
    let mut text = String::new();
    let read = fs::File::open(file).and_then(|open| open.take(LARGEST_SECRET).read_to_string(&mut text));
    read.map_err(|error| Trouble::new(Refused, format!("{}: {error}", file.display())))?;
    Ok(text.trim().to_string())
}

/// As a value in a form.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        assert_eq!(encoded("a_b{c=\"d\"} > 1 + 2 & ü"), "a_b%7Bc%3D%22d%22%7D%20%3E%201%20%2B%202%20%26%20%C3%BC");
    }

    #[test]
    fn a_secret_is_a_line_and_a_missing_one_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "sesame\n").unwrap();
        assert_eq!(secret(file.path()).unwrap(), "sesame");
        let trouble = secret("/no/such/file".as_ref()).unwrap_err();
        assert!(trouble.outcome == Refused && trouble.why.contains("/no/such/file"), "{trouble:?}");
    }
}
