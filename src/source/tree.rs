//! A watched tree and its counters.

use std::sync::Arc;

use super::cgroup::Cgroup;
use super::totals::Totals;
use crate::model::{Root, RunId};
use crate::sys::process::Proc;

/// A watched tree: what grows from one root. Several trials may share it (threads as trials).
pub struct Tree {
    /// Its root.
    pub root: Root,
    /// Trials that are counted by it, in the order in which they came.
    pub runs: Vec<RunId>,
    /// How many members it has, zombies included.
    pub size: usize,
    /// A process was left out, above the limit.
    pub over: bool,
    /// Where its root's memory limit and out-of-memory kills are told.
    pub cgroup: Option<Cgroup>,
    /// The subreaper above it.
    pub reaper: Option<Arc<Proc>>,
    /// The tree around it.
    pub outer: Option<u32>,
    /// What members used that are gone and that nobody waited for, or that belong elsewhere now.
    pub residual: Totals,
    /// What is in its members' figures but belongs to other trees.
    pub foreign: Totals,
    /// The highest that was told.
    pub told: Totals,
}

impl Tree {
    /// The counters of the tree, given the sum over its members: never lower than before.
    pub fn totals(&mut self, members: Totals) -> Totals {
        self.told = members.plus(self.residual).beyond(self.foreign).not_below(self.told);
        self.told
    }
}
