//! Tables in text files, plain or packed: wide (a row is a trial) and long (a row is a report).

mod cell;
mod curve;
mod roles;
mod table;
mod wide;

use std::path::Path;

use globset::{Glob, GlobMatcher};

use super::past::Source;
use super::{Ask, Trouble};
use table::Table;

/// Reads a table.
///
/// # Errors
/// It cannot be read or understood: FILE:LINE, the cause, what to do.
pub(super) fn read(path: &Path, ask: &Ask) -> Result<Source, Trouble> {
    let table = Table::read(path)?;
    match ask.columns.clone().or_else(|| numbered_columns(&table, &ask.metric)) {
        Some(glob) => wide::read(&table, &curve::find(&table, &glob, ask)?, ask),
        None => {
            let known = table.header.iter().map(String::as_str);
            let unknown = Trouble::unknown(path.display(), "column", &ask.metric, known);
            let hint = format!("{}; a table with a row a trial needs --columns '{}_*'", unknown.hint, ask.metric);
            Err(Trouble { hint, ..unknown })
        }
    }
}

/// Columns that are called as the metric with a number behind: `acc_1`, `acc1`, `acc-1`.
fn numbered_columns(table: &Table, metric: &str) -> Option<GlobMatcher> {
    let numbered = |name: &&String| {
        let rest = name.strip_prefix(metric).map(|rest| rest.trim_start_matches(['_', '-', '.', ' ', '/']));
        rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
    };
    let found = table.header.iter().filter(numbered).count();
    let glob = Glob::new(&format!("{}*[0-9]", globset::escape(metric))).ok()?;
    (found >= 2 && table.column(metric).is_none()).then(|| glob.compile_matcher())
}
