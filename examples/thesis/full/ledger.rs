//! What became of each step: a line of JSON each, so that a run that was cut off goes on where it was.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file of a folder's steps.
const FILE: &str = "full.jsonl";

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Became {
    /// It came to its end.
    Done,
    /// It ended with an error.
    Failed,
    /// It cannot be done here.
    Skipped,
}

impl Became {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Became::Done => "done",
            Became::Failed => "failed",
            Became::Skipped => "skipped",
        }
    }
}

/// One step that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub step: String,
    /// What it answers.
    pub why: String,
    /// The command's arguments.
    pub arguments: Vec<String>,
    /// What became of it.
    pub became: Became,
    /// Why it was skipped or failed.
    pub reason: Option<String>,
    /// Seconds it took.
    pub seconds: f64,
}

/// Where they are written down.
pub fn file(out: &Path) -> PathBuf {
    out.join(FILE)
}

/// Adds one.
pub fn add(out: &Path, entry: &Entry) -> Result<(), Box<dyn Error>> {
    let path = file(out);
    let line = serde_json::to_string(entry)?;
    let open = OpenOptions::new().create(true).append(true).open(&path);
    Ok(open
        .and_then(|mut file| writeln!(file, "{line}"))
        .map_err(|e| format!("cannot write {}: {e}", path.display()))?)
}

/// The last word on each step, in the order in which the steps were first over; nothing where no step was. A last line that
/// was cut off is left out.
pub fn read(out: &Path) -> Result<Vec<Entry>, Box<dyn Error>> {
    let path = file(out);
    let Ok(text) = fs::read_to_string(&path) else { return Ok(Vec::new()) };
    let mut entries: Vec<Entry> = Vec::new();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let entry: Entry = serde_json::from_str(line).map_err(|e| format!("{}: {e}", path.display()))?;
        match entries.iter_mut().find(|before| before.step == entry.step) {
            Some(before) => *before = entry,
            None => entries.push(entry),
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_half_a_line_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path();
        assert!(read(out).expect("nothing yet").is_empty());
        let entry = |step: &str, became, reason: Option<&str>| Entry {
            step: step.into(),
            why: "why".into(),
            arguments: vec!["search".into()],
            became,
            reason: reason.map(String::from),
            seconds: 1.5,
        };
        add(out, &entry("a", Became::Failed, Some("exit code 1"))).expect("the folder is ours");
        add(out, &entry("b", Became::Skipped, Some("no python"))).expect("the folder is ours");
        add(out, &entry("a", Became::Done, None)).expect("the folder is ours");
        let mut file = OpenOptions::new().append(true).open(file(out)).expect("it is there");
        file.write_all(b"{\"step\":\"c").expect("the folder is ours");
        let wanted = [entry("a", Became::Done, None), entry("b", Became::Skipped, Some("no python"))];
        assert_eq!(read(out).expect("sound"), wanted);
    }
}
