//! The first two questions for each trainer, side by side: over the configurations that all of them ran.

mod side;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};

use super::factors;
use super::growth::{LOOKS, POINTS};
use super::page::{Cell, Section, Table};
use super::plot::{Level, levels};
use super::series::{Against, Measure};
use crate::command;
use crate::runs::Run;
use crate::search::trainer::Kind;
use crate::stats::{quantile, theil_sen, thinned};
use side::Side;

/// The trials of each trainer.
type Chosen<'a> = Vec<(Kind, Vec<&'a Run>)>;

/// A measure of a trial: its name and unit, and how to get it.
type Of = (&'static str, fn(&Run) -> Option<f64>);

const MEASURES: [Of; 5] = [
    ("memory peak, MiB", |run| Some(run.peak()? / 1_048_576.0)),
    ("memory growth, KiB/s", growth),
    ("CPU, s", |run| Some(run.cpu())),
    ("step time, µs", |run| Some(1e6 * run.step_time()?)),
    ("throughput, samples/s", Run::throughput),
];

/// Theil and Sen's slope of a trial's memory; of one that was looked at too seldom, nothing.
fn growth(run: &Run) -> Option<f64> {
    let points = thinned(&Measure::Memory.points(run, Against::Elapsed), POINTS);
    // The points are in MiB.
    theil_sen(&points).filter(|_| run.looks.len() >= LOOKS).map(|slope| 1024.0 * slope)
}

/// The section, if there is anything to compare this search with.
///
/// # Errors
/// A folder holds no search, or two hold searches of the same trainer.
pub fn section(out: &Path, runs: &[Run], beside: &[PathBuf]) -> Result<Option<Section>, Box<dyn Error>> {
    if beside.is_empty() {
        return Ok(None);
    }
    Ok(Some(compared(&side::all(out, runs, beside)?)))
}

fn compared(sides: &[Side]) -> Section {
    let common = common(sides);
    let chosen: Chosen = sides.iter().map(|side| (side.kind, of_these(side, &common))).collect();
    let (rows, plots) = totals(&chosen);
    let words = vec![
        format!(
            "Compared are the trials that all of them ran, {} of each: the same configuration, fold and number of steps, and \
             diverged with none. Growth is Theil and Sen's slope of RSS - shared while a trial trains, of trials with \
             {LOOKS} looks or more.",
            common.len()
        ),
        "CPU of rust and sklearn is what the kernel told at each trial's end (wait4); of ray, whose trials are processes of \
         Ray's, what the sidecar saw up to the trial's last word. A Python process counts its start and what it imports. A \
         trial of ray logs to MLflow as well."
            .to_string(),
    ];
    let each = Table {
        name: "trainers_configurations",
        caption: "The same for each configuration.".into(),
        head: vec!["data set", "configuration", "measure", "trainer", "trials", "quartile 1", "median", "quartile 3"],
        rows: each(&chosen),
        shown: 0,
    };
    let effects = Table {
        name: "trainers_effects",
        caption: "Share of the differences in rank that goes with each hyperparameter (epsilon squared, as for RQ2)."
            .into(),
        head: vec![
            "trainer",
            "data set",
            "algorithm",
            "measure",
            "factor",
            "epsilon squared",
            "low",
            "high",
            "by chance",
            "folds",
        ],
        rows: effects(&chosen),
        shown: 120,
    };
    let totals = Table {
        name: "trainers",
        caption: "What a trial takes, by trainer.".into(),
        head: vec![
            "data set",
            "algorithm",
            "measure",
            "trainer",
            "configurations",
            "trials",
            "quartile 1",
            "median",
            "quartile 3",
        ],
        rows,
        shown: 120,
    };
    let source = sides.iter().map(|side| format!("{}: {}", side.kind.as_str(), side.source)).collect::<Vec<_>>();
    Section {
        title: "RQ1 and RQ2 for each trainer, side by side".into(),
        answer: answer(&totals.rows),
        words,
        plots,
        tables: vec![totals, each, effects],
        source: format!("{}. This page: {}", source.join(". "), command::line()),
    }
}

/// What makes trials the same: set, configuration, fold, and steps to go.
type Same = (String, String, Option<String>, Option<u64>);

fn same(run: &Run) -> Same {
    (run.set(), run.group().to_string(), run.view.fold.clone(), run.view.progress.target_steps)
}

/// Those that all ran and that nowhere diverged.
fn common(sides: &[Side]) -> BTreeSet<Same> {
    let of = |side: &Side| -> BTreeSet<Same> {
        side.runs.iter().filter(|run| !run.is_refit() && !run.diverged()).map(same).collect()
    };
    sides.iter().map(of).reduce(|all, side| all.intersection(&side).cloned().collect()).unwrap_or_default()
}

fn of_these<'a>(side: &'a Side, these: &BTreeSet<Same>) -> Vec<&'a Run> {
    side.runs.iter().filter(|run| these.contains(&same(run))).collect()
}

/// Trials by what two texts of theirs are, in order; each trainer's own.
fn parted<'a>(
    chosen: &[(Kind, Vec<&'a Run>)],
    by: fn(&Run) -> (String, String),
) -> BTreeMap<(String, String), Chosen<'a>> {
    let mut parts: BTreeMap<(String, String), BTreeMap<Kind, Vec<&Run>>> = BTreeMap::new();
    for (kind, run) in chosen.iter().flat_map(|(kind, runs)| runs.iter().map(move |run| (kind, run))) {
        parts.entry(by(run)).or_default().entry(*kind).or_default().push(run);
    }
    parts.into_iter().map(|(part, sides)| (part, sides.into_iter().collect())).collect()
}

fn by_algorithm(run: &Run) -> (String, String) {
    (run.set(), run.label("algorithm").to_string())
}

fn by_group(run: &Run) -> (String, String) {
    (run.set(), run.group().to_string())
}

/// Values, and their quartiles as cells.
fn quartiles(runs: &[&Run], value: fn(&Run) -> Option<f64>) -> (usize, [Option<f64>; 3]) {
    let values: Vec<f64> = runs.iter().filter_map(|run| value(run)).collect();
    (values.len(), [0.25, 0.5, 0.75].map(|share| quantile(&values, share)))
}

/// A row, and a plot, for each set, algorithm and measure.
fn totals(chosen: &[(Kind, Vec<&Run>)]) -> (Vec<Vec<Cell>>, Vec<String>) {
    let (mut rows, mut plots) = (Vec::new(), Vec::new());
    for ((set, algorithm), sides) in parted(chosen, by_algorithm) {
        for (name, value) in MEASURES {
            let mut shown = Vec::new();
            for (kind, runs) in &sides {
                let groups: BTreeSet<&str> = runs.iter().map(|run| run.group()).collect();
                let (count, at) = quartiles(runs, value);
                let words = [&*set, &*algorithm, name, kind.as_str()].map(Cell::text);
                let numbers = [Cell::count(groups.len()), Cell::count(count)].into_iter().chain(at.map(Cell::number));
                rows.push(words.into_iter().chain(numbers).collect());
                if let [Some(low), Some(middle), Some(high)] = at {
                    shown.push(Level { name: kind.as_str().into(), middle, low, high });
                }
            }
            if shown.len() > 1 {
                plots.push(levels(&format!("{set}, {algorithm}"), name, "trainer", &shown));
            }
        }
    }
    (rows, plots)
}

fn each(chosen: &[(Kind, Vec<&Run>)]) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for ((set, group), sides) in parted(chosen, by_group) {
        for ((name, value), (kind, runs)) in MEASURES.iter().flat_map(|of| sides.iter().map(move |side| (of, side))) {
            let (count, at) = quartiles(runs, *value);
            let words = [&*set, &*group, name, kind.as_str()].map(Cell::text);
            rows.push(words.into_iter().chain([Cell::count(count)]).chain(at.map(Cell::number)).collect());
        }
    }
    rows
}

fn effects(chosen: &[(Kind, Vec<&Run>)]) -> Vec<Vec<Cell>> {
    let of = |(kind, runs): &(Kind, Vec<&Run>)| {
        let rows = factors::main_effects(runs.iter().copied());
        let kind = Cell::text(kind.as_str());
        rows.into_iter().map(move |row| [vec![kind.clone()], row].concat()).collect::<Vec<_>>()
    };
    chosen.iter().flat_map(of).collect()
}

/// The memory and the throughput of the first part, trainer by trainer.
fn answer(rows: &[Vec<Cell>]) -> String {
    let Some(first) = rows.first() else {
        return "There is no trial that all trainers ran, with the same steps.".into();
    };
    let of = |measure: Of| {
        let is_it = |row: &&Vec<Cell>| row[..2] == first[..2] && row[2] == Cell::text(measure.0);
        let said = rows.iter().filter(is_it).map(|row| format!("{} {}", row[3].shown(), row[7].shown()));
        format!("{} ({})", measure.0, said.collect::<Vec<_>>().join(", "))
    };
    format!(
        "On {} with {}, median over the trials of {} configurations that all trainers ran: {}; {}.",
        first[0].shown(),
        first[1].shown(),
        first[4].shown(),
        of(MEASURES[0]),
        of(MEASURES[4])
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::tests::run;

    fn side(kind: Kind, groups: &[(&str, u64)]) -> Side {
        let runs = groups.iter().map(|(group, steps)| run(group, *steps, |_| 0.5)).collect();
        Side { kind, runs, source: format!("Journal: {}", kind.as_str()) }
    }

    #[test]
    fn only_what_all_ran_with_the_same_steps_is_compared() {
        let rust = side(Kind::Rust, &[("a", 100), ("b", 100), ("c", 100)]);
        let ray = side(Kind::Ray, &[("b", 100), ("c", 50), ("d", 100)]);
        let section = compared(&[rust, ray]);
        let each: Vec<[String; 2]> =
            section.tables[1].rows.iter().map(|row| [row[1].shown(), row[3].shown()]).collect();
        assert_eq!(each.len(), 2 * MEASURES.len());
        assert!(each.iter().all(|row| row[0] == "b") && each[..2] == [["b", "rust"], ["b", "ray"]]);
        assert!(section.source.contains("rust: Journal: rust. ray: Journal: ray."), "{}", section.source);
        let alone = compared(&[side(Kind::Rust, &[("a", 100)]), side(Kind::Ray, &[])]);
        assert!(alone.answer.starts_with("There is no trial") && alone.tables[0].rows.is_empty());
    }
}
