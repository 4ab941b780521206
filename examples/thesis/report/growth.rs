//! The first question: do memory, CPU and step time change while a model trains, and does memory grow in steps?

use std::collections::BTreeMap;

use super::page::{Cell, Section, Table};
use super::plot::{Place, band};
use super::series::{Against, Measure, at_places, jumpiness};
use crate::runs::{DIVERGED, Run};
use crate::stats::{holm, median, quantile, sign_test, slope_between, thinned};

/// A fold counts if the sidecar looked at it so often, and a configuration if so many folds count.
pub const LOOKS: usize = 30;
const FOLDS: usize = 3;

/// Points of a fold that its slope is taken from: neighbours are put together, or the pairs would be too many.
pub const POINTS: usize = 60;

/// Places of a curve, and curves that the page shows of a data set and algorithm.
const PLACES: usize = 40;
const CURVES: usize = 3;

/// Rows that the page shows of configurations without curves.
const SHORT: usize = 20;

/// A configuration: its data set's title, its name, and its folds that did not diverge.
struct Group<'a> {
    set: String,
    name: &'a str,
    algorithm: &'a str,
    diverged: usize,
    /// Folds looked at often enough.
    long: Vec<&'a Run>,
    /// Those, and the others.
    all: Vec<&'a Run>,
}

impl Group<'_> {
    /// Median of a total over the folds.
    fn total(&self, of: impl Fn(&Run) -> Option<f64>) -> Cell {
        Cell::number(median(&self.all.iter().filter_map(|run| of(run)).collect::<Vec<_>>()))
    }
}

/// The whole answer.
pub fn section(runs: &[&Run], controls: &[Run]) -> Section {
    let groups = groups(runs);
    let long: Vec<&Group> = groups.iter().filter(|group| group.long.len() >= FOLDS).collect();
    let (slopes, smallest) = slopes(&long);
    let (plots, curves) = curves(&long);
    let mut words = vec![
        format!(
            "{} of {} configurations have at least {FOLDS} folds with {LOOKS} system samples each. The others are too \
             short to measure: of them there are totals only. {} trials diverged; they are counted in the table \
             and left out of curves and slopes. {DIVERGED}",
            long.len(),
            groups.len(),
            groups.iter().map(|group| group.diverged).sum::<usize>()
        ),
        format!(
            "Slopes are Theil and Sen's, per fold, over {POINTS} medians of neighbouring points at most; the bounds are \
             the medians over the folds of each fold's 95 % interval from 200 drawings of blocks. One sign test a \
             configuration and measure over the folds' slopes, adjusted after Holm over all of them. Folds share training \
             rows, so their signs are less independent than the test takes them for."
        ),
    ];
    words.extend(smallest);
    if controls.is_empty() {
        words.push("The controls were not run: `-- control flat linear --out DIR` does it.".into());
    }
    let answer = answer(&slopes, long.len(), groups.len());
    let tables = vec![slopes, jumps(&long, controls), short(&groups), curves];
    Section {
        title: "RQ1: memory, CPU and step time during training".into(),
        answer,
        words,
        plots,
        tables,
        ..Section::default()
    }
}

/// How many of those measured change, by the bounds of their slopes.
fn answer(slopes: &Table, measured: usize, all: usize) -> String {
    if measured == 0 {
        return format!("Too short to measure: none of {all} configurations was looked at often enough to say.");
    }
    let place = |head: &str| slopes.head.iter().position(|one| *one == head).expect("it is a column of this table");
    let (measure, low, high) = (place("measure"), place("low"), place("high"));
    let count = |of: Measure, holds: &dyn Fn(&Cell, &Cell) -> bool| {
        let rows = slopes.rows.iter().filter(|row| row[measure] == Cell::text(of.title()));
        rows.filter(|row| holds(&row[low], &row[high])).count()
    };
    let above = |low: &Cell, _: &Cell| matches!(low, Cell::Number(low, _) if *low > 0.0);
    let below = |_: &Cell, high: &Cell| matches!(high, Cell::Number(high, _) if *high < 0.0);
    let [memory, cpu, step] =
        [Measure::Memory, Measure::Cpu, Measure::StepTime].map(|of| (count(of, &above), count(of, &below)));
    format!(
        "Memory grows in {} of {measured} configurations measured and shrinks in {}; CPU rises in {} and falls in {}; step \
         time rises in {} and falls in {} (the 95 % interval of the slope lies on one side of zero).",
        memory.0, memory.1, cpu.0, cpu.1, step.0, step.1
    )
}

fn groups<'a>(runs: &[&'a Run]) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<(String, &str), Vec<&Run>> = BTreeMap::new();
    for run in runs.iter().copied().filter(|run| !run.is_refit()) {
        groups.entry((run.set(), run.group())).or_default().push(run);
    }
    groups
        .into_iter()
        .map(|((set, name), of)| {
            let diverged = of.iter().filter(|run| run.diverged()).count();
            let all: Vec<&Run> = of.iter().copied().filter(|run| !run.diverged()).collect();
            let long = all.iter().copied().filter(|run| run.looks.len() >= LOOKS).collect();
            Group { set, name, algorithm: of[0].label("algorithm"), diverged, long, all }
        })
        .collect()
}

/// A row for each configuration and measure; and what the number of folds and tests allows to find at all.
fn slopes(groups: &[&Group<'_>]) -> (Table, Option<String>) {
    let mut rows = Vec::new();
    let mut p = Vec::new();
    let mut most = 0;
    for (group, measure) in groups.iter().flat_map(|group| Measure::ALL.map(|measure| (group, measure))) {
        let of = |(place, run): (usize, &&Run)| {
            slope_between(&thinned(&measure.points(run, Against::Elapsed), POINTS), place as u64)
        };
        let found: Vec<(f64, f64, f64)> = group.long.iter().enumerate().filter_map(of).collect();
        let middle = |of: fn(&(f64, f64, f64)) -> f64| Cell::number(median(&found.iter().map(of).collect::<Vec<_>>()));
        let (up, down) =
            (found.iter().filter(|slope| slope.0 > 0.0).count(), found.iter().filter(|slope| slope.0 < 0.0).count());
        most = most.max(up + down);
        p.push(sign_test(up, down));
        rows.push(vec![
            Cell::text(&*group.set),
            Cell::text(group.name),
            Cell::text(measure.title()),
            Cell::count(found.len()),
            Cell::count(group.diverged),
            middle(|slope| slope.0),
            middle(|slope| slope.1),
            middle(|slope| slope.2),
            Cell::count(up),
            Cell::count(down),
            group.total(Run::throughput),
        ]);
    }
    let adjusted = holm(&p);
    let rejected = adjusted.iter().filter(|p| **p <= 0.05).count();
    for ((row, p), adjusted) in rows.iter_mut().zip(&p).zip(&adjusted) {
        row.extend([Cell::number(Some(*p)), Cell::number(Some(*adjusted))]);
    }
    let least = sign_test(most, 0);
    let limit = (0.05 / least).floor() as usize;
    let mut said = format!("{rejected} of {} adjusted p are 0.05 or less.", p.len());
    if p.len() > limit {
        said += &format!(
            " That could not be otherwise: with {most} folds no p is below {least:.4}, and among more than {limit} tests \
             Holm rejects none. What there is to see are the slopes, and how many folds rise or fall."
        );
    }
    let head = vec![
        "data set",
        "configuration",
        "measure",
        "folds",
        "diverged",
        "slope a second",
        "low",
        "high",
        "rising folds",
        "falling folds",
        "samples/s",
        "sign test p",
        "Holm p",
    ];
    let caption = "Change of each measure with time: median of the folds' slopes.".into();
    let smallest = (!p.is_empty()).then_some(said);
    (Table { name: "rq1_slopes", caption, head, rows, shown: 60 }, smallest)
}

/// How much of the growth of memory is in the five largest jumps, beside the controls.
fn jumps(groups: &[&Group<'_>], controls: &[Run]) -> Table {
    let memory = |run: &Run| run.looks.iter().map(|look| look.memory).collect::<Vec<f64>>();
    let row = |set: &str, name: &str, of: &[&Run]| {
        let shares: Vec<f64> = of.iter().filter_map(|run| jumpiness(&memory(run))).collect();
        let grown = |run: &&Run| Some((run.looks.last()?.memory - run.looks.first()?.memory) / 1024.0);
        let grown: Vec<f64> = of.iter().filter_map(grown).collect();
        let looks: Vec<f64> = of.iter().map(|run| run.looks.len() as f64).collect();
        vec![
            Cell::text(set),
            Cell::text(name),
            Cell::count(of.len()),
            Cell::number(median(&looks)),
            Cell::number(median(&grown)),
            Cell::count(of.len() - shares.len()),
            Cell::number(quantile(&shares, 0.25)),
            Cell::number(median(&shares)),
            Cell::number(quantile(&shares, 0.75)),
            Cell::number(median(&of.iter().filter_map(|run| run.throughput()).collect::<Vec<_>>())),
        ]
    };
    let of_controls = controls.iter().map(|run| row("control", run.view.trial.as_str(), &[run]));
    let rows = of_controls.chain(groups.iter().map(|group| row(&group.set, group.name, &group.long))).collect();
    Table {
        name: "rq1_jumps",
        caption: "Share of all growth of memory that is in the five largest jumps between neighbouring samples: 1 is a \
                  stair, five divided by the samples a straight line. Controls first: `flat` allocates nothing while it \
                  runs, `linear` the same amount each step."
            .into(),
        head: vec![
            "data set",
            "configuration",
            "folds",
            "samples",
            "grown KiB",
            "folds without growth",
            "share, quartile 1",
            "share, median",
            "share, quartile 3",
            "samples/s",
        ],
        rows,
        shown: 40,
    }
}

/// Configurations of which nothing can be said over time.
fn short(groups: &[Group<'_>]) -> Table {
    let short = groups.iter().filter(|group| group.long.len() < FOLDS);
    let row = |group: &Group<'_>| {
        let why = match group.all.len() {
            0 => "all folds diverged".to_string(),
            _ => format!("too short to measure: {} folds with {LOOKS} samples", group.long.len()),
        };
        vec![
            Cell::text(&*group.set),
            Cell::text(group.name),
            Cell::count(group.diverged),
            Cell::text(why),
            group.total(|run| Some(1e3 * run.cpu())),
            group.total(|run| Some(1e3 * run.elapsed())),
            group.total(|run| Some(run.peak()? / 1024.0)),
            group.total(|run| Some(1e6 * run.step_time()?)),
            group.total(Run::throughput),
        ]
    };
    let head = vec![
        "data set",
        "configuration",
        "diverged",
        "curve",
        "CPU ms",
        "elapsed ms",
        "memory peak KiB",
        "step time µs",
        "samples/s",
    ];
    let caption =
        "Configurations without curves: totals of a trial, median over the folds that did not diverge.".into();
    Table { name: "rq1_short", caption, head, rows: short.map(row).collect(), shown: SHORT }
}

/// Median and quartiles over the folds: a table of all, plots of those looked at most.
fn curves(groups: &[&Group<'_>]) -> (Vec<String>, Table) {
    let mut order: Vec<&&Group<'_>> = groups.iter().collect();
    order.sort_by_key(|group| std::cmp::Reverse(group.long.iter().map(|run| run.looks.len()).sum::<usize>()));
    let (mut plots, mut rows) = (Vec::new(), Vec::new());
    let mut drawn: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for group in order {
        let count = drawn.entry((&group.set, group.algorithm)).or_default();
        *count += 1;
        for (measure, against) in Measure::ALL.into_iter().flat_map(|m| [(m, Against::Elapsed), (m, Against::Epoch)]) {
            let axis = if against == Against::Elapsed { "elapsed, s" } else { "epoch" };
            let places = curve(&group.long, measure, against);
            rows.extend(places.iter().map(|place| {
                let numbers = [place.x, place.low, place.middle, place.high].map(|value| Cell::number(Some(value)));
                let words = [&*group.set, group.name, measure.title(), axis].map(Cell::text);
                words.into_iter().chain(numbers).collect()
            }));
            if *count <= CURVES {
                let measure = format!("{}: {}", group.set, measure.title());
                plots.push(band(group.name, &measure, axis, &places));
            }
        }
    }
    let head = vec!["data set", "configuration", "measure", "axis", "place", "quartile 1", "median", "quartile 3"];
    let caption = format!("Median and quartiles over the folds; plotted are the {CURVES} longest of each algorithm.");
    (plots, Table { name: "rq1_curves", caption, head, rows, shown: 0 })
}

fn curve(runs: &[&Run], measure: Measure, against: Against) -> Vec<Place> {
    let series: Vec<Vec<(f64, f64)>> = runs.iter().map(|run| measure.points(run, against)).collect();
    let ends: Vec<f64> = series.iter().filter_map(|points| points.last()).map(|point| point.0).collect();
    let Some(end) = median(&ends) else { return Vec::new() };
    let places: Vec<f64> = (1..=PLACES).map(|place| end * place as f64 / PLACES as f64).collect();
    let placed: Vec<Vec<Option<f64>>> = series.iter().map(|points| at_places(points, &places)).collect();
    let of = |(place, x): (usize, &f64)| {
        let values: Vec<f64> = placed.iter().filter_map(|fold| fold[place]).collect();
        let at = |share: f64| quantile(&values, share).filter(|_| values.len() >= FOLDS);
        Some(Place { x: *x, middle: at(0.5)?, low: at(0.25)?, high: at(0.75)? })
    };
    places.iter().enumerate().filter_map(of).collect()
}
