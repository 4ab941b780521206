//! Expressions as PromQL.

use crate::model::Expr;

/// The expression as PromQL.
pub fn explain(expr: &Expr) -> String {
    let _ = expr;
    todo!()
}
