//! `earlystop top`: the table of `list`, again and again, until `q` or Ctrl-C.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Failure, list};

/// Arguments of `earlystop top`.
#[derive(Debug, clap::Args)]
#[command(after_help = "q or Ctrl-C ends it. If the output is no terminal, the table is printed once.")]
pub struct Args {}

/// Time between two looks.
const REFRESH: Duration = Duration::from_secs(1);

/// Enter and leave the alternate screen, with the cursor hidden meanwhile.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Shows the table until somebody ends it.
///
/// # Errors
/// No daemon at the start. One that goes away later is only mentioned: it may come back.
pub fn run(_: &Args) -> Result<u8, Failure> {
    if !io::stdout().is_terminal() {
        return list::run(&list::Args { json: false });
    }
    let mut rows = Ok(list::rows()?);
    let screen = Screen::enter()?;
    loop {
        let (width, height) = size();
        let lines = match &rows {
            Ok(rows) => list::lines(rows, Some(width)),
            Err(failure) => failure_lines(failure, width),
        };
        draw(&lines, height)?;
        match screen.wait()? {
            Next::Leave => return Ok(0),
            Next::Refresh => rows = list::rows(),
        }
    }
}

fn failure_lines(failure: &Failure, width: usize) -> Vec<String> {
    failure.to_string().lines().map(|line| line.chars().take(width).collect()).collect()
}

/// Draws over what was there, so that nothing flickers.
fn draw(lines: &[String], height: usize) -> io::Result<()> {
    let mut frame = String::from("\x1b[H");
    let hidden = lines.len().saturating_sub(height);
    let shown = if hidden > 0 { height.saturating_sub(1) } else { lines.len() };
    for (at, line) in lines.iter().take(shown).enumerate() {
        let (on, off) = if at == 0 { ("\x1b[7m", "\x1b[0m") } else { ("", "") };
        let end = if at + 1 < height { "\r\n" } else { "" };
        frame += &format!("{on}{line}{off}\x1b[K{end}");
    }
    if hidden > 0 {
        frame += &format!("... and {} more\x1b[K", lines.len() - shown);
    }
    frame += "\x1b[J";
    let mut out = io::stdout().lock();
    out.write_all(frame.as_bytes())?;
    out.flush()
}

/// Columns and rows of the terminal.
fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => (80, 24),
    }
}

enum Next {
    Refresh,
    Leave,
}

/// The terminal as `top` needs it; dropped, it is as it was.
struct Screen {
    signals: SignalFd,
    /// The keyboard's modes before; `None` where standard input is no terminal.
    modes: Option<Termios>,
}

impl Screen {
    fn enter() -> Result<Screen, Failure> {
        let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGWINCH].into_iter().collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals), None).map_err(io::Error::from)?;
        let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        let signals = signals.map_err(io::Error::from)?;
        let modes = io::stdin().is_terminal().then(|| tcgetattr(io::stdin()).ok()).flatten();
        if let Some(before) = &modes {
            let mut keys = before.clone();
            // Ctrl-C stays a signal; Ctrl-Z would leave the shell in the alternate screen.
            keys.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
            keys.control_chars[libc::VSUSP] = libc::_POSIX_VDISABLE;
            tcsetattr(io::stdin(), SetArg::TCSADRAIN, &keys).map_err(io::Error::from)?;
        }
        let screen = Screen { signals, modes };
        io::stdout().write_all(ENTER.as_bytes())?;
        Ok(screen)
    }

    /// Waits for a key, a signal, or the next look.
    fn wait(&self) -> io::Result<Next> {
        let stdin = io::stdin();
        let mut fds: Vec<BorrowedFd<'_>> = vec![self.signals.as_fd()];
        if self.modes.is_some() {
            fds.push(stdin.as_fd());
        }
        let mut fds: Vec<PollFd<'_>> = fds.into_iter().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let timeout = Timespec { tv_sec: REFRESH.as_secs() as i64, tv_nsec: 0 };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        while let Ok(Some(info)) = self.signals.read_signal() {
            if info.ssi_signo != Signal::SIGWINCH as u32 {
                return Ok(Next::Leave);
            }
        }
        if fds.get(1).is_some_and(|fd| !fd.revents().is_empty()) {
            let mut keys = [0u8; 64];
            let count = stdin.lock().read(&mut keys)?;
            // 0: the terminal is gone. 4: Ctrl-D.
            if count == 0 || keys[..count].iter().any(|key| matches!(key, b'q' | b'Q' | 4)) {
                return Ok(Next::Leave);
            }
        }
        Ok(Next::Refresh)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = io::stdout().write_all(LEAVE.as_bytes()).and_then(|()| io::stdout().flush());
        if let Some(modes) = &self.modes {
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, modes);
        }
    }
}
