//! What loading and preprocessing took, measured by the process that does it.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};

/// The file beside the journal.
const FILE: &str = "preparation.jsonl";

/// One phase of one set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// The data set.
    pub set: String,
    /// `load` or `preprocess`.
    pub phase: String,
    /// Seconds it took.
    pub seconds: f64,
    /// CPU seconds of this process meanwhile.
    pub cpu_seconds: f64,
    /// Highest resident memory of this process so far, bytes.
    pub resident_peak: u64,
}

/// Does something and writes down what it took.
pub fn measured<T>(
    out: &Path,
    set: &str,
    phase: &str,
    work: impl FnOnce() -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let (start, before) = (Instant::now(), used()?.0);
    let done = work()?;
    let (cpu, resident_peak) = used()?;
    let (set, phase) = (set.to_string(), phase.to_string());
    let seconds = start.elapsed().as_secs_f64();
    let line = serde_json::to_string(&Preparation { set, phase, seconds, cpu_seconds: cpu - before, resident_peak })?;
    let path = out.join(FILE);
    let open = OpenOptions::new().create(true).append(true).open(&path);
    open.and_then(|mut file| writeln!(file, "{line}")).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    Ok(done)
}

/// CPU seconds of this process, and its highest resident memory in bytes.
fn used() -> io::Result<(f64, u64)> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    // Linux counts in KiB.
    Ok((micros as f64 / 1e6, usage.max_rss().unsigned_abs() * 1024))
}

/// What was written down for a search; nothing by one that did not write it yet.
pub fn read(out: &Path) -> Result<Vec<Preparation>, Box<dyn Error>> {
    crate::lines::read(&out.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_took_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(read(folder.path()).expect("nothing yet").is_empty());
        assert_eq!(measured(folder.path(), "s", "load", || Ok(7)).expect("ours"), 7);
        let all = read(folder.path()).expect("written");
        assert_eq!((all.len(), all[0].set.as_str(), all[0].phase.as_str()), (1, "s", "load"));
        assert!(all[0].resident_peak > 100_000 && all[0].seconds >= 0.0);
        measured(folder.path(), "s", "load", || Err::<(), _>("no".into())).expect_err("passed on");
        assert_eq!(read(folder.path()).expect("written").len(), 1);
    }
}
