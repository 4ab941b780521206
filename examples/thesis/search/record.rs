//! What became of each trial: a line of JSON each, so that a search that was cut off goes on where it was.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use earlystop::model::{TrialState, TrialView};
use serde::{Deserialize, Serialize};

use super::axis::is_planned;
use super::plan::Planned;

/// One trial that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The data set.
    pub set: String,
    /// The trial's name.
    pub trial: String,
    /// The configuration's name.
    pub group: String,
    /// Its run, as the journal knows it.
    pub run: String,
    /// How it ended.
    pub state: String,
    /// The rule that stopped it.
    pub rule: Option<String>,
    /// What it is judged by; none if it is no number, or was never told.
    pub score: Option<f64>,
    /// Steps done.
    pub steps: Option<u64>,
    /// CPU seconds, user and system.
    pub cpu_seconds: f64,
    /// Seconds from start to end.
    pub elapsed_seconds: f64,
    /// Highest RSS - shared that the sidecar saw, bytes.
    pub memory_peak: Option<u64>,
    /// Whether the grid did not hold its configuration as it was planned: widening came to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub widened: bool,
}

impl Record {
    /// What the sidecar says of a trial.
    pub fn of(planned: &Planned, view: &TrialView) -> Record {
        let metric = view.objective.as_ref().and_then(|objective| view.metrics.get(&objective.metric));
        let score = metric.map(|metric| metric.last_word.unwrap_or(metric.last));
        Record {
            set: planned.configuration.set.clone(),
            trial: planned.name(),
            group: planned.configuration.name(),
            run: view.run.to_string(),
            state: view.state.as_str().into(),
            rule: view.stop.as_ref().map(|stop| stop.rule.to_string()),
            score: score.filter(|score| score.is_finite()),
            steps: view.progress.step,
            cpu_seconds: view.totals.cpu.first + view.totals.cpu.second,
            elapsed_seconds: view.ended.map_or(0.0, |ended| ended.seconds_since(view.started)),
            // Of a trial that was over before the first look nothing is known; that is not nothing used.
            memory_peak: view.totals.memory_peak.filter(|peak| *peak > 0),
            widened: !is_planned(&planned.configuration),
        }
    }

    /// Whether it is over for good. A trial that failed or got lost is tried again.
    pub fn is_final(&self) -> bool {
        self.state == TrialState::Completed.as_str() || self.rule.is_some()
    }
}

/// The file of records.
#[derive(Debug)]
pub struct Records {
    file: Mutex<File>,
}

impl Records {
    /// Opens it; gives what is in it. A last line that was cut off is left out, and written over.
    pub fn open(path: &Path) -> Result<(Records, Vec<Record>), String> {
        let cannot = |error: io::Error| format!("cannot use {}: {error}", path.display());
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(cannot)?;
        let (mut there, mut whole) = (Vec::new(), 0);
        for (place, line) in BufReader::new(&file).split(b'\n').enumerate() {
            let line = line.map_err(cannot)?;
            match serde_json::from_slice(&line) {
                Ok(record) => there.push(record),
                Err(_) if !line.ends_with(b"}") => break,
                Err(error) => return Err(format!("{}, line {}: {error}", path.display(), place + 1)),
            }
            whole += line.len() as u64 + 1;
        }
        let length = file.metadata().map_err(cannot)?.len();
        if whole > length {
            file.write_all(b"\n").map_err(cannot)?;
        } else {
            file.set_len(whole).map_err(cannot)?;
        }
        Ok((Records { file: Mutex::new(file) }, there))
    }

    /// Adds one.
    pub fn add(&self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
    }
}

/// Reads a file of records and leaves it as it is; a last line that was cut off is passed over.
pub fn read(path: &Path) -> Result<Vec<Record>, String> {
    let cannot = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let mut records = Vec::new();
    for (place, line) in BufReader::new(File::open(path).map_err(cannot)?).split(b'\n').enumerate() {
        let line = line.map_err(cannot)?;
        match serde_json::from_slice(&line) {
            Ok(record) => records.push(record),
            Err(_) if !line.ends_with(b"}") => break,
            Err(error) => return Err(format!("{}, line {}: {error}", path.display(), place + 1)),
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(trial: &str) -> Record {
        Record {
            set: "s".into(),
            trial: trial.into(),
            group: "g".into(),
            run: "r".into(),
            state: "completed".into(),
            rule: None,
            score: Some(0.1 + 0.2),
            steps: Some(7),
            cpu_seconds: 0.5,
            elapsed_seconds: 1.5,
            memory_peak: None,
            widened: false,
        }
    }

    #[test]
    fn records_come_back_and_half_a_line_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("trials.jsonl");
        let (records, there) = Records::open(&path).expect("the folder is ours");
        assert!(there.is_empty());
        records.add(&record("a")).expect("it can be written");
        std::fs::write(&path, [&std::fs::read(&path).expect("there")[..], b"{\"set\":\"s\",\"tri"].concat())
            .expect("ours");
        assert_eq!(read(&path).expect("the half line is passed over"), [record("a")]);
        let (records, there) = Records::open(&path).expect("the half line is left out");
        assert_eq!(there, [record("a")]);
        records.add(&record("b")).expect("it can be written");
        assert_eq!(Records::open(&path).expect("sound").1, [record("a"), record("b")]);
        std::fs::write(&path, "{\"set\":1}\n").expect("ours");
        assert!(Records::open(&path).expect_err("not a record").contains("line 1"));
    }

    #[test]
    fn what_failed_is_not_over() {
        let mut failed = record("a");
        failed.state = "failed".into();
        assert!(record("a").is_final() && !failed.is_final());
        failed.rule = Some("median".into());
        assert!(failed.is_final());
    }
}
