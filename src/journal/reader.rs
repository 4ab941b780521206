//! A journal read from its beginning to its end, for `replay`, `export` and `report`.

use std::collections::{HashMap, VecDeque};
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::body::{Broken, Input, decode};
use super::error::JournalError;
use super::lock::{self, Lock, Taken};
use super::restore::{moment, parse};
use super::store::SCHEMA;
use super::verdicts::Verdicts;
use crate::model::{Moment, RunId, TrialView};

/// So many inputs are read at once.
const CHUNK: i64 = 1024;

/// One input with its place and time.
#[derive(Debug)]
pub struct Recorded {
    /// Its place among all inputs; numbers may be missing.
    pub seq: i64,
    /// When the engine got it.
    pub at: Moment,
    /// What it was.
    pub input: Input,
}

/// Kinds of inputs about what processes were seen to do, in SQL.
const SEEN: &str = "'tick', 'reading', 'tree', 'signalled', 'swept'";

/// Iterates over the inputs of a journal.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    db: Connection,
    next: i64,
    chunk: VecDeque<Recorded>,
    failed: bool,
    /// Kinds of inputs that are left out.
    passed_over: &'static str,
    /// Where SQLite cannot lock the file, this keeps a daemon away from it.
    _lock: Option<Lock>,
}

impl Reader {
    /// Opens a journal that no daemon writes at the moment; what a killed daemon left in its write-ahead log counts.
    pub fn open(path: &Path) -> Result<Reader, JournalError> {
        let unreadable = |what: String| JournalError::Unreadable { path: path.to_path_buf(), what };
        if !path.is_file() {
            return Err(unreadable("there is no such journal".into()));
        }
        let opened = match connect(path, c"unix") {
            // Somebody has it, or its file system has no locks, which SQLite takes for the same.
            Err(error) if is_busy(&error) => {
                let lock = free(path)?;
                let opened = connect(path, lock.sqlite_vfs());
                opened.map(|db| (db, Some(lock)))
            }
            other => other.map(|db| (db, None)),
        };
        let (db, lock) = opened.map_err(|error| match error.sqlite_error_code() {
            _ if is_busy(&error) => JournalError::InUse { path: path.to_path_buf() },
            Some(ErrorCode::NotADatabase) => unreadable("this is no journal of earlystop".into()),
            _ => unreadable(error.to_string()),
        })?;
        let version: i64 =
            db.query_row("PRAGMA user_version", [], |r| r.get(0)).map_err(|e| unreadable(e.to_string()))?;
        if version > SCHEMA {
            return Err(JournalError::Newer { path: path.to_path_buf(), found: version, known: SCHEMA });
        }
        Ok(Reader {
            path: path.to_path_buf(),
            db,
            next: 0,
            chunk: VecDeque::new(),
            failed: false,
            passed_over: "''",
            _lock: lock,
        })
    }

    /// Goes on behind this place.
    pub fn after(mut self, seq: i64) -> Reader {
        self.next = seq + 1;
        self
    }

    /// Leaves out what processes were seen to do: what is left is what trials said, and how they began and ended. It is a
    /// hundredth of a long journal.
    pub fn without_samples(mut self) -> Reader {
        self.passed_over = SEEN;
        self
    }

    /// The last head of every trial that can be read.
    ///
    /// # Errors
    /// It is damaged.
    pub fn heads(&self) -> Result<Vec<TrialView>, JournalError> {
        let read = || {
            let mut statement = self.db.prepare("SELECT head FROM trial ORDER BY run")?;
            let heads = statement.query_map([], |row| row.get::<_, String>(0))?;
            heads.map(|head| Ok(parse(&head?).ok())).filter_map(Result::transpose).collect::<rusqlite::Result<_>>()
        };
        read().map_err(|e: rusqlite::Error| self.damaged(e.to_string()))
    }

    /// What the journal says was done.
    ///
    /// # Errors
    /// It is damaged.
    pub fn verdicts(&self) -> Result<Verdicts, JournalError> {
        Verdicts::read(&self.db).map_err(|e| self.damaged(e.to_string()))
    }

    /// The place of the last input in which each trial's processes were seen: a daemon that comes back takes up again what it
    /// finds, and only the journal's later inputs tell what that was.
    ///
    /// # Errors
    /// It is damaged.
    pub fn last_seen(&self) -> Result<HashMap<RunId, i64>, JournalError> {
        let sql = "SELECT run, max(seq) FROM sample GROUP BY run UNION ALL SELECT run, max(seq) FROM input
            WHERE run IS NOT NULL AND kind IN ('reading', 'tree', 'exited', 'signalled', 'swept') GROUP BY run";
        let read = || {
            let mut statement = self.db.prepare(sql)?;
            let row = |row: &rusqlite::Row<'_>| Ok((RunId(u128::from_be_bytes(row.get(0)?)), row.get::<_, i64>(1)?));
            let mut seen = HashMap::new();
            for found in statement.query_map([], row)? {
                let (run, seq) = found?;
                let last: &mut i64 = seen.entry(run).or_insert(seq);
                *last = seq.max(*last);
            }
            Ok(seen)
        };
        read().map_err(|e: rusqlite::Error| self.damaged(e.to_string()))
    }

    /// The places of the last ticks before a daemon came to its end: what was shown then is what the next life begins with.
    ///
    /// # Errors
    /// It is damaged.
    pub fn last_ticks(&self) -> Result<Vec<i64>, JournalError> {
        let sql = "SELECT (SELECT max(t.seq) FROM input t WHERE t.kind = 'tick' AND t.seq < s.seq) FROM input s
            WHERE s.kind = 'started' ORDER BY s.seq";
        let read = || {
            let mut statement = self.db.prepare(sql)?;
            let rows = statement.query_map([], |row| row.get::<_, Option<i64>>(0))?;
            rows.filter_map(Result::transpose).collect::<rusqlite::Result<Vec<i64>>>()
        };
        read().map_err(|e: rusqlite::Error| self.damaged(e.to_string()))
    }

    fn damaged(&self, what: String) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), what }
    }

    fn fill(&mut self) -> Result<(), JournalError> {
        let damaged = |what: String| JournalError::Damaged { path: self.path.clone(), what };
        self.chunk = read(&self.db, self.next, self.passed_over)
            .map_err(|e| damaged(e.to_string()))?
            .map_err(|e| damaged(e.to_string()))?;
        if let Some(last) = self.chunk.back() {
            self.next = last.seq + 1;
        }
        Ok(())
    }
}

impl Iterator for Reader {
    type Item = Result<Recorded, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.chunk.is_empty()
            && let Err(error) = self.fill()
        {
            self.failed = true;
            return Some(Err(error));
        }
        self.chunk.pop_front().map(Ok)
    }
}

/// The journal's lock, if no daemon has it.
fn free(path: &Path) -> Result<Lock, JournalError> {
    match lock::take_to_read(path) {
        Ok(Taken::Ours(lock)) => Ok(lock),
        Ok(Taken::Held(holder)) => Err(JournalError::Written { path: path.to_path_buf(), holder }),
        // A copy without its lock file: whoever has it is no daemon.
        Err(_) => Err(JournalError::InUse { path: path.to_path_buf() }),
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Exclusive, so that a journal in WAL mode can be read where there is no shared memory; on a read-only medium as it is.
fn connect(path: &Path, vfs: &CStr) -> rusqlite::Result<Connection> {
    let sound = |db: Connection| {
        // A daemon keeps it for hours: there is nothing to wait for.
        db.busy_timeout(Duration::ZERO)?;
        db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        db.query_row("SELECT count(*) FROM trial", [], |r| r.get::<_, i64>(0))?;
        Ok(db)
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let first = Connection::open_with_flags_and_vfs(path, flags, vfs).and_then(sound);
    match first {
        Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)) => {
            let text = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(format!("file:{text}?immutable=1"), flags).and_then(sound)
        }
        other => other,
    }
}

fn read(db: &Connection, from: i64, passed_over: &str) -> rusqlite::Result<Result<VecDeque<Recorded>, Broken>> {
    let sql = format!(
        "SELECT seq, boot_ns, mono_ns, wall_ms, kind, body FROM input
         WHERE seq >= ? AND kind NOT IN ({passed_over}) ORDER BY seq LIMIT ?"
    );
    let mut inputs = db.prepare_cached(&sql)?;
    let mut samples = db.prepare_cached("SELECT run, packed FROM sample WHERE seq = ? ORDER BY place")?;
    let mut found = VecDeque::new();
    let mut rows = inputs.query(params![from, CHUNK])?;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        let (kind, body): (String, Option<String>) = (row.get(4)?, row.get(5)?);
        let beside: Vec<(RunId, Vec<u8>)> = match kind.as_str() {
            "tick" | "reading" => samples
                .query_map([seq], |row| Ok((RunId(u128::from_be_bytes(row.get(0)?)), row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?,
            _ => Vec::new(),
        };
        let at = moment(row, 1)?;
        let input = body
            .as_deref()
            .map_or(Ok(serde_json::Value::Null), |text| {
                serde_json::from_str(text).map_err(|e| Broken::new(e.to_string()))
            })
            .and_then(|body| decode(&kind, &body, beside));
        match input {
            Ok(input) => found.push_back(Recorded { seq, at, input }),
            Err(broken) => return Ok(Err(Broken::new(format!("input {seq} ({kind}): {broken}")))),
        }
    }
    Ok(Ok(found))
}
