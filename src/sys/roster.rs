//! Who is who: the table from identity to handle, shared by those who see processes and those who signal them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::process::Proc;
use crate::model::ProcKey;

/// Handles of all processes that are watched. Filled where a process is first seen, read where it is signalled.
#[derive(Debug, Default)]
pub struct Roster(RwLock<HashMap<ProcKey, Arc<Proc>>>);

impl Roster {
    /// An empty table, ready to be shared.
    pub fn new() -> Arc<Roster> {
        Arc::default()
    }

    /// Puts a process in. The handle of an earlier sighting of the same process stays.
    pub fn insert(&self, proc: &Arc<Proc>) -> Arc<Proc> {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.entry(proc.key).or_insert_with(|| proc.clone()).clone()
    }

    /// The handle taken when the process was first seen.
    pub fn get(&self, key: ProcKey) -> Option<Arc<Proc>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Takes a process out: nobody watches it any more.
    pub fn remove(&self, key: ProcKey) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    /// Keeps those for which `wanted` holds; the rest goes once its process is reaped.
    pub fn tidy(&self, wanted: impl Fn(ProcKey) -> bool) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.retain(|key, proc| wanted(*key) || !proc.is_reaped());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_dead_go_when_nobody_wants_them() {
        let roster = Roster::new();
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep starts");
        let first = roster.insert(&Proc::open(child.id()).expect("it lives"));
        let second = roster.insert(&Proc::open(child.id()).expect("it lives"));
        assert!(Arc::ptr_eq(&first, &second), "the first handle stays");
        roster.tidy(|_| false);
        assert_eq!(roster.len(), 1);
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        roster.tidy(|key| key == first.key);
        assert!(roster.get(first.key).is_some());
        roster.tidy(|_| false);
        assert!(roster.is_empty());
    }
}
