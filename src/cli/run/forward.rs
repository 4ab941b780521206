//! Passing on the user's own signals. Everything that earlystop decides by itself is signalled by `act/` and nobody else;
//! here a person (or a supervisor) signalled `run`, and `run` stands in for its command.

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};

/// Which signals are passed on.
pub fn is_passed_on(signal: Signal) -> bool {
    use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    matches!(signal, SIGINT | SIGTERM | SIGHUP | SIGQUIT | SIGUSR1 | SIGUSR2)
}

/// Gives `signal` to the command's group, as a terminal or a shell would: a shell script ends together with what it
/// waits for. Only the command itself where it has moved to another group. Call it only before the command is reaped.
pub fn to_group(command: Pid, signal: Signal) {
    // Errors: it is a zombie, or it took another user's rights. There is nothing to be done about either.
    let _ = match getpgid(Some(command)) {
        Ok(group) if group == command => killpg(command, signal),
        _ => kill(command, signal),
    };
}

/// Gives SIGINT to the rest of the job in which `run` was started (a script, `make`): at the terminal's Ctrl-C they would
/// have had it, had `run` not lent the terminal to its command.
pub fn interrupt_to_job() {
    let _ = killpg(Pid::from_raw(0), Signal::SIGINT);
}
