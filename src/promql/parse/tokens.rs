//! Text to tokens, each with its place.

use super::literals;
use super::{Place, Problem, problem};

/// A token of the text.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) place: Place,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name or keyword.
    Name(String),
    /// A number.
    Number(f64),
    /// A duration, milliseconds.
    Duration(i64),
    /// A string's value.
    Text(String),
    /// An operator or a bracket.
    Mark(&'static str),
    /// Behind the last.
    End,
}

impl Token {
    /// Whether it is this operator or bracket.
    pub(super) fn is(&self, mark: &str) -> bool {
        matches!(&self.kind, Kind::Mark(m) if *m == mark)
    }

    /// Whether it is this keyword, in whatever case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Name(name) if name.eq_ignore_ascii_case(word))
    }
}

/// All operators and brackets; the longer of two that begin alike comes first.
const MARKS: [&str; 26] = [
    "==", "=~", "!=", "!~", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}", "[", "]", ",",
    "@", ":", "!", "&",
];

/// Whether a name may go on with this.
pub(super) fn goes_on(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// The tokens of a text; an [`Kind::End`] comes last.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    let mut found = Vec::new();
    let mut at = 0;
    // Between `[` and `]` a colon stands alone; elsewhere it is part of a name.
    let mut in_brackets = false;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, len) = match c {
            c if c.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            '#' => {
                at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                continue;
            }
            '"' | '\'' | '`' => quoted(rest, at)?,
            '0'..='9' => numeric(rest, at)?,
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => numeric(rest, at)?,
            c if goes_on(c) && !(c == ':' && in_brackets) => {
                let len = rest.find(|c| !goes_on(c) || (c == ':' && in_brackets)).unwrap_or(rest.len());
                (named(&rest[..len]), len)
            }
            _ => mark(rest, at)?,
        };
        match kind {
            Kind::Mark("[") => in_brackets = true,
            Kind::Mark("]") => in_brackets = false,
            _ => {}
        }
        found.push(Token { kind, place: at..at + len });
        at += len;
    }
    found.push(Token { kind: Kind::End, place: text.len()..text.len() });
    Ok(found)
}

/// A name, or one of the two numbers that are written with letters.
fn named(name: &str) -> Kind {
    match name.to_ascii_lowercase().as_str() {
        "inf" => Kind::Number(f64::INFINITY),
        "nan" => Kind::Number(f64::NAN),
        _ => Kind::Name(name.to_string()),
    }
}

fn quoted(rest: &str, at: usize) -> Result<(Kind, usize), Problem> {
    let quote = &rest[..1];
    match literals::string(rest) {
        Ok((value, len)) => Ok((Kind::Text(value), len)),
        Err((from, "bad escape")) => {
            let shown: String = rest[from..].chars().take(2).collect();
            let hint = "write \\\\ for a backslash, or put the string in backquotes";
            Err(problem(at + from..at + from + shown.len(), format!("a string cannot hold the escape {shown}"), hint))
        }
        Err((0, what)) if what.contains("UTF-8") => {
            let hint = "write the letter itself, or \\u with its number";
            Err(problem(at..at + rest[1..].find(quote).map_or(rest.len(), |end| end + 2), what, hint))
        }
        Err((_, what)) => {
            Err(problem(at..at + rest.lines().next().map_or(1, str::len), what, format!("add the closing {quote}")))
        }
    }
}

/// A number or a duration: both begin with a digit and go on as long as letters, digits and points do.
fn numeric(rest: &str, at: usize) -> Result<(Kind, usize), Problem> {
    let bytes = rest.as_bytes();
    let hex = rest.len() > 1 && bytes[0] == b'0' && bytes[1].eq_ignore_ascii_case(&b'x');
    let mut len = 0;
    while let Some(c) = bytes.get(len) {
        let exponent_sign = matches!(c, b'+' | b'-') && !hex && len > 0 && {
            let digits = &bytes[..len - 1];
            bytes[len - 1].eq_ignore_ascii_case(&b'e')
                && digits.iter().all(|d| d.is_ascii_digit() || matches!(d, b'.' | b'_'))
        };
        if !(c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.') || exponent_sign) {
            break;
        }
        len += 1;
    }
    let word = &rest[..len];
    if let Some(value) = literals::number(word) {
        return Ok((Kind::Number(value), len));
    }
    match literals::duration(word) {
        Some(Ok(ms)) => Ok((Kind::Duration(ms), len)),
        Some(Err(())) => {
            let hint = "a duration is at most 292y";
            Err(problem(at..at + len, format!("the duration {} is out of range", short(word)), hint))
        }
        None => {
            let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            if is_unit_of_memory(unit) {
                return Err(problem(at..at + len, format!("`{}` is not a number", short(word)), MEMORY));
            }
            let hint = "a duration is written 1h30m (units y w d h m s ms, the larger first), a number 0.5 or 1e9";
            Err(problem(at..at + len, format!("`{}` is neither a number nor a duration", short(word)), hint))
        }
    }
}

fn mark(rest: &str, at: usize) -> Result<(Kind, usize), Problem> {
    let found = MARKS.iter().find(|m| rest.starts_with(**m));
    let (len, hint) = match (found, rest.chars().next().unwrap_or(' ')) {
        (Some(&"&"), _) if rest.starts_with("&&") => (2, "write `and`"),
        (Some(&"&"), _) => (1, "write `and`; `ignoring`, `on` and `by` name labels"),
        (Some(&"!"), _) => (1, "write `!=`, `!~` or `unless`"),
        (Some(mark), _) => return Ok((Kind::Mark(mark), mark.len())),
        (None, '|') => (if rest.starts_with("||") { 2 } else { 1 }, "write `or`"),
        (None, '~') => (1, "a regular expression is matched in braces: {label=~\"...\"}"),
        (None, '.') => (1, "names with points stand quoted in braces: {\"a.b\"}"),
        (None, '?') => (1, "PromQL filters: a and b, a unless b, a > b"),
        (None, ';') => (1, "one expression stands alone"),
        (None, '$') => (1, "dashboards replace $variables before they ask; here the expression is taken as it is"),
        (None, '“' | '”' | '‘' | '’' | '«' | '»') => (0, "strings stand in straight quotes: \"...\""),
        (None, c) if c.is_alphabetic() => (0, "names with other letters than a to z stand quoted in braces: {\"...\"}"),
        (None, _) => (0, ""),
    };
    let len = if len > 0 { len } else { rest.chars().next().map_or(1, char::len_utf8) };
    Err(problem(at..at + len, format!("`{}` means nothing in PromQL", rest[..len].escape_debug()), hint))
}

/// What to do about units of memory.
pub(super) const MEMORY: &str = "PromQL has no units of memory: 512 MiB are 512 * 1024 ^ 2";

/// Whether this is `B`, `KiB`, `MB` and the like.
pub(super) fn is_unit_of_memory(word: &str) -> bool {
    let size = word.trim_end_matches('B').trim_end_matches('i');
    matches!(size, "k" | "K" | "M" | "G" | "T") || (size.is_empty() && word == "B")
}

/// At most so many characters of what was written, for a message.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::all_are_said;
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        tokens(text).unwrap().into_iter().map(|t| t.kind).collect()
    }

    #[test]
    fn colons_are_part_of_names_but_not_in_brackets() {
        let name = |n: &str| Kind::Name(n.to_string());
        assert_eq!(kinds("a:b"), [name("a:b"), Kind::End]);
        assert_eq!(
            kinds("a[5m:1m]"),
            [
                name("a"),
                Kind::Mark("["),
                Kind::Duration(300_000),
                Kind::Mark(":"),
                Kind::Duration(60_000),
                Kind::Mark("]"),
                Kind::End
            ]
        );
    }

    #[test]
    fn comments_and_places() {
        let found = tokens("a # \"what\n+ 'é' 1e-3").unwrap();
        let places: Vec<Place> = found.iter().map(|t| t.place.clone()).collect();
        assert_eq!(places, [0..1, 10..11, 12..16, 17..21, 21..21]);
        assert_eq!(found[3].kind, Kind::Number(1e-3));
    }

    #[test]
    fn what_is_no_token_is_said() {
        all_are_said(&[
            ("x > 8GiB", "8GiB", "`8GiB` is not a number", MEMORY),
            ("x.y", ".", "`.` means nothing in PromQL", "names with points stand quoted in braces: {\"a.b\"}"),
            ("x ? 1 : 2", "?", "`?` means nothing in PromQL", "PromQL filters: a and b, a unless b, a > b"),
            ("a && b", "&&", "`&&` means nothing in PromQL", "write `and`"),
            ("a & b", "&", "`&` means nothing in PromQL", "write `and`; `ignoring`, `on` and `by` name labels"),
            ("a || b", "||", "`||` means nothing in PromQL", "write `or`"),
            ("!a", "!", "`!` means nothing in PromQL", "write `!=`, `!~` or `unless`"),
            ("a ! b", "!", "`!` means nothing in PromQL", "write `!=`, `!~` or `unless`"),
            (
                "5m5",
                "5m5",
                "`5m5` is neither a number nor a duration",
                "a duration is written 1h30m (units y w d h m s ms, the larger first), a number 0.5 or 1e9",
            ),
            (r#""a"#, r#""a"#, "the string never ends", r#"add the closing ""#),
            ("a[300y]", "300y", "the duration 300y is out of range", "a duration is at most 292y"),
            (
                "a[5x]",
                "5x",
                "`5x` is neither a number nor a duration",
                "a duration is written 1h30m (units y w d h m s ms, the larger first), a number 0.5 or 1e9",
            ),
            (
                "$x",
                "$",
                "`$` means nothing in PromQL",
                "dashboards replace $variables before they ask; here the expression is taken as it is",
            ),
            ("“a”", "“", "`“` means nothing in PromQL", r#"strings stand in straight quotes: "...""#),
            (
                "é",
                "é",
                "`é` means nothing in PromQL",
                r#"names with other letters than a to z stand quoted in braces: {"..."}"#,
            ),
            ("a;b", ";", "`;` means nothing in PromQL", "one expression stands alone"),
            ("~", "~", "`~` means nothing in PromQL", r#"a regular expression is matched in braces: {label=~"..."}"#),
            (
                "0x",
                "0x",
                "`0x` is neither a number nor a duration",
                "a duration is written 1h30m (units y w d h m s ms, the larger first), a number 0.5 or 1e9",
            ),
            (
                "1__0",
                "1__0",
                "`1__0` is neither a number nor a duration",
                "a duration is written 1h30m (units y w d h m s ms, the larger first), a number 0.5 or 1e9",
            ),
            (
                "1.2.3",
                "1.2.3",
                "`1.2.3` is neither a number nor a duration",
                "a duration is written 1h30m (units y w d h m s ms, the larger first), a number 0.5 or 1e9",
            ),
            (
                r#""\q""#,
                r#"\q"#,
                r#"a string cannot hold the escape \q"#,
                r#"write \\ for a backslash, or put the string in backquotes"#,
            ),
            (
                r#""\xff""#,
                r#""\xff""#,
                "the string's escapes are not UTF-8",
                r#"write the letter itself, or \u with its number"#,
            ),
        ]);
    }
}
