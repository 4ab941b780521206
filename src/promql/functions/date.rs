//! Calendar and clock of a time in seconds since 1970, UTC.

/// 0 to 23.
pub fn hour(value: f64, _: &[f64]) -> f64 {
    (second_of_day(value) / 3600) as f64
}

/// 0 to 59.
pub fn minute(value: f64, _: &[f64]) -> f64 {
    (second_of_day(value) / 60 % 60) as f64
}

/// 0 (Sunday) to 6.
pub fn day_of_week(value: f64, _: &[f64]) -> f64 {
    // The first of January 1970 was a Thursday.
    (day(value) + 4).rem_euclid(7) as f64
}

/// 1 to 31.
pub fn day_of_month(value: f64, _: &[f64]) -> f64 {
    Date::of(value).day as f64
}

/// 1 to 366.
pub fn day_of_year(value: f64, _: &[f64]) -> f64 {
    let date = Date::of(value);
    let before: i128 = (1..date.month).map(|month| length(date.year, month)).sum();
    (before + date.day) as f64
}

/// 28 to 31.
pub fn days_in_month(value: f64, _: &[f64]) -> f64 {
    let date = Date::of(value);
    length(date.year, date.month) as f64
}

/// 1 to 12.
pub fn month(value: f64, _: &[f64]) -> f64 {
    Date::of(value).month as f64
}

/// Of the Gregorian calendar, also before there was one; there is a year 0.
pub fn year(value: f64, _: &[f64]) -> f64 {
    Date::of(value).year as f64
}

const DAY: i128 = 86_400;

/// Whole seconds, cut towards zero. As Prometheus has it on x86: what does not fit 64 bits, and NaN, is the least number that
/// does, and times before its calendar begins come out at the calendar's far end.
fn seconds(value: f64) -> i128 {
    /// Where Go's calendar begins: the year -292277022399.
    const FIRST: i128 = -9_223_372_028_715_321_600;
    let fits = value >= i64::MIN as f64 && value < -(i64::MIN as f64);
    let seconds = if fits { value as i128 } else { i128::from(i64::MIN) };
    if seconds < FIRST { seconds + (1 << 64) } else { seconds }
}

/// Days since the first of January 1970.
fn day(value: f64) -> i128 {
    seconds(value).div_euclid(DAY)
}

fn second_of_day(value: f64) -> i128 {
    seconds(value).rem_euclid(DAY)
}

/// A day of the calendar.
#[derive(Debug, PartialEq)]
struct Date {
    year: i128,
    month: i128,
    day: i128,
}

impl Date {
    /// Counts in eras of 400 years that begin with a March, so that the leap day is the last day of a year.
    fn of(value: f64) -> Date {
        /// From the first of March of the year 0 to 1970.
        const SHIFT: i128 = 719_468;
        const ERA: i128 = 146_097;
        let days = day(value) + SHIFT;
        let (era, in_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
        // Less the leap days of 4, 100 and 400 years, years have 365 days.
        let in_years = in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096;
        let year = in_years / 365;
        let in_year = in_era - (365 * year + year / 4 - year / 100);
        // From March on five months have 153 days, over and over.
        let month = (5 * in_year + 2) / 153;
        let day = in_year - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        Date { year: era * 400 + year + next, month, day }
    }
}

/// Days of a month.
fn length(year: i128, month: i128) -> i128 {
    let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Year, month, day, hour, minute, weekday, day of the year, days in the month.
    fn all(value: f64) -> [f64; 8] {
        [year, month, day_of_month, hour, minute, day_of_week, day_of_year, days_in_month].map(|f| f(value, &[]))
    }

    #[test]
    fn days_that_date_knows() {
        // `date -u -d @N '+%Y %m %d %H %M %w %j'`.
        assert_eq!(all(0.0), [1970.0, 1.0, 1.0, 0.0, 0.0, 4.0, 1.0, 31.0]);
        assert_eq!(all(1_709_251_199.9), [2024.0, 2.0, 29.0, 23.0, 59.0, 4.0, 60.0, 29.0]);
        assert_eq!(all(951_782_400.0), [2000.0, 2.0, 29.0, 0.0, 0.0, 2.0, 60.0, 29.0]);
        assert_eq!(all(4_107_542_399.0), [2100.0, 2.0, 28.0, 23.0, 59.0, 0.0, 59.0, 28.0]);
        assert_eq!(all(1_735_689_599.0), [2024.0, 12.0, 31.0, 23.0, 59.0, 2.0, 366.0, 31.0]);
        assert_eq!(all(-1.0), [1969.0, 12.0, 31.0, 23.0, 59.0, 3.0, 365.0, 31.0]);
        assert_eq!(all(-62_167_219_200.0), [0.0, 1.0, 1.0, 0.0, 0.0, 6.0, 1.0, 31.0]);
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut expected = Date { year: 1599, month: 12, day: 31 };
        for day in -135_141..=150_000 {
            let date = Date::of(day as f64 * DAY as f64);
            assert_eq!(date, expected);
            expected = if date.day < length(date.year, date.month) {
                Date { day: date.day + 1, ..date }
            } else if date.month < 12 {
                Date { month: date.month + 1, day: 1, ..date }
            } else {
                Date { year: date.year + 1, month: 1, day: 1 }
            };
        }
    }

    #[test]
    fn times_without_a_calendar_are_as_in_prometheus() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert_eq!(all(value)[..5], [292_277_026_596.0, 12.0, 4.0, 15.0, 30.0]);
        }
    }
}
