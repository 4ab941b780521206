//! A replay in recorded time.

use std::path::PathBuf;

use serde_json::Value;

use super::{Args, given, json, text, unreadable};
use crate::cli::Failure;
use crate::replay::{Cost, Outcome, Past, Retold, Tape, Under, past, retell};

/// One journal, before and after.
pub struct Replayed {
    /// Where it lies.
    pub path: PathBuf,
    /// As it was.
    pub past: Past,
    /// As it would have been.
    pub told: Retold,
}

/// A replay of all journals.
pub struct Replay {
    /// Whether the record's own policies were replayed.
    pub own: bool,
    /// The journals.
    pub journals: Vec<Replayed>,
    /// All of them together.
    pub outcome: Outcome,
    /// The unit of the speed-up.
    pub cost: Cost,
}

/// Replays all journals: the report, and the same for people.
///
/// # Errors
/// A journal is damaged, the policy refused.
pub fn run(args: &Args, tapes: &[Tape]) -> Result<(Value, Vec<String>), Failure> {
    let mut replay =
        Replay { own: args.policy.is_empty(), journals: Vec::new(), outcome: Outcome::default(), cost: Cost::Steps };
    for tape in tapes {
        let under = given(args, tape)?.map_or(Under::Recorded, Under::Given);
        let past = past(tape).map_err(unreadable)?;
        let told = retell(tape, &past, under).map_err(unreadable)?;
        replay.outcome.add(&past, &told, &args.question());
        replay.journals.push(Replayed { path: tape.path().to_path_buf(), past, told });
    }
    let steps = replay.outcome.recorded.steps > 0.0;
    replay.cost = args.cost().unwrap_or(if steps { Cost::Steps } else { Cost::Seconds });
    Ok((json::report(args, &replay), text::lines(args, &replay)))
}
