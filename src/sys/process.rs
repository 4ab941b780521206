//! One process and its identity.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::text::Stat;
use super::tree::{ProcTree, is_gone, is_short_of_files};
use super::{limits, pidfd};
use crate::model::{ExitStatus, ProcKey, RunState};

/// A handle of one process, taken once and kept: whatever happens to its number, this is the process that was meant.
#[derive(Debug)]
pub struct Proc {
    /// Who it is.
    pub key: ProcKey,
    /// Its pidfd; `None` when descriptors ran short (or in a test's tree): such a process is watched, never signalled.
    pub pidfd: Option<OwnedFd>,
    /// Command name, as of the first look.
    pub comm: Arc<str>,
    tree: Arc<ProcTree>,
}

impl Proc {
    /// The living process with this number now. Errors: NotFound or ESRCH when there is none (a zombie that has no
    /// threads left still counts as one), InvalidInput when the number is a thread's.
    pub fn open(pid: u32) -> io::Result<Arc<Proc>> {
        Proc::open_in(&Arc::new(ProcTree::default()), pid).map(|(proc, _)| proc)
    }

    /// Like [`Proc::open`] in a given tree, with the `stat` that was read on the way.
    pub fn open_in(tree: &Arc<ProcTree>, pid: u32) -> io::Result<(Arc<Proc>, Stat)> {
        let fd = match tree.is_real().then(|| pidfd::open(pid)).transpose() {
            Ok(fd) => fd.filter(|fd| fd.as_raw_fd() < limits::keep_below()),
            Err(e) if is_short_of_files(&e) => None,
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) || e.raw_os_error() == Some(libc::ENOENT) => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            Err(e) => return Err(e),
        };
        if fd.is_none() && tree.is_real() && tree.status(pid)?.tgid != pid {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Proc::with(tree, pid, fd)
    }

    /// The process that somebody handed over by its pidfd. Errors: NotFound when it is reaped or not visible in this
    /// pid namespace.
    pub fn from_pidfd(fd: OwnedFd) -> io::Result<Arc<Proc>> {
        let pid = pidfd::pid_of(fd.as_fd()).ok_or(io::ErrorKind::NotFound)?;
        Proc::with(&Arc::new(ProcTree::default()), pid, Some(fd)).map(|(proc, _)| proc)
    }

    /// Reads the start time, then makes sure by the pidfd that the number was still this process's when it was read.
    fn with(tree: &Arc<ProcTree>, pid: u32, fd: Option<OwnedFd>) -> io::Result<(Arc<Proc>, Stat)> {
        let stat = tree.stat(pid)?;
        if fd.as_ref().is_some_and(|fd| !pidfd::is_there(fd.as_fd())) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inode = fd.as_ref().map_or(0, |fd| pidfd::inode(fd.as_fd()));
        let key = ProcKey { pid, start: stat.start, inode };
        let comm = stat.comm.as_str().into();
        Ok((Arc::new(Proc { key, pidfd: fd, comm, tree: tree.clone() }), stat))
    }

    /// The pidfd, to signal or poll it.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(|fd| fd.as_fd())
    }

    /// Looks at the identity afresh: the process is not reaped, and start time and inode are those of the first look.
    pub fn is_same(&self) -> bool {
        let Ok(stat) = self.tree.stat(self.key.pid) else { return false };
        stat.start == self.key.start
            && self.fd().is_none_or(|fd| {
                pidfd::is_there(fd)
                    && (self.key.inode == 0 || pidfd::inode(fd) == self.key.inode)
                    && pidfd::pid_of(fd) == Some(self.key.pid)
            })
    }

    /// Whether it has ended: a zombie, reaped, or another process has its number.
    pub fn is_gone(&self) -> bool {
        match self.fd() {
            Some(fd) => pidfd::has_ended(fd),
            None => match self.tree.stat(self.key.pid) {
                Ok(stat) => stat.start != self.key.start || stat.is_dead(),
                Err(e) => is_gone(&e),
            },
        }
    }

    /// Whether nothing of it is left, not even a zombie.
    pub fn is_reaped(&self) -> bool {
        match self.fd() {
            Some(fd) => !pidfd::is_there(fd),
            None => match self.tree.stat(self.key.pid) {
                Ok(stat) => stat.start != self.key.start,
                Err(e) => is_gone(&e),
            },
        }
    }

    /// How it ended, where the kernel tells by pidfd (Linux 6.15) and it was reaped.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.fd().and_then(pidfd::exit_status)
    }

    /// Its real user. Errors: NotFound when it is gone.
    pub fn uid(&self) -> io::Result<u32> {
        let status = self.tree.status(self.key.pid)?;
        self.still_here()?;
        Ok(status.uid)
    }

    /// `stat`, read afresh and surely of this process. Errors: NotFound when it is gone.
    pub fn stat(&self) -> io::Result<Stat> {
        let stat = self.tree.stat(self.key.pid)?;
        match stat.start == self.key.start {
            true => self.still_here().map(|()| stat),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// What it does now; `None` when it is reaped. A process whose main thread left while others go on is alive.
    pub fn run_state(&self) -> Option<RunState> {
        let stat = self.stat().ok()?;
        Some(match stat.state() {
            RunState::Zombie if !stat.is_dead() => RunState::Alive,
            state => state,
        })
    }

    /// Its parent now. Safe against reuse: after the parent was opened, this process must still name it as its parent.
    /// A number that was given anew cannot pass, since this process had been handed to another parent by then. Errors:
    /// NotFound when it is gone, has no visible parent, or the parent went away meanwhile.
    pub fn parent(&self) -> io::Result<Arc<Proc>> {
        let before = self.stat()?.ppid;
        if before == 0 {
            return Err(io::ErrorKind::NotFound.into());
        }
        let (parent, _) = Proc::open_in(&self.tree, before)?;
        match self.stat()?.ppid == before && !parent.is_reaped() {
            true => Ok(parent),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The tree that it was seen in.
    pub fn tree(&self) -> &Arc<ProcTree> {
        &self.tree
    }

    fn still_here(&self) -> io::Result<()> {
        match self.fd() {
            Some(fd) if !pidfd::is_there(fd) => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_child_is_itself_until_it_is_reaped() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep starts");
        let proc = Proc::open(child.id()).expect("the child lives");
        let twin = Proc::from_pidfd(pidfd::open(child.id()).expect("it lives")).expect("it is visible");
        assert_eq!(proc.key, twin.key);
        assert_eq!(proc.key.inode != 0, pidfd::inodes_are_unique());
        assert!(proc.is_same() && !proc.is_gone());
        assert_eq!(proc.uid().expect("it lives"), nix::unistd::getuid().as_raw());
        assert_eq!(proc.parent().expect("we live").key.pid, std::process::id());
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        assert!(proc.is_gone() && proc.is_reaped() && !proc.is_same());
        assert!(proc.parent().is_err() && proc.uid().is_err() && proc.run_state().is_none());
    }

    #[test]
    fn a_zombie_is_gone_but_not_reaped() {
        let mut child = Command::new("true").spawn().expect("true starts");
        let proc = Proc::open(child.id()).expect("not reaped before wait");
        while !proc.is_gone() {
            std::thread::yield_now();
        }
        assert!(!proc.is_reaped());
        assert_eq!(proc.run_state(), Some(RunState::Zombie));
        child.wait().expect("our own child");
        assert!(proc.is_reaped());
    }

    #[test]
    fn a_thread_is_no_process() {
        let (tell, told) = std::sync::mpsc::channel();
        let (leave, stay) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tell.send(nix::unistd::gettid().as_raw() as u32).expect("the test listens");
            let _ = stay.recv();
        });
        let tid = told.recv().expect("the thread tells");
        assert_eq!(Proc::open(tid).expect_err("a thread").kind(), io::ErrorKind::InvalidInput);
        drop(leave);
        thread.join().expect("the thread ends");
    }
}
