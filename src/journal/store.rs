//! The SQLite file: how it is opened, what its tables are, how a batch goes in.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};

use super::body::{Json, Row};
use super::error::JournalError;
use super::item::{Item, Origin};
use super::lock::{self, Lock, Taken};
use super::machine::Machine;
use super::tally::Noted;
use crate::model::{Moment, ProcKey, Root, RunId, Shot, StopOutcome, StopRecord, TrialView};

/// Version of the tables below, in `user_version`.
pub(super) const SCHEMA: i64 = 1;
/// `eslp`: tells our files from other SQLite files.
const APPLICATION: i64 = 0x6573_6c70;

/// All inputs in their order (`input`), one packed row a trial and tick beside them (`sample`), and what came of them:
/// heads of trials, stops with their rungs, signals that were about to be given. Ids are ULIDs, 16 bytes big endian.
const TABLES: &str = "
CREATE TABLE input (
    seq INTEGER PRIMARY KEY, boot_ns INTEGER NOT NULL, mono_ns INTEGER NOT NULL, wall_ms INTEGER NOT NULL,
    kind TEXT NOT NULL, run BLOB, body TEXT);
CREATE TABLE sample (
    seq INTEGER NOT NULL, place INTEGER NOT NULL, run BLOB NOT NULL, packed BLOB NOT NULL,
    PRIMARY KEY (seq, place)) WITHOUT ROWID;
CREATE TABLE trial (
    run BLOB PRIMARY KEY, experiment TEXT NOT NULL, trial TEXT NOT NULL, attempt INTEGER NOT NULL, state TEXT NOT NULL,
    started_ms INTEGER NOT NULL, ended_ms INTEGER, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    boot_id TEXT NOT NULL, pid_ns INTEGER NOT NULL, root TEXT, origin TEXT, head TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX trial_by_name ON trial (experiment, trial, attempt);
CREATE INDEX trial_by_end ON trial (ended_ms);
CREATE TABLE member (
    run BLOB NOT NULL, pid INTEGER NOT NULL, start INTEGER NOT NULL, inode INTEGER NOT NULL,
    PRIMARY KEY (run, pid, start, inode)) WITHOUT ROWID;
CREATE TABLE stop (
    id BLOB PRIMARY KEY, run BLOB NOT NULL, rule TEXT NOT NULL, reason TEXT NOT NULL, begun_ms INTEGER NOT NULL,
    ended_ms INTEGER, outcome TEXT, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rung (
    stop BLOB NOT NULL, rung INTEGER NOT NULL, since_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL, wall_ms INTEGER NOT NULL,
    PRIMARY KEY (stop, rung, until_ns)) WITHOUT ROWID;
CREATE TABLE shot (
    stop BLOB NOT NULL, rung INTEGER NOT NULL, wall_ms INTEGER NOT NULL, pid INTEGER NOT NULL, signal INTEGER NOT NULL,
    shot TEXT NOT NULL);
CREATE INDEX shot_by_stop ON shot (stop);
";

/// An open journal file.
#[derive(Debug)]
pub(super) struct Store {
    pub path: PathBuf,
    pub db: Connection,
    machine: Machine,
    seq: i64,
    _lock: Lock,
}

/// Why a store could not be opened: for good, or for now.
#[derive(Debug)]
pub(super) enum Refused {
    /// Somebody has to do something.
    Forever(JournalError),
    /// A full or read-only disk: it is tried again.
    ForNow(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::ForNow(error.to_string())
    }
}

impl Store {
    /// Opens or makes the file, takes it for this process and looks whether it is sound.
    pub fn open(path: &Path, machine: &Machine, at: Moment) -> Result<Store, Refused> {
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let lock = match lock::take(path, at.wall_ms)? {
            Taken::Ours(lock) => lock,
            Taken::Held(holder) => {
                return Err(Refused::Forever(JournalError::Held { path: path.to_path_buf(), holder }));
            }
        };
        let say = |error: rusqlite::Error| refusal(path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let db = Connection::open_with_flags_and_vfs(path, flags, lock.sqlite_vfs()).map_err(say)?;
        only_ours(path);
        prepare(&db).map_err(|error| match error {
            Prepare::Sqlite(error) => say(error),
            Prepare::Newer(found) => {
                Refused::Forever(JournalError::Newer { path: path.to_path_buf(), found, known: SCHEMA })
            }
            Prepare::Foreign => Refused::Forever(JournalError::Damaged {
                path: path.to_path_buf(),
                what: "an SQLite file, but no journal of earlystop".into(),
            }),
        })?;
        let seq = db.query_row("SELECT coalesce(max(seq), 0) FROM input", [], |r| r.get(0)).map_err(say)?;
        Ok(Store { path: path.to_path_buf(), db, machine: machine.clone(), seq, _lock: lock })
    }

    /// Writes all of a batch or nothing of it; returns how many records it made.
    pub fn write(&mut self, items: &[(Moment, Item)]) -> rusqlite::Result<u64> {
        let before = self.seq;
        let written = self.try_write(items);
        if written.is_err() {
            self.seq = before;
        }
        written
    }

    /// Writes heads that a killed daemon could not: they belong to its boot and pid namespace.
    pub fn write_left(&mut self, machine: &Machine, heads: &[Noted]) -> rusqlite::Result<()> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch { tx: &tx, machine, seq: &mut self.seq, records: 0 };
        for noted in heads {
            batch.head(&noted.view, noted.origin.as_ref(), noted.root.as_ref())?;
        }
        tx.commit()
    }

    fn try_write(&mut self, items: &[(Moment, Item)]) -> rusqlite::Result<u64> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch { tx: &tx, machine: &self.machine, seq: &mut self.seq, records: 0 };
        for (at, item) in items {
            batch.write(*at, item)?;
        }
        let records = batch.records;
        tx.commit()?;
        Ok(records)
    }

    /// Bytes of the file and its write-ahead log.
    pub fn bytes(&self) -> u64 {
        let wal =
            self.path.with_file_name(format!("{}-wal", self.path.file_name().unwrap_or_default().to_string_lossy()));
        [&self.path, &wal].iter().filter_map(|p| std::fs::metadata(p).ok()).map(|m| m.len()).sum()
    }
}

/// A batch under way.
struct Batch<'a> {
    tx: &'a Transaction<'a>,
    machine: &'a Machine,
    seq: &'a mut i64,
    records: u64,
}

impl Batch<'_> {
    fn write(&mut self, at: Moment, item: &Item) -> rusqlite::Result<()> {
        match item {
            Item::Input(_) | Item::Start(_) | Item::End | Item::Dropped(_) => {
                self.input(at, item.row().expect("these four are inputs"))
            }
            Item::Head { view, origin, root, .. } => self.head(view, origin.as_ref(), root.as_ref()),
            Item::Members(run, keys) => self.members(*run, keys),
            Item::Root(run, root) => self.root(*run, root),
            Item::Stop(record) => self.stop(at, record, None),
            Item::Close(record, outcome) => self.stop(at, record, Some(*outcome)),
            Item::Shot(shot) => self.shot(at, shot),
        }
    }

    fn input(&mut self, at: Moment, row: Row) -> rusqlite::Result<()> {
        *self.seq += 1;
        let seq = *self.seq;
        let body = (!row.body.is_null()).then(|| row.body.to_string());
        self.tx.prepare_cached("INSERT INTO input VALUES (?, ?, ?, ?, ?, ?, ?)")?.execute(params![
            seq,
            at.boot_ns as i64,
            at.mono_ns as i64,
            at.wall_ms,
            row.kind,
            row.run.map(key),
            body
        ])?;
        let mut insert = self.tx.prepare_cached("INSERT INTO sample VALUES (?, ?, ?, ?)")?;
        for (place, (run, packed)) in row.samples.iter().enumerate() {
            insert.execute(params![seq, place as i64, key(*run), packed])?;
        }
        self.records += 1 + row.samples.len() as u64;
        Ok(())
    }

    fn head(&mut self, view: &TrialView, origin: Option<&Origin>, root: Option<&Root>) -> rusqlite::Result<()> {
        const SQL: &str = "
            INSERT INTO trial VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10, ?11, ?12, ?13)
            ON CONFLICT (run) DO UPDATE SET experiment = ?2, trial = ?3, attempt = ?4, state = ?5, started_ms = ?6,
                ended_ms = ?7, last_seq = ?8, root = coalesce(?11, root), origin = coalesce(?12, origin), head = ?13";
        self.records += 1;
        self.tx.prepare_cached(SQL)?.execute(params![
            key(view.run),
            view.experiment.as_str(),
            view.trial.as_str(),
            view.attempt,
            view.state.as_str(),
            view.started.wall_ms,
            view.ended.map(|at| at.wall_ms),
            *self.seq,
            self.machine.boot_id,
            self.machine.pid_ns as i64,
            root.map(|r| r.put().to_string()),
            origin.map(|o| o.put().to_string()),
            view.put().to_string(),
        ])?;
        if !view.state.is_living() {
            self.tx.prepare_cached("DELETE FROM member WHERE run = ?")?.execute(params![key(view.run)])?;
        }
        Ok(())
    }

    fn members(&mut self, run: RunId, keys: &[ProcKey]) -> rusqlite::Result<()> {
        self.records += keys.len() as u64;
        let mut insert = self.tx.prepare_cached("INSERT OR IGNORE INTO member VALUES (?, ?, ?, ?)")?;
        for one in keys {
            insert.execute(params![key(run), one.pid, one.start as i64, one.inode as i64])?;
        }
        Ok(())
    }

    fn root(&mut self, run: RunId, root: &Root) -> rusqlite::Result<()> {
        self.records += 1;
        let sql = "UPDATE trial SET root = ? WHERE run = ?";
        self.tx.prepare_cached(sql)?.execute(params![root.put().to_string(), key(run)])?;
        Ok(())
    }

    fn stop(&mut self, at: Moment, record: &StopRecord, outcome: Option<StopOutcome>) -> rusqlite::Result<()> {
        const STOP: &str = "
            INSERT INTO stop VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
            ON CONFLICT (id) DO UPDATE SET rule = ?3, reason = ?4, ended_ms = ?6, outcome = ?7, record = ?8";
        let id = record.id.0.to_be_bytes();
        self.records += 1;
        self.tx.prepare_cached(STOP)?.execute(params![
            id,
            key(record.run),
            &*record.rule,
            record.reason,
            at.wall_ms,
            outcome.map(|_| at.wall_ms),
            outcome.map(StopOutcome::as_str),
            record.put().to_string(),
        ])?;
        self.tx.prepare_cached("INSERT OR IGNORE INTO rung VALUES (?, ?, ?, ?, ?)")?.execute(params![
            id,
            record.rung as i64,
            record.rung_since_ns as i64,
            record.rung_until_ns as i64,
            at.wall_ms
        ])?;
        Ok(())
    }

    fn shot(&mut self, at: Moment, shot: &Shot) -> rusqlite::Result<()> {
        self.records += 1;
        self.tx.prepare_cached("INSERT INTO shot VALUES (?, ?, ?, ?, ?, ?)")?.execute(params![
            shot.stop.0.to_be_bytes(),
            shot.rung as i64,
            at.wall_ms,
            shot.key.pid,
            shot.signal.0,
            shot.put().to_string()
        ])?;
        Ok(())
    }
}

/// A run id as it stands in the tables: big endian, so that bytes sort as ULIDs do.
pub(super) fn key(run: RunId) -> [u8; 16] {
    run.0.to_be_bytes()
}

/// Whether an error is of the disk, and may be over some time.
pub(super) fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    use ErrorCode::*;
    matches!(
        error.sqlite_error_code(),
        Some(DiskFull | SystemIoFailure | ReadOnly | CannotOpen | DatabaseBusy | DatabaseLocked | PermissionDenied)
    )
}

fn refusal(path: &Path, error: rusqlite::Error) -> Refused {
    let path = path.to_path_buf();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            Refused::Forever(JournalError::Damaged { path, what: "no SQLite file, or its head is damaged".into() })
        }
        // The lock is ours: it is no daemon.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Refused::Forever(JournalError::InUse { path }),
        _ if is_of_the_disk(&error) => Refused::ForNow(error.to_string()),
        _ => Refused::Forever(JournalError::Damaged { path, what: error.to_string() }),
    }
}

enum Prepare {
    Sqlite(rusqlite::Error),
    Newer(i64),
    Foreign,
}

impl From<rusqlite::Error> for Prepare {
    fn from(error: rusqlite::Error) -> Prepare {
        Prepare::Sqlite(error)
    }
}

fn prepare(db: &Connection) -> Result<(), Prepare> {
    // Exclusive before WAL: SQLite then keeps the WAL's index in its own memory, which works on a network home.
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let (application, version): (i64, i64) = (pragma(db, "application_id")?, pragma(db, "user_version")?);
    let empty: bool = db.query_row("SELECT count(*) = 0 FROM sqlite_master", [], |r| r.get(0))?;
    if !empty && application != APPLICATION {
        return Err(Prepare::Foreign);
    }
    if version > SCHEMA {
        return Err(Prepare::Newer(version));
    }
    if empty {
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |r| r.get(0))?;
    if mode != "wal" {
        tracing::info!(mode, "the journal's file system refuses write-ahead logging");
        db.query_row("PRAGMA journal_mode = TRUNCATE", [], |_| Ok(()))?;
    }
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "foreign_keys", "OFF")?;
    db.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
    db.set_prepared_statement_cache_capacity(32);
    if empty {
        let sql = format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA}; COMMIT;"
        );
        db.execute_batch(&sql).inspect_err(|_| {
            let _ = db.execute_batch("ROLLBACK");
        })?;
    }
    Ok(())
}

fn pragma(db: &Connection, name: &str) -> rusqlite::Result<i64> {
    db.query_row(&format!("PRAGMA {name}"), [], |r| r.get(0))
}

/// The folder is for its owner alone: a journal holds labels, reasons and policies.
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// SQLite makes files by the umask; its journal and WAL take the mode of the file.
fn only_ours(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
}
