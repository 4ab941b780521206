//! Sources for looks between ticks.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::model::{Moment, TrialView};
use crate::promql::{Labels, NAME, Point, STALE, Selector, Series, Source};
use crate::state::table::{self, MetricRow};

use super::column::reads;
use super::{Windows, column};

/// The windows, and one trial as it is at a moment after the last tick.
#[derive(Clone, Copy, Debug)]
pub struct Fresh<'a> {
    /// The windows as of the last tick.
    pub windows: &'a Windows,
    /// The trial.
    pub view: &'a TrialView,
    /// The moment.
    pub now: Moment,
    /// What `trial_memory_bytes` of it reads.
    pub memory: MemoryRead,
}

/// What `trial_memory_bytes` of the trial reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryRead {
    /// RSS - shared.
    Private,
    /// PSS; nothing where it could not be read.
    Proportional,
}

impl Source for Fresh<'_> {
    fn select(&self, selector: &Selector, from: i64, to: i64) -> Vec<Series<'_>> {
        let mut found = self.windows.select(selector, from, to);
        let t = self.windows.time_after(self.now);
        let mut fresh: HashMap<Labels, f64> =
            fresh_samples(selector, self.view, self.now, self.memory).into_iter().collect();
        let (trial, experiment) = (self.view.trial.as_str(), self.view.experiment.as_str());
        let its = |s: &&mut Series<'_>| s.labels.get("trial") == trial && s.labels.get("experiment") == experiment;
        for series in found.iter_mut().filter(its) {
            // What cannot be read now has no value, whatever it was a moment ago.
            let v = fresh.remove(&series.labels).unwrap_or(STALE);
            series.points.to_mut().push(Point { t, v });
        }
        let new = |(labels, v)| Series { labels, points: Cow::Owned(vec![Point { t, v }]) };
        found.extend(fresh.into_iter().map(new));
        found
    }
}

/// One trial alone as it is at a moment, without a past.
#[derive(Clone, Copy, Debug)]
pub struct Present<'a> {
    /// The trial.
    pub view: &'a TrialView,
    /// The moment.
    pub now: Moment,
}

impl Source for Present<'_> {
    fn select(&self, selector: &Selector, _from: i64, _to: i64) -> Vec<Series<'_>> {
        let samples = fresh_samples(selector, self.view, self.now, MemoryRead::Private);
        let series = |(labels, v)| Series { labels, points: Cow::Owned(vec![Point { t: self.now.wall_ms, v }]) };
        samples.into_iter().map(series).collect()
    }
}

/// What a scrape at this moment would read of the trial for a selector.
fn fresh_samples(selector: &Selector, view: &TrialView, now: Moment, memory: MemoryRead) -> Vec<(Labels, f64)> {
    let mut found = Vec::new();
    for row in column::rows() {
        let column::Row::Trial(row) = row else { continue };
        if !reads(selector, row.name) {
            continue;
        }
        stand_in(row, memory).each(view, now, &mut |extra, value| {
            let names = [("trial", view.trial.as_str()), ("experiment", view.experiment.as_str()), (NAME, row.name)];
            let labels = Labels::new(names.iter().chain(extra).copied());
            if selector.fits(&labels) {
                found.push((labels, value));
            }
        });
    }
    found
}

/// The row that is read in place of `row`.
fn stand_in(row: &'static MetricRow, memory: MemoryRead) -> &'static MetricRow {
    match memory {
        MemoryRead::Proportional if row.name == "trial_memory_bytes" => {
            table::trial_metric("trial_proportional_memory_bytes").unwrap_or(row)
        }
        _ => row,
    }
}
