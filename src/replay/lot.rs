//! One permutation: drawn trials go through an engine of their own, one after the other on each worker.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use super::corpus::Piece;
use super::outcome::Used;
use super::pool::{Part, Unit};
use super::retold::obeys;
use crate::engine::Engine;
use crate::model::{
    Effect, Event, ExitStatus, Exited, HostSample, Moment, Policy, Reading, ReadingCause, Reply, RunId, SECOND,
    Settings, StopOutcome, StopRecord, Tick, Tree, TreeSample,
};

/// When the made-up clocks begin: any day will do, but not the first of the epoch.
const BEGIN: Moment = Moment { boot_ns: SECOND, mono_ns: SECOND, wall_ms: 1_700_000_000_000 };

/// What became of a trial of the lot.
#[derive(Clone, Debug)]
struct Fate {
    /// Its unit and its place in it.
    unit: usize,
    part: usize,
    /// The next piece is so manieth.
    next: usize,
    over: bool,
    stopped: Option<(Arc<str>, Used)>,
    /// Rules that would have stopped it and were held back by the guard or their own `max_stops`.
    limited: BTreeSet<Arc<str>>,
}

/// What became of a unit.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended {
    /// What was used of it.
    pub used: Used,
    /// The rule that stopped it, or one of its folds.
    pub stopped_by: Option<Arc<str>>,
    /// Rules that were held back from stopping it.
    pub limited: BTreeSet<Arc<str>>,
}

/// A lot under way.
struct Lot<'u> {
    engine: Engine,
    units: Vec<&'u Unit>,
    /// How many parts of each unit are not over.
    open: Vec<usize>,
    fates: HashMap<RunId, Fate>,
    failed: Option<String>,
}

/// Plays units in their order on so many workers; what became of each, in the same order.
///
/// # Errors
/// Something that the engine refused, which should not be: in words.
pub(super) fn play(
    units: &[&Unit],
    policy: &Arc<Policy>,
    settings: &Settings,
    workers: usize,
) -> Result<Vec<Ended>, String> {
    let mut lot = Lot {
        engine: Engine::new(settings.clone(), || 0, BEGIN),
        units: units.to_vec(),
        open: units.iter().map(|unit| unit.parts.len()).collect(),
        fates: HashMap::new(),
        failed: None,
    };
    lot.step(BEGIN, Event::Policy(policy.clone()));
    // Each worker has the time of its unit's next piece, the unit, and that piece's place.
    let mut workers: BinaryHeap<Reverse<(u64, usize, usize)>> =
        (0..workers.min(units.len())).map(|n| Reverse((0, n, 0))).collect();
    let mut next = workers.len();
    let mut begun: Vec<u64> = vec![0; units.len()];
    while let Some(Reverse((now, unit, place))) = workers.pop() {
        if place == 0 {
            begun[unit] = now;
            lot.begin(unit);
        }
        lot.piece(now, unit, place);
        if let Some(failed) = lot.failed.take() {
            return Err(failed);
        }
        match lot.units[unit].pieces.get(place + 1).filter(|_| lot.open[unit] > 0) {
            Some((offset, ..)) => workers.push(Reverse((begun[unit] + offset, unit, place + 1))),
            None => {
                lot.finish(now, unit);
                if next < units.len() {
                    workers.push(Reverse((now, next, 0)));
                    next += 1;
                }
            }
        }
    }
    Ok(lot.ended())
}

/// So many nanoseconds after the beginning.
fn moment(ns: u64) -> Moment {
    BEGIN.plus(ns)
}

fn tick(at: Moment, trees: Vec<TreeSample>) -> Event {
    Event::Tick(Tick { at, took_ns: 0, overruns: 0, trees, host: HostSample::default(), up: Vec::new() })
}

impl<'u> Lot<'u> {
    fn begin(&mut self, unit: usize) {
        for (part, one) in self.units[unit].parts.iter().enumerate() {
            let fate = Fate { unit, part, next: 0, over: false, stopped: None, limited: BTreeSet::new() };
            self.fates.insert(one.recording.view.run, fate);
        }
    }

    fn part(&self, fate: &Fate) -> &'u Part {
        &self.units[fate.unit].parts[fate.part]
    }

    /// What happens next to a unit.
    fn piece(&mut self, now: u64, unit: usize, place: usize) {
        let whole: &'u Unit = self.units[unit];
        let Some((_, part, piece)) = whole.pieces.get(place).copied() else { return };
        let part = &whole.parts[part as usize];
        let run = part.recording.view.run;
        let Some(fate) = self.fates.get_mut(&run).filter(|fate| !fate.over) else { return };
        let said_all = fate.next > part.last_report;
        fate.next = piece as usize + 1;
        let at = moment(now);
        match &part.recording.pieces[piece as usize].piece {
            Piece::Event(event) => self.feed(at, event),
            // It has said all that it had to say: a verdict would save nothing and lose nothing.
            Piece::Seen(_) | Piece::Unseen if said_all => {}
            Piece::Seen(tree) => self.step(at, tick(at, vec![tree.clone()])),
            Piece::Unseen => self.step(at, tick(at, Vec::new())),
        }
    }

    /// A unit is through: whoever of it still lives there has come to its end.
    fn finish(&mut self, now: u64, unit: usize) {
        let whole: &'u Unit = self.units[unit];
        for part in &whole.parts {
            let run = part.recording.view.run;
            if self.engine.view(run).is_some_and(|view| view.state.is_living()) {
                self.end(moment(now), run, part);
            }
        }
    }

    /// An end that the record does not tell: the root is gone, its connections with it, and its tree is empty.
    fn end(&mut self, at: Moment, run: RunId, part: &Part) {
        let status = Some(ExitStatus::Code(0));
        self.step(at, Event::Exited(Exited { run, status, usage: None, oom: false }));
        let lines = part.recording.pieces.iter().filter_map(|at| match &at.piece {
            Piece::Event(Event::Line(line)) => Some(line.conn),
            _ => None,
        });
        let mut conns: Vec<_> = lines.collect();
        conns.dedup();
        conns.into_iter().for_each(|conn| self.step(at, Event::Closed(conn)));
        let seen = part.recording.pieces.iter().rev().find_map(|at| match &at.piece {
            Piece::Seen(tree) => Some(tree.clone()),
            _ => None,
        });
        if let Some(tree) = seen {
            let sample = TreeSample { processes: 0, complete: true, ..tree };
            self.step(at, Event::Reading(Reading { cause: ReadingCause::Exit, sample }));
        }
    }

    fn step(&mut self, at: Moment, event: Event) {
        self.feed(at, &event);
    }

    /// One event, and what follows from it at once.
    fn feed(&mut self, at: Moment, event: &Event) {
        if matches!(event, Event::Tick(_)) {
            self.engine.close_gap();
        }
        let effects = self.engine.step(at, event);
        let mut answers = VecDeque::new();
        effects.iter().for_each(|effect| self.answer(at, effect, &mut answers));
        while let Some(answer) = answers.pop_front() {
            let effects = self.engine.step(at, &answer);
            effects.iter().for_each(|effect| self.answer(at, effect, &mut answers));
        }
    }

    fn answer(&mut self, at: Moment, effect: &Effect, answers: &mut VecDeque<Event>) {
        match effect {
            Effect::Record(record) => self.stopped(at, record, answers),
            Effect::Head(view) => {
                let limited = view.stops.keys().filter(|(_, outcome)| *outcome == StopOutcome::Limited);
                if let Some(fate) = self.fates.get_mut(&view.run) {
                    fate.limited.extend(limited.map(|(rule, _)| rule.clone()));
                }
            }
            Effect::Send(conn, Reply::Stop(_)) => answers.push_back(obeys(*conn)),
            Effect::Send(_, Reply::Error(refusal)) => self.failed = Some(refusal.message.clone()),
            Effect::Read(run, cause @ (ReadingCause::Confirm | ReadingCause::Weigh)) => {
                if let Some(sample) = self.engine.view(*run).and_then(|view| view.tree.clone()) {
                    answers.push_back(Event::Reading(Reading { cause: *cause, sample }));
                }
            }
            _ => {}
        }
    }

    /// A stop begins, and the trial obeys at once.
    fn stopped(&mut self, at: Moment, record: &StopRecord, answers: &mut VecDeque<Event>) {
        let Some(view) = self.engine.view(record.run).cloned() else { return };
        if !view.ask_only {
            answers.push_back(Event::Tree(Tree { run: record.run, members: Vec::new() }));
        }
        let Some(fate) = self.fates.get(&record.run).filter(|fate| !fate.over).cloned() else { return };
        let part = self.part(&fate);
        // With its last report it is complete, whatever is said of it.
        let complete = fate.next > part.last_report;
        let cpu = view.totals.cpu;
        let used = Used {
            steps: view.progress.steps_total as f64,
            seconds: view.elapsed(at),
            cpu_seconds: cpu.first + cpu.second,
            gib_hours: 0.0,
        };
        if let Some(fate) = self.fates.get_mut(&record.run) {
            fate.over = true;
            fate.stopped = (!complete).then(|| (record.rule.clone(), used));
            self.open[fate.unit] -= 1;
        }
    }

    fn ended(self) -> Vec<Ended> {
        let one = |unit: &&Unit| {
            let mut ended = Ended::default();
            for part in &unit.parts {
                let fate = self.fates.get(&part.recording.view.run);
                ended.limited.extend(fate.iter().flat_map(|fate| fate.limited.iter().cloned()));
                let stopped = fate.and_then(|fate| fate.stopped.clone());
                let used = stopped.as_ref().map_or(part.total, |(_, used)| *used);
                ended.used.steps += used.steps;
                ended.used.seconds += used.seconds;
                ended.used.cpu_seconds += used.cpu_seconds;
                ended.stopped_by = ended.stopped_by.or(stopped.map(|(rule, _)| rule));
            }
            ended
        };
        self.units.iter().map(one).collect()
    }
}
