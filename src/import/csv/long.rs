//! A long table: a row is a report.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use csv::StringRecord;

use super::cell::{self, Cell};
use super::instant::{self, Instant};
use super::layout::{Clock, Layout, Values};
use super::roles::Roles;
use super::table::Table;
use crate::import::history::Report;
use crate::import::past::{Past, Source};
use crate::import::times::MADE_UP_FROM;
use crate::import::{Ask, Trouble};
use crate::journal::Format;

/// Rows of a trial, in the table's order.
struct Rows<'t> {
    experiment: &'t str,
    trial: &'t str,
    rows: Vec<&'t StringRecord>,
}

/// Reads all rows.
///
/// # Errors
/// A step or a value that is no number; a metric that is not there; steps that go back where no column names a trial.
pub(super) fn read(table: &Table, ask: &Ask) -> Result<Source, Trouble> {
    let layout = Layout::of(table, ask)?;
    let stem = table.stem();
    let chosen = ask.experiment.as_deref().zip(layout.experiment);
    let mut trials = gather(table, &layout, &stem);
    // The name of one of several experiments chooses it; any other name is a new one for all.
    let chosen = chosen.map(|(name, _)| name).filter(|name| trials.iter().any(|t| t.experiment == *name));
    trials.retain(|trial| chosen.is_none_or(|name| trial.experiment == name));
    let keeps_experiment = chosen.is_some() || ask.experiment.is_none();

    let mut roles = Roles::of(table, ask, layout.trial)?;
    roles.leave((0..table.header.len()).filter(|column| layout.uses(*column)));
    let kinds: Vec<(usize, Kind)> =
        roles.params.iter().map(|column| (*column, kind(table, *column, &trials))).collect();
    roles.leave(kinds.iter().filter(|(_, kind)| *kind != Kind::Param).map(|(column, _)| *column));
    let others: Vec<usize> =
        kinds.iter().filter(|(_, kind)| *kind == Kind::Metric).map(|(column, _)| *column).collect();
    let ignored: Vec<&str> = kinds
        .iter()
        .filter(|(_, kind)| *kind == Kind::Neither)
        .map(|(column, _)| table.header[*column].as_str())
        .collect();
    let reader = Reader::new(table, &layout, ask, &others)?;

    let mut past = Vec::with_capacity(trials.len());
    let (mut again, mut clock) = (0, MADE_UP_FROM);
    for (index, trial) in trials.iter().enumerate() {
        let mut own: Past = roles.past(table, &trial.rows, index)?;
        (own.name, own.id) = (trial.trial.to_string(), (index + 1).to_string());
        own.experiment = Some(trial.experiment.to_string()).filter(|_| layout.experiment.is_some() && keeps_experiment);
        let reports = reader.reports(trial)?;
        (own.reports, again) = (reports.0, again + reports.1);
        if let Some((_, Clock::Elapsed)) = layout.time {
            own.began = Some(clock);
            own.reports.iter_mut().for_each(|report| report.at = report.at.map(|at| clock.saturating_add(at)));
            clock = own.reports.iter().filter_map(|report| report.at).max().unwrap_or(clock);
        }
        past.push(own);
    }
    let mut remarks = layout.remarks.clone();
    remarks
        .extend((again > 0).then(|| format!("values that came again for a step, of which the last counts: {again}")));
    remarks.extend(
        (!ignored.is_empty()).then(|| format!("left out, neither metric nor parameter: {}", ignored.join(", "))),
    );
    let place = table.path.display().to_string();
    let mut source =
        Source { place, format: Format::Csv, experiment: stem, metrics: reader.metrics, trials: past, remarks };
    source.begin_at(ask.first);
    Ok(source)
}

/// The rows of each trial, trials in the order of their first rows.
fn gather<'t>(table: &'t Table, layout: &Layout, stem: &'t str) -> Vec<Rows<'t>> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut trials: Vec<Rows<'t>> = Vec::new();
    for row in &table.rows {
        let experiment = layout.experiment.map_or("", |column| table.cell(row, column));
        let trial = layout.trial.map_or(stem, |column| table.cell(row, column));
        let place = *places.entry((experiment, trial)).or_insert_with(|| {
            trials.push(Rows { experiment, trial, rows: Vec::new() });
            trials.len() - 1
        });
        trials[place].rows.push(row);
    }
    trials
}

/// What a column is that has no name of its own in the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The same in all rows of a trial.
    Param,
    /// Numbers that change.
    Metric,
    /// Texts that change.
    Neither,
}

fn kind(table: &Table, column: usize, trials: &[Rows<'_>]) -> Kind {
    let text = |row: &StringRecord| Cell::of(table.cell(row, column));
    let filled = |row: &&&StringRecord| !matches!(text(row), Cell::Empty | Cell::Missing);
    let constant = |trial: &Rows<'_>| {
        let mut texts = trial.rows.iter().filter(filled).map(|row| table.cell(row, column));
        let first = texts.next();
        texts.all(|text| Some(text) == first)
    };
    if trials.iter().all(constant) {
        return Kind::Param;
    }
    let numeric = trials.iter().flat_map(|trial| &trial.rows).all(|row| text(row) != Cell::Text);
    if numeric { Kind::Metric } else { Kind::Neither }
}

/// Reads the reports of one trial after the other.
struct Reader<'t> {
    table: &'t Table,
    layout: &'t Layout,
    /// The objective's name first.
    metrics: Vec<String>,
    /// Columns of metrics, in the order of `metrics`; empty where rows name theirs.
    columns: Vec<usize>,
    /// Where each metric that rows name stands in `metrics`.
    named: BTreeMap<&'t str, usize>,
}

impl<'t> Reader<'t> {
    fn new(table: &'t Table, layout: &'t Layout, ask: &Ask, others: &[usize]) -> Result<Reader<'t>, Trouble> {
        let mut reader =
            Reader { table, layout, metrics: vec![ask.metric.clone()], columns: vec![], named: BTreeMap::new() };
        match layout.values {
            Values::Columns(objective) => {
                let mut others = others.to_vec();
                others.sort_by_key(|column| &table.header[*column]);
                reader.metrics.extend(others.iter().map(|column| table.header[*column].clone()));
                reader.columns = std::iter::once(objective).chain(others).collect();
            }
            Values::Named { name, .. } => {
                let names: BTreeSet<&str> = table.rows.iter().map(|row| table.cell(row, name)).collect();
                if !names.contains(ask.metric.as_str()) {
                    return Err(Trouble::unknown(table.path.display(), "metric", &ask.metric, names));
                }
                for name in names {
                    // The objective stands at 0 already.
                    let place = if name == ask.metric { 0 } else { reader.metrics.len() };
                    reader.named.insert(name, place);
                    reader.metrics.extend((place > 0).then(|| name.to_string()));
                }
            }
        }
        Ok(reader)
    }

    /// The reports of a trial in the order of their steps, and how many values came again for a step.
    fn reports(&self, trial: &Rows<'_>) -> Result<(Vec<Report>, usize), Trouble> {
        let mut steps: BTreeMap<u64, (Option<i64>, BTreeMap<usize, f64>)> = BTreeMap::new();
        let (mut again, mut last) = (0, 0);
        for row in &trial.rows {
            let values = self.values(row)?;
            let has_objective = values.iter().any(|(metric, _)| *metric == 0);
            let Some(step) = self.step(row, has_objective)? else { continue };
            if self.layout.trial.is_none() && step < last {
                let message = format!("the step goes back from {last} to {step}, and no column names a trial");
                return Err(Trouble::new(self.table.place(row), message, "name the column: --trial-column COLUMN"));
            }
            last = step;
            let (at, own) = steps.entry(step).or_default();
            *at = (*at).max(self.time(row));
            again += values.into_iter().filter(|(metric, value)| own.insert(*metric, *value).is_some()).count();
        }
        let report = |(step, (at, values)): (u64, (Option<i64>, BTreeMap<usize, f64>))| Report {
            at,
            step: Some(step),
            values: values.into_iter().collect(),
            points: vec![],
        };
        Ok((steps.into_iter().map(report).collect(), again))
    }

    /// The step of a row; `None` for one that says nothing of the curve.
    fn step(&self, row: &StringRecord, has_objective: bool) -> Result<Option<u64>, Trouble> {
        let text = self.table.cell(row, self.layout.step);
        match cell::step(text) {
            None if !has_objective && Cell::of(text) == Cell::Empty => Ok(None),
            None => {
                let message = format!("column {}: {text:?} is no step", self.table.header[self.layout.step]);
                Err(Trouble::new(self.table.place(row), message, "steps are whole numbers from 0 on"))
            }
            step => Ok(step),
        }
    }

    fn time(&self, row: &StringRecord) -> Option<i64> {
        let (column, _) = self.layout.time?;
        instant::read(self.table.cell(row, column)).map(|instant| match instant {
            Instant::Absolute(ns) | Instant::Elapsed(ns) => ns,
        })
    }

    /// The values of a row: which metric, and its value. What is missing is left out.
    fn values(&self, row: &StringRecord) -> Result<Vec<(usize, f64)>, Trouble> {
        let one = |(metric, column): (usize, usize)| match Cell::of(self.table.cell(row, column)) {
            Cell::Number(value) => Ok(Some((metric, value))),
            Cell::Empty | Cell::Missing => Ok(None),
            Cell::Text => {
                let (name, text) = (&self.table.header[column], self.table.cell(row, column));
                let message = format!("column {name}: {text:?} is no number");
                let hint = "leave the cell empty where there is no value; decimals are written with a point";
                Err(Trouble::new(self.table.place(row), message, hint))
            }
        };
        let cells: Vec<(usize, usize)> = match self.layout.values {
            Values::Columns(_) => self.columns.iter().copied().enumerate().collect(),
            Values::Named { name, value } => vec![(self.named[self.table.cell(row, name)], value)],
        };
        cells.into_iter().map(one).filter_map(Result::transpose).collect()
    }
}
