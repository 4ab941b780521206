//! The history as a source of series for one query: pointers are copied under a short lock, samples are read without any.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::History;
use super::chunk::See;
use super::pass::with_processes;
use super::store::{Clock, Copied};
use crate::model::Snapshot;
use crate::promql::{Labels, NAME, Point, Selector, Series, Source, is_stale};
use crate::state::table::{MetricRow, TRIAL_METRICS};

/// All series as of one moment, for one query: ticks that come in meanwhile are not seen.
#[derive(Debug)]
pub struct View {
    history: Arc<History>,
    snapshot: Arc<Snapshot>,
    clock: Clock,
    /// Samples that may still be handed out.
    left: AtomicUsize,
    stop: Arc<AtomicBool>,
}

impl View {
    pub(super) fn new(history: Arc<History>, snapshot: Arc<Snapshot>, samples: usize, stop: Arc<AtomicBool>) -> View {
        let clock = history.store().clock();
        View { history, snapshot, clock, left: AtomicUsize::new(samples), stop }
    }

    /// Whether more samples were asked for than may be handed out: what was computed is not to be shown.
    pub fn is_exhausted(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Labels of the series that fit any of the selectors (all where there is none) and have samples in `from..=to`,
    /// sorted, each once.
    pub fn labels(&self, selectors: &[Selector], from: i64, to: i64) -> Vec<Labels> {
        let all = [Selector { matchers: Vec::new(), shift: Default::default() }];
        let mut found = Vec::new();
        for selector in if selectors.is_empty() { &all } else { selectors } {
            let has_samples = |copied: &Copied| {
                let mut any = false;
                self.each_sample(copied, from, to, &mut |point| any |= !is_stale(point.v));
                any
            };
            found.extend(self.chosen(selector, from, to).into_iter().filter(has_samples).map(|c| c.labels));
            found.extend(self.processes(selector, from, to).into_iter().map(|series| series.labels));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The blocks that have ticks in `from..=to`.
    fn blocks(&self, from: i64, to: i64) -> Option<RangeInclusive<u64>> {
        let overlaps = |times: &Arc<[i64]>| {
            times.first().is_some_and(|first| *first <= to) && times.last().is_some_and(|last| *last >= from)
        };
        let first = self.clock.blocks.iter().position(overlaps)?;
        let last = self.clock.blocks.iter().rposition(overlaps)?;
        Some(self.clock.first + first as u64..=self.clock.first + last as u64)
    }

    /// Copies of the series that a selector chooses. Labels are compared without the lock.
    fn chosen(&self, selector: &Selector, from: i64, to: i64) -> Vec<Copied> {
        let Some(blocks) = self.blocks(from, to) else { return Vec::new() };
        let mut candidates = self.history.store().candidates(selector.name());
        candidates.retain(|(_, labels)| !self.is_stopped() && selector.fits(labels));
        let store = self.history.store();
        candidates.iter().filter_map(|(index, labels)| store.copy(*index, labels, blocks.clone())).collect()
    }

    fn each_sample(&self, copied: &Copied, from: i64, to: i64, see: &mut dyn FnMut(Point)) {
        let newest = self.clock.first + self.clock.blocks.len() as u64 - 1;
        let mut block = |number: u64, each: &dyn Fn(&mut See)| {
            let Some(times) = number.checked_sub(self.clock.first).and_then(|n| self.clock.blocks.get(n as usize))
            else {
                return;
            };
            if times.first().is_none_or(|first| *first > to) || times.last().is_none_or(|last| *last < from) {
                return;
            }
            each(&mut |tick, v| {
                if let Some(t) = times.get(tick).filter(|t| (from..=to).contains(*t)) {
                    see(Point { t: *t, v });
                }
            });
        };
        for part in &copied.parts {
            (part.from.max(self.clock.first)..=part.to.min(newest)).for_each(|n| block(n, &|see| part.chunk.each(see)));
        }
        let ticks = self.clock.blocks.last().map_or(0, |times| times.len());
        block(newest, &|see| copied.head.each(ticks, see));
    }

    /// Series of single processes have no history: they have the newest sample.
    fn processes(&self, selector: &Selector, from: i64, to: i64) -> Vec<Series<'static>> {
        let mut found = Vec::new();
        let Some(t) = self.snapshot.last_tick.map(|at| at.wall_ms).filter(|t| (from..=to).contains(t)) else {
            return found;
        };
        let named = |row: &&MetricRow| row.is_per_process() && selector.name().is_none_or(|name| name == row.name);
        let rows: Vec<&MetricRow> = TRIAL_METRICS.iter().filter(named).collect();
        if rows.is_empty() {
            return found;
        }
        for view in with_processes(&self.snapshot) {
            for row in &rows {
                row.each(&view, self.snapshot.at, &mut |labels, v| {
                    let who =
                        [(NAME, row.name), ("trial", view.trial.as_str()), ("experiment", view.experiment.as_str())];
                    let labels = Labels::new(who.iter().chain(labels).copied());
                    if selector.fits(&labels) {
                        found.push(Series { labels, points: Cow::Owned(vec![Point { t, v }]) });
                    }
                });
            }
        }
        found
    }

    /// Takes so many samples off what may be handed out.
    fn spend(&self, samples: usize) {
        let less = |left: usize| Some(left.saturating_sub(samples));
        // The closure never says no.
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

impl Source for View {
    fn select(&self, selector: &Selector, from: i64, to: i64) -> Vec<Series<'_>> {
        let mut found = Vec::new();
        for copied in self.chosen(selector, from, to) {
            if self.is_exhausted() || self.is_stopped() {
                return Vec::new();
            }
            let mut points = Vec::new();
            self.each_sample(&copied, from, to, &mut |point| points.push(point));
            self.spend(points.len());
            if !points.is_empty() {
                points.shrink_to_fit();
                found.push(Series { labels: copied.labels, points: Cow::Owned(points) });
            }
        }
        let processes = self.processes(selector, from, to);
        self.spend(processes.len());
        found.extend(processes);
        found
    }
}
