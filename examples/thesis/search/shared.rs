//! Rows that all trials of a fold share: a file that each maps for reading. The pages are in memory once and count as
//! shared, so RSS - shared is what a trial has of its own (as with Ray's object store).

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use serde::{Deserialize, Serialize};

use super::share::Share;
use crate::model::{Rows, Task};
use crate::split::Split;

/// Bytes before the numbers: a page, so that they are aligned.
const HEAD: usize = 4096;

/// What is in a file of rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The data set.
    pub set: String,
    /// Whether it is made up.
    pub synthetic: bool,
    /// Classes of the target; none for regression.
    pub classes: Option<usize>,
    /// Features of a row.
    pub features: usize,
    /// Rows to train on.
    pub train: usize,
    /// Rows to judge by.
    pub held_out: usize,
    /// Seed of the split.
    pub seed: u64,
    /// The share of the fold's training rows that these are; none where they are all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
}

impl Head {
    /// What is predicted.
    pub fn task(&self) -> Task {
        self.classes.map_or(Task::Regression, Task::Classes)
    }

    fn numbers(&self) -> usize {
        (self.train + self.held_out) * (self.features + 1)
    }
}

/// Writes a file of rows, whole or not at all.
pub fn write(path: &Path, head: &Head, split: &Split) -> io::Result<()> {
    let mut text = serde_json::to_vec(head)?;
    if text.len() >= HEAD {
        return Err(io::Error::other("the set's name is too long"));
    }
    text.resize(HEAD - 1, b' ');
    text.push(b'\n');
    let part = path.with_extension("new");
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&part)?);
    file.write_all(&text)?;
    for part in [&split.train, &split.validation] {
        for value in part.x.iter().chain(&part.y) {
            file.write_all(&value.to_ne_bytes())?;
        }
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()?;
    fs::rename(part, path)
}

/// A mapped file of rows.
#[derive(Debug)]
pub struct Mapped {
    /// What is in it.
    pub head: Head,
    map: Mmap,
}

impl Mapped {
    /// Maps one.
    pub fn open(path: &Path) -> Result<Mapped, Box<dyn Error>> {
        let unreadable = |what: &dyn std::fmt::Display| format!("cannot read {}: {what}", path.display());
        let file = File::open(path).map_err(|e| unreadable(&e))?;
        // SAFETY: the file was renamed to its name when it was whole, and nobody here writes to it again. Somebody who
        // cuts it short gets the trials killed by SIGBUS; that they cannot have wanted.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| unreadable(&e))?;
        let text = map.get(..HEAD).ok_or_else(|| unreadable(&"it is too short"))?;
        let head: Head = serde_json::from_slice(text).map_err(|e| unreadable(&e))?;
        if map.len() != HEAD + head.numbers() * size_of::<f64>() {
            return Err(unreadable(&"it does not hold what its head says").into());
        }
        Ok(Mapped { head, map })
    }

    /// The rows to train on.
    pub fn train(&self) -> Rows<'_> {
        self.part(0, self.head.train, self.head.train)
    }

    /// The first so many of the rows to judge by.
    pub fn held_out(&self, at_most: usize) -> Rows<'_> {
        let before = self.head.train * (self.head.features + 1);
        self.part(before, self.head.held_out, at_most)
    }

    fn part(&self, from: usize, rows: usize, at_most: usize) -> Rows<'_> {
        let features = self.head.features;
        let (count, numbers) = (rows.min(at_most), self.numbers());
        let x = &numbers[from..from + count * features];
        let y = &numbers[from + rows * features..][..count];
        Rows { x, y, features, order: None }
    }

    fn numbers(&self) -> &[f64] {
        // SAFETY: any eight bytes are a number.
        let (before, numbers, after) = unsafe { self.map[HEAD..].align_to::<f64>() };
        assert!(before.is_empty() && after.is_empty(), "a mapping begins at a page, and its length was looked at");
        numbers
    }
}

/// Where the rows of a set's fold are.
pub fn path(folder: &Path, set: &str, fold: &str) -> PathBuf {
    folder.join(format!("{set}-{fold}.rows"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::red_wine;

    #[test]
    fn what_was_written_is_mapped() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = path(folder.path(), "red_wine", "fold0");
        let split = Split::new(&red_wine().data, 3);
        let head = Head {
            set: "red_wine".into(),
            synthetic: false,
            classes: None,
            features: 11,
            train: 1119,
            held_out: 480,
            seed: 3,
            share: None,
        };
        write(&file, &head, &split).expect("the folder is ours");
        let mapped = Mapped::open(&file).expect("it was just written");
        assert_eq!(mapped.head, head);
        assert_eq!(mapped.train().x, split.train.all().x);
        assert_eq!(mapped.train().y, split.train.all().y);
        assert_eq!(mapped.held_out(100).x, split.validation.rows(0..100).x);
        assert_eq!(mapped.held_out(9999).y, split.validation.all().y);
        fs::write(&file, &fs::read(&file).expect("it is there")[..9000]).expect("the folder is ours");
        assert!(Mapped::open(&file).expect_err("cut off").to_string().contains("does not hold what its head says"));
    }
}
