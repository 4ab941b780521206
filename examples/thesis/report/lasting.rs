//! Trials that were made long enough for curves over time: a search of its own, beside that of the grid.

use std::collections::HashSet;
use std::error::Error;
use std::path::Path;

use super::page::Section;
use crate::command;
use crate::runs::{self, Run};
use crate::search::pace;

/// What `search --at-least` recorded; nothing where there was none.
#[derive(Debug, Default)]
pub struct Lasting {
    runs: Vec<Run>,
    said: Option<String>,
    source: String,
}

impl Lasting {
    /// Reads it.
    pub fn read(out: &Path) -> Result<Lasting, Box<dyn Error>> {
        let folder = out.join(pace::FOLDER);
        let journal = runs::journal_in(&folder);
        if !journal.is_file() {
            return Ok(Lasting::default());
        }
        let made = command::noted(&folder).join("; ");
        let source = format!(". Long trials: {}, made by: {made}", journal.display());
        Ok(Lasting { runs: runs::read(&journal)?.runs, said: pace::said(&pace::read(&folder)?), source })
    }

    /// The trials to look at over time: these, and those of the grid's configurations that have none here.
    pub fn beside<'a>(&'a self, grid: &'a [Run]) -> (Vec<&'a Run>, &'a str) {
        let here: HashSet<(String, &str)> = self.runs.iter().map(|run| (run.set(), run.group())).collect();
        let others = grid.iter().filter(|run| !here.contains(&(run.set(), run.group())));
        (self.runs.iter().chain(others).collect(), &self.source)
    }

    /// The section, with what a reader has to know of these trials; or how to make some.
    pub fn told(&self, section: Section) -> Section {
        let how = "Short trials have no curves: `-- search --at-least 2 --configurations 6 --out DIR/long` makes longer ones.";
        let said = self.said.clone().unwrap_or_else(|| how.to_string());
        let words = std::iter::once(said).chain(section.words).collect();
        Section { words, ..section }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_long_trials_the_page_says_how_to_make_some() {
        let folder = tempfile::tempdir().expect("a folder");
        let lasting = Lasting::read(folder.path()).expect("nothing there");
        assert_eq!((lasting.beside(&[]).0.len(), lasting.beside(&[]).1), (0, ""));
        let section = lasting.told(Section { words: vec!["then".into()], ..Section::default() });
        assert!(section.words[0].contains("--at-least 2") && section.words[1] == "then", "{:?}", section.words);
    }
}
