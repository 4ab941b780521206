//! Support vector regression with nu (Schölkopf et al. 2000) and a Gaussian kernel, as Baker et al. (2017) use it.
//!
//! Own work, for the one in linfa-svm 0.8.1 lets go of the constraint that makes it nu: what it finds is the regression with
//! a tube of width 0, the same for every nu. The dual is solved by sequential minimal optimisation, which keeps both of its
//! constraints by moving weight within one of the two groups of variables only (Chang and Lin 2002).

use linfa::DatasetBase;
use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array1, Array2, ArrayView1};

/// So much may the optimality conditions still be violated; libsvm's default.
const TOLERANCE: f64 = 1e-3;

/// Steps at most, for each row: a problem that takes more is as good as solved, or has settings that no search will pick.
const STEPS: usize = 300;

/// Settings of a regression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NuSvr {
    /// How much an error outside of the tube counts.
    pub c: f64,
    /// The share of rows that may lie outside of the tube; 0 to 1.
    pub nu: f64,
    /// The kernel is `exp(-gamma |a - b|^2)`.
    pub gamma: f64,
}

/// A regression that was fitted.
#[derive(Clone, Debug)]
pub struct NuSvrFit {
    gamma: f64,
    offset: f64,
    /// Rows that bear weight.
    support: Array2<f64>,
    weights: Vec<f64>,
}

impl Fit<Array2<f64>, Array1<f64>, linfa::Error> for NuSvr {
    type Object = NuSvrFit;

    fn fit(&self, data: &DatasetBase<Array2<f64>, Array1<f64>>) -> Result<NuSvrFit, linfa::Error> {
        let rows = data.records();
        let squares = distances(rows);
        let (weights, offset) = Dual::new(self, &squares, data.targets()).solve();
        let bears: Vec<usize> = (0..rows.nrows()).filter(|i| weights[*i] != 0.0).collect();
        let support = rows.select(ndarray::Axis(0), &bears);
        Ok(NuSvrFit { gamma: self.gamma, offset, support, weights: bears.iter().map(|i| weights[*i]).collect() })
    }
}

impl NuSvrFit {
    /// Its value at a row.
    pub fn value(&self, row: ArrayView1<'_, f64>) -> f64 {
        let near = |support: ArrayView1<'_, f64>| (-self.gamma * (&support - &row).pow2().sum()).exp();
        self.offset + self.support.rows().into_iter().zip(&self.weights).map(|(s, w)| w * near(s)).sum::<f64>()
    }
}

impl PredictInplace<Array2<f64>, Array1<f64>> for NuSvrFit {
    fn predict_inplace(&self, rows: &Array2<f64>, into: &mut Array1<f64>) {
        into.iter_mut().zip(rows.rows()).for_each(|(value, row)| *value = self.value(row));
    }

    fn default_target(&self, rows: &Array2<f64>) -> Array1<f64> {
        Array1::zeros(rows.nrows())
    }
}

/// Squared distances between rows.
fn distances(rows: &Array2<f64>) -> Array2<f64> {
    let products = rows.dot(&rows.t());
    Array2::from_shape_fn(products.raw_dim(), |(i, j)| {
        (products[[i, i]] + products[[j, j]] - 2.0 * products[[i, j]]).max(0.0)
    })
}

/// The dual problem. `up` pulls the function up at a row that lies above the tube, `down` pulls it down at one below: two
/// groups of variables from 0 to C, each of which adds up to `C nu n / 2`.
struct Dual<'t> {
    kernel: Array2<f64>,
    targets: &'t Array1<f64>,
    c: f64,
    up: Vec<f64>,
    down: Vec<f64>,
    /// The function without its offset, at every row.
    values: Vec<f64>,
}

/// Two variables of one group to move weight between.
struct Pair {
    to: usize,
    from: usize,
    violation: f64,
}

impl Dual<'_> {
    fn new<'t>(settings: &NuSvr, squares: &Array2<f64>, targets: &'t Array1<f64>) -> Dual<'t> {
        let kernel = squares.mapv(|square| (-settings.gamma * square).exp());
        let mut left = settings.c * settings.nu.clamp(0.0, 1.0) * targets.len() as f64 / 2.0;
        let start: Vec<f64> = (0..targets.len())
            .map(|_| {
                // What rounding leaves of the last weight is none.
                let weight = if left > 1e-9 * settings.c { left.min(settings.c) } else { 0.0 };
                left -= weight;
                weight
            })
            .collect();
        // Both groups start alike, so the function starts at 0.
        Dual { kernel, targets, c: settings.c, down: start.clone(), values: vec![0.0; targets.len()], up: start }
    }

    /// The slope of the objective along a variable of a group.
    fn slope(&self, is_up: bool, row: usize) -> f64 {
        let slope = self.values[row] - self.targets[row];
        if is_up { slope } else { -slope }
    }

    /// The two variables of a group that gain most.
    fn worst(&self, is_up: bool) -> Option<Pair> {
        let group = if is_up { &self.up } else { &self.down };
        let (mut to, mut from) = ((f64::INFINITY, None), (f64::NEG_INFINITY, None));
        for (row, weight) in group.iter().enumerate() {
            let slope = self.slope(is_up, row);
            if *weight < self.c && slope < to.0 {
                to = (slope, Some(row));
            }
            if *weight > 0.0 && slope > from.0 {
                from = (slope, Some(row));
            }
        }
        Some(Pair { to: to.1?, from: from.1?, violation: from.0 - to.0 })
    }

    fn step(&mut self, is_up: bool, Pair { to, from, violation }: Pair) {
        let curvature = self.kernel[[to, to]] + self.kernel[[from, from]] - 2.0 * self.kernel[[to, from]];
        let group = if is_up { &mut self.up } else { &mut self.down };
        let moved = (violation / curvature.max(1e-12)).min(self.c - group[to]).min(group[from]);
        // What reaches a bound is set to it, so that rounding leaves nothing behind.
        group[to] = if moved >= self.c - group[to] { self.c } else { group[to] + moved };
        group[from] = if moved >= group[from] { 0.0 } else { group[from] - moved };
        let moved = if is_up { moved } else { -moved };
        let rows = self.kernel.row(to).into_iter().zip(self.kernel.row(from));
        self.values.iter_mut().zip(rows).for_each(|(value, (to, from))| *value += moved * (to - from));
    }

    /// Weights of the rows, and the offset.
    fn solve(mut self) -> (Vec<f64>, f64) {
        for _ in 0..STEPS * self.targets.len() {
            let [up, down] = [true, false].map(|is_up| self.worst(is_up));
            let violation = |pair: &Option<Pair>| pair.as_ref().map_or(0.0, |pair| pair.violation);
            let is_up = violation(&up) >= violation(&down);
            match if is_up { up } else { down } {
                Some(pair) if pair.violation > TOLERANCE => self.step(is_up, pair),
                _ => break,
            }
        }
        let offset = (self.level(false) - self.level(true)) / 2.0;
        (self.up.iter().zip(&self.down).map(|(up, down)| up - down).collect(), offset)
    }

    /// The slope that all free variables of a group have in common at the optimum; where none is free, the middle of what is
    /// possible.
    fn level(&self, is_up: bool) -> f64 {
        let group = if is_up { &self.up } else { &self.down };
        let (mut sum, mut count, mut low, mut high) = (0.0, 0.0, f64::NEG_INFINITY, f64::INFINITY);
        for (row, weight) in group.iter().enumerate() {
            let slope = self.slope(is_up, row);
            if *weight >= self.c {
                low = low.max(slope);
            } else if *weight <= 0.0 {
                high = high.min(slope);
            } else {
                (sum, count) = (sum + slope, count + 1.0);
            }
        }
        match (count > 0.0, low.is_finite(), high.is_finite()) {
            (true, _, _) => sum / count,
            (_, true, true) => (low + high) / 2.0,
            (_, true, false) => low,
            (_, false, true) => high,
            (_, false, false) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linfa::Dataset;
    use linfa::traits::Predict;
    use ndarray::array;

    /// Rows and targets of a dozen.
    fn data() -> Dataset<f64, f64, ndarray::Ix1> {
        let x = Array2::from_shape_fn((12, 2), |(i, j)| if j == 0 { i as f64 / 4.0 } else { (i as f64).cos() });
        let y = Array1::from_shape_fn(12, |i| (i as f64 / 3.0).sin() + 0.3 * ((i * 7 % 5) as f64 / 5.0 - 0.4));
        Dataset::new(x, y)
    }

    #[test]
    fn it_is_the_one_of_scikit_learn() {
        // sklearn.svm.NuSVR(tol=1e-10), scikit-learn 1.9.1
        let known = [
            ((1.0, 0.1, 1.0), [0.360_064_88, 0.593_886_61, 0.189_886_22]),
            ((1.0, 0.5, 0.5), [0.311_036_46, 0.947_446_73, 0.008_620_13]),
            ((1.0, 0.9, 0.5), [0.379_087_24, 0.850_487_44, 0.162_060_85]),
            ((0.1, 0.45, 2.0), [0.343_549_35, 0.448_476_53, 0.341_327_04]),
            ((10.0, 0.3, 0.2), [0.305_112_45, 0.947_214_86, -0.140_741_53]),
        ];
        for ((c, nu, gamma), values) in known {
            let fit = NuSvr { c, nu, gamma }.fit(&data()).expect("rows");
            let seen = fit.predict(&array![[0.1, 0.2], [1.3, -0.5], [2.9, 1.0]]);
            for (seen, known) in seen.iter().zip(values) {
                // Ours stops at libsvm's default tolerance, theirs at 1e-10.
                assert!((seen - known).abs() < 5e-3, "C {c} nu {nu} gamma {gamma}: {seen} is not {known}");
            }
        }
    }

    #[test]
    fn nu_bounds_the_share_of_rows_that_bear_weight_from_below() {
        for nu in [0.2, 0.5, 0.8] {
            let fit = NuSvr { c: 1.0, nu, gamma: 0.5 }.fit(&data()).expect("rows");
            assert!(fit.weights.len() as f64 >= nu * 12.0, "nu {nu}: {} of 12", fit.weights.len());
        }
    }

    #[test]
    fn rows_that_are_all_the_same_give_a_level() {
        let data = Dataset::new(Array2::zeros((5, 3)), array![1.0, 1.0, 1.0, 1.0, 1.0]);
        let fit = NuSvr { c: 1.0, nu: 0.5, gamma: 1.0 }.fit(&data).expect("rows");
        assert!((fit.value(array![0.0, 0.0, 0.0].view()) - 1.0).abs() < 1e-9);
    }
}
