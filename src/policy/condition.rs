//! The shorthand's meaning: a condition as an expression.

use std::ops::Range;

use toml::Spanned;

use super::Context;
use super::file::{File, Scalar};
use super::names::{self, BadMetric, HOST, Quantity};
use super::syntax::ConditionFile;
use super::units::{self, Threshold, Unit};
use super::{trend, words};
use crate::model::{Arithmetic, Comparison, SECOND, SeriesName, Shorthand};

/// Compiles a rule's condition; `None` where it cannot be, with the reasons among the findings.
pub(super) fn compile(file: &File, context: &Context, read: &ConditionFile) -> Option<Shorthand> {
    let expr = match &read.all {
        Some(parts) => all(file, context, read, parts),
        None => single(file, context, read),
    }?;
    if about_a_trial(&expr) {
        return Some(expr);
    }
    let span = read.metric.as_ref().map_or(read.span.clone(), |m| m.span());
    let hint = "put it beside a condition on the trial: all = [ { metric = \"memory\", above = \"1 GiB\" }, { ... } ]";
    file.error("nobody", span, "the host's metrics name no trial: there is nobody to act on", hint);
    None
}

/// Whether some part of it reads the trial: the host's metrics alone choose nobody.
fn about_a_trial(expr: &Shorthand) -> bool {
    let mut progress = false;
    expr.visit(&mut |e| progress |= matches!(e, Shorthand::SinceStep(_) | Shorthand::SinceHello));
    progress || expr.reads(&|metric| !metric.starts_with(HOST))
}

fn all(file: &File, context: &Context, read: &ConditionFile, parts: &[ConditionFile]) -> Option<Shorthand> {
    let key = read.all_key.clone().unwrap_or(read.span.clone());
    if read.metric.is_some() || is_progress(read) || has_bounds(read) {
        let hint = "move the other condition into `all`, as one more { ... }";
        file.error("two-conditions", key.clone(), "`all` stands beside another condition", hint);
    }
    if parts.is_empty() && !read.excused {
        let hint = "write all = [ { metric = \"memory\", above = \"1 GiB\" }, { metric = \"step\", below = 100 } ]";
        file.error("no-condition", key, "`all` has no condition in it", hint);
    }
    let mut compiled = Vec::new();
    for part in parts {
        if let Some(nested) = &part.all_key {
            let hint = "`all` of `all` is the same as one `all`: put the conditions side by side";
            file.error("bad-value", nested.clone(), "`all` cannot stand within `all`", hint);
            continue;
        }
        compiled.extend(single(file, context, part));
    }
    if parts.is_empty() || compiled.len() < parts.len() {
        return None;
    }
    // The first one's values become the result: they must be the trial's, not the host's.
    compiled.sort_by_key(|e| !about_a_trial(e));
    if compiled.len() == 1 { compiled.pop() } else { Some(Shorthand::All(compiled)) }
}

/// Whether anything of the shorthand stands there.
pub(super) fn is_there(read: &ConditionFile) -> bool {
    read.metric.is_some() || read.all.is_some() || is_progress(read) || has_bounds(read) || trend::is_trend(read)
}

fn is_progress(read: &ConditionFile) -> bool {
    read.no_progress_for.is_some() || read.startup_limit.is_some()
}

fn has_bounds(read: &ConditionFile) -> bool {
    read.above.is_some() || read.below.is_some() || read.nan.is_some()
}

fn single(file: &File, context: &Context, read: &ConditionFile) -> Option<Shorthand> {
    if let (Some(span), None) = (&read.except_key, &read.no_progress_for) {
        let hint = "write no_progress_for = \"10m\" beside it";
        file.error("missing-key", span.clone(), "`except_phases` belongs to `no_progress_for`", hint);
    }
    trend::lone_keys(file, read);
    match (&read.metric, is_progress(read)) {
        (Some(metric), false) if trend::is_trend(read) => trend::compile(file, context, read, metric),
        (Some(metric), true) => {
            let hint = "write two rules for either of them, or all = [ { ... }, { ... } ] for both at once";
            let message = "`metric` stands beside `no_progress_for` or `startup_limit`: two conditions in one";
            file.error("two-conditions", metric.span(), message, hint);
            None
        }
        (Some(metric), false) => bounds(file, context, read, metric),
        (None, true) if !read.excused && (has_bounds(read) || read.mean_over.is_some()) => {
            let hint = "for progress no metric is needed: leave out above, below, nan and mean_over";
            file.error("missing-key", read.span.clone(), "a bound without a `metric`", hint);
            None
        }
        (None, true) => progress(read),
        (None, false) if trend::is_trend(read) && !read.excused => {
            let hint = "write metric = \"memory\", another short name, or a metric your trainer reports";
            file.error(
                "missing-key",
                read.span.clone(),
                "`grows`, `will_reach` or `patience` without a `metric`",
                hint,
            );
            None
        }
        (None, false) => {
            if !read.excused {
                missing(file, read);
            }
            None
        }
    }
}

fn missing(file: &File, read: &ConditionFile) {
    if has_bounds(read) || read.mean_over.is_some() {
        let hint = format!("write metric = \"memory\", another of {}, or a metric your trainer reports", short_list());
        file.error("missing-key", read.span.clone(), "a bound without a `metric`", &hint);
    } else {
        let hint = "write for example metric = \"memory\" and above = \"512 MiB\", or no_progress_for = \"10m\"";
        file.error("no-condition", read.span.clone(), "no condition: nothing says when this holds", hint);
    }
}

fn short_list() -> String {
    names::short_names().collect::<Vec<_>>().join(", ")
}

fn progress(read: &ConditionFile) -> Option<Shorthand> {
    let longer = |what: Shorthand, ns: u64| {
        let limit = Shorthand::Number(ns as f64 / SECOND as f64);
        Shorthand::Compare(Comparison::Above, Box::new(what), Box::new(limit))
    };
    let except = read.except_phases.iter().flatten().map(|p| p.get_ref().clone()).collect();
    let stalled = read.no_progress_for.as_ref().map(|ns| longer(Shorthand::SinceStep(except), *ns.get_ref()));
    let late = read.startup_limit.as_ref().map(|ns| longer(Shorthand::SinceHello, *ns.get_ref()));
    match (stalled, late) {
        (Some(a), Some(b)) => Some(Shorthand::Any(vec![a, b])),
        (a, b) => a.or(b),
    }
}

/// `metric` with above, below, nan, mean_over.
fn bounds(file: &File, context: &Context, read: &ConditionFile, metric: &Spanned<String>) -> Option<Shorthand> {
    let quantity = quantity(file, context, metric)?;
    let subject = subject(file, context, read, &quantity)?;
    if read.above.is_none() && read.below.is_none() {
        return only_nan(file, read, metric, &quantity, subject);
    }
    let above = read.above.as_ref().map(|s| threshold(file, &quantity, "above", s));
    let below = read.below.as_ref().map(|s| threshold(file, &quantity, "below", s));
    // Both are looked at before one that is wrong ends it.
    let (above, below) = (above.map_or(Some(None), |t| t.map(Some))?, below.map_or(Some(None), |t| t.map(Some))?);
    if let (Some(low), Some(high), Some(at)) = (above, below, &read.below) {
        order(file, &quantity, low, high, at)?;
    }
    if let (Some(nan), false) = (&read.nan, quantity.reported)
        && *nan.get_ref()
    {
        let message = format!("`{}` is never NaN", quantity.name);
        file.warning("never-true", nan.span(), message, "leave `nan` out: only what a trainer reports can be NaN");
    }
    let mut expr = subject.clone();
    for (comparison, bound) in [(Comparison::Above, above), (Comparison::Below, below)] {
        if let Some(bound) = bound {
            expr = Shorthand::Compare(comparison, Box::new(expr), Box::new(right_side(bound)));
        }
    }
    let nan_is_bad = quantity.reported && read.nan.as_ref().is_none_or(|n| *n.get_ref());
    Some(if nan_is_bad { Shorthand::Any(vec![expr, Shorthand::IsNan(Box::new(subject))]) } else { expr })
}

fn right_side(bound: Threshold) -> Shorthand {
    match bound {
        Threshold::Number(n) => Shorthand::Number(n),
        Threshold::ShareOfLimit(share) => {
            let limit = SeriesName { metric: words::LIMIT.to_string(), labels: Vec::new() };
            Shorthand::Arithmetic(
                Arithmetic::Times,
                Box::new(Shorthand::Series(limit)),
                Box::new(Shorthand::Number(share)),
            )
        }
    }
}

/// A metric without a bound: `nan = true` makes it a condition of its own.
fn only_nan(
    file: &File,
    read: &ConditionFile,
    metric: &Spanned<String>,
    quantity: &Quantity,
    subject: Shorthand,
) -> Option<Shorthand> {
    match &read.nan {
        Some(nan) if *nan.get_ref() => {
            if !quantity.reported {
                let message = format!("`{}` is never NaN: this rule cannot fire", quantity.name);
                file.warning("never-true", nan.span(), message, "only what a trainer reports can be NaN");
            }
            return Some(Shorthand::NotFinite(Box::new(subject)));
        }
        _ if read.excused => {}
        _ => {
            let message = format!("no condition: nothing says when `{}` is bad", quantity.name);
            let example = words::example(quantity.unit);
            let nan = if quantity.reported { ", or nan = true for NaN and infinite values" } else { "" };
            let hint = format!("write above = {example} or below = {example}{nan}");
            file.error("no-condition", metric.span(), message, &hint);
        }
    }
    None
}

pub(super) fn quantity(file: &File, context: &Context, metric: &Spanned<String>) -> Option<Quantity> {
    let name = metric.get_ref();
    let (message, hint) = match names::look_up(name) {
        Ok(found) => {
            warn_of_no_source(file, context, metric, &found);
            return Some(found);
        }
        Err(BadMetric::Typo(near)) => (
            format!("unknown metric `{name}`"),
            format!("did you mean `{near}`? If your trainer reports a metric of this name, write \"metrics.{name}\""),
        ),
        Err(BadMetric::Unknown { near: Some(near) }) => {
            (format!("unknown metric `{name}`"), format!("did you mean `{near}`?"))
        }
        Err(BadMetric::Unknown { near: None }) => {
            let hint = format!(
                "known are {}, every trial_... metric of /metrics, and what your trainer reports",
                short_list()
            );
            (format!("unknown metric `{name}`"), hint)
        }
        Err(BadMetric::Refused(why)) => (format!("no rule can be about `{name}`: it {why}"), String::new()),
    };
    file.error("unknown-metric", metric.span(), message, &hint);
    None
}

fn warn_of_no_source(file: &File, context: &Context, metric: &Spanned<String>, found: &Quantity) {
    if found.no_source {
        let message = format!("this version cannot read `{}`: the condition will never hold", found.name);
        file.warning("no-source", metric.span(), message, "GPU readings come with a later version");
    }
    if found.name == "trial_proportional_memory_bytes" && !context.proportional {
        let message = format!("`{}` is not read: the condition will never hold", found.name);
        file.warning("no-source", metric.span(), message, "write pss = \"30s\" in the configuration");
    }
}

/// What is compared: the quantity itself, or its mean.
fn subject(file: &File, context: &Context, read: &ConditionFile, quantity: &Quantity) -> Option<Shorthand> {
    let window = read.mean_over.as_ref().map(|w| *w.get_ref());
    let Some(expr) = quantity.reading.expr(window) else {
        let span = read.mean_over.as_ref().map_or(read.span.clone(), |w| w.span());
        let message = format!("`{}` has no mean: it only goes on with time", quantity.name);
        file.error("no-mean", span, message, "leave mean_over out");
        return None;
    };
    if expr.looks_back() > 0 {
        let span = read.mean_over.as_ref().map(|w| w.span());
        let span = span.or(read.metric.as_ref().map(|m| m.span())).unwrap_or(read.span.clone());
        check_window(file, context, expr.looks_back(), span, "mean_over")?;
    }
    Some(expr)
}

/// A window must hold two samples; one that holds very many is dear.
pub(super) fn check_window(file: &File, context: &Context, window: u64, span: Range<usize>, key: &str) -> Option<()> {
    let shortest = context.interval_ns.saturating_mul(2);
    if window < shortest {
        let interval = words::duration(context.interval_ns);
        let message =
            format!("a window of {} is shorter than two samples at an interval of {interval}", words::duration(window));
        let hint = format!("write {key} = \"{}\" or longer, or take a shorter interval", words::duration(shortest));
        file.error("short-window", span, message, &hint);
        return None;
    }
    let samples = window / context.interval_ns.max(1);
    if samples > MANY_SAMPLES {
        let message = format!(
            "a window of {} holds {samples} samples, {} for each series of each trial",
            words::duration(window),
            words::bytes(samples as f64 * 16.0)
        );
        file.warning("long-window", span, message, &format!("write a shorter {key}"));
    }
    Some(())
}

/// From so many samples on a window is dear: 16 bytes a sample, 1.6 MB a series and trial.
const MANY_SAMPLES: u64 = 100_000;

/// A bound, in the unit of what it bounds.
pub(super) fn threshold(file: &File, quantity: &Quantity, key: &str, scalar: &Spanned<Scalar>) -> Option<Threshold> {
    let found = units::threshold(scalar.get_ref(), quantity.unit, quantity.of_limit);
    let bound = match found {
        Ok(bound) => bound,
        Err(why) => {
            let message = format!("`{key}` of `{}`: {why}", quantity.name);
            file.error("bad-unit", scalar.span(), message, units::possible(quantity.unit, quantity.of_limit));
            return None;
        }
    };
    let number = match bound {
        Threshold::Number(n) | Threshold::ShareOfLimit(n) => n,
    };
    if !number.is_finite() {
        let message = format!("`{key}` must be a finite number");
        let hint = "a metric that is NaN or infinite is found by nan = true";
        file.error("bad-value", scalar.span(), message, hint);
        return None;
    }
    warn_of_the_impossible(file, quantity, key, number, bound, scalar);
    Some(bound)
}

/// Only what a trainer reports can be below 0; no memory is above its limit.
fn warn_of_the_impossible(
    file: &File,
    quantity: &Quantity,
    key: &str,
    number: f64,
    bound: Threshold,
    scalar: &Spanned<Scalar>,
) {
    let name = &quantity.name;
    let over = matches!(bound, Threshold::ShareOfLimit(share) if share >= 1.0);
    match key {
        _ if quantity.unit == Unit::Plain => {}
        "below" if number <= 0.0 => {
            let message = format!("`{name}` is never below 0: this cannot be true");
            file.warning("never-true", scalar.span(), message, "write a bound above 0");
        }
        "above" if number < 0.0 => {
            let message = format!("`{name}` is always above a negative number: this holds for every trial");
            file.warning("always-true", scalar.span(), message, "write a bound of 0 or more");
        }
        "above" if over => {
            let message = format!("`{name}` cannot be above 100 % of the limit: this cannot be true");
            file.warning("never-true", scalar.span(), message, "write less than 100 %");
        }
        "below" if over => {
            let message = format!("`{name}` is always below 100 % of the limit: this holds for every trial");
            file.warning("always-true", scalar.span(), message, "write less than 100 %");
        }
        _ => {}
    }
}

/// Both bounds together mean "in between".
fn order(file: &File, quantity: &Quantity, low: Threshold, high: Threshold, at: &Spanned<Scalar>) -> Option<()> {
    let fits = match (low, high) {
        (Threshold::Number(a), Threshold::Number(b)) | (Threshold::ShareOfLimit(a), Threshold::ShareOfLimit(b)) => {
            a < b
        }
        // A share and a number can only be compared when the limit is known.
        _ => true,
    };
    if !fits {
        let message = format!(
            "nothing is above {} and below {} at once",
            words::threshold(quantity.unit, low),
            words::threshold(quantity.unit, high)
        );
        let hint = "above and below together mean in between; for outside of it write two rules";
        file.error("empty-range", at.span(), message, hint);
    }
    fits.then_some(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::policy::syntax;

    /// The condition of the one rule in a text, and the codes of what was found.
    fn compiled(keys: &str) -> (Option<Shorthand>, Vec<&'static str>) {
        let file = File::new(Path::new("p.toml"), &format!("[[rule]]\nname = \"a\"\n{keys}\n"));
        let read = syntax::read(&file);
        let expr = compile(&file, &Context::default(), &read.rules[0].condition);
        (expr, file.into_findings().into_iter().map(|f| f.code).collect())
    }

    #[test]
    fn the_first_of_all_is_about_the_trial() {
        let host = "{ metric = \"earlystop_host_memory_available_bytes\", below = \"1 GB\" }";
        let memory = "{ metric = \"memory\", above = 5 }";
        let (Some(Shorthand::All(parts)), codes) = compiled(&format!("all = [ {host}, {memory} ]")) else {
            panic!("no All")
        };
        assert!(codes.is_empty());
        assert_eq!(parts.iter().map(about_a_trial).collect::<Vec<_>>(), [true, false]);
        assert_eq!(compiled(&format!("all = [ {host}, {host} ]")), (None, vec!["nobody"]));
    }

    #[test]
    fn a_window_may_be_long_but_it_is_said_what_it_costs() {
        let keys = "metric = \"cpu\"\nabove = 1\nmean_over = ";
        assert_eq!(compiled(&format!("{keys}\"1d\"")).1, [""; 0]);
        assert_eq!(compiled(&format!("{keys}\"30d\"")).1, ["long-window"]);
    }
}
