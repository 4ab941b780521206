//! `thesis policies`: what stopping policies would have done to a grid that was recorded whole, and what three of them do.
//!
//! In reading order: [`ground`] is the record and the library's replay of it; [`measure`] and [`budget`] are about system
//! budgets, [`learning`] and [`extent`] about rules on curves, [`choice`] about what is left to choose, [`frontier`] about
//! what a policy takes and loses, [`epochs`] about a baseline, [`ranks`] about who is better; [`forecast`] foretells full runs from their beginnings, and
//! from runs on a part of the rows; [`live`] runs some for real; [`tables`] holds it all, and [`write`] puts it down.

mod budget;
mod choice;
mod epochs;
mod extent;
mod forecast;
mod frontier;
mod ground;
mod learning;
mod live;
mod measure;
mod ranks;
mod tables;
mod write;

use std::collections::HashSet;
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use earlystop::model::RunId;

use crate::progress::{Progress, Unit};
use crate::runs;
use crate::search::axis::are_planned;
use budget::Level;
pub use extent::Extent;
use forecast::share::Shared;
use ground::{Answer, Ground, Set};
use learning::{RULES, Rule};
use live::Live;
use tables::Tables;

/// Policies that are ranked over the data sets. Nemenyi's table ends at ten, and more make it harder still to tell any apart.
const RANKED: [&str; 10] = [
    "patience-2-0.001",
    "patience-5-0.001",
    "patience-10-0.001",
    "patience-5-0.0001",
    "median",
    "asha",
    "auto",
    "elapsed-q50",
    "memory-peak-q50",
    frontier::NONE,
];

/// Policies to run for real, unless somebody names others: rules that decide by what trials report. What a budget of time would
/// stop depends on what else the machine does that day, and whom a median stops on the order in which many trials of equal
/// scores come in (docs/foretelling.md).
pub const LIVE: [&str; 3] = ["patience-5-0.001", "patience-10-0.001", "asha"];

/// Policies whose way to the best score is written down.
const WAYS: [&str; 6] = [frontier::NONE, "patience-5-0.001", "median", "asha", "auto", "elapsed-q50"];

/// What stopping policies would have done to a search, by replay; then three of them for real
///
/// The search is recorded whole, without a stop, in DIR/recorded, and taken up again if it was cut off. Tables go to DIR as
/// CSV, and all of them as one policies.json. Options of the search come after `--`. Rules on learning curves judge each score
/// while the trial waits; those on the system look at every tick: a trial that is over before the second one is stopped by
/// none of these, so for them say --epochs and --interval-ms such that trials last many.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where everything goes
    #[arg(long, value_name = "DIR", default_value = "thesis-policies")]
    out: PathBuf,
    /// A journal of `thesis search` without stops, in the place of a new record
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Policies to run for real, by their names in the tables
    #[arg(long, value_name = "NAME", default_values_t = LIVE.map(String::from))]
    live: Vec<String>,
    /// Folders of `thesis search --share`, of the same sets: full runs are foretold from these, too
    #[arg(long, value_name = "DIR", num_args = 1..)]
    share_of: Vec<PathBuf>,
    /// Run none for real
    #[arg(long)]
    replay_only: bool,
    /// Sets and options of `thesis search`
    #[arg(last = true, value_name = "SEARCH")]
    search: Vec<String>,
}

/// A policy of the experiment.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Policy {
    Budget(Level),
    Learning(Rule),
    None,
}

impl Policy {
    fn all() -> Vec<Policy> {
        let (budgets, rules) = (Level::all().map(Policy::Budget), RULES.map(Policy::Learning));
        budgets.chain(rules).chain([Policy::None]).collect()
    }

    fn name(self) -> String {
        match self {
            Policy::Budget(level) => level.name(),
            Policy::Learning(rule) => rule.name(),
            Policy::None => frontier::NONE.into(),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Policy::Budget(_) => "budget",
            Policy::Learning(_) => "rule",
            Policy::None => "none",
        }
    }

    fn text(self, sets: &[Set]) -> String {
        match self {
            Policy::Budget(level) => level.policy(sets),
            Policy::Learning(rule) => rule.policy(sets),
            Policy::None => String::new(),
        }
    }
}

/// Records, replays, runs, and writes it down.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let policies = Policy::all();
    let find = |name: &String| policies.iter().find(|policy| policy.name() == *name).copied();
    let unknown = |name: &String| {
        let names: Vec<String> = policies.iter().map(|policy| policy.name()).collect();
        format!("there is no policy `{name}`; it is one of {}", names.join(", "))
    };
    let wanted =
        arguments.live.iter().map(|name| find(name).ok_or_else(|| unknown(name))).collect::<Result<Vec<_>, _>>()?;
    std::fs::create_dir_all(&arguments.out)
        .map_err(|e| format!("cannot make the folder {}: {e}; --out names another", arguments.out.display()))?;
    // Widening follows the winners, and these depend on who was stopped: a record and a live search have to be the same grid.
    let search: Vec<String> =
        std::iter::once("--widen=0".to_string()).chain(arguments.search.iter().cloned()).collect();
    let live = Live { out: &arguments.out, search: &search };
    let journal = arguments.journal.clone().map_or_else(|| live.record(), Ok)?;
    let open = |folder: &PathBuf| Shared::open(folder, &journal);
    let shares = arguments.share_of.iter().map(open).collect::<Result<Vec<Shared>, _>>()?;
    let ground = Ground::open(&journal)?;
    let mut sets = ground.sets();
    for set in &mut sets {
        // Of a journal whose search did widen, that came after the grid and changed nothing in it.
        set.trials.retain(|view| are_planned(&view.params));
    }
    if sets.is_empty() {
        return Err(format!("{} has no trial that came to its end", journal.display()).into());
    }
    let runs = runs::read(&journal)?.runs;
    let diverged: HashSet<RunId> = runs.iter().filter(|run| run.diverged()).map(|run| run.view.run).collect();
    let answers = answers(&ground, &sets, &policies)?;
    let mut tables = Tables::of(&journal);
    for (policy, answer) in policies.iter().zip(&answers) {
        tables.add(*policy, &sets, &diverged, answer);
    }
    tables.forecasts = forecast::forecasts(&runs, &shares);
    tables.shares = shares.into_iter().map(|shared| shared.source).collect();
    tables.add_baselines(&sets, &diverged, &runs);
    tables.rank(&sets);
    tables.say_synthetic(&sets);
    write::tables(&arguments.out, &tables)?;
    print!("{}", write::text(&tables));
    if !arguments.replay_only {
        for policy in wanted {
            let answer = policies.iter().position(|one| *one == policy).map(|place| &answers[place]);
            tables.live.extend(live.run(&policy.name(), &policy.text(&sets), &sets, answer)?);
        }
        tables.say_synthetic(&sets);
        write::tables(&arguments.out, &tables)?;
        print!("{}", write::live(&tables.live));
    }
    eprintln!("The tables are in {}.", arguments.out.display());
    Ok(())
}

/// A replay each; no policy stops nobody.
fn answers(ground: &Ground, sets: &[Set], policies: &[Policy]) -> Result<Vec<Answer>, String> {
    let texts: Vec<String> = policies.iter().map(|policy| policy.text(sets)).collect();
    let progress = Mutex::new(Progress::new("replays", Unit::Count, 0, Some(policies.len() as u64)));
    let shown = || progress.lock().unwrap_or_else(PoisonError::into_inner);
    let answers = ground.under(&texts, |done| shown().show(done as u64, ""))?;
    shown().clear();
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_have_names_of_their_own() {
        let names: std::collections::BTreeSet<String> = Policy::all().into_iter().map(Policy::name).collect();
        assert_eq!(names.len(), 31);
        assert!(RANKED.iter().chain(&WAYS).all(|name| names.contains(*name)));
        assert!(
            ["memory-peak-q10", "elapsed-q90", "patience-5-0.001", "auto"].iter().all(|name| names.contains(*name))
        );
    }
}
