//! Two parts of the data: one to learn from, one to judge by.

use std::ops::Range;

use ndarray::{Array1, Array2, Axis};

use crate::data::Data;
use crate::model::Rows;

/// Share of the rows to learn from, in percent.
const TRAIN_PERCENT: usize = 70;

/// The seed of the split that all trials share, so that their errors can be compared.
pub const SEED: u64 = 42;

/// One part: rows in the order of use, and their targets.
pub struct Part {
    /// Standardised features, a row a wine, in C order.
    pub x: Array2<f64>,
    /// Targets, as they are.
    pub y: Array1<f64>,
}

impl Part {
    /// Some of the rows, for a model.
    pub fn rows(&self, range: Range<usize>) -> Rows<'_> {
        let in_order = "the arrays are made in C order";
        let features = self.x.ncols();
        let x = &self.x.as_slice().expect(in_order)[range.start * features..range.end * features];
        Rows { x, y: &self.y.as_slice().expect(in_order)[range], features, order: None }
    }

    /// All of them.
    pub fn all(&self) -> Rows<'_> {
        self.rows(0..self.y.len())
    }
}

/// Both parts.
pub struct Split {
    /// 70 % of the rows.
    pub train: Part,
    /// The other 30 %.
    pub validation: Part,
}

impl Split {
    /// Splits at random.
    pub fn new(data: &Data, seed: u64) -> Split {
        let order = shuffled(data.records.nrows(), seed);
        let (train, validation) = order.split_at(order.len() * TRAIN_PERCENT / 100);
        Split::of_rows(data, train, validation)
    }

    /// Takes these rows, and standardises both parts by the mean and spread of the training rows alone: the rows to judge
    /// by must not be seen in any way.
    pub fn of_rows(data: &Data, train: &[usize], validation: &[usize]) -> Split {
        let x = data.records.select(Axis(0), train);
        let scaler = Scaler::of(&x);
        let part = |x, rows: &[usize]| Part { x: scaler.apply(x), y: data.targets.select(Axis(0), rows) };
        Split { train: part(x, train), validation: part(data.records.select(Axis(0), validation), validation) }
    }
}

/// Mean and spread of each feature.
pub struct Scaler {
    /// Mean.
    pub mean: Array1<f64>,
    /// Population standard deviation (divided by n); 1 where the feature is constant.
    pub scale: Array1<f64>,
}

impl Scaler {
    /// The scaler of these rows.
    pub fn of(x: &Array2<f64>) -> Scaler {
        let mean = x.mean_axis(Axis(0)).expect("a split has at least one row");
        let scale = x.std_axis(Axis(0), 0.0).mapv(|scale| if scale == 0.0 { 1.0 } else { scale });
        Scaler { mean, scale }
    }

    /// (x - mean) / scale.
    pub fn apply(&self, x: Array2<f64>) -> Array2<f64> {
        (x - &self.mean) / &self.scale
    }
}

/// 0 to `n - 1` in an order that depends on the seed only (Fisher and Yates).
pub fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut random = SplitMix(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        order.swap(last, random.below(last as u64 + 1) as usize);
    }
    order
}

/// SplitMix64 (Steele, Lea, Flood 2014): a few lines, and the same numbers on every machine.
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next 64 bits.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`. The bias of taking the upper half of a product is below n / 2^64.
    pub fn below(&mut self, n: u64) -> u64 {
        ((self.next() as u128 * n as u128) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::red_wine;

    #[test]
    fn every_row_is_in_one_part() {
        let split = Split::new(&red_wine().data, SEED);
        assert_eq!((split.train.x.nrows(), split.validation.x.nrows()), (1119, 480));
        let mut order = shuffled(1599, SEED);
        assert_ne!(order[..5], [0, 1, 2, 3, 4]);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..1599));
    }

    #[test]
    fn the_generator_gives_the_published_numbers() {
        // The first outputs for seed 1234567 in the reference implementation (prng.di.unimi.it/splitmix64.c).
        let mut random = SplitMix(1_234_567);
        assert_eq!([random.next(), random.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn training_rows_are_standardised_and_the_others_follow() {
        let split = Split::new(&red_wine().data, SEED);
        let scaler = Scaler::of(&split.train.x);
        assert!(scaler.mean.iter().all(|mean| mean.abs() < 1e-9));
        assert!(scaler.scale.iter().all(|scale| (scale - 1.0).abs() < 1e-9));
        let other = Scaler::of(&split.validation.x);
        assert!(other.mean.iter().any(|mean| mean.abs() > 1e-3), "standardised by its own rows");
    }

    #[test]
    fn a_constant_feature_stays_finite() {
        let x = Array2::from_elem((3, 1), 7.0);
        assert_eq!(Scaler::of(&x).apply(x), Array2::<f64>::zeros((3, 1)));
    }
}
