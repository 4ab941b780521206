//! `earlystop check`: policies and the configuration, without running anything.

use std::io::{self, Write};
use std::path::PathBuf;

use super::diagnostics::{self, Style};
use crate::model::{Diagnostic, Policy, Rule, Severity};
use crate::policy::{self, Config, Context, words};
use crate::stopper;

/// Arguments of `earlystop check`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Check {
    /// Policy files, or folders of which every *.toml is checked
    #[arg(value_name = "FILE|DIR", required = true)]
    pub paths: Vec<PathBuf>,
    /// Check this configuration too, and the policies under it (its interval decides how short a window may be)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the PromQL that each rule compiles to
    #[arg(long)]
    pub explain: bool,
}

/// Checks and writes what it finds. The exit code: 0 fine, 1 findings, 2 a file or folder cannot be read.
///
/// # Errors
/// Those of `out`.
pub fn run(check: &Check, style: Style, out: &mut dyn Write) -> io::Result<u8> {
    let mut findings = Vec::new();
    let config = check.config.as_deref().map(Config::load);
    let context = match config {
        None => Context::default(),
        Some(Ok((config, warnings))) => {
            findings.extend(warnings);
            config.context()
        }
        Some(Err(errors)) => {
            findings.extend(errors);
            Context::default()
        }
    };
    match policy::load(&check.paths, &context) {
        Ok((policy, warnings)) => {
            findings.extend(warnings);
            if check.explain {
                policy.rules.iter().try_for_each(|rule| explain(rule, style, out))?;
            }
            diagnostics::print(&findings, style, out)?;
            writeln!(out, "{}, {}", contents(&policy), count_of(&findings))?;
        }
        Err(errors) => {
            findings.extend(errors);
            diagnostics::print(&findings, style, out)?;
            writeln!(out, "{}", count_of(&findings))?;
        }
    }
    let unreadable = findings.iter().any(|f| f.code == policy::UNREADABLE);
    Ok(if unreadable { 2 } else { u8::from(!findings.is_empty()) })
}

/// `3 rules in 2 files`.
fn contents(policy: &Policy) -> String {
    format!("{} in {}", number(policy.rules.len(), "rule"), number(policy.texts.len(), "file"))
}

/// `no findings`, `2 errors and 1 warning`.
fn count_of(findings: &[Diagnostic]) -> String {
    let of = |severity| findings.iter().filter(|f| f.severity == severity).count();
    match (of(Severity::Error), of(Severity::Warning)) {
        (0, 0) => "no findings".to_string(),
        (errors, 0) => number(errors, "error"),
        (0, warnings) => number(warnings, "warning"),
        (errors, warnings) => format!("{} and {}", number(errors, "error"), number(warnings, "warning")),
    }
}

fn number(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A rule's name and place, its condition in words and as PromQL.
fn explain(rule: &Rule, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let (file, line) = &rule.place;
    writeln!(out, "{} ({}:{line})", style.strong(&rule.name), file.display())?;
    writeln!(out, "  # {}", rule.words)?;
    for line in rule.expr.lines() {
        writeln!(out, "  {line}")?;
    }
    if let Some(row) = rule.stopper.as_deref().and_then(|spec| stopper::row(&spec.kind)) {
        writeln!(out, "  # stops a trial when: {}", row.summary)?;
        writeln!(out, "  # if the rule does not say: grace {}; min_peers {}", row.grace, row.min_peers)?;
    }
    if rule.hold_ns > 0 {
        writeln!(out, "  # for {}", words::duration(rule.hold_ns))?;
    }
    writeln!(out)
}
