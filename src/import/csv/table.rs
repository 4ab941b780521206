//! A text file as a table: unpacked, its delimiter found, its header and rows.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord};
use flate2::read::MultiGzDecoder;

use crate::import::Trouble;

/// What gzip files begin with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub path: PathBuf,
    /// Names of the columns, blanks around them cut off.
    pub header: Vec<String>,
    pub rows: Vec<StringRecord>,
}

impl Table {
    /// Reads it whole.
    ///
    /// # Errors
    /// It cannot be read, is no UTF-8, or has rows of another length than its header.
    pub fn read(path: &Path) -> Result<Table, Trouble> {
        let bytes = unpacked(path)?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut reader = ReaderBuilder::new().delimiter(delimiter(text)).from_reader(text);
        let broken = |error: csv::Error| broken(path, &error);
        let header: Vec<String> =
            reader.headers().map_err(broken)?.iter().map(|name| name.trim().to_string()).collect();
        let rows: Vec<StringRecord> = reader.records().collect::<Result<_, _>>().map_err(broken)?;
        let table = Table { path: path.to_path_buf(), header, rows };
        if table.rows.is_empty() {
            return Err(Trouble::new(path.display(), "the table has no rows", "is it the right file?"));
        }
        table.names_are_distinct()?;
        Ok(table)
    }

    fn names_are_distinct(&self) -> Result<(), Trouble> {
        let twice = |(at, name): &(usize, &String)| !name.is_empty() && self.header[..*at].contains(name);
        match self.header.iter().enumerate().find(twice) {
            None => Ok(()),
            Some((_, name)) => {
                let message = format!("two columns are called {name:?}");
                Err(Trouble::new(format!("{}:1", self.path.display()), message, "give one of them another name"))
            }
        }
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|own| own == name)
    }

    /// The column that a flag names.
    ///
    /// # Errors
    /// There is none, with the nearest name.
    pub fn wanted(&self, name: &str) -> Result<usize, Trouble> {
        let known = self.header.iter().map(String::as_str);
        self.column(name).ok_or_else(|| Trouble::unknown(self.path.display(), "column", name, known))
    }

    /// The first column whose name, in small letters, is one of these, in their order.
    pub fn named(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|own| own.eq_ignore_ascii_case(name)))
    }

    /// Whether a cell of a column is empty or stands in it twice.
    pub fn repeats(&self, column: usize) -> bool {
        let mut seen = HashSet::new();
        !self.rows.iter().map(|row| self.cell(row, column)).all(|text| !text.is_empty() && seen.insert(text))
    }

    /// A cell without the blanks around it.
    pub fn cell<'t>(&'t self, row: &'t StringRecord, column: usize) -> &'t str {
        row.get(column).unwrap_or("").trim()
    }

    /// FILE:LINE of a row.
    pub fn place(&self, row: &StringRecord) -> String {
        let line = row.position().map_or(0, |position| position.line());
        format!("{}:{line}", self.path.display())
    }

    /// The file's name without its endings: `runs` of `data/runs.csv.gz`.
    pub fn stem(&self) -> String {
        let mut name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for end in [".gz", ".csv", ".tsv", ".txt"] {
            name.truncate(name.strip_suffix(end).filter(|rest| !rest.is_empty()).unwrap_or(&name).len());
        }
        name
    }
}

/// The bytes of a file, unpacked if they are packed.
fn unpacked(path: &Path) -> Result<Vec<u8>, Trouble> {
    let unreadable = |error: std::io::Error| Trouble::new(path.display(), error.to_string(), "can you read this file?");
    let bytes = fs::read(path).map_err(unreadable)?;
    if !bytes.starts_with(&GZIP) {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    let unpacked = MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text);
    unpacked
        .map_err(|error| Trouble::new(path.display(), format!("it cannot be unpacked: {error}"), "is it whole?"))?;
    Ok(text)
}

/// Comma, semicolon or tab: which there is most of in the first line.
fn delimiter(text: &[u8]) -> u8 {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| {
        let quotes = line.iter().scan(false, |quoted, byte| {
            *quoted ^= *byte == b'"';
            Some(!*quoted && *byte == delimiter)
        });
        quotes.filter(|found| *found).count()
    };
    // Of equally many the last wins: the comma.
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

fn broken(path: &Path, error: &csv::Error) -> Trouble {
    let place = match error.position() {
        Some(position) => format!("{}:{}", path.display(), position.line()),
        None => path.display().to_string(),
    };
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let message = format!("this row has {len} cells, the header {expected_len}");
            Trouble::new(place, message, "a cell that holds the delimiter has to stand in quotes")
        }
        csv::ErrorKind::Utf8 { .. } => Trouble::new(place, "this is not UTF-8", "is it a CSV file? save it as UTF-8"),
        _ => Trouble::new(place, error.to_string(), "is it a CSV file?"),
    }
}
