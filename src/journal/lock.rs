//! One writer a journal: a lock file beside it that names the holder. The kernel lets go of it when the holder dies.
//!
//! Some file systems have no locks at all (NFS without a lock daemon). There a name in the kernel stands for the file, an abstract
//! Unix socket that nobody talks to: it holds against everybody in this network namespace, and on a home that machines share each
//! has a folder of its own. Containers that share such a disk need a host name, and with it a folder, each.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::error::Holder;

/// The lock, as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
    /// What stands for the lock where the file system has none.
    name: Option<OwnedFd>,
}

impl Lock {
    /// SQLite's own way of locking that works beside this lock.
    pub fn sqlite_vfs(&self) -> &'static CStr {
        match self.name {
            None => c"unix",
            // Any other way asks the file system for locks, and takes its refusal for another writer.
            Some(_) => c"unix-none",
        }
    }
}

/// What came of trying.
#[derive(Debug)]
pub(super) enum Taken {
    Ours(Lock),
    Held(Option<Holder>),
}

/// The lock file's path.
pub(super) fn path_of(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Tries to take the journal. Errors: the lock file cannot be made.
pub(super) fn take(journal: &Path, wall_ms: i64) -> io::Result<Taken> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path_of(journal))?;
    let Some(name) = lock(&file)? else { return Ok(Taken::Held(holder(&mut file))) };
    // Only for the message to a second daemon: on a full disk the lock holds all the same.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{} {}", std::process::id(), utc(wall_ms)));
    Ok(Taken::Ours(Lock { _file: file, name }))
}

/// Takes the journal to read it. Errors: there is no lock file, or it cannot be opened.
pub(super) fn take_to_read(journal: &Path) -> io::Result<Taken> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    let path = path_of(journal);
    // NFS locks only what is open for writing; a medium that is read-only needs no more than reading.
    let mut file = options.clone().write(true).open(&path).or_else(|_| options.open(&path))?;
    let Some(name) = lock(&file)? else { return Ok(Taken::Held(holder(&mut file))) };
    // The last daemon's name must not stand for ours: somebody would be told to end whoever has its pid now.
    let _ = file.set_len(0);
    Ok(Taken::Ours(Lock { _file: file, name }))
}

/// Locks the file by itself or, where that cannot be, by a name: `Some`, with the name if it takes one. `None`: somebody has
/// it.
fn lock(file: &File) -> io::Result<Option<Option<OwnedFd>>> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(None)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) if has_no_locks(error) => Ok(take_name(file)?.map(Some)),
        Err(error) => Err(error.into()),
    }
}

/// Whether the file system has no locks at all.
pub(super) fn has_no_locks(error: Errno) -> bool {
    matches!(error, Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS)
}

fn take_name(file: &File) -> io::Result<Option<OwnedFd>> {
    let meta = file.metadata()?;
    let name = format!("earlystop-journal-{:x}-{:x}", meta.dev(), meta.ino());
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    match rustix::net::bind(&socket, &address) {
        Ok(()) => Ok(Some(socket)),
        Err(Errno::ADDRINUSE) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(200).read_to_string(&mut text).ok()?;
    let (pid, since) = text.trim().split_once(' ')?;
    Some(Holder { pid: pid.parse().ok()?, since: since.to_string() })
}

/// `2026-01-31 23:59:59 UTC` of milliseconds since the Unix epoch.
pub fn utc(wall_ms: i64) -> String {
    let seconds = wall_ms.div_euclid(1000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Year, month and day of a count of days since 1970-01-01 in the Gregorian calendar: years are counted from March on, so
/// that the leap day comes last, in eras of 400 years (146,097 days).
fn civil(days: i64) -> (i64, i64, i64) {
    let from_march_0000 = days + 719_468;
    let era = from_march_0000.div_euclid(146_097);
    let day_of_era = from_march_0000.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_767_225_599_999), "2025-12-31 23:59:59 UTC");
        assert_eq!(utc(-1), "1969-12-31 23:59:59 UTC");
    }

    /// What `take` gives, once nobody holds it: a child that another test has just forked holds a copy until it runs its
    /// program.
    fn at_last<T>(take: impl Fn() -> Option<T>) -> T {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            match take() {
                Some(taken) => return taken,
                None if Instant::now() > until => panic!("somebody holds it"),
                None => std::thread::yield_now(),
            }
        }
    }

    fn ours(taken: io::Result<Taken>) -> Option<Lock> {
        match taken.unwrap() {
            Taken::Ours(lock) => Some(lock),
            Taken::Held(_) => None,
        }
    }

    #[test]
    fn a_second_taker_learns_who_was_first() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("j.sqlite");
        let first = take(&journal, 0).unwrap();
        assert!(matches!(first, Taken::Ours(_)));
        let Taken::Held(Some(holder)) = take(&journal, 5).unwrap() else { panic!("it was free") };
        assert_eq!(holder, Holder { pid: std::process::id(), since: "1970-01-01 00:00:00 UTC".into() });
        let Taken::Held(Some(same)) = take_to_read(&journal).unwrap() else { panic!("it was free") };
        assert_eq!(same, holder);
        drop(first);
        drop(at_last(|| ours(take(&journal, 5))));
        let reader = at_last(|| ours(take_to_read(&journal)));
        assert!(matches!(take(&journal, 5).unwrap(), Taken::Held(None)), "the last daemon's pid is not the reader's");
        drop(reader);
    }

    #[test]
    fn a_name_stands_for_a_file_that_cannot_be_locked() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| File::create(folder.path().join(name)).unwrap();
        let first = take_name(&open("a")).unwrap();
        assert!(first.is_some() && take_name(&open("a")).unwrap().is_none(), "the same file, opened anew");
        assert!(take_name(&open("b")).unwrap().is_some(), "another file");
        drop(first);
        at_last(|| take_name(&open("a")).unwrap());
    }
}
