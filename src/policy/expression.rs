//! `expr`: PromQL as a rule's condition. What cannot be honoured is refused here; the engine only evaluates.

use std::ops::Range;

use toml::Spanned;

use super::file::{File, nearest};
use super::names::{self, HOST};
use super::{Context, carries, lints};
use crate::model::{Evaluate, Measure, Scope};
use crate::promql::{self, Expr, Kind, Node, Operator, Selector};
use crate::state::table;

/// A rule's expression, understood.
pub(super) struct Expression {
    pub(super) text: String,
    pub(super) parsed: Expr,
}

/// What the meaning of an expression depends on beside its text.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) context: &'a Context,
    pub(super) scope: Scope,
    pub(super) evaluate: Evaluate,
}

/// Where an expression stands: the whole text in the file, and how to show a place within it.
pub(super) struct Site<'f> {
    file: &'f File,
    whole: Range<usize>,
    /// Where the expression's first byte stands; within a text with escapes the place itself cannot be shown.
    inner: Option<usize>,
}

impl<'f> Site<'f> {
    fn new(file: &'f File, text: &Spanned<String>) -> Site<'f> {
        let whole = text.span();
        let inner = file.text[whole.clone()].find(text.get_ref().as_str()).map(|i| whole.start + i);
        Site { file, whole, inner }
    }

    fn span(&self, place: &Range<usize>) -> Range<usize> {
        match self.inner {
            Some(start) if place.end > place.start => start + place.start..start + place.end,
            _ => self.whole.clone(),
        }
    }

    pub(super) fn error(&self, code: &'static str, place: &Range<usize>, message: impl Into<String>, hint: &str) {
        self.file.error(code, self.span(place), message, hint);
    }

    pub(super) fn warning(&self, code: &'static str, place: &Range<usize>, message: impl Into<String>, hint: &str) {
        self.file.warning(code, self.span(place), message, hint);
    }
}

/// Understands an expression; `None` if it is refused, with the reasons among the findings.
pub(super) fn compile(file: &File, terms: Terms<'_>, text: &Spanned<String>) -> Option<Expression> {
    let site = Site::new(file, text);
    let parsed = match promql::parse(text.get_ref()) {
        Ok(parsed) => parsed,
        Err(problem) => {
            site.error("promql", &problem.place, problem.message, &problem.hint);
            return None;
        }
    };
    if !is_vector(&site, &parsed) {
        return None;
    }
    let sound = [
        names_are_known(&site, &parsed, terms.evaluate),
        times_can_be_kept(&site, &parsed, terms),
        filters(&site, &parsed),
        has_somebody(&site, &parsed, terms.scope),
        has_somebody_here(&site, &parsed, terms),
    ];
    if sound.contains(&false) {
        return None;
    }
    lints::look(&site, &parsed, terms.evaluate);
    Some(Expression { text: text.get_ref().clone(), parsed })
}

fn is_vector(site: &Site<'_>, expr: &Expr) -> bool {
    let kind = expr.kind();
    if kind != Kind::Vector {
        let message = format!("this is a {}, a rule needs an instant vector", kind.as_str());
        let hint = match kind {
            Kind::Matrix => "put a function around it: avg_over_time(...), rate(...), ...",
            _ => "compare a series with something: trial_memory_bytes > 512 * 1024 ^ 2",
        };
        site.error("promql", &expr.place, message, hint);
    }
    kind == Kind::Vector
}

/// Every selector chooses series that there are.
fn names_are_known(site: &Site<'_>, expr: &Expr, evaluate: Evaluate) -> bool {
    let mut known = true;
    expr.visit(&mut |part| {
        if let Node::Vector(selector) | Node::Matrix(selector, _) = &part.node {
            known &= name_is_known(site, part, selector, evaluate);
        }
    });
    known
}

fn name_is_known(site: &Site<'_>, part: &Expr, selector: &Selector, evaluate: Evaluate) -> bool {
    let Some(name) = selector.name() else { return true };
    let ours = name.starts_with("trial_") || name.starts_with(HOST);
    let of_trials = table::trial_series().any(|row| row.name == name) && name != "trial_rule_state";
    if name.ends_with("_since_improvement") && of_trials && !["metric", "min_delta"].iter().all(|l| fixes(selector, l))
    {
        let message = format!("`{name}` is counted for a metric and a least difference that a rule names");
        let hint = format!(
            "write {name}{{metric=\"val_loss\",min_delta=\"0.001\"}}; without a min_delta there is trial_steps_since_best"
        );
        site.error("bad-value", &part.place, message, &hint);
        return false;
    }
    let of_host = table::HOST_METRICS.iter().any(|row| row.name == name);
    if of_trials || of_host || (evaluate == Evaluate::Remote && !ours) {
        return true;
    }
    let (message, hint) = if name == "trial_rule_state" {
        ("no rule can be about `trial_rule_state`: it is what rules say themselves".to_string(), String::new())
    } else if table::trial_metric(name).is_some() {
        let hint = format!("write {name}_sum, {name}_count, or histogram_quantile over {name}_bucket");
        (format!("`{name}` is a histogram: it has no series of its own"), hint)
    } else if table::daemon_metric(name).is_some() {
        (format!("no rule can be about `{name}`: it speaks of the daemon, not of a trial or the host"), String::new())
    } else {
        let all = table::trial_series().map(|row| row.name).chain(table::HOST_METRICS.iter().map(|row| row.name));
        let hint = match (nearest(name, all), names::full_name_of(name)) {
            (_, Some(full)) => format!("`{name}` is a short name of the shorthand; its series is `{full}`"),
            (Some(near), None) => format!("did you mean `{near}`?"),
            (None, None) => {
                format!(
                    "if your trainer reports it, write trial_metric{{metric=\"{name}\"}}; see /metrics for all others"
                )
            }
        };
        (format!("unknown metric `{name}`"), hint)
    };
    site.error("unknown-metric", &part.place, message, &hint);
    false
}

/// Whether a selector asks for one value of a label.
fn fixes(selector: &Selector, label: &str) -> bool {
    selector.matchers.iter().any(|m| m.label == label && matches!(m.test, promql::Match::Equal) && !m.value.is_empty())
}

/// Windows end at the tick and are as long as the rules need.
fn times_can_be_kept(site: &Site<'_>, expr: &Expr, terms: Terms<'_>) -> bool {
    if terms.evaluate == Evaluate::Remote {
        return true;
    }
    let shortest = (terms.context.interval_ns.saturating_mul(2) / crate::model::MILLI) as i64;
    let mut sound = true;
    expr.visit(&mut |part| {
        let shift = match &part.node {
            Node::Vector(s) | Node::Matrix(s, _) => s.shift,
            Node::Subquery { shift, .. } => *shift,
            _ => return,
        };
        if matches!(shift.at, Some(promql::At::Time(_))) {
            let hint = "write offset 10m for ten minutes ago, or evaluate = \"remote\" for a fixed time";
            site.error(
                "promql",
                &part.place,
                "a rule's windows go back from now: `@` with a fixed time lies outside",
                hint,
            );
            sound = false;
        }
        if shift.offset < 0 {
            site.error(
                "promql",
                &part.place,
                "a negative offset looks ahead of now: there is nothing yet",
                "leave it out",
            );
            sound = false;
        }
        let (range, least, unit) = match &part.node {
            Node::Matrix(_, range) => (*range, shortest, "samples at the interval"),
            Node::Subquery { range, step, .. } => {
                let step = step.unwrap_or(promql::Limits::default().subquery_step);
                (*range, step.saturating_mul(2), "steps of the subquery")
            }
            _ => return,
        };
        if range < least {
            let time = |ms: i64| super::words::duration(ms.max(0) as u64 * crate::model::MILLI);
            let message = format!("a window of {} is shorter than two {unit} of {}", time(range), time(least / 2));
            site.error("short-window", &part.place, message, &format!("write [{}] or longer", time(least)));
            sound = false;
        }
    });
    sound
}

fn filters(site: &Site<'_>, expr: &Expr) -> bool {
    let filtered = depends_on_values(expr);
    if !filtered {
        let message = "true for every trial: it yields series whatever the values";
        let hint = match &expr.node {
            Node::Binary { returns_bool: true, .. } => "leave `bool` out: a comparison without it filters",
            _ => "compare it with something: EXPR > 0.9",
        };
        site.error("always-true", &expr.place, message, hint);
    }
    filtered
}

/// Whether it depends on values which series come out: a filtering comparison stands on the path to the result.
fn depends_on_values(expr: &Expr) -> bool {
    match &expr.node {
        Node::Number(_) | Node::Text(_) | Node::Vector(_) | Node::Matrix(..) => false,
        Node::Subquery { inner, .. } | Node::Paren(inner) | Node::Negate(inner) => depends_on_values(inner),
        Node::Aggregate { inner, .. } => depends_on_values(inner),
        Node::Call(function, _) if ["absent", "absent_over_time", "vector", "scalar"].contains(&function.name) => false,
        Node::Call(_, args) => args.iter().any(depends_on_values),
        Node::Binary { op, left, right, returns_bool, .. } => {
            let (left, right) = (depends_on_values(left), depends_on_values(right));
            match op {
                Operator::Or => left && right,
                op => (op.compares() && !returns_bool) || left || right,
            }
        }
    }
}

fn has_somebody(site: &Site<'_>, expr: &Expr, scope: Scope) -> bool {
    let named = |label: &str| carries::may_carry(expr, label);
    let (found, message, hint) = match scope {
        Scope::All => (true, "", ""),
        Scope::Experiment => (
            named("trial") || named("experiment"),
            "no result names a trial or an experiment: there is nobody to act on",
            "keep the label: sum by (experiment) (...); or write scope = \"all\" for every running trial",
        ),
        Scope::Trial => (
            named("trial"),
            "no result names a trial: there is nobody to act on",
            "keep the label: sum by (trial, experiment) (...); put the trial's series first: trial_memory_bytes and on () \
             (...); or write scope = \"experiment\" or \"all\"",
        ),
    };
    if !found {
        site.error("nobody", &expr.place, message, hint);
    }
    found
}

/// Of what a remote Prometheus says, only series with this host's identity act here.
fn has_somebody_here(site: &Site<'_>, expr: &Expr, terms: Terms<'_>) -> bool {
    let server = terms.context.remote.as_ref().filter(|_| terms.evaluate == Evaluate::Remote);
    let mut labels = server.iter().flat_map(|server| &server.identity).map(|(label, _)| label);
    let Some(lost) = labels.find(|label| !carries::may_carry(expr, label)) else { return true };
    let message =
        format!("no result carries `{lost}`, by which [remote] knows this host's series: nobody here would act");
    let hint = format!("keep the label: sum by (trial, experiment, {lost}) (...), or on the left of group_left ()");
    site.error("nobody", &expr.place, message, &hint);
    false
}

/// In which unit the results of an expression are, as far as it can be told.
pub(super) fn measure(expr: &Expr) -> Measure {
    match &expr.node {
        Node::Vector(s) | Node::Matrix(s, _) => s.name().map_or(Measure::Plain, names::measure_of),
        Node::Subquery { inner, .. } | Node::Paren(inner) | Node::Negate(inner) => measure(inner),
        Node::Aggregate { op, inner, .. } => match op {
            promql::Aggregation::Count | promql::Aggregation::Group | promql::Aggregation::CountValues => {
                Measure::Plain
            }
            promql::Aggregation::Stdvar => Measure::Plain,
            _ => measure(inner),
        },
        Node::Call(function, args) => match function.name {
            "rate" | "irate" | "deriv" | "changes" | "resets" | "stdvar_over_time" => Measure::Plain,
            name if name.starts_with("count_") || name.starts_with("present_") => Measure::Plain,
            "delta" | "idelta" | "increase" | "predict_linear" | "abs" | "ceil" | "floor" | "round" | "clamp" => {
                args.first().map_or(Measure::Plain, measure)
            }
            name if name.ends_with("_over_time") || name.starts_with("clamp_") || name.starts_with("label_") => {
                args.iter().find(|a| a.kind() != Kind::Scalar).map_or(Measure::Plain, measure)
            }
            _ => Measure::Plain,
        },
        Node::Binary { op, left, .. } => match op {
            Operator::Add | Operator::Sub => measure(left),
            op if (op.compares() || op.is_set()) && left.kind() == Kind::Vector => measure(left),
            _ => Measure::Plain,
        },
        Node::Number(_) | Node::Text(_) => Measure::Plain,
    }
}
