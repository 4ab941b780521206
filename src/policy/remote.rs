//! `[remote]`: the Prometheus that evaluates rules with `evaluate = "remote"`, and how one gets in there.

use std::ops::Range;
use std::path::Path;

use hyper::Uri;
use toml::Spanned;
use toml::de::DeValue;

use super::Context;
use super::file::{File, Table, kind, near};
use crate::model::{Access, Endpoint, Password, RemoteServer, SECOND, Secret, TlsFiles};

/// How long an answer is waited for. Prometheus itself gives a query 2 minutes; a rule that acts must know sooner, and a
/// scrape interval (15 s in most set-ups) must not pass meanwhile.
const TIMEOUT: u64 = 5 * SECOND;

/// How often a rule is asked at most. Grafana refreshes no panel more often unless it is told to (`min_refresh_interval`).
const INTERVAL: u64 = 5 * SECOND;

/// Headers that a request has anyway.
const OWN_HEADERS: [&str; 7] =
    ["host", "content-type", "content-length", "transfer-encoding", "connection", "accept-encoding", "accept"];

/// Reads `http://HOST[:PORT][/PREFIX]` or `https://...`; the error says in words what is wrong with it.
fn endpoint(text: &str) -> Result<Endpoint, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{text:?} is no URL: {error}"))?;
    let https = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err("a URL begins with http:// or https://".to_string()),
    };
    let authority = uri.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or("the host is missing")?;
    if authority.as_str().contains('@') {
        return Err("a password does not belong into a URL; say basic_auth".to_string());
    }
    let default = if https { 443 } else { 80 };
    let after_host = authority.as_str().get(authority.host().len()..).unwrap_or_default();
    let port = match (authority.port_u16(), after_host) {
        (Some(port), _) if port > 0 => port,
        (None, "") => default,
        (_, wrong) => return Err(format!("{:?} is not a port (1 to 65535)", wrong.trim_start_matches(':'))),
    };
    if uri.query().is_some() || text.contains('#') {
        return Err("what follows ? or # cannot be sent".to_string());
    }
    let prefix = uri.path().trim_end_matches('/');
    if let Some((before, _)) = prefix.split_once("/api/v1") {
        return Err(format!("the path is completed by /api/v1/query; end the URL with {:?}", format!("{before}/")));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_string();
    Ok(Endpoint { https, host, port, prefix: prefix.to_string() })
}

/// Reads the table; `None` where it has no meaning. All its findings are made all the same. Relative paths in it are relative to
/// the file's folder.
pub(super) fn read(file: &File, table: Table<'_>) -> Option<RemoteServer> {
    let folder = file.path.parent().unwrap_or(Path::new(""));
    let endpoint = url(file, &table);
    let identity = identity(file, &table);
    let interval = table.period("interval", "\"5s\"").map_or(INTERVAL, Spanned::into_inner);
    let timeout = table.period("timeout", "\"5s\"").map_or(TIMEOUT, Spanned::into_inner);
    let headers = table.table("headers", "`headers`", "{ X-Scope-OrgID = \"team\" }");
    let headers = headers.map(|t| self::headers(file, &t)).unwrap_or_default();
    let access = access(file, &table, folder, &headers);
    let example = "{ ca_file = \"ca.pem\" }";
    let tls = table.table("tls_config", "`tls_config`", example).map(|t| tls(file, t, folder)).unwrap_or_default();
    if let (Some(Endpoint { https: false, .. }), Some(key)) = (&endpoint, table.key("tls_config")) {
        let hint = "write url = \"https://...\", or leave it out";
        file.warning("no-effect", key, "`tls_config` does nothing without TLS", hint);
    }
    table.close();
    let (endpoint, identity) = (endpoint?, identity?);
    Some(RemoteServer { endpoint, identity, timeout_ns: timeout, interval_ns: interval, headers, access, tls })
}

fn url(file: &File, table: &Table<'_>) -> Option<Endpoint> {
    let example = "\"http://prometheus:9090\"";
    let Some(url) = table.text("url", example) else {
        if table.key("url").is_none() && !table.attempts(&["url"]) {
            let hint = format!("write url = {example}: a Prometheus, Thanos, Mimir or VictoriaMetrics");
            file.error("missing-key", table.span.clone(), "[remote] without a `url`", &hint);
        }
        return None;
    };
    let endpoint = endpoint(url.get_ref());
    if let Err(why) = &endpoint {
        file.error("bad-value", url.span(), format!("`url`: {why}"), &format!("write url = {example}"));
    }
    endpoint.ok()
}

fn identity(file: &File, table: &Table<'_>) -> Option<Vec<(String, String)>> {
    let example = "{ instance = \"gpu1:9877\" }";
    let Some(labels) = table.table("identity", "`identity`", example) else {
        if table.key("identity").is_none() && !table.attempts(&["identity"]) {
            let hint = format!("write identity = {example}: only series with these labels act on this host");
            file.error("missing-key", table.span.clone(), "[remote] without an `identity`", &hint);
        }
        return None;
    };
    let mut found = Vec::new();
    for (name, value) in texts(file, &labels, "a label's value", "instance = \"gpu1:9877\"") {
        let label = name.get_ref().as_str();
        let fits = |(at, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
        if label.is_empty() || !label.chars().enumerate().all(fits) || label.starts_with("__") {
            let hint = "a label begins with a letter or _ and goes on with letters, digits and _";
            file.error("bad-label", name.span(), format!("`{label}` cannot be a label"), hint);
        } else if value.get_ref().is_empty() {
            let message = format!("an empty `{label}` is on every series that has none");
            file.error("bad-value", value.span(), message, &format!("write identity = {example}"));
        } else {
            found.push((label.to_string(), value.into_inner()));
        }
    }
    if found.is_empty() && labels.entries().next().is_none() {
        let message = "an empty `identity` would let the series of every host act here";
        file.error("bad-value", labels.span.clone(), message, &format!("write identity = {example}"));
    }
    (!found.is_empty()).then_some(found)
}

/// The entries of a table whose values are texts.
fn texts(file: &File, table: &Table<'_>, what: &str, example: &str) -> Vec<(Spanned<String>, Spanned<String>)> {
    let text = |(key, value): (Spanned<&str>, &Spanned<DeValue<'_>>)| {
        let name = Spanned::new(key.span(), key.get_ref().to_string());
        match value.get_ref() {
            DeValue::String(text) => Some((name, Spanned::new(value.span(), text.to_string()))),
            other => {
                let message = format!("{what} must be text, `{}` is {}", key.get_ref(), kind(other));
                file.error("wrong-type", value.span(), message, &format!("write for example {example}"));
                None
            }
        }
    };
    table.entries().filter_map(text).collect()
}

fn headers(file: &File, table: &Table<'_>) -> Vec<(String, Secret)> {
    let mut found = Vec::new();
    for (name, value) in texts(file, table, "a header", "X-Scope-OrgID = \"team\"") {
        let bare = name.get_ref().to_ascii_lowercase();
        if hyper::header::HeaderName::try_from(bare.as_str()).is_err() {
            let message = format!("`{}` cannot be a header", name.get_ref());
            file.error("bad-value", name.span(), message, "write for example X-Scope-OrgID = \"team\"");
        } else if OWN_HEADERS.contains(&bare.as_str()) {
            let message = format!("the header `{}` is set by earlystop itself", name.get_ref());
            file.error("bad-value", name.span(), message, "leave it out");
        } else if hyper::header::HeaderValue::try_from(value.get_ref().as_str()).is_err() {
            let message = format!("the value of `{}` holds a character that no header may", name.get_ref());
            file.error("bad-value", value.span(), message, "write it in one line of printable characters");
        } else {
            found.push((bare, Secret(value.into_inner())));
        }
    }
    found
}

fn access(file: &File, table: &Table<'_>, folder: &Path, headers: &[(String, Secret)]) -> Access {
    let example = "{ username = \"earlystop\", password_file = \"password\" }";
    let basic = table.table("basic_auth", "`basic_auth`", example);
    let bearer = table.text("bearer_token_file", "\"token\"");
    let header = headers.iter().any(|(name, _)| name == "authorization").then(|| table.key("headers")).flatten();
    let ways: Vec<Range<usize>> =
        [header, table.key("basic_auth"), table.key("bearer_token_file")].into_iter().flatten().collect();
    if let [_, second, ..] = &ways[..] {
        let hint = "say one of basic_auth, bearer_token_file and the header Authorization";
        file.error("bad-value", second.clone(), "a second way to get in", hint);
    }
    match (basic, bearer) {
        (Some(basic), _) => basic_auth(file, basic, folder).unwrap_or_default(),
        (None, Some(token)) => Access::BearerFile(folder.join(token.into_inner())),
        (None, None) => Access::Open,
    }
}

fn basic_auth(file: &File, table: Table<'_>, folder: &Path) -> Option<Access> {
    let span = table.span.clone();
    let user = table.text("username", "\"earlystop\"").map(Spanned::into_inner);
    let text = table.text("password", "\"...\"").map(|text| Password::Text(Secret(text.into_inner())));
    let from = table.text("password_file", "\"password\"").map(|path| Password::File(folder.join(path.into_inner())));
    table.close();
    let wrong = match (&user, &text, &from) {
        (Some(user), ..) if user.contains(':') => "a user's name cannot hold a colon",
        (Some(_), Some(_), Some(_)) => "password and password_file stand for each other",
        (Some(_), Some(_), None) | (Some(_), None, Some(_)) => return Some(Access::Basic(user?, text.or(from)?)),
        (None, ..) => "`basic_auth` without a `username`",
        _ => "`basic_auth` without a password",
    };
    let hint = "write basic_auth = { username = \"earlystop\", password_file = \"password\" }";
    file.error("bad-value", span, wrong, hint);
    None
}

fn tls(file: &File, table: Table<'_>, folder: &Path) -> TlsFiles {
    let span = table.span.clone();
    let path = |text: Spanned<String>| folder.join(text.into_inner());
    let cert = table.text("cert_file", "\"client.pem\"").map(path);
    let key = table.text("key_file", "\"client.key\"").map(path);
    if cert.is_some() != key.is_some() {
        let hint = "write both: cert_file = \"client.pem\", key_file = \"client.key\"";
        file.error("missing-key", span, "cert_file and key_file belong together", hint);
    }
    let files = TlsFiles {
        ca_file: table.text("ca_file", "\"ca.pem\"").map(path),
        client: cert.zip(key),
        server_name: table.text("server_name", "\"prometheus.example\"").map(Spanned::into_inner),
        insecure_skip_verify: table.flag("insecure_skip_verify").is_some_and(Spanned::into_inner),
    };
    table.close();
    files
}

/// Whether a rule is evaluated by the remote Prometheus.
pub(super) fn is_remote(file: &File, context: &Context, evaluate: Option<&Spanned<String>>) -> bool {
    let Some(evaluate) = evaluate else { return false };
    match (evaluate.get_ref().as_str(), &context.remote) {
        ("local", _) => false,
        ("remote", Some(_)) => true,
        ("remote", None) => {
            let message = "`evaluate = \"remote\"` without [remote]: nobody is there to be asked";
            let hint = "in earlystop.toml (check --config FILE) write [remote] with url = \"http://prometheus:9090\" and \
                        identity = { instance = \"gpu1:9877\" }";
            file.error("no-remote", evaluate.span(), message, hint);
            true
        }
        (other, _) => {
            let hint = near(other, ["local", "remote"].into_iter());
            file.error("bad-value", evaluate.span(), format!("no place `{other}` to evaluate a rule"), &hint);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_rule_is_evaluated_where_somebody_is() {
        let file = File::new("p.toml".as_ref(), "");
        let server = RemoteServer {
            endpoint: endpoint("http://p").unwrap(),
            identity: vec![("instance".into(), "x".into())],
            timeout_ns: TIMEOUT,
            interval_ns: INTERVAL,
            headers: vec![],
            access: Access::Open,
            tls: TlsFiles::default(),
        };
        let nobody = Context::default();
        let somebody = Context { remote: Some(Arc::new(server)), ..Context::default() };
        let is = |context: &Context, text: &str| is_remote(&file, context, Some(&Spanned::new(0..0, text.to_string())));
        assert!(is(&somebody, "remote") && !is(&somebody, "local") && !is(&nobody, "local"));
        assert!(!is_remote(&file, &nobody, None) && !file.has_errors());
        assert!(is(&nobody, "remote") && !is(&somebody, "remotely"));
        let codes: Vec<_> = file.into_findings().iter().map(|f| f.code).collect();
        assert_eq!(codes, ["no-remote", "bad-value"]);
    }

    #[test]
    fn urls() {
        let shown = |text: &str| endpoint(text).map(|endpoint| endpoint.to_string());
        for (text, whole) in [
            ("http://prometheus", "http://prometheus:80"),
            ("https://p.example/", "https://p.example:443"),
            ("https://p.example:8443/tenant/prometheus/", "https://p.example:8443/tenant/prometheus"),
            ("http://[::1]:9090", "http://[::1]:9090"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(whole), "{text}");
        }
        for bad in [
            "",
            "prometheus",
            "prometheus:9090",
            "/prometheus",
            "ftp://p",
            "http://",
            "http://:9090",
            "http://p:",
            "http://p:0",
            "http://p:70000",
            "http://u:secret@p",
            "http://p/?a=b",
            "http://p/#a",
            "http://p/api/v1/query",
            "http://p/x/api/v1",
            "http://p q",
        ] {
            assert!(shown(bad).is_err(), "{bad}: {:?}", shown(bad));
        }
        assert!(shown("http://u:secret@p").is_err_and(|why| why.contains("basic_auth") && !why.contains("secret")));
    }
}
