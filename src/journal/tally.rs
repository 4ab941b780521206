//! What must outlive a daemon that is killed before SQLite has it, in a mapped file: the counters of living trials as they
//! were last shown, so that the next life never shows lower ones, and heads that the writer has not written yet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fmt, io};

use super::body::{Json, record};
use super::bytes::{Eye, Pen};
use super::item::Origin;
use super::machine::Machine;
use super::page::Turns;
use crate::model::{
    Improvement, MetricView, Mode, Moment, Pair, Progress, Root, RunId, STEP_BUCKETS, Snapshot, StepTimes, StopOutcome,
    Totals, TrialView,
};

/// Bytes of a file at first: some 300 trials. It grows with the living trials.
const SIZE: u64 = 256 * 1024;

/// What the tally keeps of a trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tallied {
    pub totals: Totals,
    pub progress: Progress,
    pub metrics: BTreeMap<String, MetricView>,
    pub stops: BTreeMap<(Arc<str>, StopOutcome), u64>,
    pub saved: BTreeMap<Arc<str>, f64>,
}

impl Tallied {
    /// Puts the kept figures in the place of those of a head, which is never newer.
    pub fn onto(self, view: &mut TrialView) {
        view.totals = self.totals;
        view.progress = self.progress;
        view.metrics = self.metrics;
        view.stops = self.stops;
        view.saved = self.saved;
    }
}

/// A head that may not be in SQLite yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Noted {
    pub view: TrialView,
    pub origin: Option<Origin>,
    pub root: Option<Root>,
}
record!(Noted { view, origin, root });

/// What an earlier life left.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub figures: BTreeMap<RunId, Tallied>,
    pub heads: Vec<Noted>,
    /// Who wrote it; `None` where there was nothing.
    pub machine: Option<Machine>,
}

/// The file and what it holds.
pub(super) struct Tally {
    turns: Turns,
    paths: [PathBuf; 2],
    kept: BTreeMap<RunId, (Option<Arc<TrialView>>, Vec<u8>)>,
    heads: BTreeMap<RunId, (u64, Vec<u8>)>,
    number: u64,
    written: Arc<AtomicU64>,
}

const FIGURES: u8 = 0;
const HEAD: u8 = 1;

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").field("kept", &self.kept.len()).finish()
    }
}

impl Tally {
    /// Opens the tally beside `journal` and reads what an earlier life left.
    pub fn beside(journal: &Path, machine: Machine) -> io::Result<(Tally, Left)> {
        let paths = ["tally-a", "tally-b"].map(|end| journal.with_extension(end));
        let (turns, found) = Turns::open(&paths, SIZE, machine)?;
        let (kept, heads, written) = (BTreeMap::new(), BTreeMap::new(), Arc::default());
        let mut tally = Tally { turns, paths, kept, heads, number: 0, written };
        let mut left = Left::default();
        for bytes in found.into_iter().flat_map(|found| {
            left.machine = Some(found.machine);
            found.entries
        }) {
            let mut eye = Eye(&bytes);
            match (eye.u8(), eye.u128().map(RunId)) {
                (Some(FIGURES), Some(run)) => drop(tally.kept.insert(run, (None, bytes))),
                (Some(HEAD), Some(run)) => {
                    tally.number += 1;
                    tally.heads.insert(run, (tally.number, bytes));
                }
                _ => {}
            }
        }
        left.figures = tally.kept.iter().filter_map(|(run, (_, bytes))| Some((*run, decode(bytes)?))).collect();
        left.heads = tally.heads.values().filter_map(|(_, bytes)| read_head(bytes)).collect();
        tally.turn(0)?;
        Ok((tally, left))
    }

    /// Keeps a head until the writer says that its number is written; returns the number.
    pub fn note(&mut self, noted: &Noted) -> io::Result<u64> {
        let mut pen = Pen::default();
        pen.u8(HEAD);
        pen.u128(noted.view.run.0);
        pen.text(&noted.put().to_string());
        self.number += 1;
        let room = self.turns.append(&pen.0);
        let length = pen.0.len();
        self.heads.insert(noted.view.run, (self.number, pen.0));
        if !room {
            self.turn(length)?;
        }
        Ok(self.number)
    }

    /// Where the writer says up to which number heads are written.
    pub fn written(&self) -> Arc<AtomicU64> {
        self.written.clone()
    }

    /// All heads so far are written: the file forgets them.
    pub fn all_written(&mut self) -> io::Result<()> {
        self.written.store(self.number, Ordering::Relaxed);
        self.turn(0)
    }

    /// Forgets the heads that are written by now: the last thing of a life in good order.
    pub fn settle(&mut self) -> io::Result<()> {
        self.turn(0)
    }

    /// Keeps the living trials of a snapshot; those that did not change cost a comparison of pointers.
    pub fn keep(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let living = || snapshot.trials.iter().filter(|view| view.state.is_living());
        let count = living().count();
        for view in living() {
            let same =
                |(old, _): &(Option<Arc<TrialView>>, Vec<u8>)| old.as_ref().is_some_and(|o| Arc::ptr_eq(o, view));
            if self.kept.get(&view.run).is_some_and(same) {
                continue;
            }
            let bytes = encode(view);
            let new = self.kept.get(&view.run).is_none_or(|(_, old)| *old != bytes);
            self.kept.insert(view.run, (Some(view.clone()), bytes));
            if new && !self.turns.append(&self.kept[&view.run].1) {
                self.turn(self.kept[&view.run].1.len())?;
            }
        }
        let written = self.written.load(Ordering::Relaxed);
        if self.heads.values().any(|(number, _)| *number <= written) {
            self.heads.retain(|_, (number, _)| *number > written);
        }
        if self.kept.len() > count {
            let runs: std::collections::BTreeSet<RunId> = living().map(|view| view.run).collect();
            self.kept.retain(|run, _| runs.contains(run));
        }
        Ok(())
    }

    /// Takes the files away: nobody lives that it could speak of, or what it holds would be old by the next life.
    pub fn remove(self) {
        for path in &self.paths {
            let _ = std::fs::remove_file(path);
        }
    }

    fn turn(&mut self, more: usize) -> io::Result<()> {
        let written = self.written.load(Ordering::Relaxed);
        self.heads.retain(|_, (number, _)| *number > written);
        let (heads, figures) = (self.heads.values().map(|(_, b)| b), self.kept.values().map(|(_, b)| b));
        let entries: Vec<Vec<u8>> = heads.chain(figures).cloned().collect();
        self.turns.turn(&entries, more)
    }
}

fn read_head(bytes: &[u8]) -> Option<Noted> {
    let mut eye = Eye(bytes);
    eye.u8()?;
    eye.u128()?;
    Noted::take(&serde_json::from_str(eye.text()?).ok()?).ok()
}

fn encode(view: &TrialView) -> Vec<u8> {
    let mut pen = Pen(Vec::with_capacity(1024));
    pen.u8(FIGURES);
    pen.u128(view.run.0);
    put_totals(&mut pen, &view.totals);
    put_progress(&mut pen, &view.progress);
    list(&mut pen, view.metrics.iter(), |pen, (name, metric)| {
        pen.text(name);
        put_metric(pen, metric);
    });
    list(&mut pen, view.stops.iter(), |pen, ((rule, outcome), count)| {
        pen.text(rule);
        pen.u8(StopOutcome::ALL.iter().position(|o| o == outcome).unwrap_or(0) as u8);
        pen.u64(*count);
    });
    list(&mut pen, view.saved.iter(), |pen, (rule, seconds)| {
        pen.text(rule);
        pen.f64(*seconds);
    });
    pen.0
}

fn decode(bytes: &[u8]) -> Option<Tallied> {
    let mut eye = Eye(bytes);
    eye.u8()?;
    eye.u128()?;
    let totals = take_totals(&mut eye)?;
    let progress = take_progress(&mut eye)?;
    let metrics = all(&mut eye, |eye| Some((eye.text()?.to_string(), take_metric(eye)?)))?;
    let stops =
        all(&mut eye, |eye| Some(((eye.text()?.into(), *StopOutcome::ALL.get(eye.u8()? as usize)?), eye.u64()?)))?;
    let saved = all(&mut eye, |eye| Some((eye.text()?.into(), eye.f64()?)))?;
    let tallied = Tallied { totals, progress, metrics, stops, saved };
    eye.0.is_empty().then_some(tallied)
}

fn list<T>(pen: &mut Pen, items: impl ExactSizeIterator<Item = T>, put: impl Fn(&mut Pen, T)) {
    pen.u32(items.len() as u32);
    items.for_each(|item| put(pen, item));
}

fn all<'a, T, C: FromIterator<T>>(eye: &mut Eye<'a>, take: impl Fn(&mut Eye<'a>) -> Option<T>) -> Option<C> {
    (0..eye.u32()?).map(|_| take(eye)).collect()
}

fn maybe<T>(pen: &mut Pen, value: Option<T>, put: impl Fn(&mut Pen, T)) {
    pen.u8(value.is_some().into());
    value.into_iter().for_each(|value| put(pen, value));
}

/// The outer `None`: damaged. The inner: not there.
fn perhaps<'a, T>(eye: &mut Eye<'a>, take: impl Fn(&mut Eye<'a>) -> Option<T>) -> Option<Option<T>> {
    if eye.flag()? { take(eye).map(Some) } else { Some(None) }
}

fn put_pair(pen: &mut Pen, pair: Pair<u64>) {
    pen.u64(pair.first);
    pen.u64(pair.second);
}

fn take_pair(eye: &mut Eye) -> Option<Pair<u64>> {
    Some(Pair { first: eye.u64()?, second: eye.u64()? })
}

fn put_seconds(pen: &mut Pen, pair: &Pair<f64>) {
    pen.f64(pair.first);
    pen.f64(pair.second);
}

fn take_seconds(eye: &mut Eye) -> Option<Pair<f64>> {
    Some(Pair { first: eye.f64()?, second: eye.f64()? })
}

fn put_moment(pen: &mut Pen, moment: Moment) {
    pen.u64(moment.boot_ns);
    pen.u64(moment.mono_ns);
    pen.u64(moment.wall_ms as u64);
}

fn take_moment(eye: &mut Eye) -> Option<Moment> {
    Some(Moment { boot_ns: eye.u64()?, mono_ns: eye.u64()?, wall_ms: eye.u64()? as i64 })
}

fn put_totals(pen: &mut Pen, totals: &Totals) {
    put_seconds(pen, &totals.cpu);
    maybe(pen, totals.io, put_pair);
    maybe(pen, totals.major_faults, Pen::u64);
    maybe(pen, totals.switches, put_pair);
    maybe(pen, totals.memory_peak, Pen::u64);
}

fn take_totals(eye: &mut Eye) -> Option<Totals> {
    Some(Totals {
        cpu: take_seconds(eye)?,
        io: perhaps(eye, take_pair)?,
        major_faults: perhaps(eye, Eye::u64)?,
        switches: perhaps(eye, take_pair)?,
        memory_peak: perhaps(eye, Eye::u64)?,
    })
}

fn put_progress(pen: &mut Pen, p: &Progress) {
    maybe(pen, p.hello, put_moment);
    maybe(pen, p.step, Pen::u64);
    maybe(pen, p.target_steps, Pen::u64);
    maybe(pen, p.total_epochs, Pen::f64);
    maybe(pen, p.epoch, Pen::f64);
    [p.steps_total, p.samples_total, p.heartbeats].into_iter().for_each(|count| pen.u64(count));
    maybe(pen, p.last_heartbeat, put_moment);
    maybe(pen, p.last_step_at, put_moment);
    list(pen, p.since_step.iter(), |pen, (phase, seconds)| {
        pen.text(phase);
        pen.f64(*seconds);
    });
    maybe(pen, p.phase.as_deref(), Pen::text);
    maybe(pen, p.phase_since, put_moment);
    list(pen, p.phases.iter(), |pen, (phase, seconds)| {
        pen.text(phase);
        put_seconds(pen, seconds);
    });
    p.step_times.buckets.iter().for_each(|count| pen.u64(*count));
    pen.f64(p.step_times.sum);
    list(pen, p.workers.iter(), |pen, (worker, step)| {
        pen.text(worker);
        pen.u64(*step);
    });
}

fn take_progress(eye: &mut Eye) -> Option<Progress> {
    Some(Progress {
        hello: perhaps(eye, take_moment)?,
        step: perhaps(eye, Eye::u64)?,
        target_steps: perhaps(eye, Eye::u64)?,
        total_epochs: perhaps(eye, Eye::f64)?,
        epoch: perhaps(eye, Eye::f64)?,
        steps_total: eye.u64()?,
        samples_total: eye.u64()?,
        heartbeats: eye.u64()?,
        last_heartbeat: perhaps(eye, take_moment)?,
        last_step_at: perhaps(eye, take_moment)?,
        since_step: all(eye, |eye| Some((eye.text()?.to_string(), eye.f64()?)))?,
        phase: perhaps(eye, |eye| eye.text().map(str::to_string))?,
        phase_since: perhaps(eye, take_moment)?,
        phases: all(eye, |eye| Some((eye.text()?.to_string(), take_seconds(eye)?)))?,
        step_times: take_times(eye)?,
        workers: all(eye, |eye| Some((eye.text()?.to_string(), eye.u64()?)))?,
    })
}

fn take_times(eye: &mut Eye) -> Option<StepTimes> {
    let mut times = StepTimes { buckets: [0; STEP_BUCKETS.len() + 1], sum: 0.0 };
    for count in &mut times.buckets {
        *count = eye.u64()?;
    }
    times.sum = eye.f64()?;
    Some(times)
}

fn put_metric(pen: &mut Pen, m: &MetricView) {
    pen.f64(m.last);
    pen.f64(m.seen);
    maybe(pen, m.best, Pen::f64);
    maybe(pen, m.best_step, Pen::u64);
    maybe(pen, m.best_report, Pen::u64);
    list(pen, m.improvements.iter(), |pen, i| {
        maybe(pen, i.mode, put_mode);
        pen.f64(i.min_delta);
        pen.f64(i.best);
        maybe(pen, i.step, Pen::u64);
        pen.u64(i.report);
    });
    maybe(pen, m.peer_median, Pen::f64);
    maybe(pen, m.step, Pen::u64);
    maybe(pen, m.mode, put_mode);
    pen.u64(m.reports);
    maybe(pen, m.last_word, Pen::f64);
}

fn put_mode(pen: &mut Pen, mode: Mode) {
    pen.u8((mode == Mode::Max).into());
}

fn take_mode(eye: &mut Eye) -> Option<Mode> {
    eye.flag().map(|max| if max { Mode::Max } else { Mode::Min })
}

fn take_improvement(eye: &mut Eye) -> Option<Improvement> {
    Some(Improvement {
        mode: perhaps(eye, take_mode)?,
        min_delta: eye.f64()?,
        best: eye.f64()?,
        step: perhaps(eye, Eye::u64)?,
        report: eye.u64()?,
    })
}

fn take_metric(eye: &mut Eye) -> Option<MetricView> {
    Some(MetricView {
        last: eye.f64()?,
        seen: eye.f64()?,
        best: perhaps(eye, Eye::f64)?,
        best_step: perhaps(eye, Eye::u64)?,
        best_report: perhaps(eye, Eye::u64)?,
        improvements: all(eye, take_improvement)?,
        peer_median: perhaps(eye, Eye::f64)?,
        step: perhaps(eye, Eye::u64)?,
        mode: perhaps(eye, take_mode)?,
        reports: eye.u64()?,
        last_word: perhaps(eye, Eye::f64)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::body::tests_of_trial::view;
    use crate::model::TrialState;

    fn snapshot(views: &[TrialView]) -> Snapshot {
        Snapshot { trials: views.iter().cloned().map(Arc::new).collect(), ..Snapshot::default() }
    }

    fn of(view: &TrialView) -> Tallied {
        let (totals, progress, metrics) = (view.totals.clone(), view.progress.clone(), view.metrics.clone());
        Tallied { totals, progress, metrics, stops: view.stops.clone(), saved: view.saved.clone() }
    }

    #[test]
    fn what_was_shown_last_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.sqlite");
        let (mut tally, none) = Tally::beside(&path, Machine::here()).unwrap();
        assert!(none.figures.is_empty() && none.heads.is_empty() && none.machine.is_none());
        let noted = |view: &TrialView| Noted { view: view.clone(), origin: None, root: None };
        let mut views = [view(RunId(1), TrialState::Running), view(RunId(2), TrialState::Stopping)];
        let ended = view(RunId(3), TrialState::Completed);
        assert_eq!(tally.note(&noted(&views[0])).unwrap(), 1);
        assert_eq!(tally.note(&noted(&views[1])).unwrap(), 2);
        tally.written().store(1, Ordering::Relaxed);
        // Often enough to fill a file several times.
        for round in 0..2000 {
            views[0].progress.heartbeats = round;
            views[0].metrics.entry("rmse".into()).or_default().best = None;
            views[1].totals.cpu.first = round as f64;
            tally.keep(&snapshot(&[views[0].clone(), views[1].clone(), ended.clone()])).unwrap();
        }
        drop(tally);
        let (mut tally, left) = Tally::beside(&path, Machine::here()).unwrap();
        assert_eq!(left.machine, Some(Machine::here()));
        assert_eq!(left.heads, vec![noted(&view(RunId(2), TrialState::Stopping))], "the first one was written");
        tally.all_written().unwrap();
        drop(tally);
        assert!(Tally::beside(&path, Machine::here()).unwrap().1.heads.is_empty());
        assert_eq!(left.figures, BTreeMap::from([(RunId(1), of(&views[0])), (RunId(2), of(&views[1]))]));
    }

    #[test]
    fn a_cut_entry_is_none() {
        let bytes = encode(&view(RunId(1), TrialState::Running));
        assert!(decode(&bytes).is_some());
        (0..bytes.len()).for_each(|end| assert_eq!(decode(&bytes[..end]), None));
    }
}
