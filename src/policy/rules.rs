//! A rule's meaning.

use std::sync::Arc;

use globset::Glob;
use toml::Spanned;

use super::expression::{self, Expression, Terms};
use super::file::{File, Scalar, near};
use super::ladders::Ladders;
use super::names::HOST;
use super::reads::Reads;
use super::syntax::RuleFile;
use super::{Context, condition, explain, remote, stoppers, template, units, words};
use crate::model::{Action, Evaluate, Filter, Ladder, Measure, Rule, SECOND, Scope, Shorthand, StopperSpec};
use crate::promql::{self, Expr, Node, Shift};

/// How long `serial` waits after a stop where `settle` says nothing: long enough for the host's readings to show it.
const SETTLE: u64 = 5 * SECOND;

/// What must hold.
enum Condition {
    Promql { text: String, parsed: Expr, shorthand: Option<Shorthand> },
    Curves(Arc<StopperSpec>),
}

impl Condition {
    fn parsed(&self) -> Option<&Expr> {
        match self {
            Condition::Promql { parsed, .. } => Some(parsed),
            Condition::Curves(_) => None,
        }
    }

    fn words(&self) -> String {
        match self {
            Condition::Promql { text, shorthand, .. } => {
                shorthand.as_ref().map_or_else(|| one_line(text), words::condition)
            }
            Condition::Curves(spec) => stoppers::words(spec),
        }
    }

    /// What it reads: a curve is what the trainer measured.
    fn reads(&self) -> Reads {
        let curves = Reads { looks_back_ns: 0, heartbeats: false, learning: true };
        self.parsed().map_or(curves, Reads::of)
    }
}

/// Compiles a rule; `None` where it has no meaning. All its findings are made all the same.
pub(super) fn compile(file: &File, context: &Context, ladders: &Ladders, read: &RuleFile) -> Option<Rule> {
    let name = name(file, read);
    let (scope, evaluate) = (scope(file, read), evaluate(file, context, read));
    let condition = condition(file, Terms { context, scope, evaluate }, read);
    let filter = filter(file, read);
    let action = action(file, read);
    let ladder = ladder(file, ladders, read, condition.as_ref().and_then(Condition::parsed));
    let max_stops = max_stops(file, read);
    let serial_ns = serial(file, read);
    let confirm_proportional = confirm(file, read);
    summary(file, read);
    if let Some(parsed) = condition.as_ref().and_then(Condition::parsed) {
        for_reports(file, read, parsed);
    }
    let holdout = holdout(file, read, condition.as_ref().map(Condition::reads));
    if action == Action::Warn {
        idle_keys(file, read);
    }
    let ns = |d: &Option<Spanned<u64>>| d.as_ref().map_or(0, |d| *d.get_ref());
    let flag = |f: &Option<Spanned<bool>>| f.as_ref().is_some_and(|f| *f.get_ref());
    let condition = condition?;
    let reads = condition.reads();
    let words = condition.words();
    let measure = condition.parsed().map_or(Measure::Plain, expression::measure);
    let (text, shorthand, stopper) = match condition {
        Condition::Promql { text, shorthand, .. } => (text, shorthand, None),
        Condition::Curves(spec) => (String::new(), None, Some(spec)),
    };
    Some(Rule {
        name: name?.into(),
        place: (file.path.clone(), file.line(&read.span)),
        words,
        measure,
        expr: text.into(),
        shorthand,
        stopper,
        holdout,
        scope,
        evaluate,
        looks_back_ns: reads.looks_back_ns,
        reads_heartbeats: reads.heartbeats,
        learns: reads.learning,
        confirm_proportional,
        hold_ns: ns(&read.hold),
        keep_firing_ns: ns(&read.keep_firing),
        for_reports: read.for_reports.as_ref().map(|n| u32::try_from(*n.get_ref()).unwrap_or(u32::MAX)),
        filter,
        warmup_ns: ns(&read.warmup),
        warmup_steps: ns(&read.warmup_steps),
        action,
        ladder: ladder?,
        observe: flag(&read.observe),
        max_stops,
        serial_ns,
        stop_group: flag(&read.stop_group),
        summary: read.summary.as_ref().map(|s| s.get_ref().clone()),
    })
}

/// An expression over several lines, for a reason.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `expr`, the shorthand as PromQL, or `stopper`.
fn condition(file: &File, terms: Terms<'_>, read: &RuleFile) -> Option<Condition> {
    if let Some((span, spec)) = &read.stopper {
        if read.expr.is_some() || condition::is_there(&read.condition) {
            let hint = "one rule, one condition: give the other one a rule of its own";
            file.error("two-conditions", span.clone(), "`stopper` stands beside another condition", hint);
            return None;
        }
        idle_beside_stopper(file, read);
        return spec.clone().map(|spec| Condition::Curves(Arc::new(spec)));
    }
    if let Some(expr) = &read.expr {
        if condition::is_there(&read.condition) {
            let hint = "say it in one of the two; `check --explain` prints the shorthand as PromQL";
            file.error("two-conditions", expr.span(), "`expr` stands beside a condition in the shorthand", hint);
            return None;
        }
        let Expression { text, parsed } = expression::compile(file, terms, expr)?;
        return Some(Condition::Promql { text, parsed, shorthand: None });
    }
    let shorthand = condition::compile(file, terms.context, &read.condition)?;
    let text = explain::explain(&shorthand);
    match promql::parse(&text) {
        Ok(parsed) => Some(Condition::Promql { text, parsed, shorthand: Some(shorthand) }),
        Err(problem) => {
            let message = format!("this condition has no meaning as PromQL: {} ({text})", problem.message);
            file.error("no-condition", read.span.clone(), message, "please report this file");
            None
        }
    }
}

/// One of several words.
fn word<T: Copy>(file: &File, what: &str, text: Option<&Spanned<String>>, known: &[(&'static str, T)]) -> Option<T> {
    let text = text?;
    let found = known.iter().find(|(name, _)| name == text.get_ref()).map(|(_, value)| *value);
    if found.is_none() {
        let hint = near(text.get_ref(), known.iter().map(|(name, _)| *name));
        file.error("bad-value", text.span(), format!("no {what} `{}`", text.get_ref()), &hint);
    }
    found
}

fn scope(file: &File, read: &RuleFile) -> Scope {
    let known = [("trial", Scope::Trial), ("experiment", Scope::Experiment), ("all", Scope::All)];
    word(file, "scope", read.scope.as_ref(), &known).unwrap_or_default()
}

fn evaluate(file: &File, context: &Context, read: &RuleFile) -> Evaluate {
    match remote::is_remote(file, context, read.evaluate.as_ref()) {
        true => Evaluate::Remote,
        false => Evaluate::Local,
    }
}

fn confirm(file: &File, read: &RuleFile) -> bool {
    word(file, "way to `confirm`", read.confirm.as_ref(), &[("pss", true)]).unwrap_or(false)
}

fn name(file: &File, read: &RuleFile) -> Option<String> {
    let Some(name) = &read.name else {
        if read.name_excused {
            return None;
        }
        let hint = "write name = \"memory-cap\": it shows in /metrics, in `list` and in the journal";
        file.error("missing-key", read.span.clone(), "a rule without a `name`", hint);
        return None;
    };
    let text = name.get_ref().as_str();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let (message, hint) = match text {
        "manual" => ("the name `manual` stands for stops by hand".to_string(), "choose another name".to_string()),
        "" => ("a rule's name cannot be empty".to_string(), "write for example name = \"memory-cap\"".to_string()),
        _ if text.len() > 128 => ("a rule's name has at most 128 characters".to_string(), String::new()),
        _ if text.chars().all(fits) => return Some(text.to_string()),
        _ => {
            let fold = |c: char| if fits(c.to_ascii_lowercase()) { c.to_ascii_lowercase() } else { '-' };
            let better: String = text.chars().map(fold).collect();
            let message = format!("the name `{text}` holds more than a to z, 0 to 9 and -");
            (message, format!("write name = \"{better}\""))
        }
    };
    file.error("bad-name", name.span(), message, &hint);
    None
}

fn filter(file: &File, read: &RuleFile) -> Filter {
    let mut globs = Vec::new();
    for (key, glob) in &read.filter {
        let name = key.get_ref().as_str();
        let bare = name.strip_prefix("param.").unwrap_or(name);
        let begins = bare.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins || !bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let message = format!("`{name}` cannot be a label");
            let hint = "filter by experiment, trial, group, a label, or \"param.NAME\" (letters, digits and _)";
            file.error("bad-filter", key.span(), message, hint);
            continue;
        }
        match Glob::new(glob.get_ref()) {
            Ok(parsed) => globs.push((name.to_string(), parsed.compile_matcher())),
            Err(why) => {
                let message = format!("`{}` is not a glob: {}", glob.get_ref(), why.kind());
                let hint = "* stands for any text, ? for one character, [ab] for one of these, {a,b} for either";
                file.error("bad-filter", glob.span(), message, hint);
            }
        }
    }
    Filter { globs }
}

fn action(file: &File, read: &RuleFile) -> Action {
    match read.action.as_ref().map(|a| a.get_ref().as_str()) {
        None | Some("stop") => Action::Stop,
        Some("warn") => Action::Warn,
        Some(other) => {
            let span = read.action.as_ref().map_or(read.span.clone(), |a| a.span());
            let hint = near(other, ["stop", "warn"].into_iter());
            file.error("bad-value", span, format!("no action `{other}`"), &hint);
            Action::Stop
        }
    }
}

/// The ladder by name, else the one that the condition calls for.
fn ladder(file: &File, ladders: &Ladders, read: &RuleFile, condition: Option<&Expr>) -> Option<Arc<Ladder>> {
    let Some(name) = &read.ladder else {
        return ladders.get(if condition.is_some_and(is_urgent) { "urgent" } else { "gentle" });
    };
    let found = ladders.get(name.get_ref());
    if found.is_none() {
        let message = format!("no ladder `{}`", name.get_ref());
        let near = near(name.get_ref(), ladders.names());
        let hint = format!("{near} (a ladder of your own: [ladder.NAME] and under it rungs = [ ... ])");
        file.error("unknown-ladder", name.span(), message, &hint);
    }
    found
}

/// Whether waiting can take the host down: rules on memory, swap and the host.
fn is_urgent(condition: &Expr) -> bool {
    let urgent = |metric: &str| {
        metric.starts_with(HOST)
            || (metric.contains("_memory_") && !metric.starts_with("trial_gpu_"))
            || metric == "trial_swap_bytes"
    };
    condition.selectors().iter().filter_map(|s| s.name()).any(urgent)
}

/// `"5 per 1h"`.
fn max_stops(file: &File, read: &RuleFile) -> Option<(u32, u64)> {
    let text = read.max_stops.as_ref()?;
    let parsed = text.get_ref().split_once(" per ").and_then(|(count, time)| {
        let ns = units::duration(&Scalar::Text(time.trim().to_string())).ok().filter(|ns| *ns > 0)?;
        Some((count.trim().parse().ok().filter(|n| *n > 0)?, ns))
    });
    if parsed.is_none() {
        let message = format!("`{}` is not so many stops in so much time", text.get_ref());
        let hint = "write max_stops = \"5 per 1h\"; to stop nobody write observe = true";
        file.error("bad-value", text.span(), message, hint);
    }
    parsed
}

fn serial(file: &File, read: &RuleFile) -> Option<u64> {
    let serial = read.serial.as_ref().is_some_and(|s| *s.get_ref());
    if let (Some(settle), false) = (&read.settle, serial) {
        let hint = "write serial = true beside it";
        file.warning("no-effect", settle.span(), "`settle` does nothing without `serial`", hint);
    }
    serial.then(|| read.settle.as_ref().map_or(SETTLE, |s| *s.get_ref()))
}

fn summary(file: &File, read: &RuleFile) {
    let Some(summary) = &read.summary else { return };
    let Err(bad) = template::check(summary.get_ref()) else { return };
    // Within a text without escapes the place itself can be shown.
    let whole = summary.span();
    let inner = file.text[whole.clone()].find(summary.get_ref().as_str()).map(|i| whole.start + i);
    let span = inner.map_or(whole, |start| start + bad.span.start..start + bad.span.end);
    file.error("bad-template", span, bad.message, &bad.hint);
}

/// Reports in a row can only be counted of what is reported, and of one report at a time.
fn for_reports(file: &File, read: &RuleFile, condition: &Expr) {
    let Some(reports) = &read.for_reports else { return };
    let mut other = None;
    condition.visit(&mut |part| match &part.node {
        Node::Vector(s) if s.name() == Some("trial_metric") && s.shift == Shift::default() => {}
        Node::Matrix(..) | Node::Subquery { .. } => other = Some("a window of time is not about single reports"),
        Node::Vector(_) => other = Some("this condition is not about what the trainer reports"),
        Node::Call(function, _) if function.name == "time" => {
            other = Some("this condition is not about what the trainer reports");
        }
        _ => {}
    });
    if let Some(why) = other {
        let hint = "write for = \"5s\": how long the condition must hold";
        file.error("bad-value", reports.span(), format!("`for_reports`: {why}"), hint);
    }
}

/// What a rule over learning curves has no use for.
fn idle_beside_stopper(file: &File, read: &RuleFile) {
    let idle = [("scope", &read.scope), ("evaluate", &read.evaluate), ("confirm", &read.confirm)];
    for (key, span) in idle.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?.span()))) {
        let message = format!("`{key}` is not for a rule over learning curves");
        file.error("bad-value", span, message, "a stopper is about the trial whose curve it judges: leave the key out");
    }
}

/// The share of runs that a learning rule spares.
fn holdout(file: &File, read: &RuleFile, reads: Option<Reads>) -> f64 {
    let Some(holdout) = &read.holdout else { return 0.0 };
    let share = units::share(holdout.get_ref()).ok().filter(|share| (0.0..1.0).contains(share));
    let Some(share) = share else {
        let hint = "write holdout = 0.05: one of twenty runs is spared, to see what it would have become";
        file.error("bad-value", holdout.span(), "`holdout` must be a share from 0 to below 1", hint);
        return 0.0;
    };
    if reads.is_some_and(|reads| !reads.learning) {
        let hint = "leave it out: whoever is spared by a rule on the system can take the host down";
        file.error("bad-value", holdout.span(), "`holdout` is only for learning rules", hint);
    }
    share
}

/// A rule that only warns stops nobody.
fn idle_keys(file: &File, read: &RuleFile) {
    let idle = [
        ("ladder", read.ladder.as_ref().map(Spanned::span)),
        ("max_stops", read.max_stops.as_ref().map(Spanned::span)),
        ("serial", read.serial.as_ref().map(Spanned::span)),
        ("stop_group", read.stop_group.as_ref().map(Spanned::span)),
    ];
    for (key, span) in idle {
        if let Some(span) = span {
            let hint = "leave it out, or write action = \"stop\"";
            file.warning("no-effect", span, format!("`{key}` does nothing in a rule that only warns"), hint);
        }
    }
}
