//! How much a trial trains, evaluates and reports.

/// Steps between two reports at most, if nobody says otherwise.
const STEPS_A_REPORT: u64 = 100;

/// How much is trained and evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct Effort {
    /// Passes over the training rows
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: u32,
    /// End each trial after so many steps, whatever the epochs are
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// Rows an evaluation: the first of the fold that is held out
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub eval_rows: usize,
    /// Steps between two reports; without it, 100 and each epoch's end.
    #[arg(skip)]
    pub steps_a_report: Option<u64>,
}

impl Effort {
    /// As a search writes it down: what it says of itself must be the same when it is taken up again.
    pub fn said(&self) -> String {
        let Effort { epochs, steps, eval_rows, .. } = self;
        format!("Effort {{ epochs: {epochs}, steps: {steps:?}, eval_rows: {eval_rows} }}")
    }
}

/// The step at which the next report is due, after `step`: the last step of the trial has one whatever the interval is.
pub fn next_report(step: u64, steps_a_report: Option<u64>, an_epoch: u64, total: u64) -> u64 {
    let after = |interval: u64| (step / interval + 1) * interval;
    match steps_a_report {
        Some(interval) => total.min(after(interval)),
        None => total.min(after(STEPS_A_REPORT)).min(after(an_epoch)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports(steps_a_report: Option<u64>, an_epoch: u64, total: u64) -> Vec<u64> {
        std::iter::successors(Some(0), |step| {
            (*step < total).then(|| next_report(*step, steps_a_report, an_epoch, total))
        })
        .skip(1)
        .collect()
    }

    #[test]
    fn every_hundred_steps_at_an_epochs_end_and_at_the_last_step() {
        assert_eq!(reports(None, 130, 250), [100, 130, 200, 250]);
        assert_eq!(reports(None, 40, 100), [40, 80, 100]);
    }

    #[test]
    fn an_interval_of_its_own_is_the_only_one_but_for_the_last_step() {
        assert_eq!(reports(Some(90), 40, 200), [90, 180, 200]);
        assert_eq!(reports(Some(1), 2, 3), [1, 2, 3]);
    }
}
