//! `earlystop run -- CMD`: a command as a trial, with the manners of a terminal program.
//!
//! In this order: [`host`] decides who will watch, [`inherit`] takes the signals, [`launch`] forks a child that waits, the
//! host registers it, [`terminal`] lends it the terminal, it executes, [`session`] stands by until it is over.

use std::ffi::OsString;
use std::path::Path;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::Signal;
use nix::unistd::{getpgrp, getpid};

use super::{Failure, args, log};
use crate::model::{ExitStatus, Name, RunId, StopNotice, Welcome};

mod forward;
mod host;
mod inherit;
mod launch;
mod reap;
mod session;
mod terminal;

use host::{Plan, Registration};
use inherit::Inherited;
use session::{Ending, Session};
use terminal::Terminal;

/// The exit code of `run` where it fails before the command starts.
const OWN_FAILURE: u8 = 125;

/// What `run` sets for its command.
const VARIABLES: [&str; 4] = ["EARLYSTOP_TRIAL", "EARLYSTOP_EXPERIMENT", "EARLYSTOP_RUN", "EARLYSTOP_SOCKET"];

/// Arguments of `earlystop run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What it is called.
    #[command(flatten)]
    pub naming: args::Naming,
    /// How it is watched, if not by a daemon that runs already.
    #[command(flatten)]
    pub watching: args::Watching,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

const EXAMPLES: &str = "\
It joins the daemon that `earlystop daemon` started, if there is one. Without
one, or with any of --policy, --interval, --listen, --state and --observe, it
watches by itself until the command ends.

Examples:
  earlystop run --policy policies/ -- python train.py --lr 0.1
  earlystop run --trial lr0.1 --experiment wine --param lr=0.1 -- ./train.sh

Exit code: that of the command; 128+N if signal N ended it; 127 if it was not
found, 126 if it cannot be executed, 125 if earlystop itself failed before the
start.";

/// Runs the command; the exit code to leave with.
///
/// # Errors
/// What went wrong before the command began, with exit code 125, 126 or 127.
pub fn run(args: &Args) -> Result<u8, Failure> {
    start(args).map_err(|failure| match failure.code {
        Failure::USAGE => failure.with_code(OWN_FAILURE),
        _ => failure,
    })
}

fn start(args: &Args) -> Result<u8, Failure> {
    log::start(log::Level::WARN);
    let run = RunId(ulid::Ulid::generate().0);
    let spec = args.naming.spec()?;
    let fallback = made_up_name(&args.command[0], run);
    let failed = |what: &str, e: &dyn std::fmt::Display| {
        Failure::new(format!("cannot {what}: {e}"), "the command was not started")
    };
    let plan = Plan::make(args)?;
    let command = launch::Command::prepare(&args.command, &VARIABLES).map_err(|e| failed("prepare the command", &e))?;
    let (inherited, signals) = Inherited::take().map_err(|e| failed("take the signals", &e))?;
    set_child_subreaper(true).map_err(|e| failed("become the reaper of the command's orphans", &e))?;
    let mut terminal = Terminal::open();
    let at_fork = reap::largest_resident();
    let held = command.fork(&inherited).map_err(|e| failed("fork", &e))?;
    let registration = Registration { run, spec, fallback, command: held.pid() };
    let socket = plan.socket().to_path_buf();
    let (host, welcome) = plan.start(&registration)?;
    let (command, run) = (held.pid(), welcome.run);
    if terminal.lends_at_once() {
        terminal.lend(command);
    }
    launch::let_go_of_streams();
    let started = held.start(&environment(&welcome, &socket));
    let ending = Session { command, run, at_fork, signals: &signals, terminal: &mut terminal, host: &host }.stand_by();
    host.finish();
    if let Err(e) = started {
        let message = format!("cannot run {:?}: {}", args.command[0], e.0);
        let hint = match e.code() {
            127 => "is it spelled right, and is it in PATH?",
            _ => "is it a program, and may you execute it?",
        };
        return Err(Failure::new(message, hint).with_code(e.code()));
    }
    Ok(leave(&ending, &welcome.trial, &inherited))
}

/// What the command finds in its environment.
fn environment(welcome: &Welcome, socket: &Path) -> [(&'static str, OsString); 4] {
    let [trial, experiment, run, at] = VARIABLES;
    [
        (trial, welcome.trial.as_str().into()),
        (experiment, welcome.experiment.as_str().into()),
        (run, welcome.run.to_string().into()),
        (at, socket.into()),
    ]
}

/// The command's base name and the last six characters of the run's id, which are random.
fn made_up_name(command: &OsString, run: RunId) -> Name {
    let base = Path::new(command).file_name().unwrap_or(command.as_os_str()).to_string_lossy();
    let id = run.to_string().to_lowercase();
    let short: String = base.chars().take(Name::MAX - 7).collect();
    Name::made_of(&format!("{short}-{}", &id[id.len() - 6..]))
}

/// Says why it was stopped, if it was, and gives the exit code.
fn leave(ending: &Ending, trial: &Name, inherited: &Inherited) -> u8 {
    if let Some(stop) = &ending.stop {
        eprintln!("{}", stop_line(trial, stop));
    }
    match ending.status {
        ExitStatus::Code(code) => code,
        ExitStatus::Signal(number) => {
            if number as i32 == Signal::SIGINT as i32 && ending.had_terminal && ending.stop.is_none() {
                end_by_interrupt(inherited);
            }
            128u8.saturating_add(number)
        }
    }
}

/// A shell that waits for `run` breaks its loop or script at Ctrl-C only if its child was ended by SIGINT too; it still
/// says 130 then. Comes back where that is not possible (PID 1).
fn end_by_interrupt(inherited: &Inherited) {
    if getpgrp() != getpid() {
        forward::interrupt_to_job();
    }
    inherited.end_by(Signal::SIGINT);
}

fn stop_line(trial: &Name, stop: &StopNotice) -> String {
    format!("earlystop: stopped {trial} by {}: {} (stop {})", stop.rule, stop.reason, stop.id)
}
