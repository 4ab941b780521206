//! Which processes a tree has gained. A daemon that comes back finds descendants by their parents, but one whose parents are
//! gone only by having been written down.

use std::collections::HashMap;

use crate::model::{ProcKey, RunId, TreeSample};

/// The youngest members that were written down, by trial.
#[derive(Debug, Default)]
pub(super) struct Newcomers(HashMap<RunId, Youngest>);

/// Start times only grow, so a member that is older than the youngest one known was there before.
#[derive(Debug, Default)]
struct Youngest {
    start: u64,
    at_start: Vec<ProcKey>,
}

impl Newcomers {
    /// Members of this sample that were not in any before.
    pub fn of(&mut self, tree: &TreeSample) -> Vec<ProcKey> {
        let known = self.0.entry(tree.run).or_default();
        let members = tree.members.iter().map(|m| m.key);
        let new: Vec<ProcKey> = members
            .filter(|key| key.start > known.start || (key.start == known.start && !known.at_start.contains(key)))
            .collect();
        let Some(start) = new.iter().map(|key| key.start).max() else { return new };
        if start > known.start {
            *known = Youngest { start, at_start: Vec::new() };
        }
        known.at_start.extend(new.iter().filter(|key| key.start == start));
        new
    }

    /// The trial has ended.
    pub fn forget(&mut self, run: RunId) {
        self.0.remove(&run);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Pair, ProcSample};

    fn tree(members: &[(u32, u64)]) -> TreeSample {
        let member = |(pid, start): &(u32, u64)| ProcSample {
            key: ProcKey { pid: *pid, start: *start, inode: 0 },
            memory: None,
            cpu_seconds: 0.0,
            comm: Arc::from("t"),
        };
        TreeSample {
            run: RunId(1),
            complete: true,
            memory: None,
            swap: None,
            proportional: None,
            limit: None,
            cpu: Pair::default(),
            utilization: None,
            processes: members.len() as u32,
            threads: 0,
            io: None,
            major_faults: None,
            switches: None,
            members: members.iter().map(member).collect(),
        }
    }

    #[test]
    fn each_member_is_new_once() {
        let mut newcomers = Newcomers::default();
        let mut new = |members: &[(u32, u64)]| newcomers.of(&tree(members)).iter().map(|k| k.pid).collect::<Vec<_>>();
        assert_eq!(new(&[(5, 10), (6, 12)]), [5, 6]);
        assert_eq!(new(&[(5, 10), (6, 12), (7, 12)]), [7]);
        assert!(new(&[(5, 10), (7, 12)]).is_empty());
        assert_eq!(new(&[(4, 13), (5, 10), (7, 12)]), [4], "numbers may be given anew");
        assert!(new(&[]).is_empty());
    }
}
