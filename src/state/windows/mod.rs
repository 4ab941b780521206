//! Windows: the samples of the series that rules read, one column a metric. At every tick each series gets one sample with
//! the tick's time, as a scrape at that moment would read it; one that is absent gets a staleness marker.

mod column;
mod fresh;
mod needs;
mod track;

pub use fresh::{Fresh, MemoryRead, Present};
pub use needs::{Need, needs};

use std::borrow::Cow;
use std::collections::HashMap;

use crate::model::{HostSample, Moment, RunId, TrialView};
use crate::promql::{Selector, Series, Source};

use column::{Column, Row};

/// Where a trial's series lie in every column.
type Slot = usize;

/// The slot of the host.
const HOST: Slot = 0;

/// The samples of all series that rules read.
#[derive(Clone, Debug)]
pub struct Windows {
    columns: Vec<Column>,
    slots: HashMap<RunId, Slot>,
    free: Vec<Slot>,
    /// The time of the last tick, milliseconds since the Unix epoch.
    t: i64,
}

impl Default for Windows {
    fn default() -> Windows {
        Windows { columns: Vec::new(), slots: HashMap::new(), free: Vec::new(), t: i64::MIN }
    }
}

impl Windows {
    /// Keeps what is needed from now on; samples of series that stay, stay.
    pub fn keep(&mut self, needs: &[Need]) {
        let mut before = std::mem::take(&mut self.columns);
        for row in column::rows() {
            let wanted: Vec<&Need> = needs.iter().filter(|need| column::reads(&need.selector, row.name())).collect();
            if wanted.is_empty() {
                continue;
            }
            let kept = before.iter().position(|c| c.row.name() == row.name()).map(|at| before.swap_remove(at));
            let mut column = kept.unwrap_or_else(|| Column::new(row));
            column.want(&wanted);
            self.columns.push(column);
        }
    }

    /// A tick begins: its time, milliseconds since the Unix epoch, later than that of the tick before even if the clock was
    /// set back.
    pub fn begin(&mut self, now: Moment) -> i64 {
        self.t = self.time_after(now);
        self.t
    }

    /// The time of the last tick, milliseconds since the Unix epoch.
    pub fn time(&self) -> i64 {
        self.t
    }

    /// The time of an evaluation at a moment after the last tick.
    pub fn time_after(&self, now: Moment) -> i64 {
        now.wall_ms.max(self.t.saturating_add(1))
    }

    /// Samples a trial at the tick that has begun.
    pub fn sample(&mut self, view: &TrialView, now: Moment) {
        if self.columns.is_empty() {
            return;
        }
        let slot = match self.slots.get(&view.run) {
            Some(slot) => *slot,
            None => {
                let slot = self.free.pop().unwrap_or(self.slots.len() + 1);
                self.slots.insert(view.run, slot);
                slot
            }
        };
        for column in &mut self.columns {
            if let Row::Trial(row) = column.row {
                let names = [("trial", view.trial.as_str()), ("experiment", view.experiment.as_str())];
                column.sample(slot, self.t, &names, &mut |emit| row.each(view, now, emit));
            }
        }
    }

    /// Samples the host at the tick that has begun.
    pub fn sample_host(&mut self, host: &HostSample) {
        for column in &mut self.columns {
            if let Row::Host(row) = column.row {
                column.sample(HOST, self.t, &[], &mut |emit| (row.read)(host, emit));
            }
        }
    }

    /// A trial is forgotten.
    pub fn forget(&mut self, run: RunId) {
        if let Some(slot) = self.slots.remove(&run) {
            self.columns.iter_mut().for_each(|c| c.forget(slot));
            self.free.push(slot);
        }
    }

    /// Whether the trial had a sample at the last tick in a series that one of these selectors chooses.
    pub fn has_any(&self, run: RunId, selectors: &[&Selector]) -> bool {
        let Some(slot) = self.slots.get(&run) else { return false };
        selectors.iter().any(|selector| self.reading(selector).any(|c| c.has(*slot, selector, self.t)))
    }

    /// The columns that a selector reads.
    fn reading(&self, selector: &Selector) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|c| column::reads(selector, c.row.name()))
    }

    /// Bytes that the samples take.
    pub fn bytes(&self) -> u64 {
        self.columns.iter().map(Column::bytes).sum::<usize>() as u64
    }
}

impl Source for Windows {
    fn select(&self, selector: &Selector, _from: i64, _to: i64) -> Vec<Series<'_>> {
        let tracks = self.reading(selector).flat_map(|c| c.chosen(selector));
        tracks.map(|t| Series { labels: t.labels.clone(), points: Cow::Borrowed(t.points()) }).collect()
    }
}

#[cfg(test)]
mod tests;
