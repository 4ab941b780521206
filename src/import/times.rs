//! Times: those of a source put straight, or made up where it has none.

use super::history::Ended;

/// Where made-up times begin: 2000-01-01 00:00:00 UTC, nanoseconds. Nobody takes it for the time of a training run.
pub const MADE_UP_FROM: i64 = 946_684_800 * SECOND;
const SECOND: i64 = 1_000_000_000;
/// Made-up times last at most so long, all trials together: 130 years, so that the clock's nanoseconds do not run out.
const LONGEST: i128 = 4_100_000_000 * SECOND as i128;
/// How long a made-up step takes: a second, or less where that would be too long.
const UNITS: [(i64, &str); 3] = [(SECOND, "one second"), (SECOND / 1000, "one millisecond"), (1000, "one microsecond")];

/// One trial after the other in their order, one second a step.
///
/// # Errors
/// The steps are too many even for a microsecond each: what is wrong, and what to do.
pub(super) fn make_up(trials: &mut [Ended]) -> Result<Option<String>, (String, String)> {
    let steps: i128 = trials.iter().map(|t| i128::from(last(t).max(1))).sum();
    let unit = UNITS.iter().find(|(unit, _)| steps * i128::from(*unit) <= LONGEST);
    let Some((unit, words)) = unit else {
        let message = format!("the trials have {steps} steps in all, and no time for them");
        return Err((message, "is the column of steps the right one?".to_string()));
    };
    let mut clock = MADE_UP_FROM;
    for trial in trials {
        (trial.began, trial.ended) = (clock, clock);
        for report in &mut trial.reports {
            // Within `LONGEST`, so that it fits.
            let after = report.step.map_or(0, |step| step as i64 * unit);
            trial.ended = trial.ended.max(clock + after);
            report.at = Some(trial.ended);
        }
        clock = trial.ended.max(clock + unit);
    }
    Ok((*unit != SECOND).then(|| format!("times are made up with {words} a step, since there are so many steps")))
}

fn last(trial: &Ended) -> u64 {
    trial.reports.iter().filter_map(|report| report.step).max().unwrap_or(0)
}

/// Time only goes on, and a trial lives from before its first report until after its last.
pub(super) fn straighten(trials: &mut [Ended]) {
    let told = trials.iter().flat_map(|trial| trial.reports.iter().filter_map(|report| report.at));
    let began = trials.iter().map(|trial| trial.began).filter(|at| *at != i64::MAX);
    // For a trial of which no time is known at all.
    let start = told.chain(began).min().unwrap_or(MADE_UP_FROM);
    for trial in trials {
        let mut now = i64::MIN;
        for report in &mut trial.reports {
            now = report.at.map_or(now, |at| at.max(now));
            report.at = Some(now);
        }
        let first = trial.reports.first().and_then(|report| report.at).unwrap_or(i64::MAX);
        trial.began = trial.began.min(first);
        if trial.began == i64::MAX {
            trial.began = trial.ended.max(start);
        }
        // Without a word of its end it is known up to its last report.
        trial.ended = trial.ended.max(now).max(trial.began);
    }
}
