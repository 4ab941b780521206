//! The experiments of a thesis on early stopping by system metrics, on real data beside a sidecar.
//!
//! In reading order: [`data`], [`split`] and [`model`] are the trainer's parts; [`search`] trains, each trial a
//! [`process`] of its own beside the [`sidecar`]. [`quick`] is what runs when no command is named.

mod algorithm;
mod command;
mod components;
mod control;
mod data;
mod energy;
mod full;
mod lines;
mod model;
mod parity;
mod policies;
mod process;
mod progress;
mod quality;
mod quick;
mod report;
mod runs;
mod search;
mod sets;
mod sidecar;
mod speed;
mod split;
mod stats;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Trains a grid of small models on the red wine data beside a sidecar, and shows what was stopped, and why
///
/// 3 batch sizes, 3 learning rates and 2 penalties, and two trials with a planted fault: one leaks memory, one hangs.
/// Twenty epochs of these data take a thousandth of a second. So that there is something to watch, a trial trains for
/// 40,000. The commands below are the experiments of the thesis; `full` runs them all.
#[derive(Parser)]
#[command(name = "thesis", args_conflicts_with_subcommands = true)]
struct Thesis {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    quick: quick::Arguments,
}

#[derive(Subcommand)]
enum Command {
    Full(full::Arguments),
    Data(sets::Arguments),
    Parity(parity::Arguments),
    Policies(policies::Arguments),
    Speed(speed::Arguments),
    Quality(quality::Arguments),
    Search(Box<search::Arguments>),
    Report(report::Arguments),
    Control(control::Arguments),
    Cost(search::cost::Arguments),
    Components(components::Arguments),
    #[command(hide = true)]
    Hold(control::Hold),
    #[command(hide = true)]
    Fit(search::worker::Arguments),
}

fn main() -> ExitCode {
    let thesis = Thesis::parse();
    if let Err(error) = process::tie() {
        eprintln!("thesis: cannot be tied to the process that started it: {error}");
        return ExitCode::FAILURE;
    }
    let result = match &thesis.command {
        Some(Command::Parity(arguments)) => return parity::run(arguments).into(),
        Some(Command::Full(arguments)) => full::run(arguments),
        Some(Command::Data(arguments)) => sets::run(arguments),
        Some(Command::Policies(arguments)) => policies::run(arguments),
        Some(Command::Quality(arguments)) => quality::run(arguments),
        Some(Command::Search(arguments)) => search::run(arguments),
        Some(Command::Control(arguments)) => control::run(arguments),
        Some(Command::Cost(arguments)) => search::cost::run(arguments),
        Some(Command::Components(arguments)) => components::run(arguments),
        Some(Command::Hold(arguments)) => control::hold(arguments),
        Some(Command::Report(arguments)) => report::run(arguments),
        Some(Command::Fit(arguments)) => search::worker::run(arguments),
        Some(Command::Speed(arguments)) => speed::run(arguments),
        None => quick::run(&thesis.quick),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("thesis: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Thesis as clap::CommandFactory>::command().debug_assert();
        assert!(Thesis::try_parse_from(["thesis", "--epochs", "0"]).is_err());
        assert!(Thesis::try_parse_from(["thesis", "--csv", "x", "search"]).is_err());
    }
}
