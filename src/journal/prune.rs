//! Bounds on size and age: the oldest ended trials go first. Where rows went away, a `dropped` record says so.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::body::{Dropped, Json};
use crate::model::Moment;

/// So many trials go at once, so that a batch of records never waits long behind it.
const AT_ONCE: i64 = 200;
/// Pages that are handed back to the file system at once (4 KiB each).
const PAGES: i64 = 4096;

/// Sequence numbers begin at 1: what was cut off at the front is told at 0.
const FRONT: i64 = 0;

/// Deletes a part of what is over the bounds; true if there may be more to delete. `oldest_ms` is the wall time before
/// which ended trials go.
pub(super) fn prune(db: &mut Connection, max_size: u64, oldest_ms: i64) -> rusqlite::Result<bool> {
    let used = used_bytes(db)?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut removed = remove_trials(&tx, oldest_ms, AT_ONCE)?;
    if removed == 0 && used > max_size {
        // A tenth of them, at least one: about a tenth of the file.
        let ended: i64 = tx.query_row("SELECT count(*) FROM trial WHERE ended_ms IS NOT NULL", [], |r| r.get(0))?;
        removed = remove_trials(&tx, i64::MAX, (ended / 10).clamp(1, AT_ONCE))?;
        if removed == 0 {
            removed = remove_oldest_inputs(&tx)?;
        }
    }
    if removed == 0 {
        return Ok(false);
    }
    tx.commit()?;
    let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    drop(vacuum);
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(true)
}

/// Bytes of the pages that hold something.
pub(super) fn used_bytes(db: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, i64>(0));
    Ok(((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?).max(0) as u64)
}

/// Deletes the trials that ended first, if they ended before `before_ms`, with all that belongs to them.
fn remove_trials(tx: &Transaction<'_>, before_ms: i64, limit: i64) -> rusqlite::Result<i64> {
    tx.execute_batch("CREATE TEMP TABLE IF NOT EXISTS gone (run BLOB PRIMARY KEY) WITHOUT ROWID; DELETE FROM gone;")?;
    let chosen = tx.execute(
        "INSERT INTO gone SELECT run FROM trial WHERE ended_ms < ? ORDER BY ended_ms LIMIT ?",
        params![before_ms, limit],
    )?;
    if chosen == 0 {
        return Ok(0);
    }
    let (first, last): (i64, i64) =
        tx.query_row("SELECT min(first_seq), max(last_seq) FROM trial WHERE run IN (SELECT run FROM gone)", [], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })?;
    let mut rows = 0;
    for table in ["sample", "input"] {
        let sql = format!("DELETE FROM {table} WHERE seq BETWEEN ? AND ? AND run IN (SELECT run FROM gone)");
        rows += tx.execute(&sql, params![first, last])?;
    }
    for sql in [
        "DELETE FROM rung WHERE stop IN (SELECT id FROM stop WHERE run IN (SELECT run FROM gone))",
        "DELETE FROM shot WHERE stop IN (SELECT id FROM stop WHERE run IN (SELECT run FROM gone))",
        "DELETE FROM stop WHERE run IN (SELECT run FROM gone)",
        "DELETE FROM member WHERE run IN (SELECT run FROM gone)",
        "DELETE FROM trial WHERE run IN (SELECT run FROM gone)",
    ] {
        tx.execute(sql, [])?;
    }
    // Before the first trial that is left, nothing of the rest is of use.
    let keep: Option<i64> = tx.query_row("SELECT min(first_seq) FROM trial", [], |r| r.get(0))?;
    let end = keep.unwrap_or(last);
    rows += remove_before(tx, end)?;
    mark(tx, rows)?;
    Ok(chosen as i64)
}

/// The inputs that may go; those that are kept for their meaning stand at the front for long.
const OLDEST: &str = "SELECT min(seq), max(seq) FROM input WHERE kind NOT IN ('policy', 'started', 'dropped')";

/// Nothing has ended, and still there is too much: the oldest tenth of the inputs goes.
fn remove_oldest_inputs(tx: &Transaction<'_>) -> rusqlite::Result<i64> {
    let (first, last): (Option<i64>, Option<i64>) = tx.query_row(OLDEST, [], |r| Ok((r.get(0)?, r.get(1)?)))?;
    let (Some(first), Some(last)) = (first, last) else { return Ok(0) };
    let rows = remove_before(tx, first + (last - first) / 10 + 1)?;
    mark(tx, rows)?;
    Ok(rows as i64)
}

/// Deletes all inputs before `end` but the policy in force then and the life's beginning.
fn remove_before(tx: &Transaction<'_>, end: i64) -> rusqlite::Result<usize> {
    let samples = tx.execute("DELETE FROM sample WHERE seq < ?", [end])?;
    let inputs = tx.execute(
        "DELETE FROM input WHERE seq < ?1 AND kind <> 'dropped' AND seq NOT IN (
            SELECT max(seq) FROM input WHERE kind = 'policy' AND seq < ?1
            UNION ALL SELECT max(seq) FROM input WHERE kind = 'started' AND seq < ?1)",
        [end],
    )?;
    // Of several losses the first stands for all.
    tx.execute(
        "DELETE FROM input WHERE kind = 'dropped' AND seq < ?1 AND seq > (SELECT min(seq) FROM input WHERE kind = 'dropped')",
        [end],
    )?;
    Ok(samples + inputs)
}

/// Puts a `dropped` record where rows are missing, or raises the count of the one that is there.
fn mark(tx: &Transaction<'_>, rows: usize) -> rusqlite::Result<()> {
    if rows == 0 {
        return Ok(());
    }
    let old: Option<(i64, String)> = tx
        .query_row("SELECT seq, body FROM input WHERE kind = 'dropped' AND seq = ?", [FRONT], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .optional()?;
    let old = old.and_then(|(at, body)| Some((at, Dropped::take(&serde_json::from_str(&body).ok()?).ok()?)));
    let none = || Dropped { count: 0, first: Moment::default(), last: Moment::default() };
    let (at, mut dropped) = old.unwrap_or_else(|| (FRONT, none()));
    dropped.count += rows as u64;
    tx.execute(
        "INSERT INTO input VALUES (?, 0, 0, 0, 'dropped', NULL, ?)
         ON CONFLICT (seq) DO UPDATE SET kind = 'dropped', run = NULL, body = excluded.body WHERE kind = 'dropped'",
        params![at, dropped.put().to_string()],
    )?;
    Ok(())
}
