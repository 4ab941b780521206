//! The example's `policies`, whole: a record, replays of it, and a policy in force.

use std::fmt::Write;
use std::fs;
use std::path::Path;
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

/// Forty made-up rows: two numbers, and what is to be learned of them.
fn rows(attribute: &str, target: impl Fn(usize) -> String) -> String {
    let mut text = format!("% SYNTHETIC\n@relation r\n@attribute a real\n@attribute b real\n{attribute}\n@data\n");
    for row in 0..40 {
        writeln!(text, "{}.{},{},{}", row % 7, row % 10, (row * row) % 11, target(row)).expect("it is a String");
    }
    text
}

/// Numbers of a drawing that are none.
fn unsound(svg: &str) -> Vec<&str> {
    let words = svg.split(['"', ' ', ',', 'M', 'L', 'H', 'V', 'h', 'v', 'l', '>', '<']);
    words.filter(|word| ["NaN", "-NaN", "inf", "-inf"].contains(word)).collect()
}

#[test]
fn the_page_answers_the_third_question_over_two_sets() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    let run = folder.path().join("run");
    for made in [&data, &run] {
        fs::create_dir(made).expect("the folder is ours");
    }
    let classes = rows("@attribute class {x,y}", |row| if row % 7 > 3 { "x".into() } else { "y".into() });
    let numbers = rows("@attribute energy_total real", |row| format!("{}.5", row % 7));
    fs::write(data.join("diabetes.arff"), classes.replace("% SYNTHETIC\n", "")).expect("the folder is ours");
    fs::write(data.join("wave_energy.arff"), numbers).expect("the folder is ours");
    let thesis = |arguments: &[&str], more: &[&Path]| {
        let mut command = Command::new(example());
        command.args(arguments).args(more).env("XDG_RUNTIME_DIR", &run);
        let done = command.output().expect("the example starts");
        let (said, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{said}{errors}");
        said.into_owned()
    };
    let sets =
        ["search", "diabetes", "wave_energy", "--widen", "0", "--configurations", "2", "--steps", "4", "--jobs", "2"];
    thesis(&sets, &["--observe".as_ref(), "--data".as_ref(), &data, "--out".as_ref(), &out]);
    let journal = out.join("state").join(earlystop::sys::places::host_name()).join("journal.sqlite");
    let told = out.join("policies");
    let said = thesis(&["policies", "--replay-only", "--journal"], &[&journal, "--out".as_ref(), &told]);
    assert!(said.lines().count() < 40 && said.contains("wave_energy (SYNTHETIC data)"), "{said}");
    let said = thesis(&["report", "--out"], &[&out]);
    assert!(said.lines().count() < 40 && said.contains("mean rank") && said.contains("RQ3: budgets"), "{said}");

    let page = fs::read_to_string(out.join("report/report.html")).expect("the page is written");
    for title in
        ["RQ2: tol and n_iter_no_change", "RQ3: rules on", "RQ3: budgets and rules", "RQ3: policies in", "Ranks of"]
    {
        assert!(page.contains(&format!("<h2>{title}")), "{title}");
    }
    let table = |name: &str| {
        let text = fs::read_to_string(out.join("report").join(name)).expect("the table is written");
        let lines: Vec<String> = text.lines().skip(1).map(String::from).collect();
        lines
    };
    assert_eq!(table("ranks.csv").len(), 10);
    assert_eq!(table("rq3_budgets.csv").len(), 2 * 4 * 5);
    assert_eq!(table("rq3_rules.csv").len(), 2 * 10);
    // 31 policies, and the baseline as far as four steps are so many epochs.
    assert!(table("rq3_points.csv").len() >= 2 * 31);
    let budgets = table("rq3_budgets.csv").join("\n");
    assert!(budgets.contains("wave_energy (SYNTHETIC data),") && !budgets.contains("wave_energy,"), "{budgets}");
    let sources = table("sources.csv").join("\n");
    assert!(sources.contains("rq3_budgets.csv") && sources.contains("Replayed by: cargo run"), "{sources}");

    // Two sets with a plot of what policies take, one of the way, four of budgets, and the ranks.
    let drawings: Vec<&str> = page.split("<svg ").skip(1).filter_map(|rest| rest.split("</svg>").next()).collect();
    let count = |words: &str| drawings.iter().filter(|svg| svg.contains(words)).count();
    let counts =
        ["what policies take and lose", "best score against total compute", "recall</text>", "critical difference"];
    assert_eq!(counts.map(count), [2, 2, 8, 1]);
    for svg in drawings {
        assert!(unsound(svg).is_empty(), "{svg}");
        assert!(!svg.contains("wave_energy") || svg.contains("SYNTHETIC"), "{svg}");
    }
}
