//! All series of the history: what is appended at a tick, what goes when it is too old or too much, and copies of
//! pointers for those who ask.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::chunk::{Chunk, Head, TICKS};
use crate::model::Name;
use crate::promql::{Labels, NAME, is_stale};

/// Clocks that were set back by no more than this are waited for; by more, the history begins anew.
const SET_BACK_MS: i64 = 10_000;

/// Bytes of a series beyond its labels, head and chunks: itself, its places in its group and under its name.
const SERIES_BYTES: usize = size_of::<Option<Series>>() + size_of::<Slot>() + size_of::<u32>();

/// Bytes that the texts of an owner's names and of a metric's name may take: 128 characters each, and their places.
const OWNER_BYTES: usize = 3 * (128 + 48) + size_of::<(Owner, Group)>();

/// Whose series: a trial's, or the daemon's and the host's own.
pub(super) type Owner = Option<(Name, Name)>;

/// One chunk, good for the blocks `from..=to`: a constant goes on over many.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub from: u64,
    pub to: u64,
    pub chunk: Arc<Chunk>,
}

#[derive(Debug)]
struct Series {
    labels: Labels,
    parts: VecDeque<Part>,
    head: Head,
    /// The tick of its last sample.
    seen: u64,
    /// Whether it had a sample at the tick before.
    live: bool,
}

/// A series in the order in which its owner's are read; `key` tells it from the owner's others.
#[derive(Clone, Copy, Debug)]
struct Slot {
    key: u64,
    series: u32,
}

/// The series of one owner.
#[derive(Debug, Default)]
struct Group {
    slots: Vec<Slot>,
    /// Where the next sample of a pass is looked for first: passes differ little.
    next: usize,
}

/// The times of the ticks of a block, shared with those who ask.
pub(super) type Times = Arc<[i64]>;

/// All series.
#[derive(Debug)]
pub(super) struct Store {
    retention_ms: i64,
    budget: usize,
    /// Bytes of samples and times.
    bytes: usize,
    /// Bytes of labels, texts and places: there as long as the series is.
    lasting: usize,
    /// Blocks that are over, and the number of the first.
    blocks: VecDeque<Times>,
    first: u64,
    /// The block that is written.
    times: Vec<i64>,
    tick: u64,
    series: Vec<Option<Series>>,
    free: Vec<u32>,
    count: usize,
    /// Of those the ones that had no sample at the last tick.
    ended: usize,
    names: HashMap<Arc<str>, Vec<u32>>,
    groups: HashMap<Owner, Group>,
    texts: HashSet<Arc<str>>,
    keys: RandomState,
    /// Series that found no room since this was asked last.
    refused: u64,
}

/// A series as it is copied for a query: everything in it is shared or small.
#[derive(Clone, Debug)]
pub(super) struct Copied {
    pub labels: Labels,
    pub parts: Vec<Part>,
    pub head: Head,
}

/// Times of all blocks, the one that is written last.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    pub first: u64,
    pub blocks: Vec<Times>,
}

impl Store {
    /// Nothing yet. `budget` in bytes.
    pub fn new(retention_ms: i64, budget: usize) -> Store {
        Store {
            retention_ms,
            budget,
            bytes: 0,
            lasting: 0,
            blocks: VecDeque::new(),
            first: 0,
            times: Vec::with_capacity(TICKS),
            tick: 0,
            series: Vec::new(),
            free: Vec::new(),
            count: 0,
            ended: 0,
            names: HashMap::new(),
            groups: HashMap::new(),
            texts: HashSet::new(),
            keys: RandomState::new(),
            refused: 0,
        }
    }

    /// Begins a tick. `false`: its time is not after the last one's, and nothing is to be appended.
    pub fn begin(&mut self, time: i64) -> bool {
        if let Some(last) = self.last_time().filter(|last| time <= *last) {
            if last - time <= SET_BACK_MS {
                return false;
            }
            // Numbers of blocks go on, lest a query that runs right now takes the new ones for those it knows.
            let first = self.first + self.blocks.len() as u64 + 1;
            *self = Store { first, refused: self.refused, ..Store::new(self.retention_ms, self.budget) };
        }
        if self.times.len() == TICKS {
            self.seal();
        }
        let oldest = time - self.retention_ms;
        while self.blocks.front().is_some_and(|times| times.last().is_none_or(|last| *last < oldest)) {
            self.drop_oldest();
        }
        self.times.push(time);
        self.tick += 1;
        self.groups.values_mut().for_each(|group| group.next = 0);
        true
    }

    /// Appends a sample: the name of its row, its labels beyond its owner's, the value.
    pub fn put(&mut self, owner: &Owner, name: &str, labels: &[(&str, &str)], value: f64) {
        let key = self.keys.hash_one((name, labels));
        let at = self.times.len() - 1;
        let Some(group) = self.groups.get_mut(owner) else {
            return self.make(owner, 0, key, name, labels, value);
        };
        let found = match group.slots.get(group.next) {
            Some(slot) if slot.key == key => Some(group.next),
            _ => {
                let (before, after) = group.slots.split_at(group.next.min(group.slots.len()));
                let is_it = |slot: &Slot| slot.key == key;
                let after = after.iter().position(is_it).map(|place| place + before.len());
                after.or_else(|| before.iter().position(is_it))
            }
        };
        let Some(found) = found else {
            let place = group.next.min(group.slots.len());
            return self.make(owner, place, key, name, labels, value);
        };
        group.next = found + 1;
        let index = group.slots[found].series as usize;
        if let Some(series) = &mut self.series[index] {
            let before = series.head.bytes();
            series.head.push(at, value);
            self.bytes = self.bytes + series.head.bytes() - before;
            self.ended -= usize::from(!series.live);
            (series.seen, series.live) = (self.tick, true);
        }
    }

    /// Ends a tick: series without a sample get a staleness marker, and the budget is kept.
    pub fn end(&mut self) {
        let (at, tick) = (self.times.len() - 1, self.tick);
        for series in self.series.iter_mut().flatten().filter(|series| series.live && series.seen != tick) {
            let before = series.head.bytes();
            series.head.end(at);
            self.bytes = self.bytes + series.head.bytes() - before;
            series.live = false;
            self.ended += 1;
        }
        self.make_room(0);
    }

    /// Lets the oldest go until so many bytes more fit; `false` where they do not even then.
    fn make_room(&mut self, more: usize) -> bool {
        // The last quarter is for samples, so that a flood of series leaves every one its newest.
        let most = self.budget / 4 * 3;
        while self.lasting + more > most {
            // Where all series go on, forgetting their past would make no room for another.
            if self.ended == 0 || !self.drop_some() {
                return false;
            }
        }
        while self.bytes() + more > self.budget {
            if !self.drop_some() {
                return false;
            }
        }
        true
    }

    /// Forgets the oldest there is; `false` where there is only the tick that is under way.
    fn drop_some(&mut self) -> bool {
        if self.blocks.is_empty() {
            if self.times.len() <= 1 {
                return false;
            }
            // What is written right now is all there is: it ends here, but for the tick that is under way.
            self.seal_but_last();
        }
        self.drop_oldest();
        true
    }

    fn make(&mut self, owner: &Owner, place: usize, key: u64, name: &str, labels: &[(&str, &str)], value: f64) {
        // Of its owner's two labels and its name, the texts may be new too.
        let text: usize = labels.iter().map(|(n, v)| text_bytes(n) + text_bytes(v)).sum();
        let more = labels_bytes(labels.len() + 3) + SERIES_BYTES + text + OWNER_BYTES;
        if !self.make_room(more) {
            self.refused += 1;
            return;
        }
        let labels = self.labels(owner, name, labels);
        self.lasting += labels_bytes(labels.len()) + SERIES_BYTES;
        let mut head = Head::default();
        head.push(self.times.len() - 1, value);
        let name = self.text(name);
        let series = Series { labels, parts: VecDeque::new(), head, seen: self.tick, live: true };
        let index = self.free.pop().unwrap_or(self.series.len() as u32);
        match self.series.get_mut(index as usize) {
            Some(place) => *place = Some(series),
            None => self.series.push(Some(series)),
        }
        self.count += 1;
        self.names.entry(name).or_default().push(index);
        let group = self.groups.entry(owner.clone()).or_default();
        // To make room, others of the group may have gone.
        let place = place.min(group.slots.len());
        group.slots.insert(place, Slot { key, series: index });
        group.next = place + 1;
    }

    fn labels(&mut self, owner: &Owner, name: &str, labels: &[(&str, &str)]) -> Labels {
        let mut pairs = vec![(self.text(NAME), self.text(name))];
        if let Some((experiment, trial)) = owner {
            pairs.push((self.text("experiment"), self.text(experiment.as_str())));
            pairs.push((self.text("trial"), self.text(trial.as_str())));
        }
        pairs.extend(labels.iter().map(|(n, v)| (self.text(n), self.text(v))));
        Labels::new(pairs)
    }

    /// One copy of each text.
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.lasting += text_bytes(&new);
        self.texts.insert(new.clone());
        new
    }

    /// Ends the block that is written; series go on in the next.
    fn seal(&mut self) {
        let (number, ticks) = (self.first + self.blocks.len() as u64, self.times.len());
        let before = (number > 0).then(|| self.blocks.back().map_or(0, |times| times.len()));
        for series in self.series.iter_mut().flatten() {
            let head = std::mem::take(&mut series.head);
            self.bytes -= head.bytes();
            let Some(chunk) = head.seal(ticks) else { continue };
            let same = |last: &Part| {
                let constant = last.chunk.constant(before.unwrap_or(0)).map(f64::to_bits);
                last.to + 1 == number && constant.is_some() && constant == chunk.constant(ticks).map(f64::to_bits)
            };
            match series.parts.back_mut() {
                // A chunk knows its number of ticks: blocks that ended early do not share one.
                Some(last) if before == Some(ticks) && same(last) => last.to = number,
                _ => {
                    self.bytes += chunk.bytes() + size_of::<Part>();
                    series.parts.push_back(Part { from: number, to: number, chunk: Arc::new(chunk) });
                }
            }
        }
        self.bytes += ticks * size_of::<i64>();
        self.blocks.push_back(std::mem::take(&mut self.times).into());
        self.times.reserve(TICKS);
    }

    /// Ends the block before the tick that is under way, which becomes the first of the next.
    fn seal_but_last(&mut self) {
        let Some(now) = self.times.pop() else { return };
        let at = self.times.len();
        let mut kept = Vec::new();
        for (index, series) in self.series.iter_mut().enumerate() {
            let Some(series) = series else { continue };
            series.head.each(at + 1, &mut |tick, value| {
                if tick == at {
                    kept.push((index, value));
                }
            });
        }
        self.seal();
        self.times.push(now);
        for (index, value) in kept {
            let Some(series) = &mut self.series[index] else { continue };
            match is_stale(value) {
                true => series.head.end(0),
                false => series.head.push(0, value),
            }
            self.bytes += series.head.bytes();
        }
    }

    /// Forgets the oldest block, and series and texts of which nothing is left.
    fn drop_oldest(&mut self) {
        let Some(times) = self.blocks.pop_front() else { return };
        self.bytes -= times.len() * size_of::<i64>();
        let gone = self.first;
        self.first += 1;
        let mut empty = false;
        for series in self.series.iter_mut().flatten() {
            if let Some(part) = series.parts.front_mut().filter(|part| part.from <= gone) {
                part.from = gone + 1;
                if part.to <= gone {
                    self.bytes -= part.chunk.bytes() + size_of::<Part>();
                    series.parts.pop_front();
                }
            }
            empty |= series.is_empty();
        }
        if empty {
            self.bury();
        }
    }

    /// Removes series without samples.
    fn bury(&mut self) {
        let mut dead = HashSet::new();
        for (index, place) in self.series.iter_mut().enumerate() {
            if let Some(series) = place.take_if(|series| series.is_empty()) {
                self.lasting -= labels_bytes(series.labels.len()) + SERIES_BYTES;
                dead.insert(index as u32);
            }
        }
        self.count -= dead.len();
        self.ended -= dead.len();
        self.names.retain(|_, all| {
            all.retain(|index| !dead.contains(index));
            !all.is_empty()
        });
        self.groups.retain(|_, group| {
            let done = group.slots[..group.next.min(group.slots.len())].iter().filter(|s| dead.contains(&s.series));
            group.next -= done.count();
            group.slots.retain(|slot| !dead.contains(&slot.series));
            !group.slots.is_empty()
        });
        self.free.extend(dead);
        let mut freed = 0;
        self.texts.retain(|text| {
            let used = Arc::strong_count(text) > 1;
            freed += if used { 0 } else { text_bytes(text) };
            used
        });
        self.lasting -= freed;
    }

    /// The time of the last tick, milliseconds.
    pub fn last_time(&self) -> Option<i64> {
        self.times.last().or_else(|| self.blocks.back().and_then(|times| times.last())).copied()
    }

    /// The time of the oldest tick, milliseconds.
    pub fn oldest_time(&self) -> Option<i64> {
        self.blocks.front().and_then(|times| times.first()).or_else(|| self.times.first()).copied()
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Bytes that all of it takes, as counted.
    pub fn bytes(&self) -> usize {
        self.bytes + self.lasting
    }

    /// Series that found no room since this was asked last.
    pub fn refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// The times of all ticks.
    pub fn clock(&self) -> Clock {
        let written: Times = self.times[..].into();
        Clock { first: self.first, blocks: self.blocks.iter().cloned().chain([written]).collect() }
    }

    /// Numbers and labels of the series of a name, or of all.
    pub fn candidates(&self, name: Option<&str>) -> Vec<(u32, Labels)> {
        let labels = |index: u32| Some((index, self.series[index as usize].as_ref()?.labels.clone()));
        match name {
            Some(name) => self.names.get(name).into_iter().flatten().filter_map(|index| labels(*index)).collect(),
            None => (0..self.series.len() as u32).filter_map(labels).collect(),
        }
    }

    /// A copy of a series, as far as it lies in these blocks. `None`: it has gone meanwhile, or has nothing there.
    pub fn copy(&self, index: u32, labels: &Labels, blocks: std::ops::RangeInclusive<u64>) -> Option<Copied> {
        let series = self.series.get(index as usize)?.as_ref().filter(|series| series.labels == *labels)?;
        let parts = series.parts.iter().filter(|part| part.from <= *blocks.end() && part.to >= *blocks.start());
        let written = self.first + self.blocks.len() as u64;
        let head = if blocks.contains(&written) { series.head.clone() } else { Head::Empty };
        let copied = Copied { labels: series.labels.clone(), parts: parts.cloned().collect(), head };
        (!copied.parts.is_empty() || !matches!(copied.head, Head::Empty)).then_some(copied)
    }
}

impl Series {
    fn is_empty(&self) -> bool {
        !self.live && self.parts.is_empty() && matches!(self.head, Head::Empty)
    }
}

/// Bytes of a label set; twice, as the evaluator keeps it without its name too.
fn labels_bytes(labels: usize) -> usize {
    2 * (64 + labels * size_of::<(Arc<str>, Arc<str>)>())
}

/// Bytes of a text, its counters, and its place among the others.
fn text_bytes(text: &str) -> usize {
    text.len() + 16 + 32
}
