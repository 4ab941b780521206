//! What a budget can be about, and the quantiles that budgets are set at.

use earlystop::model::TrialView;

pub use crate::stats::quantile;

/// A system measure of a whole trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Highest RSS - shared, bytes.
    PeakMemory,
    /// Mean time of a training step, seconds.
    StepTime,
    /// CPU seconds, user and system.
    CpuSeconds,
    /// Seconds from start to end.
    Elapsed,
}

/// Quantiles of the full runs at which budgets are set.
pub const QUANTILES: [f64; 5] = [0.10, 0.25, 0.50, 0.75, 0.90];

impl Measure {
    /// All of them.
    pub const ALL: [Measure; 4] = [Measure::PeakMemory, Measure::StepTime, Measure::CpuSeconds, Measure::Elapsed];

    /// Its name in tables and in rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::PeakMemory => "memory-peak",
            Measure::StepTime => "step-time",
            Measure::CpuSeconds => "cpu-seconds",
            Measure::Elapsed => "elapsed",
        }
    }

    /// A trial's whole; none where nobody saw it: that is not nothing used.
    pub fn of(self, view: &TrialView) -> Option<f64> {
        match self {
            Measure::PeakMemory => view.totals.memory_peak.filter(|peak| *peak > 0).map(|peak| peak as f64),
            Measure::StepTime => {
                let times = &view.progress.step_times;
                (times.count() > 0).then(|| times.sum / times.count() as f64)
            }
            Measure::CpuSeconds => Some(view.totals.cpu.first + view.totals.cpu.second),
            Measure::Elapsed => Some(view.ended?.seconds_since(view.started)),
        }
    }

    /// The rule that stops trials of a set above a bound.
    pub fn rule(self, set: &str, bound: f64) -> String {
        let quantity = match self {
            Measure::PeakMemory => "trial_memory_peak_bytes",
            // The mean so far, so that what the rule reads becomes what the full run is judged by.
            Measure::StepTime => "trial_step_duration_seconds_sum / trial_step_duration_seconds_count",
            Measure::CpuSeconds => "sum by (trial, experiment) (trial_cpu_seconds_total)",
            Measure::Elapsed => "trial_elapsed_seconds",
        };
        let name = rule_name(self.as_str(), set);
        format!("[[rule]]\nname = \"{name}\"\nexpr = '{quantity} > {bound}'\nwhere = {{ experiment = \"{set}\" }}\n\n")
    }
}

/// A rule's name may have small letters, digits and `-` only; a set's name has more.
pub fn rule_name(what: &str, set: &str) -> String {
    let legal = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    format!("{what}-{set}").chars().map(legal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_budget_is_a_policy_without_a_mistake() {
        for measure in Measure::ALL {
            let text = measure.rule("red_wine", 0.0125) + &measure.rule("44972", 1e-7);
            let parsed = earlystop::policy::parse(&text, "policy.toml".as_ref(), &crate::sidecar::context());
            let (policy, _) = parsed.expect("no mistake");
            assert_eq!(policy.rules.len(), 2);
            assert_eq!(&*policy.rules[0].name, format!("{}-red-wine", measure.as_str()));
        }
    }
}
