//! All that is found out about policies, as rows.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use earlystop::model::RunId;
use serde::Serialize;

use super::budget::{Budget, Selects};
use super::choice::Choice;
use super::epochs::{self, EPOCHS};
use super::extent::{Extent, extents};
use super::forecast::Forecast;
use super::forecast::share::Source;
use super::frontier::{Known, Point, way};
use super::ground::{Answer, Set};
use super::learning::Learned;
use super::live::Compared;
use super::ranks::{Ranks, ranks};
use super::{Policy, RANKED, WAYS};
use crate::command;
use crate::runs::Run;

/// All tables.
#[derive(Debug, Default, Serialize)]
pub struct Tables {
    /// The journal that all of them come from.
    pub journal: PathBuf,
    /// The commands that made it.
    pub recorded_by: Vec<String>,
    /// The command that made the tables.
    pub command: String,
    /// Trials that diverged, by data set.
    pub diverged: BTreeMap<String, usize>,
    pub budgets: Vec<Budget>,
    pub selects: Vec<Selects>,
    pub learning: Vec<Learned>,
    pub points: Vec<Point>,
    pub ways: Vec<Known>,
    pub forecasts: Vec<Forecast>,
    /// Where forecasts from shares of the rows come from.
    pub shares: Vec<Source>,
    /// Of policies over data sets; none of a single set.
    pub ranks: Option<Ranks>,
    pub live: Vec<Compared>,
    /// A row a trial: for the file, and too many for anything else.
    #[serde(skip)]
    pub extents: Vec<Extent>,
}

impl Tables {
    /// None yet, of this journal.
    pub fn of(journal: &Path) -> Tables {
        // The journal of a search lies in DIR/state/HOST, and its commands in DIR.
        let recorded_by = journal.ancestors().nth(3).map(command::noted).unwrap_or_default();
        Tables { journal: journal.into(), recorded_by, command: command::line(), ..Tables::default() }
    }

    /// Adds what a policy would have done on every set.
    pub fn add(&mut self, policy: Policy, sets: &[Set], diverged: &HashSet<RunId>, answer: &Answer) {
        for set in sets {
            let choice = Choice { set, diverged };
            match policy {
                Policy::Budget(level) => {
                    self.budgets.extend(level.judge(&choice, answer));
                    self.selects.extend(level.selects(set));
                }
                Policy::Learning(rule) => {
                    self.learning.push(rule.judge(&choice, answer));
                    self.extents.extend(extents(rule, set, diverged, answer));
                }
                Policy::None => {
                    let count = set.trials.iter().filter(|view| diverged.contains(&view.run)).count();
                    self.diverged.insert(set.name.clone(), count);
                }
            }
            self.points.push(Point::of(policy, &choice, answer));
            if WAYS.contains(&policy.name().as_str()) {
                self.ways.extend(way(policy, &choice, answer));
            }
        }
    }

    /// Adds what one gets without a daemon.
    pub fn add_baselines(&mut self, sets: &[Set], diverged: &HashSet<RunId>, runs: &[Run]) {
        for (set, epochs) in sets.iter().flat_map(|set| EPOCHS.map(|epochs| (set, epochs))) {
            self.points.extend(epochs::point(epochs, &Choice { set, diverged }, runs));
        }
    }

    /// Ranks policies by the share of the CPU that each took on a set; who lost too much has the full cost.
    pub fn rank(&mut self, sets: &[Set]) {
        let cost = |set: &Set, name: &&str| {
            let mut points = self.points.iter().filter(|point| point.set == set.name && !point.failed);
            points.find(|point| point.policy == **name).map_or(1.0, |point| point.used_cpu)
        };
        let costs: Vec<Vec<f64>> = sets.iter().map(|set| RANKED.iter().map(|name| cost(set, name)).collect()).collect();
        self.ranks = ranks(&RANKED.map(String::from), &costs);
    }

    /// Lets every row of made-up data say so in its set's name.
    pub fn say_synthetic(&mut self, sets: &[Set]) {
        let synthetic =
            |set: &&Set| set.trials.iter().any(|view| view.labels.get("synthetic").is_some_and(|s| s == "true"));
        for Set { name, .. } in sets.iter().filter(synthetic) {
            let title = format!("{name} (SYNTHETIC data)");
            let entitle = |set: &mut String| {
                if set == name {
                    set.clone_from(&title);
                }
            };
            self.budgets.iter_mut().for_each(|row| entitle(&mut row.set));
            self.selects.iter_mut().for_each(|row| entitle(&mut row.set));
            self.learning.iter_mut().for_each(|row| entitle(&mut row.set));
            self.points.iter_mut().for_each(|row| entitle(&mut row.set));
            self.ways.iter_mut().for_each(|row| entitle(&mut row.set));
            self.forecasts.iter_mut().for_each(|row| entitle(&mut row.set));
            self.live.iter_mut().for_each(|row| entitle(&mut row.set));
            self.extents.iter_mut().for_each(|row| entitle(&mut row.set));
            if let Some(count) = self.diverged.remove(name) {
                self.diverged.insert(title.clone(), count);
            }
        }
    }
}
