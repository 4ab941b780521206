//! The steps of the whole, in their order: each is a command of this program. [`super::python`] has those of other trainers.

use std::path::Path;

use super::Arguments;
use super::estimate::{self, Estimate, REPLAYED_A_SECOND};
use crate::policies::LIVE;
use crate::search::pace;
use crate::search::plan::FOLDS;
use crate::search::trainer::Kind;
use crate::sets::Shape;

/// Policies that `policies` replays; more or fewer make the guess worse, nothing else.
const REPLAYS: f64 = 30.0;

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// What it answers.
    pub why: String,
    /// The command.
    pub arguments: Vec<String>,
    /// Why it cannot be done here.
    pub lacks: Option<String>,
    /// Steps whose results it reads: it is done anew when one of them was.
    pub reads: &'static [&'static str],
    /// Seconds that it will take, by a rough guess.
    pub seconds: f64,
}

impl Step {
    /// One that can be done and reads no other's results.
    pub fn new(name: &'static str, why: impl Into<String>, arguments: Vec<String>, seconds: f64) -> Step {
        Step { name, why: why.into(), arguments, lacks: None, reads: &[], seconds }
    }
}

/// All of them. The data are there already.
pub struct Steps<'a> {
    /// What was asked for.
    pub of: &'a Arguments,
    /// The sets.
    pub shapes: &'a [Shape],
    /// What the search of each comes to.
    pub searches: &'a [Estimate],
    /// Trials at a time.
    pub jobs: f64,
}

impl Steps<'_> {
    /// In the order in which they are done.
    pub fn all(&self) -> Vec<Step> {
        let mut steps = vec![self.parity(), self.quality(), self.speed(), self.controls(), self.cost(), self.search()];
        steps.extend([self.long(), self.components()]);
        steps.push(self.python(Kind::Sklearn));
        steps.push(self.python(Kind::Ray));
        steps.extend([("share10", "10%", 0.1), ("share30", "30%", 0.3)].map(|share| self.share(share)));
        steps.extend([self.policies(), self.report()]);
        steps
    }

    /// Whether this is only to show that all of it runs.
    pub fn is_short(&self) -> bool {
        self.of.steps.is_some()
    }

    /// Seconds of a step whose length depends on no search, as it was on 4 cores.
    pub fn guess(&self, seconds: f64) -> f64 {
        if self.is_short() { 2.0 } else { seconds }
    }

    pub fn folder(&self, name: &str) -> String {
        self.of.out.join(name).display().to_string()
    }

    fn sets(&self) -> impl Iterator<Item = String> {
        self.shapes.iter().map(|shape| shape.set.clone())
    }

    fn total(&self) -> Estimate {
        self.searches.iter().fold(Estimate::default(), |sum, one| sum.and(*one))
    }

    /// A search into a folder.
    pub fn search_in(&self, sets: impl Iterator<Item = String>, folder: String, more: &[String]) -> Vec<String> {
        let mut words = vec!["search".to_string()];
        words.extend(sets);
        words.extend(self.options());
        words.extend(more.iter().cloned());
        if !more.iter().any(|word| word.starts_with("--share")) {
            words.push(self.rows());
        }
        words.push(format!("--out={folder}"));
        words
    }

    /// The rows of a large set are gigabytes: searches on all of them share them.
    fn rows(&self) -> String {
        format!("--rows={}", self.folder("rows"))
    }

    /// What all searches have in common.
    fn options(&self) -> Vec<String> {
        let mut words = vec!["--interval-ms=10".to_string()];
        words.extend(self.of.jobs.map(|jobs| format!("--jobs={jobs}")));
        words.extend(self.of.source.arguments());
        words
    }

    /// How much of each grid, and of each trial.
    fn extent(&self) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(self.of.configurations.map(|count| format!("--configurations={count}")));
        words.extend(self.of.steps.map(|steps| format!("--steps={steps}")));
        words
    }

    fn parity(&self) -> Step {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let shared = repository.join("../shared");
        let (cases, data) = (shared.join("parity"), shared.join("data"));
        let small = repository.join("examples/thesis/testdata/small");
        let are_there = cases.is_dir() && data.is_dir() && !self.is_short();
        let (cases, data) = if are_there { (&cases, &data) } else { (&small, &small) };
        let arguments = vec!["parity".into(), format!("--data={}", data.display()), cases.display().to_string()];
        let why = "does the trainer compute what scikit-learn computes?";
        Step::new("parity", why, arguments, self.guess(20.0))
    }

    fn quality(&self) -> Step {
        let mut arguments = vec!["quality".to_string()];
        // The target of wave_energy runs to millions: at this learning rate nothing is learned of it.
        arguments.extend(self.sets().filter(|set| set != "wave_energy"));
        arguments.extend(self.of.source.arguments());
        if self.is_short() {
            arguments.extend(["--splits=1", "--epochs=1"].map(String::from));
        }
        let lacks = (arguments.len() == 1).then(|| "of wave_energy alone it tells nothing".to_string());
        let why = "how good are the models, over thirty splits?";
        Step { lacks, ..Step::new("quality", why, arguments, self.guess(30.0)) }
    }

    fn speed(&self) -> Step {
        let mut arguments = vec!["speed".to_string()];
        arguments.extend(self.of.source.data.iter().map(|folder| format!("--data={}", folder.display())));
        arguments.extend(self.is_short().then(|| "--seconds=0.01".to_string()));
        Step::new("speed", "how fast does one core train?", arguments, self.guess(30.0))
    }

    fn controls(&self) -> Step {
        let mut arguments = ["control", "flat", "linear"].map(String::from).to_vec();
        arguments.extend(self.is_short().then(|| "--seconds=1".to_string()));
        arguments.push(format!("--out={}", self.of.out.display()));
        let why = "how does memory look that does not grow, or grows evenly?";
        Step::new("controls", why, arguments, self.guess(10.0))
    }

    fn cost(&self) -> Step {
        let mut arguments = vec!["cost".to_string()];
        if self.is_short() {
            arguments.extend(["--pairs=2", "--epochs=10"].map(String::from));
        }
        arguments.push(format!("--out={}", self.of.out.display()));
        let why = "what does the sidecar itself cost a trial?";
        Step::new("cost", why, arguments, self.guess(15.0))
    }

    fn search(&self) -> Step {
        let mut more = self.extent();
        more.push("--observe".into());
        // What lies beyond the edge of a part that was drawn says little of the grid's.
        more.extend(self.of.configurations.map(|_| "--widen=0".to_string()));
        let arguments = self.search_in(self.sets(), self.of.out.display().to_string(), &more);
        let why = "the grid, recorded whole: what the report and the replays are made from";
        Step::new("search", why, arguments, self.total().seconds / self.jobs)
    }

    fn long(&self) -> Step {
        let Arguments { at_least, part, .. } = self.of;
        let more = [
            format!("--configurations={part}"),
            format!("--at-least={at_least}"),
            "--observe".into(),
            "--widen=0".into(),
        ];
        let arguments = self.search_in(self.sets(), self.folder(pace::FOLDER), &more);
        let trials: usize = self.searches.iter().map(|one| one.configurations.min(*part as usize) * FOLDS).sum();
        // The margin of their timing, and evaluation.
        let seconds = trials as f64 * (2.0 * at_least + 0.5) / self.jobs;
        let why = format!("memory, CPU and step time over time, by trials of at least {at_least} s");
        Step::new("long", why, arguments, seconds)
    }

    fn share(&self, (name, share, value): (&'static str, &str, f64)) -> Step {
        let mut more = self.extent();
        more.extend([format!("--share={share}"), "--widen=0".into()]);
        let arguments = self.search_in(self.sets(), self.folder(name), &more);
        let total = self.total();
        let seconds = (value * total.seconds + total.trials as f64 * estimate::A_TRIAL) / self.jobs;
        let why = format!("the same on {share} of the rows: does that foretell the rest?");
        Step::new(name, why, arguments, seconds)
    }

    fn policies(&self) -> Step {
        let mut arguments = vec!["policies".to_string(), format!("--out={}", self.folder("policies"))];
        let journal = crate::runs::journal_in(&self.of.out);
        arguments.push(format!("--journal={}", journal.display()));
        arguments.extend(["share10", "share30"].map(|name| format!("--share-of={}", self.folder(name))));
        arguments.extend(LIVE.map(|name| format!("--live={name}")));
        arguments.push("--".into());
        arguments.extend(self.sets());
        arguments.extend(self.options());
        arguments.extend(self.extent());
        arguments.extend(["--widen=0".into(), self.rows()]);
        let total = self.total();
        let seconds = REPLAYS * total.reports / REPLAYED_A_SECOND + LIVE.len() as f64 * total.seconds / self.jobs;
        let why = "what would policies save and lose, and do three of them for real what the replay foretold?";
        Step { reads: &["search", "share10", "share30"], ..Step::new("policies", why, arguments, seconds) }
    }

    fn report(&self) -> Step {
        let mut arguments = vec!["report".to_string(), format!("--out={}", self.of.out.display())];
        let there = [Kind::Sklearn, Kind::Ray].into_iter().filter(|kind| self.python(*kind).lacks.is_none());
        arguments.extend(there.map(|kind| format!("--beside={}", self.folder(kind.as_str()))));
        let seconds = 2.0 + self.total().reports / REPLAYED_A_SECOND;
        Step::new("report", "all of it on one page", arguments, seconds)
    }
}
