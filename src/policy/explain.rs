//! Expressions as PromQL, for `check --explain`.

use super::names::HOST;
use super::words;
use crate::model::{Arithmetic, Comparison, Expr, Selector};

/// The expression as PromQL. What PromQL has no words for (time since the last step, phases left out) is the nearest
/// query there is, and a comment line before it says what is done instead.
pub fn explain(expr: &Expr) -> String {
    let mut notes = Vec::new();
    let query = promql(expr, &mut notes);
    notes.push(query);
    notes.join("\n")
}

fn promql(expr: &Expr, notes: &mut Vec<String>) -> String {
    match expr {
        Expr::Number(n) => number(*n),
        Expr::Now => "time()".to_string(),
        Expr::Series(s) => selector(s),
        Expr::Sum(s) => format!("sum by (trial, experiment) ({})", selector(s)),
        Expr::Mean(s, ns) => format!("avg_over_time({}[{}])", selector(s), words::duration(*ns)),
        Expr::Rate(s, ns) => format!("rate({}[{}])", selector(s), words::duration(*ns)),
        Expr::SinceStep(except) => since_step(except, notes),
        Expr::SinceHello => since_hello(notes),
        Expr::Arithmetic(op, a, b) => {
            let sign = match op {
                Arithmetic::Minus => "-",
                Arithmetic::Times => "*",
                Arithmetic::Over => "/",
            };
            format!("{} {sign} {}", operand(a, notes), operand(b, notes))
        }
        Expr::Compare(Comparison::Above, a, b) if matches!(**a, Expr::SinceStep(_) | Expr::SinceHello) => {
            progress(a, b, notes)
        }
        Expr::Compare(op, a, b) => format!("{} {} {}", operand(a, notes), op.as_str(), operand(b, notes)),
        Expr::IsNan(a) => {
            let a = operand(a, notes);
            format!("{a} != {a}")
        }
        Expr::NotFinite(a) => {
            let a = operand(a, notes);
            format!("{a} != {a} or {a} == Inf or {a} == -Inf")
        }
        Expr::All(all) => together(all, notes),
        Expr::Any(any) => {
            let parts: Vec<String> = any.iter().map(|e| operand(e, notes)).collect();
            parts.join(" or ")
        }
    }
}

/// A part of a larger query, in parentheses where it needs them.
fn operand(expr: &Expr, notes: &mut Vec<String>) -> String {
    let text = promql(expr, notes);
    match expr {
        Expr::Arithmetic(..)
        | Expr::Compare(..)
        | Expr::IsNan(_)
        | Expr::NotFinite(_)
        | Expr::All(_)
        | Expr::Any(_) => {
            format!("({text})")
        }
        _ => text,
    }
}

/// `and` over labels that both sides have: of the trial, or none for the host.
fn together(all: &[Expr], notes: &mut Vec<String>) -> String {
    let mut out = String::new();
    for (i, part) in all.iter().enumerate() {
        let on = if part.reads(&|metric| metric.starts_with(HOST)) { "on ()" } else { "on (trial, experiment)" };
        let joint = if i == 0 { String::new() } else { format!(" and {on} ") };
        out += &format!("{joint}{}", operand(part, notes));
    }
    out
}

/// The bound on the time without a step.
fn progress(what: &Expr, bound: &Expr, notes: &mut Vec<String>) -> String {
    let Expr::Number(seconds) = bound else { return promql(what, notes) };
    let window = words::duration((seconds * 1e9) as u64);
    match what {
        Expr::SinceStep(except) => {
            since_step(except, notes);
            format!("increase(trial_steps_total[{window}]) == 0 and trial_steps_total > 0")
        }
        _ => {
            since_hello(notes);
            let late = format!("time() - trial_start_time_seconds > {}", number(*seconds));
            format!("{late} and trial_steps_total == 0 and trial_heartbeats_total > 0")
        }
    }
}

fn since_step(except: &[String], notes: &mut Vec<String>) -> String {
    let without = match except {
        [] => String::new(),
        phases => format!(", time in the phases {} left out", phases.join(", ")),
    };
    notes.push(format!("# built in: seconds since the last step{without}; the nearest PromQL:"));
    "time() - trial_last_heartbeat_timestamp_seconds".to_string()
}

fn since_hello(notes: &mut Vec<String>) -> String {
    notes.push("# built in: seconds since hello while no step has come; the nearest PromQL:".to_string());
    "time() - trial_start_time_seconds".to_string()
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

fn selector(s: &Selector) -> String {
    if s.labels.is_empty() {
        return s.metric.clone();
    }
    let labels: Vec<String> = s.labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
    format!("{}{{{}}}", s.metric, labels.join(","))
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
