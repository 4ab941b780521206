//! Instants and durations of parameters, milliseconds; instants for people.

use super::Failure;
use super::params::Params;

/// No parameter goes beyond this, some 285,000 years: sums of two never overflow.
const FARTHEST: f64 = 9e15;

const DAY_MS: i64 = 86_400_000;

/// An instant: seconds since the Unix epoch, or RFC 3339.
pub(super) fn instant(params: &Params, name: &str) -> Result<Option<i64>, Failure> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let seconds = text.parse::<f64>().ok().map(|s| (s * 1000.0).round()).filter(|ms| ms.is_finite());
    match seconds.map(|ms| ms.clamp(-FARTHEST, FARTHEST) as i64).or_else(|| rfc3339(text)) {
        Some(ms) => Ok(Some(ms)),
        None => Err(Failure::parameter(name, format!("cannot parse {text:?} to a valid timestamp"))),
    }
}

/// A duration: seconds, or as in PromQL (`1m30s`); above 0.
pub(super) fn duration(params: &Params, name: &str) -> Result<Option<i64>, Failure> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let ms = text.parse::<f64>().ok().map(|s| s * 1000.0).or_else(|| promql(text));
    match ms.filter(|ms| ms.abs() < FARTHEST) {
        Some(ms) if ms > 0.0 => Ok(Some((ms as i64).max(1))),
        Some(_) => Err(Failure::parameter(name, "zero or negative durations are not accepted. Try a positive integer")),
        None => Err(Failure::parameter(name, format!("cannot parse {text:?} to a valid duration"))),
    }
}

/// `1h30m`: units from large to small, each once.
fn promql(text: &str) -> Option<f64> {
    const UNITS: [(&str, i64); 7] = [
        ("y", 365 * DAY_MS),
        ("w", 7 * DAY_MS),
        ("d", DAY_MS),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let (mut rest, mut total, mut next) = (text, 0.0, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
        let unit = UNITS[next..].iter().position(|(unit, _)| *unit == &rest[..letters])? + next;
        total += number * UNITS[unit].1 as f64;
        (rest, next) = (&rest[letters..], unit + 1);
    }
    (!text.is_empty()).then_some(total)
}

/// `2026-11-21T04:12:20.5Z`, `2026-11-21T05:12:20+01:00`.
fn rfc3339(text: &str) -> Option<i64> {
    let time: toml::value::Datetime = text.parse().ok()?;
    let (date, clock, offset) = (time.date?, time.time?, time.offset?);
    let minutes = match offset {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes),
    };
    let day = days(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let seconds = i64::from(clock.hour) * 3600 + (i64::from(clock.minute) - minutes) * 60;
    let seconds = seconds + i64::from(clock.second.unwrap_or(0));
    Some(day * DAY_MS + seconds * 1000 + i64::from(clock.nanosecond.unwrap_or(0) / 1_000_000))
}

/// Days from 1970-01-01; the year is taken to begin in March, so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The instant as RFC 3339, in UTC.
pub(super) fn written(ms: i64) -> String {
    let (day, clock) = (ms.div_euclid(DAY_MS) + 719_468, ms.rem_euclid(DAY_MS));
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let of_year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let rest = of_era - (365 * of_year + of_year / 4 - of_year / 100);
    let (month, day) = ((5 * rest + 2) / 153, rest - (153 * ((5 * rest + 2) / 153) + 2) / 5 + 1);
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = of_year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (clock / 3_600_000, clock / 60_000 % 60, clock / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", clock % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2015-07-01T20:10:51.781Z", 1_435_781_451_781),
            ("2024-02-29T12:00:00+01:00", 1_709_204_400_000),
            ("2000-03-01T00:00:00Z", 951_868_800_000),
            ("1969-12-31T23:59:59.999Z", -1),
        ] {
            assert_eq!(rfc3339(text), Some(ms), "{text}");
            assert_eq!(rfc3339(&written(ms)), Some(ms), "{text}");
        }
        assert_eq!(written(1_435_781_451_781), "2015-07-01T20:10:51.781Z");
        for wrong in ["", "yesterday", "2015-07-01", "2015-07-01T20:10:51", "2015-13-01T00:00:00Z"] {
            assert_eq!(rfc3339(wrong), None, "{wrong}");
        }
        for day in -200_000..200_000 {
            assert_eq!(rfc3339(&written(day * DAY_MS)).is_some(), (-719_528..=2_932_896).contains(&day), "{day}");
        }
    }

    #[test]
    fn durations() {
        for (text, ms) in [("1m", 60e3), ("1h30m", 5400e3), ("15s", 15e3), ("10ms", 10.0), ("1d2ms", 86_400_002.0)] {
            assert_eq!(promql(text), Some(ms), "{text}");
        }
        for wrong in ["", "1", "m", "1m1h", "1m1m", "1.5m", "1q", "-1m", "1mm"] {
            assert_eq!(promql(wrong), None, "{wrong}");
        }
    }
}
