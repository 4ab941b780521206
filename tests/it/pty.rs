//! A terminal for tests: a program in a session of its own, on a pty, typed to and read from.

#![allow(dead_code, reason = "each module uses what it needs")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::wait_for;

/// Long enough for a loaded machine; a test that passes never waits so long.
pub const LONG: Duration = Duration::from_secs(60);

/// A program on a terminal of its own.
pub struct Pty {
    pub child: Child,
    master: File,
    seen: Arc<Mutex<String>>,
    /// How much of `seen` earlier `expect`s have used up.
    read: usize,
}

impl Pty {
    /// Starts `command` as the leader of a session whose terminal is a new pty.
    pub fn spawn(command: &mut Command) -> Pty {
        let pty = nix::pty::openpty(None, None).expect("a pty");
        let stream = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        command.stdin(stream()).stdout(stream()).stderr(stream());
        let only_ours = |fd: &std::os::fd::OwnedFd| {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC).expect("close on exec");
        };
        only_ours(&pty.master);
        only_ours(&pty.slave);
        // SAFETY: setsid and ioctl are async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                match libc::ioctl(0, libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let child = command.spawn().expect("the program starts");
        let master = File::from(pty.master);
        let seen = Arc::new(Mutex::new(String::new()));
        let (mut reader, text) = (master.try_clone().expect("a descriptor"), seen.clone());
        std::thread::spawn(move || {
            let mut buffer = [0u8; 4096];
            // EIO: nobody has the other side open any more.
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                text.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
        });
        Pty { child, master, seen, read: 0 }
    }

    /// Types.
    pub fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("the pty takes input");
    }

    /// Waits until `text` appears after what was expected before; gives what stood before it.
    pub fn expect(&mut self, text: &str) -> String {
        let from = self.read;
        let seen = self.seen.clone();
        let found = wait_for_or(LONG, || {
            let all = seen.lock().unwrap();
            all[from..].find(text).map(|at| (from + at + text.len(), all[from..from + at].to_string()))
        });
        match found {
            Some((read, before)) => {
                self.read = read;
                before
            }
            None => panic!("{text:?} did not appear; the terminal shows:\n{}", self.seen.lock().unwrap()),
        }
    }

    /// Everything seen so far.
    pub fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    /// The process group in the foreground.
    pub fn foreground(&self) -> i32 {
        let mut group = 0;
        // SAFETY: TIOCGPGRP writes a pid_t; on a master it tells the slave's.
        unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCGPGRP, &mut group) };
        group
    }

    /// Waits for the end of the program.
    pub fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        wait_for("the program ends", LONG, || child.try_wait().expect("it is our child"))
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for_or<T>(deadline: Duration, mut what: impl FnMut() -> Option<T>) -> Option<T> {
    let start = std::time::Instant::now();
    loop {
        match what() {
            None if start.elapsed() < deadline => std::thread::sleep(Duration::from_millis(5)),
            found => return found,
        }
    }
}
