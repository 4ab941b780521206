//! The words that are made of several tokens: names with brackets, literals, ranges, offsets, operators with modifiers.

use super::literals::{LONGEST, seconds};
use super::selector::label_name;
use super::tokens::{Kind, Token};
use super::words::{Cursor, Infix, Opener, Word};
use super::{Place, Problem, problem, refused};
use crate::promql::{Aggregation, At, Cardinality, Grouping, Node, Operator, function};

/// Keywords that name no metric; the others do where a metric may stand.
const NEVER_METRICS: [&str; 6] = ["bool", "on", "ignoring", "group_left", "group_right", "atan2"];

/// The furthest time behind `@`, seconds either way of the epoch: far beyond all data, and exact in milliseconds.
const FURTHEST: f64 = 1e12;

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
        let grouping = grouping(cursor)?;
        if !cursor.token().is("(") {
            let token = cursor.token();
            let message = format!("{}, expected the bracket of `{name}`", cursor.unexpected(token));
            return Err(problem(token.place.clone(), message, format!("write {name} by (label) (x)")));
        }
        return Ok(Some(Opener::Aggregate(aggregation, grouping)));
    }
    if !next.is("(") {
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

/// Reads what may follow an operand: a range, an offset, `@`.
pub(super) fn suffix(cursor: &mut Cursor<'_>) -> Result<Option<(Word, Place)>, Problem> {
    let token = cursor.token();
    let word = if token.is("[") {
        range(cursor)?
    } else if token.is("@") {
        cursor.step();
        Word::At(at(cursor)?)
    } else if token.is_word("offset") {
        cursor.step();
        let back = if cursor.takes("-") { -1 } else { 1 };
        if back == 1 {
            cursor.takes("+");
        }
        Word::Offset(back * duration(cursor, "offset 5m")?)
    } else {
        return Ok(None);
    };
    Ok(Some((word, token.place.start..cursor.before())))
}

fn range(cursor: &mut Cursor<'_>) -> Result<Word, Problem> {
    let open = cursor.token().place.clone();
    cursor.step();
    if cursor.token().is("]") {
        return Err(problem(open.start..cursor.token().place.end, "the range is empty", "write a duration: [5m]"));
    }
    let range = positive(cursor, "[5m]")?;
    let colon = cursor.takes(":");
    let step = if colon && !cursor.token().is("]") { Some(positive(cursor, "[5m:1m]")?) } else { None };
    let token = cursor.token();
    if !cursor.takes("]") {
        if token.kind == Kind::End {
            return Err(problem(open, "this bracket never closes", "add the closing ]"));
        }
        if operator(token).is_some() {
            return Err(refused::duration(token, cursor.source(&token.place), "[5m]"));
        }
        let message = format!("{} in a range", cursor.unexpected(token));
        return Err(problem(token.place.clone(), message, "write [5m], or [5m:1m] for a subquery"));
    }
    Ok(if colon { Word::Subquery(range, step) } else { Word::Range(range) })
}

/// A duration of at least a millisecond.
fn positive(cursor: &mut Cursor<'_>, example: &str) -> Result<i64, Problem> {
    let place = cursor.token().place.clone();
    let ms = duration(cursor, example)?;
    if ms < 1 {
        return Err(problem(place, "the duration must be greater than 0", "the shortest is 1ms"));
    }
    Ok(ms)
}

/// A duration, or a number of seconds, in milliseconds.
fn duration(cursor: &mut Cursor<'_>, example: &str) -> Result<i64, Problem> {
    let token = cursor.token();
    let ms = match token.kind {
        Kind::Duration(ms) => ms,
        Kind::Number(seconds) if (seconds * 1000.0).abs() <= LONGEST as f64 => (seconds * 1000.0).round() as i64,
        Kind::Number(_) => {
            let message = format!("the duration {} is out of range", cursor.source(&token.place));
            return Err(problem(token.place.clone(), message, "a duration is at most 292y"));
        }
        _ => return Err(refused::duration(token, cursor.source(&token.place), example)),
    };
    cursor.step();
    Ok(ms)
}

fn at(cursor: &mut Cursor<'_>) -> Result<At, Problem> {
    let from = cursor.token().place.clone();
    for (word, at) in [("start", At::Start), ("end", At::End)] {
        if cursor.token().is_word(word) && cursor.ahead(1).is("(") && cursor.ahead(2).is(")") {
            (0..3).for_each(|_| cursor.step());
            return Ok(at);
        }
    }
    let minus = cursor.takes("-");
    if !minus {
        cursor.takes("+");
    }
    let token = cursor.token();
    let seconds = match token.kind {
        Kind::Number(seconds) => seconds,
        Kind::Duration(ms) => seconds(ms),
        _ => {
            let message = format!("{}, expected a time behind @", cursor.unexpected(token));
            let hint = "a time is a number of seconds since 1970, start() or end()";
            return Err(problem(token.place.clone(), message, hint));
        }
    };
    cursor.step();
    if !seconds.is_finite() || seconds.abs() > FURTHEST {
        let message = format!("the time {} behind @ is out of range", cursor.source(&(from.start..token.place.end)));
        return Err(problem(from.start..token.place.end, message, "it is a number of seconds since 1970"));
    }
    let ms = (seconds * 1000.0).round() as i64;
    Ok(At::Time(if minus { -ms } else { ms }))
}

/// The binary operator of a token.
pub(super) fn operator(token: &Token) -> Option<Operator> {
    let written = match &token.kind {
        Kind::Mark(mark) => (*mark).to_string(),
        Kind::Name(name) => name.to_ascii_lowercase(),
        _ => return None,
    };
    Operator::ALL.into_iter().find(|op| op.as_str() == written)
}

/// Reads the modifiers behind an operator.
pub(super) fn modifiers(cursor: &mut Cursor<'_>, op: Operator) -> Result<Infix, Problem> {
    let mut infix = Infix { op, returns_bool: false, labels: None, cardinality: Cardinality::OneToOne };
    if op.is_set() {
        infix.cardinality = Cardinality::ManyToMany;
    }
    let token = cursor.token();
    if token.is_word("bool") {
        if !op.compares() {
            let message = format!("`bool` goes with comparisons, and `{}` is none", op.as_str());
            return Err(problem(token.place.clone(), message, "leave it out"));
        }
        cursor.step();
        infix.returns_bool = true;
    }
    let token = cursor.token();
    let by = token.is_word("on");
    if by || token.is_word("ignoring") {
        cursor.step();
        let labels = names(cursor, &token.place)?;
        infix.labels = Some(if by { Grouping::By(labels) } else { Grouping::Without(labels) });
        group(cursor, &mut infix)?;
    }
    let token = cursor.token();
    match cursor.ahead(1).is("(").then(|| refused::fill(token)).flatten() {
        Some(refusal) => Err(refusal),
        None => Ok(infix),
    }
}

/// Reads `group_left (...)` or `group_right (...)`.
fn group(cursor: &mut Cursor<'_>, infix: &mut Infix) -> Result<(), Problem> {
    let token = cursor.token();
    let left = token.is_word("group_left");
    if !left && !token.is_word("group_right") {
        return Ok(());
    }
    let word = if left { "group_left" } else { "group_right" };
    if infix.op.is_set() {
        let message = format!("`{word}` does not go with `{}`: set operators match many with many", infix.op.as_str());
        return Err(problem(token.place.clone(), message, "leave it out"));
    }
    cursor.step();
    let included = if cursor.token().is("(") { names(cursor, &token.place)? } else { Vec::new() };
    if let Some(Grouping::By(on)) = &infix.labels
        && let Some(twice) = included.iter().find(|label| on.contains(label))
    {
        let message = format!("the label `{twice}` is in `on` and in `{word}`");
        let hint = format!("labels of `on` are kept anyway: take it out of `{word}`");
        return Err(problem(token.place.start..cursor.before(), message, hint));
    }
    infix.cardinality = if left { Cardinality::ManyToOne(included) } else { Cardinality::OneToMany(included) };
    Ok(())
}

/// Reads `by (...)` or `without (...)`, if it stands here.
pub(super) fn grouping(cursor: &mut Cursor<'_>) -> Result<Option<Grouping>, Problem> {
    let token = cursor.token();
    let by = token.is_word("by");
    if !by && !token.is_word("without") {
        return Ok(None);
    }
    cursor.step();
    let labels = names(cursor, &token.place)?;
    Ok(Some(if by { Grouping::By(labels) } else { Grouping::Without(labels) }))
}

/// Reads labels in brackets, for the keyword at `of`.
fn names(cursor: &mut Cursor<'_>, of: &Place) -> Result<Vec<String>, Problem> {
    let word = cursor.source(of);
    let example = format!("write {word} (label, other)");
    if !cursor.takes("(") {
        let message = format!("`{word}` wants labels in brackets");
        return Err(problem(of.clone(), message, example));
    }
    let mut labels = Vec::new();
    loop {
        let token = cursor.token();
        let label = match &token.kind {
            Kind::Name(name) => (name, false),
            Kind::Text(name) => (name, true),
            Kind::Mark(")") => {
                cursor.step();
                return Ok(labels);
            }
            _ => {
                let message = format!("{}, expected a label's name", cursor.unexpected(token));
                return Err(problem(token.place.clone(), message, example));
            }
        };
        label_name(label.0, label.1, token)?;
        labels.push(label.0.clone());
        cursor.step();
        let token = cursor.token();
        if !cursor.takes(",") && !token.is(")") {
            let message = format!("{}, expected a comma or the end of the labels", cursor.unexpected(token));
            return Err(problem(token.place.clone(), message, example));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::all_are_said;

    #[test]
    fn what_is_wrong_behind_and_between_operands_is_said() {
        all_are_said(&[
            ("avg by (a)", "", "unexpected end, expected the bracket of `avg`", "write avg by (label) (x)"),
            ("a[]", "[]", "the range is empty", "write a duration: [5m]"),
            ("a[x]", "x", "expected a duration, found `x`", "write it as [5m]"),
            ("a[0s]", "0s", "the duration must be greater than 0", "the shortest is 1ms"),
            ("a[0]", "0", "the duration must be greater than 0", "the shortest is 1ms"),
            ("a[5m:0s]", "0s", "the duration must be greater than 0", "the shortest is 1ms"),
            ("a[1e40]", "1e40", "the duration 1e40 is out of range", "a duration is at most 292y"),
            ("a[5m:1m:1m]", ":", "unexpected `:` in a range", "write [5m], or [5m:1m] for a subquery"),
            ("a offset", "", "unexpected end, expected a duration", "write it as offset 5m"),
            ("a offset x", "x", "expected a duration, found `x`", "write it as offset 5m"),
            ("a offset 5m offset 5m", "offset 5m", "the offset is given twice", "add the two up"),
            ("a @ 5 @ 6", "@ 6", "the time behind @ is given twice", "keep one of them"),
            (
                "a @ x",
                "x",
                "unexpected `x`, expected a time behind @",
                "a time is a number of seconds since 1970, start() or end()",
            ),
            ("a @ inf", "inf", "the time inf behind @ is out of range", "it is a number of seconds since 1970"),
            ("a @ 1e40", "1e40", "the time 1e40 behind @ is out of range", "it is a number of seconds since 1970"),
            ("a + bool b", "bool", "`bool` goes with comparisons, and `+` is none", "leave it out"),
            ("a and bool b", "bool", "`bool` goes with comparisons, and `and` is none", "leave it out"),
            (
                "a + on (x) group_left (x) b",
                "group_left (x)",
                "the label `x` is in `on` and in `group_left`",
                "labels of `on` are kept anyway: take it out of `group_left`",
            ),
            (
                "a and on (x) group_left b",
                "group_left",
                "`group_left` does not go with `and`: set operators match many with many",
                "leave it out",
            ),
            (
                "a + group_left (x) b",
                "group_left",
                "the keyword `group_left` stands where an expression must stand",
                "it follows `on (...)` or `ignoring (...)`: a * on (label) group_left b",
            ),
            (
                "a + group_left b",
                "group_left",
                "the keyword `group_left` stands where an expression must stand",
                "it follows `on (...)` or `ignoring (...)`: a * on (label) group_left b",
            ),
            (
                "a * on (x) 5",
                "5",
                "`5` is a scalar and has no labels to match",
                "`on` and `ignoring` go between two instant vectors",
            ),
            ("a * on x b", "on", "`on` wants labels in brackets", "write on (label, other)"),
            (
                "a * on (x y) b",
                "y",
                "unexpected `y`, expected a comma or the end of the labels",
                "write on (label, other)",
            ),
            ("a * on (5) b", "5", "unexpected `5`, expected a label's name", "write on (label, other)"),
            (
                "bool",
                "bool",
                "the keyword `bool` stands where an expression must stand",
                "it follows a comparison: a > bool b",
            ),
            (
                "on",
                "on",
                "the keyword `on` stands where an expression must stand",
                "it follows an operator and `bool`: a == bool on (label) b",
            ),
            (
                "atan2",
                "atan2",
                "the keyword `atan2` stands where an expression must stand",
                r#"a metric of this name is chosen by {"atan2"}"#,
            ),
            ("sum by (a:b) (x)", "a:b", "`a:b` is no label's name: it holds a colon", r#"put it in quotes: "a:b""#),
            (
                "sum without (a) by (b) (x)",
                "by",
                "unexpected `by`, expected the bracket of `sum`",
                "write sum by (label) (x)",
            ),
        ]);
    }
}
