//! Data: the red wine set, as the crate `linfa-datasets` carries it, and files in the formats of OpenML.
//!
//! 1599 red wines, 11 measured properties, and a grade from 3 to 8 that the trainer learns to foretell
//! (Cortez and others 2009, CC BY 4.0). 240 rows repeat an earlier row, as in the original.

mod arff;
mod file;
mod frame;

use linfa::Dataset;
use ndarray::Ix1;

pub use file::read_arff;
pub use frame::{Frame, Kind};

/// Rows are wines in the order of the file, columns their properties, targets their grades.
pub type Data = Dataset<f64, f64, Ix1>;

/// The red wine data. The crate holds the grades as classes; for regression they are numbers again.
pub fn red_wine() -> Data {
    linfa_datasets::winequality().map_targets(|grade| *grade as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_carries_the_whole_set() {
        let data = red_wine();
        assert_eq!((data.records.nrows(), data.records.ncols(), data.feature_names().len()), (1599, 11, 11));
        assert!(data.records.iter().all(|value| value.is_finite()));
        let count = |grade: f64| data.targets.iter().filter(|target| **target == grade).count();
        let counts = [3.0, 4.0, 5.0, 6.0, 7.0, 8.0].map(count);
        assert_eq!(counts, [10, 53, 681, 638, 199, 18]);
    }
}
