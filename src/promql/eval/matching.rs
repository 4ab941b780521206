//! Operations between two vectors: who goes with whom, and under which labels.

use std::collections::HashSet;

use super::binary::{Effect, outcome};
use super::keys::{Keys, kept};
use super::{EvalError, unique};
use crate::promql::{Cardinality, Element, Grouping, Labels, Matching, NAME, Operator};

/// The two sides once it is known which of them may have several elements for one of the other.
struct Sides {
    many: Vec<Element>,
    one: Vec<Element>,
    /// Where the one side stands in the text.
    one_stands: &'static str,
}

/// The value of arithmetic or a comparison between two vectors.
pub(super) fn combine(
    op: Operator,
    effect: Effect,
    left: Vec<Element>,
    right: Vec<Element>,
    matching: &Matching,
) -> Result<Vec<Element>, EvalError> {
    if left.is_empty() || right.is_empty() {
        return Ok(Vec::new());
    }
    let sides = match matching.cardinality {
        Cardinality::OneToMany(_) => Sides { many: right, one: left, one_stands: "left" },
        _ => Sides { many: left, one: right, one_stands: "right" },
    };
    let keys = key_one_side(&sides, &matching.labels)?;
    let mut matched = Matched::new(matching, keys.len());
    let mut elements = Vec::with_capacity(sides.many.len());
    for many in &sides.many {
        let Some(number) = keys.find(&many.labels) else { continue };
        let one = &sides.one[number];
        let (left, right) = match matching.cardinality {
            Cardinality::OneToMany(_) => (one.value, many.value),
            _ => (many.value, one.value),
        };
        let labels = labels(effect, &many.labels, &one.labels, matching);
        matched.note(number, &labels)?;
        // A filter keeps the left value, on whichever side the many are.
        if let Some(value) = effect.apply(outcome(op, left, right), left) {
            elements.push(Element { labels, value });
        }
    }
    unique::check(&elements)?;
    Ok(elements)
}

/// Numbers the elements of the one side; no two may have the same matching labels.
fn key_one_side<'g>(sides: &Sides, grouping: &'g Grouping) -> Result<Keys<'g>, EvalError> {
    let mut keys = Keys::new(grouping);
    for (number, element) in sides.one.iter().enumerate() {
        let found = keys.add(&element.labels);
        if found != number {
            return Err(EvalError::Failed(format!(
                "found duplicate series for the match group {} on the {} hand-side of the operation: [{}, {}]\
                 ;many-to-many matching not allowed: matching labels must be unique on one side",
                braced(&kept(grouping, &element.labels)),
                sides.one_stands,
                braced(&element.labels),
                braced(&sides.one[found].labels)
            )));
        }
    }
    Ok(keys)
}

/// Who was matched already.
enum Matched {
    /// One to one: which elements of the one side.
    Once(Vec<bool>),
    /// Many to one: with which labels in the answer.
    Labelled(HashSet<(usize, Labels)>),
}

impl Matched {
    fn new(matching: &Matching, count: usize) -> Matched {
        match matching.cardinality {
            Cardinality::OneToOne => Matched::Once(vec![false; count]),
            _ => Matched::Labelled(HashSet::new()),
        }
    }

    /// Refuses a match that makes the answer ambiguous, even if a filter would leave it out.
    fn note(&mut self, number: usize, labels: &Labels) -> Result<(), EvalError> {
        let (is_new, message) = match self {
            Matched::Once(matched) => (
                !std::mem::replace(&mut matched[number], true),
                "many-to-one matching must be explicit (group_left/group_right)",
            ),
            Matched::Labelled(matched) => {
                (matched.insert((number, labels.clone())), "grouping labels must ensure unique matches")
            }
        };
        if is_new {
            return Ok(());
        }
        Err(EvalError::Failed(format!("multiple matches for labels: {message}")))
    }
}

/// The labels of an answer's element: those of the many side, cut to the matching labels if it is one to one, with those
/// that group_left or group_right takes over from the one side.
fn labels(effect: Effect, many: &Labels, one: &Labels, matching: &Matching) -> Labels {
    let computes = effect == Effect::Computes;
    let mut labels = match (&matching.cardinality, &matching.labels) {
        (Cardinality::OneToOne, Grouping::By(names)) => {
            many.filtered(|name| names.iter().any(|n| n == name) && !(computes && name == NAME))
        }
        (Cardinality::OneToOne, Grouping::Without(names)) if !names.is_empty() => {
            many.filtered(|name| !(names.iter().any(|n| n == name) || computes && name == NAME))
        }
        _ if computes => many.nameless(),
        _ => many.clone(),
    };
    if let Cardinality::ManyToOne(include) | Cardinality::OneToMany(include) = &matching.cardinality {
        for name in include {
            labels = labels.with(name, one.get(name));
        }
    }
    if effect == Effect::Judges { labels.nameless() } else { labels }
}

/// Labels as Prometheus's messages write them, the name among them.
fn braced(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.pairs().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::testing::load;

    #[test]
    fn one_to_one() {
        let memory = load(
            10,
            &[
                "used{host=\"a\", gpu=\"0\"} 5",
                "used{host=\"b\", gpu=\"0\"} 6",
                "size{host=\"a\", gpu=\"0\", kind=\"x\"} 10",
            ],
        );
        let at = |text| memory.at(0.0, text);
        assert_eq!(at("used / size"), [""; 0]);
        assert_eq!(at("used / ignoring(kind) size"), ["{gpu=\"0\", host=\"a\"} 0.5"]);
        assert_eq!(at("size / ignoring(kind) used"), ["{gpu=\"0\", host=\"a\"} 2"]);
        assert_eq!(at("used / on(host) size"), ["{host=\"a\"} 0.5"]);
        assert_eq!(at("used < on(host) size"), ["{host=\"a\"} 5"]);
        assert_eq!(at("size > ignoring(kind) used"), ["size{gpu=\"0\", host=\"a\"} 10"]);
        assert_eq!(at("used < bool on(host, gpu) size"), ["{gpu=\"0\", host=\"a\"} 1"]);
        assert_eq!(at("used + used"), ["{gpu=\"0\", host=\"a\"} 10", "{gpu=\"0\", host=\"b\"} 12"]);
    }

    #[test]
    fn ambiguous_matches_are_refused() {
        let memory = load(10, &["a{x=\"1\", y=\"1\"} 1", "a{x=\"1\", y=\"2\"} 2", "b{x=\"1\"} 3"]);
        let at = |text| memory.at(0.0, text);
        assert_eq!(
            at("a + on(x) b"),
            ["failed: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"]
        );
        assert_eq!(
            at("b > on(x) a"),
            ["failed: found duplicate series for the match group {x=\"1\"} on the right hand-side of the operation: \
              [{__name__=\"a\", x=\"1\", y=\"2\"}, {__name__=\"a\", x=\"1\", y=\"1\"}]\
              ;many-to-many matching not allowed: matching labels must be unique on one side"]
        );
        assert_eq!(
            at("a + on(x) group_left(y) b"),
            ["failed: multiple matches for labels: grouping labels must ensure unique matches"]
        );
    }

    #[test]
    fn many_to_one_takes_labels_over() {
        let memory =
            load(10, &["a{x=\"1\", y=\"1\"} 1", "a{x=\"1\", y=\"2\"} 2", "b{x=\"1\", z=\"9\"} 4", "b{x=\"2\"} 5"]);
        let at = |text| memory.at(0.0, text);
        assert_eq!(at("a / on(x) group_left b"), ["{x=\"1\", y=\"1\"} 0.25", "{x=\"1\", y=\"2\"} 0.5"]);
        assert_eq!(
            at("b - on(x) group_right(z, nothing) a"),
            ["{x=\"1\", y=\"1\", z=\"9\"} 3", "{x=\"1\", y=\"2\", z=\"9\"} 2"]
        );
        // A filter keeps the left value and the many side's labels.
        assert_eq!(at("b > on(x) group_right(z) (a > 1)"), ["a{x=\"1\", y=\"2\", z=\"9\"} 4"]);
        assert_eq!(at("a < bool on(x) group_left b"), ["{x=\"1\", y=\"1\"} 1", "{x=\"1\", y=\"2\"} 1"]);
    }
}
