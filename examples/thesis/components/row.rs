//! What is kept of a run: how its memory grew from a tenth of its training on, and what it took.

use std::error::Error;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::component::Component;
use crate::runs::{Look, Run};
use crate::stats::{median, theil_sen, thinned};

/// Folder of the measurements, beside a search's journal.
pub const FOLDER: &str = "components";

/// The file in it.
pub const FILE: &str = "components.jsonl";

/// Growth counts from this part of the training on: at first every process takes what it will need.
const FROM: f64 = 0.1;

/// Points that a slope is taken from at most.
const POINTS: usize = 120;

/// The experiment in which the sidecar watches Ray itself.
const BESIDE: &str = "ray";

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The journal that it was read from.
    pub journal: String,
    /// The trial in it.
    pub trial: String,
    /// Its run there.
    pub run: String,
    /// What trains.
    pub trainer: String,
    /// The last component that was added.
    pub component: String,
    /// Which repeat.
    pub repeat: u32,
    /// Steps.
    pub steps: u64,
    /// Seconds from the first step to the last word: all phases, as the sidecar saw them.
    pub seconds: f64,
    /// CPU seconds meanwhile, from the first look to the last.
    pub cpu_seconds: Option<f64>,
    /// Looks of the sidecar from the tenth of the training on.
    pub looks: usize,
    /// RSS - shared at the tenth of the training, KiB.
    pub memory_kib: Option<f64>,
    /// What it grew by from there to the end, KiB.
    pub growth_kib: Option<f64>,
    /// Theil and Sen's slope from there, KiB a second.
    pub slope_kib_s: Option<f64>,
    /// The same a step, bytes.
    pub bytes_a_step: Option<f64>,
    /// Memory of all of Ray beside the trial, KiB: the median while it ran.
    pub ray_memory_kib: Option<f64>,
}

/// The rows of all runs of so many repeats, in the order of trainers, components, repeats.
pub fn rows(runs: &[Run], journal: &str, repeats: u32) -> Vec<Row> {
    let row = |run: &Run| {
        let mut words = run.view.fold.as_deref()?.split('-');
        let (trainer, component) = (words.next()?, Component::named(words.next()?)?);
        let repeat = words.next()?.parse().ok().filter(|repeat| *repeat < repeats)?;
        Some((component, of(run, beside(runs, component, repeat), journal, trainer, component, repeat)))
    };
    let mut rows: Vec<(Component, Row)> = runs.iter().filter_map(row).collect();
    rows.sort_by(|(a, left), (b, right)| (&left.trainer, a, left.repeat).cmp(&(&right.trainer, b, right.repeat)));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn beside(runs: &[Run], component: Component, repeat: u32) -> Option<f64> {
    let name = format!("beside-{repeat}");
    let is_it = |run: &&Run| run.view.experiment.as_str() == BESIDE && run.view.trial.as_str() == name;
    let ray = runs.iter().find(is_it).filter(|_| component == Component::Ray)?;
    median(&ray.looks.iter().map(|look| look.memory / 1024.0).collect::<Vec<_>>())
}

fn of(run: &Run, ray_memory_kib: Option<f64>, journal: &str, trainer: &str, component: Component, repeat: u32) -> Row {
    let steps = run.view.progress.target_steps.unwrap_or(0);
    let seconds = run.view.progress.phases.values().map(|used| used.first).sum();
    // What a process used before its first step, for what it imports, is no part of its training.
    let cpu_seconds = run.looks.first().zip(run.looks.last()).map(|(first, last)| last.cpu - first.cpu);
    let looks = settled(&run.looks);
    let slope_kib_s = slope(looks);
    Row {
        journal: journal.into(),
        trial: run.view.trial.to_string(),
        run: run.view.run.to_string(),
        trainer: trainer.into(),
        component: component.as_str().into(),
        repeat,
        steps,
        seconds,
        cpu_seconds,
        looks: looks.len(),
        memory_kib: looks.first().map(|look| look.memory / 1024.0),
        growth_kib: looks.first().zip(looks.last()).map(|(first, last)| (last.memory - first.memory) / 1024.0),
        slope_kib_s,
        bytes_a_step: slope_kib_s.filter(|_| steps > 0).map(|slope| 1024.0 * slope * seconds / steps as f64),
        ray_memory_kib,
    }
}

/// The looks from the tenth of the training on.
fn settled(looks: &[Look]) -> &[Look] {
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else { return looks };
    let from = first.at + FROM * (last.at - first.at);
    &looks[looks.partition_point(|look| look.at < from)..]
}

fn slope(looks: &[Look]) -> Option<f64> {
    let points: Vec<(f64, f64)> = looks.iter().map(|look| (look.at, look.memory / 1024.0)).collect();
    theil_sen(&thinned(&points, POINTS))
}

/// What was measured for a search; nothing if it was not.
pub fn read(out: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    crate::lines::read(&out.join(FOLDER).join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_counts_from_a_tenth_of_the_training() {
        // 400 KiB at once at the start, then 2 KiB a second.
        let look = |n: u32| {
            let at = f64::from(n) / 10.0;
            let memory = if n < 3 { 100.0 } else { 500.0 + 2.0 * at };
            Look { at, epoch: 0.0, memory: 1024.0 * memory, cpu: at }
        };
        let looks: Vec<Look> = (0..=100).map(look).collect();
        let after = settled(&looks);
        assert_eq!((after.len(), after[0].at), (91, 1.0));
        assert!((slope(after).expect("points") - 2.0).abs() < 1e-9);
        assert!(settled(&[]).is_empty());
        assert_eq!(slope(&looks[..1]), None);
    }
}
