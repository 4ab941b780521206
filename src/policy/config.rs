//! The configuration file: every flag and default has a key here.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::{Glob, GlobMatcher};
use toml::Spanned;

use super::file::{File, Table};
use super::{Context, Loaded, load, remote, units};
use crate::model::{Limits, MILLI, Name, RemoteServer, SECOND, Settings, Severity};

const DAY: u64 = 24 * 3600 * SECOND;

/// Shortest interval; the contract's.
const SHORTEST_INTERVAL: u64 = 10 * MILLI;

/// Where HTTP is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `HOST:PORT`; an empty host stands for every address of the machine.
    Tcp(String),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl Listen {
    /// Reads `HOST:PORT`, `:PORT`, `[V6]:PORT` or `unix:PATH`.
    ///
    /// # Errors
    /// In words what is wrong with it.
    pub fn parse(text: &str) -> Result<Listen, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("the path after `unix:` is missing".to_string()),
                path => Ok(Listen::Unix(path.into())),
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("{text:?} has no port"))?;
        if port.parse::<u16>().is_err() {
            return Err(format!("{port:?} is not a port (0 to 65535)"));
        }
        if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
            return Err(format!("an IPv6 address is written in brackets: [{host}]:{port}"));
        }
        Ok(Listen::Tcp(text.to_string()))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => f.pad(address),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How much the journal keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// Bytes; above them the oldest ended trials go first.
    pub max_size: u64,
    /// Age of ended trials, nanoseconds.
    pub max_age_ns: u64,
}

impl Default for JournalSettings {
    fn default() -> JournalSettings {
        JournalSettings { max_size: 2 << 30, max_age_ns: 30 * DAY }
    }
}

/// What is kept to answer queries from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuerySettings {
    /// How long a sample is kept, nanoseconds; 0: nothing is, and queries are refused.
    pub retention_ns: u64,
    /// Bytes; above them the oldest samples go first, whatever the retention.
    pub memory: u64,
}

impl Default for QuerySettings {
    /// 64 MiB hold 15 minutes at 1 s of some 350 trials that report: 75 series each, 0.9 KB and 6.5 KB an hour a series
    /// (`benches/history.py`).
    fn default() -> QuerySettings {
        QuerySettings { retention_ns: 15 * 60 * SECOND, memory: 64 << 20 }
    }
}

/// A `[[discover]]` table: processes that are watched without having asked. All globs that are there must match.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// On the path of the executable.
    pub exe: Option<GlobMatcher>,
    /// On the arguments, joined by single spaces.
    pub cmdline: Option<GlobMatcher>,
    /// On the path of the control group.
    pub cgroup: Option<GlobMatcher>,
    /// Whether rules may stop what it finds.
    pub stop: bool,
    /// The experiment of what it finds.
    pub experiment: Option<Name>,
    /// The trial's name; a second process of the same name gets its pid appended.
    pub trial: Option<Name>,
}

/// The whole configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Policy files and folders.
    pub policy: Vec<PathBuf>,
    /// Where HTTP is served; `None`: not said, 127.0.0.1:9877.
    pub listen: Option<Listen>,
    /// The socket; `None`: RUNTIME/earlystop.sock.
    pub socket: Option<PathBuf>,
    /// The state folder; `None`: its default place.
    pub state: Option<PathBuf>,
    /// The group that may use the socket (0660); `None`: only its owner (0600).
    pub group: Option<String>,
    /// The exporter-toolkit file for TLS and basic auth.
    pub web_config_file: Option<PathBuf>,
    /// How often proportional memory is read, nanoseconds; `None`: never.
    pub pss_ns: Option<u64>,
    /// What the engine needs.
    pub settings: Settings,
    /// What the journal keeps.
    pub journal: JournalSettings,
    /// Where rules are asked that are evaluated elsewhere.
    pub remote: Option<Arc<RemoteServer>>,
    /// What queries are answered from.
    pub query: QuerySettings,
    /// Processes to find.
    pub discover: Vec<Discovery>,
}

impl Config {
    /// Where HTTP is served if nothing is said.
    pub const DEFAULT_LISTEN: &str = "127.0.0.1:9877";

    /// What the meaning of a policy depends on under this configuration.
    pub fn context(&self) -> Context {
        Context {
            interval_ns: self.settings.interval_ns,
            proportional: self.pss_ns.is_some(),
            remote: self.remote.clone(),
        }
    }

    /// Reads a configuration file. Relative paths in it are relative to the file's folder.
    ///
    /// # Errors
    /// All findings, if one of them is an error.
    pub fn load(path: &Path) -> Loaded<Config> {
        understand(load::read_file(path))
    }

    /// Understands a configuration's text; `path` is for messages, and relative paths start at its folder.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path) -> Loaded<Config> {
        understand(File::new(path, text))
    }
}

/// Keys of the configuration that later versions bring.
const LATER: [(&str, &str); 1] =
    [("lookback", "leave it out: this version's rules look at the samples of a tick and at windows only")];

fn understand(file: File) -> Loaded<Config> {
    let text = file.text.clone();
    let mut config = Config::default();
    if !file.has_errors()
        && let Some(document) = file.document(&text)
    {
        read(&file, Table::new(&file, "the configuration", 0..0, &document), &mut config);
    }
    let findings = file.into_findings();
    match findings.iter().any(|f| f.severity == Severity::Error) {
        true => Err(findings),
        false => Ok((config, findings)),
    }
}

fn read(file: &File, table: Table<'_>, config: &mut Config) {
    for (key, hint) in LATER {
        table.later(key, hint);
    }
    let folder = file.path.parent().unwrap_or(Path::new("")).to_path_buf();
    let path = |text: Spanned<String>| folder.join(text.into_inner());
    config.policy = table.texts("policy", "[\"policies\"]").unwrap_or_default().into_iter().map(path).collect();
    config.listen = listen(file, &table, &folder);
    config.socket = table.text("socket", "\"/run/earlystop/earlystop.sock\"").map(path);
    config.state = table.text("state", "\"/var/lib/earlystop\"").map(path);
    config.group = table.text("group", "\"ml\"").map(Spanned::into_inner);
    config.web_config_file = table.text("web_config_file", "\"web.yml\"").map(path);
    config.pss_ns = table.period("pss", "\"30s\"").map(Spanned::into_inner);
    settings(file, &table, &mut config.settings);
    querying(file, &table, &mut config.query);
    if let Some(limits) = table.table("limits", "[limits]", "[limits]") {
        bounds(limits, &mut config.settings.limits);
    }
    if let Some(journal) = table.table("journal", "[journal]", "[journal]") {
        config.journal = keeping(file, journal);
    }
    let remote = table.table("remote", "[remote]", "[remote]");
    config.remote = remote.and_then(|table| remote::read(file, table)).map(Arc::new);
    let discover = table.tables("discover", "[[discover]]", "[[discover]]").unwrap_or_default();
    config.discover = discover.into_iter().filter_map(|t| discovery(file, t)).collect();
    table.close();
}

fn listen(file: &File, table: &Table<'_>, folder: &Path) -> Option<Listen> {
    let text = table.text("listen", "\"127.0.0.1:9877\"")?;
    match Listen::parse(text.get_ref()) {
        Ok(Listen::Unix(path)) => Some(Listen::Unix(folder.join(path))),
        Ok(listen) => Some(listen),
        Err(why) => {
            let hint = "write HOST:PORT or unix:PATH";
            file.error("bad-value", text.span(), format!("`listen`: {why}"), hint);
            None
        }
    }
}

fn settings(file: &File, table: &Table<'_>, settings: &mut Settings) {
    if let Some(interval) = table.duration("interval", "\"1s\"") {
        settings.interval_ns = *interval.get_ref();
        if settings.interval_ns < SHORTEST_INTERVAL {
            let hint = "write an interval of 10ms or longer";
            file.error("bad-value", interval.span(), "`interval` is shorter than 10ms", hint);
        }
    }
    let into = |value: Option<Spanned<u64>>, place: &mut u64| {
        if let Some(value) = value {
            *place = value.into_inner();
        }
    };
    into(table.duration("gap_grace", "\"60s\""), &mut settings.gap_grace_ns);
    into(table.duration("ended_retention", "\"15m\""), &mut settings.ended_retention_ns);
    count(table, "process_series", 0, &mut settings.process_series);
    settings.observe = table.flag("observe").is_some_and(Spanned::into_inner);
}

fn count(table: &Table<'_>, key: &'static str, least: u64, place: &mut usize) {
    if let Some(value) = table.count(key, least, &place.to_string()) {
        *place = usize::try_from(value.into_inner()).unwrap_or(usize::MAX);
    }
}

fn bounds(table: Table<'_>, limits: &mut Limits) {
    let rows = [
        ("running_trials", 1, &mut limits.running_trials),
        ("ended_trials", 0, &mut limits.ended_trials),
        ("labels", 0, &mut limits.labels),
        ("params", 0, &mut limits.params),
        ("value_bytes", 1, &mut limits.value_bytes),
        ("metrics", 0, &mut limits.metrics),
        ("phases", 0, &mut limits.phases),
        ("processes", 1, &mut limits.processes),
        ("workers", 1, &mut limits.workers),
        ("connections", 1, &mut limits.connections),
    ];
    for (key, least, place) in rows {
        count(&table, key, least, place);
    }
    table.close();
}

/// The least memory for queries: below it not even the daemon's own series fit.
const LEAST_QUERY_MEMORY: (&str, f64) = ("1 MiB", (1 << 20) as f64);

fn querying(file: &File, table: &Table<'_>, query: &mut QuerySettings) {
    if let Some(retention) = table.duration("query_retention", "\"15m\"") {
        query.retention_ns = retention.into_inner();
    }
    size(file, table, ("query_memory", "\"64 MiB\""), LEAST_QUERY_MEMORY, &mut query.memory);
}

/// A number of bytes: key and example, the least that makes sense, and where it goes.
fn size(file: &File, table: &Table<'_>, key: (&'static str, &str), least: (&str, f64), place: &mut u64) {
    let (key, example) = key;
    let Some(size) = table.scalar(key, example) else { return };
    match units::bytes(size.get_ref()) {
        // Beyond 2^53 a float no longer counts single bytes; nothing comes near.
        Ok(bytes) if (least.1..9e15).contains(&bytes) => *place = bytes as u64,
        Ok(_) => {
            let message = format!("`{key}` must be at least {}", least.0);
            file.error("bad-value", size.span(), message, &format!("write {example}"));
        }
        Err(why) => {
            let hint = units::possible(units::Unit::Bytes, false);
            file.error("bad-unit", size.span(), format!("`{key}`: {why}"), hint);
        }
    }
}

fn keeping(file: &File, table: Table<'_>) -> JournalSettings {
    let mut journal = JournalSettings::default();
    size(file, &table, ("max_size", "\"2 GiB\""), ("1 B", 1.0), &mut journal.max_size);
    if let Some(age) = table.period("max_age", "\"30d\"") {
        journal.max_age_ns = age.into_inner();
    }
    table.close();
    journal
}

fn discovery(file: &File, table: Table<'_>) -> Option<Discovery> {
    let glob = |key: &'static str, example: &str| {
        let text = table.text(key, example)?;
        match Glob::new(text.get_ref()) {
            Ok(glob) => Some(glob.compile_matcher()),
            Err(why) => {
                let message = format!("`{}` is not a glob: {}", text.get_ref(), why.kind());
                let hint = "* stands for any text, ? for one character, [ab] for one of these, {a,b} for either";
                file.error("bad-filter", text.span(), message, hint);
                None
            }
        }
    };
    let name = |key: &'static str, example: &str| {
        let text = table.text(key, example)?;
        let name = Name::new(text.get_ref());
        if let Err(why) = &name {
            file.error("bad-name", text.span(), format!("`{key}`: {why}"), &format!("write {key} = {example}"));
        }
        name.ok()
    };
    let found = Discovery {
        exe: glob("exe", "\"/usr/bin/python3*\""),
        cmdline: glob("cmdline", "\"*train.py*\""),
        cgroup: glob("cgroup", "\"*/docker-*\""),
        stop: table.flag("stop").is_some_and(Spanned::into_inner),
        experiment: name("experiment", "\"found\""),
        trial: name("trial", "\"trainer\""),
    };
    let says_which = ["exe", "cmdline", "cgroup"].into_iter().any(|key| table.key(key).is_some());
    let span = table.span.clone();
    table.close();
    if !says_which {
        let hint = "write exe, cmdline or cgroup: all of those given must match";
        file.error("missing-key", span, "[[discover]] without a glob: it would find every process", hint);
        return None;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses() {
        for good in ["127.0.0.1:9877", ":9877", "[::1]:0", "localhost:80", "unix:/run/e.sock"] {
            assert_eq!(Listen::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "9877", "localhost", "localhost:", "a:65536", "::1:80", "unix:", "a:-1"] {
            assert!(Listen::parse(bad).is_err(), "{bad}");
        }
    }
}
