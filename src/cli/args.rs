//! The parser of all commands, and the arguments that several of them share.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::{
    Failure, check, completions, daemon, explain, heartbeat, import, list, reload, replay, run, stop, test, top, watch,
};
use crate::model::{MILLI, Name, SECOND, TrialSpec};
use crate::policy::config::Listen;
use crate::wire::check_label;

/// A sidecar for machine-learning training: it watches memory, CPU and progress of any trainer and stops trials by rules.
#[derive(Debug, Parser)]
#[command(name = "earlystop", version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  earlystop run --policy policies/ -- python train.py
      watch one training run and stop it by rules
  earlystop daemon --policy policies/
      one daemon for many runs; `earlystop run -- CMD` joins it
  earlystop list
      what runs, its memory, its step, its rules
  earlystop explain my-trial
      why a rule fires, or why it does not

Exit codes: 0 fine; 1 findings (check, test, replay --expect); 2 wrong usage or configuration,
no daemon, unknown trial; `run` mirrors its command.
`earlystop COMMAND --help` tells more.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch trials as a daemon: serve the socket and /metrics, stop trials by rules
    Daemon(daemon::Args),
    /// Run a command as a trial: watch it, stop it by rules, exit as it exits
    Run(run::Args),
    /// Follow a process that is already running (needs a daemon; returns at once)
    Watch(watch::Args),
    /// Send one heartbeat from a shell script
    Heartbeat(heartbeat::Args),
    /// Show all trials
    List(list::Args),
    /// Show one trial, its rules, and why they stand as they do
    Explain(explain::Args),
    /// Show all trials, again and again
    Top(top::Args),
    /// End a trial by hand
    Stop(stop::Args),
    /// Check policies
    Check(check::Check),
    /// Test the rules of policies over given series
    Test(test::Test),
    /// Make a journal of a history that was recorded elsewhere
    Import(import::Args),
    /// Tell what a policy would have done to recorded trials
    Replay(replay::Args),
    /// Make the daemon read its policies again
    Reload(reload::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

impl Command {
    /// Does it; the exit code.
    ///
    /// # Errors
    /// What a person has to know.
    pub fn run(self) -> Result<u8, Failure> {
        match self {
            Command::Daemon(args) => daemon::run(&args),
            Command::Run(args) => run::run(&args),
            Command::Watch(args) => watch::run(&args),
            Command::Heartbeat(args) => heartbeat::run(&args),
            Command::List(args) => list::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::Top(args) => top::run(&args),
            Command::Stop(args) => stop::run(&args),
            Command::Test(args) => test::run(&args, &mut std::io::stdout().lock()),
            Command::Check(args) => {
                let stdout = std::io::stdout();
                Ok(check::run(&args, super::diagnostics::Style::of(&stdout), &mut stdout.lock())?)
            }
            Command::Import(args) => import::run(&args, &mut std::io::stdout().lock()),
            Command::Replay(args) => replay::run(&args),
            Command::Reload(args) => reload::run(&args),
            Command::Completions(args) => completions::run(&args),
        }
    }
}

/// What a trial is called and what is known of it.
#[derive(Clone, Debug, clap::Args)]
pub struct Naming {
    /// The trial's name; made up if left out
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub trial: Option<Name>,
    /// The experiment it belongs to [default: $EARLYSTOP_EXPERIMENT, else "default"]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub experiment: Option<Name>,
    /// A label of the trial, for rules and for Prometheus; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub labels: Vec<Pair>,
    /// A hyperparameter of the trial, such as lr=0.1; may be repeated
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = param)]
    pub params: Vec<Pair>,
}

impl Naming {
    /// The same as a specification.
    ///
    /// # Errors
    /// A key that came twice with different values; an experiment in the environment that is no name.
    pub fn spec(&self) -> Result<TrialSpec, Failure> {
        let inherited = std::env::var("EARLYSTOP_EXPERIMENT").ok().filter(|text| !text.is_empty());
        let experiment = match (&self.experiment, inherited) {
            (Some(given), _) => Some(given.clone()),
            (None, Some(text)) => Some(name(&text).map_err(|e| {
                Failure::new(format!("EARLYSTOP_EXPERIMENT is {text:?}: {e}"), "set it to a name, or unset it")
            })?),
            (None, None) => None,
        };
        let labels = map("--label", &self.labels)?;
        let params = map("--param", &self.params)?;
        Ok(TrialSpec { trial: self.trial.clone(), experiment, labels, params, ..TrialSpec::default() })
    }
}

/// What `daemon` and `run` share; each replaces a key of the configuration.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Watching {
    /// A policy file, or a folder of which every *.toml is taken; may be repeated
    #[arg(long, value_name = "FILE|DIR")]
    pub policy: Vec<PathBuf>,
    /// Time between looks at the processes, 10ms to 1h [default: 1s]
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    pub interval: Option<u64>,
    /// Where to serve /metrics: HOST:PORT or unix:PATH [default: 127.0.0.1:9877]
    #[arg(long, value_name = "ADDR", value_parser = Listen::parse)]
    pub listen: Option<Listen>,
    /// The folder of the journal
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Only say what would be done; nothing is ever asked to stop or signalled
    #[arg(long)]
    pub observe: bool,
}

impl Watching {
    /// Whether anything was asked for that a running daemon would not know of.
    pub fn asks_for_its_own(&self) -> bool {
        let Watching { policy, interval, listen, state, observe } = self;
        !policy.is_empty() || interval.is_some() || listen.is_some() || state.is_some() || *observe
    }
}

/// Reads a [`Name`].
///
/// # Errors
/// Why the text is none.
pub fn name(text: &str) -> Result<Name, String> {
    Name::new(text).map_err(|e| e.to_string())
}

/// A duration as policies write it, in nanoseconds.
fn interval(text: &str) -> Result<u64, String> {
    let ns = crate::policy::duration(text)?;
    match ns {
        n if n < 10 * MILLI => Err("the shortest interval is 10ms".to_string()),
        n if n > 3600 * SECOND => Err("the longest interval is 1h".to_string()),
        n => Ok(n),
    }
}

/// A `KEY=VALUE` as typed.
pub type Pair = (String, String);

/// Reads `--label KEY=VALUE`.
fn label(text: &str) -> Result<Pair, String> {
    let (key, value) = param(text)?;
    check_label(&key).map_err(|refusal| format!("{}; {}", refusal.message, refusal.hint))?;
    Ok((key, value))
}

/// Reads `--param KEY=VALUE`.
fn param(text: &str) -> Result<Pair, String> {
    let (key, value) = text.split_once('=').ok_or("there is no `=`; write KEY=VALUE")?;
    match key {
        "" => Err("nothing stands before the `=`; write KEY=VALUE".to_string()),
        key => Ok((key.to_string(), value.to_string())),
    }
}

fn map(option: &str, pairs: &[Pair]) -> Result<BTreeMap<String, String>, Failure> {
    let mut map = BTreeMap::new();
    for (key, value) in pairs {
        if let Some(old) = map.insert(key.clone(), value.clone()).filter(|old| old != value) {
            let message = format!("{option} {key} is given twice, as {old:?} and as {value:?}");
            return Err(Failure::new(message, "leave one of them out"));
        }
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_parser_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn pairs_are_checked() {
        assert_eq!(label("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert!(label("a").unwrap_err().contains("KEY=VALUE"));
        assert!(label("=a").is_err());
        assert!(label("1a=b").is_err());
        assert!(label("experiment=b").is_err());
        assert_eq!(param("model.lr=0.1").unwrap(), ("model.lr".into(), "0.1".into()));
        let twice = map("--label", &[("a".into(), "1".into()), ("a".into(), "2".into())]).unwrap_err();
        assert!(twice.message.contains("--label a is given twice"), "{}", twice.message);
    }

    #[test]
    fn intervals_are_bounded() {
        assert_eq!(interval("10ms"), Ok(10 * MILLI));
        assert_eq!(interval("1s"), Ok(SECOND));
        assert!(interval("9ms").is_err() && interval("2h").is_err() && interval("1").is_err());
    }
}
