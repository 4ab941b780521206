//! `--web.config.file`: the file of Prometheus' exporter-toolkit (TLS and basic auth).

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use tokio_rustls::rustls::ServerConfig;

use super::tls;

/// TLS and users, ready for use.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {
    /// TLS, if the file asks for it.
    pub tls: Option<Arc<ServerConfig>>,
    /// Users and their bcrypt hashes; none: everybody may.
    pub users: BTreeMap<String, String>,
    /// Headers to add to every answer.
    pub headers: HeaderMap,
    /// The files that all this is from.
    pub(super) files: Files,
}

/// The web file and the files it names, and how they looked right before they were read.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(Vec<(PathBuf, Option<Look>)>);

/// What changes when a file is written or another is put in its place: device, inode, size, time of the last change. Two
/// writes in place of the same size look alike only within one tick of the kernel's clock of files, 1 to 10 ms.
type Look = (u64, u64, u64, i64, i64);

impl Files {
    /// Looks at these files, the web file first.
    fn of(files: impl IntoIterator<Item = PathBuf>) -> Files {
        Files(files.into_iter().map(|file| (file.clone(), look_at(&file))).collect())
    }

    /// The web file.
    pub fn file(&self) -> Option<&PathBuf> {
        self.0.first().map(|(file, _)| file)
    }

    /// Whether one of them looks otherwise than before it was read.
    pub fn have_changed(&self) -> bool {
        self.0.iter().any(|(file, look)| look_at(file) != *look)
    }
}

/// `None` where it is not there.
fn look_at(file: &Path) -> Option<Look> {
    let meta = file.metadata().ok()?;
    Some((meta.dev(), meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec()))
}

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", file.display())]
pub struct WebError {
    file: PathBuf,
    cause: String,
    /// What was looked at.
    pub(super) files: Files,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tls_server_config: Option<TlsSection>,
    http_server_config: Option<HttpSection>,
    basic_auth_users: Option<BTreeMap<String, String>>,
}

/// The section `http_server_config`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpSection {
    /// Taken, and without effect: HTTP/2 is an offer that a server need not make, and this one speaks HTTP/1.1.
    #[serde(default, rename = "http2")]
    _http2: Option<bool>,
    #[serde(default)]
    headers: BTreeMap<Header, String>,
}

/// Headers that the toolkit lets the file set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Header {
    #[serde(rename = "Content-Security-Policy")]
    ContentSecurityPolicy,
    #[serde(rename = "Strict-Transport-Security")]
    StrictTransportSecurity,
    #[serde(rename = "X-Content-Type-Options")]
    ContentTypeOptions,
    #[serde(rename = "X-Frame-Options")]
    FrameOptions,
    #[serde(rename = "X-XSS-Protection")]
    XssProtection,
}

impl Header {
    fn name(self) -> HeaderName {
        match self {
            Header::ContentSecurityPolicy => header::CONTENT_SECURITY_POLICY,
            Header::StrictTransportSecurity => header::STRICT_TRANSPORT_SECURITY,
            Header::ContentTypeOptions => header::X_CONTENT_TYPE_OPTIONS,
            Header::FrameOptions => header::X_FRAME_OPTIONS,
            Header::XssProtection => header::X_XSS_PROTECTION,
        }
    }
}

/// The section `tls_server_config`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsSection {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    pub client_auth_type: Option<ClientAuth>,
    pub client_ca_file: Option<PathBuf>,
    pub min_version: Option<TlsVersion>,
    pub max_version: Option<TlsVersion>,
}

impl TlsSection {
    /// The files it names.
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.cert_file, &self.key_file].into_iter().chain(&self.client_ca_file)
    }
}

/// Whether clients need a certificate. The toolkit's two ways of asking for one without looking at it are not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum ClientAuth {
    #[default]
    NoClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

/// TLS versions that are still safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum TlsVersion {
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

impl WebConfig {
    /// Reads the file; paths in it are relative to its folder. Unknown and unsupported keys are refused by name.
    pub fn load(file: &Path) -> Result<WebConfig, WebError> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut files = Files::of([file.to_owned()]);
        let read = std::fs::read_to_string(file).map_err(|e| format!("cannot be read: {e}"));
        let understood = read.and_then(|text| parse(&text)).and_then(|parsed| {
            let named = parsed.tls_server_config.iter().flat_map(TlsSection::files).map(|name| folder.join(name));
            files.0.extend(Files::of(named).0);
            WebConfig::of(parsed, folder)
        });
        match understood {
            Ok(config) => Ok(WebConfig { files, ..config }),
            Err(cause) => Err(WebError { file: file.to_owned(), cause, files }),
        }
    }

    fn of(parsed: File, folder: &Path) -> Result<WebConfig, String> {
        let File { tls_server_config, http_server_config, basic_auth_users } = parsed;
        let users = basic_auth_users.unwrap_or_default();
        for (user, hash) in &users {
            if bcrypt::HashParts::from_str(hash).is_err() {
                return Err(format!(
                    "basic_auth_users: {user}: no bcrypt hash; make one with `htpasswd -nBC 10 {user}`"
                ));
            }
        }
        let tls = tls_server_config.map(|section| tls::config(&section, folder)).transpose()?;
        let mut headers = HeaderMap::new();
        for (header, value) in http_server_config.unwrap_or_default().headers {
            let name = header.name();
            let value = HeaderValue::from_str(&value).map_err(|e| format!("headers: {name}: {e}"))?;
            headers.insert(name, value);
        }
        Ok(WebConfig { tls: tls.map(Arc::new), users, headers, files: Files::default() })
    }
}

fn parse(text: &str) -> Result<File, String> {
    let parsed: Option<File> = yaml_serde::from_str(text).map_err(|e| e.to_string())?;
    Ok(parsed.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(text: &str, folder: &str) -> Result<WebConfig, String> {
        parse(text).and_then(|parsed| WebConfig::of(parsed, Path::new(folder)))
    }

    fn refused(text: &str) -> String {
        understood(text, "/nowhere").expect_err("it is wrong")
    }

    #[test]
    fn users_and_headers() {
        let text = "basic_auth_users:\n  ann: $2y$04$rOfGVVtOyJ.PA7mCv8lyQOLeQGTjSEGHdtWUjtnlnNOAqcZbXRzUC\n";
        let web = understood(text, "").expect("it is right");
        assert!(web.tls.is_none() && web.users.contains_key("ann"));
        let text = "http_server_config: {http2: false, headers: {X-Frame-Options: deny}}";
        let web = understood(text, "").expect("it is right");
        assert_eq!(web.headers[header::X_FRAME_OPTIONS], "deny");
        assert!(understood("", "").expect("nothing is asked for").users.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(refused("basic_auth_users: {ann: secret}").contains("ann: no bcrypt hash"));
        assert!(refused("basic_auth: {}").contains("unknown field `basic_auth`"));
        let tls = |more: &str| refused(&format!("tls_server_config: {{cert_file: c.pem, key_file: k.pem{more}}}"));
        assert!(tls("").contains("/nowhere/c.pem"), "{}", tls(""));
        assert!(tls(", cipher_suites: [X]").contains("unknown field `cipher_suites`"));
        assert!(tls(", min_version: TLS10").contains("unknown variant `TLS10`"));
        assert!(tls(", client_auth_type: RequireAnyClientCert").contains("unknown variant `RequireAnyClientCert`"));
        assert!(refused("http_server_config: {headers: {X-Mine: y}}").contains("unknown variant `X-Mine`"));
        assert!(refused("http_server_config: {headers: {X-Frame-Options: \"a\\nb\"}}").contains("x-frame-options"));
        assert!(refused("tls_server_config: {cert_file: c.pem}").contains("missing field `key_file`"));
    }
}
