//! What may follow an operand: `[5m]`, `[5m:1m]`, `offset`, `@`.

use super::cursor::Cursor;
use super::literals::{LONGEST, seconds};
use super::tokens::Kind;
use super::words::Word;
use super::{Place, Problem, matching, problem, refused};
use crate::promql::At;

/// The furthest time behind `@`, seconds either way of the epoch: far beyond all data, and exact in milliseconds.
const FURTHEST: f64 = 1e12;

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
        if matching::operator(token).is_some() {
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
        // As in Prometheus: rounded to nanoseconds, of which whole milliseconds count.
        Kind::Number(seconds) if (seconds * 1000.0).abs() <= LONGEST as f64 => {
            ((seconds * 1e9).round() as i128 / 1_000_000) as i64
        }
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
