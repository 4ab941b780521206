//! The four sets of the experiments, and where any set comes from.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use linfa::Dataset;

use super::file::read_arff;
use super::table::{Roles, Table};
use crate::model::Task;

/// A set of the experiments.
pub struct Known {
    /// Its name on OpenML.
    pub name: &'static str,
    /// Its number there.
    pub id: u32,
    target: &'static str,
    /// Columns of this prefix are left out: they add up to the target.
    dropped_prefix: Option<&'static str>,
}

/// The sets of the experiments.
pub const KNOWN: [Known; 4] = [
    Known { name: "red_wine", id: 44972, target: "quality", dropped_prefix: None },
    Known { name: "diabetes", id: 37, target: "class", dropped_prefix: None },
    Known { name: "mnist_784", id: 554, target: "class", dropped_prefix: None },
    Known { name: "wave_energy", id: 44975, target: "energy_total", dropped_prefix: Some("energy") },
];

/// Their names.
pub fn known_names() -> Vec<String> {
    KNOWN.iter().map(|known| known.name.to_string()).collect()
}

impl Known {
    /// The set of this name or number.
    pub fn find(name: &str) -> Option<&'static Known> {
        KNOWN.iter().find(|known| known.name == name || known.id.to_string() == name)
    }

    /// What of its columns is what.
    pub fn roles<'a>(&self, columns: impl Iterator<Item = &'a str>) -> Roles {
        let is_out = |name: &&str| *name != self.target && self.dropped_prefix.is_some_and(|p| name.starts_with(p));
        Roles { target: self.target.into(), dropped: columns.filter(is_out).map(String::from).collect() }
    }
}

/// The red wine set, as the crate `linfa-datasets` carries it: 1599 red wines, 11 measured properties, and a grade from
/// 3 to 8 (Cortez and others 2009, CC BY 4.0). 240 rows repeat an earlier row, as in the original. No file is read.
pub fn red_wine() -> Table {
    // The crate holds the grades as classes; for regression they are numbers again.
    let data = linfa_datasets::winequality().map_targets(|grade| *grade as f64);
    let Dataset { records, targets, .. } = data;
    Table { name: "red_wine".into(), synthetic: false, task: Task::Regression, data: Dataset::new(records, targets) }
}

/// One of the known sets from a folder of ARFF files, packed or not, that bear their names.
pub fn from_folder(known: &Known, folder: &Path) -> Result<Table, Box<dyn Error>> {
    let path = file_of(known, folder)?;
    let frame = read_arff(&path)?;
    let synthetic = frame.synthetic || path.to_string_lossy().contains("SYNTHETIC");
    let roles = known.roles(frame.columns.iter().map(|column| column.name.as_str()));
    let table = Table::of(known.name, frame, &roles).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(Table { synthetic, ..table })
}

fn file_of(known: &Known, folder: &Path) -> Result<PathBuf, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("cannot read the folder {}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(|e| cannot(&e))? {
        let entry = entry.map_err(|e| cannot(&e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let rest = name.strip_prefix(known.name).unwrap_or_default();
        if rest.starts_with('.') && (rest.ends_with(".arff") || rest.ends_with(".arff.gz")) {
            return Ok(entry.path());
        }
    }
    Err(format!("there is no {}.arff or {}.arff.gz in {}", known.name, known.name, folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_carries_the_whole_red_wine_set() {
        let table = red_wine();
        assert_eq!((table.rows(), table.features()), (1599, 11));
        assert!(table.data.records.iter().all(|value| value.is_finite()));
        let count = |grade: f64| table.data.targets.iter().filter(|target| **target == grade).count();
        assert_eq!([3.0, 4.0, 5.0, 6.0, 7.0, 8.0].map(count), [10, 53, 681, 638, 199, 18]);
        assert_eq!(table.without_duplicates().rows(), 1599 - 240);
    }

    #[test]
    fn a_set_is_found_by_name_and_number() {
        assert!(["wave_energy", "44975"].iter().all(|name| Known::find(name).is_some_and(|known| known.id == 44975)));
        assert!(Known::find("iris").is_none());
        let known = Known::find("wave_energy").expect("it is known");
        let roles = known.roles(["x1", "energy1", "energy16", "energy_total"].into_iter());
        assert_eq!((roles.target.as_str(), roles.dropped), ("energy_total", vec!["energy1".into(), "energy16".into()]));
    }

    #[test]
    fn a_folder_is_looked_through_for_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let known = Known::find("diabetes").expect("it is known");
        let error = from_folder(known, folder.path()).expect_err("it is empty").to_string();
        assert!(error.starts_with("there is no diabetes.arff or diabetes.arff.gz in "), "{error}");
        let text = "% SYNTHETIC\n@attribute a real\n@attribute class {x,y}\n@data\n1,x\n2,y\n";
        fs::write(folder.path().join("diabetes.arff"), text).expect("the folder is ours");
        let table = from_folder(known, folder.path()).expect("it is there");
        assert_eq!((table.rows(), table.title().as_str()), (2, "diabetes (SYNTHETIC data)"));
    }
}
