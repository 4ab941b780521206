//! Series as test files write them: `up{job="a"} 1 1+2x3 _ stale`.
//!
//! The grammar of promtool's unit tests and of Prometheus's own test scripts, without native histograms.

use promql_parser::util::unquote_string;

use super::{Labels, NAME, Problem, STALE};

/// Most values of one series, repetitions written out: 11 days at one a second. A text of a few bytes can ask for any number.
const MAX_VALUES: usize = 1_000_000;

/// Understands a series and its values: `name{label="value"}`, `{label="value"}` or `{"any name", "any label"="value"}`,
/// then values with space between them. A place without a sample is `None`, a staleness marker [`STALE`]; the times
/// are the reader's matter (value i stands at i times some step). No value at all is right, too.
///
/// | value | means |
/// |---|---|
/// | `3`, `-1.5e3`, `NaN`, `Inf`, `-Inf` | a sample |
/// | `_`, `_x5` | no sample; five times no sample |
/// | `stale` | the series ends here |
/// | `7x3` | 7 and three more: four samples |
/// | `1+2x3`, `10-2x3` | 1 3 5 7; 10 8 6 4, by repeated addition |
///
/// # Errors
/// The first thing that is wrong, with its place. A series may have up to a million values.
pub fn parse_series(text: &str) -> Result<(Labels, Vec<Option<f64>>), Problem> {
    let mut reader = Reader { text, at: 0 };
    reader.skip_space();
    let labels = reader.labels()?;
    let mut values = Vec::new();
    while reader.skip_space() {
        if reader.rest().is_empty() {
            break;
        }
        reader.values(&mut values)?;
    }
    if !reader.rest().is_empty() {
        return Err(reader.wrong("a space is missing", "name and values stand apart: `up{job=\"a\"} 1 2`"));
    }
    Ok((labels, values))
}

/// A text and how far it has been understood.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Whether there was any.
    fn skip_space(&mut self) -> bool {
        !self.take_while(|c| c.is_ascii_whitespace()).is_empty()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|c| !wanted(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    fn take(&mut self, sign: char) -> bool {
        let there = self.rest().starts_with(sign);
        self.at += if there { sign.len_utf8() } else { 0 };
        there
    }

    /// A problem with the word that begins here.
    fn wrong(&self, message: impl Into<String>, hint: &str) -> Problem {
        let rest = self.rest();
        let word = rest.find(|c: char| c.is_ascii_whitespace() || c == '}').unwrap_or(rest.len());
        Problem { place: self.at..self.at + word, message: message.into(), hint: hint.to_owned() }
    }

    /// `name`, `name{...}` or `{...}`.
    fn labels(&mut self) -> Result<Labels, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let name = self.word(':');
        if !name.is_empty() {
            pairs.push((NAME.to_owned(), name.to_owned()));
        }
        let before = self.at;
        self.skip_space();
        if self.take('{') {
            self.braces(&mut pairs)?;
        } else if name.is_empty() {
            let hint = "a series begins with its name or a brace: `up{job=\"a\"} 1 2`";
            return Err(self.wrong("this is no series", hint));
        } else {
            self.at = before;
        }
        Ok(Labels::new(pairs))
    }

    /// Letters, digits, `_` and `also`; the first is no digit.
    fn word(&mut self, also: char) -> &'a str {
        if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            return "";
        }
        self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == also)
    }

    /// What is between braces, the closing one too.
    fn braces(&mut self, pairs: &mut Vec<(String, String)>) -> Result<(), Problem> {
        loop {
            self.skip_space();
            if self.take('}') {
                return Ok(());
            }
            let start = self.at;
            let pair = self.pair()?;
            if pairs.iter().any(|(name, _)| *name == pair.0) {
                let message =
                    if pair.0 == NAME { "a second name".to_owned() } else { format!("{} a second time", pair.0) };
                self.at = start;
                return Err(self.wrong(message, "each label once"));
            }
            pairs.push(pair);
            self.skip_space();
            if !self.take(',') && !self.rest().starts_with('}') {
                return Err(self.wrong("neither a comma nor the closing brace", "`{job=\"a\", instance=\"b\"}`"));
            }
        }
    }

    /// `label="value"`, `"any label"="value"` or `"any name"`.
    fn pair(&mut self) -> Result<(String, String), Problem> {
        let hint = "`label=\"value\"`; a name with other signs than letters, digits and _ is quoted";
        let quoted = self.rest().starts_with(['"', '\'', '`']);
        let name = if quoted { self.string()? } else { self.word('_').to_owned() };
        if name.is_empty() {
            return Err(self.wrong("this is no label", hint));
        }
        self.skip_space();
        if !self.take('=') {
            return if quoted { Ok((NAME.to_owned(), name)) } else { Err(self.wrong("= is missing", hint)) };
        }
        self.skip_space();
        if !self.rest().starts_with(['"', '\'', '`']) {
            return Err(self.wrong("a value is missing or not quoted", hint));
        }
        Ok((name, self.string()?))
    }

    /// A quoted text; the caller has seen the quote.
    fn string(&mut self) -> Result<String, Problem> {
        let rest = self.rest();
        let mut signs = rest.char_indices();
        let (_, quote) = signs.next().expect("the quote was seen");
        let mut end = None;
        while let Some((at, sign)) = signs.next() {
            if sign == quote {
                end = Some(at + 1);
                break;
            }
            // No escape begins with such a sign, and the crate would cut it in two.
            let bad = sign == '\\' && quote != '`' && !signs.next().is_some_and(|(_, escaped)| escaped.is_ascii());
            if bad {
                break;
            }
        }
        let problem = |place, message: &str| Problem { place, message: message.to_owned(), hint: String::new() };
        let start = self.at;
        let end = end.ok_or_else(|| problem(start..self.text.len(), "a text that does not end"))?;
        self.at += end;
        unquote_string(&rest[..end]).map_err(|_| problem(start..self.at, "an escape that nobody knows"))
    }

    /// One item: a value, or several by repetition.
    fn values(&mut self, values: &mut Vec<Option<f64>>) -> Result<(), Problem> {
        let start = self.at;
        let none = self.rest().starts_with('_');
        let first = if none { self.take('_').then_some(0.0) } else { self.number() };
        let Some(first) = first else {
            let message = if self.rest().starts_with("{{") { "a native histogram" } else { "this is no value" };
            return Err(self.wrong(message, VALUES));
        };
        let signed = self.rest().starts_with(['+', '-']);
        let step = if signed && !none { self.number() } else { Some(0.0) };
        let times =
            if self.take('x') { self.take_while(|c| c.is_ascii_digit()).parse::<usize>().ok() } else { Some(0) };
        let repeats = self.text[start..self.at].contains('x');
        let over = self.rest().is_empty() || self.rest().starts_with(|c: char| c.is_ascii_whitespace());
        let (Some(step), Some(times), true, true) = (step, times, over, repeats || !signed) else {
            self.at = start;
            return Err(self.wrong("this is no value", VALUES));
        };
        let more = if none && repeats { times } else { times.saturating_add(1) };
        if more > MAX_VALUES - values.len() {
            self.at = start;
            return Err(self.wrong(format!("more than {MAX_VALUES} values"), "a longer step needs fewer"));
        }
        let mut value = first;
        for _ in 0..more {
            values.push((!none).then_some(value));
            // A marker is one bit pattern, and arithmetic keeps no NaN's.
            value = if step == 0.0 { value } else { value + step };
        }
        Ok(())
    }

    /// A number with or without a sign, or `stale`. `None`, and nothing taken, where there is none.
    fn number(&mut self) -> Option<f64> {
        let start = self.at;
        let negative = self.take('-');
        let signed = negative || self.take('+');
        let word = self.take_while(|c| c.is_ascii_alphabetic());
        let value = match word.to_ascii_lowercase().as_str() {
            "" => self.digits(),
            "nan" => Some(f64::NAN),
            "inf" => Some(f64::INFINITY),
            _ if word == "stale" && !signed => Some(STALE),
            _ => None,
        };
        if value.is_none() {
            self.at = start;
        }
        value.map(|value| if negative { -value } else { value })
    }

    /// `12`, `1.5`, `.5`, `2.`, each with or without an exponent.
    fn digits(&mut self) -> Option<f64> {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit());
        self.take('.');
        self.take_while(|c| c.is_ascii_digit());
        let before = self.at;
        if self.take('e') || self.take('E') {
            let _ = self.take('+') || self.take('-');
            if self.take_while(|c| c.is_ascii_digit()).is_empty() {
                self.at = before;
            }
        }
        self.text[start..self.at].parse().ok()
    }
}

const VALUES: &str =
    "values are `3`, `-1.5e3`, `NaN`, `Inf`, `_`, `stale`, `7x3` (four times 7), `1+2x3` (1 3 5 7), `_x5`";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::is_stale;

    fn values(text: &str) -> Vec<Option<f64>> {
        parse_series(&format!("x {text}")).unwrap_or_else(|p| panic!("{text}: {p:?}")).1
    }

    fn labels(text: &str) -> Labels {
        parse_series(text).unwrap_or_else(|p| panic!("{text}: {p:?}")).0
    }

    fn problem(text: &str) -> (String, String) {
        let problem = parse_series(text).err().unwrap_or_else(|| panic!("{text} was taken"));
        (text[problem.place].to_owned(), problem.message)
    }

    #[test]
    fn values_and_their_repetitions() {
        let some = |all: &[f64]| all.iter().map(|v| Some(*v)).collect::<Vec<_>>();
        assert_eq!(values("3 -1.5e3 +2 .5 2. 1E+2"), some(&[3.0, -1500.0, 2.0, 0.5, 2.0, 100.0]));
        assert_eq!(values("7x3"), some(&[7.0; 4]));
        assert_eq!(values("0x3"), some(&[0.0; 4]));
        assert_eq!(values("1+2x3 10-2x3"), some(&[1.0, 3.0, 5.0, 7.0, 10.0, 8.0, 6.0, 4.0]));
        assert_eq!(values("-1-0.5x2 1e3+1e1x1"), some(&[-1.0, -1.5, -2.0, 1000.0, 1010.0]));
        assert_eq!(values("inf -Inf +inF"), some(&[f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY]));
        assert_eq!(values("1 _ 2 _x3 \t 3"), [Some(1.0), None, Some(2.0), None, None, None, Some(3.0)]);
        assert_eq!(values("_x0"), []);
        assert_eq!(values("  "), []);
        // Repeated addition, not multiplication: what rounding does to the one it does to the other.
        assert_eq!(values("0+0.1x3")[3], Some(0.1 + 0.1 + 0.1));
    }

    #[test]
    fn a_marker_is_not_a_nan() {
        let read = values("NaN stale nan");
        assert!(read.iter().all(|v| v.is_some_and(f64::is_nan)));
        assert_eq!(read.iter().map(|v| v.is_some_and(is_stale)).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn names_and_labels() {
        let set = |pairs: &[(&str, &str)]| Labels::new(pairs.iter().copied());
        assert_eq!(labels("up"), set(&[(NAME, "up")]));
        assert_eq!(labels("a:b{} 1"), set(&[(NAME, "a:b")]));
        assert_eq!(labels("{} 1"), Labels::empty());
        assert_eq!(labels("up {a=\"1\" , b='2',} 1"), set(&[(NAME, "up"), ("a", "1"), ("b", "2")]));
        assert_eq!(labels(r#"{__name__="up", by="}, \"\n"}"#), set(&[(NAME, "up"), ("by", "}, \"\n")]));
        assert_eq!(labels(r"up{a=`\n`}"), set(&[(NAME, "up"), ("a", r"\n")]));
        assert_eq!(labels(r#"{"na.me", "la.bel"="v", empty=""} 1"#), set(&[(NAME, "na.me"), ("la.bel", "v")]));
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let cases = [
            ("up 1 2a 3", "2a", "this is no value"),
            ("up 1 1+2 3", "1+2", "this is no value"),
            ("up 1+2xx", "1+2xx", "this is no value"),
            ("up 3x", "3x", "this is no value"),
            ("up stalex3 NaNx3 infx", "stalex3", "this is no value"),
            ("up _+1x3", "_+1x3", "this is no value"),
            ("up -stale", "-stale", "this is no value"),
            ("up {{schema:1}}", "{schema:1", "this is no label"),
            ("up 1 {{schema:1}}", "{{schema:1", "a native histogram"),
            ("up 1x999999999999", "1x999999999999", "more than 1000000 values"),
            ("up 1x18446744073709551615", "1x18446744073709551615", "more than 1000000 values"),
            ("up 1x18446744073709551616", "1x18446744073709551616", "this is no value"),
            ("", "", "this is no series"),
            ("1 2", "1", "this is no series"),
            ("up{a=\"1\"}2", "2", "a space is missing"),
            ("up{a=1}", "1", "a value is missing or not quoted"),
            ("up{a}", "", "= is missing"),
            ("up{a=\"1\" b=\"2\"}", "b=\"2\"", "neither a comma nor the closing brace"),
            ("up{\"down\"}", "\"down\"", "a second name"),
            ("up{a=\"1\",a=\"2\"}", "a=\"2\"", "a a second time"),
            ("up{a=\"1}", "\"1}", "a text that does not end"),
            ("up{a=\"\\é\"}", "\"\\é\"}", "a text that does not end"),
            ("up{a=\"\\q\"}", "\"\\q\"", "an escape that nobody knows"),
            ("up{a=\"1\"", "", "neither a comma nor the closing brace"),
        ];
        for (text, place, message) in cases {
            assert_eq!(problem(text), (place.to_owned(), message.to_owned()), "{text}");
        }
    }
}
