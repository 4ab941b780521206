//! A trial's process: this same program, started again.

use std::io;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use earlystop::model::{ExitStatus, ExitUsage};
use rustix::process::{Signal, set_parent_process_death_signal};

/// A started trial.
pub struct Trial {
    child: Child,
    /// Nobody writes here. It closes when this program ends, however it ends, and so a trial that waits for it ends too.
    _silence: Option<ChildStdin>,
}

/// How a trial ended, and what the kernel says it used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ended {
    /// Code or signal.
    pub status: ExitStatus,
    /// CPU time.
    pub usage: ExitUsage,
}

impl Trial {
    /// Starts this program with these arguments; the sidecar hears of it when it says hello on the socket.
    pub fn start(arguments: &[String], socket: &Path) -> io::Result<Trial> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments);
        Trial::spawn(command, socket)
    }

    /// The same of any program.
    pub fn spawn(mut command: Command, socket: &Path) -> io::Result<Trial> {
        command.env("EARLYSTOP_SOCKET", socket);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        Ok(Trial { _silence: child.stdin.take(), child })
    }

    /// Waits for its end. `Child::wait` does not tell what was used; wait4(2) does.
    pub fn wait(self) -> io::Result<Ended> {
        let pid = libc::pid_t::try_from(self.child.id()).map_err(io::Error::other)?;
        let mut status = 0;
        // SAFETY: an rusage of zeros is a valid one.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        loop {
            // SAFETY: both places are of the right type and outlive the call. The pid is that of our own child, which
            // nobody else waits for, so it cannot have become somebody else's.
            if unsafe { libc::wait4(pid, &mut status, 0, &mut usage) } == pid {
                return Ok(Ended { status: exit_status(status), usage: used(&usage) });
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

/// Says to a program of ours that it belongs to the one that starts it.
const TIED: &str = "EARLYSTOP_THESIS_TIED";

/// The command, started so that it does not outlive this process, however that ends; nor do commands of this program that
/// it starts itself.
pub fn tied_to(command: &mut Command) -> &mut Command {
    command.env(TIED, "1")
}

/// Ends with the process that started this one, if that is what it asked for.
pub fn tie() -> io::Result<()> {
    if std::env::var_os(TIED).is_some() {
        set_parent_process_death_signal(Some(Signal::TERM))?;
    }
    Ok(())
}

/// The status word of wait(2). Without WUNTRACED and WCONTINUED it tells of ends only.
fn exit_status(status: i32) -> ExitStatus {
    if libc::WIFSIGNALED(status) {
        ExitStatus::Signal(libc::WTERMSIG(status) as u8)
    } else {
        ExitStatus::Code(libc::WEXITSTATUS(status) as u8)
    }
}

fn used(usage: &libc::rusage) -> ExitUsage {
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    ExitUsage {
        user_seconds: seconds(usage.ru_utime),
        system_seconds: seconds(usage.ru_stime),
        // Left out: until exec(2) a child is a copy of its parent, and ru_maxrss remembers that. For trials as small as
        // these it would tell the size of this program, not theirs. What the sidecar saw at its looks is the peak then.
        max_resident: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(script: &str) -> Ended {
        let child = Command::new("sh").args(["-c", script]).spawn().expect("there is a shell");
        Trial { child, _silence: None }.wait().expect("it is our child")
    }

    #[test]
    fn codes_signals_and_usage_come_back() {
        assert_eq!(end_of("exit 7").status, ExitStatus::Code(7));
        assert_eq!(end_of("kill -TERM $$").status, ExitStatus::Signal(15));
        let busy = end_of("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done");
        assert!(busy.usage.user_seconds > 0.0, "{busy:?}");
    }
}
