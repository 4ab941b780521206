//! Finds trials by what their processes look like (`[[discover]]`).

use std::collections::{HashMap, HashSet, VecDeque};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use globset::GlobMatcher;

use super::sampler::{Events, SamplerHandle};
use crate::model::{Event, Name, Position, ProcKey, Register, Root, TrialSpec};
use crate::sys::process::Proc;
use crate::sys::{clock, random};

/// Longest command line that is looked at, bytes.
const CMDLINE: usize = 4096;

/// A process just forked still looks like its parent: it is looked at once more after this long.
const EXEC: Duration = Duration::from_secs(1);
/// So many wait for that at most.
const MOST_YOUNG: usize = 512;
/// Nothing to wait for but news.
const IDLE: Duration = Duration::from_secs(3600);

/// One `[[discover]]` entry: all globs that are given must match.
#[derive(Clone, Debug)]
pub struct Discover {
    /// On the path of the executable.
    pub exe: Option<GlobMatcher>,
    /// On the command line, its words joined by spaces.
    pub cmdline: Option<GlobMatcher>,
    /// On the path of the control group, as `/proc/PID/cgroup` writes it (any hierarchy).
    pub cgroup: Option<GlobMatcher>,
    /// Whether rules may stop what is found.
    pub stop: bool,
    /// What is known of the trials that are found.
    pub spec: TrialSpec,
}

/// What a process looks like from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Looks {
    exe: Vec<u8>,
    cmdline: Vec<u8>,
    cgroups: Vec<String>,
}

impl Discover {
    fn matches(&self, looks: &Looks) -> bool {
        let path = |glob: &Option<GlobMatcher>, text: &[u8]| {
            glob.as_ref().is_none_or(|g| g.is_match(Path::new(std::ffi::OsStr::from_bytes(text))))
        };
        let any = self.exe.is_some() || self.cmdline.is_some() || self.cgroup.is_some();
        let group = self.cgroup.as_ref().is_none_or(|g| looks.cgroups.iter().any(|c| g.is_match(c)));
        any && path(&self.exe, &looks.exe) && path(&self.cmdline, &looks.cmdline) && group
    }
}

/// Starts discovery.
pub struct Discovery;

impl Discovery {
    /// Listens to the sampler and sends an [`Event::Register`] for every topmost process that an entry matches, of our
    /// own user (root: of any), but never for this process, its ancestors or PID 1. Reading a command line can block,
    /// so this has a thread of its own; it ends when the sampler does, or when discovery is started anew. Errors: no
    /// thread can be had.
    pub fn start(sampler: &SamplerHandle, entries: Vec<Discover>, events: Events) -> std::io::Result<()> {
        if entries.is_empty() {
            sampler.on_strangers(None);
            return Ok(());
        }
        let (tell, told) = channel();
        let seeker = Seeker {
            entries,
            events,
            sampler: sampler.clone(),
            own: own_line(),
            found: HashMap::new(),
            young: VecDeque::new(),
        };
        std::thread::Builder::new().name("discover".into()).spawn(move || seeker.work(&told))?;
        sampler.on_strangers(Some(Box::new(move |strangers| drop(tell.send(strangers)))));
        Ok(())
    }
}

struct Seeker {
    entries: Vec<Discover>,
    events: Events,
    sampler: SamplerHandle,
    own: HashSet<ProcKey>,
    /// Those that matched, until they are gone.
    found: HashMap<ProcKey, Arc<Proc>>,
    /// Those that did not match but were so young that they may yet become another program, with the time to look.
    young: VecDeque<(Instant, Arc<Proc>)>,
}

impl Seeker {
    fn work(mut self, told: &Receiver<Vec<Arc<Proc>>>) {
        loop {
            let wait = self.young.front().map_or(IDLE, |(at, _)| at.saturating_duration_since(Instant::now()));
            match told.recv_timeout(wait) {
                Ok(strangers) => {
                    let again = Instant::now() + EXEC;
                    let unmatched = self.look_at(strangers);
                    self.young.extend(unmatched.into_iter().map(|p| (again, p)));
                    // Under a flood the newest are kept: each holds a descriptor.
                    let surplus = self.young.len().saturating_sub(MOST_YOUNG);
                    self.young.drain(..surplus);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let due = self.young.iter().take_while(|(at, _)| *at <= Instant::now()).count();
                    let due = self.young.drain(..due).map(|(_, p)| p).collect();
                    self.look_at(due);
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Registers the topmost of those that match; gives back those that do not match.
    fn look_at(&mut self, strangers: Vec<Arc<Proc>>) -> Vec<Arc<Proc>> {
        self.found.retain(|_, p| !p.is_gone());
        let (mut matching, mut unmatched) = (Vec::new(), Vec::new());
        for proc in strangers {
            match self.judge(&proc) {
                Some((entry, uid)) => matching.push((proc, entry, uid)),
                None => unmatched.push(proc),
            }
        }
        self.found.extend(matching.iter().map(|(p, ..)| (p.key, p.clone())));
        for (proc, entry, uid) in matching {
            if !self.is_below_another(&proc) {
                self.register(proc, entry, uid);
            }
        }
        unmatched.retain(|p| !p.is_gone() && !self.found.contains_key(&p.key));
        unmatched
    }

    /// The first entry that a process matches, and its user.
    fn judge(&self, proc: &Arc<Proc>) -> Option<(usize, u32)> {
        if proc.key.pid == 1 || self.own.contains(&proc.key) || self.found.contains_key(&proc.key) {
            return None;
        }
        let uid = proc.uid().ok()?;
        let us = nix::unistd::geteuid();
        if !us.is_root() && us.as_raw() != uid {
            return None;
        }
        let looks = look(proc)?;
        self.entries.iter().position(|e| e.matches(&looks)).map(|entry| (entry, uid))
    }

    fn is_below_another(&self, proc: &Arc<Proc>) -> bool {
        let mut child = proc.clone();
        while let Ok(parent) = child.parent() {
            if self.found.contains_key(&parent.key) {
                return true;
            }
            child = parent;
        }
        false
    }

    fn register(&self, proc: Arc<Proc>, entry: usize, uid: u32) {
        let (tell, told): (Sender<Position>, _) = channel();
        self.sampler.locate(proc.clone(), move |position| {
            let _ = tell.send(position);
        });
        let Ok(position) = told.recv() else { return };
        if position != Position::Outside {
            return;
        }
        let entry = &self.entries[entry];
        let register = Register {
            run: random::run_id(),
            spec: entry.spec.clone(),
            fallback: Name::made_of(&format!("{}-{}", proc.comm, proc.key.pid)),
            root: Root { key: proc.key, subreaper: None },
            uid,
            position,
            may_stop: entry.stop,
            conn: None,
        };
        (self.events)(clock::now(), Event::Register(register));
    }
}

/// This process and all above it: what is ours is never a trial, nor is a shell or a service manager that started us.
fn own_line() -> HashSet<ProcKey> {
    let mut line = HashSet::new();
    let mut next = Proc::open(std::process::id());
    while let Ok(proc) = next {
        line.insert(proc.key);
        next = proc.parent();
    }
    line
}

fn look(proc: &Proc) -> Option<Looks> {
    let (tree, pid) = (proc.tree(), proc.key.pid);
    let mut cmdline = tree.read(pid, "cmdline").ok()?;
    cmdline.truncate(CMDLINE);
    while cmdline.last() == Some(&0) {
        cmdline.pop();
    }
    cmdline.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b' ');
    let exe = std::fs::read_link(tree.path(pid, "exe")).map(|p| p.into_os_string().as_bytes().to_vec());
    let groups = String::from_utf8(tree.read(pid, "cgroup").ok()?).ok()?;
    let cgroups = groups.lines().filter_map(|l| l.splitn(3, ':').nth(2)).map(String::from).collect();
    // Read by number: whose it was is asked afterwards.
    (!proc.is_gone() && proc.is_same()).then(|| Looks { exe: exe.unwrap_or_default(), cmdline, cgroups })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Option<GlobMatcher> {
        Some(globset::Glob::new(text).expect("a good glob").compile_matcher())
    }

    #[test]
    fn all_globs_must_match_and_none_matches_nobody() {
        let looks = Looks {
            exe: b"/usr/bin/python3.11".to_vec(),
            cmdline: b"python3 train.py --lr 0.1".to_vec(),
            cgroups: vec!["/".into(), "/user.slice/x".into()],
        };
        let entry = |exe, cmdline, cgroup| Discover { exe, cmdline, cgroup, stop: false, spec: TrialSpec::default() };
        assert!(entry(glob("*/python3*"), glob("*train.py*"), None).matches(&looks));
        assert!(entry(None, None, glob("/user.slice/*")).matches(&looks));
        assert!(!entry(glob("*/python3*"), glob("*eval.py*"), None).matches(&looks));
        assert!(!entry(None, None, None).matches(&looks));
    }

    #[test]
    fn our_own_line_is_known() {
        let line = own_line();
        let me = Proc::open(std::process::id()).expect("we live");
        assert!(line.contains(&me.key));
        assert_eq!(look(&me).expect("we live").exe, std::env::current_exe().expect("known").as_os_str().as_bytes());
    }
}
