//! Searches on a share of the rows, beside the record of all rows.

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::command;
use crate::runs::{self, Run};
use crate::search::kept::{are_alike, kept};
use crate::search::share::Share;

/// Where the rows of a share come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Source {
    /// The share of the training rows.
    pub share: Share,
    /// The journal.
    pub journal: PathBuf,
    /// The commands that made it.
    pub command: String,
}

/// The runs of a search on a share.
#[derive(Debug)]
pub struct Shared {
    /// Where they come from.
    pub source: Source,
    /// They, by data set, configuration and fold.
    runs: HashMap<[String; 3], Run>,
}

impl Shared {
    /// Reads the folder of a search on a share, made with the seed and effort of the search whose journal the `record` is.
    pub fn open(folder: &Path, record: &Path) -> Result<Shared, Box<dyn Error>> {
        let of_record = record.ancestors().nth(3).and_then(kept);
        let (shown, own) = (folder.display(), kept(folder));
        if let (Some(own), Some(of_record)) = (&own, &of_record)
            && !are_alike(own, of_record)
        {
            return Err(format!(
                "{shown} holds another search ({own}) than the record ({of_record}): its trials are not those of the record \
                 on fewer rows; make it with the same seed, --epochs, --steps and --eval-rows"
            )
            .into());
        }
        let journal = runs::journal_in(folder);
        let make = format!("`-- search --share 10% --out {shown}` makes one");
        let read = runs::read(&journal).map_err(|e| format!("{e}; {make}"))?;
        let share = read.runs.iter().find_map(|run| run.label("share").parse().ok());
        let share =
            share.ok_or_else(|| format!("{} holds no trial on a share of the rows; {make}", journal.display()))?;
        let runs = read.runs.into_iter().filter_map(|run| Some((key(&run)?, run))).collect();
        let source = Source { share, journal, command: command::noted(folder).join("; ") };
        Ok(Shared { source, runs })
    }

    /// The same configuration and fold on the share, if it ran to its end.
    pub fn of(&self, run: &Run) -> Option<&Run> {
        self.runs.get(&key(run)?).filter(|found| found.whole_steps().is_some())
    }
}

fn key(run: &Run) -> Option<[String; 3]> {
    let fold = run.view.fold.clone()?;
    Some([run.view.experiment.to_string(), run.group().to_string(), fold])
}
