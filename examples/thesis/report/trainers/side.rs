//! The searches that are put side by side: of each folder which trainer it is of, and what its journal holds.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command;
use crate::runs::{self, Run};
use crate::search::trainer::Kind;

/// What one trainer came to.
pub struct Side {
    /// Which.
    pub kind: Kind,
    /// Its trials.
    pub runs: Vec<Run>,
    /// Where they are from.
    pub source: String,
}

/// All of them, in the order of trainers; `runs` are those of the search in `out`.
///
/// # Errors
/// A folder holds no search, or two hold searches of the same trainer.
pub fn all(out: &Path, runs: &[Run], beside: &[PathBuf]) -> Result<Vec<Side>, Box<dyn Error>> {
    let mut sides = vec![Side { kind: kind(out)?, runs: runs.to_vec(), source: source(out) }];
    for folder in beside {
        let kind = kind(folder)?;
        if let Some(same) = sides.iter().find(|side| side.kind == kind) {
            let (kind, folder) = (kind.as_str(), folder.display());
            return Err(format!("{folder} is a search of the trainer {kind} like another: {}", same.source).into());
        }
        let read = runs::read(&runs::journal_in(folder)).map_err(|e| format!("{}: {e}", folder.display()))?;
        sides.push(Side { kind, runs: read.runs, source: source(folder) });
    }
    sides.sort_by_key(|side| side.kind);
    Ok(sides)
}

/// Which trainer a search had.
fn kind(folder: &Path) -> Result<Kind, String> {
    let file = folder.join("search.txt");
    let said = fs::read_to_string(&file)
        .map_err(|e| format!("{} holds no search: cannot read {}: {e}", folder.display(), file.display()))?;
    Ok(Kind::of(&said))
}

fn source(folder: &Path) -> String {
    format!("Journal: {}, made by: {}", runs::journal_in(folder).display(), command::noted(folder).join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_search_and_a_trainer_twice_are_errors() {
        let folder = tempfile::tempdir().expect("a folder");
        let of = |name: &str, said: &str| {
            let path = folder.path().join(name);
            fs::create_dir(&path).expect("the folder is ours");
            fs::write(path.join("search.txt"), said).expect("the folder is ours");
            path
        };
        let (ours, same) = (of("ours", "seed 42\n"), of("same", "seed 7\n"));
        let error = |beside: PathBuf| all(&ours, &[], &[beside]).err().expect("nothing to compare").to_string();
        assert!(error(same).contains("a search of the trainer rust like another"));
        assert!(error(folder.path().join("none")).contains("holds no search: cannot read"));
        let ray = of("ray", "seed 42, trainer ray\n");
        assert!(error(ray).contains("journal"), "its journal is missing");
    }
}
