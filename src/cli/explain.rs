//! `earlystop explain`: one trial, its rules, and why they stand as they do.

use std::io::{self, Write};

use super::table::{self, Align};
use super::{Failure, daemons, resolve};
use crate::sys::clock;
use crate::wire::answer::Answer;
use crate::wire::row::ExplainRow;
use crate::wire::write;

/// Arguments of `earlystop explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  earlystop explain lr0.1\n  earlystop explain red_wine/lr0.1 --json")]
pub struct Args {
    /// NAME, EXPERIMENT/NAME or a run id; the living one, else the latest
    pub trial: String,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Prints the trial.
///
/// # Errors
/// No daemon, no such trial, several.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let (mut client, row) = daemons::trial(&args.trial)?;
    let answer = client.ask(&write::explain(&row.run), daemons::PATIENCE).map_err(|e| daemons::failure(&e))?;
    let Answer::Explained(explained) = answer else { return Err(daemons::failure(&daemons::unexpected(&answer))) };
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &explained).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        print(&explained, clock::now().unix_seconds(), &mut out)?;
    }
    Ok(0)
}

fn print(trial: &ExplainRow, now: f64, out: &mut impl Write) -> io::Result<()> {
    let row = &trial.row;
    writeln!(out, "{}  {}  (run {}, attempt {})", resolve::full_name(row), row.state, row.run, row.attempt)?;
    for (name, value) in facts(trial, now) {
        writeln!(out, "  {name:<10}  {value}")?;
    }
    metrics(trial, out)?;
    if row.rules.is_empty() {
        return writeln!(out, "\nNo rule is about this trial.");
    }
    writeln!(out, "\nRules:")?;
    for rule in &row.rules {
        writeln!(out, "  {}: {} for {}", rule.rule, rule.state, table::seconds(now - rule.since))?;
        if let Some(why) = trial.why.get(&rule.rule).filter(|why| !why.is_empty()) {
            writeln!(out, "    {why}")?;
        }
        for part in trial.parts.get(&rule.rule).into_iter().flatten() {
            writeln!(out, "      {}{} = {}", "  ".repeat(part.depth), part.text, part.value)?;
        }
    }
    Ok(())
}

/// What is known, as name and value; what is not known is left out.
fn facts(trial: &ExplainRow, now: f64) -> Vec<(&'static str, String)> {
    let row = &trial.row;
    let mut facts = vec![("time", table::seconds(row.ended.unwrap_or(now) - row.started))];
    let mut add = |name, value: Option<String>| facts.extend(value.map(|v| (name, v)));
    add("pid", row.pid.filter(|_| resolve::is_living(row)).map(|pid| pid.to_string()));
    add("processes", trial.processes.map(|n| n.to_string()));
    let peak = trial.memory_peak_bytes.map(|peak| format!("peak {}", table::bytes(peak)));
    let memory = row.memory_bytes.map(table::bytes).into_iter().chain(peak).collect::<Vec<_>>().join(", ");
    add("memory", Some(memory).filter(|text| !text.is_empty()));
    add("cpu", Some(format!("{:.1} s", trial.cpu_seconds)));
    let target = row.target_steps.map(|target| format!(" of {target}")).unwrap_or_default();
    add("step", row.step.map(|step| format!("{step}{target}")));
    add("epoch", row.epoch.map(|epoch| epoch.to_string()));
    add("phase", trial.phase.clone());
    let age = trial.last_heartbeat.map(|at| format!(", the last {} ago", table::seconds(now - at)));
    add("heartbeats", Some(format!("{}{}", trial.heartbeats, age.unwrap_or_default())));
    add("params", Some(pairs(&row.params)).filter(|text| !text.is_empty()));
    add("labels", Some(pairs(&row.labels)).filter(|text| !text.is_empty()));
    add("ask only", trial.ask_only.then(|| "no signal is ever sent for it".to_string()));
    add("stop", row.stop.as_ref().map(|s| format!("{}: {} (stop {}, rung {})", s.rule, s.reason, s.id, s.rung + 1)));
    for stop in &trial.stops {
        add("stops", Some(format!("{} {}: {}", stop.rule, stop.outcome, stop.count)));
    }
    add(
        "end",
        row.exit.as_ref().map(|exit| match (exit.status, exit.signal) {
            (Some(code), _) => format!("{} (exit code {code})", exit.cause),
            (None, Some(signal)) => format!("{} (signal {signal})", exit.cause),
            (None, None) => exit.cause.clone(),
        }),
    );
    facts
}

fn pairs(map: &std::collections::BTreeMap<String, String>) -> String {
    map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

fn metrics(trial: &ExplainRow, out: &mut impl Write) -> io::Result<()> {
    if trial.metrics.is_empty() {
        return Ok(());
    }
    let head = [("METRIC", Align::Left), ("LAST", Align::Right), ("BEST", Align::Right), ("AT STEP", Align::Right)];
    let text = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
    let rows: Vec<Vec<String>> = trial
        .metrics
        .iter()
        .map(|(name, m)| {
            vec![name.clone(), m.last.to_string(), text(m.best), m.best_step.map(|s| s.to_string()).unwrap_or_default()]
        })
        .collect();
    writeln!(out)?;
    table::render(&head, &rows, None).iter().try_for_each(|line| writeln!(out, "  {line}"))
}
