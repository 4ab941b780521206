//! The last rung: read a tree afresh and give SIGKILL until a reading finds nobody.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::aim::{Aim, release_memory};
use crate::model::{Member, ProcKey, RunState, Shot, Signal, SignalResult, Stretch, Swept};
use crate::sys::look::Look;
use crate::sys::process::Proc;

/// The contract's bound on one stretch; the next tick begins another.
const STRETCH: Duration = Duration::from_secs(5);
/// Longest wait between two readings while the killed are still dying.
const PAUSE: Duration = Duration::from_millis(20);
/// Processes from this size on get their memory released at once (below, the call costs more than it gains).
const BIG: u64 = 64 << 20;
/// So many processes of a pass are looked at for their size.
const LOOKED_AT: usize = 16;

/// Reads a tree afresh: every living process of it now.
pub type ReadTree = Box<dyn FnMut() -> Look + Send>;

/// What is to be swept.
pub struct Sweep {
    /// Whose, by which stop, on which rung.
    pub stretch: Stretch,
    /// How to read the tree.
    pub reader: ReadTree,
}

impl fmt::Debug for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweep").field("stretch", &self.stretch).finish_non_exhaustive()
    }
}

impl Sweep {
    /// Kills until nobody is left, nobody is left that may be killed, or the stretch is over.
    pub(super) fn carry_out(mut self, aim: &Aim) -> Swept {
        let begin = Instant::now();
        let mut given: BTreeMap<ProcKey, SignalResult> = BTreeMap::new();
        loop {
            let look = (self.reader)();
            let cleared = look.found_nobody();
            let living: Vec<Arc<Proc>> = look.living.into_iter().filter(|proc| !proc.is_gone()).collect();
            aim.ledger.remember(self.stretch.run, living.iter().map(|proc| proc.key));
            let mut fresh = Vec::new();
            for proc in living.iter().filter(|proc| !given.contains_key(&proc.key)) {
                fresh.push((proc, self.kill(proc, aim)));
            }
            let hit: Vec<&Arc<Proc>> =
                fresh.iter().filter(|(_, r)| *r == SignalResult::Sent).map(|(proc, _)| *proc).collect();
            release(&hit);
            let nothing_new = fresh.is_empty();
            given.extend(fresh.into_iter().map(|(proc, result)| (proc.key, result)));
            let hopeless = |proc: &Arc<Proc>| !dies(given.get(&proc.key));
            // Who has left since the reading may have left a child behind: only the reading itself can say "nobody".
            let in_vain = !living.is_empty() && living.iter().all(hopeless);
            if cleared || in_vain || begin.elapsed() >= STRETCH {
                return self.end(&given, living, cleared);
            }
            if nothing_new {
                wait_for_an_end(&living);
            }
        }
    }

    fn kill(&self, proc: &Proc, aim: &Aim) -> SignalResult {
        let Stretch { stop, run, rung, owner } = self.stretch;
        aim.fire_at(proc, Shot { stop, run, rung, key: proc.key, signal: Signal::KILL, wake: false, owner })
    }

    fn end(&self, given: &BTreeMap<ProcKey, SignalResult>, living: Vec<Arc<Proc>>, cleared: bool) -> Swept {
        let killed = given.values().filter(|result| **result == SignalResult::Sent).count() as u32;
        let state = |proc: &Arc<Proc>| match proc.run_state() {
            None | Some(RunState::Zombie) => None,
            Some(state) => Some(Member { key: proc.key, state }),
        };
        let left = living.iter().filter_map(state).collect();
        Swept { stop: self.stretch.stop, run: self.stretch.run, killed, left, cleared }
    }
}

/// Whether waiting for it makes sense: it got SIGKILL, or ended on its own.
fn dies(result: Option<&SignalResult>) -> bool {
    matches!(result, Some(SignalResult::Sent | SignalResult::Gone))
}

/// Releases the memory of the big ones among the just killed.
fn release(hit: &[&Arc<Proc>]) {
    let page = rustix::param::page_size() as u64;
    for proc in hit.iter().take(LOOKED_AT) {
        let statm = proc.tree().read(proc.key.pid, "statm").unwrap_or_default();
        let resident = std::str::from_utf8(&statm).ok().and_then(|s| s.split(' ').nth(1)?.parse::<u64>().ok());
        if resident.is_some_and(|pages| pages * page >= BIG) {
            release_memory(proc);
        }
    }
}

/// Returns when one of them ended, or after a short time.
fn wait_for_an_end(living: &[Arc<Proc>]) {
    let mut fds: Vec<PollFd<'_>> =
        living.iter().filter_map(|proc| proc.fd()).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    let pause = Timespec { tv_sec: 0, tv_nsec: PAUSE.as_nanos() as _ };
    // An interrupted or refused wait only means that the next look comes sooner.
    if fds.is_empty() || poll(&mut fds, Some(&pause)).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
}
