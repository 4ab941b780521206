//! An axis: what it shows, from where to where, and where its ticks are.

use super::super::page::significant;

/// Losses below this share are drawn on a straight scale, those above on a logarithmic one.
const SMALL: f64 = 0.001;

/// One axis of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    /// Its ticks and their words.
    pub ticks: Vec<(f64, String)>,
    low: f64,
    high: f64,
    scale: Scale,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    Straight,
    /// Of losses: zero and a thousandth and the whole are all to be seen.
    Lost,
}

impl Axis {
    /// From 0 to a little above the highest value, so that a small change looks small; to below the lowest of negative ones.
    pub fn from_zero(label: &str, values: impl Iterator<Item = f64>) -> Axis {
        let values = values.filter(|value| value.is_finite());
        let (low, high) = values.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        Axis::between(label, 1.05 * low, if high > low { 1.05 * high } else { 1.0 })
    }

    /// From a little below the lowest value to a little above the highest: for scores, of which 0 means nothing.
    pub fn around(label: &str, values: impl Iterator<Item = f64>) -> Axis {
        let range = values.filter(|value| value.is_finite()).fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        });
        let (low, high) = range.unwrap_or((0.0, 1.0));
        let room = match 0.06 * (high - low) {
            0.0 => 0.06 * high.abs().max(1.0),
            room => room,
        };
        Axis::between(label, low - room, high + room)
    }

    /// From one value to another.
    pub fn between(label: &str, low: f64, high: f64) -> Axis {
        Axis { label: label.into(), ticks: round_ticks(low, high), low, high, scale: Scale::Straight }
    }

    /// Shares from 0 to 100 %.
    pub fn shares(label: &str) -> Axis {
        Axis { label: label.into(), ticks: share_ticks(), low: 0.0, high: 1.0, scale: Scale::Straight }
    }

    /// Losses as shares of the best, from 0 to the highest.
    pub fn lost(label: &str, values: impl Iterator<Item = f64>) -> Axis {
        let high = values.filter(|value| value.is_finite()).fold(0.01, f64::max);
        let ticks = [0.0, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0].into_iter().filter(|tick| *tick <= 1.3 * high);
        let ticks = ticks.map(|tick| (tick, format!("{} %", 100.0 * tick))).collect();
        Axis { label: label.into(), ticks, low: 0.0, high: 1.3 * high, scale: Scale::Lost }
    }

    /// The same axis with other ticks.
    pub fn with_ticks(self, ticks: Vec<(f64, String)>) -> Axis {
        Axis { ticks, ..self }
    }

    /// Where a value lies, 0 at the beginning and 1 at the end; what lies beyond is drawn at the end.
    pub fn share(&self, value: f64) -> f64 {
        let place = |value: f64| match self.scale {
            Scale::Straight => value,
            Scale::Lost => (1.0 + value.max(0.0) / SMALL).ln(),
        };
        let (low, high) = (place(self.low), place(self.high));
        let share = (place(value) - low) / (high - low);
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// Ticks at the quarters of a whole.
fn share_ticks() -> Vec<(f64, String)> {
    [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| (share, format!("{} %", 100.0 * share))).into()
}

/// Three to six ticks at round values: 1, 2 or 5 times a power of ten apart.
fn round_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let apart = (high - low) / 3.0;
    if !(apart.is_finite() && apart > 0.0) {
        return Vec::new();
    }
    let power = 10f64.powf(apart.log10().floor());
    let step = [5.0, 2.0, 1.0].map(|times| times * power).into_iter().find(|step| *step <= apart).unwrap_or(power);
    let after = (-step.log10().floor()).max(0.0) as usize;
    let words = |value: f64| match value.abs().max(step) {
        large if large >= 1e6 => significant(value, 3),
        _ if after > 5 => significant(value, 3),
        _ => format!("{value:.after$}"),
    };
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    // Multiples, so that ticks do not drift; adding 0 takes the minus from nothing.
    (first..=last).map(|times| times as f64 * step + 0.0).map(|value| (value, words(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.1.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(words(&Axis::from_zero("x", [10.0].into_iter())), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(words(&Axis::around("x", [0.654, 0.661].into_iter())), ["0.654", "0.656", "0.658", "0.660"]);
        assert_eq!(words(&Axis::from_zero("x", [3.1e9].into_iter())), ["0", "1.00e9", "2.00e9", "3.00e9"]);
        assert_eq!(words(&Axis::from_zero("x", [2e-7].into_iter()))[1], "5.00e-8");
        assert_eq!(words(&Axis::from_zero("x", [-2.0, 1.0].into_iter())), ["-2", "-1", "0", "1"]);
        for odd in [f64::NAN, f64::INFINITY] {
            assert!(Axis::around("x", [odd].into_iter()).ticks.len() > 2);
        }
        assert!(Axis::around("x", [5.0].into_iter()).ticks.len() > 2);
    }

    #[test]
    fn losses_have_room_near_zero_and_no_end() {
        let axis = Axis::lost("regret", [0.0, 2.0].into_iter());
        assert_eq!(words(&axis), ["0 %", "0.1 %", "1 %", "10 %", "100 %"]);
        let places = [0.0, 0.001, 0.01, 0.1, 1.0, 1e9].map(|lost| axis.share(lost));
        assert!(places.is_sorted() && places[0] == 0.0 && places[1] > 0.05 && places[5] == 1.0, "{places:?}");
        assert_eq!(axis.share(f64::NAN), 0.0);
    }
}
