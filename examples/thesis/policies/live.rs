//! Searches with a policy in force, beside what the replay foretold.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde::Serialize;

use super::ground::{Answer, Ground, Set, Spent};

/// How far the real saving may be from the foretold one, as a share of the latter.
const AGREES: f64 = 0.10;

/// A search that ran where the journal fell behind lacks some trials, and says so; the next go runs only those.
const GOES: usize = 3;

/// Runs searches as programs of their own: each pins itself to a core.
#[derive(Clone, Copy, Debug)]
pub struct Live<'a> {
    /// Where they go.
    pub out: &'a Path,
    /// What is searched.
    pub search: &'a [String],
}

/// One policy on one set, foretold and real. Savings are shares of the record's full cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    pub set: String,
    pub policy: String,
    pub foretold_stopped: usize,
    pub real_stopped: usize,
    pub foretold_steps: f64,
    pub real_steps: f64,
    pub foretold_seconds: f64,
    pub real_seconds: f64,
    pub foretold_cpu: f64,
    pub real_cpu: f64,
    /// |real - foretold| / foretold of the steps: no other unit is free of what else the machine does.
    pub off_by: f64,
    /// Whether that is 10 % at most.
    pub agrees: bool,
}

impl Live<'_> {
    /// Records the search whole; gives its journal.
    pub fn record(&self) -> Result<PathBuf, Box<dyn Error>> {
        let out = self.out.join("recorded");
        self.search(&out, &["--observe".into()])
    }

    /// Searches under a policy and compares.
    pub fn run(
        &self,
        name: &str,
        text: &str,
        sets: &[Set],
        answer: Option<&Answer>,
    ) -> Result<Vec<Compared>, Box<dyn Error>> {
        let folder = self.out.join("live");
        fs::create_dir_all(&folder)?;
        let policy = folder.join(format!("{name}.toml"));
        fs::write(&policy, text).map_err(|e| format!("cannot write {}: {e}", policy.display()))?;
        let journal = self.search(&folder.join(name), &[format!("--policy={}", policy.display())])?;
        let real = Ground::open(&journal)?;
        let none = Answer::default();
        let answer = answer.unwrap_or(&none);
        Ok(sets.iter().map(|set| compared(name, set, answer, real.spent(&set.name), real.stopped(&set.name))).collect())
    }

    fn search(&self, out: &Path, more: &[String]) -> Result<PathBuf, Box<dyn Error>> {
        let mut status = ExitStatus::default();
        for _ in 0..GOES {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("search").args(self.search).args(more).arg("--out").arg(out);
            // What it prints is about the search; the tables of this command are on standard output.
            command.stdout(Stdio::from(std::io::stderr()));
            status = command.status()?;
            if status.success() {
                return Ok(out.join("state").join(earlystop::sys::places::host_name()).join("journal.sqlite"));
            }
        }
        Err(format!("the search in {} failed {GOES} times: {status}", out.display()).into())
    }
}

fn compared(name: &str, set: &Set, answer: &Answer, real: Spent, real_stopped: usize) -> Compared {
    let whole = set.spent();
    let foretold = set.saved(answer).share_of(whole);
    let used = real.share_of(whole);
    let (foretold_steps, real_steps) = (foretold.steps, 1.0 - used.steps);
    let off_by = off(foretold_steps, real_steps);
    Compared {
        set: set.name.clone(),
        policy: name.to_string(),
        foretold_stopped: set.trials.iter().filter(|view| answer.stopped.contains_key(&view.run)).count(),
        real_stopped,
        foretold_steps,
        real_steps,
        foretold_seconds: foretold.seconds,
        real_seconds: 1.0 - used.seconds,
        foretold_cpu: foretold.cpu,
        real_cpu: 1.0 - used.cpu,
        off_by,
        agrees: off_by <= AGREES,
    }
}

/// How far off, as a share of what was foretold; of nothing foretold anything is infinitely far.
fn off(foretold: f64, real: f64) -> f64 {
    if foretold == real { 0.0 } else { (real - foretold).abs() / foretold.abs() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_is_a_share_of_what_was_foretold() {
        assert_eq!(off(0.5, 0.45), (0.45_f64 - 0.5).abs() / 0.5);
        assert_eq!(off(0.0, 0.0), 0.0);
        assert!(off(0.0, 0.1).is_infinite());
    }
}
