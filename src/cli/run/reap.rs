//! Waiting for children: the command, and orphans of its tree, which come to `run` since it is their subreaper.

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::model::{ExitStatus, ExitUsage};

/// What happened to the command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum News {
    /// A signal stopped it.
    Stopped(Signal),
    /// It goes on.
    Continued,
    /// It ended.
    Ended(ExitStatus, ExitUsage),
}

/// Takes all that the kernel has to say about children, without waiting. Orphans are reaped silently.
pub fn news(command: Pid) -> Vec<News> {
    let mut found = Vec::new();
    loop {
        let mut status = 0;
        // SAFETY: an rusage of zeros is a valid one.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        let flags = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
        // SAFETY: both places are of the right type and outlive the call.
        match unsafe { libc::wait4(-1, &mut status, flags, &mut usage) } {
            pid if pid > 0 && pid == command.as_raw() => found.extend(understood(status, &usage)),
            pid if pid > 0 => {}
            _ => return found,
        }
    }
}

fn understood(status: i32, usage: &libc::rusage) -> Option<News> {
    if libc::WIFSTOPPED(status) {
        Signal::try_from(libc::WSTOPSIG(status)).ok().map(News::Stopped)
    } else if libc::WIFCONTINUED(status) {
        Some(News::Continued)
    } else if libc::WIFEXITED(status) {
        Some(News::Ended(ExitStatus::Code(libc::WEXITSTATUS(status) as u8), used(usage)))
    } else if libc::WIFSIGNALED(status) {
        Some(News::Ended(ExitStatus::Signal(libc::WTERMSIG(status) as u8), used(usage)))
    } else {
        None
    }
}

/// The largest resident memory of this process so far, bytes; 0 where the kernel does not tell.
pub fn largest_resident() -> u64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF);
    usage.map_or(0, |u| u64::try_from(u.max_rss()).unwrap_or(0) * 1024)
}

/// Pages that the forked child touched before it became the command, bytes: a few of its stack.
const TOUCHED: u64 = 256 * 1024;

/// The kernel keeps the high-water mark over exec: a command that never was larger than this process when it forked shows
/// our size, not its own. Then its largest size is not known.
pub fn without_ours(usage: ExitUsage, at_fork: u64) -> ExitUsage {
    let max_resident = if usage.max_resident > at_fork + TOUCHED { usage.max_resident } else { 0 };
    ExitUsage { max_resident, ..usage }
}

fn used(usage: &libc::rusage) -> ExitUsage {
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    ExitUsage {
        user_seconds: seconds(usage.ru_utime),
        system_seconds: seconds(usage.ru_stime),
        max_resident: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_understood() {
        // SAFETY: an rusage of zeros is a valid one.
        let none: libc::rusage = unsafe { std::mem::zeroed() };
        let ended = |status| Some(News::Ended(status, ExitUsage::default()));
        assert_eq!(understood(7 << 8, &none), ended(ExitStatus::Code(7)));
        assert_eq!(understood(9, &none), ended(ExitStatus::Signal(9)));
        assert_eq!(understood(11 | 0x80, &none), ended(ExitStatus::Signal(11)));
        assert_eq!(understood((20 << 8) | 0x7f, &none), Some(News::Stopped(Signal::SIGTSTP)));
        assert_eq!(understood(0xffff, &none), Some(News::Continued));
    }
}
