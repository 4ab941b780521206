//! A connection that never waits.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::answer::{self, Answer};
use super::client::{ClientError, connect, trust};
use super::frame::{Frame, Lines};

/// Bytes kept for a daemon that does not read at the moment; what goes beyond is left out.
const UNSENT: usize = 256 * 1024;
/// Longest line taken from the daemon: a stop with its reason is a few hundred bytes.
const LONGEST: usize = 64 * 1024;

/// The connection.
#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
    lines: Lines,
    unsent: Vec<u8>,
    broken: bool,
}

impl Link {
    /// Connects at once or not at all, and only to one's own user's or root's daemon.
    pub(super) fn connect(path: &Path) -> Result<Link, ClientError> {
        let stream = connect(path, None).map_err(|source| ClientError::Absent { path: path.into(), source })?;
        trust(path, &stream)?;
        Ok(Link { stream, lines: Lines::new(LONGEST), unsent: Vec::new(), broken: false })
    }

    /// Sends a line, or as much as is taken now and the rest later. Returns whether the line was accepted.
    pub(super) fn send(&mut self, line: &str) -> bool {
        self.push();
        if self.broken || self.unsent.len() + line.len() > UNSENT {
            return false;
        }
        self.unsent.extend_from_slice(line.as_bytes());
        self.push();
        true
    }

    /// Writes what is unsent, as much as is taken.
    fn push(&mut self) {
        let mut sent = 0;
        while sent < self.unsent.len() && !self.broken {
            match self.stream.write(&self.unsent[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.broken = true,
            }
        }
        self.unsent.drain(..sent);
    }

    /// The next line of the daemon that has come.
    pub(super) fn receive(&mut self) -> Option<Answer> {
        loop {
            match self.lines.next_line() {
                Some(Frame::Line(line)) => match answer::parse(line) {
                    Ok(answer) => return Some(answer),
                    Err(_) => continue,
                },
                Some(Frame::TooLong) => continue,
                None => {}
            }
            let mut scratch = [0; 4096];
            match self.stream.read(&mut scratch) {
                Ok(0) => self.broken = true,
                Ok(count) => {
                    self.lines.push(&scratch[..count]);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.broken = true,
            }
            return None;
        }
    }

    /// Whether the daemon is gone.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Waits until there is something to read, or for that long.
    pub(super) fn wait(&self, timeout: Duration) {
        self.poll(PollFlags::IN, timeout);
    }

    /// Writes the rest, waiting for the daemon to take it for that long at most.
    pub(super) fn finish(&mut self, timeout: Duration) {
        let until = Instant::now() + timeout;
        self.push();
        while !self.unsent.is_empty() && !self.broken {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.poll(PollFlags::OUT, left);
            self.push();
        }
    }

    fn poll(&self, what: PollFlags, timeout: Duration) {
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        // A failure (EINTR) is a short wait; the caller looks and counts the time itself.
        let _ = poll(&mut [PollFd::new(&self.stream, what)], Some(&timeout));
    }
}
