//! What an expression very likely does not mean. Warnings: the daemon takes the rule all the same.

use super::expression::Site;
use super::names;
use super::units::Unit;
use crate::model::Evaluate;
use crate::promql::{Expr, Node, Operator, Selector};
use crate::state::table::{self, Kind};

/// Looks at every part.
pub(super) fn look(site: &Site<'_>, expr: &Expr, evaluate: Evaluate) {
    expr.visit(&mut |part| match &part.node {
        Node::Call(function, args) => {
            if let Some(Node::Matrix(selector, _)) =
                args.iter().map(|a| &bare(a).node).find(|n| matches!(n, Node::Matrix(..)))
            {
                kind_fits(site, part, function.name, selector);
            }
        }
        Node::Binary { op, left, right, returns_bool: false, .. } if op.compares() => {
            if let Node::Number(bound) = bare(right).node {
                bound_makes_sense(site, part, *op, bare(left), bound);
            }
        }
        _ => {}
    });
    if evaluate == Evaluate::Local {
        sources_are_there(site, expr);
    }
    nan_is_seen(site, expr);
}

/// An expression without the brackets around it.
fn bare(expr: &Expr) -> &Expr {
    match &expr.node {
        Node::Paren(inner) => bare(inner),
        _ => expr,
    }
}

fn kind_of(selector: &Selector) -> Option<Kind> {
    table::trial_metric(selector.name()?).map(|row| row.kind)
}

/// Functions of counters on counters, functions of gauges on gauges.
fn kind_fits(site: &Site<'_>, part: &Expr, function: &str, selector: &Selector) {
    let (Some(kind), Some(name)) = (kind_of(selector), selector.name()) else { return };
    let of_counters = ["rate", "irate", "increase", "resets"].contains(&function);
    let of_gauges = ["delta", "idelta", "deriv", "predict_linear"].contains(&function);
    if of_counters && kind == Kind::Gauge {
        let instead = if function == "increase" { "delta" } else { "deriv" };
        let message =
            format!("`{function}` is for counters, `{name}` is a gauge: each fall counts as a restart from 0");
        site.warning("rate-of-gauge", &part.place, message, &format!("write {instead}({name}[...])"));
    }
    if of_gauges && kind == Kind::Counter {
        let message = format!("`{function}` is for gauges, `{name}` is a counter");
        let instead = if function == "delta" { "increase" } else { "rate" };
        site.warning("gauge-function", &part.place, message, &format!("write {instead}({name}[...])"));
    }
}

/// A bound that no value can cross, or that every value does.
fn bound_makes_sense(site: &Site<'_>, part: &Expr, op: Operator, left: &Expr, bound: f64) {
    if bound.is_nan() {
        let message = "nothing compares with NaN: this is never true (`!=` always)";
        return site.warning("never-true", &part.place, message, "to find NaN write x != x");
    }
    let Node::Vector(selector) = &left.node else { return };
    let Some(name) = selector.name() else { return };
    if names::unit_of(name) == Unit::Plain || (kind_of(selector).is_none() && !name.starts_with(names::HOST)) {
        return;
    }
    let never =
        matches!(op, Operator::Lt if bound <= 0.0) || matches!(op, Operator::LtEq | Operator::Eq if bound < 0.0);
    let always =
        matches!(op, Operator::GtEq if bound <= 0.0) || matches!(op, Operator::Gt | Operator::NotEq if bound < 0.0);
    if never {
        let message = format!("`{name}` is never below 0: this cannot be true");
        site.warning("never-true", &part.place, message, "write a bound above 0");
    }
    if always {
        let message = format!("`{name}` is never below 0: this is true for every trial");
        site.warning("always-true", &part.place, message, "write a bound above 0");
    }
}

/// Series that this version cannot fill.
fn sources_are_there(site: &Site<'_>, expr: &Expr) {
    expr.visit(&mut |part| {
        if let Node::Vector(s) | Node::Matrix(s, _) = &part.node
            && let Some(name) = s.name().filter(|name| name.starts_with("trial_gpu_"))
        {
            let message = format!("this version cannot read `{name}`: the condition will never hold");
            site.warning("no-source", &part.place, message, "GPU readings come with a later version");
        }
    });
}

/// A reported metric that is NaN passes no bound: unless the rule says so elsewhere, a diverged trial goes unnoticed.
fn nan_is_seen(site: &Site<'_>, expr: &Expr) {
    let mut bounded: Option<(&Expr, &Selector)> = None;
    let mut asks_for_nan = false;
    expr.visit(&mut |part| {
        let Node::Binary { op, left, right, returns_bool: false, .. } = &part.node else { return };
        asks_for_nan |= *op == Operator::NotEq && left.to_string() == right.to_string();
        let number = matches!(bare(right).node, Node::Number(_));
        if let (Node::Vector(selector), true) = (&bare(left).node, number && op.compares() && *op != Operator::NotEq)
            && selector.name() == Some("trial_metric")
        {
            bounded = bounded.or(Some((part, selector)));
        }
    });
    if let (Some((part, _)), false) = (bounded, asks_for_nan)
        && let Node::Binary { left, .. } = &part.node
    {
        let message = "a metric that is NaN passes no bound: this does not fire when it diverges";
        site.warning("nan-blind", &part.place, message, &format!("write ({part}) or {left} != {left}"));
    }
}
