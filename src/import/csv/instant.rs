//! Times as they stand in tables: ISO 8601, or a number whose size tells what it counts.

/// A time in a cell, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instant {
    /// Since the Unix epoch.
    Absolute(i64),
    /// Since the trial began.
    Elapsed(i64),
}

/// Up to here a number counts seconds since the trial began (3 years); the epoch's seconds were as many in March 1973.
const ELAPSED: f64 = 1e8;
/// From here on a number counts so many nanoseconds each: seconds, milliseconds (since 1973, until 5138), microseconds, nanoseconds.
const UNITS: [(f64, f64); 4] = [(1e11, 1e9), (1e14, 1e6), (1e17, 1e3), (9.2e18, 1.0)];
/// Latest time that is taken: the year 2200, nanoseconds.
const LATEST: f64 = 7.26e18;

/// Reads a time.
pub(super) fn read(text: &str) -> Option<Instant> {
    match text.parse::<f64>() {
        Ok(number) => of_number(number),
        Err(_) => of_date(text).map(Instant::Absolute),
    }
}

fn of_number(number: f64) -> Option<Instant> {
    if !(0.0..1e19).contains(&number) {
        return None;
    }
    if number < ELAPSED {
        return Some(Instant::Elapsed((number * 1e9) as i64));
    }
    let (_, unit) = UNITS.iter().find(|(below, _)| number < *below)?;
    let ns = number * unit;
    (ns <= LATEST).then_some(Instant::Absolute(ns as i64))
}

/// `2026-01-31T23:59:59.5Z`, `2026-01-31 23:59`, `2026-01-31T23:59:59+02:00`; without a zone it is UTC.
fn of_date(text: &str) -> Option<i64> {
    let (date, clock) = text.split_once(['T', ' '])?;
    let mut parts = date.splitn(3, '-').map(digits);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..2200).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (clock, zone) = zone_of(clock)?;
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    let mut parts = clock.splitn(3, ':').map(digits);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - zone;
    Some(seconds * 1_000_000_000 + nanoseconds(fraction)?)
}

/// The clock without its zone, and the zone in seconds east of Greenwich.
fn zone_of(clock: &str) -> Option<(&str, i64)> {
    if let Some(utc) = clock.strip_suffix(['Z', 'z']).or_else(|| clock.strip_suffix(" UTC")) {
        return Some((utc, 0));
    }
    let Some(at) = clock.rfind(['+', '-']) else { return Some((clock, 0)) };
    let (clock, zone) = (&clock[..at], &clock[at..]);
    let plain: String = zone[1..].chars().filter(|c| *c != ':').collect();
    let number = digits(&plain)?;
    let (hours, minutes) = if plain.len() > 2 { (number / 100, number % 100) } else { (number, 0) };
    let east = hours * 3600 + minutes * 60;
    (hours < 24 && minutes < 60).then_some((clock.trim_end(), if zone.starts_with('-') { -east } else { east }))
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// The digits behind the point as nanoseconds.
fn nanoseconds(fraction: &str) -> Option<i64> {
    let nine: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    nine.bytes().all(|b| b.is_ascii_digit()).then(|| nine.parse().ok()).flatten()
}

/// Days from 1970-01-01 to a date. Years are counted from March on, so that the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let from_march = if month > 2 { year } else { year - 1 };
    let month = (month + 9) % 12;
    let leaps = from_march / 4 - from_march / 100 + from_march / 400;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    365 * from_march + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let second =
            |text: &str| read(text).map(|i| if let Instant::Absolute(ns) = i { ns / 1_000_000_000 } else { -1 });
        assert_eq!(second("1970-01-01 00:00"), Some(0));
        assert_eq!(second("2000-02-29T00:00:00Z"), Some(951_782_400));
        assert_eq!(second("2025-12-31 23:59:59"), Some(1_767_225_599));
        assert_eq!(second("2026-01-01T01:59:59+02:00"), Some(1_767_225_599));
        assert_eq!(second("2025-12-31T18:59:59-0500"), Some(1_767_225_599));
        assert_eq!(second("2025-12-31 23:59:59 UTC"), Some(1_767_225_599));
        assert_eq!(read("2000-01-01 00:00:00.25"), Some(Instant::Absolute(946_684_800_250_000_000)));
        for text in
            ["2025-13-01 00:00", "2025-01-01", "yesterday", "", "2025-01-01 25:00", "2025-01-01 00:00:00.x", "1-2-3 4"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_size_of_a_number_tells_what_it_counts() {
        assert_eq!(read("12.5"), Some(Instant::Elapsed(12_500_000_000)));
        let absolute = Some(Instant::Absolute(1_767_225_600_000_000_000));
        for text in ["1767225600", "1767225600000", "1767225600000000", "1767225600000000000", "1.7672256e9"] {
            assert_eq!(read(text), absolute, "{text}");
        }
        for text in ["-1", "nan", "inf", "1e30", "9e18"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
