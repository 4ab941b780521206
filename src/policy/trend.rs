//! Conditions on how a quantity goes on: `grows`, `will_reach`, `patience`.

use toml::Spanned;

use super::Context;
use super::condition::{check_window, quantity, threshold};
use super::file::{File, Scalar, near};
use super::names::{MINUTE, Quantity, Reading};
use super::syntax::ConditionFile;
use super::units::Threshold;
use crate::model::{Comparison, Mode, SeriesName, Shorthand};

/// Window of a trend, where `trend_over` says no other.
const TREND: u64 = 2 * MINUTE;

/// Whether one of these keys stands there.
pub(super) fn is_trend(read: &ConditionFile) -> bool {
    read.grows.is_some() || read.will_reach.is_some() || read.patience.is_some() || read.patience_steps.is_some()
}

/// Keys that stand without the one they belong to.
pub(super) fn lone_keys(file: &File, read: &ConditionFile) {
    let patience = read.patience.is_some() || read.patience_steps.is_some();
    let lone = [
        (read.per.as_ref().map(Spanned::span), read.grows.is_some(), "per", "grows", "grows = \"50 MiB\""),
        (
            read.within.as_ref().map(Spanned::span),
            read.will_reach.is_some(),
            "within",
            "will_reach",
            "will_reach = \"8 GiB\"",
        ),
        (
            read.trend_over.as_ref().map(Spanned::span),
            read.will_reach.is_some(),
            "trend_over",
            "will_reach",
            "will_reach = \"8 GiB\"",
        ),
        (read.min_delta.as_ref().map(Spanned::span), patience, "min_delta", "patience", "patience = 5"),
        (read.mode.as_ref().map(Spanned::span), patience, "mode", "patience", "patience = 5"),
    ];
    for (span, there, key, to, example) in lone {
        if let (Some(span), false) = (span, there) {
            file.error(
                "missing-key",
                span,
                format!("`{key}` belongs to `{to}`"),
                &format!("write {example} beside it"),
            );
        }
    }
}

/// Compiles the one that stands there; `None` where it cannot be, with the reasons among the findings.
pub(super) fn compile(
    file: &File,
    context: &Context,
    read: &ConditionFile,
    metric: &Spanned<String>,
) -> Option<Shorthand> {
    let kinds =
        [read.grows.is_some(), read.will_reach.is_some(), read.patience.is_some() || read.patience_steps.is_some()];
    let several = kinds.iter().filter(|k| **k).count() > 1;
    if several || read.above.is_some() || read.below.is_some() || read.nan.is_some() || read.mean_over.is_some() {
        let message = "several conditions in one: a bound, `grows`, `will_reach` and `patience` each stand alone";
        let hint = "write a rule for each, or all = [ { ... }, { ... } ] for all at once";
        file.error("two-conditions", metric.span(), message, hint);
        return None;
    }
    let quantity = quantity(file, context, metric)?;
    match (&read.grows, &read.will_reach) {
        (Some(bound), _) => grows(file, context, read, &quantity, bound),
        (_, Some(bound)) => will_reach(file, context, read, &quantity, bound),
        _ => patience(file, read, metric, &quantity),
    }
}

/// The series of a quantity that is one series as it is.
fn series(file: &File, quantity: &Quantity, key: &str, bound: &Spanned<Scalar>) -> Option<SeriesName> {
    match &quantity.reading {
        Reading::Series(series) => Some(series.clone()),
        _ => {
            let message =
                format!("`{key}` cannot be said of `{}`: it is computed from several samples itself", quantity.name);
            file.error("bad-value", bound.span(), message, "bound it with above or below");
            None
        }
    }
}

fn number(file: &File, quantity: &Quantity, key: &'static str, bound: &Spanned<Scalar>) -> Option<f64> {
    match threshold(file, quantity, key, bound)? {
        Threshold::Number(number) => Some(number),
        Threshold::ShareOfLimit(_) => {
            let hint = "write an amount such as \"8 GiB\"";
            file.error("bad-unit", bound.span(), format!("`{key}` cannot be a share of the limit"), hint);
            None
        }
    }
}

fn grows(
    file: &File,
    context: &Context,
    read: &ConditionFile,
    quantity: &Quantity,
    bound: &Spanned<Scalar>,
) -> Option<Shorthand> {
    let series = series(file, quantity, "grows", bound)?;
    let amount = number(file, quantity, "grows", bound)?;
    let Some(per) = &read.per else {
        let hint = "write per = \"10m\" beside it";
        file.error("missing-key", bound.span(), "`grows` without the time in which it does", hint);
        return None;
    };
    check_window(file, context, *per.get_ref(), per.span(), "per")?;
    let growth = Shorthand::Growth(series, *per.get_ref());
    Some(Shorthand::Compare(Comparison::Above, Box::new(growth), Box::new(Shorthand::Number(amount))))
}

fn will_reach(
    file: &File,
    context: &Context,
    read: &ConditionFile,
    quantity: &Quantity,
    bound: &Spanned<Scalar>,
) -> Option<Shorthand> {
    let series = series(file, quantity, "will_reach", bound)?;
    let amount = number(file, quantity, "will_reach", bound)?;
    let Some(within) = &read.within else {
        let hint = "write within = \"10m\" beside it";
        file.error("missing-key", bound.span(), "`will_reach` without the time within which it would", hint);
        return None;
    };
    let trend = read.trend_over.as_ref().map_or(TREND, |t| *t.get_ref());
    let span = read.trend_over.as_ref().map_or(bound.span(), Spanned::span);
    check_window(file, context, trend, span, "trend_over")?;
    let forecast = Shorthand::Forecast(series, trend, *within.get_ref());
    Some(Shorthand::Compare(Comparison::Above, Box::new(forecast), Box::new(Shorthand::Number(amount))))
}

/// How long a metric may go without a better value: the derived series count, since PromQL knows time and not steps.
fn patience(file: &File, read: &ConditionFile, metric: &Spanned<String>, quantity: &Quantity) -> Option<Shorthand> {
    if let (Some(_), Some(steps)) = (&read.patience, &read.patience_steps) {
        let hint = "write a rule for each, or leave one out";
        file.error("two-conditions", steps.span(), "`patience` counts reports, `patience_steps` steps: not both", hint);
        return None;
    }
    if !quantity.reported {
        let message = format!("`patience` is about what the trainer reports, `{}` is measured", quantity.name);
        file.error("bad-value", metric.span(), message, "write the name of a reported metric: metric = \"val_loss\"");
        return None;
    }
    // Both are looked at before one that is wrong ends it.
    let (mode, delta) = (mode(file, read), delta(file, read));
    let (mode, delta) = (mode?, delta?);
    let (unit, count) = match (&read.patience, &read.patience_steps) {
        (_, Some(steps)) => ("steps", *steps.get_ref()),
        (Some(reports), _) => ("reports", *reports.get_ref()),
        _ => return None,
    };
    let name = |label: &str| (label.to_string(), quantity.name.clone());
    let plain = mode.is_none() && delta == 0.0;
    let mut labels = vec![name("metric")];
    if !plain {
        labels.extend(mode.map(|mode| ("mode".to_string(), mode.as_str().to_string())));
        labels.push(("min_delta".to_string(), delta.to_string()));
    }
    let since = if plain { "best" } else { "improvement" };
    let series = SeriesName { metric: format!("trial_{unit}_since_{since}"), labels };
    let count = Shorthand::Number(count as f64);
    Some(Shorthand::Compare(Comparison::AtLeast, Box::new(Shorthand::Series(series)), Box::new(count)))
}

fn mode(file: &File, read: &ConditionFile) -> Option<Option<Mode>> {
    let Some(mode) = &read.mode else { return Some(None) };
    match mode.get_ref().as_str() {
        "min" => Some(Some(Mode::Min)),
        "max" => Some(Some(Mode::Max)),
        other => {
            let hint = near(other, ["min", "max"].into_iter());
            file.error("bad-value", mode.span(), format!("no mode `{other}`"), &hint);
            None
        }
    }
}

/// By how much a value must be better to count.
fn delta(file: &File, read: &ConditionFile) -> Option<f64> {
    let Some(delta) = &read.min_delta else { return Some(0.0) };
    match delta.get_ref() {
        Scalar::Number(number) if *number >= 0.0 && number.is_finite() => Some(*number),
        _ => {
            file.error("bad-value", delta.span(), "`min_delta` must be a number, 0 or more", "write min_delta = 0.001");
            None
        }
    }
}
