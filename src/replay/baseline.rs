//! The baseline that every rule has to beat: train everybody for a while, then finish the best few (Egele et al. 2024, with
//! one epoch and one survivor).

use super::pool::Unit;
use super::score::Cost;
use crate::model::Mode;

/// How many are finished.
pub const FINISHED: usize = 3;

/// After which shares of the whole the best are chosen.
pub const SHARES: [f64; 5] = [0.01, 0.05, 0.10, 0.20, 0.30];

/// What it would have used, and who survives.
pub(super) fn baseline(units: &[&Unit], share: f64, mode: Mode, cost: Cost) -> (f64, Vec<bool>) {
    let whole = units.iter().map(|unit| unit.reports()).max().unwrap_or(0);
    // A whole report at least; the product of a share like 0.3 and 20 is not to be rounded up for its last bit.
    let reports = ((share * whole as f64 - 1e-9).ceil() as usize).max(1);
    let mut order: Vec<usize> = (0..units.len()).collect();
    let values: Vec<Option<f64>> = units.iter().map(|unit| unit.value_at(reports)).collect();
    order.sort_by(|a, b| {
        let (a, b) = (values[*a], values[*b]);
        match (a, b) {
            (Some(a), Some(b)) if mode.better(a, b) => std::cmp::Ordering::Less,
            (Some(a), Some(b)) if mode.better(b, a) => std::cmp::Ordering::Greater,
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    });
    let mut survives = vec![false; units.len()];
    order.iter().take(FINISHED).for_each(|place| survives[*place] = true);
    let used = units.iter().zip(&mut survives).map(|(unit, survives)| {
        // Whoever had no more to report is through already.
        *survives |= unit.reports() <= reports;
        if *survives { unit.cost(cost) } else { unit.cost_at(cost, reports) }
    });
    (used.sum(), survives)
}
