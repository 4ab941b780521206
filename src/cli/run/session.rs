//! The life of the command as seen by `run`: signals, stops, the terminal, the end.

use std::os::fd::AsFd;

use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};

use super::forward;
use super::host::{Host, HostNews};
use super::reap::{self, News};
use super::terminal::{self, Terminal};

use crate::model::{ExitStatus, ExitUsage, Exited, RunId, StopNotice};

/// How it ended.
#[derive(Debug)]
pub struct Ending {
    /// The command's status.
    pub status: ExitStatus,
    /// The stop that ended it, if one did.
    pub stop: Option<StopNotice>,
    /// The command had the terminal when it ended.
    pub had_terminal: bool,
}

/// What is known of the command now.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Running,
    Stopped,
    /// It is reaped; its number may belong to another process by now.
    Ended(ExitStatus),
}

/// `run` and its command.
pub struct Session<'a> {
    /// The command: its pid and its process group.
    pub command: Pid,
    /// The trial's start.
    pub run: RunId,
    /// The largest resident memory of `run` itself when it forked the command, bytes.
    pub at_fork: u64,
    /// What `run` reads its signals from.
    pub signals: &'a SignalFd,
    /// The terminal.
    pub terminal: &'a mut Terminal,
    /// Who watches.
    pub host: &'a Host,
}

/// A loop's state beside the session.
#[derive(Debug)]
struct Progress {
    phase: Phase,
    had_terminal: bool,
    /// Signals by which somebody wanted `run` itself to leave after its command had.
    impatience: u32,
    gone: bool,
    closed: Option<Option<StopNotice>>,
}

impl Session<'_> {
    /// Stands by until the command has ended and its trial is closed.
    pub fn stand_by(&mut self) -> Ending {
        let mut now = Progress { phase: Phase::Running, had_terminal: false, impatience: 0, gone: false, closed: None };
        loop {
            if let Phase::Ended(status) = now.phase
                && (now.closed.is_some() || now.gone || now.impatience >= self.patience())
            {
                return Ending { status, stop: now.closed.flatten(), had_terminal: now.had_terminal };
            }
            self.wait();
            self.take_signals(&mut now);
            self.take_host_news(&mut now);
        }
    }

    /// How many signals it takes to leave a ladder alone that is still under way on what the command left behind.
    fn patience(&self) -> u32 {
        if self.host.outlives_us() { 1 } else { 2 }
    }

    fn wait(&self) {
        let mut fds = [
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.host.bell().as_fd(), PollFlags::IN),
        ];
        // EINTR cannot come (the signals are blocked); any other error shows again in the reads.
        let _ = poll(&mut fds, None);
    }

    fn take_signals(&mut self, now: &mut Progress) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            let Ok(signal) = Signal::try_from(info.ssi_signo as i32) else { continue };
            match (signal, now.phase) {
                (Signal::SIGCHLD, _) => self.reap(now),
                (Signal::SIGCONT, Phase::Stopped) => self.resume(now),
                (Signal::SIGCONT, Phase::Running) if self.terminal.lends_at_once() => self.terminal.lend(self.command),
                (Signal::SIGTSTP, Phase::Running) => forward::to_group(self.command, signal),
                (Signal::SIGTSTP, Phase::Stopped) => self.stop_too(signal, now),
                (signal, Phase::Ended(_)) if forward::is_passed_on(signal) => self.note_impatience(now),
                (signal, _) if forward::is_passed_on(signal) => forward::to_group(self.command, signal),
                _ => {}
            }
        }
    }

    fn take_host_news(&mut self, now: &mut Progress) {
        for news in self.host.news() {
            match news {
                HostNews::Closed(stop) => now.closed = Some(stop),
                HostNews::Gone => {
                    now.gone = true;
                    if !matches!(now.phase, Phase::Ended(_)) {
                        eprintln!("earlystop: the daemon went away; the command goes on without it");
                    }
                }
            }
        }
    }

    fn note_impatience(&self, now: &mut Progress) {
        now.impatience += 1;
        if now.impatience < self.patience() {
            eprintln!("earlystop: a stop of what the command left behind is under way; once more to leave at once");
        }
    }

    fn reap(&mut self, now: &mut Progress) {
        for news in reap::news(self.command) {
            match news {
                News::Stopped(signal) => self.command_stopped(signal, now),
                News::Continued => self.command_continued(now),
                News::Ended(status, usage) => self.command_ended(status, usage, now),
            }
        }
    }

    /// The command stopped: Ctrl-Z, a read of a terminal that it does not have, or somebody's SIGSTOP.
    fn command_stopped(&mut self, signal: Signal, now: &mut Progress) {
        now.phase = Phase::Stopped;
        match signal {
            Signal::SIGTTIN | Signal::SIGTTOU if self.terminal.is_ours() => self.resume(now),
            Signal::SIGTTIN | Signal::SIGTTOU | Signal::SIGTSTP => self.stop_too(signal, now),
            // SIGSTOP: whoever paused the command will continue it. `run` goes on watching, in the foreground again, so
            // that Ctrl-C and Ctrl-Z are heard.
            _ => self.terminal.take_back(),
        }
    }

    /// Stops as the command did, so that the shell takes over; later goes on as the shell wants.
    fn stop_too(&mut self, signal: Signal, now: &mut Progress) {
        self.terminal.take_back();
        let was_stopped = terminal::stop_self(signal);
        if !was_stopped && signal != Signal::SIGTSTP && !self.terminal.is_ours() {
            // Nobody will ever bring this job to the foreground. The kernel gives SIGHUP in such a case; to continue
            // alone would only stop the command again.
            forward::to_group(self.command, Signal::SIGHUP);
        }
        self.resume(now);
    }

    fn resume(&mut self, now: &mut Progress) {
        self.terminal.lend(self.command);
        forward::to_group(self.command, Signal::SIGCONT);
        now.phase = Phase::Running;
    }

    fn command_continued(&mut self, now: &mut Progress) {
        if now.phase == Phase::Stopped {
            now.phase = Phase::Running;
            self.terminal.lend(self.command);
        }
    }

    fn command_ended(&mut self, status: ExitStatus, usage: ExitUsage, now: &mut Progress) {
        now.phase = Phase::Ended(status);
        now.had_terminal = self.terminal.is_lent();
        self.terminal.take_back_for_good(matches!(status, ExitStatus::Signal(_)));
        let usage = reap::without_ours(usage, self.at_fork);
        if !now.gone {
            self.host.ended(Exited { run: self.run, status: Some(status), usage: Some(usage), oom: false });
        }
    }
}
