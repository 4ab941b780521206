//! The series of one metric, of the host or of all trials.

use crate::promql::{Labels, NAME, Selector};
use crate::state::table::{self, Emit, HostRow, MetricRow};

use super::track::Track;
use super::{Need, Slot};

/// The row whose series a column holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Row {
    /// Of trials.
    Trial(&'static MetricRow),
    /// Of the host.
    Host(&'static HostRow),
}

impl Row {
    pub fn name(self) -> &'static str {
        match self {
            Row::Trial(row) => row.name,
            Row::Host(row) => row.name,
        }
    }
}

/// All rows that a rule may read.
pub(super) fn rows() -> impl Iterator<Item = Row> {
    table::trial_series().map(Row::Trial).chain(table::HOST_METRICS.iter().map(Row::Host))
}

/// Whether a selector chooses series of this name.
pub(super) fn reads(selector: &Selector, name: &str) -> bool {
    selector.matchers.iter().filter(|m| m.label == NAME).all(|m| m.fits(name))
}

/// The series of one metric.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub row: Row,
    /// How long samples are kept, milliseconds.
    keep: i64,
    /// Who reads it; a series that nobody chooses is not kept.
    wanted: Vec<Selector>,
    /// By slot.
    tracks: Vec<Vec<Track>>,
}

impl Column {
    pub fn new(row: Row) -> Column {
        Column { row, keep: 0, wanted: Vec::new(), tracks: Vec::new() }
    }

    /// Is kept for these from now on.
    pub fn want(&mut self, needs: &[&Need]) {
        self.keep = needs.iter().map(|need| need.keep).max().unwrap_or(0);
        self.wanted = needs.iter().map(|need| need.selector.clone()).collect();
        let wanted = &self.wanted;
        self.tracks.iter_mut().for_each(|tracks| tracks.retain(|t| wanted.iter().any(|s| s.fits(&t.labels))));
    }

    /// Takes a sample of each series of a slot; those that are absent end.
    pub fn sample(&mut self, slot: Slot, t: i64, names: &[(&str, &str)], read: &mut dyn FnMut(&mut Emit)) {
        if self.tracks.len() <= slot {
            self.tracks.resize_with(slot + 1, Vec::new);
        }
        let Column { row, keep, wanted, tracks } = self;
        let tracks = &mut tracks[slot];
        // Rows emit in the same order every time: the next is nearly always the one after the last.
        let mut next = 0;
        read(&mut |extra, value| {
            let known = tracks.len();
            let found = (0..known).map(|i| (next + i) % known).find(|at| tracks[*at].is(extra));
            let at = match found {
                Some(at) => at,
                None => {
                    let pairs = names.iter().chain(extra).copied().chain([(NAME, row.name())]);
                    let labels = Labels::new(pairs);
                    if !wanted.iter().any(|s| s.fits(&labels)) {
                        return;
                    }
                    tracks.push(Track::new(labels, extra));
                    known
                }
            };
            tracks[at].push(t, value, *keep);
            next = at + 1;
        });
        let keep = *keep;
        tracks.retain_mut(|track| track.at_time(t) || !track.miss(t, keep));
    }

    /// The slot is free for another.
    pub fn forget(&mut self, slot: Slot) {
        if let Some(tracks) = self.tracks.get_mut(slot) {
            tracks.clear();
        }
    }

    /// The series that a selector chooses, in the order of slots.
    pub fn chosen(&self, selector: &Selector) -> impl Iterator<Item = &Track> {
        self.tracks.iter().flatten().filter(|t| selector.fits(&t.labels))
    }

    /// Whether the slot has a sample at `t` that the selector chooses.
    pub fn has(&self, slot: Slot, selector: &Selector, t: i64) -> bool {
        let tracks = self.tracks.get(slot).into_iter().flatten();
        tracks.filter(|track| track.at(t).is_some()).any(|track| selector.fits(&track.labels))
    }

    /// Bytes that the samples take.
    pub fn bytes(&self) -> usize {
        self.tracks.iter().flatten().map(Track::bytes).sum()
    }
}
