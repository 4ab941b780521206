//! The inner loops: one model, or up to sixteen side by side in the lanes of vector registers.
//!
//! A sum runs over the features in their order, whatever the lanes: each lane is a model of its own, and vectors go
//! across the models, never along the sum. So every bit is that of the plain loop, as scikit-learn has it. Nothing is
//! fused either: a multiply-add would round once where it has to round twice.

use super::loss::LossFunction;

/// The gradient is cut to plus or minus this (scikit-learn's `MAX_DLOSS`): a diverging model grows huge, not infinite.
const MAX_SLOPE: f64 = 1e12;

/// Below this the common factor of the weights is multiplied out, lest it vanish (scikit-learn's, for doubles).
const MIN_FACTOR: f64 = 1e-9;

/// Rows of a batch, one after the other in memory, and their targets.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// All features of the first row, then of the second, and so on.
    pub x: &'a [f64],
    /// One target a row: a number, or the place of a class.
    pub y: &'a [f64],
    /// Features a row.
    pub features: usize,
    /// Order of use; without it, that of memory.
    pub order: Option<&'a [u32]>,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn at(&self, place: usize) -> (&'a [f64], f64) {
        let row = self.order.map_or(place, |order| order[place] as usize);
        (&self.x[row * self.features..(row + 1) * self.features], self.y[row])
    }
}

/// What a lane has to say about a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The number itself.
    Number,
    /// 1 for class 1, -1 for class 0.
    Sign,
    /// 1 for the class of this place plus the lane, else -1.
    OneOf(usize),
}

impl Answer {
    /// The answer of one lane.
    #[inline(always)]
    pub fn of(self, target: f64, lane: usize) -> f64 {
        match self {
            Answer::Number => target,
            Answer::Sign => {
                if target == 1.0 {
                    1.0
                } else {
                    -1.0
                }
            }
            Answer::OneOf(first) => {
                if target == (first + lane) as f64 {
                    1.0
                } else {
                    -1.0
                }
            }
        }
    }
}

/// Something to be compiled for several kinds of processors.
pub trait Job {
    /// What comes out.
    type Output;
    /// Does it; has to be `inline(always)`, or it is compiled for the plainest processor only.
    fn run(self) -> Self::Output;
}

/// Runs a job with the widest vectors that this processor has.
#[inline]
pub fn run<J: Job>(job: J) -> J::Output {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f")]
        fn with_avx512<J: Job>(job: J) -> J::Output {
            job.run()
        }
        #[target_feature(enable = "avx2")]
        fn with_avx2<J: Job>(job: J) -> J::Output {
            job.run()
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: this processor has AVX-512F.
            return unsafe { with_avx512(job) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: this processor has AVX2.
            return unsafe { with_avx2(job) };
        }
    }
    job.run()
}

/// One update a row, for `N` models side by side.
pub struct Fit<'a, const N: usize, L> {
    /// For each feature, the models' weights.
    pub weights: &'a mut [[f64; N]],
    /// Each model's prediction where all features are 0. Never penalised.
    pub intercept: &'a mut [f64; N],
    /// How many of the models there are; the rest is there to fill the vectors, and stays 0.
    pub models: usize,
    /// The rows.
    pub rows: Rows<'a>,
    /// What the targets mean.
    pub answer: Answer,
    /// Learning rate.
    pub learning_rate: f64,
    /// Strength of the L2 penalty.
    pub alpha: f64,
    /// The loss.
    pub loss: std::marker::PhantomData<L>,
}

impl<const N: usize, L: LossFunction> Job for Fit<'_, N, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Fit { weights, intercept, models, rows, answer, learning_rate, alpha, .. } = self;
        let shrink = (1.0 - learning_rate * alpha).max(0.0);
        // The weights are `weights * factor`: the penalty shrinks one number instead of all.
        let mut factor = 1.0;
        // A row's update is put off until the next row's sum, so that the weights are gone through once a row.
        let mut last: Option<(&[f64], [f64; N])> = None;
        for place in 0..rows.y.len() {
            let (row, target) = rows.at(place);
            let sums = match &last {
                Some((before, change)) => add_and_dot(weights, before, *change, row),
                None => dot(weights, row),
            };
            let mut update = [0.0; N];
            for lane in 0..models.min(N) {
                let p = sums[lane] * factor + intercept[lane];
                let slope = L::slope(p, answer.of(target, lane)).clamp(-MAX_SLOPE, MAX_SLOPE);
                update[lane] = -learning_rate * slope;
            }
            factor *= shrink;
            if factor < MIN_FACTOR {
                scale(weights, factor);
                factor = 1.0;
            }
            for lane in 0..N {
                intercept[lane] += update[lane];
                update[lane] /= factor;
            }
            last = Some((row, update));
        }
        if let Some((row, change)) = last {
            add_and_scale(weights, row, change, factor);
        }
    }
}

/// Each row's sums of products with `N` models' weights, given to `each` with the row's place and target.
pub struct Project<'a, const N: usize, F> {
    /// For each feature, the models' weights.
    pub weights: &'a [[f64; N]],
    /// The rows.
    pub rows: Rows<'a>,
    /// Takes what comes out.
    pub each: F,
}

impl<const N: usize, F: FnMut(usize, f64, &[f64; N])> Job for Project<'_, N, F> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let count = self.rows.y.len();
        // A sum waits for its own last addition; three rows at a time, and something is always ready.
        let threes = count - count % 3;
        for place in (0..threes).step_by(3) {
            let rows = [self.rows.at(place), self.rows.at(place + 1), self.rows.at(place + 2)];
            let sums = dot_of_three(self.weights, rows.map(|(row, _)| row));
            for (offset, (_, target)) in rows.iter().enumerate() {
                (self.each)(place + offset, *target, &sums[offset]);
            }
        }
        for place in threes..count {
            let (row, target) = self.rows.at(place);
            (self.each)(place, target, &dot(self.weights, row));
        }
    }
}

// In the loops below a feature's values are copied before anything is stored, and a block is stored as a whole. Else the
// compiler has to reckon with a store that changes what is read next, and makes one lane after the other.

#[inline(always)]
fn dot<const N: usize>(weights: &[[f64; N]], row: &[f64]) -> [f64; N] {
    let mut sums = [0.0; N];
    for (weights, value) in weights.iter().zip(row) {
        sums = plus(sums, *weights, *value);
    }
    sums
}

#[inline(always)]
fn dot_of_three<const N: usize>(weights: &[[f64; N]], rows: [&[f64]; 3]) -> [[f64; N]; 3] {
    let [mut first, mut second, mut third] = [[0.0; N]; 3];
    let values = rows[0].iter().zip(rows[1]).zip(rows[2]);
    for (weights, ((a, b), c)) in weights.iter().zip(values) {
        first = plus(first, *weights, *a);
        second = plus(second, *weights, *b);
        third = plus(third, *weights, *c);
    }
    [first, second, third]
}

#[inline(always)]
fn add_and_scale<const N: usize>(weights: &mut [[f64; N]], row: &[f64], change: [f64; N], factor: f64) {
    for (weights, value) in weights.iter_mut().zip(row) {
        *weights = plus(*weights, change, *value).map(|weight| weight * factor);
    }
}

#[inline(always)]
fn add_and_dot<const N: usize>(weights: &mut [[f64; N]], before: &[f64], change: [f64; N], row: &[f64]) -> [f64; N] {
    let mut sums = [0.0; N];
    for ((weights, old), value) in weights.iter_mut().zip(before).zip(row) {
        let new = plus(*weights, change, *old);
        sums = plus(sums, new, *value);
        *weights = new;
    }
    sums
}

/// `to + of * value` in each lane, rounded twice.
#[inline(always)]
fn plus<const N: usize>(mut to: [f64; N], of: [f64; N], value: f64) -> [f64; N] {
    for lane in 0..N {
        to[lane] += of[lane] * value;
    }
    to
}

#[inline(always)]
fn scale<const N: usize>(weights: &mut [[f64; N]], factor: f64) {
    for weight in weights.as_flattened_mut() {
        *weight *= factor;
    }
}
