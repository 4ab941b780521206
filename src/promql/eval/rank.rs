//! topk and bottomk: a few elements of each group, as they are.

use super::EvalError;
use super::aggregate::written;
use super::keys::Keys;
use crate::promql::{Aggregation, Element, Grouping};

/// Which of two values goes first in the answer. NaN goes last.
type Before = fn(f64, f64) -> bool;

/// The `parameter` largest elements of each group, or smallest for `bottomk`, the best first.
pub(super) fn rank(
    op: Aggregation,
    parameter: f64,
    grouping: &Grouping,
    elements: Vec<Element>,
) -> Result<Vec<Element>, EvalError> {
    let most = count(parameter)?.min(elements.len());
    if most == 0 {
        return Ok(Vec::new());
    }
    let before: Before = match op {
        Aggregation::Bottomk => |a, b| a < b || (b.is_nan() && !a.is_nan()),
        _ => |a, b| a > b || (b.is_nan() && !a.is_nan()),
    };
    let mut keys = Keys::new(grouping);
    let mut groups: Vec<Vec<Element>> = Vec::new();
    for element in elements {
        let number = keys.add(&element.labels);
        if number == groups.len() {
            groups.push(Vec::new());
        }
        offer(&mut groups[number], element, most, before);
    }
    for group in &mut groups {
        group.sort_by(|a, b| before(b.value, a.value).cmp(&before(a.value, b.value)));
    }
    Ok(groups.into_iter().flatten().collect())
}

/// Keeps the best: a heap with the worst of them at 0. Among equals it keeps those that Prometheus's heap keeps.
fn offer(heap: &mut Vec<Element>, element: Element, most: usize, before: Before) {
    if heap.len() < most {
        heap.push(element);
        let mut at = heap.len() - 1;
        while at > 0 && before(heap[(at - 1) / 2].value, heap[at].value) {
            heap.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    } else if before(element.value, heap[0].value) {
        heap[0] = element;
        sink(heap, before);
    }
}

/// Lets the element at 0 sink to where nothing worse is below it.
fn sink(heap: &mut [Element], before: Before) {
    let mut at = 0;
    while let Some(left) = heap.get(2 * at + 1) {
        let right_is_worse = heap.get(2 * at + 2).is_some_and(|right| before(left.value, right.value));
        let worse = 2 * at + if right_is_worse { 2 } else { 1 };
        if !before(heap[at].value, heap[worse].value) {
            return;
        }
        heap.swap(at, worse);
        at = worse;
    }
}

/// How many elements a parameter asks for. One below 1 asks for none, however small it is.
fn count(parameter: f64) -> Result<usize, EvalError> {
    // Prometheus's bound, a little below 2^63.
    const BOUND: f64 = 9_223_372_036_854_774_784.0;
    if parameter.is_nan() {
        return Err(EvalError::Failed("Parameter value is NaN".to_string()));
    }
    if parameter >= BOUND {
        return Err(EvalError::Failed(format!("Scalar value {} overflows int64", written(parameter))));
    }
    // What is below 0 becomes 0.
    Ok(parameter as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::Labels;

    fn ranked(op: Aggregation, parameter: f64, values: &[f64]) -> Vec<(usize, f64)> {
        let elements = values.iter().enumerate().map(|(i, value)| {
            let labels = Labels::new([("i", i.to_string())]);
            Element { labels, value: *value }
        });
        let ranked = rank(op, parameter, &Grouping::By(vec![]), elements.collect()).unwrap();
        ranked.iter().map(|e| (e.labels.get("i").parse().unwrap(), e.value)).collect()
    }

    #[test]
    fn the_best_come_first_and_nan_last() {
        let values = [f64::NAN, 3.0, 9.0, 1.0, 5.0];
        assert_eq!(ranked(Aggregation::Topk, 2.0, &values), [(2, 9.0), (4, 5.0)]);
        assert_eq!(ranked(Aggregation::Bottomk, 2.9, &values), [(3, 1.0), (1, 3.0)]);
        let all = ranked(Aggregation::Bottomk, 99.0, &values);
        assert_eq!(all.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [3, 1, 4, 2, 0]);
    }

    #[test]
    fn many_are_ranked_as_by_sorting() {
        // 7919 is prime: all values differ.
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i * 7919 % 1009)).collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let bottom: Vec<f64> = ranked(Aggregation::Bottomk, 100.0, &values).iter().map(|(_, v)| *v).collect();
        assert_eq!(bottom, sorted[..100]);
        sorted.reverse();
        let top: Vec<f64> = ranked(Aggregation::Topk, 100.0, &values).iter().map(|(_, v)| *v).collect();
        assert_eq!(top, sorted[..100]);
    }

    #[test]
    fn parameters_out_of_range() {
        assert_eq!(ranked(Aggregation::Topk, 0.9, &[1.0]), []);
        assert_eq!(ranked(Aggregation::Topk, -3.0, &[1.0]), []);
        let refused =
            |parameter| rank(Aggregation::Topk, parameter, &Grouping::By(vec![]), vec![]).unwrap_err().to_string();
        assert_eq!(refused(f64::NAN), "Parameter value is NaN");
        assert_eq!(refused(f64::INFINITY), "Scalar value +Inf overflows int64");
    }
}
