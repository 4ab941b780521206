//! What each data set and algorithm came to: the winner, its scores, and what all of it took.

use std::collections::BTreeMap;

use clap::ValueEnum;

use super::page::{Cell, Section, Table, significant};
use super::trials::{Joules, all, joules};
use crate::algorithm::Algorithm;
use crate::energy::Energy;
use crate::model::Task;
use crate::runs::{DIVERGED, Run};
use crate::search::axis::{Edge, edges, is_planned};
use crate::search::choose::{self, Winner};
use crate::search::plan::{Configuration, FOLDS};
use crate::search::record::Record;
use crate::search::trainer::Kind;
use crate::stats::median;

/// The table of winners, and that of all trials.
pub fn section(runs: &[Run], records: &[Record], energy: &Energy) -> Section {
    let joules = joules(runs, energy);
    let mut parts: BTreeMap<(String, String), Vec<&Run>> = BTreeMap::new();
    for run in runs {
        parts.entry((run.set(), run.label("algorithm").to_string())).or_default().push(run);
    }
    let rows = parts.values().map(|of| row(of, records, &joules)).collect();
    let caption = format!(
        "The winner has the best mean score over {FOLDS} folds, each of which completed; the test rows were looked at \
         once, by the winner trained on all other rows. Scores of regressions are RMSE, of classifiers accuracy. \
         Where the best lay on the grid's edge, the search went on beyond it (learning rate and alpha, at the winner's batch \
         size; the batch size is no axis of learning), and the winner of the grid as it was planned stands beside it. \
         Samples a second: median over the trials. Totals are over all trials; memory is the highest RSS - shared."
    );
    let head = vec![
        "data set",
        "algorithm",
        "trials",
        "completed",
        "diverged",
        "winner",
        "CV score",
        "CV std",
        "test score",
        "on the grid's edge",
        "winner before widening",
        "its CV score",
        "winner samples/s",
        "all samples/s",
        "CPU s",
        "elapsed s",
        "memory peak MiB",
        "energy J (estimate)",
    ];
    let winners = Table { name: "winners", caption, head, rows, shown: usize::MAX };
    let words = vec![
        "The batch size in a winner's name is no finding about learning: partial_fit goes through the rows one by one, so \
         that at equal epochs all batch sizes give the same weights but for rounding, and of equal ones the first of the \
         grid wins. (A search with --steps ends them at different numbers of rows.)"
            .to_string(),
        DIVERGED.to_string(),
        format!("{} Elapsed is the sum over trials, some of which ran side by side.", totals(runs)),
        energy.said(),
    ];
    let title = "What was found, and what it took".to_string();
    let answer = answer(&parts, records);
    Section { title, answer, words, tables: vec![winners, all(runs, records, &joules)], ..Section::default() }
}

/// Who says what the trials used.
fn totals(runs: &[Run]) -> &'static str {
    if runs.iter().any(|run| run.label("trainer") == Kind::Ray.as_str()) {
        "Ray started the trials, so the kernel does not tell us what they used: CPU and memory are what the sidecar saw, up \
         to each trial's last word."
    } else {
        "CPU is what the kernel told at each trial's end (wait4)."
    }
}

/// The grid as far as it was tried, in its order: batch sizes up, learning rates and alphas down.
pub fn configurations(runs: &[&Run]) -> Vec<Configuration> {
    let mut grid: Vec<Configuration> = runs.iter().filter_map(|run| configuration(run)).collect();
    grid.sort_by(|a, b| {
        let sizes = a.batch_size.cmp(&b.batch_size);
        sizes.then(b.learning_rate.total_cmp(&a.learning_rate)).then(b.alpha.total_cmp(&a.alpha))
    });
    grid.dedup();
    grid
}

fn configuration(run: &Run) -> Option<Configuration> {
    let algorithm = Algorithm::from_str(run.label("algorithm"), false).ok()?;
    let (batch_size, set) = (run.param("batch_size")? as usize, run.view.experiment.to_string());
    let (learning_rate, alpha) = (run.param("learning_rate")?, run.param("alpha")?);
    Some(Configuration { set, algorithm, batch_size, learning_rate, alpha })
}

/// The winner of the trials of one set and algorithm.
pub fn winner(of: &[&Run], records: &[Record]) -> Option<Winner> {
    // Which classes there are does not matter to the choice, only whether more is better.
    let task = if of.first()?.lower_is_better() { Task::Regression } else { Task::Classes(2) };
    choose::best(&configurations(of), records, task)
}

/// What the winner scored on the test rows, once.
fn tested(set: &str, winner: &Winner, records: &[Record]) -> Option<f64> {
    let refit = format!("{}-refit", winner.configuration.name());
    records.iter().rev().find(|record| record.set == set && record.trial == refit).and_then(|record| record.score)
}

/// The best of each data set, whatever the algorithm.
fn answer(parts: &BTreeMap<(String, String), Vec<&Run>>, records: &[Record]) -> String {
    let mut best: BTreeMap<&str, (bool, &str, f64, Option<f64>)> = BTreeMap::new();
    for ((set, algorithm), of) in parts {
        let Some(winner) = winner(of, records) else { continue };
        let lower = of[0].lower_is_better();
        let better = |before: &(bool, &str, f64, Option<f64>)| (winner.mean < before.2) == lower;
        if best.get(set.as_str()).is_none_or(better) {
            let test = tested(of[0].view.experiment.as_str(), &winner, records);
            best.insert(set, (lower, algorithm, winner.mean, test));
        }
    }
    let said = best.iter().map(|(set, (lower, algorithm, mean, test))| {
        let unit = if *lower { "an RMSE" } else { "an accuracy" };
        let test = test.map_or(String::new(), |test| format!(", {} on the test rows", significant(test, 4)));
        format!("on {set} {algorithm} with {unit} of {} in cross-validation{test}", significant(*mean, 4))
    });
    let said: Vec<String> = said.collect();
    match said.len() {
        0 => "No configuration completed all its folds, so there is no winner.".into(),
        _ => format!("Best: {}.", said.join("; ")),
    }
}

/// The winner of the grid as it was planned, where widening went beyond it.
fn before(of: &[&Run], records: &[Record]) -> Option<Winner> {
    let planned: Vec<&Run> =
        of.iter().filter(|run| configuration(run).is_some_and(|one| is_planned(&one))).copied().collect();
    if planned.len() == of.len() { None } else { winner(&planned, records) }
}

fn row(of: &[&Run], records: &[Record], joules: &Joules) -> Vec<Cell> {
    let winner = winner(of, records);
    let name = winner.as_ref().map(|winner| winner.configuration.name());
    let is_winner = |run: &&&Run| name.as_deref() == Some(run.group()) && !run.is_refit();
    let test = winner.as_ref().and_then(|winner| tested(of[0].view.experiment.as_str(), winner, records));
    let edges = winner.as_ref().map(|winner| edges(&winner.configuration, &configurations(of)));
    let edges = edges.map(|edges| match edges.iter().map(Edge::to_string).collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "no".to_string(),
        edges => format!("yes: {edges}"),
    });
    let before = before(of, records);
    let throughput = |runs: Vec<&&Run>| median(&runs.iter().filter_map(|run| run.throughput()).collect::<Vec<_>>());
    let sum = |what: fn(&Run) -> f64| Some(of.iter().map(|run| what(run)).sum::<f64>());
    let completed = of.iter().filter(|run| run.view.state == earlystop::model::TrialState::Completed).count();
    vec![
        Cell::text(of[0].set()),
        Cell::text(of[0].label("algorithm")),
        Cell::count(of.len()),
        Cell::count(completed),
        Cell::count(of.iter().filter(|run| run.diverged()).count()),
        Cell::text(name.as_deref().unwrap_or("none completed all folds")),
        Cell::number(winner.as_ref().map(|winner| winner.mean)),
        Cell::number(winner.as_ref().map(|winner| winner.deviation)),
        Cell::number(test),
        edges.map_or(Cell::None, Cell::text),
        before.as_ref().map_or(Cell::None, |before| Cell::text(before.configuration.name())),
        Cell::number(before.map(|before| before.mean)),
        Cell::number(throughput(of.iter().filter(is_winner).collect())),
        Cell::number(throughput(of.iter().collect())),
        Cell::number(sum(Run::cpu)),
        Cell::number(sum(Run::elapsed)),
        Cell::number(of.iter().filter_map(|run| run.peak()).reduce(f64::max).map(|bytes| bytes / 1_048_576.0)),
        Cell::number(of.iter().filter_map(|run| joules.get(&run.view.run).copied()).reduce(|a, b| a + b)),
    ]
}
