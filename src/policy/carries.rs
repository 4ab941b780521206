//! Which labels the results of an expression may carry: a rule whose results name nobody acts on nobody.

use super::names::HOST;
use crate::promql::{Cardinality, Expr, Grouping, Kind, Match, Node, Operator};

/// Whether a result may have this label: `trial`, `experiment`, or one that Prometheus puts on what it scrapes.
pub(super) fn may_carry(expr: &Expr, label: &str) -> bool {
    match &expr.node {
        Node::Number(_) | Node::Text(_) => false,
        Node::Vector(s) | Node::Matrix(s, _) => {
            let absent =
                s.matchers.iter().any(|m| m.label == label && matches!(m.test, Match::Equal) && m.value.is_empty());
            let of_trials = ["trial", "experiment"].contains(&label);
            !absent && s.name().is_none_or(|name| !of_trials || !name.starts_with(HOST))
        }
        Node::Subquery { inner, .. } | Node::Paren(inner) | Node::Negate(inner) => may_carry(inner, label),
        Node::Aggregate { inner, grouping, op, .. } => {
            use crate::promql::Aggregation::{Bottomk, Topk};
            // These choose elements and leave them as they are.
            let whole = matches!(op, Topk | Bottomk);
            (whole || keeps(grouping, label)) && may_carry(inner, label)
        }
        Node::Call(function, args) => match function.name {
            "vector" | "scalar" | "time" | "pi" => false,
            // Its labels are those that the selector fixes.
            "absent" | "absent_over_time" => fixes(args, label),
            "label_replace" | "label_join" => {
                let target = args.get(1).is_some_and(|a| matches!(&a.node, Node::Text(text) if text == label));
                target || args.first().is_some_and(|a| may_carry(a, label))
            }
            _ => args.iter().any(|a| may_carry(a, label)),
        },
        Node::Binary { op, left, right, matching, .. } => match (left.kind(), right.kind()) {
            (Kind::Vector, Kind::Vector) => {
                let (of_left, of_right) = (may_carry(left, label), may_carry(right, label));
                match (op, &matching.cardinality) {
                    (Operator::Or, _) => of_left || of_right,
                    (op, _) if op.is_set() => of_left,
                    (_, Cardinality::ManyToOne(more)) => of_left || (more.iter().any(|m| m == label) && of_right),
                    (_, Cardinality::OneToMany(more)) => of_right || (more.iter().any(|m| m == label) && of_left),
                    _ => keeps(&matching.labels, label) && of_left,
                }
            }
            (Kind::Vector, _) => may_carry(left, label),
            _ => may_carry(right, label),
        },
    }
}

fn keeps(grouping: &Grouping, label: &str) -> bool {
    match grouping {
        Grouping::By(labels) => labels.iter().any(|l| l == label),
        Grouping::Without(labels) => !labels.iter().any(|l| l == label),
    }
}

fn fixes(args: &[Expr], label: &str) -> bool {
    args.iter()
        .flat_map(Expr::selectors)
        .any(|s| s.matchers.iter().any(|m| m.label == label && matches!(m.test, Match::Equal) && !m.value.is_empty()))
}
