//! The second question: which hyperparameters go with the use of the system?

use std::collections::{BTreeMap, HashSet};

use super::growth::LOOKS;
use super::page::{Cell, Section, Table, significant};
use super::plot::{Level, levels};
use crate::runs::Run;
use crate::search::axis::are_planned;
use crate::search::plan::FOLDS;
use crate::stats::{by_chance, corrected_interval, interaction, main_effect, median, quantile};

/// The hyperparameters.
const FACTORS: [&str; 3] = ["batch_size", "learning_rate", "alpha"];

/// A measure of a whole trial: its name and unit, and how to get it.
type Measure = (&'static str, fn(&Run) -> Option<f64>);

/// What is measured of a trial. Time and CPU are totals that the kernel and the trainer tell; memory is what was seen, and of
/// a trial that was seldom looked at that is too little.
const MEASURES: [Measure; 5] = [
    ("memory peak, KiB", |run| Some(run.peak().filter(|_| run.looks.len() >= LOOKS)? / 1024.0)),
    ("CPU, ms", |run| Some(1e3 * run.cpu())),
    ("elapsed, ms", |run| Some(1e3 * run.elapsed())),
    ("step time, µs", |run| Some(1e6 * run.step_time()?)),
    ("throughput, samples/s", Run::throughput),
];

/// Test rows over training rows of a fold.
const RATIO: f64 = 1.0 / (FOLDS as f64 - 1.0);

/// Folds that an interval is drawn from at least.
const FEWEST: usize = 3;

/// The trials of a data set and algorithm that are compared.
struct Part<'a> {
    set: String,
    algorithm: &'a str,
    diverged: usize,
    runs: Vec<&'a Run>,
}

/// The whole answer.
pub fn section(runs: &[Run]) -> Section {
    let parts = parts(runs.iter());
    let mut words = vec![
        "Batch size is no learning effect here: partial_fit updates the weights row by row, whatever the batch is, so that \
         at equal epochs all batch sizes give the same weights but for rounding. What a batch size changes is how often a \
         step begins and is reported, and that is all these tables show of it."
            .to_string(),
        format!(
            "Effects are on ranks, fold by fold over the configurations: epsilon squared of Kruskal and Wallis for one \
             hyperparameter; for two, the share that both explain beyond the sum of each. Bounds are 95 % over the folds by \
             the corrected resampled variance (test over training rows 1/{}). `By chance` is what no effect at all would \
             give. Diverged trials ({}) are left out. A factor with one value tells nothing and has no row. \
             What the search added beyond the edge of the grid lies at one batch size and is left out.",
            FOLDS - 1,
            parts.iter().map(|part| part.diverged).sum::<usize>()
        ),
    ];
    let plots = parts.iter().flat_map(plots).collect();
    let short: Vec<String> = parts.iter().filter_map(short).collect();
    if !short.is_empty() {
        words.push(format!(
            "Too short to measure their memory, with fewer than {LOOKS} system samples, are {}; a level is drawn where \
             {FEWEST} folds have a trial that is long enough. The other measures are totals, told exactly by the kernel and \
             the trainer.",
            short.join("; ")
        ));
    }
    let head =
        vec!["data set", "algorithm", "measure", "factor", "epsilon squared", "low", "high", "by chance", "folds"];
    let rows: Vec<Vec<Cell>> = parts.iter().flat_map(rows).collect();
    let answer = answer(&rows);
    let caption = "Share of the differences in rank that goes with each hyperparameter, and with each two.".into();
    let tables = vec![Table { name: "rq2_effects", caption, head, rows, shown: 120 }];
    let title = "RQ2: hyperparameters and the use of the system".into();
    Section { title, answer, words, plots, tables, ..Section::default() }
}

/// Which hyperparameter goes with most, over all sets, algorithms and measures.
fn answer(rows: &[Vec<Cell>]) -> String {
    let mut largest: BTreeMap<[String; 3], (&'static str, f64, f64)> = BTreeMap::new();
    for row in rows {
        let Some(factor) = FACTORS.into_iter().find(|factor| row[3] == Cell::text(*factor)) else { continue };
        // More levels explain more by chance alone.
        let (Cell::Number(effect, _), Cell::Number(chance, _)) = (&row[4], &row[7]) else { continue };
        let best =
            largest.entry([0, 1, 2].map(|place| row[place].shown())).or_insert((factor, *effect, effect - chance));
        if effect - chance > best.2 {
            *best = (factor, *effect, effect - chance);
        }
    }
    let all = largest.len();
    let mut counts = FACTORS.map(|factor| {
        let of: Vec<f64> = largest.values().filter(|best| best.0 == factor).map(|best| best.1).collect();
        (of.len(), factor, median(&of))
    });
    counts.sort_by_key(|count| std::cmp::Reverse(count.0));
    match counts[0] {
        (count, factor, Some(middle)) => format!(
            "{factor} goes with more of the differences in the use of the system than any other hyperparameter in {count} of \
             {all} comparisons (data set, algorithm, measure), and there with {:.0} % of them in the middle.",
            100.0 * middle
        ),
        _ => "There are too few trials with different hyperparameters to compare.".into(),
    }
}

/// What each hyperparameter alone goes with: rows as on the page.
pub fn main_effects<'a>(runs: impl Iterator<Item = &'a Run>) -> Vec<Vec<Cell>> {
    let is_alone = |row: &Vec<Cell>| FACTORS.iter().any(|factor| row[3] == Cell::text(*factor));
    parts(runs).iter().flat_map(rows).filter(is_alone).collect()
}

fn parts<'a>(runs: impl Iterator<Item = &'a Run>) -> Vec<Part<'a>> {
    let mut parts: BTreeMap<(String, &str), Part<'a>> = BTreeMap::new();
    // What widening added lies at one batch size only: there the factors would be mixed up with each other.
    for run in runs.filter(|run| !run.is_refit() && are_planned(&run.view.params)) {
        let (set, algorithm) = (run.set(), run.label("algorithm"));
        let part = parts.entry((set.clone(), algorithm));
        let part = part.or_insert_with(|| Part { set, algorithm, diverged: 0, runs: Vec::new() });
        if run.diverged() {
            part.diverged += 1;
        } else {
            part.runs.push(run);
        }
    }
    parts.into_values().collect()
}

/// The levels of a factor, each trial's by its place.
fn places(runs: &[&Run], factor: &str) -> Vec<usize> {
    let values: Vec<f64> = runs.iter().map(|run| run.param(factor).unwrap_or(f64::NAN)).collect();
    let mut all = values.clone();
    all.sort_by(f64::total_cmp);
    all.dedup();
    values.iter().map(|value| all.partition_point(|other| other.total_cmp(value).is_lt())).collect()
}

/// A row for each measure and hyperparameter, and each two of them.
fn rows(part: &Part<'_>) -> Vec<Vec<Cell>> {
    let mut folds: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    for run in &part.runs {
        folds.entry(run.view.fold.as_deref().unwrap_or("")).or_default().push(run);
    }
    let alone = FACTORS.map(|factor| (factor, None));
    let both = [(0, 1), (0, 2), (1, 2)].map(|(first, second)| (FACTORS[first], Some(FACTORS[second])));
    let mut rows = Vec::new();
    for ((name, value), (first, second)) in
        MEASURES.iter().flat_map(|measure| alone.iter().chain(&both).map(move |factors| (measure, *factors)))
    {
        let of = |fold: &Vec<&Run>| effect(fold, *value, first, second);
        let (found, chance): (Vec<f64>, Vec<f64>) = folds.values().filter_map(of).unzip();
        let Some((mean, low, high)) = corrected_interval(&found, RATIO).filter(|_| found.len() >= FEWEST) else {
            continue;
        };
        let factor = second.map_or(first.to_string(), |second| format!("{first} x {second}"));
        let words = [&*part.set, part.algorithm, name, &factor].map(Cell::text);
        let chance = chance.iter().sum::<f64>() / chance.len() as f64;
        let numbers = [mean, low.max(0.0), high.min(1.0), chance].map(|number| Cell::number(Some(number)));
        rows.push(words.into_iter().chain(numbers).chain([Cell::count(found.len())]).collect());
    }
    rows
}

/// The effect in one fold, and what chance alone would give.
fn effect(fold: &[&Run], value: fn(&Run) -> Option<f64>, first: &str, second: Option<&str>) -> Option<(f64, f64)> {
    let measured: Vec<(&Run, f64)> = fold.iter().filter_map(|run| Some((*run, value(run)?))).collect();
    let (runs, values): (Vec<&Run>, Vec<f64>) = measured.into_iter().unzip();
    let first = places(&runs, first);
    let second = second.map(|second| places(&runs, second));
    let chance = by_chance(&first, second.as_deref());
    let effect = match &second {
        None => main_effect(&values, &first),
        Some(second) => interaction(&values, &first, second),
    }?;
    // Where each level, or each pair, has one trial, there is nothing to tell an effect from chance by.
    (0.0 < chance && chance < 1.0).then_some((effect, chance))
}

/// How many trials are too short for their memory to be told, if any.
fn short(part: &Part<'_>) -> Option<String> {
    let count = part.runs.iter().filter(|run| run.looks.len() < LOOKS).count();
    let all = part.runs.len();
    (count > 0).then(|| format!("{}, {}: {count} of {all} trials", part.set, part.algorithm))
}

/// Small multiples: each measure against each hyperparameter.
fn plots(part: &Part<'_>) -> Vec<String> {
    let mut plots = Vec::new();
    for ((name, value), factor) in MEASURES.iter().flat_map(|measure| FACTORS.map(move |factor| (measure, factor))) {
        let mut by_level: BTreeMap<usize, (f64, Vec<f64>, HashSet<&str>)> = BTreeMap::new();
        for (run, place) in part.runs.iter().zip(places(&part.runs, factor)) {
            let of = || (run.param(factor).unwrap_or(f64::NAN), Vec::new(), HashSet::new());
            let (_, values, folds) = by_level.entry(place).or_insert_with(of);
            if let Some(value) = value(run) {
                values.push(value);
                folds.insert(run.view.fold.as_deref().unwrap_or(""));
            }
        }
        let level = |(of, values, folds): &(f64, Vec<f64>, HashSet<&str>)| {
            let at = |share: f64| quantile(values, share).filter(|_| folds.len() >= FEWEST);
            let name = if *of >= 1.0 { format!("{of}") } else { significant(*of, 1) };
            Some(Level { name, middle: at(0.5)?, low: at(0.25)?, high: at(0.75)? })
        };
        let shown: Vec<Level> = by_level.values().filter_map(level).collect();
        if shown.len() > 1 {
            plots.push(levels(&format!("{}, {}", part.set, part.algorithm), name, factor, &shown));
        }
    }
    plots
}
