//! Expressions as text that is understood as the same expression.

use std::fmt::{self, Display, Formatter};

use super::parse::UNITS;
use super::{
    Aggregation, At, Cardinality, Expr, Grouping, Match, Matcher, Matching, NAME, Node, Operator, Selector, Shift,
};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Number(value) => number(f, *value),
            Node::Text(text) => quoted(f, text),
            Node::Vector(selector) => write!(f, "{selector}{}", Behind(&selector.shift)),
            Node::Matrix(selector, range) => {
                write!(f, "{selector}[{}]{}", Duration(*range), Behind(&selector.shift))
            }
            Node::Subquery { inner, range, step, shift } => {
                write!(f, "{inner}[{}:", Duration(*range))?;
                step.iter().try_for_each(|step| write!(f, "{}", Duration(*step)))?;
                write!(f, "]{}", Behind(shift))
            }
            Node::Paren(inner) => write!(f, "({inner})"),
            Node::Negate(inner) => write!(f, "-{inner}"),
            Node::Call(function, args) => {
                write!(f, "{}(", function.name)?;
                list(f, args, |f, arg| write!(f, "{arg}"))?;
                f.write_str(")")
            }
            Node::Aggregate { op, param, inner, grouping } => {
                f.write_str(op.as_str())?;
                match grouping {
                    Grouping::By(labels) if labels.is_empty() => {}
                    Grouping::By(labels) => write!(f, " by {} ", Names(labels))?,
                    Grouping::Without(labels) => write!(f, " without {} ", Names(labels))?,
                }
                f.write_str("(")?;
                param.iter().try_for_each(|param| write!(f, "{param}, "))?;
                write!(f, "{inner})")
            }
            Node::Binary { op, left, right, matching, returns_bool } => {
                let returns = if *returns_bool { " bool" } else { "" };
                write!(f, "{left} {}{returns}{matching} {right}", op.as_str())
            }
        }
    }
}

/// Without offset and `@`, which stand behind the range.
impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = self.matchers.iter().filter(|m| m.label == NAME).count();
        let mut rest = &self.matchers[..];
        if let Some((first, others)) = self.matchers.split_first()
            && names == 1
            && first.label == NAME
            && matches!(first.test, Match::Equal)
            && is_metric(&first.value)
        {
            f.write_str(&first.value)?;
            rest = others;
            if others.is_empty() {
                return Ok(());
            }
        }
        f.write_str("{")?;
        list(f, rest, |f, matcher| write!(f, "{matcher}"))?;
        f.write_str("}")
    }
}

impl Display for Matcher {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.label == NAME && matches!(self.test, Match::Equal) && !self.value.is_empty() {
            return quoted(f, &self.value);
        }
        name(f, &self.label)?;
        f.write_str(match self.test {
            Match::Equal => "=",
            Match::NotEqual => "!=",
            Match::Fits(_) => "=~",
            Match::NotFits(_) => "!~",
        })?;
        quoted(f, &self.value)
    }
}

/// With a space before it, or nothing.
impl Display for Matching {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let group = match &self.cardinality {
            Cardinality::ManyToOne(labels) => Some(("group_left", labels)),
            Cardinality::OneToMany(labels) => Some(("group_right", labels)),
            Cardinality::OneToOne | Cardinality::ManyToMany => None,
        };
        match &self.labels {
            Grouping::By(labels) => write!(f, " on {}", Names(labels))?,
            Grouping::Without(labels) if labels.is_empty() && group.is_none() => {}
            Grouping::Without(labels) => write!(f, " ignoring {}", Names(labels))?,
        }
        group.map_or(Ok(()), |(word, labels)| write!(f, " {word} {}", Names(labels)))
    }
}

/// Offset and `@`, each with a space before it.
struct Behind<'s>(&'s Shift);

impl Display for Behind<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.at {
            None => {}
            Some(At::Start) => f.write_str(" @ start()")?,
            Some(At::End) => f.write_str(" @ end()")?,
            Some(At::Time(ms)) => {
                let sign = if ms < 0 { "-" } else { "" };
                write!(f, " @ {sign}{}.{:03}", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)?;
            }
        }
        match self.0.offset {
            0 => Ok(()),
            back if back > 0 => write!(f, " offset {}", Duration(back)),
            ahead => write!(f, " offset -{}", Duration(ahead.saturating_neg())),
        }
    }
}

/// Milliseconds as Prometheus writes them: years and weeks only where nothing is left over.
pub struct Duration(
    /// Milliseconds, at least 0.
    pub i64,
);

impl Display for Duration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.unsigned_abs();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, length) in UNITS {
            let whole_only = matches!(unit, "y" | "w");
            let many = rest / length;
            if many == 0 || (whole_only && !rest.is_multiple_of(length)) {
                continue;
            }
            write!(f, "{many}{unit}")?;
            rest %= length;
        }
        Ok(())
    }
}

/// Labels in brackets.
struct Names<'l>(&'l [String]);

impl Display for Names<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        list(f, self.0, |f, label| name(f, label))?;
        f.write_str(")")
    }
}

fn list<T>(f: &mut Formatter<'_>, items: &[T], one: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        one(f, item)?;
    }
    Ok(())
}

/// A number that reads back as the same: in full where that is short, else with an exponent.
fn number(f: &mut Formatter<'_>, value: f64) -> fmt::Result {
    if value.is_nan() {
        return f.write_str("NaN");
    }
    if value.is_infinite() {
        return f.write_str(if value > 0.0 { "Inf" } else { "-Inf" });
    }
    if value == 0.0 || (1e-6..1e21).contains(&value.abs()) { write!(f, "{value}") } else { write!(f, "{value:e}") }
}

/// A text in double quotes.
fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '\\' => f.write_str("\\\\")?,
            '"' => f.write_str("\\\"")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// A label's name, in quotes where it needs them.
fn name(f: &mut Formatter<'_>, name: &str) -> fmt::Result {
    let number = ["inf", "nan"].iter().any(|n| n.eq_ignore_ascii_case(name));
    if is_plain(name) && !name.contains(':') && !number { f.write_str(name) } else { quoted(f, name) }
}

/// Whether a name needs no quotes.
fn is_plain(name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.chars().all(part) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// Whether a name stands for a metric without quotes wherever an operand may stand.
fn is_metric(name: &str) -> bool {
    const WORDS: [&str; 15] = [
        "by",
        "without",
        "bool",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "offset",
        "fill",
        "fill_left",
        "fill_right",
        "smoothed",
        "anchored",
        "inf",
        "nan",
    ];
    let word = |w: &str| w.eq_ignore_ascii_case(name);
    let operators = Operator::ALL.iter().any(|op| word(op.as_str()));
    let aggregations = Aggregation::ALL.iter().any(|op| word(op.as_str()));
    is_plain(name) && !operators && !aggregations && !WORDS.iter().any(|w| word(w))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::parse;
    use super::*;

    /// All but the places.
    fn bare(expr: &Expr) -> String {
        let mut expr = expr.clone();
        forget_places(&mut expr);
        format!("{expr:?}")
    }

    fn forget_places(expr: &mut Expr) {
        expr.place = 0..0;
        match &mut expr.node {
            Node::Number(_) | Node::Text(_) | Node::Vector(_) | Node::Matrix(..) => {}
            Node::Subquery { inner, .. } | Node::Paren(inner) | Node::Negate(inner) => forget_places(inner),
            Node::Call(_, args) => args.iter_mut().for_each(forget_places),
            Node::Aggregate { param, inner, .. } => {
                param.iter_mut().for_each(|param| forget_places(param));
                forget_places(inner);
            }
            Node::Binary { left, right, .. } => [left, right].into_iter().for_each(|side| forget_places(side)),
        }
    }

    /// Folders of `.test` files: those of EARLYSTOP_PROMQLTEST, else a shared one.
    fn folders(shared: &str) -> Vec<PathBuf> {
        match std::env::var_os("EARLYSTOP_PROMQLTEST") {
            Some(named) => std::env::split_paths(&named).collect(),
            None => vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/promqltest").join(shared)],
        }
    }

    /// The expression of each statement in the `.test` files of the folders.
    fn statements(folders: &[PathBuf]) -> Vec<String> {
        let times = r"^eval\w*\s+(instant\s+at\s+\S+|range\s+from\s+\S+\s+to\s+\S+\s+step\s+\S+)\s+";
        let times = regex::Regex::new(times).unwrap();
        let mut found = Vec::new();
        for folder in folders {
            let Ok(entries) = std::fs::read_dir(folder) else {
                eprintln!("SKIPPED: no folder {}", folder.display());
                continue;
            };
            for file in
                entries.map(|entry| entry.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "test"))
            {
                let text = std::fs::read_to_string(file).unwrap();
                let after = |line: &str| times.find(line).map(|times| line[times.end()..].to_string());
                found.extend(text.lines().map(str::trim).filter_map(after));
            }
        }
        found
    }

    #[test]
    fn statements_of_prometheus_are_understood_and_come_back() {
        for text in statements(&folders("core")) {
            let expr = match parse(&text) {
                Ok(expr) => expr,
                Err(problem) if problem.message.contains("experimental") => continue,
                Err(problem) => panic!("{text}: {problem:?}"),
            };
            let printed = expr.to_string();
            let again = parse(&printed).unwrap_or_else(|problem| panic!("{text} => {printed}: {problem:?}"));
            assert_eq!(bare(&again), bare(&expr), "{text} => {printed}");
            assert_eq!(again.to_string(), printed, "{text}");
        }
    }

    #[test]
    fn stable_statements_are_all_understood_and_the_others_refused_by_name() {
        if std::env::var_os("EARLYSTOP_PROMQLTEST").is_some() {
            return eprintln!("SKIPPED: what other folders hold is not known");
        }
        let refused = |text: &String| parse(text).err().map(|problem| (text.clone(), problem));
        let stable: Vec<_> = statements(&folders("core")).iter().filter_map(refused).collect();
        assert!(stable.is_empty(), "{stable:#?}");
        for (text, problem) in statements(&folders("experimental")).iter().filter_map(refused) {
            assert!(problem.message.contains("experimental"), "{text}: {problem:?}");
        }
    }

    #[test]
    fn numbers_and_durations_are_short() {
        let shown = |value: f64| Expr { node: Node::Number(value), place: 0..0 }.to_string();
        let values = [0.0, -0.0, 0.1, 1e-7, 123456.0, 8e9, 1e21, f64::MAX, -2.5e-300];
        let printed = ["0", "-0", "0.1", "1e-7", "123456", "8000000000", "1e21", "1.7976931348623157e308", "-2.5e-300"];
        assert_eq!(values.map(shown), printed);
        let durations =
            [0, 1, 1_500, 90_000, 86_400_000, 8 * 86_400_000, 14 * 86_400_000, 365 * 86_400_000, 366 * 86_400_000];
        let printed = ["0s", "1ms", "1s500ms", "1m30s", "1d", "8d", "2w", "1y", "366d"];
        assert_eq!(durations.map(|ms| Duration(ms).to_string()), printed);
    }

    #[test]
    fn what_needs_quotes_has_them() {
        for (text, printed) in [
            ("{\"by\"}", "{\"by\"}"),
            ("{a=\"b\", __name__=\"c\"}", "{a=\"b\", \"c\"}"),
            ("{__name__=\"\", a=\"b\"}", "{__name__=\"\", a=\"b\"}"),
            ("{\"x y\"=~\"\\\\d\", \"n:m\"=\"\\n\\u0001\"}", "{\"x y\"=~\"\\\\d\", \"n:m\"=\"\\n\\u0001\"}"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), printed);
        }
    }
}
