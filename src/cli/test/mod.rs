//! `earlystop test`: unit tests of rules, in the file shape of `promtool test rules`.

mod expectations;
mod file;
mod store;

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Failure;
use super::diagnostics::{self, Style};
use crate::engine::rehearsal::Rehearsal;
use crate::model::{MILLI, Policy};
use crate::policy::{self, Context};
use crate::promql::parse_series;
use file::{Group, Scalar, TestFile};
use store::Store;

/// Arguments of `earlystop test`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Test {
    /// Test files, as `promtool test rules` reads them; rule_files are policies, seen from the file's folder
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// Ticks where a file says nothing: Prometheus's `evaluation_interval`.
const INTERVAL: i64 = 60_000;

/// Most ticks of one group: a test is over in seconds.
const TICKS: i64 = 1_000_000;

/// Runs the tests and tells what came. The exit code: 0 all as expected, 1 something was not.
///
/// # Errors
/// A file cannot be read or understood, or names a policy that is refused.
pub fn run(test: &Test, out: &mut dyn Write) -> Result<u8, Failure> {
    let mut failed = false;
    for path in &test.files {
        let problems = tested(path)?;
        // A closed pipe below `| head` is no error.
        let _ = writeln!(out, "Unit Testing:  {}", path.display());
        if problems.is_empty() {
            let _ = writeln!(out, "  SUCCESS\n");
        } else {
            let _ = writeln!(out, "  FAILED:\n{}", problems.join("\n"));
        }
        failed |= !problems.is_empty();
    }
    Ok(u8::from(failed))
}

/// What is not as a file expects.
fn tested(path: &Path) -> Result<Vec<String>, Failure> {
    let refuse = |why: String, hint: &str| Failure::new(format!("{}: {why}", path.display()), hint);
    let text = std::fs::read_to_string(path)
        .map_err(|e| refuse(format!("cannot be read: {e}"), "is the path right, and may this user read it?"))?;
    let read: TestFile = yaml_serde::from_str(&text)
        .map_err(|e| refuse(e.to_string(), "the shape is that of `promtool test rules`; see the README"))?;
    let policy = load(path, &read)?;
    let interval = match &read.evaluation_interval {
        Some(text) => millis(text).map_err(|e| refuse(format!("evaluation_interval: {e}"), ""))?,
        None => INTERVAL,
    };
    let mut problems = Vec::new();
    for (number, group) in read.tests.iter().enumerate() {
        let name = group.name.clone().unwrap_or_else(|| format!("test {}", number + 1));
        let found = rehearse(&policy, group, interval).map_err(|e| refuse(format!("{name}: {e}"), ""))?;
        problems.extend(found.into_iter().map(|problem| format!("    name: {name}, {problem}")));
    }
    Ok(problems)
}

/// The policies that a file names, as one.
fn load(path: &Path, read: &TestFile) -> Result<Policy, Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let files: Vec<PathBuf> = read.rule_files.iter().map(|file| folder.join(file)).collect();
    if files.is_empty() {
        return Ok(Policy::default());
    }
    let (policy, _) = policy::load(&files, &Context::default()).map_err(|findings| {
        let mut told = Vec::new();
        // A Vec takes every byte.
        let _ = diagnostics::print(&findings, Style::Plain, &mut told);
        let told = String::from_utf8_lossy(&told).into_owned();
        Failure::new(format!("{}: a policy of rule_files is refused:\n{told}", path.display()), "mend it first")
    })?;
    Ok(policy)
}

/// A duration as Prometheus writes it, in milliseconds; a bare number is seconds.
fn millis(text: &str) -> Result<i64, String> {
    if text == "0" {
        return Ok(0);
    }
    policy::duration(text).map(|ns| (ns / MILLI) as i64)
}

fn time(scalar: &Scalar) -> Result<i64, String> {
    millis(&scalar.to_string()).map_err(|e| format!("eval_time: {e}"))
}

/// Goes through a group's time and looks what is not as expected.
fn rehearse(policy: &Policy, group: &Group, interval: i64) -> Result<Vec<String>, String> {
    let step = match &group.interval {
        Some(text) => millis(text).map_err(|e| format!("interval: {e}"))?,
        None => interval,
    };
    let mut store = Store::default();
    for input in &group.input_series {
        let text = format!("{} {}", input.series, input.values);
        let (labels, values) = parse_series(&text).map_err(|p| format!("input_series {text:?}: {}", p.message))?;
        if !store.add(labels, values, step) {
            return Err(format!("input_series: {} is there twice", input.series));
        }
    }
    let mut moments = expectations::moments(group)?;
    moments.sort_by_key(|(at, _)| *at);
    let last = moments.last().map_or(0, |(at, _)| *at);
    if interval <= 0 || last / interval > TICKS {
        return Err(format!("{last} ms of ticks every {interval} ms are too many"));
    }
    let mut rehearsal = Rehearsal::new(policy);
    let mut due = moments.into_iter().peekable();
    let mut problems = Vec::new();
    let mut tick = 0;
    while due.peek().is_some() {
        rehearsal.tick(&store, tick);
        // What is expected between two ticks is judged by the one before.
        while let Some((at, expected)) = due.next_if(|(at, _)| *at < tick + interval) {
            problems.extend(expected.look(&rehearsal, &store, at)?);
        }
        tick += interval;
    }
    Ok(problems)
}
