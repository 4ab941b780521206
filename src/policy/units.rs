//! Numbers with units: bytes, shares, durations.

use super::file::Scalar;
use crate::model::{MILLI, SECOND};

/// What a quantity is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    /// 1 = all of it, or one core.
    Ratio,
    Seconds,
    /// Whole things: processes, steps.
    Count,
    /// Whatever the trainer means by it; may be negative and NaN.
    Plain,
}

/// A threshold, understood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Threshold {
    Number(f64),
    /// Of the trial's memory limit, 1 = all of it.
    ShareOfLimit(f64),
}

pub(super) const DURATION_HINT: &str =
    "write a duration as Prometheus does: \"500ms\", \"5s\", \"1h30m\", \"7d\" (units y w d h m s ms)";

/// Byte units: 1000 to the power, and 1024 with an i.
pub(super) const BYTES: [(&str, f64); 9] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("MiB", 1024.0 * 1024.0),
    ("GiB", 1024.0 * 1024.0 * 1024.0),
    ("TiB", 1024.0 * 1024.0 * 1024.0 * 1024.0),
];

/// Duration units, the longest first, in nanoseconds (a year has 365 days, as in Prometheus).
const DURATIONS: [(&str, u64); 7] = [
    ("y", 365 * 86_400 * SECOND),
    ("w", 7 * 86_400 * SECOND),
    ("d", 86_400 * SECOND),
    ("h", 3600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", MILLI),
];

/// A duration in nanoseconds, at most about 292 years.
pub(super) fn duration(scalar: &Scalar) -> Result<u64, String> {
    match scalar {
        Scalar::Number(0.0) => Ok(0),
        Scalar::Number(n) => Err(format!("{n} has no unit")),
        Scalar::Text(text) => duration_text(text),
    }
}

fn duration_text(text: &str) -> Result<u64, String> {
    if text == "0" {
        return Ok(0);
    }
    let bad = || format!("{text:?} is not a duration");
    let (mut rest, mut total, mut next) = (text, 0u64, 0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| format!("{text:?} has no unit"))?;
        let number: u64 = if digits == 0 { Err(bad()) } else { rest[..digits].parse().map_err(|_| bad()) }?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let place = DURATIONS[next..].iter().position(|(u, _)| *u == &rest[..letters]).ok_or_else(bad)? + next;
        let part = number.checked_mul(DURATIONS[place].1);
        total = part
            .and_then(|p| total.checked_add(p))
            .filter(|t| *t <= i64::MAX as u64)
            .ok_or_else(|| format!("{text:?} is longer than 292 years"))?;
        (rest, next) = (&rest[letters..], place + 1);
    }
    if text.is_empty() { Err(bad()) } else { Ok(total) }
}

/// A number and what follows it.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let numeric = |c: char| c.is_ascii_digit() || "+-.".contains(c);
    // An `e` belongs to the number only if digits follow.
    let mut end = text.find(|c| !numeric(c)).unwrap_or(text.len());
    if let Some(power) = text[end..].strip_prefix(['e', 'E']) {
        let digits = power.trim_start_matches(['+', '-']);
        if digits.starts_with(|c: char| c.is_ascii_digit()) {
            let after = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            end = text.len() - digits.len() + after;
        }
    }
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

/// Bytes, as whole as they were written.
pub(super) fn bytes(scalar: &Scalar) -> Result<f64, String> {
    match scalar {
        Scalar::Number(n) => Ok(*n),
        Scalar::Text(text) => {
            let (number, unit) = split(text).ok_or_else(|| format!("{text:?} is not a number of bytes"))?;
            let factor = BYTES.iter().find(|(u, _)| *u == unit).map(|(_, f)| *f);
            match (unit, factor) {
                ("", _) => Ok(number),
                (_, Some(factor)) => Ok(number * factor),
                _ => Err(format!("{unit:?} is not a unit of bytes")),
            }
        }
    }
}

/// A share: a number, or per cent.
pub(super) fn share(scalar: &Scalar) -> Result<f64, String> {
    match scalar {
        Scalar::Number(n) => Ok(*n),
        Scalar::Text(text) => match split(text) {
            Some((n, "%")) => Ok(n / 100.0),
            Some((n, "")) => Ok(n),
            _ => Err(format!("{text:?} is not a share")),
        },
    }
}

/// A threshold of the given unit.
pub(super) fn threshold(scalar: &Scalar, unit: Unit, of_limit: bool) -> Result<Threshold, String> {
    let percent = matches!(scalar, Scalar::Text(t) if t.trim_end().ends_with('%'));
    let value = match unit {
        Unit::Bytes if percent && of_limit => return share(scalar).map(Threshold::ShareOfLimit),
        Unit::Bytes => bytes(scalar),
        Unit::Ratio => share(scalar),
        Unit::Seconds => duration(scalar).map(|ns| ns as f64 / SECOND as f64),
        Unit::Count | Unit::Plain => match scalar {
            Scalar::Number(n) => Ok(*n),
            Scalar::Text(text) => match split(text) {
                Some((n, "")) => Ok(n),
                _ => Err(format!("{text:?} is not a plain number")),
            },
        },
    };
    value.map(Threshold::Number)
}

/// What may be written for a unit, for hints.
pub(super) fn possible(unit: Unit, of_limit: bool) -> &'static str {
    match (unit, of_limit) {
        (Unit::Bytes, true) => {
            "write bytes, \"512 MiB\" (B, kB MB GB TB by 1000, KiB MiB GiB TiB by 1024), or a share of the memory limit, \"80 %\""
        }
        (Unit::Bytes, false) => "write bytes: \"512 MiB\" (B, kB MB GB TB by 1000, KiB MiB GiB TiB by 1024)",
        (Unit::Ratio, _) => "write a number or per cent: 1.5 or \"150 %\"",
        (Unit::Seconds, _) => DURATION_HINT,
        (Unit::Count | Unit::Plain, _) => "write a number without a unit",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(t: &str) -> Scalar {
        Scalar::Text(t.to_string())
    }

    #[test]
    fn durations_are_those_of_prometheus() {
        let seconds = [
            ("0", 0),
            ("5s", 5),
            ("1h30m", 5400),
            ("1d", 86_400),
            ("1w", 604_800),
            ("1y", 31_536_000),
            ("1h0m", 3600),
            ("90m", 5400),
        ];
        for (t, s) in seconds {
            assert_eq!(duration(&text(t)), Ok(s * SECOND), "{t}");
        }
        assert_eq!(duration(&text("500ms")), Ok(500 * MILLI));
        assert_eq!(duration(&text("1s500ms")), Ok(1500 * MILLI));
        assert_eq!(duration(&Scalar::Number(0.0)), Ok(0));
        let wrong =
            ["", "5", "s", "5 s", "1m1h", "5s5s", "1.5h", "-5s", "5sec", "5S", "300y", "99999999999999999999s", "٣s"];
        for t in wrong {
            assert!(duration(&text(t)).is_err(), "{t}");
        }
        assert_eq!(duration(&Scalar::Number(5.0)), Err("5 has no unit".into()));
        assert_eq!(duration(&text("5")), Err("\"5\" has no unit".into()));
        assert_eq!(duration(&text("300y")), Err("\"300y\" is longer than 292 years".into()));
    }

    #[test]
    fn bytes_count_by_1000_and_by_1024() {
        let table = [
            ("1 B", 1.0),
            ("1kB", 1e3),
            ("2 MB", 2e6),
            ("3 GB", 3e9),
            ("1 TB", 1e12),
            ("1 KiB", 1024.0),
            ("512 MiB", 536_870_912.0),
            ("1.5GiB", 1_610_612_736.0),
            ("1 TiB", 1_099_511_627_776.0),
            ("4096", 4096.0),
            ("1e3", 1000.0),
            ("1e-1 kB", 100.0),
        ];
        for (t, b) in table {
            assert_eq!(bytes(&text(t)), Ok(b), "{t}");
        }
        for t in ["512 mib", "1 M", "1 Gi", "MiB", "", "1 KB", "1 EiB", "1e", "1 e5 B", "1..2 B", "5s", "80 %"] {
            assert!(bytes(&text(t)).is_err(), "{t}");
        }
    }

    #[test]
    fn a_share_of_the_limit_is_only_for_memory() {
        assert_eq!(threshold(&text("80 %"), Unit::Bytes, true), Ok(Threshold::ShareOfLimit(0.8)));
        assert!(threshold(&text("80 %"), Unit::Bytes, false).is_err());
        assert_eq!(threshold(&text("80%"), Unit::Ratio, false), Ok(Threshold::Number(0.8)));
        assert!(threshold(&text("80 %"), Unit::Plain, false).is_err());
        assert!(threshold(&text("80 %"), Unit::Count, false).is_err());
        assert!(threshold(&text("5 MiB"), Unit::Seconds, false).is_err());
        assert_eq!(threshold(&text("1m"), Unit::Seconds, false), Ok(Threshold::Number(60.0)));
        assert_eq!(threshold(&Scalar::Number(-0.5), Unit::Plain, false), Ok(Threshold::Number(-0.5)));
    }
}
