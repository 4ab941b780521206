//! Questions to the server, and answers that a person can act on.

use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::describe::ErrorAnswer;

/// How long the server may take to connect and to begin to answer, and to send anything more.
const PATIENCE: Duration = Duration::from_secs(30);

/// The largest answer that is no file, in bytes. That about mnist_784's features has 160 kB.
const LARGEST: u64 = 64 << 20;

/// Asks one server.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    base: String,
}

impl Client {
    /// For the server at this address, `https://www.openml.org` or a copy.
    pub fn new(base: &str) -> Client {
        let own: Vec<_> = rustls_native_certs::load_native_certs().certs;
        let own: Vec<Certificate<'static>> = own.iter().map(|of| Certificate::from_der(of).to_owned()).collect();
        // A machine without certificates of its own (a bare container) trusts those that browsers trust.
        let roots = if own.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&own) };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .user_agent(concat!("earlystop-thesis/", env!("CARGO_PKG_VERSION")))
            .build();
        Client { agent: config.new_agent(), base: base.trim_end_matches('/').into() }
    }

    /// The server's name, with its port.
    pub fn host(&self) -> &str {
        let rest = self.base.split_once("://").map_or(self.base.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or(rest)
    }

    /// An address that the server gave, on this server: a copy gives those of the original.
    pub fn here(&self, url: &str) -> String {
        if self.host() == "www.openml.org" {
            return url.into();
        }
        let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or(url, |(_, path)| path);
        format!("{}/{path}", self.base)
    }

    /// The answer to a question of the REST API, as text.
    pub fn ask(&self, question: &str) -> Result<String, String> {
        let url = format!("{}/api/v1/json/{question}", self.base);
        let mut answer = self.get(&url, &[])?;
        let text = answer.body_mut().with_config().limit(LARGEST).read_to_string();
        let text = text.map_err(|e| format!("{url}: the answer breaks off: {e}"))?;
        match answer.status().as_u16() {
            200 => Ok(text),
            status => Err(refusal(&url, status, &text)),
        }
    }

    /// Asks for something; whatever the status is.
    pub fn get(&self, url: &str, headers: &[(&str, String)]) -> Result<Response<Body>, String> {
        let request = headers.iter().fold(self.agent.get(url), |request, (name, value)| request.header(*name, value));
        request.call().map_err(|error| format!("cannot reach {url}: {error}"))
    }
}

/// What a server says that gives no data.
pub fn refusal(url: &str, status: u16, text: &str) -> String {
    match (status, serde_json::from_str::<ErrorAnswer>(text)) {
        (_, Ok(ErrorAnswer { error })) => {
            format!("OpenML answers: {} (code {}, asked {url})", error.message, error.code)
        }
        (404, _) => format!("there is nothing at {url} (status 404)"),
        (429 | 503, _) => format!("the server is busy (status {status}, asked {url}); try again later"),
        _ => format!("the server failed (status {status}, asked {url})"),
    }
}

/// Reads an answer.
pub fn parse<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("OpenML's answer ({what}) cannot be understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_original_are_asked_of_a_copy() {
        let copy = Client::new("http://127.0.0.1:9/");
        assert_eq!(copy.here("https://data.openml.org/datasets/a.pq"), "http://127.0.0.1:9/datasets/a.pq");
        assert_eq!(copy.host(), "127.0.0.1:9");
        let original = Client::new("https://www.openml.org");
        assert_eq!(original.here("https://data.openml.org/a.pq"), "https://data.openml.org/a.pq");
    }

    #[test]
    fn refusals_are_told_in_the_servers_words() {
        let text = r#"{"error":{"code":"111","message":"Unknown dataset"}}"#;
        assert_eq!(refusal("u", 412, text), "OpenML answers: Unknown dataset (code 111, asked u)");
        assert_eq!(refusal("u", 500, "<html>"), "the server failed (status 500, asked u)");
    }
}
