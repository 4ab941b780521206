//! Before the first evaluation: every selector is asked for once, for all times at which it will be looked at; every
//! subquery is evaluated once; and so is every part whose value cannot change with time.

use super::query::{Query, Ready, Times, bare};
use super::{EvalError, call, selector, subquery};
use crate::promql::functions::Call;
use crate::promql::{Expr, Kind, Node, Selector};

/// Functions whose value depends on the evaluation's time even where their arguments do not.
const TIMED: &[&str] = &[
    "days_in_month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "hour",
    "minute",
    "month",
    "year",
    "predict_linear",
    "time",
    "timestamp",
];

impl Query<'_> {
    /// Loads what a part and all below it need to be evaluated at these times.
    pub(super) fn prepare(&mut self, expr: &Expr, times: Times) -> Result<(), EvalError> {
        self.prepare_at(expr, times, self.limits.depth)
    }

    /// As [`Query::prepare`], for a part that may have so many levels.
    pub(super) fn prepare_at(&mut self, expr: &Expr, times: Times, levels: usize) -> Result<(), EvalError> {
        let Some(below) = levels.checked_sub(1) else {
            let message = format!("the expression has more than {} levels of parts within parts", self.limits.depth);
            return Err(EvalError::TooMuch(message));
        };
        if times.first != times.last && is_worth_fixing(expr) && is_fixed(expr, levels) {
            self.prepare_at(expr, Times { first: times.first, last: times.first }, levels)?;
            let value = self.value(expr, times.first)?;
            self.keep(expr, Ready::Fixed(value));
            return Ok(());
        }
        if let Node::Call(function, args) = &expr.node
            && let Some((chosen, shift)) = call::sampled(function, args)
        {
            let moved = Selector { shift, ..chosen.clone() };
            return selector::load_instant(self, bare(&args[0]), &moved, times);
        }
        match &expr.node {
            Node::Number(_) | Node::Text(_) => Ok(()),
            Node::Vector(chosen) => selector::load_instant(self, expr, chosen, times),
            Node::Matrix(chosen, range) => selector::load_range(self, expr, chosen, *range, times),
            Node::Subquery { .. } => subquery::load(self, expr, times, below),
            _ => expr.parts().into_iter().try_for_each(|part| self.prepare_at(part, times, below)),
        }
    }
}

/// Literals are quick already, and samples of a range are lent, not copied.
fn is_worth_fixing(expr: &Expr) -> bool {
    !matches!(expr.node, Node::Number(_) | Node::Text(_) | Node::Vector(_)) && expr.kind() != Kind::Matrix
}

/// Whether a part has the same value at all times.
fn is_fixed(expr: &Expr, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return false };
    let itself = match &expr.node {
        // What is inside a pinned subquery is evaluated at the subquery's own times.
        Node::Subquery { shift, .. } => return shift.at.is_some(),
        Node::Vector(selector) | Node::Matrix(selector, _) => selector.shift.at.is_some(),
        Node::Call(function, args) => {
            // A vector that was left out is the time.
            let timed = matches!(function.call, Call::Each(_)) && args.is_empty();
            !timed && !TIMED.contains(&function.name)
        }
        _ => true,
    };
    itself && expr.parts().into_iter().all(|part| is_fixed(part, below))
}
