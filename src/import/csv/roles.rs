//! What the columns of a table that are no curve say of a trial: its name, its end, its parameters.

use csv::StringRecord;

use super::cell::{self, Cell};
use super::table::Table;
use crate::import::past::{Past, Status};
use crate::import::{Ask, Trouble};

/// Names of columns that name a trial, the surest first.
pub(super) const TRIAL: [&str; 12] = [
    "trial",
    "trial_id",
    "trial_name",
    "trial_number",
    "run",
    "run_id",
    "run_name",
    "run_uuid",
    "config_id",
    "job_id",
    "name",
    "id",
];
/// Names of columns that say how it ended.
const STATUS: [&str; 4] = ["status", "state", "trial_status", "run_status"];
/// Names of columns that say how many steps a full run has.
const TOTAL: [&str; 3] = ["total_steps", "target_steps", "max_steps"];

/// Which column says what. What has no role of its own is a parameter.
#[derive(Clone, Debug, Default)]
pub(super) struct Roles {
    pub trial: Option<usize>,
    status: Option<usize>,
    total: Option<usize>,
    group: Option<(usize, usize)>,
    pub params: Vec<usize>,
}

impl Roles {
    /// Finds them by their names and by what stands in them.
    ///
    /// # Errors
    /// A flag names a column that is not there, or one that does not hold what it should.
    pub fn of(table: &Table, ask: &Ask, trial: Option<usize>) -> Result<Roles, Trouble> {
        let flag = |name: &Option<String>| name.as_deref().map(|name| table.wanted(name)).transpose();
        let is_status = |column: &usize| table.rows.iter().all(|row| Status::of(table.cell(row, *column)).is_some());
        let is_total = |column: &usize| table.rows.iter().all(|row| cell::step(table.cell(row, *column)).is_some());
        let mut roles = Roles {
            trial,
            status: flag(&ask.status_column)?.or_else(|| table.named(&STATUS).filter(is_status)),
            total: table.named(&TOTAL).filter(is_total),
            group: table.named(&["group"]).zip(table.named(&["fold"])),
            params: Vec::new(),
        };
        let named = |column: &usize| !table.header[*column].is_empty();
        roles.params = (0..table.header.len()).filter(named).collect();
        let (group, fold) = roles.group.unzip();
        let taken: Vec<usize> = [roles.trial, roles.status, roles.total, group, fold].into_iter().flatten().collect();
        roles.leave(taken.into_iter());
        Ok(roles)
    }

    /// The column that names trials where a row is a trial.
    ///
    /// # Errors
    /// A flag names a column that is not there.
    pub fn naming(table: &Table, ask: &Ask) -> Result<Option<usize>, Trouble> {
        match &ask.trial_column {
            Some(name) => table.wanted(name).map(Some),
            // What repeats is no name of one, whatever it is called.
            None => Ok(TRIAL.iter().filter_map(|name| table.named(&[name])).find(|column| !table.repeats(*column))),
        }
    }

    /// These columns are no parameters.
    pub fn leave(&mut self, mut columns: impl Iterator<Item = usize>) {
        columns.by_ref().for_each(|column| self.params.retain(|own| *own != column));
    }

    /// What the rows of a trial say of it, each column by its last cell that is not empty; `index` counts trials from 0.
    ///
    /// # Errors
    /// A cell that does not hold what it should.
    pub fn past(&self, table: &Table, rows: &[&StringRecord], index: usize) -> Result<Past, Trouble> {
        let last = |column: usize| rows.iter().rev().find(|row| !table.cell(row, column).is_empty());
        let text = |column: usize| last(column).map(|row| table.cell(row, column).to_string());
        let status = self.status.and_then(|column| Some((last(column)?, column)));
        let param = |column: &usize| {
            let value = text(*column).filter(|value| Cell::of(value) != Cell::Missing)?;
            Some((table.header[*column].clone(), value))
        };
        Ok(Past {
            name: self.trial.and_then(text).unwrap_or_else(|| format!("row-{}", index + 1)),
            id: format!("row-{}", index + 1),
            params: self.params.iter().filter_map(param).collect(),
            group: self.group.and_then(|(group, _)| text(group)),
            fold: self.group.and_then(|(_, fold)| text(fold)),
            total: self.total.and_then(|column| cell::step(&text(column)?)),
            status: status.map(|(row, column)| status_in(table, row, column)).transpose()?,
            ..Past::default()
        })
    }

    /// How the table was understood.
    pub fn remarks(&self, table: &Table) -> Vec<String> {
        let name = |column: usize| table.header[column].as_str();
        let trial = match self.trial {
            Some(column) => format!("trials are named by the column {}", name(column)),
            None => "trials are named by their rows: row-1 is the first below the header".to_string(),
        };
        let status = self.status.map(|column| format!("the column {} says how they ended", name(column)));
        [Some(trial), status].into_iter().flatten().collect()
    }
}

fn status_in(table: &Table, row: &StringRecord, column: usize) -> Result<Status, Trouble> {
    let text = table.cell(row, column);
    Status::of(text).ok_or_else(|| {
        let message = format!("column {}: {text:?} does not say how the trial ended", table.header[column]);
        Trouble::new(table.place(row), message, "write finished, failed, stopped or running")
    })
}
