//! The tables that `thesis policies` wrote, as they are read again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::row::Row;
use crate::policies::Extent;

/// The folder of policies in that of a search.
pub const FOLDER: &str = "policies";

/// All of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Found {
    journal: PathBuf,
    recorded_by: Vec<String>,
    command: String,
    /// Trials that diverged, by data set.
    pub diverged: BTreeMap<String, usize>,
    pub budgets: Vec<Row>,
    pub selects: Vec<Row>,
    pub learning: Vec<Row>,
    pub points: Vec<Row>,
    pub ways: Vec<Row>,
    pub forecasts: Vec<Row>,
    /// Searches on a share of the rows that some of these come from.
    pub shares: Vec<Row>,
    pub ranks: Option<Ranks>,
    pub live: Vec<Row>,
    /// From a file of its own beside it.
    #[serde(skip)]
    pub extents: Vec<Extent>,
    #[serde(skip)]
    folder: PathBuf,
}

/// What ranks say. A figure that is infinite is none.
#[derive(Debug, Deserialize)]
pub struct Ranks {
    pub blocks: usize,
    pub treatments: Vec<String>,
    pub mean: Vec<f64>,
    pub chi2: Option<f64>,
    pub p: Option<f64>,
    pub chi2_ties: Option<f64>,
    pub p_ties: Option<f64>,
    pub f: Option<f64>,
    pub p_f: Option<f64>,
    pub nemenyi: Option<f64>,
    pub bonferroni: f64,
    pub remark: String,
}

impl Found {
    /// Which journal and which commands the numbers come from.
    pub fn source(&self) -> String {
        let recorded = match &self.recorded_by[..] {
            [] => "a command that was not noted".to_string(),
            commands => commands.join("; "),
        };
        format!(
            "Journal: {}, made by: {recorded}. Replayed by: {}, tables in {}",
            self.journal.display(),
            self.command,
            self.folder.display()
        )
    }
}

/// Reads the tables of a folder; none if there are none.
pub fn read(folder: &Path) -> Result<Option<Found>, String> {
    let path = folder.join("policies.json");
    if !path.is_file() {
        return Ok(None);
    }
    let again = "`-- policies` writes it anew";
    let text = fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let mut found: Found = serde_json::from_str(&text).map_err(|e| format!("{}: {e}; {again}", path.display()))?;
    for rows in [&mut found.budgets, &mut found.learning, &mut found.points, &mut found.live] {
        // A table that is cut off on the page is to hold a data set whole.
        rows.sort_by(|a, b| a.text("set").cmp(b.text("set")));
    }
    let path = folder.join("extents.csv");
    let extents = if path.is_file() {
        extents(&path).map_err(|e| format!("{}: {e}; {again}", path.display()))?
    } else {
        Vec::new()
    };
    Ok(Some(Found { extents, folder: folder.into(), ..found }))
}

fn extents(path: &Path) -> Result<Vec<Extent>, csv::Error> {
    csv::Reader::from_path(path)?.deserialize().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tables_are_none_and_damaged_ones_are_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(read(folder.path()).expect("nothing is there").is_none());
        fs::write(folder.path().join("policies.json"), "{\"command\": 7}").expect("the folder is ours");
        let error = read(folder.path()).expect_err("seven is no command");
        assert!(error.contains("policies.json") && error.contains("`-- policies` writes it anew"), "{error}");
        let text = r#"{"journal": "j", "recorded_by": ["r"], "command": "c", "budgets": [{"set": "t"}, {"set": "s"}], "unknown": 1}"#;
        fs::write(folder.path().join("policies.json"), text).expect("the folder is ours");
        let found = read(folder.path()).expect("sound").expect("some");
        assert_eq!((found.budgets.len(), found.extents.len(), found.ranks.is_none()), (2, 0, true));
        assert_eq!(found.budgets[0].text("set"), "s");
        assert!(found.source().starts_with("Journal: j, made by: r. Replayed by: c, tables in "));
    }
}
