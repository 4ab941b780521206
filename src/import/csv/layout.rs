//! How a long table is laid out: which column names the trial, which the step, where the values stand.

use super::instant::{self, Instant};
use super::roles::TRIAL;
use super::table::Table;
use crate::import::{Ask, Trouble};

/// Names of columns that count steps, the surest first.
const STEP: [&str; 10] =
    ["step", "global_step", "_step", "training_iteration", "iteration", "iter", "epoch", "steps", "epochs", "batch"];
/// Names of columns that tell the time.
const TIME: [&str; 12] = [
    "timestamp",
    "_timestamp",
    "wall_time",
    "wall time",
    "walltime",
    "datetime",
    "time",
    "date",
    "time_total_s",
    "_runtime",
    "elapsed_seconds",
    "elapsed",
];
/// Names of columns that name the experiment.
const EXPERIMENT: [&str; 4] = ["experiment", "experiment_name", "study", "study_name"];
/// Names of columns that name the metric, where each row holds one value.
const METRIC: [&str; 6] = ["metric", "metric_name", "key", "tag", "variable", "name"];
/// Names of columns that hold the value then.
const VALUE: [&str; 3] = ["value", "metric_value", "val"];

/// The columns of a long table.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// `None`: the table is one trial.
    pub trial: Option<usize>,
    pub experiment: Option<usize>,
    pub step: usize,
    pub time: Option<(usize, Clock)>,
    pub values: Values,
    pub remarks: Vec<String>,
}

/// What a column of times counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// The Unix epoch.
    Absolute,
    /// The trial's start.
    Elapsed,
}

/// Where the values stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// Each metric has a column; this is the objective's.
    Columns(usize),
    /// One column names the metric, another holds its value.
    Named {
        /// The name's.
        name: usize,
        /// The value's.
        value: usize,
    },
}

/// Whether a table has what a long one needs.
pub(super) fn is_long(table: &Table, ask: &Ask) -> bool {
    let has_step = ask.step_column.is_some() || table.named(&STEP).is_some();
    has_step && values(table, ask).is_some()
}

impl Layout {
    /// Finds the columns.
    ///
    /// # Errors
    /// A flag names a column that is not there, or one that does not hold what it should; there is no column of steps.
    pub fn of(table: &Table, ask: &Ask) -> Result<Layout, Trouble> {
        let flag = |name: &Option<String>| name.as_deref().map(|name| table.wanted(name)).transpose();
        let values = values(table, ask).ok_or_else(|| {
            let known = table.header.iter().map(String::as_str);
            Trouble::unknown(table.path.display(), "column", &ask.metric, known)
        })?;
        let mut remarks = Vec::new();
        let step = match flag(&ask.step_column)? {
            Some(column) => column,
            None => guess_step(table, &mut remarks)?,
        };
        let taken = |column: &usize| {
            let named = matches!(values, Values::Named { name, value } if [name, value].contains(column));
            *column == step || named || values == Values::Columns(*column)
        };
        let trial = match flag(&ask.trial_column)? {
            Some(column) => Some(column),
            None => guess_trial(table, &taken, &mut remarks),
        };
        let free = |column: &usize| !taken(column) && Some(*column) != trial;
        let time = match flag(&ask.time_column)? {
            Some(column) => Some((column, clock(table, column)?)),
            None => {
                let named = TIME.iter().filter_map(|name| table.named(&[name])).filter(&free);
                named.filter_map(|column| Some((column, clock(table, column).ok()?))).next()
            }
        };
        if let Some((column, clock)) = time {
            let from = match clock {
                Clock::Absolute => "",
                Clock::Elapsed => ", counted from each trial's start: trials are put one after the other",
            };
            remarks.push(format!("times are those of the column {}{from}", table.header[column]));
        }
        Ok(Layout { trial, experiment: table.named(&EXPERIMENT).filter(free), step, time, values, remarks })
    }

    /// Whether a column has a part in this layout.
    pub fn uses(&self, column: usize) -> bool {
        let time = self.time.map(|(column, _)| column);
        let values = match self.values {
            Values::Columns(objective) => [Some(objective), None],
            Values::Named { name, value } => [Some(name), Some(value)],
        };
        [self.trial, self.experiment, Some(self.step), time]
            .into_iter()
            .chain(values)
            .flatten()
            .any(|own| own == column)
    }
}

fn values(table: &Table, ask: &Ask) -> Option<Values> {
    let value = table.named(&VALUE);
    let named = || table.named(&METRIC).zip(value).map(|(name, value)| Values::Named { name, value });
    // A single column of values needs no name: it is what was asked for.
    table.column(&ask.metric).map(Values::Columns).or_else(named).or(value.map(Values::Columns))
}

fn guess_step(table: &Table, remarks: &mut Vec<String>) -> Result<usize, Trouble> {
    let mut found = STEP.iter().filter_map(|name| table.named(&[name]));
    let Some(step) = found.next() else {
        let message = format!("no column counts steps; there are {}", table.header.join(", "));
        return Err(Trouble::new(table.path.display(), message, "name it: --step-column COLUMN"));
    };
    let others: Vec<&str> = found.map(|column| table.header[column].as_str()).collect();
    let other = match others.first() {
        Some(other) => format!(" (there is {} too: --step-column {other})", others.join(", ")),
        None => String::new(),
    };
    remarks.push(format!("steps are those of the column {}{other}", table.header[step]));
    Ok(step)
}

/// Of the columns whose name says that they name a trial, the first that names one more than once.
fn guess_trial(table: &Table, taken: &impl Fn(&usize) -> bool, remarks: &mut Vec<String>) -> Option<usize> {
    let named: Vec<usize> = TRIAL.iter().filter_map(|name| table.named(&[name])).filter(|c| !taken(c)).collect();
    let found = named.iter().copied().find(|column| table.repeats(*column)).or(named.first().copied());
    remarks.push(match found {
        Some(column) => format!("trials are named by the column {}", table.header[column]),
        None => "no column names a trial: the table is one (--trial-column names a column)".to_string(),
    });
    found
}

/// What a column of times counts from.
fn clock(table: &Table, column: usize) -> Result<Clock, Trouble> {
    let mut kind = None;
    for row in &table.rows {
        let text = table.cell(row, column);
        let this = match instant::read(text) {
            Some(Instant::Absolute(_)) => Clock::Absolute,
            Some(Instant::Elapsed(_)) => Clock::Elapsed,
            None => {
                let message = format!("column {}: {text:?} is no time", table.header[column]);
                let hint = "seconds or milliseconds since 1970, seconds since the start, or 2026-01-31T23:59:59Z";
                return Err(Trouble::new(table.place(row), message, hint));
            }
        };
        // A start at 0 and the epoch's seconds do not go together.
        if kind.is_some_and(|kind| kind != this) {
            let message =
                format!("column {}: {text:?} counts from another beginning than the times above", table.header[column]);
            return Err(Trouble::new(table.place(row), message, "name another column with --time-column"));
        }
        kind = Some(this);
    }
    Ok(kind.unwrap_or(Clock::Absolute))
}
