//! The whole way of a signal tried at start with signal 0 (a habit of earlyoom's): better to hear at start than in need
//! that something is missing.

use std::io;

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

use super::aim::try_send;
use crate::model::Signal;
use crate::sys::process::Proc;

/// A facility that is missing.
#[derive(Debug, thiserror::Error)]
#[error("{facility} does not work here: {cause}; without it no trial can be stopped. {hint}")]
pub struct SelfTestError {
    /// What is missing.
    pub facility: &'static str,
    /// What the system said.
    pub cause: String,
    /// What to do.
    pub hint: &'static str,
}

/// Tries pidfd_open, the look at the identity and pidfd_send_signal on a child of its own, with signal 0. To be called
/// before anything is watched.
pub fn self_test() -> Result<(), SelfTestError> {
    let hint = "Look whether /proc is mounted and processes may be started.";
    let failed = |facility, hint| move |cause: io::Error| SelfTestError { facility, cause: cause.to_string(), hint };
    // The child leaves at once; until it is waited for it is a zombie, and a zombie takes signal 0.
    let child = leaving_child().map_err(failed("starting a process", hint))?;
    let hint = "It takes Linux 5.3, and a sandbox (seccomp) that allows pidfd_open and pidfd_send_signal.";
    let tried = Proc::open(child.as_raw().unsigned_abs()).map_err(failed("pidfd_open", hint)).and_then(|proc| {
        if proc.pidfd.is_none() {
            return Err(failed("pidfd_open", "Raise the limit of open files (ulimit -n).")(io::Error::other(
                "too many open files",
            )));
        }
        if !proc.is_same() {
            return Err(failed("reading /proc/PID/stat", "Look whether /proc is mounted and readable.")(
                io::Error::other("the identity of an own child could not be made sure"),
            ));
        }
        try_send(&proc, Signal(0)).map_err(failed("pidfd_send_signal", hint))
    });
    // It cannot fail: the child is ours and nobody else waits for it by its number.
    let _ = waitpid(child, None);
    tried
}

/// A child that leaves at once. It runs nothing of the program it is a copy of, whatever program that is.
fn leaving_child() -> io::Result<Pid> {
    // SAFETY: between fork and _exit the child calls nothing.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => unsafe { libc::_exit(0) },
    }
}
