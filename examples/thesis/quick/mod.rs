//! The quick run: a small grid of linear regressions on the red wine data beside a sidecar, two of them with a planted
//! fault, and a policy that stops those that go wrong.
//!
//! In reading order: [`grid`] says what is tried and runs it; [`table`] shows what became of it.

mod grid;
mod table;

use std::error::Error;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use crate::data::red_wine;
use crate::search::{cores, folds, shared};
use crate::sidecar::{Setup, Sidecar};
use crate::split::SEED;
use grid::Ground;

/// The policy unless --policy names another.
const POLICY: &str = include_str!("../policy.toml");

/// Options of the quick run.
#[derive(Debug, clap::Args)]
pub struct Arguments {
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

/// Runs it, whole.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::Builder::new().prefix("earlystop-thesis-").tempdir()?;
    folds::prepare(&red_wine(), SEED, None, folder.path())?;
    let rows = shared::path(folder.path(), grid::SET, &grid::FOLD.name());
    let cores = cores(Some(arguments.jobs.unwrap_or_else(default_jobs)))?;
    let sidecar = match &arguments.policy {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
            Sidecar::start(&text, path, Setup::default())
        }
        None => Sidecar::start(POLICY, "examples/thesis/policy.toml".as_ref(), Setup::default()),
    }?;
    let grid = grid::grid();
    eprintln!("{} trials, {} at a time. Metrics: {}/metrics", grid.len(), cores.len(), sidecar.http_address());
    let start = Instant::now();
    let ground = Ground { sidecar: &sidecar, rows: &rows, epochs: arguments.epochs, cores: &cores };
    let rows = ground.run(&grid)?;
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

/// How many trials run at once if nobody says: one core is left to the sidecar and the system, but two trials at least.
fn default_jobs() -> u16 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    u16::try_from((cores - 1).clamp(2, 16)).expect("it was clamped")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_good_and_names_the_reported_metrics() {
        let loaded = earlystop::policy::parse(POLICY, "policy.toml".as_ref(), &crate::sidecar::context());
        let (policy, warnings) = loaded.expect("the policy has no mistake");
        assert!(warnings.is_empty(), "{warnings:?}");
        let names: Vec<&str> = policy.rules.iter().map(|rule| &*rule.name).collect();
        assert_eq!(names, ["diverged", "memory-budget", "time-budget", "hangs"]);
    }
}
