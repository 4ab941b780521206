//! What a run came to, and what is known of it early: after a part of its steps, or from a run on a part of its rows.

use crate::runs::Run;

/// What is foretold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The score it ends with.
    Score,
    /// Seconds from start to end.
    Elapsed,
    /// CPU seconds, user and system.
    Cpu,
    /// Highest RSS - shared, bytes.
    Memory,
}

impl Quantity {
    /// All of them.
    pub const ALL: [Quantity; 4] = [Quantity::Score, Quantity::Elapsed, Quantity::Cpu, Quantity::Memory];

    /// Its name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Quantity::Score => "score",
            Quantity::Elapsed => "elapsed seconds",
            Quantity::Cpu => "CPU seconds",
            Quantity::Memory => "peak memory",
        }
    }

    /// Whether it is foretold as a factor: what runs use differs by orders of magnitude, scores do not.
    pub fn is_factor(self) -> bool {
        self != Quantity::Score
    }

    /// How it is reckoned with: scores as they are, the others as logarithms. None of what is no number then.
    fn reckoned(self, value: f64) -> Option<f64> {
        let value = if self.is_factor() { value.ln() } else { value };
        value.is_finite().then_some(value)
    }
}

/// A value for each quantity, as it is reckoned with; none where nobody saw it, which is not nothing used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Known {
    values: [Option<f64>; Quantity::ALL.len()],
    /// What the score and (as a factor) the memory changed by since they were first seen.
    pub change: [f64; 2],
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
        Known::of([run.final_score(), Some(run.elapsed()), Some(run.cpu()), run.peak()])
    }

    /// What a run tells after this part of its steps, at its last report until then. Score and memory as they are; time and
    /// CPU as if it went on as it went. None before the first report.
    pub fn after(run: &Run, part: f64) -> Option<Known> {
        let steps = run.whole_steps()? as f64;
        let seen = run.scores.iter().take_while(|score| score.step as f64 <= part * steps);
        let (first, now) = (run.scores.first()?, seen.last()?);
        let times = steps / now.step as f64;
        let looks: Vec<_> = run.looks.iter().take_while(|look| look.at <= now.at).collect();
        // The last look may be older than the report: CPU is scaled by its own time.
        let cpu = looks.last().filter(|look| look.at > 0.0).map(|look| look.cpu / look.at * now.at * times);
        let memory = looks.iter().map(|look| look.memory).reduce(f64::max);
        let mut known = Known::of([Some(now.value), Some(now.at * times), cpu, memory]);
        let grown = memory.zip(looks.first()).map_or(1.0, |(highest, look)| highest / look.memory);
        known.change =
            [now.value - first.value, grown.ln()].map(|change| if change.is_finite() { change } else { 0.0 });
        Some(known)
    }

    /// What a run on a share of the rows tells of the same run on all of them: its score and memory as they are, time and CPU
    /// times so many.
    pub fn scaled(run: &Run, share: f64) -> Known {
        Known::of([run.final_score(), Some(run.elapsed() / share), Some(run.cpu() / share), run.peak()])
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

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::runs::tests::run;

    /// These values, as they are; a NaN is one that nobody saw.
    pub fn known(values: [f64; 4]) -> Known {
        Known::of(values.map(Some))
    }

    #[test]
    fn a_part_of_a_run_goes_on_as_it_went() {
        let run = run("g", 100, |step| 2.0 - step as f64 / 100.0);
        let half = Known::after(&run, 0.5).expect("it said something by then");
        assert_eq!(half.get(Quantity::Score), Some(1.5));
        assert!((half.get(Quantity::Elapsed).expect("reported") - 10_f64.ln()).abs() < 1e-9, "{half:?}");
        assert!((half.get(Quantity::Cpu).expect("seen") - 5_f64.ln()).abs() < 1e-9, "{half:?}");
        assert_eq!(half.get(Quantity::Memory), Some(1050_f64.ln()));
        assert!((half.change[0] + 0.4).abs() < 1e-12 && (half.change[1] - (1050_f64 / 1010.0).ln()).abs() < 1e-12);
        assert_eq!(Known::after(&run, 0.05), None, "before the first report nothing is known");
        assert_eq!(half.columns().count(), 10);
    }

    #[test]
    fn a_share_is_scaled_in_time_and_not_in_score() {
        let run = run("g", 100, |_| 0.7);
        let of_share = Known::scaled(&run, 0.1);
        assert_eq!(of_share.get(Quantity::Score), Some(0.7));
        let elapsed = of_share.get(Quantity::Elapsed).expect("it ended");
        assert!((elapsed - (run.elapsed() * 10.0).ln()).abs() < 1e-9);
        assert_eq!(of_share.get(Quantity::Memory), run.peak().map(f64::ln));
    }
}
