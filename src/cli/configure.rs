//! The configuration that `daemon` and `run` work with: the file, the flags over it, and the policies they name.

use std::io;
use std::path::{Path, PathBuf};

use super::Failure;
use super::args::Watching;
use super::diagnostics::{self, Style};
use crate::model::{Diagnostic, Policy};
use crate::policy::{self, Config};
use crate::sys::places::Places;

/// Everything a daemon needs to know before it starts.
#[derive(Debug)]
pub struct Setup {
    /// The configuration, flags included.
    pub config: Config,
    /// The policies that it names, read and checked.
    pub policy: Policy,
    /// The configuration file, if there is one.
    pub file: Option<PathBuf>,
}

/// Reads the configuration (`named`, else $EARLYSTOP_CONFIG, else the user's or root's, which need not be there), puts the
/// flags over it, and reads the policies. Findings go to stderr.
///
/// # Errors
/// A file is not there or is refused.
pub fn load(named: Option<&Path>, flags: &Watching) -> Result<Setup, Failure> {
    let file = file(named);
    let mut config = match &file {
        Some(path) => said("configuration", Config::load(path))?,
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
    Ok(Setup { config, policy, file })
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
fn absolute(path: &PathBuf) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.clone())
}

/// Prints what was found; gives the thing if it was not refused.
fn said<T>(what: &str, loaded: policy::Loaded<T>) -> Result<T, Failure> {
    let print = |findings: &[Diagnostic]| {
        let stderr = io::stderr();
        // Nobody reads our errors: then there is nobody to tell.
        let _ = diagnostics::print(findings, Style::of(&stderr), &mut stderr.lock());
    };
    match loaded {
        Ok((thing, warnings)) => {
            print(&warnings);
            Ok(thing)
        }
        Err(findings) => {
            print(&findings);
            Err(Failure::new(
                format!("the {what} is refused"),
                "`earlystop check FILE` looks at a file without running anything",
            ))
        }
    }
}
