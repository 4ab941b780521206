//! Where decisions are due: every twentieth of the whole length, up to three quarters of it.

/// So many places of decision at most.
pub(super) const RUNGS: usize = 15;

/// The whole length is cut into so many parts; a rung ends each of the first [`RUNGS`].
const PARTS: f64 = 20.0;

/// Who comes to the last rung only here, because it reports seldom, is past it: nothing much is left to save.
const LATEST: f64 = 0.8;

/// Positions that are computed twice in different ways still fall together.
const SLACK: f64 = 1e-9;

/// A length to 13 binary digits. One that was reckoned (epochs from steps) may differ in its last digits from report to report,
/// and what is learnt is learnt for one length; whole numbers up to 8,192 stay what they are.
pub(super) fn rounded(length: f64) -> f64 {
    const CUT: u64 = 1 << 40;
    f64::from_bits((length.to_bits() + CUT / 2) & !(CUT - 1))
}

/// Which rung (from 1) was the last to be reached; 0 before the first.
fn reached(at: f64, length: f64) -> f64 {
    (PARTS * (at + SLACK) / length).floor().min(RUNGS as f64)
}

/// Whether a report is the first at or behind a rung, and not too late to decide.
pub(super) fn is_due(before: Option<f64>, at: f64, length: f64) -> bool {
    let rung = reached(at, length);
    rung >= 1.0 && at <= LATEST * length + SLACK && before.is_none_or(|before| reached(before, length) < rung)
}

/// The places of a whole length.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rungs {
    places: Vec<f64>,
    /// The whole length (R).
    pub length: f64,
}

impl Rungs {
    /// From a place on. `whole`: everybody reports at whole numbers, so that places are whole numbers, too.
    pub fn new(length: f64, from: f64, whole: bool) -> Rungs {
        let place = |k: usize| {
            let place = k as f64 * length / PARTS;
            if whole { (place - SLACK).ceil() } else { place }
        };
        let fits = |place: &f64| *place <= LATEST * length + SLACK && is_up_to(from, *place);
        let mut places: Vec<f64> = (1..=RUNGS).map(place).filter(fits).collect();
        places.dedup();
        Rungs { places, length }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Where the rung is; the end behind the last.
    pub fn place(&self, rung: usize) -> f64 {
        self.places.get(rung).copied().unwrap_or(self.length)
    }

    /// The last rung that is reached at a place.
    pub fn last_at(&self, at: f64) -> Option<usize> {
        self.places.partition_point(|place| *place <= at + SLACK).checked_sub(1)
    }

    /// The share of the whole length from a rung to the next, or to the end.
    pub fn cost_of_next(&self, rung: usize) -> f64 {
        (self.place(rung + 1) - self.place(rung)) / self.length
    }

    /// The share of the whole length from a rung to the end.
    pub fn cost_of_all(&self, rung: usize) -> f64 {
        (self.length - self.place(rung)) / self.length
    }
}

/// Whether a position lies at or before a place.
pub(super) fn is_up_to(at: f64, place: f64) -> bool {
    at <= place + SLACK
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(length: f64, positions: &[f64]) -> Vec<f64> {
        let before = |i: usize| i.checked_sub(1).map(|i: usize| positions[i]);
        let is = |i: &usize| is_due(before(*i), positions[*i], length);
        (0..positions.len()).filter(is).map(|i| positions[i]).collect()
    }

    #[test]
    fn a_decision_is_due_at_the_first_report_at_or_behind_a_twentieth() {
        let whole: Vec<f64> = (1..=49).map(f64::from).collect();
        let rungs = Rungs::new(49.0, 1.0, true);
        assert_eq!(due(49.0, &whole), rungs.places);
        assert_eq!(
            rungs.places,
            [3.0, 5.0, 8.0, 10.0, 13.0, 15.0, 18.0, 20.0, 23.0, 25.0, 27.0, 30.0, 32.0, 35.0, 37.0]
        );
        assert_eq!((rungs.last_at(2.0), rungs.last_at(3.0), rungs.last_at(36.0)), (None, Some(0), Some(13)));
        assert_eq!(due(49.0, &[10.0, 11.0, 30.0, 45.0]), [10.0, 30.0], "45 of 49 is too late");
    }

    #[test]
    fn lengths_that_differ_in_their_last_digits_are_one() {
        for (length, same) in [(49.0, 49.0), (8191.0, 8191.0), (4.0 - 1e-9, 4.0), (1.0 / 3.0, 1.0 / 3.0 + 1e-9)] {
            assert_eq!(rounded(length), rounded(same));
            assert!((rounded(length) - length).abs() <= length / 8192.0);
        }
        assert_eq!([49.0, 8191.0, 0.5].map(rounded), [49.0, 8191.0, 0.5]);
    }

    #[test]
    fn short_and_fractional_lengths_have_rungs_too() {
        assert_eq!(Rungs::new(10.0, 1.0, true).places, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(due(10.0, &(1..=10).map(f64::from).collect::<Vec<_>>()), Rungs::new(10.0, 1.0, true).places);
        let fractions: Vec<f64> = (1..=20).map(|i| f64::from(i) / 20.0).collect();
        assert_eq!(due(1.0, &fractions), fractions[..15]);
        let parts = Rungs::new(1.0, 0.0, false);
        assert_eq!((parts.len(), parts.last_at(0.1), parts.place(15)), (15, Some(1), 1.0));
        assert!((parts.cost_of_all(14) - 0.25).abs() < 1e-12 && (parts.cost_of_next(14) - 0.25).abs() < 1e-12);
        assert_eq!(Rungs::new(1.0, 0.0, true).len(), 0);
        assert_eq!(Rungs::new(100.0, 62.0, false).places, [65.0, 70.0, 75.0], "nobody had a value before 62");
    }
}
