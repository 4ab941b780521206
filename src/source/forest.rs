//! Who belongs to which trial.
//!
//! A process belongs to the tree of its nearest root, itself or an ancestor, and stays there once seen, whatever parent
//! or session it takes. It comes in by its parent only: a stranger that got a member's number is not that member, since
//! the member's own handle is asked whether it still lives after the stranger's parent was read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::cgroup::Cgroup;
use super::member::{Lens, Member, Seen};
use super::totals::Totals;
use super::tree::Tree;
use crate::model::{Counters, DropReason, Limits, Position, ProcKey, Root, RunId};
use crate::sys::process::Proc;
use crate::sys::roster::Roster;
use crate::sys::text::Stat;

/// All trees and their members.
pub struct Forest {
    /// Members of all trees by number.
    pub members: BTreeMap<u32, Member>,
    /// Trees by an id that is never used twice.
    pub trees: BTreeMap<u32, Tree>,
    roster: Arc<Roster>,
    counters: Arc<Counters>,
    limits: Limits,
    next: u32,
    /// Counters of processes that were roots before: the next trial in such a process begins where the last one ended.
    former: HashMap<ProcKey, Totals>,
}

impl Forest {
    /// No trees yet.
    pub fn new(roster: Arc<Roster>, counters: Arc<Counters>, limits: Limits) -> Forest {
        let (members, trees) = (BTreeMap::new(), BTreeMap::new());
        Forest { members, trees, roster, counters, limits, next: 0, former: HashMap::new() }
    }

    /// The tree of a trial.
    pub fn tree_of(&self, run: RunId) -> Option<u32> {
        self.trees.iter().find(|(_, t)| t.runs.contains(&run)).map(|(id, _)| *id)
    }

    /// Where a process stands, as far as it is known.
    pub fn position(&self, key: ProcKey) -> Position {
        let last = |t: &Tree| t.runs.last().copied();
        if let Some(run) = self.trees.values().find(|t| t.root.key == key).and_then(last) {
            return Position::Root(run);
        }
        let member = self.members.get(&key.pid).filter(|m| m.proc.key == key);
        match member.and_then(|m| self.trees.get(&m.tree)).and_then(last) {
            Some(run) => Position::Inside(run),
            None => Position::Outside,
        }
    }

    /// Starts to watch a tree; its descendants are looked for at once. Gives what the trial must not count, since
    /// earlier trials in the same process used it.
    pub fn track(&mut self, lens: &mut Lens, run: RunId, root: Root) -> Totals {
        if let Some(tree) = self.trees.values_mut().find(|t| t.root.key == root.key) {
            if !tree.runs.contains(&run) {
                tree.runs.push(run);
            }
            return tree.told;
        }
        let id = self.next;
        self.next += 1;
        let reaper = root.subreaper.and_then(|key| self.handle(lens, key)).map(|(proc, _)| proc);
        let outer = self.members.get(&root.key.pid).filter(|m| m.proc.key == root.key).map(|m| m.tree);
        let tree = Tree {
            root,
            runs: vec![run],
            size: 0,
            over: false,
            cgroup: Cgroup::of(&lens.tree, root.key.pid),
            reaper,
            outer,
            residual: Totals::default(),
            foreign: Totals::default(),
            told: Totals::default(),
        };
        self.trees.insert(id, tree);
        if let Some((proc, stat)) = self.handle(lens, root.key) {
            self.take_in(lens, id, proc, &stat);
        }
        self.walk(lens, id);
        self.former.remove(&root.key).unwrap_or_default()
    }

    /// Takes in processes that are known to belong to a trial, whoever their parents are by now, and who descends from them.
    pub fn take_back(&mut self, lens: &mut Lens, run: RunId, members: Vec<Arc<Proc>>) {
        let Some(id) = self.tree_of(run) else { return };
        for proc in members {
            let proc = self.roster.insert(&proc);
            if self.position(proc.key) == Position::Outside
                && let Ok(stat) = proc.stat()
                && !stat.is_dead()
            {
                self.take_in(lens, id, proc, &stat);
            }
        }
        self.walk(lens, id);
    }

    /// No longer watches a trial. What still lives of it belongs to the tree around it, or to none.
    pub fn untrack(&mut self, lens: &Lens, run: RunId) {
        let Some(id) = self.tree_of(run) else { return };
        let Some(tree) = self.trees.get_mut(&id) else { return };
        tree.runs.retain(|r| *r != run);
        if !tree.runs.is_empty() {
            return;
        }
        let (outer, root, told) = (tree.outer, tree.root.key, tree.told);
        self.trees.remove(&id);
        self.trees.values_mut().filter(|t| t.outer == Some(id)).for_each(|t| t.outer = outer);
        if self.roster.get(root).is_some_and(|p| !p.is_reaped()) {
            self.former.insert(root, told);
        }
        let roster = &self.roster;
        self.former.retain(|key, _| roster.get(*key).is_some_and(|p| !p.is_reaped()));
        let left: Vec<u32> = self.members.iter().filter(|(_, m)| m.tree == id).map(|(pid, _)| *pid).collect();
        for pid in left {
            match outer.and_then(|o| Some((o, self.trees.get_mut(&o)?))) {
                Some((outer, tree)) => {
                    let Some(member) = self.members.get_mut(&pid) else { continue };
                    tree.size += 1;
                    tree.foreign = tree.foreign.plus(member.used(lens));
                    member.tree = outer;
                }
                None => {
                    self.members.remove(&pid);
                }
            }
        }
        let members = &self.members;
        self.roster.tidy(|key| members.get(&key.pid).is_some_and(|m| m.proc.key == key));
    }

    /// Looks whether any of these numbers belongs to a tree, and takes it in. Gives those that stand for nobody yet,
    /// and the living processes among them that are in no tree.
    pub fn place(&mut self, lens: &mut Lens, numbers: &[u32]) -> (Vec<u32>, Vec<Arc<Proc>>) {
        let mut unborn = Vec::new();
        let mut found: BTreeMap<u32, (Arc<Proc>, Stat)> = BTreeMap::new();
        for &pid in numbers {
            if let Some(known) = self.members.get(&pid) {
                if !known.proc.is_reaped() {
                    continue;
                }
                self.settle(lens, &[pid]);
            }
            match self.open(lens, pid) {
                Ok((_, stat)) if stat.is_dead() => {}
                Ok(both) => {
                    found.insert(pid, both);
                }
                Err(e) if e.kind() == std::io::ErrorKind::InvalidInput => {}
                Err(_) => unborn.push(pid),
            }
        }
        let pids: Vec<u32> = found.keys().copied().collect();
        for pid in pids {
            self.climb(lens, pid, &mut found);
        }
        (unborn, found.into_values().map(|(proc, _)| proc).collect())
    }

    /// Goes up from a new process to the first whose tree is known, through other new ones, and takes all of them in.
    fn climb(&mut self, lens: &mut Lens, from: u32, found: &mut BTreeMap<u32, (Arc<Proc>, Stat)>) {
        let mut chain = Vec::new();
        let mut seen = HashSet::new();
        let mut pid = from;
        let home = loop {
            let Some((proc, stat)) = found.get(&pid) else { return };
            if !seen.insert(pid) {
                return;
            }
            // A parent that is new itself was opened after its child's stat was read: the child must still name it.
            if let Some((child, _)) = chain.last().and_then(|c| found.get(c))
                && (child.stat().map_or(true, |s| s.ppid != pid) || proc.is_reaped())
            {
                return;
            }
            chain.push(pid);
            match self.home_of_children(stat.ppid) {
                Some(tree) => break tree,
                None => pid = stat.ppid,
            }
        };
        for pid in chain.into_iter().rev() {
            if let Some((proc, stat)) = found.remove(&pid) {
                self.take_in(lens, home, proc, &stat);
            }
        }
    }

    /// The tree that a child of this number belongs to, if the number is (still) that of a member or a subreaper.
    fn home_of_children(&self, ppid: u32) -> Option<u32> {
        let reaps = |t: &&Tree| t.reaper.as_ref().is_some_and(|r| r.key.pid == ppid && !r.is_reaped());
        if let Some((id, _)) = self.trees.iter().find(|(_, t)| reaps(t)) {
            return Some(*id);
        }
        let parent = self.members.get(&ppid)?;
        (!parent.proc.is_reaped()).then_some(parent.tree)
    }

    /// Finds where a process stands that was handed to us, and takes it in if it stands inside.
    pub fn locate(&mut self, lens: &mut Lens, proc: &Arc<Proc>) -> Position {
        let proc = self.roster.insert(proc);
        if self.position(proc.key) == Position::Outside
            && let Ok(stat) = proc.stat()
        {
            // Its ancestors may be as new as itself.
            let mut found = BTreeMap::from([(proc.key.pid, (proc.clone(), stat))]);
            let mut last = proc.clone();
            while self.home_of_children(found[&last.key.pid].1.ppid).is_none() {
                let Ok(parent) = last.parent() else { break };
                let Ok(stat) = parent.stat() else { break };
                if found.insert(parent.key.pid, (parent.clone(), stat)).is_some() {
                    break;
                }
                last = parent;
            }
            self.climb(lens, proc.key.pid, &mut found);
        }
        self.position(proc.key)
    }

    /// Looks at a tree's members, or all; those that are gone are settled. Gives how many were looked at.
    pub fn look(&mut self, lens: &mut Lens, only: Option<u32>) -> usize {
        let (mut gone, mut looked) = (Vec::new(), 0);
        for (pid, member) in self.members.iter_mut().filter(|(_, m)| only.is_none_or(|t| t == m.tree)) {
            looked += 1;
            if member.look(lens) == Seen::Gone {
                gone.push(*pid);
            }
        }
        self.settle(lens, &gone);
        looked
    }

    /// Takes the gone out and sees to it that what they used stays counted once: a parent that waited for them has it
    /// in its own figures now, else it is kept apart.
    fn settle(&mut self, lens: &mut Lens, gone: &[u32]) {
        let gone: HashMap<u32, Member> = gone.iter().filter_map(|p| self.members.remove_entry(p)).collect();
        let mut heirs: HashMap<u32, Vec<(u32, Totals)>> = HashMap::new();
        for member in gone.values() {
            self.roster.remove(member.proc.key);
            if let Some(tree) = self.trees.get_mut(&member.tree) {
                tree.size -= 1;
            }
            let (used, mut above) = (member.used(lens), member.ppid);
            while let Some(parent) = gone.get(&above).filter(|p| p.ppid != above) {
                above = parent.ppid;
            }
            let heir = self.members.get(&above).filter(|h| h.proc.key.start <= member.proc.key.start);
            match heir {
                Some(_) => heirs.entry(above).or_default().push((member.tree, used)),
                None => self.keep_apart(member.tree, used),
            }
        }
        for (pid, bequests) in heirs {
            self.inherit(lens, pid, bequests);
        }
    }

    fn inherit(&mut self, lens: &mut Lens, heir: u32, bequests: Vec<(u32, Totals)>) {
        let Some(member) = self.members.get_mut(&heir) else { return };
        member.study(lens);
        let home = member.tree;
        let sum = |of: &dyn Fn(u32) -> bool| {
            bequests.iter().filter(|(tree, _)| of(*tree)).fold(Totals::default(), |sum, (_, used)| sum.plus(*used))
        };
        let (own, foreign) = (sum(&|tree| tree == home), sum(&|tree| tree != home));
        let came = member.credit[0].plus(member.credit[1]);
        let after_own = came.beyond(own);
        member.credit = [after_own.beyond(foreign), Totals::default()];
        // Faults and switches of children never reach the parent's own counters.
        self.keep_apart(home, own.beyond(came));
        if let Some(tree) = self.trees.get_mut(&home) {
            tree.foreign = tree.foreign.plus(foreign.shared(after_own));
        }
        for (tree, used) in bequests.into_iter().filter(|(tree, _)| *tree != home) {
            self.keep_apart(tree, used);
        }
    }

    fn keep_apart(&mut self, tree: u32, used: Totals) {
        if let Some(tree) = self.trees.get_mut(&tree) {
            tree.residual = tree.residual.plus(used);
        }
    }

    /// A tick is over: what children brought in the tick before last can no longer be confused with anybody's figures.
    pub fn age_credits(&mut self) {
        for member in self.members.values_mut() {
            member.credit = [Totals::default(), member.credit[0]];
        }
    }

    /// Whether a tree left processes out and has room again.
    pub fn has_room_again(&self) -> bool {
        self.trees.values().any(|t| t.over && t.size < self.limits.processes)
    }

    /// All processes are about to be looked at: who is left out shows anew.
    pub fn begin_full_look(&mut self) {
        self.trees.values_mut().for_each(|t| t.over = false);
    }

    /// Living members of a tree.
    pub fn living(&self, tree: u32) -> Vec<Arc<Proc>> {
        self.members.values().filter(|m| m.tree == tree && !m.zombie).map(|m| m.proc.clone()).collect()
    }

    /// Roots and members of all other trees: borders that a walk through this one does not cross.
    pub fn borders(&self, tree: u32) -> Vec<ProcKey> {
        let roots = self.trees.iter().filter(|(id, _)| **id != tree).map(|(_, t)| t.root.key);
        roots.chain(self.members.values().filter(|m| m.tree != tree).map(|m| m.proc.key)).collect()
    }

    /// Puts a process into a tree, or moves it there.
    fn take_in(&mut self, lens: &mut Lens, id: u32, proc: Arc<Proc>, stat: &Stat) {
        let pid = proc.key.pid;
        if let Some(member) = self.members.get_mut(&pid).filter(|m| m.proc.key == proc.key) {
            let before = std::mem::replace(&mut member.tree, id);
            let used = member.used(lens);
            if before == id {
                return;
            }
            if let Some(tree) = self.trees.get_mut(&before) {
                tree.size -= 1;
                tree.residual = tree.residual.plus(used);
            }
        } else {
            if self.members.contains_key(&pid) {
                self.settle(lens, &[pid]);
            }
            let Some(tree) = self.trees.get_mut(&id) else { return };
            if tree.size >= self.limits.processes {
                tree.over = true;
                self.counters.drop_one(DropReason::Processes);
                return;
            }
            let proc = self.roster.insert(&proc);
            self.members.insert(pid, Member::new(lens, proc, id, stat));
        }
        if let Some(tree) = self.trees.get_mut(&id) {
            tree.size += 1;
        }
    }

    /// Takes in all descendants of a tree's root, subreaper and members, down to the roots of other trees.
    fn walk(&mut self, lens: &mut Lens, id: u32) {
        let Some(tree) = self.trees.get(&id) else { return };
        let mut queue: Vec<u32> = vec![tree.root.key.pid];
        queue.extend(tree.reaper.iter().map(|r| r.key.pid));
        queue.extend(self.members.iter().filter(|(_, m)| m.tree == id).map(|(pid, _)| *pid));
        let mut all: Option<HashMap<u32, Vec<u32>>> = None;
        let mut seen = HashSet::new();
        while let Some(parent) = queue.pop() {
            if !seen.insert(parent) {
                continue;
            }
            let children = match lens.tree.children(parent) {
                Ok(children) => children,
                Err(_) => {
                    let all = all.get_or_insert_with(|| children_by_parent(lens));
                    all.get(&parent).cloned().unwrap_or_default()
                }
            };
            for child in children {
                if self.adopt(lens, id, parent, child) {
                    queue.push(child);
                }
            }
        }
    }

    /// Takes one child in; gives whether its own children belong to the tree too.
    fn adopt(&mut self, lens: &mut Lens, id: u32, parent: u32, child: u32) -> bool {
        let Ok((proc, stat)) = self.open(lens, child) else { return false };
        if stat.ppid != parent || stat.is_dead() || self.home_of_children(parent) != Some(id) {
            return false;
        }
        if let Some((inner, tree)) = self.trees.iter_mut().find(|(_, t)| t.root.key == proc.key) {
            if *inner != id {
                tree.outer = Some(id);
            }
            return *inner == id;
        }
        let reaps = |t: &Tree| t.reaper.as_ref().is_some_and(|r| r.key == proc.key);
        let border = self.trees.iter().any(|(other, t)| *other != id && reaps(t));
        self.take_in(lens, id, proc, &stat);
        !border
    }

    /// The handle of a process by its identity.
    fn handle(&mut self, lens: &mut Lens, key: ProcKey) -> Option<(Arc<Proc>, Stat)> {
        if let Some(proc) = self.roster.get(key) {
            return proc.stat().ok().map(|stat| (proc, stat));
        }
        self.open(lens, key.pid).ok().filter(|(proc, _)| proc.key == key)
    }

    /// Opens a process; when descriptors are short, kept files make room for pidfds.
    fn open(&mut self, lens: &Lens, pid: u32) -> std::io::Result<(Arc<Proc>, Stat)> {
        let opened = Proc::open_in(&lens.tree, pid);
        let short = lens.tree.is_real()
            && match &opened {
                Ok((proc, _)) => proc.pidfd.is_none(),
                Err(e) => crate::sys::tree::is_short_of_files(e),
            };
        let given_up =
            short.then(|| self.members.values_mut().filter_map(|m| m.drop_file().then_some(())).take(64).count());
        if given_up.is_some_and(|n| n > 0) { Proc::open_in(&lens.tree, pid) } else { opened }
    }
}

/// All processes by their parent's number: for kernels without `children` files.
fn children_by_parent(lens: &Lens) -> HashMap<u32, Vec<u32>> {
    let mut by_parent: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in lens.tree.pids().unwrap_or_default() {
        if let Ok(stat) = lens.tree.stat(pid) {
            by_parent.entry(stat.ppid).or_default().push(pid);
        }
    }
    by_parent
}
