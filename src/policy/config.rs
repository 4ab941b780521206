//! The configuration file: every flag and default has a key here.

use std::fmt;
use std::path::{Path, PathBuf};

use globset::GlobMatcher;

use super::{Context, Loaded};
use crate::model::{Name, SECOND, Settings};

const DAY: u64 = 24 * 3600 * SECOND;

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
#[derive(Clone, Debug)]
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
    /// Processes to find.
    pub discover: Vec<Discovery>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            policy: Vec::new(),
            listen: None,
            socket: None,
            state: None,
            group: None,
            web_config_file: None,
            pss_ns: None,
            settings: Settings::default(),
            journal: JournalSettings::default(),
            discover: Vec::new(),
        }
    }
}

impl Config {
    /// Where HTTP is served if nothing is said.
    pub const DEFAULT_LISTEN: &str = "127.0.0.1:9877";

    /// What the meaning of a policy depends on under this configuration.
    pub fn context(&self) -> Context {
        Context { interval_ns: self.settings.interval_ns, proportional: self.pss_ns.is_some() }
    }

    /// Reads a configuration file. Relative paths in it are relative to the file's folder.
    ///
    /// # Errors
    /// All findings, if one of them is an error.
    pub fn load(path: &Path) -> Loaded<Config> {
        let _ = path;
        todo!()
    }
}
