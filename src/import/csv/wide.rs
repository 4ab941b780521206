//! A wide table: a row is a trial, some columns are its curve, the others describe it.

use csv::StringRecord;

use super::cell::Cell;
use super::curve::Curve;
use super::roles::Roles;
use super::table::Table;
use crate::import::history::Report;
use crate::import::past::Source;
use crate::import::{Ask, Trouble};
use crate::journal::Format;

/// Reads all rows; `chosen` are the columns of the curve.
///
/// # Errors
/// A cell of the curve that is no number.
pub(super) fn read(table: &Table, chosen: &[usize], ask: &Ask) -> Result<Source, Trouble> {
    let curve = Curve::of(table, chosen, ask)?;
    let mut roles = Roles::of(table, ask, Roles::naming(table, ask)?)?;
    roles.leave(chosen.iter().copied());
    let mut trials = Vec::with_capacity(table.rows.len());
    for (index, row) in table.rows.iter().enumerate() {
        let mut past = roles.past(table, &[row], index)?;
        past.total = past.total.or(Some(curve.total()));
        past.reports = reports(table, row, &curve)?;
        trials.push(past);
    }
    let names = curve.0.iter().map(|(column, _)| table.header[*column].as_str());
    let (first, last) = (names.clone().next().unwrap_or(""), names.clone().next_back().unwrap_or(""));
    let mut remarks = vec![format!("the curve is {} columns, {first} to {last}", curve.0.len())];
    remarks.extend(roles.remarks(table));
    if curve.0[0].1 == 0 {
        remarks.push(format!("{first} is step 0: if it is of random weights, leave it out with --skip-first"));
    }
    Ok(Source {
        place: table.path.display().to_string(),
        format: Format::Csv,
        experiment: table.stem(),
        metrics: vec![ask.metric.clone()],
        trials,
        remarks,
    })
}

/// The reports of a row. Empty cells at its end are steps that it never came to; a value that is missing before, or said to
/// be, is a report without a value.
fn reports(table: &Table, row: &StringRecord, curve: &Curve) -> Result<Vec<Report>, Trouble> {
    let mut reports = Vec::with_capacity(curve.0.len());
    let mut length = 0;
    for (column, step) in &curve.0 {
        let text = table.cell(row, *column);
        let cell = Cell::of(text);
        let values = match cell {
            Cell::Number(value) => vec![(0, value)],
            Cell::Empty | Cell::Missing => vec![],
            Cell::Text => {
                let message = format!("column {}: {text:?} is no number", table.header[*column]);
                let hint = "leave the cell empty where there is no value; decimals are written with a point";
                return Err(Trouble::new(table.place(row), message, hint));
            }
        };
        reports.push(Report { step: Some(*step), values, ..Report::default() });
        if cell != Cell::Empty {
            length = reports.len();
        }
    }
    reports.truncate(length);
    Ok(reports)
}
