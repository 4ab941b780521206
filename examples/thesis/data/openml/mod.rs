//! Sets from OpenML (openml.org), over its REST API; each is fetched once.
//!
//! In reading order: [`describe`] is what the server says; [`client`] asks it; [`download`] fetches a file; [`cache`] says
//! where it is kept.

mod cache;
mod client;
mod describe;
mod download;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::de::DeserializeOwned;

use self::cache::Shelf;
use self::client::{Client, parse};
use self::describe::{Description, DescriptionAnswer, Feature, FeaturesAnswer};
use self::download::{Wanted, md5_of};
use super::file::read_arff;
use super::frame::{Frame, Kind};
use super::known::Known;
use super::parquet::read_parquet;
use super::table::{Roles, Table};

/// OpenML's server.
const SERVER: &str = "https://www.openml.org";

/// The two formats in which OpenML serves data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text, with an md5 that is checked.
    #[default]
    Arff,
    /// Smaller, and without an md5.
    Parquet,
}

/// How OpenML is reached, and what of a set is what.
#[derive(Clone, Debug, clap::Args)]
pub struct Openml {
    /// OpenML's server, or a copy of it
    #[arg(long, value_name = "URL", default_value = SERVER)]
    pub openml: String,
    /// Where fetched files are kept [default: $OPENML_CACHE_DIR, else ~/.cache/openml, as the Python client]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// The format to fetch
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// The column to predict [default: what OpenML says]
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,
    /// Columns to leave out, beside those that OpenML says to ignore
    #[arg(long, value_name = "COLUMN")]
    pub drop: Vec<String>,
}

impl Openml {
    /// Command-line arguments that say the same, as far as it is not the default.
    pub fn arguments(&self) -> Vec<String> {
        let mut words = Vec::new();
        words.extend((self.openml != SERVER).then(|| format!("--openml={}", self.openml)));
        words.extend(self.cache.iter().map(|folder| format!("--cache={}", folder.display())));
        words.extend((self.format == Format::Parquet).then(|| "--format=parquet".to_string()));
        words.extend(self.target.iter().map(|column| format!("--target={column}")));
        words.extend(self.drop.iter().map(|column| format!("--drop={column}")));
        words
    }

    /// The set of this number: from the cache if it is there whole, else from the server.
    pub fn load(&self, id: u32) -> Result<Table, Box<dyn Error>> {
        let root = self.cache.clone().map_or_else(cache::default_root, Ok)?;
        let client = Client::new(&self.openml);
        let shelf = Shelf::new(&root, client.host(), id);
        shelf.make()?;
        let of: DescriptionAnswer = answer(&client, &shelf, "description", &format!("data/{id}"))?;
        let of = of.data_set_description;
        let features: FeaturesAnswer = answer(&client, &shelf, "features", &format!("data/features/{id}"))?;
        let features = features.data_features.feature;
        let name = of.name.as_str();
        if let Some(status) = of.status.as_ref().filter(|status| *status != "active") {
            eprintln!("thesis: OpenML says that {name} ({id}) is {status}");
        }
        let mut frame = self.frame(&client, &shelf, &of)?;
        name_classes(&mut frame, &features);
        let synthetic = frame.synthetic || of.is_synthetic();
        let roles = self.roles(id, &of, &features)?;
        let table = Table::of(name, frame, &roles).map_err(|e| format!("{name} ({id}): {e}"))?;
        Ok(Table { synthetic, ..table })
    }

    /// The file, fetched if it is not there or not right.
    fn frame(&self, client: &Client, shelf: &Shelf, of: &Description) -> Result<Frame, Box<dyn Error>> {
        match (self.format, of.parquet()) {
            (Format::Arff, _) => {
                if !of.format.to_ascii_lowercase().ends_with("arff") {
                    return Err(
                        format!("{} is served as {}, not as ARFF; try --format parquet", of.name, of.format).into()
                    );
                }
                let (path, md5) = (shelf.arff(), of.md5_checksum.as_deref());
                let is_right = path.is_file() && md5.is_none_or(|md5| md5_of(&path).is_ok_and(|sum| sum == md5));
                if !is_right {
                    download::fetch(client, Wanted { url: &client.here(&of.url), path: &path, md5 })?;
                }
                read_arff(&path)
            }
            (Format::Parquet, Some(url)) => {
                let path = shelf.parquet();
                if !path.is_file() {
                    download::fetch(client, Wanted { url: &client.here(url), path: &path, md5: None })?;
                }
                read_parquet(&path)
            }
            (Format::Parquet, None) => Err(format!("{} is not served as Parquet; try --format arff", of.name).into()),
        }
    }

    /// What of the columns is what: as asked for, else as for the four known sets, else as OpenML says.
    fn roles(&self, id: u32, of: &Description, features: &[Feature]) -> Result<Roles, String> {
        let known = Known::find(&id.to_string());
        let mut roles = match (&self.target, known) {
            (None, Some(known)) => known.roles(features.iter().map(|feature| feature.name.as_str())),
            (Some(target), _) => Roles { target: target.clone(), dropped: Vec::new() },
            (None, None) => match of.default_target_attribute.as_deref() {
                Some(target) if !target.is_empty() && !target.contains(',') => {
                    Roles { target: target.into(), dropped: Vec::new() }
                }
                _ => return Err(format!("OpenML names no single target for {} ({id}); --target does", of.name)),
            },
        };
        roles.dropped.extend(features.iter().filter(|feature| feature.is_out()).map(|feature| feature.name.clone()));
        roles.dropped.extend(self.drop.iter().cloned());
        roles.dropped.retain(|name| *name != roles.target);
        Ok(roles)
    }
}

/// An answer of the API: the kept one, else the server's, which is kept then.
fn answer<T: DeserializeOwned>(client: &Client, shelf: &Shelf, name: &str, question: &str) -> Result<T, String> {
    let path = shelf.answer(name);
    if let Some(kept) = fs::read_to_string(&path).ok().and_then(|text| parse(&text, name).ok()) {
        return Ok(kept);
    }
    let text = client.ask(question)?;
    let answer = parse(&text, name)?;
    cache::write_whole(&path, text.as_bytes()).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    Ok(answer)
}

/// Gives classes OpenML's order, where a file of the other format does not know it.
fn name_classes(frame: &mut Frame, features: &[Feature]) {
    let width = frame.columns.len();
    for (place, column) in frame.columns.iter_mut().enumerate() {
        let told = features.iter().find(|feature| feature.name == column.name).and_then(Feature::classes);
        let (Kind::Classes(classes), Some(told)) = (&mut column.kind, told) else { continue };
        let new: Vec<Option<usize>> = classes.iter().map(|class| told.iter().position(|one| one == class)).collect();
        if *classes == told || new.contains(&None) {
            continue;
        }
        for value in frame.values.iter_mut().skip(place).step_by(width).filter(|value| !value.is_nan()) {
            *value = new[*value as usize].map_or(f64::NAN, |place| place as f64);
        }
        *classes = told;
    }
}
