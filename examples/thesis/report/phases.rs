//! Time and use of the system by phase, and what the sidecar itself costs.

use std::collections::BTreeMap;

use super::page::{Cell, Section, Table, significant};
use crate::runs::Run;
use crate::search::cost::Measured;
use crate::search::prepared::Preparation;
use crate::stats::{median, quantile, sign_test};

/// Both tables.
pub fn section(runs: &[Run], prepared: &[Preparation], cost: &[Measured]) -> Section {
    let mut words = vec![
        "Loading and preprocessing are done once by the search, for all trials; it measures itself, and its memory is the \
         highest resident memory of the whole process so far. Training and evaluation are the trials', as the sidecar saw \
         them: sums over all trials, and the highest RSS - shared that it saw in that phase."
            .to_string(),
    ];
    let (own, phases) = (own_cost(cost), phases(runs, prepared));
    let answer = answer(runs, own.as_deref());
    match own {
        Some(said) => words.push(said),
        None => words.push("The sidecar's own cost was not measured: `-- cost --out DIR` does it.".into()),
    }
    let title = "Time and resource consumption by step, and the sidecar's own cost".into();
    Section { title, answer, words, tables: vec![phases, pairs(cost)], ..Section::default() }
}

/// The share of training in what trials take; and the first sentence about the sidecar.
fn answer(runs: &[Run], own: Option<&str>) -> String {
    let phases = runs.iter().flat_map(|run| &run.view.progress.phases);
    let (mut all, mut train) = (0.0, 0.0);
    for (phase, used) in phases {
        all += used.first;
        train += if phase == "train" { used.first } else { 0.0 };
    }
    let share = if all > 0.0 {
        format!("{:.0} % of the trials' {} s is training.", 100.0 * train / all, significant(all, 3))
    } else {
        "No trial said in which phase it was.".into()
    };
    let own = own.and_then(|own| own.split_once(':')).map(|(first, _)| format!(" {first}."));
    share + own.as_deref().unwrap_or(" What the sidecar itself costs was not measured.")
}

/// What all trials used in a phase.
#[derive(Default)]
struct Sum {
    count: usize,
    wall: f64,
    cpu: f64,
    peak: Option<f64>,
}

fn phases(runs: &[Run], prepared: &[Preparation]) -> Table {
    let mut rows = Vec::new();
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for of in prepared {
        // Another run of the same search finds the folds written already: the first one did the work.
        if seen.contains(&(&of.set, &of.phase)) {
            continue;
        }
        seen.push((&of.set, &of.phase));
        let numbers = [of.seconds, of.cpu_seconds, of.resident_peak as f64 / 1_048_576.0];
        let title = runs.iter().find(|run| run.view.experiment.as_str() == of.set).map_or(of.set.clone(), Run::set);
        let words = [Cell::text(title), Cell::text(&*of.phase), Cell::count(1)];
        let numbers = numbers.map(|number| Cell::number(Some(number)));
        rows.push(words.into_iter().chain(numbers).chain([Cell::None]).collect());
    }
    let mut sums: BTreeMap<(String, &str), Sum> = BTreeMap::new();
    let mut samples: BTreeMap<String, f64> = BTreeMap::new();
    for run in runs {
        *samples.entry(run.set()).or_default() += run.windows.last().map_or(0.0, |window| window.samples as f64);
        for (phase, used) in &run.view.progress.phases {
            let Sum { count, wall, cpu, peak } = sums.entry((run.set(), phase)).or_default();
            (*count, *wall, *cpu) = (*count + 1, *wall + used.first, *cpu + used.second);
            *peak = (*peak).into_iter().chain(run.peaks.get(phase).copied()).reduce(f64::max);
        }
    }
    for ((set, phase), Sum { count, wall, cpu, peak }) in sums {
        let memory = Cell::number(peak.map(|bytes| bytes / 1_048_576.0));
        // Samples are those that were trained on.
        let throughput = samples.get(&set).filter(|_| phase == "train").map(|samples| samples / wall);
        let phase = match phase {
            "train" => "train",
            "eval" => "evaluate",
            other => other,
        };
        let numbers =
            [Cell::count(count), Cell::number(Some(wall)), Cell::number(Some(cpu)), memory, Cell::number(throughput)];
        rows.push([Cell::text(set), Cell::text(phase)].into_iter().chain(numbers).collect());
    }
    let head = vec!["data set", "phase", "processes", "time s", "CPU s", "memory peak MiB", "samples/s"];
    let caption = "Time and resource consumption by step.".into();
    Table { name: "phases", caption, head, rows, shown: usize::MAX }
}

/// Microseconds a step of each whole pair: without and with the sidecar.
fn paired(cost: &[Measured], of: fn(&Measured) -> f64) -> Vec<(f64, f64)> {
    let find = |pair: u32, watched: bool| cost.iter().find(|run| run.pair == pair && run.watched == watched);
    let step = |run: &Measured| 1e6 * of(run) / run.steps as f64;
    let without = cost.iter().filter(|run| !run.watched);
    without.filter_map(|run| Some((step(run), step(find(run.pair, true)?)))).collect()
}

fn own_cost(cost: &[Measured]) -> Option<String> {
    let pairs = paired(cost, |run| run.seconds);
    let more: Vec<f64> = pairs.iter().map(|(without, with)| with - without).collect();
    let without: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
    let (slower, faster) =
        (more.iter().filter(|more| **more > 0.0).count(), more.iter().filter(|more| **more < 0.0).count());
    let middle = median(&more)?;
    let a_report = cost.first().map(|run| run.steps.div_ceil(run.reports.max(1)))?;
    Some(format!(
        "With the sidecar a step takes {middle:.3} µs more than without (quartiles {:.3} and {:.3}), {:.1} % of {:.3} µs: \
         median of {} pairs in alternating order, whole processes, their start included; sign test p {:.4}. A step here \
         is one small batch of the red wine data. The trainer reports every {a_report} steps and waits for the verdict: \
         {:.0} µs a report, if all of the difference is put down to reports.",
        quantile(&more, 0.25)?,
        quantile(&more, 0.75)?,
        100.0 * middle / median(&without)?,
        median(&without)?,
        pairs.len(),
        sign_test(slower, faster),
        middle * a_report as f64
    ))
}

fn pairs(cost: &[Measured]) -> Table {
    let (seconds, cpu) = (paired(cost, |run| run.seconds), paired(cost, |run| run.cpu_seconds));
    let mut rows = Vec::new();
    for (place, (wall, cpu)) in seconds.iter().zip(&cpu).enumerate() {
        let numbers = [wall.0, wall.1, wall.1 - wall.0, cpu.0, cpu.1, cpu.1 - cpu.0];
        let numbers = numbers.map(|number| Cell::number(Some(number)));
        rows.push([Cell::count(place + 1)].into_iter().chain(numbers).collect());
    }
    let head = vec![
        "pair",
        "step without µs",
        "step with µs",
        "difference µs",
        "CPU without µs",
        "CPU with µs",
        "CPU difference µs",
    ];
    Table { name: "own_cost", caption: "Step time in pairs.".into(), head, rows, shown: 30 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_compared_within_themselves() {
        let run = |pair, watched, seconds| Measured {
            pair,
            watched,
            seconds,
            cpu_seconds: seconds,
            steps: 1_000_000,
            reports: 500,
        };
        let cost = [run(0, true, 3.0), run(0, false, 2.0), run(1, false, 4.0), run(1, true, 5.5), run(2, false, 9.0)];
        assert_eq!(paired(&cost, |run| run.seconds), [(2.0, 3.0), (4.0, 5.5)]);
        let said = own_cost(&cost).expect("two pairs");
        assert!(said.contains("takes 1.250 µs more") && said.contains("41.7 % of 3.000"), "{said}");
        assert!(said.contains("every 2000 steps") && said.contains("2500 µs a report"), "{said}");
        assert_eq!(own_cost(&[]), None);
    }
}
