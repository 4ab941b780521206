//! No two elements of a vector have equal labels.

use std::collections::HashSet;

use super::EvalError;
use crate::promql::{Element, Labels};

/// The error of Prometheus for two elements with equal labels.
pub(super) fn same_labels() -> EvalError {
    EvalError::Failed("vector cannot contain metrics with the same labelset".to_string())
}

/// Refuses a vector in which two elements have equal labels.
pub(super) fn check(elements: &[Element]) -> Result<(), EvalError> {
    if elements.len() < 2 {
        return Ok(());
    }
    let mut seen: HashSet<&Labels> = HashSet::with_capacity(elements.len());
    if elements.iter().all(|element| seen.insert(&element.labels)) { Ok(()) } else { Err(same_labels()) }
}

/// Takes the names off elements that are all different, and refuses those that are not different without them.
pub(super) fn drop_names(elements: &mut [Element]) -> Result<(), EvalError> {
    let clash = names_differ(elements.iter().map(|element| &element.labels));
    for element in &mut *elements {
        element.labels = element.labels.nameless();
    }
    if clash { check(elements) } else { Ok(()) }
}

/// Whether label sets have more than one name among them. Different sets with one name are different without it.
pub(super) fn names_differ<'l>(mut sets: impl Iterator<Item = &'l Labels>) -> bool {
    let Some(first) = sets.next() else { return false };
    let name = first.name();
    sets.any(|labels| labels.name() != name)
}
