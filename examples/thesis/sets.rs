//! `thesis data`: fetches the data sets, and tells what is in them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::{Source, Table, known_names};
use crate::model::Task;

/// The file in which they are told.
const FILE: &str = "sets.json";

/// Fetch the data sets, and tell what is in them
///
/// red_wine is carried by this program; the others come from OpenML, once, and are kept. Run it before a command that must
/// do without a network.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The sets: names, or numbers on OpenML [default: the four of the experiments]
    #[arg(value_name = "SET")]
    sets: Vec<String>,
    /// Write what is in them to DIR/sets.json too
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

/// What a set is, without its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Its name.
    pub set: String,
    /// Its name for people: made-up data say so.
    pub title: String,
    /// Rows.
    pub rows: usize,
    /// Features of a row.
    pub features: usize,
    /// Classes of the target; none for regression.
    pub classes: Option<usize>,
}

impl Shape {
    fn of(table: &Table) -> Shape {
        let classes = match table.task {
            Task::Regression => None,
            Task::Classes(classes) => Some(classes),
        };
        let (set, title) = (table.name.clone(), table.title());
        Shape { set, title, rows: table.rows(), features: table.features(), classes }
    }

    /// What is predicted.
    pub fn task(&self) -> Task {
        self.classes.map_or(Task::Regression, Task::Classes)
    }
}

/// Fetches all of them; those that cannot be had are named at the end.
pub fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let sets = if arguments.sets.is_empty() { known_names() } else { arguments.sets.clone() };
    let (mut shapes, mut lacking) = (Vec::new(), Vec::new());
    println!("{:<32} {:>7} {:>9}  target", "set", "rows", "features");
    for set in &sets {
        match arguments.source.load(set) {
            Ok(table) => {
                let shape = Shape::of(&table);
                let target = shape.classes.map_or("a number".to_string(), |classes| format!("{classes} classes"));
                println!("{:<32} {:>7} {:>9}  {target}", shape.title, shape.rows, shape.features);
                shapes.push(shape);
            }
            Err(error) => lacking.push(format!("{set}: {error}")),
        }
    }
    if let Some(out) = &arguments.out {
        let path = out.join(FILE);
        fs::create_dir_all(out)
            .and_then(|()| fs::write(&path, serde_json::to_string_pretty(&shapes)?))
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    match lacking.as_slice() {
        [] => Ok(()),
        lacking => Err(format!("cannot have {}", lacking.join("; ")).into()),
    }
}

/// What was told of the sets in a folder.
pub fn read(out: &Path) -> Result<Vec<Shape>, Box<dyn Error>> {
    let path = out.join(FILE);
    let text = fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    Ok(serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_comes_back_and_what_is_lacking_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = Source::from_folder(folder.path());
        let arguments = |sets: &[&str], source: Option<&Source>| Arguments {
            sets: sets.iter().map(ToString::to_string).collect(),
            out: Some(folder.path().to_path_buf()),
            source: source.unwrap_or(&Source::from_folder("/no/such/folder".as_ref())).clone(),
        };
        fs::write(folder.path().join("red_wine.arff"), "@attribute a real\n@attribute quality real\n@data\n1,2\n3,4\n")
            .expect("the folder is ours");
        let error = run(&arguments(&["red_wine", "diabetes"], Some(&source))).expect_err("one is lacking").to_string();
        assert!(error.starts_with("cannot have diabetes: there is no diabetes.arff"), "{error}");
        let shape = Shape { set: "red_wine".into(), title: "red_wine".into(), rows: 2, features: 1, classes: None };
        assert_eq!(read(folder.path()).expect("written"), [shape]);
        assert!(run(&arguments(&["red_wine"], None)).is_err());
    }
}
