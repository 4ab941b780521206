//! Where the data of a command come from.

use std::error::Error;
use std::path::PathBuf;

use super::known::{KNOWN, Known, from_folder, red_wine};
use super::openml::Openml;
use super::table::Table;

/// Options that say where data come from.
#[derive(Clone, Debug, clap::Args)]
pub struct Source {
    /// A folder of ARFF files (NAME.arff, NAME.arff.gz) to read the known sets from, instead of OpenML
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    openml: Openml,
}

impl Source {
    /// Only files of this folder.
    #[cfg(test)]
    pub fn from_folder(folder: &std::path::Path) -> Source {
        use clap::Parser;

        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            source: Source,
        }
        Line::parse_from(["thesis".into(), "--data".into(), folder.as_os_str().to_os_string()]).source
    }

    /// Command-line arguments that say the same: for a command that runs others.
    pub fn arguments(&self) -> Vec<String> {
        match &self.data {
            Some(folder) => vec![format!("--data={}", folder.display())],
            None => self.openml.arguments(),
        }
    }

    /// A set by its name or its number on OpenML. red_wine needs neither network nor file.
    pub fn load(&self, set: &str) -> Result<Table, Box<dyn Error>> {
        let known = Known::find(set);
        match (known, &self.data) {
            (Some(known), Some(folder)) => from_folder(known, folder),
            (Some(known), None) if known.name == "red_wine" => Ok(red_wine()),
            (Some(known), None) => self.openml.load(known.id),
            (None, _) => match set.parse() {
                Ok(id) => self.openml.load(id),
                Err(_) => Err(unknown(set).into()),
            },
        }
    }
}

fn unknown(set: &str) -> String {
    let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    format!("there is no data set `{set}`; it is one of {}, or a number on OpenML", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_without_a_name_is_a_number() {
        assert!(unknown("iris").contains("red_wine, diabetes, mnist_784, wave_energy, or a number on OpenML"));
    }
}
