//! Growth of memory, one component more at a time.

use std::collections::BTreeMap;
use std::path::Path;

use super::page::{Cell, Section, Table};
use super::plot::{Level, levels};
use crate::command;
use crate::components::row::{FILE, FOLDER, Row};
use crate::stats::{corrected_interval, median, quantile};

/// What is measured of a run: its name and unit, and how to get it.
type Of = (&'static str, fn(&Row) -> Option<f64>);

const MEASURES: [Of; 6] = [
    ("memory at a tenth, KiB", |row| row.memory_kib),
    ("growth, KiB", |row| row.growth_kib),
    ("growth, KiB/s", |row| row.slope_kib_s),
    ("growth, bytes a step", |row| row.bytes_a_step),
    ("time, µs a step", |row| a_step(Some(row.seconds), row)),
    ("CPU, µs a step", |row| a_step(row.cpu_seconds, row)),
];

/// Those that are plotted.
const PLOTTED: [Of; 3] = [MEASURES[0], MEASURES[3], MEASURES[4]];

/// The measure that the answer is about.
const GROWTH: Of = MEASURES[3];

fn a_step(seconds: Option<f64>, row: &Row) -> Option<f64> {
    seconds.filter(|_| row.steps > 0).map(|seconds| 1e6 * seconds / row.steps as f64)
}

/// The runs of one trainer, rung by rung.
type Rungs<'a> = Vec<(&'a str, Vec<&'a Row>)>;

/// The section; what is missing says how to get it.
pub fn section(out: &Path, rows: &[Row]) -> Section {
    let title = "Growth of memory, one component more at a time".to_string();
    if rows.is_empty() {
        let answer = "The components were not measured: `-- components --out DIR --python FILE` does it.".to_string();
        let source = format!("This page: {}", command::line());
        return Section { title, answer, source, ..Section::default() };
    }
    let trainers = trainers(rows);
    let words = vec![
        "Each rung does what the one before does, and one thing more: `plain` makes its steps, of which the sidecar hears \
         nothing; `metrics` reports heartbeats and evaluates at each; `mlflow` logs each report to MLflow (SQLite); `ray` does \
         it under Ray Tune, the rows in its object store. Steps, rows and configuration are the same on all rungs of a \
         trainer. All is measured by the sidecar from outside, every 10 ms; each run alone, on a core of its own, in an order \
         drawn by a seed, every component once in each repeat. Memory is RSS - shared of the trial's own process; Ray beside \
         it is the sum over Ray's own processes. Growth counts from a tenth of the training on."
            .to_string(),
        "The difference to the rung before is taken within each repeat; its bounds are 95 % over the repeats (Student's t). \
         Time and CPU a step hold everything between the first step and the last word: evaluation and logging too."
            .to_string(),
    ];
    let caption = "Medians and quartiles over the repeats, and the difference to the rung before.".into();
    let head = vec![
        "trainer",
        "up to",
        "measure",
        "runs",
        "steps",
        "quartile 1",
        "median",
        "quartile 3",
        "difference",
        "low",
        "high",
    ];
    let table = Table {
        name: "components",
        caption,
        head,
        rows: trainers.iter().flat_map(|(trainer, rungs)| lines(trainer, rungs)).collect(),
        shown: 80,
    };
    let source = format!(
        "Runs: {}. Journal: {}, made by: {}. This page: {}",
        out.join(FOLDER).join(FILE).display(),
        rows[0].journal,
        command::noted(&out.join(FOLDER)).join("; "),
        command::line()
    );
    let plots = trainers.iter().flat_map(|(trainer, rungs)| plots(trainer, rungs)).collect();
    Section { title, answer: answer(&trainers), words, plots, tables: vec![table, beside(rows)], source }
}

/// Each measure, rung by rung.
fn plots(trainer: &str, rungs: &Rungs<'_>) -> Vec<String> {
    let level = |(component, rows): &(&str, Vec<&Row>), of: fn(&Row) -> Option<f64>| {
        let values: Vec<f64> = rows.iter().filter_map(|row| of(row)).collect();
        let at = |share: f64| quantile(&values, share);
        Some(Level { name: (*component).into(), middle: at(0.5)?, low: at(0.25)?, high: at(0.75)? })
    };
    let plot = |(name, of): &Of| {
        let shown: Vec<Level> = rungs.iter().filter_map(|rung| level(rung, *of)).collect();
        levels(trainer, name, "up to", &shown)
    };
    PLOTTED.iter().map(plot).collect()
}

fn trainers(rows: &[Row]) -> BTreeMap<&str, Rungs<'_>> {
    let mut trainers: BTreeMap<&str, Rungs<'_>> = BTreeMap::new();
    for row in rows {
        let rungs = trainers.entry(&row.trainer).or_default();
        match rungs.iter_mut().find(|rung| rung.0 == row.component) {
            Some(rung) => rung.1.push(row),
            None => rungs.push((&row.component, vec![row])),
        }
    }
    trainers
}

/// A line for each rung and measure.
fn lines(trainer: &str, rungs: &Rungs<'_>) -> Vec<Vec<Cell>> {
    let mut lines = Vec::new();
    for (place, (component, rows)) in rungs.iter().enumerate() {
        for (name, of) in MEASURES {
            let values: Vec<f64> = rows.iter().filter_map(|row| of(row)).collect();
            let at = [0.25, 0.5, 0.75].map(|share| Cell::number(quantile(&values, share)));
            let before = place.checked_sub(1).map(|before| differences(&rungs[before].1, rows, of));
            let difference = before.map_or([None; 3], |of| mean(&of)).map(Cell::number);
            let words = [trainer, component, name].map(Cell::text);
            let counts = [Cell::count(values.len()), Cell::count(rows[0].steps as usize)];
            lines.push(words.into_iter().chain(counts).chain(at).chain(difference).collect());
        }
    }
    lines
}

/// What each repeat has more than the rung before in the same repeat.
fn differences(before: &[&Row], rows: &[&Row], of: fn(&Row) -> Option<f64>) -> Vec<f64> {
    let same = |row: &&&Row| before.iter().find(|other| other.repeat == row.repeat);
    rows.iter().filter_map(|row| Some(of(row)? - of(same(&row)?)?)).collect()
}

/// The mean and its bounds; with one repeat there are none.
fn mean(values: &[f64]) -> [Option<f64>; 3] {
    match corrected_interval(values, 0.0) {
        Some((mean, low, high)) => [Some(mean), Some(low), Some(high)],
        None => [values.first().copied(), None, None],
    }
}

/// What Ray takes for itself.
fn beside(rows: &[Row]) -> Table {
    let runs = rows.iter().filter_map(|row| Some((row, row.ray_memory_kib?)));
    let line = |(row, kib): (&Row, f64)| {
        let own = row.memory_kib.map(|kib| kib / 1024.0);
        let numbers = [Cell::count(row.repeat as usize), Cell::number(Some(kib / 1024.0)), Cell::number(own)];
        [Cell::text(&*row.trainer)].into_iter().chain(numbers).collect()
    };
    Table {
        name: "components_ray",
        caption:
            "Memory of Ray's own processes (the driver, raylet, GCS, agents, idle workers), beside that of the trial."
                .into(),
        head: vec!["trainer", "repeat", "Ray beside, MiB", "trial, MiB"],
        rows: runs.map(line).collect(),
        shown: 10,
    }
}

/// How much each rung grows, and which differences are beyond chance.
fn answer(trainers: &BTreeMap<&str, Rungs<'_>>) -> String {
    let of = |(trainer, rungs): (&&str, &Rungs<'_>)| {
        let mut before: Option<&[&Row]> = None;
        let mut said = Vec::new();
        for (component, rows) in rungs {
            let values: Vec<f64> = rows.iter().filter_map(|row| GROWTH.1(row)).collect();
            let Some(middle) = median(&values) else { continue };
            let sure = before.is_some_and(|before| {
                let bounds = mean(&differences(before, rows, GROWTH.1));
                matches!(bounds, [_, Some(low), Some(high)] if low > 0.0 || high < 0.0)
            });
            said.push(format!("{component} {middle:.1}{}", if sure { " (differs from the rung before)" } else { "" }));
            before = Some(rows);
        }
        format!("{trainer}: {}", said.join(", "))
    };
    let said: Vec<String> = trainers.iter().map(of).collect();
    format!("Memory grows by so many bytes a step, median over the repeats: {}.", said.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(component: &str, repeat: u32, slope: f64) -> Row {
        Row {
            journal: "j.sqlite".into(),
            trial: "t".into(),
            run: "r".into(),
            trainer: "sklearn".into(),
            component: component.into(),
            repeat,
            steps: 1000,
            seconds: 2.0,
            cpu_seconds: Some(1.0),
            looks: 180,
            memory_kib: Some(1024.0),
            growth_kib: Some(2.0 * slope),
            slope_kib_s: Some(slope),
            bytes_a_step: Some(slope),
            ray_memory_kib: (component == "ray").then_some(2048.0),
        }
    }

    #[test]
    fn a_rung_is_compared_with_the_one_before_within_each_repeat() {
        let plain = [1.0, 5.0, 3.0].into_iter().zip(0..).map(|(slope, repeat)| row("plain", repeat, slope));
        let metrics = [3.1, 6.9, 5.0].into_iter().zip(0..).map(|(slope, repeat)| row("metrics", repeat, slope));
        let rows: Vec<Row> = plain.chain(metrics).chain([row("ray", 0, 5.0)]).collect();
        let section = section("out".as_ref(), &rows);
        assert!(section.answer.contains("sklearn: plain 3.0, metrics 5.0 (differs from the rung before), ray 5.0."));
        assert!(section.source.contains("Journal: j.sqlite"), "{}", section.source);
        let line = &section.tables[0].rows[MEASURES.len() + 2];
        assert_eq!(line[..3], ["sklearn", "metrics", "growth, KiB/s"].map(Cell::text));
        let Cell::Number(difference, _) = line[8] else { panic!("there is a rung before: {line:?}") };
        assert!((difference - 2.0).abs() < 1e-9);
        assert_eq!(section.tables[0].rows[2][8], Cell::None);
        assert_eq!((section.tables[1].rows.len(), section.plots.len()), (1, PLOTTED.len()));
        let flat = super::section("out".as_ref(), &[row("plain", 0, 0.0)]);
        assert!(section.plots.iter().chain(&flat.plots).all(|plot| !plot.contains("NaN") && !plot.contains("inf")));
        assert!(super::section("out".as_ref(), &[]).answer.contains("-- components"));
    }
}
