//! Tokens that stand where they cannot, and what was meant.

use super::cursor::Cursor;
use super::tokens::{Kind, MEMORY, Token, is_unit_of_memory};
use super::words::{Opener, Word};
use super::{Problem, problem, refused};
use crate::promql::Node;

/// A token stands where an operand must stand.
pub(super) fn no_operand(cursor: &Cursor<'_>, before: Option<&Word>, token: &Token) -> Problem {
    let message = format!("{}, expected an expression", cursor.unexpected(token));
    let hint = match (&token.kind, before) {
        (Kind::Mark("="), Some(Word::Operator(_))) => "comparisons are == != < <= > >=",
        (Kind::Mark(")"), Some(Word::Open(Opener::Aggregate(..)))) => "name what is aggregated: sum(x)",
        (Kind::Mark("["), _) => "a range follows a metric: name[5m]",
        (Kind::Mark("@"), _) => "@ follows a selector: name @ 1700000000",
        (_, Some(Word::Operator(_))) => "an operator stands between two expressions",
        _ => "",
    };
    problem(token.place.clone(), message, hint)
}

/// Whether it is a metric that is called `not`.
fn is_not(word: Option<&Word>) -> bool {
    matches!(word, Some(Word::Operand(Node::Vector(selector))) if selector.name() == Some("not"))
}

/// A token stands where an operator or the end must stand.
pub(super) fn no_operator(cursor: &Cursor<'_>, before: Option<&Word>, token: &Token) -> Problem {
    if let Some(refusal) = refused::modifier(token) {
        return refusal;
    }
    let message = format!("{}, expected an operator or the end", cursor.unexpected(token));
    let hint = match &token.kind {
        Kind::Mark("=") => "comparison is ==; the others are != < <= > >=",
        Kind::Mark("=~" | "!~") => "regular expressions are matched in braces: {label=~\"...\"}",
        Kind::Mark("{") => "braces follow a metric's name directly",
        Kind::Mark("}") => "a brace closes that nobody opened",
        Kind::Mark("]") => "a bracket closes that nobody opened",
        Kind::Name(n) if n.eq_ignore_ascii_case("by") || n.eq_ignore_ascii_case("without") => {
            "`by` and `without` belong to an aggregation, with labels in brackets: sum by (label) (x)"
        }
        _ if is_not(before) => "PromQL has `unless` for `and not`",
        Kind::Name(n) if ["on", "ignoring"].iter().any(|k| n.eq_ignore_ascii_case(k)) => {
            "`on` and `ignoring` follow an operator: a * on (label) b"
        }
        Kind::Name(n) if ["group_left", "group_right"].iter().any(|k| n.eq_ignore_ascii_case(k)) => {
            "`group_left` and `group_right` follow `on (...)` or `ignoring (...)`"
        }
        Kind::Name(n) if n.eq_ignore_ascii_case("bool") => "`bool` follows a comparison: a > bool b",
        Kind::Name(n) if is_unit_of_memory(n) => MEMORY,
        Kind::Name(n) if n == "for" => "how long it must hold is a key of the rule: for = \"5m\"",
        Kind::Number(_) | Kind::Duration(_) | Kind::Text(_) | Kind::Name(_) | Kind::Mark("(") => {
            "two expressions need an operator between them"
        }
        _ => "",
    };
    problem(token.place.clone(), message, hint)
}
