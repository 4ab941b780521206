//! linfa's interface, the house's ridge regression, and how far off it is beside "as it stands".

use earlystop::stopper::Ridge;
use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, Axis, Zip};

use super::super::measure::quantile;
use super::known::{Known, Quantity};
use crate::split::{SEED, shuffled};

/// Parts of the configurations; each is foretold by the others.
const PARTS: usize = 5;

/// Trials that are foretold at least: of fewer the median error is that of one or two.
const FEWEST: usize = 20;

/// What is known of a run early, and what it came to.
#[derive(Clone, Debug)]
pub struct Example<'a> {
    /// Its configuration.
    pub group: &'a str,
    /// What was known before it began.
    pub given: Vec<f64>,
    /// What is known early.
    pub early: Known,
    /// What it came to.
    pub whole: Known,
}

/// Median absolute errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Errors {
    /// Runs that were foretold.
    pub trials: usize,
    /// Of the regression.
    pub regression: f64,
    /// Of "as it stands".
    pub last: f64,
}

/// One row of the regression.
struct Row<'a> {
    group: &'a str,
    columns: Vec<f64>,
    last: f64,
    target: f64,
}

impl<'a> Row<'a> {
    /// None where the quantity is not known early, or in the end.
    fn of(one: &Example<'a>, quantity: Quantity) -> Option<Row<'a>> {
        let (last, target) = (one.early.get(quantity)?, one.whole.get(quantity)?);
        let squares = one.given.iter().map(|x| x * x);
        let columns = one.given.iter().copied().chain(squares).chain(one.early.columns()).collect();
        Some(Row { group: one.group, columns, last, target })
    }
}

/// How far off a quantity is foretold; folds of a configuration are never on both sides. What is fitted is what is still to
/// come, the difference to "as it stands": a regression that finds nothing says the latter and what is usual beside it.
/// None where too few trials are known early: they may be over before anybody looks at them.
pub fn errors(examples: &[Example<'_>], quantity: Quantity) -> Option<Errors> {
    let rows: Vec<Row<'_>> = examples.iter().filter_map(|one| Row::of(one, quantity)).collect();
    let mut groups: Vec<&str> = rows.iter().map(|one| one.group).collect();
    groups.sort_unstable();
    groups.dedup();
    if groups.len() < 2 || rows.len() < FEWEST {
        return None;
    }
    // Not by their names, which are in the order of the hyperparameters: each part would be one alpha.
    let places = shuffled(groups.len(), SEED);
    let part = |one: &Row<'_>| groups.binary_search(&one.group).map_or(0, |group| places[group]) % PARTS;
    let error = |guess: f64, one: &Row<'_>| quantity.miss(guess, one.target);
    let mut off = Vec::new();
    for held_out in 0..PARTS.min(groups.len()) {
        let (test, train): (Vec<_>, Vec<_>) = rows.iter().partition(|one| part(one) == held_out);
        let guess = fitted(&train)?;
        off.extend(test.into_iter().map(|one| error(one.last + guess(&one.columns), one)));
    }
    let last: Vec<f64> = rows.iter().map(|one| error(one.last, one)).collect();
    Some(Errors { trials: rows.len(), regression: quantile(&off, 0.5)?, last: quantile(&last, 0.5)? })
}

/// The regression of what is still to come.
fn fitted(train: &[&Row<'_>]) -> Option<impl Fn(&[f64]) -> f64> {
    let x = Array2::from_shape_fn((train.len(), train.first()?.columns.len()), |(i, j)| train[i].columns[j]);
    let mean = x.mean_axis(Axis(0))?;
    // A column that differs by rounding alone is a constant.
    let is_spread = |std: f64, mean: f64| std > 1e-9 * mean.abs().max(1e-300);
    let scale = Zip::from(&x.std_axis(Axis(0), 0.0))
        .and(&mean)
        .map_collect(|std, mean| if is_spread(*std, *mean) { *std } else { 1.0 });
    let y = Array1::from_iter(train.iter().map(|one| one.target - one.last));
    let fit = Ridge.fit(&DatasetBase::new((x - &mean) / &scale, y)).ok()?;
    Some(move |columns: &[f64]| fit.value(((Array1::from(columns.to_vec()) - &mean) / &scale).view()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::forecast::known::tests::known;

    #[test]
    fn what_is_still_to_come_is_learnt_from_other_configurations() {
        let groups: Vec<String> = (0..20).map(|place| format!("g{place:02}")).collect();
        let example = |place: usize, fold: usize| {
            let given = place as f64 / 4.0;
            let early = 1.0 + (fold as f64).sin();
            let (early, whole) = ([early, 3.0, 3.0, 7.0], [early - 0.3 * given, 6.0 * (1.0 + given), 3.0, 7.0]);
            Example { group: &groups[place], given: vec![given], early: known(early), whole: known(whole) }
        };
        let examples: Vec<Example<'_>> =
            (0..20).flat_map(|place| (0..3).map(move |fold| (place, fold))).map(|(p, f)| example(p, f)).collect();
        let score = errors(&examples, Quantity::Accuracy).expect("twenty configurations");
        assert!(score.trials == 60 && score.regression < 0.02 && score.last > 0.5, "{score:?}");
        let time = errors(&examples, Quantity::Elapsed).expect("twenty configurations");
        assert!(time.regression < 0.2 && time.last > 0.5, "{time:?}");
        let memory = errors(&examples, Quantity::Memory).expect("twenty configurations");
        assert!(memory.last < 1e-12 && memory.regression < 1e-9, "as it stands is right: {memory:?}");
        assert_eq!(errors(&examples[..19], Quantity::Accuracy), None, "too few to say");
        let same: Vec<Example<'_>> = examples.iter().map(|one| Example { group: "g", ..one.clone() }).collect();
        assert_eq!(errors(&same, Quantity::Accuracy), None, "one configuration tells nothing of another");
    }

    #[test]
    fn a_value_that_nobody_saw_is_not_foretold() {
        let groups: Vec<String> = (0..20).map(|place| format!("g{place}")).collect();
        let example = |group| Example {
            group,
            given: vec![1.0],
            early: known([1.0, 1.0, 1.0, f64::NAN]),
            whole: known([1.0, 1.0, 1.0, 1.0]),
        };
        let examples: Vec<Example<'_>> = groups.iter().map(|group| example(group.as_str())).collect();
        assert_eq!(errors(&examples, Quantity::Memory), None);
        assert_eq!(errors(&examples, Quantity::Cpu).map(|errors| errors.trials), Some(20));
    }
}
