//! The configuration that `daemon` and `run` work with: the file and the flags over it.

use std::io;
use std::path::{Path, PathBuf};

use super::Failure;
use super::args::Watching;
use super::diagnostics::{self, Style};
use crate::daemon::StartError;
use crate::model::{Diagnostic, Policy};
use crate::policy::{self, Config};
use crate::sys::places::Places;

/// What a daemon is started with.
#[derive(Debug)]
pub struct Setup {
    /// The configuration, flags included.
    pub config: Config,
    /// The policies that it names.
    pub policy: Policy,
}

/// Reads the configuration (`named`, else $EARLYSTOP_CONFIG, else the user's or root's, which need not be there), puts the
/// flags over it, and reads the policies that it names. Findings go to stderr.
///
/// # Errors
/// A file is not there or is refused.
pub fn load(named: Option<&Path>, flags: &Watching) -> Result<Setup, Failure> {
    let mut config = match file(named) {
        Some(path) => said("configuration", Config::load(&path))?,
        None => Config::default(),
    };
    if !flags.policy.is_empty() {
        config.policy = flags.policy.iter().map(absolute).collect();
    }
    if let Some(ns) = flags.interval {
        config.settings.interval_ns = ns;
    }
    if let Some(listen) = &flags.listen {
        config.listen = Some(listen.clone());
    }
    if let Some(state) = &flags.state {
        config.state = Some(absolute(state));
    }
    config.settings.observe |= flags.observe;
    let policy = match config.policy.is_empty() {
        true => Policy::default(),
        false => said("policy", policy::load(&config.policy, &config.context()))?,
    };
    Ok(Setup { config, policy })
}

/// The file to read. One that somebody named is read even if it is not there, so that its absence is reported.
fn file(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = named {
        return Some(path.to_path_buf());
    }
    let mut candidates = Places::here().configs();
    let by_default = candidates.pop();
    candidates.into_iter().next().or(by_default.filter(|path| path.exists()))
}

/// Paths from the command line keep their meaning wherever the process goes.
pub fn absolute(path: &PathBuf) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.clone())
}

/// Findings as text for stderr.
pub fn render(findings: &[Diagnostic]) -> String {
    let style = Style::of(&io::stderr());
    findings.iter().map(|finding| diagnostics::render(finding, style)).collect()
}

/// Prints what was found; gives the thing if it was not refused.
fn said<T>(what: &str, loaded: policy::Loaded<T>) -> Result<T, Failure> {
    match loaded {
        Ok((thing, warnings)) => {
            eprint!("{}", render(&warnings));
            Ok(thing)
        }
        Err(findings) => {
            eprint!("{}", render(&findings));
            let hint = "`earlystop check FILE` looks at a file without running anything";
            Err(Failure::new(format!("the {what} is refused"), hint))
        }
    }
}

/// A daemon that could not start, for a person.
pub fn start_failure(e: &StartError) -> Failure {
    match e.to_string().split_once("; ") {
        Some((cause, hint)) => Failure::new(cause, hint),
        None => Failure::new(e.to_string(), "see `earlystop daemon --help` for where things are put"),
    }
}

/// Where the metrics are, to be pasted into a browser or a scrape configuration.
pub fn metrics_url(http: &str) -> String {
    match http.strip_prefix("unix:") {
        Some(_) => http.to_string(),
        None => format!("http://{http}/metrics"),
    }
}
