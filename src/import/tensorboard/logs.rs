//! The event files of a folder: which there are, and what each folder's files say together.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;

use super::event::{Event, Hparams};
use super::record::Records;
use crate::import::Trouble;
use crate::import::past::Status;

/// What is in the names of event files.
pub(super) const EVENTS: &str = "tfevents";
/// Folders deeper than this are not looked into: a link may lead in circles.
const DEEPEST: usize = 16;

/// What the files of one folder say.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// Step, time (nanoseconds since the Unix epoch) and value of each tag.
    pub scalars: BTreeMap<String, Vec<(i64, i64, f64)>>,
    pub params: BTreeMap<String, String>,
    pub status: Option<Status>,
    /// The first event.
    pub began: Option<i64>,
}

/// Reads a file, or all files below a folder; by folder, relative to the root.
///
/// # Errors
/// A file cannot be read or is damaged; there is none.
pub(super) fn read(root: &Path) -> Result<BTreeMap<PathBuf, Log>, Trouble> {
    let mut files = Vec::new();
    match root.is_dir() {
        true => gather(root, 0, &mut files)?,
        false => files.push(root.to_path_buf()),
    }
    if files.is_empty() {
        return Err(nothing(root));
    }
    let mut logs: BTreeMap<PathBuf, Log> = BTreeMap::new();
    for file in &files {
        let folder = file.parent().and_then(|parent| parent.strip_prefix(root).ok()).unwrap_or(Path::new(""));
        logs.entry(folder.to_path_buf()).or_default().read(file)?;
    }
    Ok(logs)
}

fn gather(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Trouble> {
    let unreadable =
        |error: std::io::Error| Trouble::new(folder.display(), error.to_string(), "can you read this folder?");
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> =
        entries.collect::<Result<Vec<_>, _>>().map_err(unreadable)?.iter().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && depth < DEEPEST {
            gather(&path, depth + 1, files)?;
        } else if name.contains(EVENTS) && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// There are no event files: perhaps it is another kind of folder.
fn nothing(root: &Path) -> Trouble {
    let is_mlruns = fs::read_dir(root).into_iter().flatten().flatten().any(|e| e.path().join("meta.yaml").is_file());
    if is_mlruns || root.join("meta.yaml").is_file() {
        let hint = "start `mlflow server --backend-store-uri FOLDER` and give its address, http://127.0.0.1:5000";
        return Trouble::new(root.display(), "this is a folder of MLflow's, which is not read as it is", hint);
    }
    let message = format!("there are no event files in this folder or below (names with {EVENTS:?})");
    Trouble::new(root.display(), message, "is it the right folder?")
}

impl Log {
    fn read(&mut self, path: &Path) -> Result<(), Trouble> {
        let mut records = Records::open(path)?;
        // Only the first value of a tag says to which plugin it belongs.
        let mut plugins: HashMap<String, String> = HashMap::new();
        while let Some(bytes) = records.next()? {
            let event = Event::decode(bytes.as_slice()).map_err(|error| {
                let message = format!("a record is no event: {error}");
                Trouble::new(path.display(), message, "is it an event file of TensorBoard?")
            })?;
            let at = nanoseconds(event.wall_time);
            self.began = Some(self.began.map_or(at, |began| began.min(at)));
            for value in event.summary.map(|summary| summary.value).unwrap_or_default() {
                if let Some(hparams) = value.hparams() {
                    self.take_hparams(hparams);
                } else if let Some(scalar) = value.scalar() {
                    let plugin = value.metadata.and_then(|metadata| metadata.plugin).map(|plugin| plugin.name);
                    let plugin = plugins.entry(value.tag.clone()).or_insert_with(|| plugin.unwrap_or_default());
                    if ["", "scalars"].contains(&plugin.as_str()) {
                        self.scalars.entry(value.tag).or_default().push((event.step, at, scalar));
                    }
                }
            }
        }
        Ok(())
    }

    fn take_hparams(&mut self, hparams: Hparams) {
        let params = hparams.start.map(|start| start.hparams).unwrap_or_default();
        self.params.extend(params.into_iter().filter_map(|(name, value)| Some((name, value.shown()?))));
        self.status = match hparams.end.map(|end| end.status) {
            Some(1) => Some(Status::Finished),
            Some(2) => Some(Status::Failed),
            Some(3) => Some(Status::Open),
            _ => self.status,
        };
    }
}

/// Of seconds since the Unix epoch, held to what a clock can say.
fn nanoseconds(seconds: f64) -> i64 {
    const LATEST: f64 = 7.26e9;
    // A NaN becomes 0.
    (seconds.clamp(0.0, LATEST) * 1e9) as i64
}
