//! Steps in which Python trains: the same by scikit-learn, alone and under Ray Tune.

use super::estimate::{self, Estimate};
use super::step::{Step, Steps};
use crate::search::trainer::{Kind, Trainer};
use crate::search::worker::Effort;
use crate::sets::Shape;

/// Of larger sets scikit-learn and Ray are left out: a step of theirs takes a hundred times as long.
const ROWS_FOR_PYTHON: usize = 10_000;

/// Seconds that a trial of each takes beyond its steps, and seconds a step: Python starts, and each step is a call.
const A_PYTHON_TRIAL: f64 = 2.0;
const A_PYTHON_STEP: f64 = 2e-4;

/// Seconds of each of ten repeats of a component: two of them, and some to start and to time.
const A_COMPONENT: f64 = 4.0;

impl Steps<'_> {
    /// The search by another trainer, on a part of the grid.
    pub fn python(&self, kind: Kind) -> Step {
        let small: Vec<&Shape> = self.shapes.iter().filter(|shape| shape.rows <= ROWS_FOR_PYTHON).collect();
        let part = self.of.part.min(self.of.configurations.unwrap_or(u32::MAX));
        let mut more =
            vec![format!("--trainer={}", kind.as_str()), format!("--configurations={part}"), "--widen=0".into()];
        more.extend(self.of.steps.map(|steps| format!("--steps={steps}")));
        more.extend(self.of.python.iter().map(|python| format!("--python={}", python.display())));
        let sets: Vec<String> = small.iter().map(|shape| shape.set.clone()).collect();
        let lacks = if sets.is_empty() {
            Some(format!("no set has at most {ROWS_FOR_PYTHON} rows; of larger ones it would take days"))
        } else {
            self.lacks(kind)
        };
        let arguments = self.search_in(sets.into_iter(), self.folder(kind.as_str()), &more);
        let effort = Effort { epochs: 20, steps: self.of.steps, eval_rows: 2000, steps_a_report: None };
        let of = small.iter().map(|shape| estimate::search(shape, Some(part), &effort));
        let of = of.fold(Estimate::default(), Estimate::and);
        let seconds = (of.trials as f64 * A_PYTHON_TRIAL + of.steps * A_PYTHON_STEP) / self.jobs;
        let title = if kind == Kind::Ray { "scikit-learn under Ray Tune, with MLflow" } else { "scikit-learn alone" };
        let why = format!("the same by {title}, on {part} configurations a set");
        Step { lacks, ..Step::new(kind.as_str(), why, arguments, seconds) }
    }

    /// Why this trainer cannot train here.
    pub fn lacks(&self, kind: Kind) -> Option<String> {
        match &self.of.python {
            None => Some("no --python was given; examples/thesis/trainers/requirements.txt says what it needs".into()),
            Some(python) => Trainer { kind, python: python.clone() }.check().err().map(|error| error.to_string()),
        }
    }

    /// What each component adds to the growth of memory; without the Python that it takes, of this program's trainer alone.
    pub fn components(&self) -> Step {
        let lacks = self.lacks(Kind::Ray);
        let mut arguments = vec!["components".to_string()];
        let (of, why) = match (&self.of.python, lacks) {
            (Some(python), None) => {
                arguments.push(format!("--python={}", python.display()));
                (2.0 + 4.0, String::new())
            }
            (_, lacks) => {
                arguments.push("--trainer=rust".into());
                (2.0, format!(" (this program's trainer only: {})", lacks.unwrap_or_default()))
            }
        };
        if self.is_short() {
            arguments.extend(["--seconds=0.1", "--repeats=1"].map(String::from));
        }
        arguments.push(format!("--out={}", self.of.out.display()));
        let why = format!("what does each component, from a plain loop to Ray, add to the growth of memory?{why}");
        Step::new("components", why, arguments, self.guess(10.0 * of * A_COMPONENT))
    }
}
