//! What `run` found when it began and what it gives back to its command: signal mask and dispositions.
//!
//! `run` reads its signals from a signalfd, so it blocks them; a blocked signal is never discarded, not even if it is
//! ignored by disposition or `run` is PID 1. Everything here happens before there is a second thread.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Signals that `run` takes from the kernel by signalfd.
const TAKEN: [Signal; 9] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGCHLD,
    Signal::SIGCONT,
    Signal::SIGTSTP,
];

/// Whether SIGPIPE was ignored when the process began: Rust's runtime sets it to "ignored" before `main`, and a command
/// that inherits that would not end with its pipe.
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);

/// Looks at SIGPIPE before Rust's runtime does.
extern "C" fn look_at_sigpipe() {
    // SAFETY: sigaction with no new action only writes the old one into a struct of the right size.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGPIPE, std::ptr::null(), &mut old) == 0 {
            PIPE_IGNORED.store(old.sa_sigaction == libc::SIG_IGN, Ordering::Relaxed);
        }
    }
}

#[used]
// SAFETY: the C runtime calls the functions of this section before `main`, with the C calling convention; the function
// touches nothing that needs Rust's runtime.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = look_at_sigpipe;

/// The signal state that the command gets back.
#[derive(Clone, Copy, Debug)]
pub struct Inherited {
    mask: SigSet,
    child: SigAction,
    pipe: SigAction,
}

impl Inherited {
    /// Blocks the signals that `run` reads itself and remembers how everything was.
    ///
    /// # Errors
    /// A system call failed.
    pub fn take() -> io::Result<(Inherited, SignalFd)> {
        let taken: SigSet = TAKEN.into_iter().collect();
        let mut blocked = taken;
        // A background process that moves the terminal's foreground, or writes to a terminal with `tostop`, is stopped by
        // SIGTTOU unless it blocks it.
        blocked.add(Signal::SIGTTOU);
        let mut mask = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&blocked), Some(&mut mask))?;
        let by_default = action(SigHandler::SigDfl);
        // SAFETY: the default action runs no code of ours. With SIGCHLD ignored the kernel would reap for us, and no
        // exit code could be had.
        let child = unsafe { sigaction(Signal::SIGCHLD, &by_default) }?;
        let pipe = action(match PIPE_IGNORED.load(Ordering::Relaxed) {
            true => SigHandler::SigIgn,
            false => SigHandler::SigDfl,
        });
        let signals = SignalFd::with_flags(&taken, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok((Inherited { mask, child, pipe }, signals))
    }

    /// Gives everything back, in the child between fork and exec (async-signal-safe).
    pub fn give_back(&self) {
        // SAFETY: these are actions that the process began with, default or ignore; no code of ours.
        unsafe {
            let _ = sigaction(Signal::SIGCHLD, &self.child);
            let _ = sigaction(Signal::SIGPIPE, &self.pipe);
        }
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.mask), None);
    }

    /// Ends this process by `signal`, as its command ended. Returns if that is ignored (or this is PID 1).
    pub fn end_by(&self, signal: Signal) {
        // SAFETY: the default action runs no code of ours.
        let _ = unsafe { sigaction(signal, &action(SigHandler::SigDfl)) };
        let _ = nix::sys::signal::raise(signal);
        let _ = SigSet::from(signal).thread_unblock();
    }
}

fn action(handler: SigHandler) -> SigAction {
    SigAction::new(handler, SaFlags::empty(), SigSet::empty())
}
