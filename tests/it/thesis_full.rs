//! The example's `full`: every experiment, tiny; cut off in the middle and taken up again.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::stage::LONG;
use crate::support::wait_for;
use crate::thesis::example;

/// All experiments on a handful of configurations of the red wine data, three steps each.
fn full(out: &Path) -> Command {
    let mut command = Command::new(example());
    command.args(["full", "--sets", "red_wine", "--configurations", "4", "--steps", "3"]);
    command.args(["--part", "1", "--at-least", "0.05", "--jobs", "2", "--out"]).arg(out.join("full"));
    command.env("XDG_RUNTIME_DIR", out.join("run")).stdin(Stdio::null());
    command
}

/// What became of each step, in order; of one that was done twice, each time.
fn ledger(out: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(out.join("full/full.jsonl")).unwrap_or_default();
    let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let text = |entry: &Value, field: &str| entry[field].as_str().expect("a text").to_string();
    entries.map(|entry| (text(&entry, "step"), text(&entry, "became"))).collect()
}

/// Processes that still have the folder in their command line.
fn left_in(out: &Path) -> Vec<String> {
    let folder = out.display().to_string();
    let processes = fs::read_dir("/proc").expect("there is /proc").flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(&folder)).collect()
}

#[test]
fn all_experiments_run_and_go_on_where_they_were_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path();
    fs::create_dir(out.join("run")).expect("the folder is ours");
    let mut first = full(out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the example starts");
    let trials = || fs::read_to_string(out.join("full/trials.jsonl")).unwrap_or_default().lines().count();
    wait_for("the search is under way", LONG, || (trials() >= 3).then_some(()));
    first.kill().expect("it is our child");
    first.wait().expect("it is our child");
    wait_for("what it had started has ended", LONG, || left_in(out).is_empty().then_some(()));
    let before = ledger(out);
    assert!(!before.iter().any(|(step, _)| step == "search"), "it was cut off too late: {before:?}");
    assert!(before.iter().all(|(_, became)| became == "done"), "{before:?}");

    let second = full(out).output().expect("the example starts");
    let (said, errors) = (String::from_utf8_lossy(&second.stdout), String::from_utf8_lossy(&second.stderr));
    assert!(second.status.success(), "{said}{errors}");
    let after = ledger(out);
    let steps: Vec<&str> = after.iter().map(|(step, _)| step.as_str()).collect();
    let wanted = [
        "data",
        "parity",
        "quality",
        "speed",
        "controls",
        "cost",
        "search",
        "long",
        "components",
        "sklearn",
        "ray",
        "share10",
        "share30",
        "policies",
        "report",
    ];
    assert_eq!(steps, wanted, "each once");
    let skipped: Vec<&str> = after.iter().filter(|(_, became)| became == "skipped").map(|(step, _)| &**step).collect();
    assert_eq!(skipped, ["sklearn", "ray"], "{errors}");
    assert!(errors.contains("sklearn: skipped: no --python was given"), "{errors}");
    assert!(errors.contains("parity: done before") && said.contains("That is a rough guess."), "{said}{errors}");
    assert!(said.contains("red_wine: 4 of 180 configurations"), "{said}");

    let long = fs::read_to_string(out.join("full/long/trials.jsonl")).expect("long trials were run");
    let record = |line: &str| serde_json::from_str::<Value>(line).expect("a record");
    let elapsed = long.lines().map(|line| record(line)["elapsed_seconds"].as_f64().expect("a number"));
    let mut elapsed: Vec<f64> = elapsed.collect();
    elapsed.sort_by(f64::total_cmp);
    assert!(elapsed.len() == 11 && elapsed[5] >= 0.05, "ten folds and the winner's refit: {elapsed:?}");

    let html = fs::read_to_string(out.join("full/report/report.html")).expect("the page is written");
    for words in ["RQ1", "RQ2", "RQ3", "no --python was given", "1 configurations was timed"] {
        assert!(html.contains(words), "{words} is not on the page");
    }
    // Where 10 ms are asked for, the sidecar looks no more seldom than that a machine which is busy can explain.
    let ticks = said.lines().filter_map(|line| line.strip_prefix("The sidecar looked every "));
    let ticks: Vec<f64> = ticks.filter_map(|rest| rest.split(' ').next()?.parse().ok()).collect();
    assert!(ticks.len() >= 3 && ticks.iter().all(|tick| (5.0..50.0).contains(tick)), "{ticks:?}");
}
