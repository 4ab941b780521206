//! The example's trainers in Python, whole: real Ray, real MLflow, real stops.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::import::python;
use crate::support::wait_for;
use crate::thesis::example;

/// Ray takes ten seconds to start and four a trial, on a machine of two cores that does other things several times that.
const PATIENCE: Duration = Duration::from_secs(300);

/// One Ray at a time: two on two cores only wait for each other.
static RAY: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    RAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder in which everything is that a test makes, Ray's temporary files too.
struct Place {
    folder: tempfile::TempDir,
    python: PathBuf,
}

impl Place {
    fn new(python: PathBuf) -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("run")).expect("the folder is ours");
        Place { folder, python }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(example());
        command.args(words).current_dir(self.folder.path()).env("XDG_RUNTIME_DIR", self.path("run"));
        command.env("TMPDIR", self.folder.path()).stdin(Stdio::null());
        command
    }

    /// A search of one configuration by Ray.
    fn search(&self, out: &str, more: &[&str]) -> Command {
        let python = self.python.display().to_string();
        let words = ["search", "red_wine", "--trainer", "ray", "--python", &python, "--configurations", "1"];
        let mut command = self.command(&words);
        command.args(["--jobs", "1", "--widen", "0", "--out", out]).args(more);
        command
    }

    fn done(&self, mut command: Command) -> String {
        let Output { status, stdout, stderr } = command.output().expect("the example starts");
        let said = String::from_utf8_lossy(&stdout).into_owned();
        assert!(status.success(), "{said}{}", String::from_utf8_lossy(&stderr));
        said
    }

    /// Processes that know of this place by their command line, and what Ray left there.
    fn left(&self) -> Vec<String> {
        let here = self.folder.path().display().to_string();
        let words = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).ok();
        let processes = fs::read_dir("/proc").expect("there is a /proc").flatten().filter_map(words);
        let processes = processes.map(|words| String::from_utf8_lossy(&words).replace('\0', " "));
        let files = fs::read_dir(self.folder.path()).expect("the folder is ours").flatten();
        let files = files.map(|file| file.file_name().to_string_lossy().into_owned());
        let of_ray = |name: &String| name.starts_with("thesis-ray-");
        processes.filter(|words| words.contains(&here)).chain(files.filter(of_ray)).collect()
    }
}

/// Trials that are written down, and in what states.
fn records(out: &Path) -> BTreeMap<String, Vec<String>> {
    let mut records: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in fs::read_to_string(out.join("trials.jsonl")).unwrap_or_default().lines() {
        let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
        let field = |name: &str| record[name].as_str().expect("a text").to_string();
        records.entry(field("trial")).or_default().push(field("state"));
    }
    records
}

/// Begins a search, waits until some trials are through, and ends it by a signal.
fn cut_off(place: &Place, mut search: Command, out: &str, signal: Signal) {
    let mut child: Child = search.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the example starts");
    wait_for("two trials are through", PATIENCE, || {
        assert!(child.try_wait().expect("it is our child").is_none(), "it ended by itself");
        (records(&place.path(out)).len() >= 2).then_some(())
    });
    kill(Pid::from_raw(child.id() as i32), signal).expect("it is our child");
    child.wait().expect("it is our child");
    wait_for("all that Ray started is gone", PATIENCE, || place.left().is_empty().then_some(()));
}

/// Rows of a query on MLflow's store: two texts each.
fn logged(out: &Path, sql: &str) -> Vec<(String, String)> {
    let store = rusqlite::Connection::open(out.join("mlflow.db")).expect("MLflow made it");
    let mut query = store.prepare(sql).expect("MLflow's tables");
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("it can be asked");
    rows.collect::<Result<_, _>>().expect("texts")
}

#[test]
fn ray_runs_a_search_that_was_killed_goes_on_and_mlflow_has_what_was_reported() {
    let Some(python) = python() else { return };
    let (_alone, place) = (alone(), Place::new(python));
    let of_three_steps = || place.search("ray", &["--steps", "3"]);
    cut_off(&place, of_three_steps(), "ray", Signal::SIGKILL);
    let said = place.done(of_three_steps());
    assert!(said.contains("red_wine: 1 of 180 configurations") && said.contains("11 trials, 33 steps"), "{said}");
    assert!(place.left().is_empty(), "{:?}", place.left());
    let out = place.path("ray");
    let records = records(&out);
    assert_eq!(records.len(), 11, "ten folds and the winner's refit: {records:?}");
    assert!(records.values().flatten().all(|state| state == "completed"), "{records:?}");

    // Every report is in MLflow, with its step; evaluations too, but for the refit, which is tested once.
    let runs = logged(&out, "SELECT name, status FROM runs WHERE status = 'FINISHED'");
    assert!(records.keys().all(|trial| runs.iter().any(|run| run.0 == *trial)), "{runs:?}");
    let sql = "SELECT m.key, CAST(MAX(m.step) AS TEXT) FROM metrics m JOIN runs r USING (run_uuid) \
               WHERE r.status = 'FINISHED' GROUP BY r.name, m.key";
    let metrics = logged(&out, sql);
    for (name, count) in [("train_loss", 11), ("val_rmse", 10), ("test_rmse", 1)] {
        assert_eq!(metrics.iter().filter(|metric| metric.0 == name).count(), count, "{name}: {metrics:?}");
    }
    assert!(metrics.iter().filter(|metric| metric.0 == "train_loss").all(|metric| metric.1 == "3"), "{metrics:?}");

    // The same by our own trainer, side by side, and the components.
    let words = ["search", "red_wine", "--configurations", "1", "--steps", "3", "--widen", "0", "--out", "rust"];
    place.done(place.command(&words));
    let python = place.python.display().to_string();
    let words = ["components", "--out", "rust", "--python", &python, "--seconds", "0.3", "--repeats", "1"];
    place.done(place.command(&words));
    assert!(place.left().is_empty(), "{:?}", place.left());
    components(&place.path("rust/components"));
    let said = place.done(place.command(&["report", "--out", "rust", "--beside", "ray"]));
    assert!(said.contains("1 configurations that all trainers ran: memory peak, MiB (rust "), "{said}");
    assert!(said.contains("Memory grows by so many bytes a step"), "{said}");
    let table = fs::read_to_string(place.path("rust/report/trainers.csv")).expect("the table is written");
    assert!(table.contains("\"CPU, s\",ray,1,10,") && table.contains("\"CPU, s\",rust,1,10,"), "{table}");
    let page = fs::read_to_string(place.path("rust/report/report.html")).expect("the page is written");
    assert!(page.contains("components/state/") && page.contains("-- components --out rust"), "where they come from");
}

/// What `components` wrote down of two trainers and one repeat.
fn components(folder: &Path) {
    let text = fs::read_to_string(folder.join("components.jsonl")).expect("the runs are written down");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    let rung = |row: &Value| format!("{} {}", row["trainer"], row["component"]).replace('"', "");
    let rungs: Vec<String> = rows.iter().map(rung).collect();
    let wanted = ["rust plain", "rust metrics", "sklearn plain", "sklearn metrics", "sklearn mlflow", "sklearn ray"];
    assert_eq!(rungs, wanted);
    for rows in [&rows[..2], &rows[2..]] {
        assert!(rows.iter().all(|row| row["steps"] == rows[0]["steps"]), "the same steps on all rungs: {text}");
    }
    for row in &rows {
        assert!(row["looks"].as_u64().is_some_and(|looks| looks > 3), "{row}");
        assert!(row["memory_kib"].as_f64().is_some_and(|kib| kib > 100.0), "{row}");
        assert!(Path::new(row["journal"].as_str().expect("a path")).ends_with("journal.sqlite"), "{row}");
    }
    let ray = rows[5]["ray_memory_kib"].as_f64().expect("Ray was watched");
    assert!(ray > 50.0 * 1024.0, "the driver, raylet, GCS and two agents: {ray} KiB");
    let logged =
        logged(folder, "SELECT r.name, CAST(COUNT(*) AS TEXT) FROM runs r JOIN metrics m USING (run_uuid) GROUP BY 1");
    assert_eq!(logged.len(), 2, "the rungs mlflow and ray: {logged:?}");
}

#[test]
fn a_trial_of_ray_that_is_to_stop_ends_cleanly_and_nothing_is_left_after_an_interrupt() {
    let Some(python) = python() else { return };
    let (_alone, place) = (alone(), Place::new(python));
    let policy = r#"
[[rule]]
name = "enough"
metric = "step"
above = 20
ladder = "patient"
[ladder.patient]
rungs = [ { ask = true, wait = "5m" }, { signal = "SIGKILL" } ]
"#;
    fs::write(place.path("policy.toml"), policy).expect("the folder is ours");
    let mut search = place.search("ray", &["--epochs", "100000", "--policy", "policy.toml"]);
    // As from a terminal, where the group of the search gets it: Ray's processes are in groups of their own.
    std::os::unix::process::CommandExt::process_group(&mut search, 0);
    cut_off(&place, search, "ray", Signal::SIGINT);
    let records = records(&place.path("ray"));
    assert!(records.values().flatten().all(|state| state == "stopped"), "{records:?}");
    // Ended as one that was stopped, once: Ray did not begin it again.
    let runs = logged(&place.path("ray"), "SELECT name, group_concat(status) FROM runs GROUP BY name");
    // So did the one that the interrupt cut off.
    assert!(runs.iter().all(|run| run.1 == "KILLED"), "{runs:?}");
    for trial in records.keys() {
        assert!(runs.contains(&(trial.clone(), "KILLED".into())), "{trial} in {runs:?}");
    }
}
