//! The example's search, whole: a grid in processes of their own, cut off and taken up again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::LONG;
use crate::support::wait_for;
use crate::thesis::example;

/// A search of four configurations on ten folds of the red wine data, three steps each.
fn search(out: &Path) -> Command {
    let mut command = Command::new(example());
    command.args([
        "search",
        "red_wine",
        "--configurations",
        "4",
        "--steps",
        "3",
        "--jobs",
        "2",
        "--widen",
        "0",
        "--out",
    ]);
    command.arg(out);
    command.env("XDG_RUNTIME_DIR", out.join("run")).stderr(Stdio::piped()).stdout(Stdio::piped());
    command
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

#[test]
fn a_search_that_was_killed_goes_on_and_loses_no_trial() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path();
    fs::create_dir(out.join("run")).expect("the folder is ours");
    let mut first = search(out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the example starts");
    wait_for("some trials are through", LONG, || (records(out).len() >= 5).then_some(()));
    first.kill().expect("it is our child");
    first.wait().expect("it is our child");
    let before = records(out).len();
    assert!(before < 40, "it was over before it was killed");

    let second = search(out).output().expect("the example starts");
    let (said, errors) = (String::from_utf8_lossy(&second.stdout), String::from_utf8_lossy(&second.stderr));
    assert!(second.status.success(), "{said}{errors}");
    let records = records(out);
    assert_eq!(records.len(), 41, "ten folds of four configurations, and the winner's refit");
    assert!(records.values().flatten().all(|state| state == "completed"), "{records:?}");
    // Only those are run twice whose end the killed journal had not got yet.
    let again = records.values().filter(|states| states.len() > 1).count();
    assert!(again <= before && records.values().all(|states| states.len() <= 2), "{records:?}");
    assert!(said.contains("41 trials, 123 steps"), "{said}");
    assert!(said.contains("red_wine: 4 of 180 configurations") && said.contains("On the test rows: "), "{said}");

    let page = Command::new(example()).args(["report", "--out"]).arg(out).output().expect("the example starts");
    let (said, errors) = (String::from_utf8_lossy(&page.stdout), String::from_utf8_lossy(&page.stderr));
    assert!(page.status.success(), "{said}{errors}");
    assert!(said.contains("41 trials.") && said.contains("test score"), "{said}");
    let html = fs::read_to_string(out.join("report/report.html")).expect("the page is written");
    assert!(
        html.contains("journal.sqlite, made by: cargo run --release --example thesis -- search red_wine"),
        "{html}"
    );
    let trials = fs::read_to_string(out.join("report/trials.csv")).expect("the table is written");
    assert_eq!(trials.lines().count(), 42, "{trials}");

    let phases = fs::read_to_string(out.join("report/phases.csv")).expect("the table is written");
    assert!(phases.contains("red_wine,load,1,") && phases.contains("red_wine,evaluate,41,"), "{phases}");

    let other = search(out).args(["--seed", "7"]).output().expect("the example starts");
    let errors = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && errors.contains("holds another search"), "{errors}");
}

/// A folder of the shape of the kernel's powercap, whose counter rises until this goes.
struct Counter {
    root: tempfile::TempDir,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Counter {
    /// The highest value, microjoules; the counter goes round every two seconds.
    const HIGHEST: u64 = 2_000_000;

    fn start() -> Counter {
        let root = tempfile::tempdir().expect("a folder");
        let package = root.path().join("intel-rapl:0");
        fs::create_dir(&package).expect("the folder is ours");
        let set = move |name: &str, text: String| {
            // A reader is to see the old text or the new one.
            let new = package.join("new");
            fs::write(&new, text).and_then(|()| fs::rename(&new, package.join(name))).expect("the folder is ours");
        };
        set("name", "package-0\n".into());
        set("max_energy_range_uj", Counter::HIGHEST.to_string());
        set("energy_uj", "0".into());
        let (end, ended) = channel();
        let begun = Instant::now();
        let work = move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(Duration::from_millis(20)) {
                set("energy_uj", (begun.elapsed().as_micros() as u64 % Counter::HIGHEST).to_string());
            }
        };
        Counter { root, end: Some(end), thread: Some(thread::spawn(work)) }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        drop(self.end.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn a_share_of_the_rows_is_searched_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path();
    fs::create_dir(out.join("run")).expect("the folder is ours");
    let counter = Counter::start();
    let share = |out: &Path| {
        let mut command = search(out);
        command.args(["--share", "5%", "--powercap"]).arg(counter.root.path());
        command
    };
    let done = share(out).output().expect("the example starts");
    let (said, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}{errors}");
    let records = records(out);
    assert!(records.values().flatten().all(|state| state == "completed"), "{records:?}");
    // 5 % of 1007 rows; the configurations are those of a search of all rows, less those with larger batches.
    let batch = |name: &str| name.split("-b").nth(1)?.split('-').next()?.parse::<u32>().ok();
    assert!(records.keys().all(|name| batch(name).is_some_and(|size| size <= 32)), "{records:?}");
    assert!(said.contains("red_wine: 5 % of the training rows, 50 a fold"), "{said}");
    let kept = fs::read_to_string(out.join("search.txt")).expect("it was written");
    assert!(kept.trim_end().ends_with(", share 0.05"), "{kept}");

    let page = Command::new(example()).args(["report", "--out"]).arg(out).output().expect("the example starts");
    assert!(page.status.success(), "{}", String::from_utf8_lossy(&page.stderr));
    let trials = fs::read_to_string(out.join("report/trials.csv")).expect("the table is written");
    let of_share = trials.lines().skip(1).filter(|line| line.starts_with("red_wine (5 % of the training rows),"));
    assert_eq!(of_share.count(), records.len(), "the hello says the share: {trials}");

    // The counter rises all the time, and goes round.
    assert!(said.contains("Energy is an estimate: the processors used "), "{said}");
    let head: Vec<&str> = trials.lines().next().expect("a line of heads").split(',').collect();
    let place = head.iter().position(|name| *name == "energy J (estimate)").expect("a column");
    let joules =
        trials.lines().skip(1).map(|line| line.split(',').nth(place).and_then(|cell| cell.parse::<f64>().ok()));
    let joules: Vec<f64> = joules.collect::<Option<_>>().expect("each trial has an estimate");
    assert!(joules.iter().all(|one| *one >= 0.0) && joules.iter().sum::<f64>() > 0.0, "{joules:?}");

    let whole = search(out).output().expect("the example starts");
    assert!(!whole.status.success(), "a search of all rows is another one");
    let wrong = search(out).args(["--share", "200%"]).output().expect("the example starts");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("a share is 0.1% to 100%"));
}

#[test]
fn a_winner_on_the_edge_has_the_grid_widened() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path();
    fs::create_dir(out.join("run")).expect("the folder is ours");
    // In three steps the largest learning rate gets furthest: whatever is drawn, the best lies on an edge.
    let narrow = search(out).output();
    let said = String::from_utf8_lossy(&narrow.expect("the example starts").stdout).into_owned();
    assert!(
        said.contains("It lies on the grid's edge (") && said.contains("Batch size is no axis of learning"),
        "{said}"
    );
    assert_eq!(records(out).len(), 41);

    let wide = search(out).args(["--widen", "1"]).output().expect("the example starts");
    let (said, errors) = (String::from_utf8_lossy(&wide.stdout), String::from_utf8_lossy(&wide.stderr));
    assert!(wide.status.success(), "{said}{errors}");
    assert!(said.contains("the best lies on the grid's edge (") && said.contains("Widened to "), "{said}");
    let added: Vec<String> = fs::read_to_string(out.join("trials.jsonl"))
        .expect("it was written")
        .lines()
        .filter(|line| line.contains("\"widened\":true"))
        .map(str::to_string)
        .collect();
    let on_folds = added.iter().filter(|line| !line.contains("-refit\"")).count();
    assert!(
        on_folds > 0 && on_folds % 10 == 0 && said.contains(&format!("{on_folds} of the trials were added")),
        "{said}"
    );
    let found = said.contains("It was found by widening; before, the best was linear_regression-b");

    let page = Command::new(example()).args(["report", "--out"]).arg(out).output().expect("the example starts");
    assert!(page.status.success(), "{}", String::from_utf8_lossy(&page.stderr));
    let winners = fs::read_to_string(out.join("report/winners.csv")).expect("the table is written");
    let row = winners.lines().nth(1).expect("a winner").to_string();
    assert_eq!(row.matches("linear_regression-b").count(), 2, "the winner, and that of before: {row}");
    let names: Vec<&str> = row.split(',').filter(|cell| cell.starts_with("linear_regression-b")).collect();
    assert_eq!(names[0] != names[1], found, "{row}\n{said}");
}

/// `thesis quality` and `thesis parity` need no network for what the repository holds.
#[test]
fn quality_and_parity_run_without_a_network() {
    let quality = Command::new(example()).args(["quality", "red_wine", "--splits", "2"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&quality.stdout);
    assert!(quality.status.success(), "{said}");
    assert!(said.contains("red_wine without duplicates") && said.contains("1359"), "{said}");

    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/thesis/testdata/small");
    let parity = |case: &str| {
        let mut command = Command::new(example());
        command.arg("parity").arg("--data").arg(&cases).arg(cases.join(case));
        command.output().expect("it starts")
    };
    let same = parity("small-class10-log_loss-b16-shuffled.json");
    assert!(same.status.success() && String::from_utf8_lossy(&same.stdout).contains("same"));
    assert_eq!(parity("no-such-case.json").status.code(), Some(2));
}
