//! `earlystop heartbeat`: one progress report from a shell script.

use std::net::Shutdown;
use std::time::Duration;

use nix::unistd::{getppid, getsid};

use super::Failure;
use crate::model::{Hello, Step, Voice};
use crate::sys::places::Places;
use crate::wire::client::{Client, ClientError};
use crate::wire::{Speaker, write};

/// Arguments of `earlystop heartbeat`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "It reports for the process that calls it, such as the shell of the script. It never fails for want of a \
daemon,\nso that a script can call it whether it is watched or not.\n\n\
Examples:\n  earlystop heartbeat --step 1200 --total-steps 5000 train_loss=0.31\n  earlystop heartbeat --phase checkpoint"
)]
pub struct Args {
    /// Steps done so far
    #[arg(long, value_name = "N")]
    pub step: Option<u64>,
    /// Epochs done so far
    #[arg(long, value_name = "X", value_parser = amount)]
    pub epoch: Option<f64>,
    /// What the time goes into: train, eval, checkpoint, ...
    #[arg(long, value_name = "NAME")]
    pub phase: Option<String>,
    /// Steps of the whole run
    #[arg(long, value_name = "N")]
    pub total_steps: Option<u64>,
    /// Values measured at this step, such as train_loss=0.31
    #[arg(value_name = "METRIC=VALUE", value_parser = metric)]
    pub metrics: Vec<(String, f64)>,
}

/// How long the daemon may take to have read the line.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends the heartbeat if there is somebody to take it.
///
/// # Errors
/// None: a script must not fail because nobody watches it.
pub fn run(args: &Args) -> Result<u8, Failure> {
    // Nobody there, or not to be trusted: nothing to report to, and nothing that the script should hear of.
    let _ = send(args);
    Ok(0)
}

fn send(args: &Args) -> Result<(), ClientError> {
    let step = Step {
        step: args.step,
        epoch: args.epoch,
        phase: args.phase.clone(),
        total_steps: args.total_steps,
        metrics: args.metrics.clone(),
        ..Step::default()
    };
    let mut client = Client::find(Places::here().client_sockets())?;
    if may_found() {
        // The caller is then known, or becomes a trial. A refusal means that it has said hello by itself on a connection
        // of its own; the daemon decides what the step is worth.
        let hello = Hello { worker: worker(), voice: Voice::Command, ..Hello::default() };
        client.send(&write::hello(&hello))?;
        client.receive(PATIENCE)?;
    }
    client.send(&write::step(&step, Speaker::Parent))?;
    // A step is never answered. The daemon looks up who our parent is, so we have to be there until it has read the
    // line: it closes the connection then.
    client.stream().shutdown(Shutdown::Write)?;
    loop {
        client.receive(PATIENCE)?;
    }
}

/// Whether the caller may become a trial by this if it is none. Not the shell that leads a session: somebody who tries the
/// command at a prompt does not want the terminal stopped by a rule.
fn may_found() -> bool {
    let parent = getppid();
    std::env::var_os("EARLYSTOP_RUN").is_some() || getsid(Some(parent)).is_ok_and(|leader| leader != parent)
}

/// The worker's name in data-parallel training.
fn worker() -> String {
    std::env::var("RANK").ok().filter(|rank| !rank.is_empty()).unwrap_or_else(|| "0".to_string())
}

fn metric(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("there is no `=`; write METRIC=VALUE")?;
    match (name, value.parse()) {
        ("", _) => Err("nothing stands before the `=`; write METRIC=VALUE".to_string()),
        (_, Err(_)) => Err(format!("{value:?} is not a number (NaN and inf are)")),
        (name, Ok(value)) => Ok((name.to_string(), value)),
    }
}

fn amount(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() && x >= 0.0 => Ok(x),
        _ => Err("it is not a number from 0 on".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read() {
        assert_eq!(metric("val/acc=0.5"), Ok(("val/acc".into(), 0.5)));
        assert!(metric("loss=NaN").unwrap().1.is_nan());
        assert_eq!(metric("loss=-inf"), Ok(("loss".into(), f64::NEG_INFINITY)));
        assert!(metric("loss").is_err() && metric("=1").is_err() && metric("loss=x").is_err());
        assert!(amount("-1").is_err() && amount("NaN").is_err());
        assert_eq!(amount("3.2"), Ok(3.2));
    }
}
