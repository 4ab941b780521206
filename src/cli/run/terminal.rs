//! The terminal: lent to the command while `run` is in its foreground, taken back when the command stops or ends.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, stdin, stdout};
use std::os::unix::fs::OpenOptionsExt;

use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// The controlling terminal, if there is one, and whether it is lent out.
#[derive(Debug)]
pub struct Terminal {
    tty: Option<File>,
    lent: bool,
    /// How it was before it was lent.
    modes: Option<Termios>,
}

impl Terminal {
    /// Looks for the controlling terminal.
    pub fn open() -> Terminal {
        let flags = libc::O_NOCTTY | libc::O_CLOEXEC;
        let tty = OpenOptions::new().read(true).write(true).custom_flags(flags).open("/dev/tty").ok();
        Terminal { tty, lent: false, modes: None }
    }

    /// Whether the job that `run` belongs to is in the foreground.
    pub fn is_ours(&self) -> bool {
        let foreground = self.tty.as_ref().and_then(|tty| tcgetpgrp(tty).ok());
        foreground == Some(getpgrp())
    }

    /// Whether the command has it.
    pub fn is_lent(&self) -> bool {
        self.lent
    }

    /// Whether to lend it from the start. In a pipeline others may need it (`run -- CMD | less`): then it is lent only
    /// when the command asks for it by being stopped.
    pub fn lends_at_once(&self) -> bool {
        let pipe = |is_terminal: bool, fd: i32| !is_terminal && is_pipe(fd);
        // Group 0: the job's leader is outside of our pid namespace, the terminal could not be taken back.
        getpgrp().as_raw() > 0 && !pipe(stdin().is_terminal(), 0) && !pipe(stdout().is_terminal(), 1)
    }

    /// Lends it to the group `command`, if it is ours to lend.
    pub fn lend(&mut self, command: Pid) {
        if !self.is_ours() {
            return;
        }
        if let Some(tty) = &self.tty {
            self.modes = self.modes.take().or_else(|| tcgetattr(tty).ok());
            self.lent = tcsetpgrp(tty, command).is_ok();
        }
    }

    /// Takes it back, if it was lent.
    pub fn take_back(&mut self) {
        if let Some(tty) = self.tty.as_ref().filter(|_| self.lent) {
            // It fails only where the terminal is gone; then nobody needs it.
            let _ = tcsetpgrp(tty, getpgrp());
            self.lent = false;
        }
    }

    /// Takes it back from a command that ended; one that a signal ended may have left it without echo.
    pub fn take_back_for_good(&mut self, by_signal: bool) {
        let was_lent = self.lent;
        self.take_back();
        if let (true, true, Some(tty), Some(modes)) = (was_lent, by_signal, &self.tty, &self.modes) {
            let _ = tcsetattr(tty, SetArg::TCSADRAIN, modes);
        }
    }
}

/// Stops this process as a shell expects it of a job. Comes back when it is continued; false: it was never stopped, since
/// nobody is there who could continue it (an orphaned group, PID 1).
pub fn stop_self(signal: Signal) -> bool {
    let only = SigSet::from(signal);
    let blocked = SigSet::thread_get_mask().is_ok_and(|mask| mask.contains(signal));
    let _ = only.thread_unblock();
    let _ = raise(signal);
    if blocked {
        let _ = only.thread_block();
    }
    was_continued()
}

/// Whether a SIGCONT waits: `run` blocks it, so each real stop leaves one.
fn was_continued() -> bool {
    // SAFETY: sigpending writes a signal set into a place of the right size.
    unsafe {
        let mut pending: libc::sigset_t = std::mem::zeroed();
        libc::sigpending(&mut pending) == 0 && libc::sigismember(&pending, libc::SIGCONT) == 1
    }
}

fn is_pipe(fd: i32) -> bool {
    // SAFETY: fstat writes a stat into a place of the right size, or fails.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        libc::fstat(fd, &mut stat) == 0 && (stat.st_mode & libc::S_IFMT) == libc::S_IFIFO
    }
}
