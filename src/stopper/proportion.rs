//! Limits of a proportion.

use statrs::distribution::{Beta, ContinuousCDF};

/// The exact limits of Clopper and Pearson (1934) for `k` of `n` at 95 %: with at least that probability the true proportion
/// lies between them, whatever it is. 0 to 1 without any observation.
pub fn clopper_pearson(k: u64, n: u64) -> (f64, f64) {
    const TAIL: f64 = 0.025;
    let k = k.min(n);
    let quantile = |a: u64, b: u64, p: f64| Beta::new(a as f64, b as f64).map(|beta| beta.inverse_cdf(p));
    let low = if k == 0 { Ok(0.0) } else { quantile(k, n - k + 1, TAIL) };
    let high = if k == n { Ok(1.0) } else { quantile(k + 1, n - k, 1.0 - TAIL) };
    (low.unwrap_or(0.0), high.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_scipy() {
        // scipy.stats.binomtest(k, n).proportion_ci(0.95, "exact"), SciPy 1.17
        let known = [
            (0, 10, 0.0, 0.30849710781876294),
            (1, 10, 0.0025285785444625728, 0.44501611702819543),
            (3, 40, 0.015742179851041527, 0.20386474873289898),
            (50, 100, 0.39832112950330095, 0.6016788704966991),
            (10, 10, 0.6915028921812371, 1.0),
        ];
        for (k, n, low, high) in known {
            let seen = clopper_pearson(k, n);
            assert!((seen.0 - low).abs() < 1e-9 && (seen.1 - high).abs() < 1e-9, "{k} of {n}: {seen:?}");
        }
        assert_eq!(clopper_pearson(0, 0), (0.0, 1.0));
    }
}
