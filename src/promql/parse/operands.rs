//! Operands: names with a bracket behind them, and literals.

use super::cursor::Cursor;
use super::literals::seconds;
use super::tokens::Kind;
use super::words::Opener;
use super::{Problem, matching, problem, refused};
use crate::promql::{Aggregation, Node, function};

/// Keywords that name no metric; the others do where a metric may stand.
const NEVER_METRICS: [&str; 6] = ["bool", "on", "ignoring", "group_left", "group_right", "atan2"];

/// The function or aggregation that begins here with its name; goes on to its bracket.
pub(super) fn opener(cursor: &mut Cursor<'_>, name: &str) -> Result<Option<Opener>, Problem> {
    let aggregation = Aggregation::ALL.into_iter().find(|a| a.as_str().eq_ignore_ascii_case(name));
    let next = cursor.ahead(1);
    if let Some(aggregation) = aggregation {
        let grouped = (next.is_word("by") || next.is_word("without")) && cursor.ahead(2).is("(");
        if !grouped && !next.is("(") {
            return Ok(None);
        }
        cursor.step();
        let grouping = matching::grouping(cursor)?;
        if !cursor.token().is("(") {
            let token = cursor.token();
            let message = format!("{}, expected the bracket of `{name}`", cursor.unexpected(token));
            return Err(problem(token.place.clone(), message, format!("write {name} by (label) (x)")));
        }
        return Ok(Some(Opener::Aggregate(aggregation, grouping)));
    }
    let grouped = (next.is_word("by") || next.is_word("without")) && refused::is_aggregation(name);
    if !next.is("(") && !grouped {
        return Ok(None);
    }
    usable_as_metric(cursor, name)?;
    let place = cursor.token().place.clone();
    let found = function(name).ok_or_else(|| refused::function_call(name, place))?;
    cursor.step();
    Ok(Some(Opener::Call(found)))
}

/// Refuses keywords that name no metric.
pub(super) fn usable_as_metric(cursor: &Cursor<'_>, name: &str) -> Result<(), Problem> {
    if !NEVER_METRICS.iter().any(|word| word.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    let hint = match name.to_ascii_lowercase().as_str() {
        "group_left" | "group_right" => {
            "it follows `on (...)` or `ignoring (...)`: a * on (label) group_left b".to_string()
        }
        "on" | "ignoring" => "it follows an operator and `bool`: a == bool on (label) b".to_string(),
        "bool" => "it follows a comparison: a > bool b".to_string(),
        _ => format!("a metric of this name is chosen by {{\"{name}\"}}"),
    };
    let message = format!("the keyword `{name}` stands where an expression must stand");
    Err(problem(cursor.token().place.clone(), message, hint))
}

/// A number, a duration as a number of seconds, or a text.
pub(super) fn literal(kind: &Kind) -> Option<Node> {
    match kind {
        Kind::Number(value) => Some(Node::Number(*value)),
        Kind::Duration(ms) => Some(Node::Number(seconds(*ms))),
        Kind::Text(text) => Some(Node::Text(text.clone())),
        _ => None,
    }
}
