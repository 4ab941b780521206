//! Watches the roots of trials for their end.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};

use super::cgroup::Cgroup;
use super::sampler::Events;
use crate::model::{Event, ExitStatus, Exited, MILLI, RunId, SECOND};
use crate::sys::process::Proc;
use crate::sys::{clock, pidfd};

/// How long a parent may take to reap a root before its status counts as untold: only then does the kernel tell it.
const REAP_NS: u64 = SECOND / 2;
/// How long whoever waits for a root may take to report its end.
const REPORT_NS: u64 = 2 * SECOND;
/// How often those are looked at that ended but are not settled, or that have no pidfd.
const POLL_NS: i64 = 10 * MILLI as i64;

/// Who reports the end of a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reporter {
    /// This thread, as soon as it can tell how it ended.
    Exits,
    /// Its parent (`run`), which waits for it and knows more. If it says nothing within 2 s (it may have been killed
    /// itself), this thread reports.
    Parent,
}

enum Command {
    Watch(RunId, Arc<Proc>, Reporter),
    Forget(RunId),
    Stop,
}

/// Starts the thread that waits.
pub struct Exits;

/// Tells it whom to watch.
#[derive(Clone)]
pub struct ExitsHandle {
    commands: Sender<Command>,
    bell: Arc<rustix::fd::OwnedFd>,
}

impl Exits {
    /// Starts the thread. Errors: no descriptor or no thread can be had.
    pub fn start(events: Events) -> io::Result<ExitsHandle> {
        let (commands, received) = channel();
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&poll, &bell, epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
        let vigil = Vigil { poll, bell: bell.clone(), events, watched: HashMap::new(), next: BELL + 1 };
        std::thread::Builder::new().name("exits".into()).spawn(move || vigil.work(&received))?;
        Ok(ExitsHandle { commands, bell })
    }
}

impl ExitsHandle {
    /// Watches the root of a trial; its end comes as [`Event::Exited`].
    pub fn watch(&self, run: RunId, proc: Arc<Proc>, reporter: Reporter) {
        self.tell(Command::Watch(run, proc, reporter));
    }

    /// The end is known, or nobody wants to know it.
    pub fn forget(&self, run: RunId) {
        self.tell(Command::Forget(run));
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.tell(Command::Stop);
    }

    fn tell(&self, command: Command) {
        // Errors: the thread has ended with the daemon, or the bell rings already.
        let _ = self.commands.send(command);
        let _ = rustix::io::write(&*self.bell, &1u64.to_ne_bytes());
    }
}

const BELL: u64 = 0;

struct Watched {
    run: RunId,
    proc: Arc<Proc>,
    reporter: Reporter,
    cgroup: Option<Cgroup>,
    oom_kills: Option<u64>,
    /// When it was seen to have ended.
    ended_ns: Option<u64>,
    /// Its status as a zombie's `stat` told it.
    told: Option<ExitStatus>,
}

struct Vigil {
    poll: rustix::fd::OwnedFd,
    bell: Arc<rustix::fd::OwnedFd>,
    events: Events,
    watched: HashMap<u64, Watched>,
    next: u64,
}

impl Vigil {
    fn work(mut self, commands: &Receiver<Command>) {
        let mut ready: Vec<epoll::Event> = Vec::with_capacity(64);
        loop {
            ready.clear();
            let restless = self.watched.values().any(|w| w.ended_ns.is_some() || w.proc.pidfd.is_none());
            let pause = Timespec { tv_sec: 0, tv_nsec: POLL_NS };
            // An interrupted wait is as good as one that timed out.
            let _ = epoll::wait(&self.poll, spare_capacity(&mut ready), restless.then_some(&pause));
            for event in &ready {
                let token = event.data.u64();
                if let Some(watched) = self.watched.get_mut(&token) {
                    watched.ended_ns.get_or_insert(clock::mono_ns());
                    if let Some(fd) = watched.proc.fd() {
                        let _ = epoll::delete(&self.poll, fd);
                    }
                }
            }
            let mut count = [0; 8];
            let _ = rustix::io::read(&*self.bell, &mut count);
            loop {
                match commands.try_recv() {
                    Ok(Command::Watch(run, proc, reporter)) => self.watch(run, proc, reporter),
                    Ok(Command::Forget(run)) => self.forget(run),
                    Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return,
                    Err(TryRecvError::Empty) => break,
                }
            }
            self.settle();
        }
    }

    fn watch(&mut self, run: RunId, proc: Arc<Proc>, reporter: Reporter) {
        let token = self.next;
        self.next += 1;
        let cgroup = Cgroup::of(proc.tree(), proc.key.pid);
        let oom_kills = cgroup.as_ref().and_then(Cgroup::oom_kills);
        let registered = proc.fd().is_some_and(|fd| {
            epoll::add(&self.poll, fd.as_fd(), epoll::EventData::new_u64(token), epoll::EventFlags::IN).is_ok()
        });
        // Twice in one epoll (threads as trials) or no room: it is looked at in turn instead.
        let ended_ns = (!registered && proc.is_gone()).then(clock::mono_ns);
        self.watched.insert(token, Watched { run, proc, reporter, cgroup, oom_kills, ended_ns, told: None });
    }

    fn forget(&mut self, run: RunId) {
        let poll = &self.poll;
        self.watched.retain(|_, w| {
            if w.run == run
                && let Some(fd) = w.proc.fd()
            {
                let _ = epoll::delete(poll, fd);
            }
            w.run != run
        });
    }

    /// Reports those whose end is clear, or has been unclear for long enough.
    fn settle(&mut self) {
        let now = clock::mono_ns();
        let mut over = Vec::new();
        for (token, watched) in &mut self.watched {
            if watched.ended_ns.is_none() && watched.proc.is_gone() {
                watched.ended_ns = Some(now);
            }
            let Some(ended_ns) = watched.ended_ns else { continue };
            watched.told = watched.told.or_else(|| zombie_status(&watched.proc));
            let status = watched.proc.exit_status().or(watched.told);
            let patience = if watched.reporter == Reporter::Parent { REPORT_NS } else { REAP_NS };
            let clear = watched.reporter == Reporter::Exits && status.is_some();
            if clear || now.saturating_sub(ended_ns) >= patience {
                over.push((*token, status));
            }
        }
        for (token, status) in over {
            let Some(watched) = self.watched.remove(&token) else { continue };
            let oom = watched.was_oom_killed(status);
            let exited = Exited { run: watched.run, status, usage: None, oom };
            (self.events)(clock::now(), Event::Exited(exited));
        }
    }
}

impl Watched {
    /// Whether the kernel killed for want of memory in its group meanwhile, and this process may have been the one.
    fn was_oom_killed(&self, status: Option<ExitStatus>) -> bool {
        let now = self.cgroup.as_ref().and_then(Cgroup::oom_kills);
        let more = matches!((self.oom_kills, now), (Some(before), Some(now)) if now > before);
        more && matches!(status, None | Some(ExitStatus::Signal(9)))
    }
}

/// The status of a process that nobody has reaped, from the last field of its `stat`. The kernel writes 0 there for
/// those who may not see it, so 0 is believed only of root and of the process's own user.
fn zombie_status(proc: &Proc) -> Option<ExitStatus> {
    let text = proc.tree().read(proc.key.pid, "stat").ok()?;
    let stat = proc.stat().ok().filter(|s| s.is_dead())?;
    let line = String::from_utf8_lossy(&text);
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // Field 52; after the name come fields 3 and on.
    let word: i32 = fields.get(49)?.parse().ok()?;
    let us = nix::unistd::geteuid();
    let may_see = us.is_root() || proc.uid().ok() == Some(us.as_raw());
    (stat.start == proc.key.start && (word != 0 || may_see)).then(|| pidfd::decode(word))
}
