//! What a journal says was done: stops with their rungs and signals, and how trials stood at the end; as text, so that a
//! replay can be compared with it byte by byte.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::body::Json;
use crate::model::{Effect, Moment, RunId, Shot, StopId, StopOutcome, StopRecord, TrialView};

/// One stop, as its rows have it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    run: String,
    rule: String,
    reason: String,
    begun_ms: i64,
    /// When it was over (where that can be known) and how it came out.
    ended: Option<(Option<i64>, String)>,
    record: String,
    /// Rung and end (boot clock) to its beginning and the wall time of its record.
    rungs: BTreeMap<(i64, i64), (i64, i64)>,
    /// Wall time and signal.
    shots: Vec<(i64, String)>,
}

/// All that was done, in the order of ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdicts {
    stops: BTreeMap<StopId, Row>,
    /// By run: state, exit, stop, and stops by rule and outcome, those that were only observed included.
    trials: BTreeMap<RunId, String>,
}

/// One place where two accounts differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The stop or the run.
    pub of: String,
    /// As the journal has it; empty: it has nothing.
    pub journal: String,
    /// As the replay has it; empty: it has nothing.
    pub replay: String,
}

impl Verdicts {
    /// The engine did this now: what the journal keeps of it.
    pub fn effect(&mut self, at: Moment, effect: &Effect) {
        match effect {
            Effect::Record(record) => self.stop(at.wall_ms, record, None),
            Effect::Close(record, outcome) => self.stop(at.wall_ms, record, Some((Some(at.wall_ms), *outcome))),
            Effect::Signal(shot) => self.shot(at.wall_ms, shot),
            Effect::Head(view) => drop(self.trials.insert(view.run, told(view))),
            _ => {}
        }
    }

    /// A stop whose trial was gone when a daemon came back: it was closed then, a moment that no input tells.
    pub fn orphan(&mut self, record: &StopRecord, outcome: StopOutcome) {
        let begun = self.stops.get(&record.id).map_or(0, |row| row.begun_ms);
        self.stop(begun, record, Some((None, outcome)));
    }

    fn stop(&mut self, wall_ms: i64, record: &StopRecord, ended: Option<(Option<i64>, StopOutcome)>) {
        let row = self.stops.entry(record.id).or_insert_with(|| Row {
            run: record.run.to_string(),
            begun_ms: wall_ms,
            ..Row::default()
        });
        (row.rule, row.reason) = (record.rule.to_string(), record.reason.clone());
        row.ended = ended.map(|(at, outcome)| (at, outcome.as_str().to_string()));
        row.record = record.put().to_string();
        let rung = (record.rung as i64, record.rung_until_ns as i64);
        row.rungs.entry(rung).or_insert((record.rung_since_ns as i64, wall_ms));
    }

    fn shot(&mut self, wall_ms: i64, shot: &Shot) {
        if let Some(row) = self.stops.get_mut(&shot.stop) {
            row.shots.push((wall_ms, shot.put().to_string()));
        }
    }

    /// How many stops there are.
    pub fn stops(&self) -> usize {
        self.stops.len()
    }

    /// Where a replay's account differs from this one, the journal's; nothing: they are equal to the byte.
    pub fn differences(&self, replay: &Verdicts) -> Vec<Difference> {
        let difference = |of: String, journal: String, replay: String| {
            (journal != replay).then_some(Difference { of, journal, replay })
        };
        let ids: std::collections::BTreeSet<&StopId> = self.stops.keys().chain(replay.stops.keys()).collect();
        let stops = ids.into_iter().filter_map(|id| {
            let (ours, theirs) = (self.stops.get(id), replay.stops.get(id));
            let blind = theirs.and_then(|row| row.ended.as_ref()).is_some_and(|(at, _)| at.is_none());
            let text = |row: Option<&Row>| row.map_or_else(String::new, |row| row.text(blind));
            difference(format!("stop {id}"), text(ours), text(theirs))
        });
        let runs: std::collections::BTreeSet<&RunId> = self.trials.keys().chain(replay.trials.keys()).collect();
        let trials = runs.into_iter().filter_map(|run| {
            let text = |all: &BTreeMap<RunId, String>| all.get(run).cloned().unwrap_or_default();
            difference(format!("run {run}"), text(&self.trials), text(&replay.trials))
        });
        stops.chain(trials).collect()
    }

    /// Of a journal.
    pub(super) fn read(db: &Connection) -> rusqlite::Result<Verdicts> {
        let mut all = Verdicts::default();
        let id = |bytes: [u8; 16]| StopId(u128::from_be_bytes(bytes));
        let mut stops = db.prepare("SELECT id, run, rule, reason, begun_ms, ended_ms, outcome, record FROM stop")?;
        let mut rows = stops.query([])?;
        while let Some(row) = rows.next()? {
            let outcome: Option<String> = row.get(6)?;
            let stop = Row {
                run: RunId(u128::from_be_bytes(row.get(1)?)).to_string(),
                rule: row.get(2)?,
                reason: row.get(3)?,
                begun_ms: row.get(4)?,
                ended: outcome.map(|outcome| Ok::<_, rusqlite::Error>((row.get(5)?, outcome))).transpose()?,
                record: row.get(7)?,
                ..Row::default()
            };
            all.stops.insert(id(row.get(0)?), stop);
        }
        let mut rungs = db.prepare("SELECT stop, rung, until_ns, since_ns, wall_ms FROM rung")?;
        let mut rows = rungs.query([])?;
        while let Some(row) = rows.next()? {
            if let Some(stop) = all.stops.get_mut(&id(row.get(0)?)) {
                stop.rungs.insert((row.get(1)?, row.get(2)?), (row.get(3)?, row.get(4)?));
            }
        }
        let mut shots = db.prepare("SELECT stop, wall_ms, shot FROM shot ORDER BY rowid")?;
        let mut rows = shots.query([])?;
        while let Some(row) = rows.next()? {
            if let Some(stop) = all.stops.get_mut(&id(row.get(0)?)) {
                stop.shots.push((row.get(1)?, row.get(2)?));
            }
        }
        let mut trials = db.prepare("SELECT run, head FROM trial")?;
        let mut rows = trials.query([])?;
        while let Some(row) = rows.next()? {
            let head: String = row.get(1)?;
            let view = serde_json::from_str(&head).ok().and_then(|value| TrialView::take(&value).ok());
            let text = view.map_or_else(|| format!("unreadable: {head}"), |view| told(&view));
            all.trials.insert(RunId(u128::from_be_bytes(row.get(0)?)), text);
        }
        Ok(all)
    }
}

impl Row {
    /// All of it. `blind`: without the moment of its end.
    fn text(&self, blind: bool) -> String {
        let Row { run, rule, reason, begun_ms, ended, record, rungs, shots } = self;
        let ended = ended.as_ref().map(|(at, outcome)| (at.filter(|_| !blind), outcome));
        format!("{run} {rule:?} {reason:?} {begun_ms} {ended:?} {record} {rungs:?} {shots:?}")
    }
}

/// What a head says of stops.
fn told(view: &TrialView) -> String {
    let TrialView { run, experiment, trial, attempt, state, exit, stop, stops, saved, .. } = view;
    let stops: Vec<(&str, &str, u64)> = stops.iter().map(|((rule, how), n)| (&**rule, how.as_str(), *n)).collect();
    format!("{run} {experiment}/{trial} {attempt} {} {exit:?} {stop:?} {stops:?} {saved:?}", state.as_str())
}
