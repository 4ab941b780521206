//! Resource limits.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The soft and the hard limit of open files as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    /// What the kernel enforces.
    pub soft: u64,
    /// How far the soft one may be raised.
    pub hard: u64,
}

/// The limits in force.
pub fn open_files() -> io::Result<OpenFiles> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(OpenFiles { soft, hard })
}

/// Descriptors from this number on are not kept for watched processes: an eighth of them (at least 16) stays for
/// sockets and for files that are opened and closed again.
pub fn keep_below() -> i32 {
    let soft = open_files().map_or(1024, |l| l.soft).min(1 << 30);
    (soft - (soft / 8).max(16).min(soft)) as i32
}

/// Raises the soft limit of open files to the hard one: two descriptors are kept for each watched process. Gives back
/// what was in force before, so that `run` can restore it for its command.
pub fn raise_open_files() -> io::Result<OpenFiles> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(OpenFiles { soft, hard })
}

impl OpenFiles {
    /// Puts these limits in force again. Async-signal-safe: may be called between fork and exec.
    pub fn restore(self) -> io::Result<()> {
        Ok(setrlimit(Resource::RLIMIT_NOFILE, self.soft, self.hard)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_go_up_and_can_be_put_back() {
        // Ends as high as it can be: other tests of this process may hold more descriptors than the old limit.
        let before = raise_open_files().expect("raising to the hard limit is always allowed");
        assert!(before.soft <= before.hard);
        let now = raise_open_files().expect("a second time");
        assert_eq!(now, OpenFiles { soft: before.hard, hard: before.hard });
        now.restore().expect("the same again");
    }
}
