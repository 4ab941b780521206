//! What scikit-learn's `tol` and `n_iter_no_change` do to the use of the system: what a trial has taken when it is stopped.

use std::collections::BTreeMap;

use super::super::page::{Cell, Section, Table, significant};
use super::super::plot::{Level, levels};
use crate::policies::Extent;
use crate::runs::DIVERGED;
use crate::search::plan::FOLDS;
use crate::stats::{by_chance, corrected_interval, main_effect, quantile};

/// A measure up to the stop: its name and unit, and how to get it.
type Measure = (&'static str, fn(&Extent) -> Option<f64>);

const MEASURES: [Measure; 5] = [
    ("elapsed, ms", |one| Some(1e3 * one.elapsed_seconds)),
    ("CPU, ms", |one| Some(1e3 * one.cpu_seconds)),
    ("steps", |one| Some(one.steps)),
    ("steps, % of the full run", |one| Some(100.0 * one.share_of_steps)),
    ("memory peak, KiB", |one| Some(one.memory_peak_bytes? / 1024.0)),
];

/// The patience with which tol is varied, and the tol with which patience is.
const PATIENCE: u32 = 5;
const TOL: f64 = 1e-3;

/// Folds that an interval is drawn from at least.
const FEWEST: usize = 3;

/// Test rows over training rows of a fold.
const RATIO: f64 = 1.0 / (FOLDS as f64 - 1.0);

/// What is varied while the other stays.
#[derive(Clone, Copy, PartialEq)]
enum Factor {
    Tol,
    Patience,
}

impl Factor {
    fn name(self) -> &'static str {
        match self {
            Factor::Tol => "tol",
            Factor::Patience => "n_iter_no_change",
        }
    }

    fn is_of(self, one: &Extent) -> bool {
        match self {
            Factor::Tol => one.n_iter_no_change == PATIENCE,
            Factor::Patience => one.tol == TOL,
        }
    }

    fn value(self, one: &Extent) -> f64 {
        match self {
            Factor::Tol => one.tol,
            Factor::Patience => f64::from(one.n_iter_no_change),
        }
    }
}

/// The trials of a data set and algorithm under the rules of one factor, by its value.
struct Part<'a> {
    set: &'a str,
    algorithm: &'a str,
    factor: Factor,
    values: Vec<f64>,
    rows: Vec<&'a Extent>,
}

/// The section.
pub fn section(extents: &[Extent]) -> Section {
    let parts = parts(extents);
    let diverged =
        extents.iter().filter(|one| one.diverged && one.tol == TOL && one.n_iter_no_change == PATIENCE).count();
    let words = vec![
        format!(
            "scikit-learn's rule by replay: a trial is stopped after n_iter_no_change epochs whose mean training loss was not \
             lower than the lowest so far by tol. tol is varied at n_iter_no_change = {PATIENCE}, n_iter_no_change at tol = {TOL}. A trial that is never stopped \
             counts with its whole run. Medians and quartiles are over configurations and folds; {diverged} diverged trials are \
             left out. {DIVERGED}"
        ),
        format!(
            "Epsilon squared is the share of the differences in rank, among all trials at all values, that goes with the factor; \
             most of the rest goes with the configuration. Bounds are 95 % over the folds by the corrected resampled variance \
             (test over training rows 1/{}); `by chance` is what no effect at all would give.",
            FOLDS - 1
        ),
    ];
    Section {
        title: "RQ2: tol and n_iter_no_change, and the use of the system up to the stop".into(),
        answer: answer(&parts),
        words,
        plots: parts.iter().flat_map(plots).collect(),
        tables: vec![medians(&parts), quartiles(&parts), effects(&parts)],
        ..Section::default()
    }
}

fn parts(extents: &[Extent]) -> Vec<Part<'_>> {
    let mut all: BTreeMap<(&str, &str), Vec<&Extent>> = BTreeMap::new();
    for one in extents.iter().filter(|one| !one.diverged) {
        all.entry((&one.set, &one.algorithm)).or_default().push(one);
    }
    let mut parts = Vec::new();
    for ((set, algorithm), of) in all {
        for factor in [Factor::Tol, Factor::Patience] {
            let rows: Vec<&Extent> = of.iter().copied().filter(|one| factor.is_of(one)).collect();
            let mut values: Vec<f64> = rows.iter().map(|one| factor.value(one)).collect();
            values.sort_by(f64::total_cmp);
            values.dedup();
            parts.push(Part { set, algorithm, factor, values, rows });
        }
    }
    parts
}

impl Part<'_> {
    fn at(&self, value: f64) -> impl Iterator<Item = &Extent> {
        self.rows.iter().copied().filter(move |one| self.factor.value(one) == value)
    }

    fn measured(&self, value: f64, measure: fn(&Extent) -> Option<f64>) -> Vec<f64> {
        self.at(value).filter_map(measure).collect()
    }
}

/// From the loosest tol to the strictest.
fn answer(parts: &[Part<'_>]) -> String {
    let said = parts.iter().filter(|part| part.factor == Factor::Tol).filter_map(|part| {
        let (strict, loose) = (part.values.first()?, part.values.last()?);
        let middle = |value: &f64| quantile(&part.measured(*value, |one| Some(one.share_of_steps)), 0.5);
        Some(format!(
            "{:.0} % at tol {loose} and {:.0} % at tol {strict} on {} ({})",
            100.0 * middle(loose)?,
            100.0 * middle(strict)?,
            part.set,
            part.algorithm
        ))
    });
    let said: Vec<String> = said.collect();
    if said.is_empty() {
        return "No trial was replayed under scikit-learn's rule.".into();
    }
    format!("Half of the trials train no more of their steps than: {}.", said.join("; "))
}

fn words_of(value: f64) -> String {
    if value >= 1.0 { format!("{value}") } else { significant(value, 1) }
}

fn plots(part: &Part<'_>) -> Vec<String> {
    let title = format!("{}, {}", part.set, part.algorithm);
    let plot = |(name, measure): &Measure| {
        let level = |value: &f64| {
            let of = part.measured(*value, *measure);
            let at = |share: f64| quantile(&of, share);
            Some(Level { name: words_of(*value), middle: at(0.5)?, low: at(0.25)?, high: at(0.75)? })
        };
        let shown: Vec<Level> = part.values.iter().filter_map(level).collect();
        (shown.len() > 1).then(|| levels(&title, name, part.factor.name(), &shown))
    };
    MEASURES.iter().filter_map(plot).collect()
}

/// Medians, a row a value.
fn medians(parts: &[Part<'_>]) -> Table {
    let mut rows = Vec::new();
    for (part, value) in parts.iter().flat_map(|part| part.values.iter().map(move |value| (part, *value))) {
        let mut row = [part.set, part.algorithm, part.factor.name()].map(Cell::text).to_vec();
        let stopped = part.at(value).filter(|one| one.stopped).count();
        row.extend([Cell::text(words_of(value)), Cell::count(part.at(value).count()), Cell::count(stopped)]);
        row.extend(MEASURES.iter().map(|(_, measure)| Cell::number(quantile(&part.measured(value, *measure), 0.5))));
        rows.push(row);
    }
    let mut head = vec!["data set", "algorithm", "factor", "value", "trials", "stopped"];
    head.extend(MEASURES.iter().map(|measure| measure.0));
    let caption = "What a trial has taken when scikit-learn's rule stops it, or at its end: medians.".into();
    Table { name: "rq2_tol", caption, head, rows, shown: 40 }
}

/// Quartiles, a row a value and measure.
fn quartiles(parts: &[Part<'_>]) -> Table {
    let mut rows = Vec::new();
    for (part, value) in parts.iter().flat_map(|part| part.values.iter().map(move |value| (part, *value))) {
        for (name, measure) in &MEASURES {
            let of = part.measured(value, *measure);
            let mut row = [part.set, part.algorithm, part.factor.name()].map(Cell::text).to_vec();
            row.extend([Cell::text(words_of(value)), Cell::text(*name), Cell::count(of.len())]);
            row.extend([0.25, 0.5, 0.75].map(|share| Cell::number(quantile(&of, share))));
            rows.push(row);
        }
    }
    let head =
        vec!["data set", "algorithm", "factor", "value", "measure", "trials", "quartile 1", "median", "quartile 3"];
    Table { name: "rq2_tol_quartiles", caption: "The same with quartiles, as plotted.".into(), head, rows, shown: 0 }
}

fn effects(parts: &[Part<'_>]) -> Table {
    let mut rows = Vec::new();
    for (part, (name, measure)) in parts.iter().flat_map(|part| MEASURES.iter().map(move |measure| (part, measure))) {
        let mut folds: BTreeMap<&str, (Vec<f64>, Vec<usize>)> = BTreeMap::new();
        for one in &part.rows {
            let Some(value) = measure(one) else { continue };
            let place = part.values.partition_point(|other| *other < part.factor.value(one));
            let fold = folds.entry(&one.fold).or_default();
            fold.0.push(value);
            fold.1.push(place);
        }
        let effect =
            |(values, places): &(Vec<f64>, Vec<usize>)| Some((main_effect(values, places)?, by_chance(places, None)));
        let (found, chance): (Vec<f64>, Vec<f64>) = folds.values().filter_map(effect).unzip();
        let Some((mean, low, high)) = corrected_interval(&found, RATIO).filter(|_| found.len() >= FEWEST) else {
            continue;
        };
        let chance = chance.iter().sum::<f64>() / chance.len() as f64;
        let mut row = [part.set, part.algorithm, name, part.factor.name()].map(Cell::text).to_vec();
        row.extend([mean, low.max(0.0), high.min(1.0), chance].map(|number| Cell::number(Some(number))));
        row.push(Cell::count(found.len()));
        rows.push(row);
    }
    let head =
        vec!["data set", "algorithm", "measure", "factor", "epsilon squared", "low", "high", "by chance", "folds"];
    let caption = "Share of the differences in rank that goes with tol, and with n_iter_no_change.".into();
    Table { name: "rq2_tol_effects", caption, head, rows, shown: 60 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stricter_tol_is_seen_to_train_longer() {
        let one = |fold: usize, configuration: usize, tol: f64, n_iter_no_change: u32| {
            let share_of_steps = (0.1 - tol.log10() / 10.0) * f64::from(n_iter_no_change) / 5.0;
            let steps = share_of_steps * 100.0 * (configuration + 1) as f64;
            Extent {
                set: "s".into(),
                algorithm: "a".into(),
                configuration: format!("c{configuration}"),
                fold: format!("fold{fold}"),
                n_iter_no_change,
                tol,
                diverged: configuration == 3,
                stopped: true,
                steps,
                share_of_steps,
                elapsed_seconds: steps / 1e3,
                cpu_seconds: steps / 1e3,
                memory_peak_bytes: None,
            }
        };
        let tols = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5].map(|tol| (tol, 5)).into_iter().chain([(1e-3, 2), (1e-3, 10)]);
        let rules: Vec<(f64, u32)> = tols.collect();
        let mut extents = Vec::new();
        for fold in 0..4 {
            for configuration in 0..4 {
                extents.extend(rules.iter().map(|(tol, epochs)| one(fold, configuration, *tol, *epochs)));
            }
        }
        let section = section(&extents);
        assert!(section.answer.contains("20 % at tol 0.1 and 60 % at tol 0.00001 on s (a)"), "{}", section.answer);
        assert!(section.words[0].contains("4 diverged trials are left out"), "{}", section.words[0]);
        // Of memory nobody knows anything: no plot and no effect.
        assert_eq!(section.plots.len(), 8);
        let effects = &section.tables[2].rows;
        assert_eq!(effects.len(), 8);
        let share = effects.iter().find(|row| row[2] == Cell::text("steps, % of the full run")).expect("a row");
        assert_eq!((share[4].shown(), share[8].shown()), ("1.000".to_string(), "4".to_string()));
        assert!(super::section(&[]).answer.starts_with("No trial"));
    }
}
