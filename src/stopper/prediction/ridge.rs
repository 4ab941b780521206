//! Ridge regression: a straight line through everything, held back from what the data does not ask for.
//!
//! Seen as a Gaussian process with a linear kernel it says, too, how much less it knows of a row that lies far from all that
//! it was fitted to; how much that is in the target's unit is taken from the rows that are left out one by one (Rasmussen and
//! Williams 2006, 5.4.2). With fewer trials than features, as here most of the time, that is what keeps it honest.

use linfa::DatasetBase;
use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array1, Array2, ArrayView1, Axis};

/// Penalties that are tried, in units of the mean eigenvalue of the columns' products: 10 to the power of -4 up to 2.
const PENALTIES: std::ops::RangeInclusive<i32> = -8..=4;

/// The regression; its penalty is chosen by generalised cross-validation (Golub, Heath, Wahba 1979). Columns must have
/// mean 0, and should have one standard deviation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ridge;

/// A regression that was fitted.
#[derive(Clone, Debug)]
pub struct RidgeFit {
    offset: f64,
    weights: Array1<f64>,
    /// By how much each row would be missed by the regression on all the others.
    pub left_out: Array1<f64>,
    /// Standard deviation of a target around a line that is known.
    noise: f64,
    penalty: f64,
    /// The inverse of the penalised products; the rows, where they are the products of rows.
    inverse: Array2<f64>,
    by_rows: Option<Array2<f64>>,
}

impl Fit<Array2<f64>, Array1<f64>, linfa::Error> for Ridge {
    type Object = RidgeFit;

    fn fit(&self, data: &DatasetBase<Array2<f64>, Array1<f64>>) -> Result<RidgeFit, linfa::Error> {
        let (x, rows) = (data.records(), data.records().nrows());
        let offset = data.targets().mean().unwrap_or(0.0);
        let y = data.targets() - offset;
        let solver = Solver::new(x);
        let unit = solver.gram.diag().mean().unwrap_or(0.0).max(1e-9);
        let tried = PENALTIES.map(|half| solver.solve(x, &y, unit * 10f64.powf(f64::from(half) / 2.0)));
        let best = tried.min_by(|a, b| a.score.total_cmp(&b.score)).expect("there are penalties");
        // The offset is fitted, too: a row's own share in it is 1 / rows.
        let left = (solver.leverage(x, &best) + 1.0 / rows as f64).mapv(|h| (1.0 - h).max(1e-3));
        let left_out = (&y - &x.dot(&best.weights)) / &left;
        // A row that is left out is missed by the noise and by what the others do not know of it: 1 / (1 - h) of the noise.
        let noise = (left_out.pow2() * left).mean().unwrap_or(0.0).sqrt();
        let Solution { penalty, weights, inverse, .. } = best;
        let by_rows = solver.by_rows.then(|| x.clone());
        Ok(RidgeFit { offset, weights, left_out, noise, penalty, inverse, by_rows })
    }
}

impl RidgeFit {
    /// Its value at a row.
    pub fn value(&self, row: ArrayView1<'_, f64>) -> f64 {
        self.offset + self.weights.dot(&row)
    }

    /// The standard deviation of what comes around that value.
    pub fn deviation(&self, row: ArrayView1<'_, f64>) -> f64 {
        let unknown = match &self.by_rows {
            Some(rows) => {
                let near = rows.dot(&row);
                (row.dot(&row) - near.dot(&self.inverse.dot(&near))) / self.penalty
            }
            None => row.dot(&self.inverse.dot(&row)),
        };
        self.noise * (1.0 + unknown.max(0.0) + 1.0 / self.left_out.len() as f64).sqrt()
    }
}

impl PredictInplace<Array2<f64>, Array1<f64>> for RidgeFit {
    fn predict_inplace(&self, rows: &Array2<f64>, into: &mut Array1<f64>) {
        into.assign(&(rows.dot(&self.weights) + self.offset));
    }

    fn default_target(&self, rows: &Array2<f64>) -> Array1<f64> {
        Array1::zeros(rows.nrows())
    }
}

/// The products of columns, or of rows where there are fewer of them: whichever is the smaller system.
struct Solver {
    gram: Array2<f64>,
    by_rows: bool,
}

/// A solution for one penalty.
struct Solution {
    penalty: f64,
    weights: Array1<f64>,
    inverse: Array2<f64>,
    /// Generalised cross-validation's: smaller is better.
    score: f64,
}

impl Solver {
    fn new(x: &Array2<f64>) -> Solver {
        let by_rows = x.nrows() < x.ncols();
        Solver { gram: if by_rows { x.dot(&x.t()) } else { x.t().dot(x) }, by_rows }
    }

    fn solve(&self, x: &Array2<f64>, y: &Array1<f64>, penalty: f64) -> Solution {
        let mut system = self.gram.clone();
        system.diag_mut().mapv_inplace(|v| v + penalty);
        let inverse = invert(&system);
        let weights = match self.by_rows {
            true => x.t().dot(&inverse.dot(y)),
            false => inverse.dot(&x.t().dot(y)),
        };
        let rows = x.nrows() as f64;
        let freedom = self.gram.nrows() as f64 - penalty * inverse.diag().sum() + 1.0;
        let misses = (y - &x.dot(&weights)).pow2().sum() / rows;
        let left = 1.0 - freedom / rows;
        // All freedom used up: nothing is left to judge by.
        let score = if left > 0.0 { misses / (left * left) } else { f64::INFINITY };
        Solution { penalty, weights, inverse, score }
    }

    /// How much of each row's own target is in its fitted value.
    fn leverage(&self, x: &Array2<f64>, solution: &Solution) -> Array1<f64> {
        match self.by_rows {
            true => solution.inverse.diag().mapv(|v| 1.0 - solution.penalty * v),
            false => (&x.dot(&solution.inverse) * x).sum_axis(Axis(1)),
        }
    }
}

/// The inverse of a symmetric matrix whose eigenvalues are all positive, by Cholesky's method.
fn invert(matrix: &Array2<f64>) -> Array2<f64> {
    let size = matrix.nrows();
    let mut lower: Vec<Vec<f64>> = Vec::with_capacity(size);
    for i in 0..size {
        let mut row = Vec::with_capacity(size);
        for j in 0..=i {
            let done: f64 = match j < i {
                true => row.iter().zip(&lower[j]).map(|(a, b): (&f64, &f64)| a * b).sum(),
                false => row.iter().map(|a: &f64| a * a).sum(),
            };
            let left = matrix[[i, j]] - done;
            row.push(if j < i { left / lower[j][j] } else { left.max(1e-300).sqrt() });
        }
        lower.push(row);
    }
    // The inverse of the lower triangle, column by column; then its product with itself.
    let mut inverse = Array2::zeros((size, size));
    for column in 0..size {
        let mut solved = vec![0.0; size - column];
        for i in column..size {
            let done: f64 = solved.iter().zip(&lower[i][column..i]).map(|(a, b)| a * b).sum();
            let unit = if i == column { 1.0 } else { 0.0 };
            solved[i - column] = (unit - done) / lower[i][i];
            inverse[[i, column]] = solved[i - column];
        }
    }
    inverse.t().dot(&inverse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use linfa::Dataset;
    use linfa::traits::Predict;

    /// Columns of mean 0 that are not too alike.
    fn rows(rows: usize, columns: usize) -> Array2<f64> {
        let x = Array2::from_shape_fn((rows, columns), |(i, j)| ((i * (3 * j + 7) + j * j) % 17) as f64 / 17.0);
        let means = x.mean_axis(Axis(0)).expect("rows");
        x - means
    }

    #[test]
    fn an_inverse_times_its_matrix_is_one() {
        let x = rows(9, 5);
        let mut matrix = x.t().dot(&x);
        matrix.diag_mut().mapv_inplace(|v| v + 0.1);
        let one = matrix.dot(&invert(&matrix));
        assert!((one - Array2::<f64>::eye(5)).iter().all(|v| v.abs() < 1e-12));
    }

    #[test]
    fn a_straight_line_is_found_again() {
        let x = rows(40, 3);
        let y = x.dot(&ndarray::array![2.0, -1.0, 0.5]) + 4.0;
        let fit = Ridge.fit(&Dataset::new(x.clone(), y.clone())).expect("rows");
        assert!((fit.predict(&x) - y).iter().all(|miss| miss.abs() < 1e-3));
        assert!(fit.left_out.iter().all(|miss| miss.abs() < 2e-3));
    }

    #[test]
    fn what_a_left_out_row_is_missed_by_is_what_it_is_missed_by() {
        for (count, columns) in [(30, 4), (12, 20)] {
            let x = rows(count, columns);
            let y = Array1::from_shape_fn(count, |i| (i as f64 * 1.7).sin() + x[[i, 0]]);
            let solver = Solver::new(&x);
            assert_eq!(solver.by_rows, count < columns);
            let penalty = 0.3;
            let solution = solver.solve(&x, &y, penalty);
            let leverage = solver.leverage(&x, &solution);
            for out in [0, 5, count - 1] {
                let others: Vec<usize> = (0..count).filter(|i| *i != out).collect();
                let (xs, ys) = (x.select(Axis(0), &others), y.select(Axis(0), &others));
                let weights = Solver::new(&xs).solve(&xs, &ys, penalty).weights;
                let known = y[out] - x.row(out).dot(&weights);
                let seen = (y[out] - x.row(out).dot(&solution.weights)) / (1.0 - leverage[out]);
                assert!((seen - known).abs() < 1e-9, "{seen} is not {known}");
            }
        }
    }

    #[test]
    fn what_lies_far_from_all_rows_is_less_known_and_both_ways_say_how_much() {
        for (count, columns) in [(30, 4), (12, 20)] {
            let x = rows(count, columns);
            let y = Array1::from_shape_fn(count, |i| (i as f64 * 1.7).sin() + x[[i, 0]]);
            let fit = Ridge.fit(&Dataset::new(x.clone(), y)).expect("rows");
            let far = x.row(0).mapv(|v| 10.0 * v);
            assert!(fit.deviation(far.view()) > 2.0 * fit.deviation(x.row(0)));
            let mut products = x.t().dot(&x);
            products.diag_mut().mapv_inplace(|v| v + fit.penalty);
            let unknown = far.dot(&invert(&products).dot(&far));
            let known = fit.noise * (1.0 + unknown + 1.0 / count as f64).sqrt();
            assert!((fit.deviation(far.view()) / known - 1.0).abs() < 1e-6);
        }
    }
}
