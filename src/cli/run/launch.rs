//! The start of the command: forked before there is any thread, held until its trial is registered, then executed.

use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{ForkResult, Pid, fork, pipe2, setpgid};

use super::inherit::Inherited;

/// Where execvp looks when PATH is not set (glibc).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Most variables that come with the word to begin, and the most bytes of them: one atomic write to a pipe (PIPE_BUF).
const MOST_LATE: usize = 4;
const LONGEST_WORD: usize = 4096;

/// A command, ready for a child that may not allocate any more.
#[derive(Debug)]
pub struct Command {
    /// Files to try in turn.
    candidates: Vec<CString>,
    argv: Vec<CString>,
    /// What was inherited, without the variables that come with the word to begin.
    env: Vec<CString>,
}

/// A child that waits for the word to begin. Dropped, it leaves without having run anything.
#[derive(Debug)]
pub struct Held {
    pid: Pid,
    go: OwnedFd,
    failed: OwnedFd,
}

/// The command could not be executed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ExecError(#[source] pub io::Error);

impl ExecError {
    /// 127 where the command was not found, 126 where it is there but cannot be executed.
    pub fn code(&self) -> u8 {
        match self.0.kind() {
            io::ErrorKind::NotFound => 127,
            _ => 126,
        }
    }
}

impl Command {
    /// Prepares `words` with the environment of this process but for the variables in `later`, which come with
    /// [`Held::start`].
    ///
    /// # Errors
    /// A word holds a NUL byte.
    pub fn prepare(words: &[OsString], later: &[&str]) -> io::Result<Command> {
        let name = words.first().map_or(OsStr::new(""), OsString::as_os_str);
        let candidates = candidates(name, std::env::var_os("PATH").as_deref());
        let kept = std::env::vars_os().filter(|(key, _)| !later.iter().any(|k| OsStr::new(k) == key));
        let joined = kept.map(|(mut key, value)| {
            key.push("=");
            key.push(value);
            key
        });
        Ok(Command {
            candidates: candidates.into_iter().map(|p| text(p.into_os_string())).collect::<io::Result<_>>()?,
            argv: words.iter().cloned().map(text).collect::<io::Result<_>>()?,
            env: joined.map(text).collect::<io::Result<_>>()?,
        })
    }

    /// Forks a child that waits, in a process group of its own. Call it before there is a second thread.
    ///
    /// # Errors
    /// No pipe or no process could be had.
    pub fn fork(&self, inherited: &Inherited) -> io::Result<Held> {
        let (wait, go) = pipe2(OFlag::O_CLOEXEC)?;
        let (failed, fail) = pipe2(OFlag::O_CLOEXEC)?;
        let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
            texts.iter().map(|t| t.as_ptr()).chain([ptr::null()]).collect()
        };
        let argv = pointers(&self.argv);
        let mut env = pointers(&self.env);
        let last = self.env.len();
        env.resize(last + 1 + MOST_LATE, ptr::null());
        let mut word = vec![0u8; LONGEST_WORD];
        // execvp runs a file without `#!` by the shell; slot 1 takes the file.
        let mut by_shell = vec![c"/bin/sh".as_ptr(), ptr::null()];
        by_shell.extend_from_slice(&argv[1..]);
        // SAFETY: there is no other thread, and the child below only makes system calls until it executes or leaves.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => {
                // Both sides do it, so that it is done whoever comes first. EACCES: the child has executed already.
                let _ = setpgid(child, child);
                Ok(Held { pid: child, go, failed })
            }
            ForkResult::Child => {
                let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
                // Else the wait below would never end if the parent died.
                drop(go);
                let length = read_all(&wait, &mut word);
                if length == 0 {
                    leave(125);
                }
                // Each ends with its NUL, so each is a C string in place.
                for (slot, variable) in
                    env[last..last + MOST_LATE].iter_mut().zip(word[..length].split_inclusive(|b| *b == 0))
                {
                    *slot = variable.as_ptr().cast();
                }
                inherited.give_back();
                let errno = execute(&self.candidates, &argv, &env, &mut by_shell);
                let _ = nix::unistd::write(&fail, &(errno as i32).to_ne_bytes());
                leave(127)
            }
        }
    }
}

impl Held {
    /// The child.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Lets it begin, with these variables beside what it inherited; comes back when it has. At most 4 variables, 4 KiB
    /// in all, without NUL bytes.
    ///
    /// # Errors
    /// It could not be executed; the child leaves by itself and is still to be reaped.
    pub fn start(self, variables: &[(&str, OsString)]) -> Result<(), ExecError> {
        let mut word = Vec::new();
        for (key, value) in variables {
            word.extend([key.as_bytes(), b"=", value.as_bytes(), b"\0"].concat());
        }
        if word.len() > LONGEST_WORD || variables.len() > MOST_LATE {
            return Err(ExecError(io::Error::from_raw_os_error(libc::E2BIG)));
        }
        // A child that was killed meanwhile is noticed by its reaping, not here.
        let _ = std::fs::File::from(self.go).write_all(&word);
        let mut errno = [0u8; 4];
        match std::fs::File::from(self.failed).read_exact(&mut errno) {
            Ok(()) => Err(ExecError(io::Error::from_raw_os_error(i32::from_ne_bytes(errno)))),
            Err(_) => Ok(()),
        }
    }
}

/// Reads until the end, as far as there is room; 0: nothing came. Async-signal-safe.
fn read_all(from: &OwnedFd, into: &mut [u8]) -> usize {
    let mut length = 0;
    while length < into.len() {
        match nix::unistd::read(from, &mut into[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(Errno::EINTR) => {}
            Err(_) => return 0,
        }
    }
    length
}

/// Tries the candidates as execvp does; the error that tells most.
fn execute(
    candidates: &[CString],
    argv: &[*const libc::c_char],
    env: &[*const libc::c_char],
    by_shell: &mut [*const libc::c_char],
) -> Errno {
    let mut worst = Errno::ENOENT;
    for file in candidates {
        // SAFETY: all three are NUL-terminated, and the arrays end with a null pointer; they outlive the call.
        unsafe { libc::execve(file.as_ptr(), argv.as_ptr(), env.as_ptr()) };
        match Errno::last() {
            Errno::ENOEXEC => {
                by_shell[1] = file.as_ptr();
                // SAFETY: as above.
                unsafe { libc::execve(c"/bin/sh".as_ptr(), by_shell.as_ptr(), env.as_ptr()) };
                return Errno::ENOEXEC;
            }
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => worst = Errno::EACCES,
            other => return other,
        }
    }
    worst
}

/// Leaves at once, without running what the parent registered for its own end.
fn leave(code: i32) -> ! {
    // SAFETY: _exit is always safe to call.
    unsafe { libc::_exit(code) }
}

/// The files that a command's name may mean.
fn candidates(name: &OsStr, path: Option<&OsStr>) -> Vec<PathBuf> {
    if name.is_empty() {
        return Vec::new();
    }
    if name.as_bytes().contains(&b'/') {
        return vec![PathBuf::from(name)];
    }
    let path = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    std::env::split_paths(path)
        .map(|folder| if folder.as_os_str().is_empty() { Path::new(".").join(name) } else { folder.join(name) })
        .collect()
}

fn text(word: OsString) -> io::Result<CString> {
    CString::new(word.into_vec()).map_err(|_| io::Error::other("a word of the command holds a NUL byte"))
}

/// Takes standard input and output out of `run`'s own hands after the fork: what its command closes is then closed, and
/// nothing of `run` can ever be written there.
pub fn let_go_of_streams() {
    let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") else { return };
    for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO] {
        // SAFETY: both descriptors are open; nothing in this process has buffered anything for them.
        unsafe { libc::dup2(null.as_raw_fd(), stream) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_in_path() {
        let of = |name: &str, path: Option<&str>| candidates(OsStr::new(name), path.map(OsStr::new));
        assert_eq!(of("x", Some("/a::/b")), [Path::new("/a/x"), Path::new("./x"), Path::new("/b/x")]);
        assert_eq!(of("./x", Some("/a")), [Path::new("./x")]);
        assert_eq!(of("x", None), [Path::new("/bin/x"), Path::new("/usr/bin/x")]);
        assert!(of("", Some("/a")).is_empty());
    }

    #[test]
    fn codes_of_failed_starts() {
        let code = |errno| ExecError(io::Error::from_raw_os_error(errno)).code();
        assert_eq!(code(libc::ENOENT), 127);
        assert_eq!(code(libc::EACCES), 126);
        assert_eq!(code(libc::ENOEXEC), 126);
        assert_eq!(code(libc::E2BIG), 126);
    }
}
