//! The example's `policies`, whole: a record, replays of it, and a policy in force.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::thesis::example;

#[test]
fn policies_are_replayed_on_a_record_and_one_runs_for_real() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    fs::create_dir(folder.path().join("run")).expect("the folder is ours");
    let searched = ["red_wine", "--configurations", "2", "--steps", "3", "--jobs", "2"];
    let share = folder.path().join("share");
    let mut command = Command::new(example());
    command.arg("search").args(searched).args(["--share", "30%", "--out"]).arg(&share);
    let done = command.env("XDG_RUNTIME_DIR", folder.path().join("run")).output().expect("the example starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let mut command = Command::new(example());
    command.args(["policies", "--live", "elapsed-q50", "--share-of"]).arg(&share).arg("--out").arg(&out);
    command.arg("--").args(searched);
    let done = command.env("XDG_RUNTIME_DIR", folder.path().join("run")).output().expect("the example starts");
    let (said, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}{errors}");

    let text = fs::read_to_string(out.join("policies.json")).expect("it was written");
    let tables: Value = serde_json::from_str(&text).expect("it is JSON");
    let rows = |table: &str| tables[table].as_array().expect("a table").clone();
    assert_eq!(rows("learning").len(), 10);
    assert!(tables["ranks"].is_null(), "one set has no ranks");
    let budgets = rows("budgets");
    let elapsed: Vec<&Value> = budgets.iter().filter(|row| row["measure"] == "elapsed").collect();
    let feasible: Vec<u64> = elapsed.iter().map(|row| row["feasible"].as_u64().expect("a count")).collect();
    assert_eq!(feasible, [2, 5, 10, 15, 18], "of twenty trials; no two end at the same nanosecond");
    for row in &budgets {
        let (stopped, rightly) = (row["stopped"].as_u64(), row["rightly"].as_u64());
        assert!(rightly <= stopped && row["precision"].is_null() == (stopped == Some(0)), "{row}");
    }
    let forecasts = rows("forecasts");
    let find =
        |from: &str, what: &str| forecasts.iter().find(|row| row["from"] == from && row["quantity"] == what).cloned();
    for quantity in ["score", "elapsed seconds", "CPU seconds"] {
        let row = find("share 30 %", quantity).expect("a row");
        assert_eq!((row["trials"].as_u64(), row["diverged"].as_u64()), (Some(20), Some(0)), "{row}");
        assert!(row["error"].is_number() && row["error_last"].is_number(), "{row}");
    }
    // Trials of three steps report but once, at their end: nothing is known of them before.
    assert!(find("prefix 50 %", "score").is_none(), "{forecasts:?}");
    assert_eq!(tables["shares"][0]["share"], Value::from(0.3));
    assert!(said.contains("Share 30 %: ") && said.contains("search red_wine --configurations 2"), "{said}");
    let live = rows("live");
    assert_eq!((live.len(), &live[0]["policy"]), (1, &Value::from("elapsed-q50")));
    let lines = |name: &str| fs::read_to_string(out.join(name)).expect("it was written").lines().count();
    assert_eq!((lines("budgets.csv"), lines("learning.csv"), lines("live.csv")), (budgets.len() + 1, 11, 2));

    let other = Command::new(example())
        .args(["policies", "--replay-only", "--out"])
        .arg(&out)
        .arg("--share-of")
        .arg(out.join("recorded"))
        .arg("--journal")
        .args(tables["journal"].as_str())
        .output()
        .expect("the example starts");
    let errors = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && errors.contains("holds no trial on a share of the rows"), "{errors}");

    let unknown = Command::new(example()).args(["policies", "--live", "no-such"]).output().expect("the example starts");
    let errors = String::from_utf8_lossy(&unknown.stderr);
    assert!(!unknown.status.success() && errors.contains("it is one of memory-peak-q10"), "{errors}");
}
