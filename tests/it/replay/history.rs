//! Imported histories whose figures can be worked out by hand.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::BIN;

/// Rows of a table with a column a step.
pub fn journal(folder: &Path, name: &str, rows: &[&str]) -> String {
    let steps = rows.iter().map(|row| row.split(',').count()).max().unwrap();
    let head: Vec<String> = (1..=steps).map(|step| format!("acc_{step}")).collect();
    let table = folder.join(format!("{name}.csv"));
    std::fs::write(&table, format!("{}\n{}\n", head.join(","), rows.join("\n"))).unwrap();
    let journal = folder.join(format!("{name}.sqlite")).display().to_string();
    let words =
        ["--metric", "acc", "--mode", "max", "--columns", "acc_*", &table.display().to_string(), "-o", &journal];
    let output = earlystop("import", &words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    journal
}

fn earlystop(command: &str, words: &[&str]) -> Output {
    Command::new(BIN).arg(command).args(words).output().unwrap()
}

pub fn policy(folder: &Path, name: &str, rules: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, format!("[guard]\nenabled = false\n{rules}")).unwrap();
    file.display().to_string()
}

/// Stops whoever reports less than 0.15.
pub const WEAK: &str = "[[rule]]\nname = \"weak\"\nexpr = 'trial_metric{metric=\"acc\"} < 0.15'\n";

/// Five curves of four steps; the best one begins worst.
pub const CURVES: [&str; 5] =
    ["0.1,0.2,0.3,0.4", "0.5,0.6,0.7,0.9", "0.1,0.1,0.1,0.1", "0.2,0.5,0.6,0.8", "0.05,0.9,0.9,0.95"];

fn report(words: &[&str]) -> Value {
    let output = earlystop("replay", &[words, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "one object in one line");
    serde_json::from_str(&text).unwrap()
}

fn close(value: &Value, expected: f64) {
    assert!((value.as_f64().unwrap() - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[test]
fn permutations_give_what_can_be_worked_out_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), "five", &CURVES);
    let weak = policy(folder.path(), "weak.toml", WEAK);
    for workers in ["1", "3"] {
        let words = ["--policy", &weak, &journal, "--permutations", "20", "--workers", workers];
        let report = report(&words);
        // Three of five stop after one of four steps, the best among them: the next best is 0.9, the median 0.8.
        assert_eq!((&report["permutations"], &report["sample"]), (&20.into(), &5.into()));
        close(&report["speedup"]["median"], 20.0 / 11.0);
        close(&report["speedup"]["low"], 20.0 / 11.0);
        close(&report["kept"]["share"], 0.0);
        close(&report["regret"]["mean"], 0.05 / 0.95);
        close(&report["regret_scaled"]["median"], 0.05 / 0.15);
        assert_eq!(report["rules"][0]["rule"], "weak");
        close(&report["rules"][0]["stopped"], 3.0);
        close(&report["rules"][0]["stopped_best"], 1.0);
        let shares: Vec<f64> =
            report["baselines"].as_array().unwrap().iter().map(|b| b["share"].as_f64().unwrap()).collect();
        assert_eq!(shares, [0.01, 0.05, 0.1, 0.2, 0.3]);
        // One report of each, then three to their ends: 5 + 3 * 3 steps. After two reports the best is ahead: 5 * 2 + 3 * 2.
        let first = &report["baselines"][0];
        close(&first["speedup"]["mean"], 20.0 / 14.0);
        close(&first["kept"]["share"], 0.0);
        let last = &report["baselines"][4];
        close(&last["speedup"]["mean"], 20.0 / 16.0);
        close(&last["kept"]["share"], 1.0);
    }
}

#[test]
fn what_is_stopped_at_its_last_report_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), "late", &["0.3,0.3,0.3,0.12", "0.3,0.3,0.12,0.1"]);
    let weak = policy(folder.path(), "weak.toml", WEAK);
    let report = report(&["--policy", &weak, &journal, "--permutations", "4"]);
    close(&report["rules"][0]["stopped"], 1.0);
    close(&report["speedup"]["mean"], 8.0 / 7.0);
    close(&report["kept"]["share"], 1.0);
}

#[test]
fn a_missing_end_is_worst_and_ties_count() {
    let folder = tempfile::tempdir().unwrap();
    // The last value is NaN; two are equally good, and one of them is stopped.
    let journal = journal(folder.path(), "ties", &["0.9,0.9,0.9,NaN", "0.1,0.2,0.3,0.8", "0.2,0.2,0.3,0.8"]);
    let weak = policy(folder.path(), "weak.toml", WEAK);
    let last = report(&["--policy", &weak, &journal, "--permutations", "3"]);
    close(&last["kept"]["share"], 1.0);
    close(&last["regret"]["mean"], 0.0);
    let best = report(&["--policy", &weak, &journal, "--permutations", "3", "--select", "best"]);
    close(&best["kept"]["share"], 1.0);
    close(&best["experiments"].as_array().unwrap().len().into(), 1.0);
}

#[test]
fn a_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<String> = (0..30).map(|n| format!("0.{:02},0.5,0.{:02}", 10 + n, 99 - (n * 7) % 30)).collect();
    let journal = journal(folder.path(), "many", &rows.iter().map(String::as_str).collect::<Vec<_>>());
    let weak = policy(folder.path(), "weak.toml", WEAK);
    let told = |seed: &str, threads: &str| {
        let words = ["--policy", &weak, &journal, "--permutations", "40", "--sample", "7", "--halves", "--json"];
        let output = earlystop("replay", &[&words[..], &["--seed", seed, "--threads", threads]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let one = told("5", "1");
    assert_eq!(one, told("5", "3"));
    assert_ne!(one, told("6", "1"));
    let report: Value = serde_json::from_slice(&one).unwrap();
    let (low, high) = (&report["kept"]["over_halves"]["low"], &report["kept"]["over_halves"]["high"]);
    assert!(low.as_f64() < high.as_f64(), "{report:#}");
    assert!(report["kept"]["low"].as_f64() <= low.as_f64(), "the wider interval is told");
}

#[test]
fn rules_that_need_a_host_or_all_trials_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), "five", &CURVES);
    let rules = "[[rule]]\nname = \"host-low\"\nscope = \"all\"\nexpr = 'earlystop_host_memory_available_bytes < 1e9'\n
[[rule]]\nname = \"share\"\nexpr = 'trial_memory_bytes > on () group_left () earlystop_host_memory_total_bytes * 0.5'\n";
    let wide = policy(folder.path(), "wide.toml", &format!("{rules}\n{WEAK}"));
    let output = earlystop("replay", &["--policy", &wide, &journal, "--permutations", "4"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("host-low (its scope is wider") && said.contains("share (it reads series of the host)"),
        "{said}"
    );
    assert!(!said.contains("weak"), "{said}");
    let output = earlystop(
        "replay",
        &["--policy", &policy(folder.path(), "w.toml", WEAK), &journal, "--permutations", "2", "--sample", "6"],
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("no experiment has more than 5"), "{said}");
}

#[test]
fn recorded_time_gives_what_can_be_worked_out_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), "five", &CURVES);
    let weak = policy(folder.path(), "weak.toml", WEAK);
    let report = report(&["--policy", &weak, &journal]);
    assert_eq!((&report["trials"], &report["stopped"], &report["stopped_complete"]), (&5.into(), &3.into(), &3.into()));
    close(&report["speedup"]["low"], 20.0 / 11.0);
    close(&report["kept"]["high"], 0.0);
    close(&report["regret"]["mean"], 0.05 / 0.95);
    close(&report["regret_scaled"]["high"], 0.05 / 0.15);
    close(&report["saved"]["steps"], 9.0);
    let stop = &report["stops"][0];
    assert_eq!((&stop["trial"], &stop["step"], &stop["rule"]), (&"row-1".into(), &1.into(), &"weak".into()));
    assert!(stop["reason"].as_str().unwrap().contains("is 0.1"), "{stop}");
    close(&stop["saved"]["steps"], 3.0);
    assert_eq!(report["censored"]["trials"], 0);
}

/// Whether --expect holds: the exit code and what is said.
fn expect(journal: &str, policy: &str, expectation: &str) -> (Option<i32>, String) {
    let output = earlystop("replay", &["--policy", policy, journal, "--expect", expectation]);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_trial_without_an_end_makes_bounds() {
    let folder = tempfile::tempdir().unwrap();
    // The first one was cut off after two of four steps.
    let journal =
        journal(folder.path(), "cut", &["0.3,0.3,,", "0.5,0.6,0.7,0.9", "0.1,0.1,0.1,0.1", "0.2,0.5,0.6,0.8"]);
    let weak = policy(folder.path(), "weak.toml", WEAK);
    let open = report(&["--policy", &weak, &journal]);
    assert_eq!(open["censored"], serde_json::json!({"trials": 1, "needed_beyond_record": 1}), "{open:#}");
    assert_eq!((&open["kept"]["low"], &open["kept"]["high"]), (&0.0.into(), &1.0.into()));
    close(&open["regret"]["low"], 0.0);
    assert_eq!(open["regret"]["high"], Value::Null, "nobody knows by how much it would have been better");
    // 14 steps in the record, 11 used, and 2 more that the cut one would have taken.
    close(&open["speedup"]["high"], 14.0 / 11.0);
    close(&open["speedup"]["low"], 14.0 / 13.0);
    let (code, said) = expect(&journal, &weak, "kept >= 0.9");
    assert!(code == Some(1) && said.contains("not identified"), "{said}");
    assert_eq!(expect(&journal, &weak, "speedup > 1.07").0, Some(0), "by its lower bound");
    assert_eq!(expect(&journal, &weak, "speedup > 1.2").0, Some(1));
    let (code, said) = expect(&journal, &weak, "speedup > 2 and kept >= 0.9");
    assert!(code == Some(1) && said.contains("not as expected: speedup (1.07"), "{said}");
    // A policy that stops it by then needs nothing beyond the record.
    let rules = WEAK.replace("0.15", "0.4");
    let closed = report(&["--policy", &policy(folder.path(), "hard.toml", &rules), &journal]);
    assert_eq!(closed["censored"], serde_json::json!({"trials": 1, "needed_beyond_record": 0}), "{closed:#}");
    assert_eq!((&closed["kept"]["low"], &closed["kept"]["high"]), (&1.0.into(), &1.0.into()));
    let (code, said) = expect(&journal, &weak, "keppt > 0.9");
    assert!(code == Some(2) && said.contains("did you mean kept?"), "{said}");
    let drawn = report(&["--policy", &weak, &journal, "--permutations", "2"]);
    assert_eq!((&drawn["trials"], &drawn["censored"]["trials"]), (&3.into(), &1.into()), "it cannot be drawn");
}

#[test]
fn a_page_needs_nothing_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), "five", &CURVES);
    let rules = format!("{WEAK}\n{}", WEAK.replace("weak", "weaker").replace("0.15", "0.06"));
    let weak = policy(folder.path(), "weak.toml", &rules);
    for (name, more) in [("recorded", &[][..]), ("permuted", &["--permutations", "3"])] {
        let page = folder.path().join(format!("{name}.html"));
        let file = page.display().to_string();
        report(&[&["--policy", &weak, &journal, "--html", &file], more].concat());
        let text = std::fs::read_to_string(&page).unwrap();
        for foreign in ["http:", "https:", "<script", "<link", "@import", "url(", "src="] {
            assert!(!text.contains(foreign), "{name}: {foreign}");
        }
        // Two panels; in each the policy, two rules alone and five baselines.
        assert_eq!(text.matches("<svg").count(), 2, "{name}");
        let drawn = |mark: &str| text.matches(mark).count();
        assert_eq!(
            (drawn("<circle class=\"policy\""), drawn("<circle class=\"rule\""), drawn("<rect class=\"baseline\"")),
            (2, 4, 10)
        );
        assert!(text.contains("prefers-color-scheme: dark") && text.contains("@media print"), "{name}");
        assert!(text.contains("weaker: 85.0 % used, kept 0.000"), "{name}: the best begins with 0.05: {text}");
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), "five", &CURVES);
    let bad = folder.path().join("bad.toml");
    std::fs::write(&bad, "[[rule]]\nname = \"x\"\nmetrik = \"memory\"\n").unwrap();
    let output = earlystop("replay", &["--policy", &bad.display().to_string(), &journal]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("bad.toml:3:1: error[unknown-key]"), "{said}");
    for words in [&["nothing.sqlite"][..], &[&bad.display().to_string()]] {
        let output = earlystop("replay", words);
        assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "{output:?}");
    }
    let weak = policy(folder.path(), "weak.toml", WEAK);
    let output = earlystop("replay", &["--policy", &weak, &journal, "--permutations", "3", "--cost", "seconds"]);
    assert!(output.status.code() == Some(2), "times that are made up");
    assert!(String::from_utf8(output.stderr).unwrap().contains("made-up"));
    assert_eq!(earlystop("replay", &[&journal, "--permutations", "3"]).status.code(), Some(2), "a policy is missing");
    assert_eq!(earlystop("replay", &[&journal, "--expect", "kept >"]).status.code(), Some(2));
}
