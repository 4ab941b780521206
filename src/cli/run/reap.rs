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
