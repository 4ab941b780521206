//! Which label sets belong together: those that agree on the labels of a grouping.

use std::collections::HashMap;

use crate::promql::{Grouping, Labels, NAME};

/// Numbers label sets from 0 in the order in which they come; sets that agree have one number.
pub(super) struct Keys<'g> {
    grouping: &'g Grouping,
    /// By hash; of two different sets with one hash the later is at the next free hash.
    numbers: HashMap<u64, usize>,
    /// The first set of each number.
    firsts: Vec<Labels>,
}

impl<'g> Keys<'g> {
    /// No sets yet.
    pub(super) fn new(grouping: &'g Grouping) -> Keys<'g> {
        Keys { grouping, numbers: HashMap::new(), firsts: Vec::new() }
    }

    /// How many numbers there are.
    pub(super) fn len(&self) -> usize {
        self.firsts.len()
    }

    /// The first set of each number.
    pub(super) fn firsts(&self) -> &[Labels] {
        &self.firsts
    }

    /// The set's number, if a set that agrees with it came before.
    pub(super) fn find(&self, labels: &Labels) -> Option<usize> {
        self.look(labels).ok()
    }

    /// The set's number; a new one if none before agrees with it.
    pub(super) fn add(&mut self, labels: &Labels) -> usize {
        self.look(labels).unwrap_or_else(|hash| {
            self.numbers.insert(hash, self.firsts.len());
            self.firsts.push(labels.clone());
            self.firsts.len() - 1
        })
    }

    /// The number, or the hash at which a new one would be.
    fn look(&self, labels: &Labels) -> Result<usize, u64> {
        let mut hash = hash(self.grouping, labels);
        while let Some(number) = self.numbers.get(&hash) {
            if agree(self.grouping, labels, &self.firsts[*number]) {
                return Ok(*number);
            }
            hash = hash.wrapping_add(1);
        }
        Err(hash)
    }
}

/// The labels of a set that a grouping keeps.
pub(super) fn kept(grouping: &Grouping, labels: &Labels) -> Labels {
    match grouping {
        Grouping::By(names) if names.is_empty() => Labels::empty(),
        Grouping::Without(names) if names.is_empty() => labels.nameless(),
        _ => labels.filtered(|name| keeps(grouping, name)),
    }
}

/// Whether a grouping keeps a label.
fn keeps(grouping: &Grouping, name: &str) -> bool {
    match grouping {
        Grouping::By(names) => names.iter().any(|n| n == name),
        Grouping::Without(names) => name != NAME && !names.iter().any(|n| n == name),
    }
}

fn hash(grouping: &Grouping, labels: &Labels) -> u64 {
    match grouping {
        Grouping::By(names) if names.is_empty() => 0,
        // The nameless set is made once and kept, so this is quicker than it looks.
        Grouping::Without(names) if names.is_empty() => labels.nameless().hash_of(),
        _ => labels.hash_where(|name| keeps(grouping, name)),
    }
}

fn agree(grouping: &Grouping, one: &Labels, other: &Labels) -> bool {
    match grouping {
        Grouping::By(names) if names.is_empty() => true,
        Grouping::Without(names) if names.is_empty() => one.nameless() == other.nameless(),
        _ => one.agrees(other, |name| keeps(grouping, name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_told_apart_by_the_labels_of_the_grouping_alone() {
        let a1 = Labels::new([(NAME, "m"), ("a", "1"), ("b", "1")]);
        let a1_too = Labels::new([(NAME, "n"), ("a", "1"), ("b", "2")]);
        let none = Labels::new([(NAME, "m"), ("b", "1")]);
        let by = Grouping::By(vec!["a".into()]);
        let mut keys = Keys::new(&by);
        assert_eq!([keys.add(&a1), keys.add(&a1_too), keys.add(&none)], [0, 0, 1]);
        let without = Grouping::Without(vec!["a".into()]);
        let mut keys = Keys::new(&without);
        assert_eq!([keys.add(&a1), keys.add(&a1_too), keys.add(&none)], [0, 1, 0]);
        assert_eq!(kept(&without, &a1).to_string(), "{b=\"1\"}");
        let all = Grouping::By(vec![]);
        let mut keys = Keys::new(&all);
        assert_eq!([keys.add(&a1), keys.add(&none)], [0, 0]);
        assert_eq!(keys.find(&a1_too), Some(0));
    }
}
