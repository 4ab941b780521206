//! What the last life left: read once, when a daemon begins.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::body::{Broken, Json};
use super::item::Origin;
use super::machine::Machine;
use super::tally::Tallied;
use crate::model::{MetricView, Moment, Name, ProcKey, Root, RunId, TrialState, TrialView};

/// So many names of ended trials are remembered, the latest first.
const NAMES: i64 = 20_000;

/// What a daemon begins with.
#[derive(Debug, Default)]
pub struct Restored {
    /// Trials that lived when the last daemon came to its end, in the order of their runs.
    pub trials: Vec<RestoredTrial>,
    /// The latest attempt of every name, the living ones included.
    pub attempts: Vec<Attempt>,
    /// Trials that ended so short a time ago that /metrics still shows them.
    pub ended: Vec<Arc<TrialView>>,
    /// File and text of the policy that was in force.
    pub policy: Option<BTreeMap<PathBuf, String>>,
    /// When the last input came in.
    pub last: Option<Moment>,
    /// What could not be read, for the log.
    pub damage: Vec<String>,
}

/// A trial that lived when the last daemon came to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoredTrial {
    /// As it was last shown: counters are never lower than any scrape saw them.
    pub view: TrialView,
    /// Where its tree grows from, where it is known.
    pub root: Option<Root>,
    /// Processes that were seen in its tree; many are gone.
    pub members: Vec<ProcKey>,
    /// How it was founded: its spec, whether it may be stopped, whose process it shares.
    pub origin: Option<Origin>,
    /// Which boot and pid namespace its processes belong to.
    pub machine: Machine,
}

/// The latest attempt of a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Its experiment.
    pub experiment: Name,
    /// Its name.
    pub trial: Name,
    /// The how-manieth start it was.
    pub attempt: u32,
    /// Its run.
    pub run: RunId,
    /// How it ended, or that it lives.
    pub state: TrialState,
    /// The rule that stopped it, or `manual`.
    pub stopped_by: Option<Arc<str>>,
    /// The step it had come to.
    pub last_step: Option<u64>,
    /// Steps in all.
    pub steps_total: u64,
    /// Heads of its curves.
    pub metrics: BTreeMap<String, MetricView>,
}

/// Reads all of it. `retention_ns` is how long ended trials stay on /metrics.
pub(super) fn restore(
    db: &Connection,
    mut tallied: BTreeMap<RunId, Tallied>,
    at: Moment,
    retention_ns: u64,
) -> rusqlite::Result<Restored> {
    let mut restored = Restored { policy: policy(db)?, last: last(db)?, ..Restored::default() };
    let damage = &mut restored.damage;
    let sql = "SELECT run, head, root, origin, boot_id, pid_ns FROM trial WHERE state IN ('running', 'stopping') ORDER BY run";
    restored.trials = rows(db, sql, params![], living, damage)?;
    for trial in &mut restored.trials {
        tallied.remove(&trial.view.run).into_iter().for_each(|kept| kept.onto(&mut trial.view));
        trial.members = members(db, trial.view.run)?;
    }
    let since = at.wall_ms.saturating_sub((retention_ns / crate::model::MILLI) as i64);
    let sql = "SELECT head FROM trial WHERE ended_ms >= ? ORDER BY ended_ms";
    let ended = |row: &Row<'_>| Ok(parse::<TrialView>(&row.get::<_, String>(0)?).map(Arc::new));
    restored.ended = rows(db, sql, params![since], ended, damage)?;
    let sql = "SELECT head, max(attempt) FROM trial GROUP BY experiment, trial ORDER BY max(run) DESC LIMIT ?";
    restored.attempts = rows(db, sql, params![NAMES], attempt, damage)?;
    Ok(restored)
}

/// The members that were written down for a trial.
fn members(db: &Connection, run: RunId) -> rusqlite::Result<Vec<ProcKey>> {
    let mut statement = db.prepare_cached("SELECT pid, start, inode FROM member WHERE run = ?")?;
    let member = |row: &Row<'_>| {
        let (start, inode): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(ProcKey { pid: row.get(0)?, start: start as u64, inode: inode as u64 })
    };
    statement.query_map(params![run.0.to_be_bytes()], member)?.collect()
}

type Read<T> = rusqlite::Result<Result<T, Broken>>;

/// All rows that can be read; the others are told in `damage`.
fn rows<T>(
    db: &Connection,
    sql: &str,
    params: &[&dyn rusqlite::ToSql],
    read: impl Fn(&Row<'_>) -> Read<T>,
    damage: &mut Vec<String>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = db.prepare(sql)?;
    let mut found = Vec::new();
    for row in statement.query_map(params, |row| read(row))? {
        match row? {
            Ok(value) => found.push(value),
            Err(broken) => damage.push(format!("a trial's head cannot be read: {broken}")),
        }
    }
    Ok(found)
}

pub(super) fn parse<T: Json>(text: &str) -> Result<T, Broken> {
    let value = serde_json::from_str(text).map_err(|e| Broken::new(e.to_string()))?;
    T::take(&value)
}

fn living(row: &Row<'_>) -> Read<RestoredTrial> {
    let (head, root, origin): (String, Option<String>, Option<String>) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let machine = Machine { boot_id: row.get(4)?, pid_ns: row.get::<_, i64>(5)? as u64 };
    let read = || {
        let root = root.as_deref().map(parse).transpose()?;
        let origin = origin.as_deref().map(parse).transpose()?;
        Ok(RestoredTrial { view: parse(&head)?, root, members: Vec::new(), origin, machine })
    };
    Ok(read())
}

fn attempt(row: &Row<'_>) -> Read<Attempt> {
    let view: TrialView = match parse(&row.get::<_, String>(0)?) {
        Ok(view) => view,
        Err(broken) => return Ok(Err(broken)),
    };
    let stopped = view.state == TrialState::Stopped;
    Ok(Ok(Attempt {
        experiment: view.experiment,
        trial: view.trial,
        attempt: view.attempt,
        run: view.run,
        state: view.state,
        stopped_by: view.stop.filter(|_| stopped).map(|stop| stop.rule),
        last_step: view.progress.step,
        steps_total: view.progress.steps_total,
        metrics: view.metrics,
    }))
}

fn policy(db: &Connection) -> rusqlite::Result<Option<BTreeMap<PathBuf, String>>> {
    let sql = "SELECT body FROM input WHERE kind = 'policy' ORDER BY seq DESC LIMIT 1";
    let mut statement = db.prepare(sql)?;
    let body = statement.query_map([], |row| row.get::<_, String>(0))?.next().transpose()?;
    let texts = body.and_then(|body| super::body::decode("policy", &serde_json::from_str(&body).ok()?, vec![]).ok());
    Ok(match texts {
        Some(super::body::Input::Policy(texts)) => Some(texts),
        _ => None,
    })
}

fn last(db: &Connection) -> rusqlite::Result<Option<Moment>> {
    let sql = "SELECT boot_ns, mono_ns, wall_ms FROM input WHERE seq > 0 ORDER BY seq DESC LIMIT 1";
    let mut statement = db.prepare(sql)?;
    statement.query_map([], |row| moment(row, 0))?.next().transpose()
}

/// A moment in three columns.
pub(super) fn moment(row: &Row<'_>, at: usize) -> rusqlite::Result<Moment> {
    let (boot, mono): (i64, i64) = (row.get(at)?, row.get(at + 1)?);
    Ok(Moment { boot_ns: boot as u64, mono_ns: mono as u64, wall_ms: row.get(at + 2)? })
}
