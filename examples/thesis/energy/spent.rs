//! What was used, and by whom.

use std::error::Error;
use std::fs;
use std::path::Path;

use earlystop::model::TrialView;
use serde::{Deserialize, Serialize};

/// The file beside a search's journal.
pub const FILE: &str = "energy.jsonl";

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A reading.
    Spent(Spent),
    /// Why there is none.
    Unreadable(String),
}

/// What the machine's processors used in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// From then, milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// Until then.
    pub to_ms: i64,
    /// Energy, joules.
    pub joules: f64,
    /// CPU seconds that all cores together were busy, with whatever.
    pub busy_seconds: f64,
}

/// When a trial ran, and the CPU that it used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Used {
    /// From then, milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// Until then.
    pub to_ms: i64,
    /// CPU seconds, user and system.
    pub cpu_seconds: f64,
}

/// What a search's folder tells of energy.
#[derive(Clone, Debug, Default)]
pub struct Energy {
    spent: Vec<Spent>,
    why_not: Option<String>,
}

impl Used {
    /// Of a trial that has ended.
    pub fn of(view: &TrialView) -> Used {
        let from_ms = view.started.wall_ms;
        let to_ms = view.ended.map_or(from_ms, |ended| ended.wall_ms);
        // Some take less than a millisecond of the clock.
        Used { from_ms, to_ms: to_ms.max(from_ms + 1), cpu_seconds: view.totals.cpu.first + view.totals.cpu.second }
    }

    /// How much of the trial lies in a stretch, 0 to 1.
    fn share_in(&self, spent: &Spent) -> f64 {
        let both = self.to_ms.min(spent.to_ms) - self.from_ms.max(spent.from_ms);
        both.max(0) as f64 / (self.to_ms - self.from_ms).max(1) as f64
    }
}

impl Energy {
    /// Reads a folder; nothing is known from one of a search that did not look. A last line that was cut off is left out.
    pub fn read(out: &Path) -> Result<Energy, Box<dyn Error>> {
        let path = out.join(FILE);
        let mut energy = Energy::default();
        let Ok(text) = fs::read_to_string(&path) else { return Ok(energy) };
        for (place, line) in text.lines().enumerate() {
            match serde_json::from_str(line) {
                Ok(Line::Spent(spent)) => energy.spent.push(spent),
                Ok(Line::Unreadable(why)) => energy.why_not = Some(why),
                Err(_) if !line.ends_with('}') => break,
                Err(error) => return Err(format!("{}, line {}: {error}", path.display(), place + 1).into()),
            }
        }
        energy.spent.sort_by_key(|spent| spent.from_ms);
        Ok(energy)
    }

    /// All that the processors used while it was read, joules; none where it never was.
    pub fn joules(&self) -> Option<f64> {
        (!self.spent.is_empty()).then(|| self.spent.iter().map(|spent| spent.joules).sum())
    }

    /// What it means, or why it is not known: a sentence for people.
    pub fn said(&self) -> String {
        match (self.joules(), &self.why_not) {
            (Some(joules), why) => format!(
                "Energy is an estimate: the processors used {joules:.1} J while the search ran (RAPL), everything on the \
                 machine together; each second's part is shared out by CPU time, idle power with it. A trial during \
                 which the counters were not read all the time has none.{}",
                why.as_ref().map_or(String::new(), |why| format!(" Some of the time they could not be read: {why}."))
            ),
            (None, Some(why)) => format!("Energy is not known: {why}."),
            (None, None) => "Energy is not known: the search did not look for it.".into(),
        }
    }

    /// Each trial's part, joules: of each stretch that share of the energy which the trial has of all CPU time in it. None
    /// for a trial that ran while nobody read the counters.
    pub fn shared(&self, trials: &[Used]) -> Vec<Option<f64>> {
        let mut known = vec![0.0; self.spent.len()];
        for trial in trials {
            self.overlapping(trial)
                .for_each(|place| known[place] += trial.share_in(&self.spent[place]) * trial.cpu_seconds);
        }
        let part = |trial: &Used| {
            let (mut seen, mut joules) = (0.0, 0.0);
            for place in self.overlapping(trial) {
                let (spent, share) = (&self.spent[place], trial.share_in(&self.spent[place]));
                seen += share;
                // The kernel counts the machine's time in ticks, that of a process exactly.
                let all = spent.busy_seconds.max(known[place]);
                joules += if all > 0.0 { spent.joules * share * trial.cpu_seconds / all } else { 0.0 };
            }
            (seen > 0.999).then_some(joules)
        };
        trials.iter().map(part).collect()
    }

    /// Stretches that a trial may have a part in.
    fn overlapping(&self, trial: &Used) -> impl Iterator<Item = usize> {
        let first = self.spent.partition_point(|spent| spent.to_ms <= trial.from_ms);
        let after = self.spent.partition_point(|spent| spent.from_ms < trial.to_ms);
        first..after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(from_ms: i64, joules: f64, busy_seconds: f64) -> Spent {
        Spent { from_ms, to_ms: from_ms + 1000, joules, busy_seconds }
    }

    fn used(from_ms: i64, to_ms: i64, cpu_seconds: f64) -> Used {
        Used { from_ms, to_ms, cpu_seconds }
    }

    #[test]
    fn energy_is_shared_out_by_cpu_time() {
        let energy = Energy { spent: vec![spent(0, 30.0, 3.0), spent(1000, 40.0, 1.0)], why_not: None };
        // Two seconds of one core; half a second of another; something else has the rest of the first second.
        let trials = [used(0, 2000, 2.0), used(500, 1000, 0.5)];
        // Of the second second all that is known used 1.0, which is all.
        assert_eq!(energy.shared(&trials), [Some(10.0 + 40.0), Some(5.0)]);
        assert_eq!(energy.joules(), Some(70.0));
        assert!(energy.said().starts_with("Energy is an estimate: the processors used 70.0 J"));
    }

    #[test]
    fn trials_never_have_more_than_there_was() {
        // The ticks of /proc/stat saw nothing of three short trials.
        let energy = Energy { spent: vec![spent(0, 9.0, 0.0)], why_not: None };
        let parts = energy.shared(&[used(1, 2, 0.001), used(5, 9, 0.004), used(7, 8, 0.001)]);
        let all: f64 = parts.iter().map(|part| part.expect("it was read")).sum();
        assert!((all - 9.0).abs() < 1e-12 && parts[1] > parts[0], "{parts:?}");
    }

    #[test]
    fn what_was_not_read_all_the_time_is_not_known() {
        let energy = Energy { spent: vec![spent(0, 9.0, 1.0), spent(5000, 9.0, 1.0)], why_not: None };
        assert_eq!(energy.shared(&[used(500, 1500, 0.1), used(2000, 3000, 0.1), used(0, 6000, 1.0)]), [None; 3]);
        let nothing = Energy::default();
        assert_eq!((nothing.joules(), nothing.shared(&[used(0, 1, 1.0)])), (None, vec![None]));
        let why = Energy { spent: Vec::new(), why_not: Some("there is no folder x".into()) };
        assert_eq!(why.said(), "Energy is not known: there is no folder x.");
    }

    #[test]
    fn a_line_that_was_cut_off_is_left_out_and_a_wrong_one_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let line = serde_json::to_string(&Line::Spent(spent(0, 1.5, 1.0))).expect("it is sound");
        fs::write(folder.path().join(FILE), format!("{line}\n{}", &line[..20])).expect("the folder is ours");
        assert_eq!(Energy::read(folder.path()).expect("sound so far").joules(), Some(1.5));
        fs::write(folder.path().join(FILE), "{}\n").expect("the folder is ours");
        assert!(Energy::read(folder.path()).expect_err("no line of ours").to_string().contains("line 1"));
    }
}
