//! Reads one tree afresh, from any thread and as fast as can be: for sweeps, which must catch processes that live for
//! less than a tick.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::model::{ProcKey, Root};
use crate::sys::look::Look;
use crate::sys::process::Proc;
use crate::sys::roster::Roster;
use crate::sys::tree::ProcTree;

/// A reader of one tree. Members once seen stay known to it.
pub struct Reader {
    tree: Arc<ProcTree>,
    known: BTreeMap<u32, Arc<Proc>>,
    reaper: Option<Arc<Proc>>,
    borders: HashSet<ProcKey>,
    roster: Arc<Roster>,
    /// Zombies that were seen as such: they have no children any more.
    dead: HashSet<ProcKey>,
    /// Somebody was listed who could not be looked at any more, and may have left children behind.
    slipped: bool,
    /// The kernel does not tell a process's children.
    unlisted: bool,
}

/// Looks at a tree that shows nobody but keeps slipping away; one takes some 50 us, and a link of a chain that forks and
/// exits is caught in a few.
const LOOKS: usize = 10_000;
/// Readings of all of `/proc` where the kernel does not list children. On a machine where processes come and go all the
/// time no reading is without one that vanished: so many that found nobody are enough.
const SCANS: usize = 50;

/// How a reading of all of `/proc` went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scan {
    /// Everybody who was listed could be looked at.
    Whole,
    /// Somebody was gone by then.
    WithGaps,
}

impl Reader {
    /// A reader of the tree of `root`, which begins with the members that are known already. `borders` are the roots of
    /// other trees: neither they nor anybody below them belong to this one.
    pub fn new(root: Root, known: Vec<Arc<Proc>>, borders: Vec<ProcKey>, roster: Arc<Roster>) -> Reader {
        let open = |key: ProcKey| {
            let found = roster.get(key).or_else(|| Proc::open(key.pid).ok());
            found.filter(|p| p.key == key)
        };
        let first = known.first().map(|p| p.tree().clone());
        let mut known: BTreeMap<u32, Arc<Proc>> = known.into_iter().map(|p| (p.key.pid, p)).collect();
        if let Some(proc) = open(root.key) {
            known.entry(root.key.pid).or_insert(proc);
        }
        let reaper = root.subreaper.and_then(open);
        Reader {
            tree: first.unwrap_or_default(),
            known,
            reaper,
            borders: borders.into_iter().collect(),
            roster,
            dead: HashSet::new(),
            slipped: false,
            unlisted: false,
        }
    }

    /// Who lives now: members that are known, and all that is found below them and below the subreaper. Zombies are not
    /// among them.
    pub fn look(&mut self) -> Look {
        for _ in 0..LOOKS {
            self.known.retain(|_, p| !p.is_gone());
            (self.slipped, self.unlisted) = (false, false);
            self.walk();
            if !self.known.is_empty() || !self.slipped {
                break;
            }
        }
        let scans = if self.unlisted { SCANS } else { 1 };
        for _ in 0..scans {
            if !self.known.is_empty() {
                break;
            }
            // What the walk missed for want of lists, the scan makes good.
            self.slipped &= !self.unlisted;
            if self.scan() == Scan::Whole {
                break;
            }
        }
        Look { living: self.known.values().cloned().collect(), sure: !self.slipped }
    }

    fn walk(&mut self) {
        let mut queue: Vec<Arc<Proc>> = self.reaper.iter().cloned().collect();
        queue.extend(self.known.values().cloned());
        let mut seen = HashSet::new();
        while let Some(parent) = queue.pop() {
            if !seen.insert(parent.key) {
                continue;
            }
            let children = self.tree.children(parent.key.pid).unwrap_or_else(|_| {
                // Of a parent that is reaped nobody is a child any more; of any other they are only not listed.
                self.unlisted |= !parent.is_reaped();
                Vec::new()
            });
            for child in children {
                if let Some(found) = self.adopt(&parent, child) {
                    queue.push(found);
                }
            }
        }
    }

    /// Without `children` files, or when they showed nobody: every process whose parent is a member or the subreaper.
    fn scan(&mut self) -> Scan {
        let parents: Vec<Arc<Proc>> = self.reaper.iter().chain(self.known.values()).cloned().collect();
        let Ok(pids) = self.tree.pids() else { return Scan::WithGaps };
        let mut scan = Scan::Whole;
        for pid in pids {
            let Ok(stat) = self.tree.stat(pid) else {
                scan = Scan::WithGaps;
                continue;
            };
            if let Some(parent) = parents.iter().find(|p| p.key.pid == stat.ppid) {
                self.adopt(parent, pid);
            }
        }
        scan
    }

    /// Opens a child and makes sure that it is one: it names the parent, and the parent still lives after that.
    fn adopt(&mut self, parent: &Arc<Proc>, child: u32) -> Option<Arc<Proc>> {
        if let Some(known) = self.known.get(&child)
            && !known.is_gone()
        {
            return Some(known.clone());
        }
        let Ok((proc, stat)) = Proc::open_in(&self.tree, child) else {
            self.slipped = true;
            return None;
        };
        if self.borders.contains(&proc.key) {
            return None;
        }
        if stat.is_dead() {
            self.slipped |= self.dead.insert(proc.key);
            return None;
        }
        if stat.ppid != parent.key.pid || parent.is_reaped() {
            self.slipped = true;
            return None;
        }
        let proc = self.roster.insert(&proc);
        self.known.insert(child, proc.clone());
        Some(proc)
    }
}
