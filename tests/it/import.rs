//! `earlystop import`: histories that others recorded become journals that read like a daemon's own.

mod csv;
mod hostile;
mod mlflow;
mod tensorboard;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use earlystop::journal::{Imported, Input, Reader};
use earlystop::model::{DoneStatus, Event, Line, Moment, RunId, Said, Step, TrialSpec};

use crate::support::{BIN, repository, skip};

/// The Python that `tests/tools.sh` makes, with MLflow, TensorBoard and tensorboardX. `None`, and the test skipped, where it is
/// not there.
pub fn python() -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    let folder = target.join("tools/import-venv");
    if folder.join("whole").is_file() {
        return Some(folder.join("bin/python"));
    }
    skip("no Python with MLflow and TensorBoard; run tests/tools.sh");
    None
}

/// A folder with a source, and a place for a journal.
pub struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    pub fn new() -> Desk {
        Desk { folder: tempfile::tempdir().expect("a folder of our own") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a source.
    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("below our folder")).expect("a folder in a folder of ours");
        std::fs::write(&path, bytes).expect("a file in a folder of ours");
        path
    }

    /// Runs `earlystop import ARGS -o j.sqlite` in the folder.
    pub fn try_import(&self, args: &[&str]) -> Output {
        let mut command = Command::new(BIN);
        command.arg("import").args(args).args(["-o", "j.sqlite"]).current_dir(self.folder.path());
        command.output().expect("the program runs")
    }

    /// The same, which has to work; gives what it said.
    pub fn import(&self, args: &[&str]) -> String {
        let output = self.try_import(args);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// The same, which has to be refused with exit code 2 and no journal; gives what it said.
    pub fn refused(&self, args: &[&str]) -> String {
        let output = self.try_import(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
        assert!(said.contains("\n  hint: "), "no hint: {said}");
        let left: Vec<_> = std::fs::read_dir(self.folder.path()).expect("our folder").flatten().collect();
        assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().contains("j.sqlite")), "{left:?}");
        said
    }

    pub fn tale(&self) -> Tale {
        Tale::read(&self.path("j.sqlite"))
    }
}

/// A trial as its journal tells it.
#[derive(Clone, Debug)]
pub struct Told {
    pub run: RunId,
    pub spec: TrialSpec,
    pub began: Moment,
    pub steps: Vec<(Moment, Step)>,
    pub done: Option<DoneStatus>,
    pub closed: Option<Moment>,
}

impl Told {
    /// Step and value of a metric, in the order of the reports; points included.
    pub fn curve(&self, metric: &str) -> Vec<(u64, f64)> {
        let own = |step: &Step| -> Vec<(u64, f64)> {
            let points = step.points.iter().filter(|(name, _)| name == metric).flat_map(|(_, points)| points.clone());
            let at = step.step.unwrap_or(u64::MAX);
            let values = step.metrics.iter().filter(|(name, _)| name == metric).map(|(_, value)| (at, *value));
            points.chain(values).collect()
        };
        self.steps.iter().flat_map(|(_, step)| own(step)).collect()
    }

    /// The steps that were reported, with or without a value.
    pub fn reported(&self) -> Vec<u64> {
        self.steps.iter().filter_map(|(_, step)| step.step).collect()
    }

    /// Wall times of the reports, milliseconds.
    pub fn times(&self) -> Vec<i64> {
        self.steps.iter().map(|(at, _)| at.wall_ms).collect()
    }
}

/// A journal, read by the reader that `replay` uses.
#[derive(Debug)]
pub struct Tale {
    pub imported: Imported,
    pub trials: BTreeMap<String, Told>,
    /// The names in the order of their beginning.
    pub order: Vec<String>,
    pub ticks: usize,
}

impl Tale {
    pub fn read(path: &Path) -> Tale {
        Tale::told(path, |spec| spec.trial.clone().expect("a name").to_string())
    }

    /// Several experiments may have trials of one name.
    pub fn named_by_experiment(path: &Path) -> Tale {
        let full = |spec: &TrialSpec| Some(format!("{}/{}", spec.experiment.as_ref()?, spec.trial.as_ref()?));
        Tale::told(path, |spec| full(spec).expect("both names"))
    }

    fn told(path: &Path, name_of: impl Fn(&TrialSpec) -> String) -> Tale {
        let mut inputs = Reader::open(path).expect("a journal").map(|input| input.expect("it can be read"));
        let first = inputs.next().expect("a beginning");
        let Input::Started(start) = first.input else { panic!("{first:?}") };
        let imported = start.imported.expect("it says where it comes from");
        let mut tale = Tale { imported, trials: BTreeMap::new(), order: vec![], ticks: 0 };
        let (mut conns, mut last, mut ended) = (BTreeMap::new(), first.at, false);
        for recorded in inputs {
            assert!(recorded.at >= last && !ended, "time runs backwards, or goes on after the end: {recorded:?}");
            last = recorded.at;
            match recorded.input {
                Input::Event(Event::Line(Line { conn, said: Said::Hello(hello, run), .. })) => {
                    let name = name_of(&hello.spec);
                    let told =
                        Told { run, spec: hello.spec, began: recorded.at, steps: vec![], done: None, closed: None };
                    assert!(tale.trials.insert(name.clone(), told).is_none(), "{name} twice");
                    tale.order.push(name.clone());
                    assert!(conns.insert(conn, name).is_none(), "{conn:?} twice");
                }
                Input::Event(Event::Line(Line { conn, said, .. })) => {
                    let told = tale.trials.get_mut(&conns[&conn]).expect("it said hello");
                    assert!(told.done.is_none() && told.closed.is_none(), "{told:?}");
                    match said {
                        Said::Step(step) => told.steps.push((recorded.at, *step)),
                        Said::Done(done) => told.done = Some(done.status),
                        other => panic!("{other:?}"),
                    }
                }
                Input::Event(Event::Closed(conn)) => {
                    tale.trials.get_mut(&conns[&conn]).expect("it said hello").closed = Some(recorded.at);
                }
                Input::Event(Event::Tick(_)) => tale.ticks += 1,
                Input::Ended => ended = true,
                other => panic!("{other:?}"),
            }
        }
        assert!(ended && tale.trials.values().all(|told| told.closed.is_some()), "every trial ends");
        tale
    }

    pub fn trial(&self, name: &str) -> &Told {
        self.trials.get(name).unwrap_or_else(|| panic!("no {name}: {:?}", self.order))
    }
}
