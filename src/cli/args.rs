//! The parser of all commands, and the checks that several of them share.

use std::collections::BTreeMap;

use clap::{Parser, Subcommand};

use super::{Failure, run};
use crate::model::Name;

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
  earlystop run --policy policies/ -- python train.py     watch one training run and stop it by rules
  earlystop daemon --policy policies/                     one daemon for many runs; `earlystop run -- CMD` joins it
  earlystop list                                          what runs, its memory, its step, its rules
  earlystop explain my-trial                              why a rule fires, or why it does not

`earlystop COMMAND --help` tells more.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command as a trial: watch it, stop it by rules, exit as it exits
    Run(run::Args),
}

impl Command {
    /// Does it; the exit code.
    ///
    /// # Errors
    /// What a person has to know.
    pub fn run(self) -> Result<u8, Failure> {
        match self {
            Command::Run(args) => run::run(&args),
        }
    }
}

/// Reads a [`Name`].
///
/// # Errors
/// Why the text is none.
pub fn name(text: &str) -> Result<Name, String> {
    Name::new(text).map_err(|e| e.to_string())
}

/// A `KEY=VALUE` as typed.
pub type Pair = (String, String);

/// Reads `--label KEY=VALUE`.
///
/// # Errors
/// What is wrong with it: the shape, the key, a reserved key, the length.
pub fn label(text: &str) -> Result<Pair, String> {
    let (key, value) = param(text)?;
    let mut characters = key.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!("the label name {key:?} may hold only letters, digits and _, and not begin with a digit"));
    }
    Ok((key, value))
}

/// Reads `--param KEY=VALUE`.
///
/// # Errors
/// What is wrong with it: the shape or the length.
pub fn param(text: &str) -> Result<Pair, String> {
    const LONGEST: usize = 256;
    let (key, value) = text.split_once('=').ok_or("there is no `=`; write KEY=VALUE")?;
    if key.is_empty() {
        return Err("nothing stands before the `=`; write KEY=VALUE".to_string());
    }
    if value.len() > LONGEST {
        return Err(format!("the value has {} bytes, at most {LONGEST} are kept", value.len()));
    }
    Ok((key.to_string(), value.to_string()))
}

/// The pairs as a map.
///
/// # Errors
/// A key that came twice with different values.
pub fn map(option: &str, pairs: &[Pair]) -> Result<BTreeMap<String, String>, Failure> {
    let mut map = BTreeMap::new();
    for (key, value) in pairs {
        if let Some(old) = map.insert(key.clone(), value.clone()).filter(|old| old != value) {
            let message = format!("{option} {key} is given twice, as {old:?} and as {value:?}");
            return Err(Failure::new(message, "leave one of them out"));
        }
    }
    Ok(map)
}
