//! A small experiment beside a sidecar: a grid of linear regressions on the red wine data, each trial a process of its
//! own, and a policy that stops those that go wrong.
//!
//! In reading order: [`config`] says what is tried; [`data`], [`split`] and [`model`] are the trainer's parts, and
//! [`trial`] trains and reports; [`process`] starts a trial, [`grid`] all of them, beside the [`sidecar`]; [`table`]
//! shows what became of them.

mod algorithm;
mod command;
mod config;
mod control;
mod data;
mod grid;
mod model;
mod parity;
mod policies;
mod process;
mod progress;
mod quality;
mod report;
mod runs;
mod search;
mod sidecar;
mod speed;
mod split;
mod stats;
mod table;
mod trial;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

use config::Config;
use sidecar::{Setup, Sidecar};

/// The policy unless --policy names another.
const POLICY: &str = include_str!("policy.toml");

/// Trains a grid of small models on the red wine data beside a sidecar, and shows what was stopped, and why
///
/// 3 batch sizes, 3 learning rates and 2 penalties, and two trials with a planted fault: one leaks memory, one hangs.
/// Twenty epochs of these data take a thousandth of a second. So that there is something to watch, a trial trains for
/// 40,000.
#[derive(Parser)]
#[command(name = "thesis", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The rules (default: examples/thesis/policy.toml)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Passes over the training rows, a trial
    #[arg(long, value_name = "N", default_value_t = 40_000, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Trials at a time (default: the cores less one, two at least)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Write the table to this file too, as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// One trial; the grid starts each of its trials like this
    Trial(Config),
    Parity(parity::Arguments),
    Policies(policies::Arguments),
    Speed(speed::Arguments),
    Quality(quality::Arguments),
    Search(search::Arguments),
    Report(report::Arguments),
    Control(control::Arguments),
    Cost(search::cost::Arguments),
    #[command(hide = true)]
    Hold(control::Hold),
    #[command(hide = true)]
    Fit(search::worker::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Some(Command::Parity(arguments)) => return parity::run(arguments).into(),
        Some(Command::Policies(arguments)) => policies::run(arguments),
        Some(Command::Quality(arguments)) => quality::run(arguments),
        Some(Command::Search(arguments)) => search::run(arguments),
        Some(Command::Control(arguments)) => control::run(arguments),
        Some(Command::Cost(arguments)) => search::cost::run(arguments),
        Some(Command::Hold(arguments)) => control::hold(arguments),
        Some(Command::Report(arguments)) => report::run(arguments),
        Some(Command::Fit(arguments)) => search::worker::run(arguments),
        Some(Command::Speed(arguments)) => speed::run(arguments),
        Some(Command::Trial(config)) => trial::run(config),
        None => run_grid(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("thesis: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The whole experiment.
fn run_grid(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let configs = config::grid(arguments.epochs);
    let jobs = arguments.jobs.map_or_else(grid::default_jobs, usize::from);
    let sidecar = match &arguments.policy {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
            Sidecar::start(&text, path, Setup::default())
        }
        None => Sidecar::start(POLICY, "examples/thesis/policy.toml".as_ref(), Setup::default()),
    }?;
    eprintln!("{} trials, {jobs} at a time. Metrics: {}/metrics", configs.len(), sidecar.http_address());
    let start = Instant::now();
    let rows = grid::run(&configs, jobs, &sidecar)?;
    let seconds = start.elapsed().as_secs_f64();
    sidecar.shutdown();
    eprintln!();
    print!("{}", table::text(&rows, seconds));
    if let Some(path) = &arguments.csv {
        std::fs::write(path, table::csv(&rows)).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        eprintln!("The table is in {}.", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_good_and_names_the_reported_metrics() {
        let loaded = earlystop::policy::parse(POLICY, "policy.toml".as_ref(), &sidecar::context());
        let (policy, warnings) = loaded.expect("the policy has no mistake");
        assert!(warnings.is_empty(), "{warnings:?}");
        let names: Vec<&str> = policy.rules.iter().map(|rule| &*rule.name).collect();
        assert_eq!(names, ["diverged", "memory-budget", "time-budget", "hangs"]);
    }

    #[test]
    fn the_command_line_is_sound() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
        assert!(Arguments::try_parse_from(["thesis", "--epochs", "0"]).is_err());
        assert!(Arguments::try_parse_from(["thesis", "--csv", "x", "trial"]).is_err());
    }
}
