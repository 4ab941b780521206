//! Tables in text files, plain or packed: wide (a row is a trial) and long (a row is a report).

mod cell;
mod curve;
mod instant;
mod layout;
mod long;
mod roles;
mod table;
mod wide;

use std::path::Path;

use globset::GlobMatcher;

use super::past::Source;
use super::{Ask, Trouble};
use table::Table;

/// Reads a table.
///
/// # Errors
/// It cannot be read or understood: FILE:LINE, the cause, what to do.
pub(super) fn read(path: &Path, ask: &Ask) -> Result<Source, Trouble> {
    let table = Table::read(path)?;
    let chosen = match &ask.columns {
        Some(glob) => chosen(&table, glob)?,
        None if layout::is_long(&table, ask) => vec![],
        None => numbered_columns(&table, &ask.metric),
    };
    if !chosen.is_empty() {
        return wide::read(&table, &chosen, ask);
    }
    long::read(&table, ask).map_err(|trouble| match table.column(&ask.metric) {
        Some(_) => trouble,
        // It may be neither: nobody knows which was meant.
        None => Trouble {
            hint: format!("{}; where a row is a whole trial, say --columns '{}_*'", trouble.hint, ask.metric),
            ..trouble
        },
    })
}

/// The columns that `--columns` chooses, at least one.
fn chosen(table: &Table, glob: &GlobMatcher) -> Result<Vec<usize>, Trouble> {
    let chosen: Vec<usize> = (0..table.header.len()).filter(|column| glob.is_match(&table.header[*column])).collect();
    if chosen.is_empty() {
        let known = table.header.iter().map(String::as_str);
        return Err(Trouble::unknown(table.path.display(), "column that matches", glob.glob().glob(), known));
    }
    Ok(chosen)
}

/// Columns that are called as the metric with a number behind: `acc_1`, `acc1`, `acc-1`. One alone is no curve.
fn numbered_columns(table: &Table, metric: &str) -> Vec<usize> {
    let numbered = |name: &str| {
        let rest = name.strip_prefix(metric).map(|rest| rest.trim_start_matches(['_', '-', '.', ' ', '/']));
        rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
    };
    let found: Vec<usize> = (0..table.header.len()).filter(|column| numbered(&table.header[*column])).collect();
    if found.len() > 1 { found } else { vec![] }
}
