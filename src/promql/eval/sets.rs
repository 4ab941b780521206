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

#[cfg(test)]
mod tests {
    use super::super::testing::load;

    #[test]
    fn elements_stay_as_they_are() {
        let memory = load(10, &["a{x=\"1\"} 1", "a{x=\"2\"} 2", "b{x=\"2\"} 3", "b{x=\"3\"} 4", "low 0"]);
        let at = |text| memory.at(0.0, text);
        assert_eq!(at("a and b"), ["a{x=\"2\"} 2"]);
        assert_eq!(at("a unless b"), ["a{x=\"1\"} 1"]);
        assert_eq!(at("a or b"), ["a{x=\"1\"} 1", "a{x=\"2\"} 2", "b{x=\"3\"} 4"]);
        assert_eq!(at("a or on() b"), ["a{x=\"1\"} 1", "a{x=\"2\"} 2"]);
        assert_eq!(at("a and on() (low < 1)"), ["a{x=\"1\"} 1", "a{x=\"2\"} 2"]);
        assert_eq!(at("a and on() (low > 1)"), [""; 0]);
        assert_eq!(at("a unless on() (low > 1)"), ["a{x=\"1\"} 1", "a{x=\"2\"} 2"]);
        assert_eq!(at("(a > 9) or b"), ["b{x=\"2\"} 3", "b{x=\"3\"} 4"]);
        assert_eq!(at("a and ignoring(x) b"), ["a{x=\"1\"} 1", "a{x=\"2\"} 2"]);
    }
}
