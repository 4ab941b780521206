//! Selectors: a name, and conditions in braces.

use super::cursor::Cursor;
use super::tokens::{Kind, Token, goes_on, short};
use super::{Place, Problem, problem};
use crate::promql::{Match, Matcher, NAME, Selector, Shift, regexes};

/// The most regular expressions in one expression: compiled, each may take a mebibyte.
const MOST_REGEXES: usize = 64;

/// Reads a selector that begins here; gives it and its place.
pub(super) fn selector(cursor: &mut Cursor<'_>) -> Result<(Selector, Place), Problem> {
    let start = cursor.token().place.clone();
    let mut matchers = Vec::new();
    let mut named = None;
    let mut end = start.end;
    if let Kind::Name(name) = &cursor.token().kind {
        named = Some(name.clone());
        matchers.push(Matcher { label: NAME.to_string(), test: Match::Equal, value: name.clone() });
        cursor.step();
    }
    if cursor.token().is("{") {
        cursor.step();
        end = braces(cursor, named.as_deref(), &mut matchers)?;
    }
    let place = start.start..end;
    if named.is_none() && matchers.iter().all(|m| m.fits("")) {
        let hint = "name the metric, or give a label a value that is not empty";
        return Err(problem(place, "the selector would choose every series", hint));
    }
    Ok((Selector { matchers, shift: Shift::default() }, place))
}

/// Reads matchers up to the closing brace; gives the place behind it.
fn braces(cursor: &mut Cursor<'_>, named: Option<&str>, matchers: &mut Vec<Matcher>) -> Result<usize, Problem> {
    loop {
        let token = cursor.token().clone();
        if token.is("}") {
            cursor.step();
            return Ok(token.place.end);
        }
        let matcher = matcher(cursor)?;
        let again = cursor.token().clone();
        if matcher.label == NAME && named.is_some() {
            let message =
                format!("the metric's name is given twice: `{}` and `{}`", named.unwrap_or(""), matcher.value);
            return Err(problem(token.place.start..cursor.before(), message, "leave one of them out"));
        }
        matchers.push(matcher);
        match &again.kind {
            Kind::Mark(",") => cursor.step(),
            Kind::Mark("}") => {}
            Kind::End => {
                return Err(problem(again.place, "the braces of the selector never close", "add the closing }"));
            }
            _ if again.is_word("or") => {
                let hint = "match alternatives with =~\"a|b\", or write two selectors with `or` between them";
                return Err(problem(again.place, "`or` inside braces is not PromQL", hint));
            }
            Kind::Name(_) | Kind::Text(_) => {
                return Err(problem(again.place, "two conditions without a comma between them", "add a comma"));
            }
            _ => {
                let message = format!("{} in the braces of a selector", cursor.unexpected(&again));
                return Err(problem(
                    again.place,
                    message,
                    "conditions look like {label=\"value\", other=~\"regex.*\"}",
                ));
            }
        }
    }
}

/// Reads one condition.
fn matcher(cursor: &mut Cursor<'_>) -> Result<Matcher, Problem> {
    let token = cursor.token().clone();
    let (label, quoted) = match &token.kind {
        Kind::Text(name) => (name.clone(), true),
        // `inf` and `nan` are labels here.
        Kind::Name(_) | Kind::Number(_)
            if cursor.source(&token.place).starts_with(|c: char| goes_on(c) && !c.is_ascii_digit()) =>
        {
            (cursor.source(&token.place).to_string(), false)
        }
        Kind::End => return Err(problem(token.place, "the braces of the selector never close", "add the closing }")),
        _ => {
            let message = format!("{}, expected a label's name", cursor.unexpected(&token));
            return Err(problem(token.place, message, "conditions look like {label=\"value\"}"));
        }
    };
    label_name(&label, quoted, &token)?;
    cursor.step();
    let operator = cursor.token().clone();
    if quoted && (operator.is(",") || operator.is("}")) {
        return Ok(Matcher { label: NAME.to_string(), test: Match::Equal, value: label });
    }
    let hint = format!("write {label}=\"...\", or !=, =~, !~ for =");
    let Kind::Mark(mark @ ("=" | "!=" | "=~" | "!~")) = operator.kind else {
        let equals = operator.is("==");
        let message = if equals {
            "labels are compared with one =".to_string()
        } else {
            format!("`{label}` is compared with nothing")
        };
        return Err(problem(if equals { operator.place } else { token.place }, message, hint));
    };
    cursor.step();
    let value = cursor.token().clone();
    let Kind::Text(text) = &value.kind else {
        let written = cursor.source(&value.place);
        let message = format!("the value of `{label}` is not in quotes");
        let hint = if matches!(value.kind, Kind::Mark(_) | Kind::End) {
            hint
        } else {
            format!("write {label}{mark}\"{}\"", short(written))
        };
        return Err(problem(value.place.clone(), message, hint));
    };
    cursor.step();
    if matches!(mark, "=~" | "!~") && cursor.counts_regex() > MOST_REGEXES {
        let message = format!("more than {MOST_REGEXES} regular expressions in one expression");
        return Err(problem(
            value.place.clone(),
            message,
            "join them with |, or take parts out into rules of their own",
        ));
    }
    let regex = || {
        let message = |why| format!("`{}` is not a regular expression: {why}", short(text));
        regexes::anchored(text)
            .map_err(|why| problem(value.place.clone(), message(why), "RE2 syntax, without look-around"))
    };
    let test = match mark {
        "=" => Match::Equal,
        "!=" => Match::NotEqual,
        "=~" => Match::Fits(regex()?),
        _ => Match::NotFits(regex()?),
    };
    Ok(Matcher { label, test, value: text.clone() })
}

/// Refuses a name that no label can have.
pub(super) fn label_name(name: &str, quoted: bool, token: &Token) -> Result<(), Problem> {
    if quoted && name.is_empty() {
        return Err(problem(token.place.clone(), "a label without a name", ""));
    }
    if !quoted && name.contains(':') {
        let hint = format!("put it in quotes: \"{name}\"");
        return Err(problem(token.place.clone(), format!("`{name}` is no label's name: it holds a colon"), hint));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::all_are_said;

    #[test]
    fn what_is_wrong_in_braces_is_said() {
        all_are_said(&[
            (
                "label_join(x)",
                "label_join(x)",
                "`label_join` takes at least 3 arguments, here is 1",
                "label_join(instant vector, string, string, string): label (2nd argument) set to the values of other labels (from the 4th on), joined by the 3rd",
            ),
            (
                "label_join(x, a)",
                "label_join(x, a)",
                "`label_join` takes at least 3 arguments, here are 2",
                "label_join(instant vector, string, string, string): label (2nd argument) set to the values of other labels (from the 4th on), joined by the 3rd",
            ),
            (
                r#"label_replace(x, "a", "b", c, "d")"#,
                "c",
                "`label_replace` wants a string, `c` is an instant vector",
                r#"write it in quotes: "c""#,
            ),
            ("a{b=5}", "5", "the value of `b` is not in quotes", r#"write b="5""#),
            (r#"a{b="c""#, "", "the braces of the selector never close", "add the closing }"),
            (r#"a{b="c" d="e"}"#, "d", "two conditions without a comma between them", "add a comma"),
            (
                r#"a{b="c" or d="e"}"#,
                "or",
                "`or` inside braces is not PromQL",
                r#"match alternatives with =~"a|b", or write two selectors with `or` between them"#,
            ),
            (r#"a{b=="c"}"#, "==", "labels are compared with one =", r#"write b="...", or !=, =~, !~ for ="#),
            ("a{b}", "b", "`b` is compared with nothing", r#"write b="...", or !=, =~, !~ for ="#),
            ("a{b=c}", "c", "the value of `b` is not in quotes", r#"write b="c""#),
            (r#"a{="c"}"#, "=", "unexpected `=`, expected a label's name", r#"conditions look like {label="value"}"#),
            ("a{,}", ",", "unexpected `,`, expected a label's name", r#"conditions look like {label="value"}"#),
            (
                r#"a{b="c",,}"#,
                ",",
                "unexpected `,`, expected a label's name",
                r#"conditions look like {label="value"}"#,
            ),
            (
                r#"a{b=~"("}"#,
                r#""(""#,
                "`(` is not a regular expression: unclosed group",
                "RE2 syntax, without look-around",
            ),
            (
                r#"a{b=~"(?=x)"}"#,
                r#""(?=x)""#,
                "`(?=x)` is not a regular expression: look-around, including look-ahead and look-behind, is not supported",
                "RE2 syntax, without look-around",
            ),
            (
                r#"a{__name__="b"}"#,
                r#"__name__="b""#,
                "the metric's name is given twice: `a` and `b`",
                "leave one of them out",
            ),
            (r#"a{"b"}"#, r#""b""#, "the metric's name is given twice: `a` and `b`", "leave one of them out"),
            (
                "{}",
                "{}",
                "the selector would choose every series",
                "name the metric, or give a label a value that is not empty",
            ),
            (
                r#"{a=""}"#,
                r#"{a=""}"#,
                "the selector would choose every series",
                "name the metric, or give a label a value that is not empty",
            ),
            (
                r#"{a=~".*"}"#,
                r#"{a=~".*"}"#,
                "the selector would choose every series",
                "name the metric, or give a label a value that is not empty",
            ),
            (
                r#"{a!="x"}"#,
                r#"{a!="x"}"#,
                "the selector would choose every series",
                "name the metric, or give a label a value that is not empty",
            ),
            (r#"{a:b="c"}"#, "a:b", "`a:b` is no label's name: it holds a colon", r#"put it in quotes: "a:b""#),
            (r#"{""="x"}"#, r#""""#, "a label without a name", ""),
        ]);
    }
}
