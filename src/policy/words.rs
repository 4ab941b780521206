//! Conditions and values in words, for reasons: `memory 612 MiB > 512 MiB for 5s`.

use super::names;
use super::units::{BYTES, Threshold, Unit};
use crate::model::{Arithmetic, Comparison, MILLI, Measure, Rule, SECOND, SeriesName, Shorthand};

/// What shares of memory are shares of.
pub(super) const LIMIT: &str = "trial_memory_limit_bytes";

/// Bytes as a person writes them, with at most one decimal: `612 MiB`, `1.5 GiB`.
pub fn bytes(value: f64) -> String {
    bytes_with(value, 1)
}

fn bytes_with(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return number(value);
    }
    let unit = |least: f64| BYTES.iter().rev().find(|(u, f)| (u.ends_with("iB") || *u == "B") && least >= *f);
    // From 1023.95 on it would be rounded up to 1024: the next unit says it shorter.
    let rounded_up = value.abs() * (1024.0 / 1023.95);
    let (name, factor) = *unit(rounded_up).unwrap_or(&BYTES[0]);
    format!("{} {name}", decimal(value / factor, if factor == 1.0 { 0 } else { decimals }))
}

/// Bytes of a policy: in the unit that makes them whole.
fn exact_bytes(value: f64) -> String {
    let whole = |(_, factor): &&(&str, f64)| value >= *factor && (value / factor * 10.0).fract() == 0.0;
    // The largest unit has the shortest number; of two alike the binary one comes first.
    let best = BYTES.iter().filter(whole).max_by(|a, b| a.1.total_cmp(&b.1));
    match best {
        Some((name, factor)) if value / factor < 10_000.0 => format!("{} {name}", decimal(value / factor, 1)),
        _ => bytes(value),
    }
}

/// A duration in nanoseconds as Prometheus writes it: `1h30m`, `500ms`; below a millisecond `250us`.
pub fn duration(ns: u64) -> String {
    if ns == 0 {
        return "0s".to_string();
    }
    if ns < MILLI {
        return format!("{}us", decimal(ns as f64 / 1000.0, 3));
    }
    let units: [(&str, u64); 5] =
        [("d", 86_400 * SECOND), ("h", 3600 * SECOND), ("m", 60 * SECOND), ("s", SECOND), ("ms", MILLI)];
    let mut rest = ns;
    let mut out = String::new();
    for (unit, size) in units {
        if rest / size > 0 {
            out += &format!("{}{unit}", rest / size);
            rest %= size;
        }
    }
    out
}

/// Seconds that were measured: three digits are enough.
pub fn seconds(value: f64) -> String {
    if !value.is_finite() {
        return number(value);
    }
    if value < 0.0 {
        return format!("-{}", seconds(-value));
    }
    match value {
        v if v >= 60.0 => duration((v.round().min(9e9) as u64) * SECOND),
        v if v >= 1.0 => format!("{}s", decimal(v, 1)),
        v if v >= 1e-3 => format!("{}ms", decimal(v * 1e3, 1)),
        0.0 => "0s".to_string(),
        v => format!("{}us", decimal(v * 1e6, 1)),
    }
}

/// A plain number with six significant digits at most; NaN and infinities as Prometheus writes them.
pub fn number(value: f64) -> String {
    match value {
        v if v.is_nan() => "NaN".to_string(),
        f64::INFINITY => "+Inf".to_string(),
        f64::NEG_INFINITY => "-Inf".to_string(),
        0.0 => "0".to_string(),
        v if v.fract() == 0.0 && v.abs() < 1e15 => format!("{v}"),
        v if (1e-4..1e9).contains(&v.abs()) => {
            let before = v.abs().log10().floor() as i32 + 1;
            decimal(v, (6 - before).max(0) as usize)
        }
        v => {
            let text = format!("{v:.5e}");
            let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
            format!("{}e{power}", trim(digits))
        }
    }
}

/// A share as per cent: `80 %`.
pub fn percent(value: f64) -> String {
    if value.is_finite() { format!("{} %", decimal(value * 100.0, 1)) } else { number(value) }
}

fn decimal(value: f64, decimals: usize) -> String {
    trim(&format!("{value:.decimals$}")).to_string()
}

fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// A value as a rule's results are told.
pub fn told(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Bytes => bytes(value),
        Measure::Seconds => seconds(value),
        Measure::Plain => number(value),
    }
}

/// A measured value in its unit.
fn measured(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Bytes => bytes(value),
        Unit::Seconds => seconds(value),
        Unit::Ratio | Unit::Count | Unit::Plain => number(value),
    }
}

/// A bound as the policy has it.
pub(super) fn threshold(unit: Unit, bound: Threshold) -> String {
    match (bound, unit) {
        (Threshold::ShareOfLimit(share), _) => format!("{} of the limit", percent(share)),
        (Threshold::Number(n), Unit::Bytes) => exact_bytes(n),
        (Threshold::Number(n), Unit::Seconds) => duration((n * SECOND as f64).round() as u64),
        (Threshold::Number(n), _) => number(n),
    }
}

/// What a bound of this unit may look like, for hints.
pub(super) fn example(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => "\"512 MiB\"",
        Unit::Seconds => "\"10m\"",
        Unit::Ratio => "0.5",
        Unit::Count => "100",
        Unit::Plain => "10",
    }
}

/// A condition in words: `memory > 512 MiB`.
pub fn condition(expr: &Shorthand) -> String {
    match expr {
        Shorthand::All(all) => joined(all, " and "),
        Shorthand::Any(any) => match any.as_slice() {
            // A bound on a reported metric counts NaN as bad: that goes without saying.
            [bound, Shorthand::IsNan(_)] => condition(bound),
            _ => joined(any, " or "),
        },
        Shorthand::Compare(..) => comparison(expr, None),
        Shorthand::IsNan(x) => format!("{} is NaN", subject(x).0),
        Shorthand::NotFinite(x) => format!("{} is NaN or infinite", subject(x).0),
        _ => subject(expr).0,
    }
}

fn joined(parts: &[Shorthand], between: &str) -> String {
    parts.iter().map(condition).collect::<Vec<_>>().join(between)
}

/// Why a rule without `summary` fired: its condition with the value seen, and how long it held.
pub fn reason(rule: &Rule, value: f64) -> String {
    let seen = seen(rule, value);
    match rule.hold_ns {
        0 => seen,
        ns => format!("{seen} for {}", duration(ns)),
    }
}

/// A rule's condition with the value that met it.
pub fn seen(rule: &Rule, value: f64) -> String {
    match &rule.shorthand {
        Some(shorthand) => with_value(shorthand, value),
        None => format!("{} is {}", rule.expr, told(rule.measure, value)),
    }
}

fn with_value(expr: &Shorthand, value: f64) -> String {
    match expr {
        // The first one's values are the result.
        Shorthand::All(all) => match all.split_first() {
            Some((first, rest)) if !rest.is_empty() => {
                format!("{} and {}", with_value(first, value), joined(rest, " and "))
            }
            Some((only, _)) => with_value(only, value),
            None => number(value),
        },
        Shorthand::Any(any) => {
            match any.iter().filter(|e| admits(e, value)).max_by(|a, b| bound(a).total_cmp(&bound(b))) {
                Some(part) => with_value(part, value),
                None => condition(expr),
            }
        }
        Shorthand::Compare(..) => comparison(expr, Some(value)),
        Shorthand::IsNan(x) | Shorthand::NotFinite(x) => format!("{} is {}", subject(x).0, number(value)),
        _ => format!("{} is {}", subject(expr).0, number(value)),
    }
}

/// Whether this part can have given the value.
fn admits(expr: &Shorthand, value: f64) -> bool {
    match expr {
        Shorthand::Compare(op, a, b) => match **b {
            Shorthand::Number(n) => op.holds(value, n) && (!matches!(**a, Shorthand::Compare(..)) || admits(a, value)),
            _ => !value.is_nan(),
        },
        Shorthand::IsNan(_) => value.is_nan(),
        Shorthand::NotFinite(_) => !value.is_finite(),
        _ => true,
    }
}

/// The bound of a part: of two that admit a value, the nearer one is the one it has just crossed.
fn bound(expr: &Shorthand) -> f64 {
    match expr {
        Shorthand::Compare(_, _, b) => match **b {
            Shorthand::Number(n) => n,
            _ => 0.0,
        },
        _ => 0.0,
    }
}

fn comparison(expr: &Shorthand, value: Option<f64>) -> String {
    let Shorthand::Compare(op, left, right) = expr else { return condition(expr) };
    let long = |ns: &Shorthand| threshold(Unit::Seconds, limit(ns));
    match (&**left, value) {
        (Shorthand::SinceStep(_), None) => return format!("no step for {}", long(right)),
        (Shorthand::SinceStep(_), Some(v)) => {
            return format!("no step for {}, allowed are {}", seconds(v), long(right));
        }
        (Shorthand::SinceHello, None) => return format!("no first step within {} of hello", long(right)),
        (Shorthand::SinceHello, Some(v)) => {
            return format!("no first step {} after hello, allowed are {}", seconds(v), long(right));
        }
        (Shorthand::Growth(s, ns), _) => return growth(s, *ns, limit(right), value),
        (Shorthand::Forecast(s, trend, within), _) => return forecast(s, *trend, *within, limit(right), value),
        (Shorthand::Series(s), _) if patience(s).is_some() => return impatience(s, limit(right), value),
        _ => {}
    }
    let inner = match &**left {
        Shorthand::Compare(Comparison::Above, x, low) => Some((x, low)),
        _ => None,
    };
    let (name, unit) = subject(inner.map_or(left, |(x, _)| x));
    let high = threshold(unit, limit(right));
    match (inner, value) {
        (Some((_, low)), Some(v)) => {
            format!("{name} {} between {} and {high}", measured(unit, v), threshold(unit, limit(low)))
        }
        (Some((_, low)), None) => format!("{name} between {} and {high}", threshold(unit, limit(low))),
        (None, Some(v)) => format!("{name} {} {} {high}", distinct(unit, v, &high), op.as_str()),
        (None, None) => format!("{name} {} {high}", op.as_str()),
    }
}

/// `memory grew by 60 MiB in 10m, allowed are 50 MiB`
fn growth(series: &SeriesName, ns: u64, bound: Threshold, value: Option<f64>) -> String {
    let (name, unit) = plain_subject(series);
    let (per, most) = (duration(ns), threshold(unit, bound));
    match value {
        Some(v) => format!("{name} grew by {} in {per}, allowed are {most}", measured(unit, v)),
        None => format!("{name} grows by more than {most} in {per}"),
    }
}

/// `memory will be 9 GiB within 10m by its trend over 2m, allowed are 8 GiB`
fn forecast(series: &SeriesName, trend: u64, within: u64, bound: Threshold, value: Option<f64>) -> String {
    let (name, unit) = plain_subject(series);
    let (ahead, trend, most) = (duration(within), duration(trend), threshold(unit, bound));
    match value {
        Some(v) => {
            format!("{name} will be {} within {ahead} by its trend over {trend}, allowed are {most}", measured(unit, v))
        }
        None => format!("{name} will be above {most} within {ahead} by its trend over {trend}"),
    }
}

/// What a series of patience counts, and of which metric.
fn patience(series: &SeriesName) -> Option<(&'static str, &str)> {
    let counted = [("trial_reports_since_", "reports"), ("trial_steps_since_", "steps")];
    let (_, unit) = counted.into_iter().find(|(begin, _)| series.metric.starts_with(begin))?;
    let metric = series.labels.iter().find(|(label, _)| label == "metric")?;
    Some((unit, &metric.1))
}

/// `no better val_loss for 7 reports, allowed are 5`
fn impatience(series: &SeriesName, bound: Threshold, value: Option<f64>) -> String {
    let (unit, metric) = patience(series).unwrap_or(("reports", &series.metric));
    let most = threshold(Unit::Count, bound);
    match value {
        Some(v) => format!("no better {metric} for {} {unit}, allowed are {most}", number(v)),
        None => format!("no better {metric} for {most} {unit}"),
    }
}

/// The name and unit of a series as it is.
fn plain_subject(series: &SeriesName) -> (String, Unit) {
    let (name, unit) = subject(&Shorthand::Series(series.clone()));
    (name, unit)
}

/// A value just beyond its bound must not read like the bound.
fn distinct(unit: Unit, value: f64, bound: &str) -> String {
    let mut text = measured(unit, value);
    let mut decimals = 2;
    while text == bound && unit == Unit::Bytes && decimals <= 9 {
        text = bytes_with(value, decimals);
        decimals += 1;
    }
    text
}

fn limit(expr: &Shorthand) -> Threshold {
    match expr {
        Shorthand::Number(n) => Threshold::Number(*n),
        Shorthand::Arithmetic(Arithmetic::Times, _, share) => match **share {
            Shorthand::Number(n) => Threshold::ShareOfLimit(n),
            _ => Threshold::Number(f64::NAN),
        },
        _ => Threshold::Number(f64::NAN),
    }
}

/// The name of what is compared, with the window of its mean.
fn subject(expr: &Shorthand) -> (String, Unit) {
    match names::name_of(expr) {
        Some((name, unit, Some(ns))) => (format!("mean {name} over {}", duration(ns)), unit),
        Some((name, unit, None)) => (name, unit),
        None => (super::explain(expr), Unit::Plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_short_and_policies_keep_their_units() {
        let shown = [
            (0.0, "0 B"),
            (1023.0, "1023 B"),
            (1024.0, "1 KiB"),
            (612.0 * 1048576.0, "612 MiB"),
            (1.5 * 1073741824.0, "1.5 GiB"),
            (1073741823.0, "1 GiB"),
            (f64::NAN, "NaN"),
        ];
        for (value, text) in shown {
            assert_eq!(bytes(value), text);
        }
        for (value, text) in [(512e6, "512 MB"), (512.0 * 1048576.0, "512 MiB"), (1e9, "1 GB"), (1.0, "1 B")] {
            assert_eq!(exact_bytes(value), text);
        }
    }

    #[test]
    fn a_value_just_beyond_its_bound_does_not_read_like_it() {
        assert_eq!(distinct(Unit::Bytes, 536_870_913.0, "512 MiB"), "512.000001 MiB");
        assert_eq!(distinct(Unit::Bytes, 612.0 * 1048576.0, "512 MiB"), "612 MiB");
    }

    #[test]
    fn durations_and_numbers() {
        assert_eq!(duration(5400 * SECOND), "1h30m");
        assert_eq!(duration(500 * MILLI), "500ms");
        assert_eq!(duration(1500 * MILLI), "1s500ms");
        assert_eq!(duration(0), "0s");
        assert_eq!(seconds(723.4), "12m3s");
        assert_eq!(seconds(5.24), "5.2s");
        assert_eq!(seconds(0.0125), "12.5ms");
        assert_eq!(seconds(0.0003), "300us");
        for (value, text) in [
            (0.5, "0.5"),
            (10.0, "10"),
            (1e-7, "1e-7"),
            (123456.789, "123457"),
            (f64::INFINITY, "+Inf"),
            (2e20, "2e20"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(percent(0.805), "80.5 %");
    }
}
