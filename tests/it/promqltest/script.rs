//! The grammar of `.test` files: `load`, `eval`, `clear`. It is described in the README beside the files.

use earlystop::promql::{Labels, Span, parse_series};
use regex::Regex;

/// A series and one value a step.
pub type Written = (Labels, Vec<Option<f64>>);

/// One command of a script.
#[derive(Debug)]
pub enum Command {
    /// Drop all that is loaded.
    Clear,
    /// Value i stands at i times so many milliseconds.
    Load(i64, Vec<Written>),
    /// An expression and what it must give.
    Eval(Statement),
}

/// An expression and what it must give.
#[derive(Debug)]
pub struct Statement {
    /// The line of the file, from 1.
    pub line: usize,
    /// The word after `#@ family=`.
    pub family: String,
    /// The expression.
    pub expr: String,
    /// When it is evaluated.
    pub when: When,
    /// What it must give.
    pub wanted: Wanted,
}

/// When an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// At one time.
    At(i64),
    /// At several.
    Range(Span),
}

/// What an expression must give.
#[derive(Debug, PartialEq)]
pub enum Wanted {
    /// An error.
    Failure,
    /// A text.
    Text(String),
    /// A number.
    Scalar(f64),
    /// Labelled numbers, in this order or in any.
    Vector(Vec<Written>, Order),
    /// Labelled samples at these times.
    Matrix(Vec<Written>, Span),
}

/// Whether the order of results counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Order {
    /// Any order.
    #[default]
    Any,
    /// As listed.
    Listed,
}

/// Understands a script.
///
/// # Errors
/// The first line that is not understood: its number and why.
pub fn parse(text: &str) -> Result<Vec<Command>, (usize, String)> {
    let mut script = Script::new(text);
    let mut commands = Vec::new();
    while let Some((number, line)) = script.next() {
        match line.split_whitespace().next() {
            None => {}
            Some("clear") => commands.push(Command::Clear),
            Some("load") => commands.push(script.load(line).map_err(|why| (script.at, why))?),
            Some(word) if word.starts_with("eval") => {
                let statement = script.eval(number, line).map_err(|why| (script.at, why))?;
                commands.push(Command::Eval(statement));
            }
            Some(word) => return Err((number, format!("unknown command {word}"))),
        }
    }
    Ok(commands)
}

/// Lines and how many of them have been read.
struct Script<'a> {
    lines: Vec<&'a str>,
    at: usize,
    family: &'a str,
    instant: Regex,
    range: Regex,
    expect: Regex,
    samples: Regex,
}

/// What the lines below an `eval` said.
#[derive(Default)]
struct Said {
    fail: bool,
    order: Order,
    text: Option<String>,
    scalar: Option<f64>,
    grid: Option<Span>,
    series: Vec<Written>,
}

impl<'a> Script<'a> {
    fn new(text: &'a str) -> Script<'a> {
        let regex = |text| Regex::new(text).expect("a constant");
        Script {
            lines: text.lines().map(str::trim).collect(),
            at: 0,
            family: "",
            instant: regex(r"^eval(_\w+)?\s+instant\s+at\s+(\S+)\s+(.+)$"),
            range: regex(r"^eval(_\w+)?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)$"),
            expect: regex(r"^expect\s+(fail|ordered|warn|no_warn|info|no_info)(\s+(msg|regex):.*)?$"),
            samples: regex(r"^expect\s+range\s+vector\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)$"),
        }
    }

    /// The next line and its number; a comment is an empty line.
    fn next(&mut self) -> Option<(usize, &'a str)> {
        let line = *self.lines.get(self.at)?;
        self.at += 1;
        if let Some(tags) = line.strip_prefix("#@") {
            self.family = tags.split_whitespace().find_map(|tag| tag.strip_prefix("family=")).unwrap_or("");
        }
        Some((self.at, if line.starts_with('#') { "" } else { line }))
    }

    /// The next line of a block, which an empty line ends.
    fn in_block(&mut self) -> Option<&'a str> {
        self.next().map(|(_, line)| line).filter(|line| !line.is_empty())
    }

    fn load(&mut self, line: &str) -> Result<Command, String> {
        let step = duration(line.strip_prefix("load").unwrap_or_default().trim())?;
        let mut all = Vec::new();
        while let Some(line) = self.in_block() {
            all.push(series(line)?);
        }
        Ok(Command::Load(step, all))
    }

    fn eval(&mut self, number: usize, line: &'a str) -> Result<Statement, String> {
        let (kind, when, expr) = if let Some(found) = self.instant.captures(line) {
            (found.get(1), When::At(duration(&found[2])?), found[3].to_owned())
        } else if let Some(found) = self.range.captures(line) {
            (found.get(1), When::Range(span(&found[2], &found[3], &found[4])?), found[5].to_owned())
        } else {
            return Err(format!("neither instant nor range: {line}"));
        };
        let family = std::mem::take(&mut self.family).to_owned();
        let mut said = Said::default();
        match kind.map(|kind| kind.as_str()) {
            None | Some("_warn" | "_info") => {}
            Some("_fail") => said.fail = true,
            Some("_ordered") => said.order = Order::Listed,
            Some(other) => return Err(format!("unknown command eval{other}")),
        }
        while let Some(line) = self.in_block() {
            self.below(line, &mut said)?;
        }
        let wanted = match (said, when) {
            (Said { fail: true, .. }, _) => Wanted::Failure,
            (Said { text: Some(text), .. }, _) => Wanted::Text(text),
            (Said { scalar: Some(number), .. }, _) => Wanted::Scalar(number),
            (Said { series, grid: Some(span), .. }, _) | (Said { series, .. }, When::Range(span)) => {
                Wanted::Matrix(series, span)
            }
            (Said { series, order, .. }, When::At(_)) => Wanted::Vector(series, order),
        };
        Ok(Statement { line: number, family, expr, when, wanted })
    }

    fn below(&self, line: &str, said: &mut Said) -> Result<(), String> {
        if let Some(found) = self.expect.captures(line) {
            match &found[1] {
                "fail" => said.fail = true,
                "ordered" => said.order = Order::Listed,
                _ => {}
            }
        } else if let Some(found) = self.samples.captures(line) {
            said.grid = Some(span(&found[1], &found[2], &found[3])?);
        } else if let Some(quoted) = line.strip_prefix("expect string") {
            let text = promql_parser::util::unquote_string(quoted.trim()).map_err(|e| format!("{e}: {quoted}"))?;
            said.text = Some(text);
        } else if line.starts_with("expect ") {
            return Err(format!("unknown expectation: {line}"));
        } else if let Some(number) = number(line) {
            said.scalar = Some(number);
        } else {
            said.series.push(series(line)?);
        }
        Ok(())
    }
}

fn series(line: &str) -> Result<Written, String> {
    parse_series(line).map_err(|problem| format!("{} at {:?}: {line}", problem.message, problem.place))
}

fn span(start: &str, end: &str, step: &str) -> Result<Span, String> {
    Ok(Span { start: duration(start)?, end: duration(end)?, step: duration(step)? })
}

fn number(text: &str) -> Option<f64> {
    let hex = text.strip_prefix("0x").and_then(|digits| i64::from_str_radix(digits, 16).ok());
    hex.map(|whole| whole as f64).or_else(|| text.parse().ok())
}

/// A duration of Prometheus, in milliseconds: `0`, `90s`, `1h30m`, `10s53ms`, and `-1m`.
fn duration(text: &str) -> Result<i64, String> {
    let bad = || format!("no duration: {text:?}");
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    if rest == "0" {
        return Ok(0);
    }
    let mut total = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |n| digits + n);
        let each = match &rest[digits..unit] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "y" => 31_536_000_000,
            _ => return Err(bad()),
        };
        total += each * rest[..digits].parse::<i64>().map_err(|_| bad())?;
        rest = &rest[unit..];
    }
    if text.is_empty() { Err(bad()) } else { Ok(sign * total) }
}

#[test]
fn durations() {
    assert_eq!(duration("0"), Ok(0));
    assert_eq!(duration("1h30m"), Ok(5_400_000));
    assert_eq!(duration("10s53ms"), Ok(10_053));
    assert_eq!(duration("-1m"), Ok(-60_000));
    assert!(["", "5", "m", "1x", "1.5m"].iter().all(|text| duration(text).is_err()));
}

#[test]
fn a_script_is_understood() {
    let text = "# comment\nload 5m\n  up{a=\"1\"} 1 _ 2\n\tdown 1x1\n\n#@ family=basics needs=- src_line=1\n\
                eval instant at 1m  sum by (a) (up) > 0x2\n  expect ordered\n  expect no_warn\n  {a=\"1\"} 3\n{} NaN\n# end\n\
                eval_fail instant at 0 up\n\neval range from 0 to 10m step 5m up\n  up _ 1 _\n\n\
                eval instant at 0 1\n\t+Inf\n\neval instant at 0 \"x\"\nexpect string `x y`\n\n\
                eval instant at 1m up[1m]\nexpect range vector from 10s to 1m step 10s\n\neval instant at 0 up\nclear";
    let commands = parse(text).map_err(|e| panic!("{e:?}")).expect("it is right");
    let [
        Command::Load(300_000, loaded),
        Command::Eval(sum),
        Command::Eval(fail),
        Command::Eval(range),
        Command::Eval(number),
        Command::Eval(string),
        Command::Eval(matrix),
    ] = &commands[..7]
    else {
        panic!("{commands:?}");
    };
    assert_eq!(loaded[0].1, [Some(1.0), None, Some(2.0)]);
    assert_eq!(loaded[1].1, [Some(1.0); 2]);
    assert_eq!((sum.line, &*sum.family, &*sum.expr), (7, "basics", "sum by (a) (up) > 0x2"));
    assert_eq!((sum.when, fail.family.as_str()), (When::At(60_000), ""));
    assert!(matches!(&sum.wanted, Wanted::Vector(all, Order::Listed) if all.len() == 2));
    assert_eq!(fail.wanted, Wanted::Failure);
    let span = Span { start: 0, end: 600_000, step: 300_000 };
    assert_eq!(
        (range.when, matches!(&range.wanted, Wanted::Matrix(all, s) if all.len() == 1 && *s == span)),
        (When::Range(span), true)
    );
    assert_eq!(number.wanted, Wanted::Scalar(f64::INFINITY));
    assert_eq!(string.wanted, Wanted::Text("x y".to_owned()));
    assert_eq!(matrix.wanted, Wanted::Matrix(Vec::new(), Span { start: 10_000, end: 60_000, step: 10_000 }));
}

#[test]
fn a_script_that_is_not_understood_says_where() {
    let line = |text: &str| parse(text).expect_err("it is wrong").0;
    assert_eq!(line("clear\n\nfoo"), 3);
    assert_eq!(line("load 5m\n up{ 1"), 2);
    assert_eq!(line("load 5\n"), 1);
    assert_eq!(line("eval instant up"), 1);
    assert_eq!(line("eval_never instant at 0 up"), 1);
    assert_eq!(line("eval instant at 0 up\n up 1\n expect nothing"), 3);
}
