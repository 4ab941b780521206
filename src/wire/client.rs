//! The client of commands: one question, one answer, never longer than it is given time.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::answer::{self, Answer};
use super::frame::{Frame, Lines};
use crate::model::Refusal;
use crate::sys::peer;

/// Longest answer that is taken: `list` of 4096 trials with all labels and params full is about 100 MiB, of real ones 4.
const LONGEST_ANSWER: usize = 256 * 1024 * 1024;
/// How long a connection or a send may take.
const CONNECT: Duration = Duration::from_secs(2);

/// Why a daemon could not be asked, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody is there.
    #[error("{path}: no daemon answers here: {source}")]
    Absent {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// No socket of a daemon was found at all.
    #[error("no daemon answers; looked at {}", .0.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", "))]
    Nowhere(Vec<PathBuf>),
    /// The server belongs to another user who is not root.
    #[error("{path}: the server there belongs to user {uid}; only one's own and root's are trusted")]
    Stranger {
        /// The socket.
        path: PathBuf,
        /// Whose server it is.
        uid: u32,
    },
    /// No answer came in time.
    #[error("the daemon did not answer within {0:?}")]
    Late(Duration),
    /// The daemon closed the connection.
    #[error("the daemon closed the connection")]
    Closed,
    /// What came is no line of the protocol.
    #[error("the daemon's answer cannot be read: {0}")]
    Garbled(String),
    /// The daemon refused.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The connection failed.
    #[error("the connection to the daemon failed: {0}")]
    Io(#[from] io::Error),
}

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    lines: Lines,
}

impl Client {
    /// Connects to the socket at `path`; a server of another user than one's own or root is refused.
    ///
    /// # Errors
    /// [`ClientError::Absent`] or [`ClientError::Stranger`].
    pub fn connect(path: &Path) -> Result<Client, ClientError> {
        let stream =
            connect(path, Some(CONNECT)).map_err(|source| ClientError::Absent { path: path.into(), source })?;
        trust(path, &stream)?;
        stream.set_write_timeout(Some(CONNECT))?;
        Ok(Client { stream, lines: Lines::new(LONGEST_ANSWER) })
    }

    /// Connects to the first of `candidates` where a daemon answers.
    ///
    /// # Errors
    /// [`ClientError::Stranger`] where one answers that is not to be trusted, else [`ClientError::Nowhere`].
    pub fn find(candidates: Vec<PathBuf>) -> Result<Client, ClientError> {
        for path in &candidates {
            match Client::connect(path) {
                Err(ClientError::Absent { .. }) => {}
                found => return found,
            }
        }
        Err(ClientError::Nowhere(candidates))
    }

    /// Sends a line of [`super::write`].
    ///
    /// # Errors
    /// The daemon is gone or does not read.
    pub fn send(&mut self, line: &str) -> Result<(), ClientError> {
        Ok(self.stream.write_all(line.as_bytes())?)
    }

    /// Sends a line with a pidfd beside it.
    ///
    /// # Errors
    /// The daemon is gone or does not read.
    pub fn send_with(&mut self, line: &str, pidfd: BorrowedFd<'_>) -> Result<(), ClientError> {
        let sent = peer::send_with_fd(&self.stream, line.as_bytes(), pidfd)?;
        Ok(self.stream.write_all(&line.as_bytes()[sent..])?)
    }

    /// The next line of the daemon.
    ///
    /// # Errors
    /// [`ClientError::Late`] after `timeout`; the daemon is gone, or speaks another language.
    pub fn receive(&mut self, timeout: Duration) -> Result<Answer, ClientError> {
        let until = Instant::now() + timeout;
        let mut scratch = vec![0; 64 * 1024];
        loop {
            match self.lines.next_line() {
                Some(Frame::Line(line)) => return answer::parse(line).map_err(ClientError::Garbled),
                Some(Frame::TooLong) => return Err(ClientError::Garbled("it is too long".into())),
                None => {}
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ClientError::Late(timeout));
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut scratch) {
                Ok(0) => return Err(ClientError::Closed),
                Ok(count) => self.lines.push(&scratch[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(ClientError::Late(timeout)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends a line and waits for its answer; a refusal is an error.
    ///
    /// # Errors
    /// [`ClientError::Refused`], or as for [`send`](Client::send) and [`receive`](Client::receive).
    pub fn ask(&mut self, line: &str, timeout: Duration) -> Result<Answer, ClientError> {
        self.send(line)?;
        self.answer(timeout)
    }

    /// The answer to what was sent; a refusal is an error.
    ///
    /// # Errors
    /// [`ClientError::Refused`], or as for [`receive`](Client::receive).
    pub fn answer(&mut self, timeout: Duration) -> Result<Answer, ClientError> {
        refused(self.receive(timeout)?)
    }

    /// As [`ask`](Client::ask), with a pidfd beside the line.
    ///
    /// # Errors
    /// As [`ask`](Client::ask).
    pub fn ask_with(&mut self, line: &str, pidfd: BorrowedFd<'_>, timeout: Duration) -> Result<Answer, ClientError> {
        self.send_with(line, pidfd)?;
        self.answer(timeout)
    }

    /// Whether the server runs as this process's user.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn is_own(&self) -> io::Result<bool> {
        Ok(peer::uid_of(&self.stream)? == rustix::process::geteuid().as_raw())
    }

    /// The connection, to poll it.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }
}

fn refused(answer: Answer) -> Result<Answer, ClientError> {
    match answer {
        Answer::Error(refusal) => Err(ClientError::Refused(refusal)),
        answer => Ok(answer),
    }
}

/// Connects; with no `patience` it does not wait at all, not even where the daemon's queue is full.
pub(super) fn connect(path: &Path, patience: Option<Duration>) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    match patience {
        Some(_) => rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Send, patience)?,
        None => rustix::io::ioctl_fionbio(&socket, true)?,
    }
    rustix::net::connect(&socket, &address)?;
    Ok(UnixStream::from(socket))
}

/// Makes sure that the server is one's own or root's.
pub(super) fn trust(path: &Path, stream: &UnixStream) -> Result<(), ClientError> {
    let uid = peer::uid_of(stream)?;
    match uid == 0 || uid == rustix::process::geteuid().as_raw() {
        true => Ok(()),
        false => Err(ClientError::Stranger { path: path.into(), uid }),
    }
}
