//! Which trials diverged: one answer for the report and for policies.

use std::collections::BTreeMap;

use super::Run;
use crate::stats::median;

/// So many times the first is none that training comes back from.
const TIMES: f64 = 10.0;

/// What diverged means, for a person.
pub const WORDS: &str = "A trial diverged if a loss or a score of it is no number or more than ten times its first, or a loss \
                         more than ten times what untrained models of its data set and algorithm have (one that goes \
                         astray within its first report has an absurd first). Of classifiers only the loss tells.";

/// Marks those that diverged.
pub fn mark(runs: &mut [Run]) {
    // Training begins at zero weights: the highest loss of a first report is about that of an untrained model, and the
    // median over all trials is so even if many of them go astray at once.
    let mut untrained: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for run in runs.iter().filter(|run| !run.is_refit()) {
        let first = run.windows.first().and_then(|window| window.worst.or(window.loss));
        untrained.entry(part(run)).or_default().extend(first);
    }
    let untrained: BTreeMap<_, Option<f64>> = untrained.into_iter().map(|(part, of)| (part, median(&of))).collect();
    for run in runs {
        let losses: Vec<f64> = run.windows.iter().filter_map(|window| window.loss).collect();
        let losses_astray = is_astray(&losses, untrained.get(&part(run)).copied().flatten());
        let scores: Vec<f64> = run.scores.iter().map(|score| score.value).collect();
        let scores_astray = if run.lower_is_better() { is_astray(&scores, None) } else { no_numbers(&scores) };
        run.diverged = losses_astray || scores_astray;
    }
}

fn part(run: &Run) -> (String, String) {
    (run.view.experiment.to_string(), run.label("algorithm").to_string())
}

/// Whether a curve of which lower is better holds no number, or one far above its first or an untrained model's.
fn is_astray(values: &[f64], untrained: Option<f64>) -> bool {
    let Some(first) = values.first() else { return false };
    let bound = TIMES * untrained.map_or(*first, |untrained| untrained.min(*first));
    no_numbers(values) || values.iter().any(|value| *value > bound)
}

fn no_numbers(values: &[f64]) -> bool {
    values.iter().any(|value| !value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_ten_times_the_first_is_astray_and_so_is_an_absurd_first() {
        assert!(!is_astray(&[2.0, 20.0, 1.0], None) && is_astray(&[2.0, 20.5, 1.0], None));
        assert!(is_astray(&[2.0, f64::INFINITY], None) && is_astray(&[f64::NAN], Some(1.0)));
        // Astray within its first report, and finite: its own first is no measure.
        assert!(!is_astray(&[1e30, 1e30], None) && is_astray(&[1e30, 1e30], Some(1.0)));
        assert!(!is_astray(&[9.0, 8.0], Some(1.0)) && !is_astray(&[], Some(1.0)));
        assert!(no_numbers(&[0.5, f64::NAN]) && !no_numbers(&[0.5, 0.9]));
    }
}
