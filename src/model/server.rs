//! The remote Prometheus: where it is, who this host is there, and how one gets in.

use std::fmt;
use std::path::PathBuf;

/// Where rules are asked that are evaluated elsewhere: Prometheus, or what speaks its query API (Thanos, Mimir, VictoriaMetrics).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteServer {
    /// Which server.
    pub endpoint: Endpoint,
    /// Labels that a series must carry to act on this host: name and value, at least one.
    pub identity: Vec<(String, String)>,
    /// How long an answer is waited for, nanoseconds.
    pub timeout_ns: u64,
    /// The shortest time between two questions for a rule, nanoseconds.
    pub interval_ns: u64,
    /// Headers to send along: `X-Scope-OrgID` and the like.
    pub headers: Vec<(String, Secret)>,
    /// How one gets in.
    pub access: Access,
    /// How the server is known, where the URL begins with `https`.
    pub tls: TlsFiles,
}

/// A server and the path to its API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// By TLS.
    pub https: bool,
    /// Name or address, an IPv6 one without its brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// What stands before `/api/v1/query`; empty, or beginning with a slash and ending without.
    pub prefix: String,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}{}", self.host, self.port, self.prefix),
            false => write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.prefix),
        }
    }
}

/// How one gets in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Everybody does.
    #[default]
    Open,
    /// By user and password.
    Basic(String, Password),
    /// By a token, read anew for every query.
    BearerFile(PathBuf),
}

/// A password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// In the configuration.
    Text(Secret),
    /// In a file, read anew for every query.
    File(PathBuf),
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("...")
    }
}

/// `tls_config`, as in Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Who may vouch for the server; `None`: whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// The name in the server's certificate, if it is not the URL's host.
    pub server_name: Option<String>,
    /// Believe every certificate.
    pub insecure_skip_verify: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_log_shows_a_password() {
        let access = Access::Basic("ann".into(), Password::Text(Secret("sesame".into())));
        assert!(!format!("{access:?}").contains("sesame"));
    }

    #[test]
    fn a_server_is_shown_as_its_url() {
        let endpoint = Endpoint { https: true, host: "::1".into(), port: 9090, prefix: "/team".into() };
        assert_eq!(endpoint.to_string(), "https://[::1]:9090/team");
    }
}
