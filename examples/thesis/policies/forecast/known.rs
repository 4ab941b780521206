//! What a run came to, and what is known of it early: after a part of its steps, or from a run on a part of its rows.

use crate::runs::Run;

/// What is foretold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The score it ends with, where lower is better: an error above zero.
    Error,
    /// The score it ends with, where higher is better.
    Accuracy,
    /// Seconds from start to end.
    Elapsed,
    /// CPU seconds, user and system.
    Cpu,
    /// Highest RSS - shared, bytes.
    Memory,
}

impl Quantity {
    /// All of them. A run has one of both scores.
    pub const ALL: [Quantity; 5] =
        [Quantity::Error, Quantity::Accuracy, Quantity::Elapsed, Quantity::Cpu, Quantity::Memory];

    /// Its name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Quantity::Error | Quantity::Accuracy => "score",
            Quantity::Elapsed => "elapsed seconds",
            Quantity::Cpu => "CPU seconds",
            Quantity::Memory => "peak memory",
        }
    }

    /// Whether it is what a run is judged by.
    pub fn is_score(self) -> bool {
        matches!(self, Quantity::Error | Quantity::Accuracy)
    }

    /// How it is reckoned with: what differs by orders of magnitude as a logarithm. None of what is no number then.
    fn reckoned(self, value: f64) -> Option<f64> {
        let value = if self == Quantity::Accuracy { value } else { value.ln() };
        value.is_finite().then_some(value)
    }

    /// How far off a guess is, both as they are reckoned with: of scores in their unit, of others as a share of the target.
    pub fn miss(self, guess: f64, target: f64) -> f64 {
        match self {
            Quantity::Error => (guess.exp() - target.exp()).abs(),
            Quantity::Accuracy => (guess - target).abs(),
            _ => (guess - target).exp_m1().abs(),
        }
    }
}

/// A value for each quantity, as it is reckoned with; none where nobody saw it, which is not nothing used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Known {
    values: [Option<f64>; Quantity::ALL.len()],
    /// What the score changed by since it was first said, and lately; what the memory did since it was first seen.
    change: [f64; 3],
}

impl Known {
    fn of(values: [Option<f64>; Quantity::ALL.len()]) -> Known {
        let mut known = Known::default();
        for (place, quantity) in Quantity::ALL.into_iter().enumerate() {
            known.values[place] = values[place].and_then(|value| quantity.reckoned(value));
        }
        known
    }

    /// What a run came to.
    pub fn whole(run: &Run) -> Known {
        Known::scaled(run, 1.0)
    }

    /// What a run on a share of the rows tells of the same run on all of them: its score and memory as they are, time and CPU
    /// times so many.
    pub fn scaled(run: &Run, share: f64) -> Known {
        let [error, accuracy] = scores(run, run.final_score());
        Known::of([error, accuracy, Some(run.elapsed() / share), Some(run.cpu() / share), run.peak()])
    }

    /// What a run tells after this part of its steps, at its last report until then. Score and memory as they are; time and
    /// CPU as if it went on as it went. None before the first report.
    pub fn after(run: &Run, part: f64) -> Option<Known> {
        let steps = run.whole_steps()? as f64;
        let until = |part: f64| run.scores.iter().take_while(move |score| score.step as f64 <= part * steps).last();
        let (first, now) = (run.scores.first()?, until(part)?);
        let lately = until(part / 2.0).unwrap_or(first);
        let times = steps / now.step as f64;
        let looks: Vec<_> = run.looks.iter().take_while(|look| look.at <= now.at).collect();
        // The last look may be older than the report: CPU is scaled by its own time.
        let cpu = looks.last().filter(|look| look.at > 0.0).map(|look| look.cpu / look.at * now.at * times);
        let memory = looks.iter().map(|look| look.memory).reduce(f64::max);
        let [error, accuracy] = scores(run, Some(now.value));
        let mut known = Known::of([error, accuracy, Some(now.at * times), cpu, memory]);
        let score = if run.lower_is_better() { Quantity::Error } else { Quantity::Accuracy };
        let since =
            |before: f64| known.get(score).zip(score.reckoned(before)).map_or(0.0, |(now, before)| now - before);
        let grown = memory.zip(looks.first()).map_or(0.0, |(highest, look)| (highest / look.memory).ln());
        let change = [since(first.value), since(lately.value), grown];
        known.change = change.map(|change| if change.is_finite() { change } else { 0.0 });
        Some(known)
    }

    /// The value of a quantity.
    pub fn get(&self, quantity: Quantity) -> Option<f64> {
        self.values[quantity as usize]
    }

    /// Columns for a regression: each value, and whether there is one.
    pub fn columns(&self) -> impl Iterator<Item = f64> {
        let value = |value: Option<f64>| [value.unwrap_or(0.0), f64::from(value.is_none())];
        self.values.into_iter().flat_map(value).chain(self.change)
    }
}

/// A run's score as an error and as an accuracy: it is one of them.
fn scores(run: &Run, score: Option<f64>) -> [Option<f64>; 2] {
    let lower = run.lower_is_better();
    [score.filter(|_| lower), score.filter(|_| !lower)]
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::runs::tests::run;

    /// These values, as they are; a NaN is one that nobody saw.
    pub fn known([accuracy, elapsed, cpu, memory]: [f64; 4]) -> Known {
        Known::of([None, Some(accuracy), Some(elapsed), Some(cpu), Some(memory)])
    }

    #[test]
    fn a_part_of_a_run_goes_on_as_it_went() {
        let run = run("g", 100, |step| 2.0 - step as f64 / 100.0);
        let half = Known::after(&run, 0.5).expect("it said something by then");
        assert_eq!((half.get(Quantity::Error), half.get(Quantity::Accuracy)), (Some(1.5_f64.ln()), None));
        assert!((half.get(Quantity::Elapsed).expect("reported") - 10_f64.ln()).abs() < 1e-9, "{half:?}");
        assert!((half.get(Quantity::Cpu).expect("seen") - 5_f64.ln()).abs() < 1e-9, "{half:?}");
        assert_eq!(half.get(Quantity::Memory), Some(1050_f64.ln()));
        let change = [1.5 / 1.9, 1.5 / 1.8, 1050.0 / 1010.0].map(f64::ln);
        assert!(change.iter().zip(half.change).all(|(wanted, got)| (wanted - got).abs() < 1e-12), "{half:?}");
        assert_eq!(Known::after(&run, 0.05), None, "before the first report nothing is known");
        assert_eq!(half.columns().count(), 13);
    }

    #[test]
    fn a_miss_is_in_the_unit_that_is_told() {
        let off = |quantity: Quantity, guess: f64, target: f64| quantity.miss(guess, target);
        assert!((off(Quantity::Error, 0.7_f64.ln(), 0.5_f64.ln()) - 0.2).abs() < 1e-12);
        assert!((off(Quantity::Accuracy, 0.7, 0.5) - 0.2).abs() < 1e-12);
        assert!((off(Quantity::Cpu, 3_f64.ln(), 2_f64.ln()) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_share_is_scaled_in_time_and_not_in_score() {
        let run = run("g", 100, |_| 0.7);
        let of_share = Known::scaled(&run, 0.1);
        assert_eq!(of_share.get(Quantity::Error), Some(0.7_f64.ln()));
        let elapsed = of_share.get(Quantity::Elapsed).expect("it ended");
        assert!((elapsed - (run.elapsed() * 10.0).ln()).abs() < 1e-9);
        assert_eq!(of_share.get(Quantity::Memory), run.peak().map(f64::ln));
    }
}
