//! Text to expression.
//!
//! Tokens with their places ([`tokens`]) are grouped into words ([`words`]): operands, operators with their modifiers,
//! brackets, and what follows an operand (`[5m]`, `offset`, `@`). The crate promql-parser decides how the words bind; it
//! gives no places, and checks names and types by the tables of an older Prometheus, so it is shown the shape alone, with
//! one and the same vector for every operand ([`shape`]). [`convert`] walks its tree and the words together, and
//! [`check`] sees to the types.

mod check;
mod convert;
mod cursor;
mod literals;
mod matching;
mod misplaced;
mod operands;
mod refused;
mod selector;
mod shape;
mod suffixes;
mod tokens;
mod words;

use super::{Expr, Matcher, Node, Place, Shift};

pub(super) use literals::UNITS;

/// The longest text, bytes.
const LONGEST_TEXT: usize = 8192;

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, in bytes of the text; `0..0` where it is not known.
    pub place: Place,
    /// What.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

fn problem(place: Place, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem { place, message: message.into(), hint: hint.into() }
}

/// Understands an expression.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse(text: &str) -> Result<Expr, Problem> {
    if text.len() > LONGEST_TEXT {
        let message = format!("the expression has {} bytes, at most {LONGEST_TEXT} are taken", text.len());
        return Err(problem(LONGEST_TEXT..text.len(), message, "split it into several rules"));
    }
    let tokens = tokens::tokens(text)?;
    let words = words::words(text, &tokens)?;
    let tree = shape::tree(&words).map_err(|message| problem(0..text.len(), message, ""))?;
    convert::convert(text, &words, &tree)
}

/// Understands a series selector alone, as `match[]` of the API has it: `up{job="x"}`.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, Problem> {
    let expr = parse(text)?;
    match expr.node {
        Node::Vector(selector) if selector.shift == Shift::default() => Ok(selector.matchers),
        Node::Vector(_) => Err(problem(expr.place, "a selector of series takes no offset and no @", "leave it out")),
        Node::Matrix(..) => Err(problem(expr.place, "a selector of series takes no range", "leave the [...] out")),
        _ => Err(problem(expr.place, "this is an expression and no selector of series", "write name{label=\"value\"}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// Each text is refused, with the place's text, the message and the hint.
    pub(super) fn all_are_said(cases: &[(&str, &str, &str, &str)]) {
        for (text, place, message, hint) in cases {
            let problem = parse(text).expect_err(text);
            let said = (&text[problem.place.clone()], problem.message.as_str(), problem.hint.as_str());
            assert_eq!(said, (*place, *message, *hint), "{text}");
        }
    }

    #[test]
    fn what_the_language_allows_is_understood() {
        for (text, printed) in [
            ("-1 ^ 2", "-1 ^ 2"),
            ("- -5", "5"),
            ("+up", "up"),
            ("5m * 2", "300 * 2"),
            ("0x1F + 017 + 1_000 + .5 + 2. + 1e-9 + iNf + nan", "31 + 15 + 1000 + 0.5 + 2 + 1e-9 + Inf + NaN"),
            ("a + b * c ^ -d ^ e", "a + b * c ^ -d ^ e"),
            ("up # a comment\n+ 1", "up + 1"),
            ("'it\\'s'", "\"it's\""),
            ("up{a='b',}", "up{a=\"b\"}"),
            ("up{}", "up"),
            ("{\"na.me\", \"la.bel\"=\"v\", other!~`\\d`}", "{\"na.me\", \"la.bel\"=\"v\", other!~\"\\\\d\"}"),
            ("{\"up\", a=\"b\"}", "up{a=\"b\"}"),
            ("{__name__=~\"a|b\", __name__!=\"b\"}", "{__name__=~\"a|b\", __name__!=\"b\"}"),
            ("{by=\"x\", on=\"y\", inf=\"z\", or=\"w\"}", "{by=\"x\", on=\"y\", \"inf\"=\"z\", or=\"w\"}"),
            (
                "sum + by + and + offset + start + fill",
                "{\"sum\"} + {\"by\"} + {\"and\"} + {\"offset\"} + start + {\"fill\"}",
            ),
            ("job:x:rate5m[5m:1m]", "job:x:rate5m[5m:1m]"),
            ("up[300]", "up[5m]"),
            ("up[0.5:]", "up[500ms:]"),
            ("up[1.001]", "up[1s1ms]"),
            ("up[1.0019]", "up[1s1ms]"),
            ("up[1w1d] offset -1.5 @ start()", "up[8d] @ start() offset -1s500ms"),
            ("up @ -1.5 offset +90", "up @ -1.500 offset 1m30s"),
            ("up @ end() [5m:] offset 1y", "up @ end()[5m:] offset 1y"),
            ("up offset -2 ^ 2", "up offset -2s ^ 2"),
            ("SUM BY (\"a.b\", on,) (up)", "sum by (\"a.b\", on) (up)"),
            ("count_values without () (\"v\", up)", "count_values without () (\"v\", up)"),
            ("topk(2, up) by (job)[5m:]", "topk by (job) (2, up)[5m:]"),
            ("a == BOOL ON () GROUP_LEFT (x, y) b", "a == bool on () group_left (x, y) b"),
            ("a * ignoring (x) group_right b", "a * ignoring (x) group_right () b"),
            ("a * on () group_left 5", "a * 5"),
            ("a and ignoring (x) b unless on () c or d", "a and ignoring (x) b unless on () c or d"),
            ("2 atan2 1 % 3", "2 atan2 1 % 3"),
            ("time() > bool hour() and day_of_week(up) == 3", "time() > bool hour() and day_of_week(up) == 3"),
            ("label_join(up, \"a\", \",\")", "label_join(up, \"a\", \",\")"),
            ("rate((up[5m]))", "rate((up[5m]))"),
        ] {
            let expr = parse(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
            assert_eq!(expr.to_string(), printed, "{text}");
        }
    }

    #[test]
    fn parts_know_their_places() {
        let text = "sum by (a) (rate(up{b=\"c\"}[5m] offset 1m)) >  - (é + 0x10)".replace('é', "e");
        let mut places = Vec::new();
        parse(&text).unwrap().visit(&mut |part| places.push(&text[part.place.clone()]));
        let rate = "rate(up{b=\"c\"}[5m] offset 1m)";
        let sum = format!("sum by (a) ({rate})");
        assert_eq!(
            places,
            [&text, &sum, rate, "up{b=\"c\"}[5m] offset 1m", "- (e + 0x10)", "(e + 0x10)", "e + 0x10", "e", "0x10"]
        );
    }

    #[test]
    fn selectors_alone() {
        let matchers = parse_selector("up{job=\"x\", a!~\"b.*\"}").unwrap();
        let printed: Vec<String> = matchers.iter().map(ToString::to_string).collect();
        assert_eq!(printed, ["\"up\"", "job=\"x\"", "a!~\"b.*\""]);
        let said = |text| parse_selector(text).unwrap_err().message;
        assert_eq!(said("up offset 5m"), "a selector of series takes no offset and no @");
        assert_eq!(said("up[5m]"), "a selector of series takes no range");
        assert_eq!(said("up + 1"), "this is an expression and no selector of series");
        assert_eq!(said("(up)"), "this is an expression and no selector of series");
        assert_eq!(said("{}"), "the selector would choose every series");
    }

    #[test]
    fn size_is_bounded() {
        let said = |text: String| parse(&text).map(|_| ()).map_err(|problem| problem.message);
        let nested = |deep| format!("{}up{}", "(".repeat(deep), ")".repeat(deep));
        let chain = |terms| vec!["up"; terms].join(" or ");
        assert_eq!(said(nested(64)), Ok(()));
        assert_eq!(said(nested(65)), Err("more than 64 brackets inside each other".into()));
        assert_eq!(said(chain(120)), Ok(()));
        assert_eq!(said(chain(200)), Err("more than 128 operators and brackets inside each other".into()));
        assert_eq!(said("-".repeat(8000) + "1"), Err("more than 500 operators in one expression".into()));
        assert_eq!(said(" ".repeat(9000)), Err("the expression has 9000 bytes, at most 8192 are taken".into()));
        let regexes = |many| format!("{{{}}}", vec!["a=~\"b\""; many].join(","));
        assert_eq!(said(regexes(64)), Ok(()));
        assert_eq!(said(regexes(65)), Err("more than 64 regular expressions in one expression".into()));
        assert_eq!(said("  # nothing".into()), Err("there is no expression".into()));
    }

    /// SplitMix64: as good as it must be, and the same everywhere.
    struct Random(u64);

    impl Random {
        fn below(&mut self, most: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) % most as u64) as usize
        }
    }

    const SOUP: [&str; 64] = [
        "up",
        "rate",
        "sum",
        "(",
        ")",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"a\"",
        "'b",
        "`c`",
        "=",
        "==",
        "=~",
        "!=",
        "!~",
        "+",
        "-",
        "*",
        "/",
        "^",
        "%",
        "and",
        "or",
        "unless",
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "bool",
        "offset",
        "@",
        "5m",
        "1h30m",
        "300",
        "1e40",
        "0x1f",
        "NaN",
        "-Inf",
        ":",
        "start()",
        "end()",
        "é",
        "\\",
        "#",
        "\n",
        "topk",
        "count_values",
        "time()",
        "label_replace",
        "a:b",
        "atan2",
        "fill",
        "smoothed",
        "[5m]",
        "[5m:]",
        "<",
        "99999999999999999999y",
    ];

    const SOUND: [&str; 6] = [
        "predict_linear(trial_memory_bytes{trial=~\"a.*\"}[2m] offset -1m, 600) > 8e9",
        "topk by (job) (1, a * on (x) group_left (y) b) unless max_over_time((a > bool 5)[5m:30s] @ end())",
        "label_replace(up, \"a\", '$1', `b`, \"(.*)\") or -sum without () (rate(x[5m])) ^ 2 == on () c",
        "{\"na.me\", a!=\"\\u00e9\", b!~\"x{1,2}|[a-z&&]\"} @ 1700000000.123 offset 1w",
        "(1 + 2) * 5m > bool histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m]))) # end",
        "count_values(\"v\", round(a, 0.1)) and hour() < 12 or absent(x{a=\"b\"})",
    ];

    /// A soup of tokens, or a sound expression with a few bytes changed.
    fn mutated(random: &mut Random) -> String {
        if random.below(2) == 0 {
            let many = 1 + random.below(24);
            let gap = [" ", ""][random.below(2)];
            return (0..many).map(|_| SOUP[random.below(SOUP.len())]).collect::<Vec<_>>().join(gap);
        }
        let mut text = SOUND[random.below(SOUND.len())].to_string();
        for _ in 0..1 + random.below(3) {
            let at = (0..=random.below(text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let to = (at + random.below(6)).min(text.len());
            let to = if text.is_char_boundary(to) { to } else { at };
            let new = if random.below(3) == 0 { "" } else { SOUP[random.below(SOUP.len())] };
            text.replace_range(at..to, new);
        }
        text
    }

    #[test]
    fn any_text_is_understood_or_refused_with_a_place() {
        let mut random = Random(3);
        let begun = Instant::now();
        let (mut understood, mut refused) = (0, 0);
        for _ in 0..50_000 {
            let text = mutated(&mut random);
            match parse(&text) {
                Ok(expr) => {
                    understood += 1;
                    let printed = expr.to_string();
                    let again = parse(&printed).unwrap_or_else(|p| panic!("{text} => {printed}: {p:?}"));
                    assert_eq!(again.to_string(), printed, "{text}");
                    assert!(expr.looks_back() >= 0);
                }
                Err(problem) => {
                    refused += 1;
                    assert!(
                        text.get(problem.place.clone()).is_some() && !problem.message.is_empty(),
                        "{text}: {problem:?}"
                    );
                }
            }
            // A hundred times what it takes: a test machine may be busy.
            assert!(begun.elapsed() < Duration::from_secs(300), "slow at {text}");
        }
        assert!(understood > 2_000 && refused > 20_000, "{understood} {refused}");
    }
}
