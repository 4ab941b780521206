//! Aggregations: many labelled numbers become fewer.

use super::keys::{Keys, kept};
use super::query::{Query, bare};
use super::tally::Tally;
use super::{EvalError, rank};
use crate::promql::{Aggregation, Element, Expr, Grouping, Node};

/// The value of an aggregation.
pub(super) fn aggregate(query: &Query, expr: &Expr, at: i64) -> Result<Vec<Element>, EvalError> {
    let Node::Aggregate { op, param, inner, grouping } = &expr.node else { return Ok(Vec::new()) };
    if *op == Aggregation::CountValues {
        let label = value_label(param.as_deref())?;
        return Ok(count_values(label, grouping, query.vector(inner, at)?));
    }
    let parameter = param.as_ref().map_or(Ok(0.0), |param| query.scalar(param, at))?;
    let elements = query.vector(inner, at)?;
    match op {
        Aggregation::Topk | Aggregation::Bottomk | Aggregation::Limitk => {
            rank::rank(*op, parameter, grouping, elements)
        }
        _ => Ok(tally(*op, parameter, grouping, &elements)),
    }
}

/// One element for each group.
fn tally(op: Aggregation, parameter: f64, grouping: &Grouping, elements: &[Element]) -> Vec<Element> {
    let mut keys = Keys::new(grouping);
    let mut tallies: Vec<Tally> = Vec::new();
    for element in elements {
        let number = keys.add(&element.labels);
        match tallies.get_mut(number) {
            Some(tally) => tally.add(element.value),
            None => tallies.push(Tally::new(op, element.value)),
        }
    }
    let labels = keys.firsts().iter().map(|first| kept(grouping, first));
    labels.zip(tallies).map(|(labels, tally)| Element { labels, value: tally.value(parameter) }).collect()
}

/// How often each value occurs in each group; the value becomes a label.
fn count_values(label: &str, grouping: &Grouping, elements: Vec<Element>) -> Vec<Element> {
    let grouping = match grouping {
        Grouping::By(names) => {
            Grouping::By(names.iter().map(String::as_str).chain([label]).map(String::from).collect())
        }
        Grouping::Without(_) => grouping.clone(),
    };
    let valued = elements.into_iter().map(|element| {
        let labels = element.labels.with(label, &written(element.value));
        Element { labels, value: element.value }
    });
    tally(Aggregation::Count, 0.0, &grouping, &valued.collect::<Vec<_>>())
}

/// The label that count_values sets.
fn value_label(param: Option<&Expr>) -> Result<&str, EvalError> {
    match param.map(|param| &bare(param).node) {
        Some(Node::Text(label)) if !label.is_empty() => Ok(label),
        Some(Node::Text(label)) => Err(EvalError::Failed(format!("invalid label name {label:?}"))),
        _ => Err(EvalError::Failed("count_values needs the name of a label".to_string())),
    }
}

/// A number in full, without an exponent, as short as it can be.
pub(super) fn written(value: f64) -> String {
    if value.is_infinite() { (if value > 0.0 { "+Inf" } else { "-Inf" }).to_string() } else { value.to_string() }
}
