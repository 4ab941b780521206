//! The shorthand as PromQL: what is evaluated, and what `check --explain` prints.

use super::names::HOST;
use super::words;
use crate::model::{Arithmetic, Comparison, MILLI, SECOND, SeriesName, Shorthand};
use crate::state::table::{self, Kind};

/// The condition as PromQL.
pub fn explain(condition: &Shorthand) -> String {
    match condition {
        Shorthand::Number(n) => number(*n),
        Shorthand::Now => "time()".to_string(),
        Shorthand::Series(s) => series(s),
        Shorthand::Sum(s) => format!("sum by (trial, experiment) ({})", series(s)),
        Shorthand::Mean(s, ns) => format!("avg_over_time({}[{}])", series(s), period(*ns)),
        Shorthand::Rate(s, ns) => format!("rate({}[{}])", series(s), period(*ns)),
        Shorthand::Growth(s, ns) => format!("{}({}[{}])", growth(s), series(s), period(*ns)),
        Shorthand::Forecast(s, trend_ns, within_ns) => {
            let seconds = number(*within_ns as f64 / SECOND as f64);
            format!("predict_linear({}[{}], {seconds})", series(s), period(*trend_ns))
        }
        Shorthand::SinceStep(except) => since_step(except),
        Shorthand::SinceHello => "trial_startup_seconds".to_string(),
        Shorthand::Arithmetic(op, a, b) => {
            let sign = match op {
                Arithmetic::Minus => "-",
                Arithmetic::Times => "*",
                Arithmetic::Over => "/",
            };
            format!("{} {sign} {}", operand(a), operand(b))
        }
        Shorthand::Compare(op, a, b) => comparison(*op, a, b),
        Shorthand::IsNan(a) => {
            let a = operand(a);
            format!("{a} != {a}")
        }
        Shorthand::NotFinite(a) => {
            let a = operand(a);
            format!("{a} != {a} or {a} == Inf or {a} == -Inf")
        }
        Shorthand::All(all) => together(all),
        Shorthand::Any(any) => any.iter().map(operand).collect::<Vec<_>>().join(" or "),
    }
}

/// A part of a larger query, in parentheses where it needs them.
fn operand(condition: &Shorthand) -> String {
    let text = explain(condition);
    match condition {
        Shorthand::Arithmetic(..)
        | Shorthand::Compare(..)
        | Shorthand::IsNan(_)
        | Shorthand::NotFinite(_)
        | Shorthand::All(_)
        | Shorthand::Any(_) => format!("({text})"),
        _ => text,
    }
}

/// A trend would take a start, when memory jumps from nothing to what is needed, for a slope: the series must have been there
/// for twice the window, so that none of the window's samples is of the first.
fn comparison(op: Comparison, a: &Shorthand, b: &Shorthand) -> String {
    let compared = format!("{} {} {}", operand(a), op.as_str(), operand(b));
    match a {
        Shorthand::Forecast(s, trend_ns, _) => format!("{compared} and {} offset {}", series(s), period(2 * trend_ns)),
        _ => compared,
    }
}

/// `and` over labels that both sides have: of the trial, or none for the host.
fn together(all: &[Shorthand]) -> String {
    let mut out = String::new();
    for (i, part) in all.iter().enumerate() {
        let on = if part.reads(&|metric| metric.starts_with(HOST)) { "on ()" } else { "on (trial, experiment)" };
        let joint = if i == 0 { String::new() } else { format!(" and {on} ") };
        out += &format!("{joint}{}", operand(part));
    }
    out
}

/// Time since the last step, phases left out: the phases are regular expressions' alternatives, their own signs escaped.
fn since_step(except: &[String]) -> String {
    let left_out = match except {
        [] => String::new(),
        phases => {
            let escaped: Vec<String> = phases.iter().map(|p| regex::escape(p)).collect();
            format!("{{phase!~\"{}\"}}", escape(&escaped.join("|")))
        }
    };
    format!("sum by (trial, experiment) (trial_since_step_seconds{left_out})")
}

/// What grows: a counter by increases, a gauge by the difference.
fn growth(s: &SeriesName) -> &'static str {
    match table::trial_metric(&s.metric).map(|row| row.kind) {
        Some(Kind::Counter) => "increase",
        _ => "delta",
    }
}

/// A window; PromQL knows no shorter time than a millisecond.
fn period(ns: u64) -> String {
    words::duration(ns.max(MILLI) / MILLI * MILLI)
}

fn number(n: f64) -> String {
    match n {
        n if n.is_nan() => "NaN".to_string(),
        f64::INFINITY => "Inf".to_string(),
        f64::NEG_INFINITY => "-Inf".to_string(),
        n if n.fract() == 0.0 && n.abs() < 1e15 => format!("{n}"),
        n => format!("{n:?}"),
    }
}

fn series(s: &SeriesName) -> String {
    if s.labels.is_empty() {
        return s.metric.clone();
    }
    let labels: Vec<String> = s.labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
    format!("{}{{{}}}", s.metric, labels.join(","))
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
