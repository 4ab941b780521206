//! `earlystop watch`: follow a process that is already running.

use std::io::Write;

use super::args::Naming;
use super::{Failure, daemons};
use crate::model::Name;
use crate::sys::process::Proc;
use crate::wire::answer::Answer;
use crate::wire::{Watch, write};

/// Arguments of `earlystop watch`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The process and all its descendants become a trial. It may be stopped by rules from then on.\n\n\
Example:\n  earlystop watch 4711 --trial lr0.1 --experiment red_wine"
)]
pub struct Args {
    /// The number of the process
    pub pid: u32,
    /// What it is called.
    #[command(flatten)]
    pub naming: Naming,
}

/// Hands the process to the daemon.
///
/// # Errors
/// No such process, no daemon, or the daemon refuses it.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let spec = args.naming.spec()?;
    let none = |e: &dyn std::fmt::Display| {
        Failure::new(format!("there is no process {}: {e}", args.pid), "see the PID column of `ps aux`")
    };
    let process = Proc::open(args.pid).map_err(|e| none(&e))?;
    let pidfd = process.fd().ok_or_else(|| none(&"it cannot be opened"))?;
    let comm = std::fs::read_to_string(format!("/proc/{}/comm", args.pid)).unwrap_or_default();
    let fallback = Name::made_of(&format!("{}-{}", comm.trim_end(), args.pid));
    let line = write::watch(&Watch { spec, fallback: Some(fallback), subreaper: false });
    let mut client = daemons::find()?;
    match client.ask_with(&line, pidfd, daemons::PATIENCE).map_err(|e| daemons::failure(&e))? {
        Answer::Welcome(w) => {
            writeln!(
                std::io::stdout(),
                "watching process {} as {}/{} (run {})",
                args.pid,
                w.experiment,
                w.trial,
                w.run
            )?;
            Ok(0)
        }
        other => Err(daemons::failure(&daemons::unexpected(&other))),
    }
}
