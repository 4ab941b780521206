//! What all have at one place of the axis, in the order of their values.

use std::cmp::Ordering;

use super::field::Fold;
use crate::model::Mode;

/// The values at one place, ascending; who may still come is remembered, so that nobody is read twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Column {
    entries: Vec<(f64, usize)>,
    /// Units with NaN there.
    nan: Vec<usize>,
    waiting: Vec<usize>,
    seen: usize,
}

impl Column {
    /// From now on there are so many units.
    pub fn take_up_to(&mut self, units: usize) {
        self.waiting.extend(self.seen..units);
        self.seen = units;
    }

    /// Asks again for everybody who has not come so far.
    pub fn fold(&mut self, mut read: impl FnMut(usize) -> Fold) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let known = self.entries.len();
        waiting.retain(|unit| match read(*unit) {
            Fold::NotYet => true,
            Fold::Never => false,
            Fold::Value(value) if value.is_nan() => {
                self.nan.push(*unit);
                false
            }
            Fold::Value(value) => {
                self.entries.push((value, *unit));
                false
            }
        });
        self.waiting = waiting;
        match self.entries.len() - known {
            0 => {}
            // Most often one has come: it is put where it belongs.
            1 => {
                let one = self.entries.remove(known);
                let place = self.entries.partition_point(|other| order(other, &one).is_lt());
                self.entries.insert(place, one);
            }
            _ => self.entries.sort_unstable_by(order),
        }
    }
}

/// By value, equal values by unit, so that one is found among many ties. There is no NaN among them; -0 and 0 are equal.
fn order((a, of_a): &(f64, usize), (b, of_b): &(f64, usize)) -> Ordering {
    a.partial_cmp(b).unwrap_or(Ordering::Equal).then(of_a.cmp(of_b))
}

/// How the others rank at one place: values ascending (higher is better), NaN left out.
#[derive(Clone, Copy, Debug)]
pub struct Ranked<'c> {
    column: &'c Column,
    /// Where the one who asks stands in it.
    own: Option<usize>,
    but: usize,
}

impl<'c> Ranked<'c> {
    /// `value` is what the one who asks has there, if anything.
    pub(super) fn new(column: &'c Column, but: usize, value: Option<f64>) -> Ranked<'c> {
        let find = |value: f64| {
            let place = column.entries.partition_point(|entry| order(entry, &(value, but)).is_lt());
            column.entries.get(place).filter(|(v, u)| *v == value && *u == but).map(|_| place)
        };
        Ranked { column, own: value.and_then(find), but }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.column.entries.len() - usize::from(self.own.is_some())
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many others are there with NaN.
    pub fn nan(&self) -> usize {
        self.column.nan.iter().filter(|unit| **unit != self.but).count()
    }

    fn entry(&self, place: usize) -> (f64, usize) {
        let shift = usize::from(self.own.is_some_and(|own| place >= own));
        self.column.entries[place + shift]
    }

    /// Values and units, ascending.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (f64, usize)> + '_ {
        (0..self.len()).map(|place| self.entry(place))
    }

    /// The values, ascending.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = f64> + '_ {
        self.entries().map(|(value, _)| value)
    }

    /// The best of them.
    pub fn best(&self) -> Option<f64> {
        self.len().checked_sub(1).map(|last| self.entry(last).0)
    }

    /// The middle one, or the mean of the two in the middle.
    pub fn median(&self) -> Option<f64> {
        self.percentile(50.0)
    }

    /// The middle one, or the lower (worse) of the two in the middle.
    pub fn lower_median(&self) -> Option<f64> {
        self.len().checked_sub(1).map(|last| self.entry(last / 2).0)
    }

    /// The `p`-th percentile (0 to 100) on the straight line between neighbours, as numpy's default.
    pub fn percentile(&self, p: f64) -> Option<f64> {
        let last = self.len().checked_sub(1)?;
        let place = (p / 100.0).clamp(0.0, 1.0) * last as f64;
        let (below, above) = (self.entry(place.floor() as usize).0, self.entry(place.ceil() as usize).0);
        Some(lerp(below, above, place.fract()))
    }

    /// The `p`-th percentile of the values as they were reported, to the last bit that of numpy: a straight line from the
    /// other end is not always the same number.
    pub fn raw_percentile(&self, p: f64, mode: Mode) -> Option<f64> {
        let last = self.len().checked_sub(1)?;
        if mode == Mode::Max {
            return self.percentile(p);
        }
        let place = (p / 100.0).clamp(0.0, 1.0) * last as f64;
        let raw = |place: f64| -self.entry(last - place as usize).0;
        Some(lerp(raw(place.floor()), raw(place.ceil()), place.fract()))
    }

    /// How many are better than `value`.
    pub fn above(&self, value: f64) -> usize {
        let place = self.column.entries.partition_point(|(v, _)| *v <= value);
        let own_is_above = self.own.is_some_and(|own| own >= place);
        self.column.entries.len() - place - usize::from(own_is_above)
    }
}

/// As numpy does it: from the nearer end, so that equal neighbours give exactly their value.
fn lerp(a: f64, b: f64, t: f64) -> f64 {
    let diff = b - a;
    if a == b || t == 0.0 {
        // Where they are infinite, the line is not a number.
        return a;
    }
    if t >= 0.5 { b - diff * (1.0 - t) } else { a + diff * t }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[f64]) -> Column {
        let mut column = Column::default();
        column.take_up_to(values.len());
        column.fold(|unit| Fold::Value(values[unit]));
        column
    }

    impl Column {
        fn median_of_all(&self) -> Option<f64> {
            Ranked::new(self, usize::MAX, None).median()
        }
    }

    #[test]
    fn the_one_who_asks_is_left_out() {
        let c = column(&[0.3, 0.1, 0.2, f64::NAN]);
        let others = Ranked::new(&c, 2, Some(0.2));
        assert_eq!(others.values().collect::<Vec<_>>(), [0.1, 0.3]);
        assert_eq!((others.len(), others.nan(), others.best()), (2, 1, Some(0.3)));
        assert_eq!((others.above(0.2), others.above(0.3), others.above(0.0)), (1, 0, 2));
        assert_eq!(Ranked::new(&c, 0, Some(0.3)).above(0.0), 2);
    }

    #[test]
    fn whoever_comes_later_stands_in_order() {
        let values = [0.5, 0.5, f64::NAN, 0.0, -0.0, f64::INFINITY, 0.5, 0.1];
        let mut one_by_one = Column::default();
        for units in 1..=values.len() {
            one_by_one.take_up_to(units);
            one_by_one.fold(|unit| Fold::Value(values[unit]));
        }
        let mut late = column(&values[..3]);
        late.take_up_to(values.len());
        late.fold(|unit| if unit < 5 { Fold::NotYet } else { Fold::Value(values[unit]) });
        late.fold(|unit| Fold::Value(values[unit]));
        for c in [&one_by_one, &late, &column(&values)] {
            let units: Vec<usize> = Ranked::new(c, 2, None).entries().map(|(_, unit)| unit).collect();
            assert_eq!(units, [3, 4, 7, 0, 1, 6, 5]);
            let others = Ranked::new(c, 1, Some(0.5));
            assert_eq!((others.len(), others.nan(), others.above(0.5), others.above(0.1)), (6, 1, 1, 3));
        }
    }

    #[test]
    fn percentiles_are_those_of_numpy() {
        // numpy.percentile([1, 2, 4, 8], [0, 25, 50, 80, 100])
        let c = column(&[8.0, 1.0, 4.0, 2.0]);
        let r = Ranked::new(&c, usize::MAX, None);
        let seen: Vec<f64> = [0.0, 25.0, 50.0, 80.0, 100.0].iter().filter_map(|p| r.percentile(*p)).collect();
        assert_eq!(seen, [1.0, 1.75, 3.0, 5.600000000000001, 8.0]);
        assert_eq!(r.lower_median(), Some(2.0));
        // numpy.percentile([-8, -1, -4, -2], [0, 25, 80])
        let raw: Vec<f64> = [0.0, 25.0, 80.0].iter().filter_map(|p| r.raw_percentile(*p, Mode::Min)).collect();
        assert_eq!(raw, [-8.0, -5.0, -1.5999999999999996]);
        assert_eq!(column(&[f64::INFINITY, 1.0, 1.0]).median_of_all(), Some(1.0));
        assert_eq!(column(&[f64::INFINITY, f64::INFINITY]).median_of_all(), Some(f64::INFINITY));
        assert_eq!(Ranked::new(&column(&[]), 0, None).median(), None);
    }
}
