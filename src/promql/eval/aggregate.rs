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
        Aggregation::Topk | Aggregation::Bottomk => rank::rank(*op, parameter, grouping, elements),
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
            Some(tally) => tally.add(op, element.value),
            None => tallies.push(Tally::new(op, element.value)),
        }
    }
    let labels = keys.firsts().iter().map(|first| kept(grouping, first));
    labels.zip(tallies).map(|(labels, tally)| Element { labels, value: tally.value(op, parameter) }).collect()
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

#[cfg(test)]
mod tests {
    use super::super::testing::load;

    #[test]
    fn by_and_without() {
        let memory = load(10, &["a{x=\"1\", y=\"1\"} 1", "a{x=\"1\", y=\"2\"} 2", "a{y=\"2\"} 4", "b{x=\"1\"} 8"]);
        let at = |text| memory.at(0.0, text);
        assert_eq!(at("sum(a)"), ["{} 7"]);
        assert_eq!(at("sum by () (a)"), ["{} 7"]);
        assert_eq!(at("sum by (x) (a)"), ["{x=\"1\"} 3", "{} 4"]);
        assert_eq!(at("sum without (x) (a)"), ["{y=\"1\"} 1", "{y=\"2\"} 6"]);
        assert_eq!(at("count by (__name__) ({__name__=~\"a|b\"})"), ["a 3", "b 1"]);
        assert_eq!(
            at("sum without () ({__name__=~\"a|b\", y!=\"1\"})"),
            ["{x=\"1\", y=\"2\"} 2", "{y=\"2\"} 4", "{x=\"1\"} 8"]
        );
        assert_eq!(at("sum(nothing)"), [""; 0]);
        assert_eq!(at("group(a)"), ["{} 1"]);
        assert_eq!(at("min(a) + max(a)"), ["{} 5"]);
    }

    #[test]
    fn parameters_are_evaluated_at_each_time() {
        let memory = load(10, &["a{x=\"1\"} 1 2 3", "a{x=\"2\"} 9 1 4", "k 1 2 1"]);
        assert_eq!(memory.over(0, 20, 10, "topk(scalar(k), a)"), ["a{x=\"1\"} 2@10", "a{x=\"2\"} 9@0 1@10 4@20"]);
        assert_eq!(memory.over(0, 20, 10, "quantile(scalar(k) - 1, a)"), ["{} 1@0 2@10 3@20"]);
        assert_eq!(memory.at(0.0, "topk(scalar(nothing), a)"), ["failed: Parameter value is NaN"]);
    }

    #[test]
    fn ranked_elements_keep_all_labels() {
        let memory =
            load(10, &["a{x=\"1\", y=\"1\"} 1", "a{x=\"1\", y=\"2\"} 2", "a{x=\"2\"} NaN", "a{x=\"2\", y=\"3\"} 0"]);
        let at = |text| memory.at(0.0, text);
        assert_eq!(at("topk by (x) (1, a)"), ["a{x=\"1\", y=\"2\"} 2", "a{x=\"2\", y=\"3\"} 0"]);
        assert_eq!(at("bottomk without (y) (1, a)"), ["a{x=\"1\", y=\"1\"} 1", "a{x=\"2\", y=\"3\"} 0"]);
        assert_eq!(at("count(topk(3, a))"), ["{} 3"]);
    }

    #[test]
    fn counted_values_become_a_label() {
        let memory = load(10, &["a{x=\"1\"} 0.1", "a{x=\"2\"} 1e21", "a{x=\"3\"} 1e21", "a{x=\"4\"} -Inf"]);
        let at = |text| memory.at(0.0, text);
        assert_eq!(
            at("count_values(\"v\", a)"),
            ["{v=\"0.1\"} 1", "{v=\"1000000000000000000000\"} 2", "{v=\"-Inf\"} 1"]
        );
        assert_eq!(at("count_values without (x) ((\"x\"), a)"), ["{} 4"]);
        assert_eq!(at("count_values(\"\", a)"), ["failed: invalid label name \"\""]);
    }
}
