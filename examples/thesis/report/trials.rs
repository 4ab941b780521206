//! The table of all trials.

use std::collections::{BTreeMap, HashMap};

use earlystop::model::RunId;

use super::page::{Cell, Table};
use crate::energy::{Energy, Used};
use crate::runs::Run;
use crate::search::record::Record;

/// What trials may have used of the processors' energy, joules; those of which it is not known are left out.
pub type Joules = HashMap<RunId, f64>;

/// The estimate for each trial.
pub fn joules(runs: &[Run], energy: &Energy) -> Joules {
    let used: Vec<Used> = runs.iter().map(|run| Used::of(&run.view)).collect();
    let parts = energy.shared(&used);
    runs.iter().zip(parts).filter_map(|(run, part)| Some((run.view.run, part?))).collect()
}

/// Every trial: the file is for programs, the page shows none of it.
pub fn all(runs: &[Run], records: &[Record], joules: &Joules) -> Table {
    let scores: BTreeMap<(&str, &str), Option<f64>> =
        records.iter().map(|record| ((record.set.as_str(), record.trial.as_str()), record.score)).collect();
    let row = |run: &Run| {
        let score = scores.get(&(run.view.experiment.as_str(), run.view.trial.as_str())).copied().flatten();
        vec![
            Cell::text(run.set()),
            Cell::text(run.view.trial.as_str()),
            Cell::text(run.view.state.as_str()),
            Cell::text(if run.diverged() { "yes" } else { "no" }),
            Cell::number(score),
            Cell::number(run.throughput()),
            Cell::number(run.step_time()),
            Cell::number(Some(run.cpu())),
            Cell::number(Some(run.elapsed())),
            Cell::number(run.peak()),
            Cell::number(joules.get(&run.view.run).copied()),
            Cell::count(run.windows.len()),
            Cell::count(run.looks.len()),
        ]
    };
    Table {
        name: "trials",
        caption: "Every trial.".into(),
        head: vec![
            "data set",
            "trial",
            "state",
            "diverged",
            "score",
            "samples/s",
            "step s",
            "CPU s",
            "elapsed s",
            "memory peak bytes",
            "energy J (estimate)",
            "reports",
            "system samples in training",
        ],
        rows: runs.iter().map(row).collect(),
        shown: 0,
    }
}
