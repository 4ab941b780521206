//! `and`, `or`, `unless`: elements stay or go by who is on the other side, as they are.

use super::keys::Keys;
use crate::promql::{Element, Grouping, Operator};

/// The value of a set operation.
pub(super) fn combine(
    op: Operator,
    mut left: Vec<Element>,
    mut right: Vec<Element>,
    grouping: &Grouping,
) -> Vec<Element> {
    if op == Operator::Or {
        if !left.is_empty() {
            let keys = keys_of(&left, grouping);
            right.retain(|element| keys.find(&element.labels).is_none());
        }
        left.append(&mut right);
        return left;
    }
    let keys = keys_of(&right, grouping);
    let stays_with_a_match = op == Operator::And;
    left.retain(|element| keys.find(&element.labels).is_some() == stays_with_a_match);
    left
}

fn keys_of<'g>(elements: &[Element], grouping: &'g Grouping) -> Keys<'g> {
    let mut keys = Keys::new(grouping);
    for element in elements {
        keys.add(&element.labels);
    }
    keys
}
