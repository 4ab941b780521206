//! The example, whole: trainers in processes of their own, an embedded sidecar, real stops.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{BIN, repository};

/// The example's own policy with numbers for a build without optimisation, which is some twenty times slower. Time is
/// limited only where a trial takes far longer than that, so that a loaded machine stops nobody else.
const POLICY: &str = r#"
[[rule]]
name   = "diverged"
metric = "metrics.val_rmse"
above  = 2
ladder = "quick"

[[rule]]
name   = "memory-budget"
metric = "memory"
above  = "4 MiB"

[[rule]]
name   = "time-budget"
metric = "elapsed"
above  = "500ms"
where  = { "param.batch_size" = "2" }
ladder = "quick"

[[rule]]
name            = "hangs"
no_progress_for = "2s"
where           = { fault = "hang" }
ladder          = "quick"

[ladder.quick]
rungs = [ { ask = true, wait = "1s" }, { signal = "SIGTERM", wait = "5s" }, { signal = "SIGKILL" } ]
"#;

/// The example as cargo built it; `cargo test` builds examples, `cargo test --test it` does not.
pub fn example() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--example", "thesis"])
        .current_dir(repository())
        .status()
        .expect("cargo started this test");
    assert!(built.success());
    let path = Path::new(BIN).with_file_name("examples").join("thesis");
    assert!(path.is_file(), "{} is not there", path.display());
    path
}

/// Rows of the CSV by trial; fields by the name of their column. Only the last field is quoted.
fn rows(csv: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut lines = csv.lines();
    let heads: Vec<&str> = lines.next().expect("a line of heads").split(',').collect();
    let row = |line: &str| {
        let fields = line.splitn(heads.len(), ',').map(str::to_string);
        heads.iter().map(|head| head.to_string()).zip(fields).collect::<BTreeMap<_, _>>()
    };
    lines.map(row).map(|row| (row["trial"].clone(), row)).collect()
}

#[test]
fn each_trial_ends_as_its_configuration_deserves() {
    let folder = tempfile::tempdir().expect("a folder of our own");
    let (policy, csv) = (folder.path().join("policy.toml"), folder.path().join("table.csv"));
    fs::write(&policy, POLICY).expect("a file in a folder of ours");
    let output = Command::new(example())
        .args(["--epochs", "2000", "--policy"])
        .arg(&policy)
        .arg("--csv")
        .arg(&csv)
        .output()
        .expect("the example runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");

    let rows = rows(&fs::read_to_string(&csv).expect("the table"));
    assert_eq!(rows.len(), 20, "{said}");
    for (trial, row) in &rows {
        let number = |field: &str| row[field].parse::<f64>().unwrap_or_else(|_| panic!("{trial} {field}: {said}"));
        let rule = match trial.as_str() {
            hang if hang.starts_with("hang-") => "hangs",
            leak if leak.starts_with("leak-") => "memory-budget",
            diverging if diverging.contains("-lr0.1-") => "diverged",
            slow if slow.contains("-b2-") => "time-budget",
            _ => "",
        };
        assert_eq!(row["rule"], rule, "{trial}: {said}");
        assert!(number("cpu_seconds") > 0.0 && number("elapsed_seconds") > 0.0, "{trial}: {said}");
        assert!(number("memory_peak_bytes") > 1e5, "{trial}: {said}");
        if rule.is_empty() {
            assert_eq!((&*row["state"], &row["steps"]), ("completed", &row["target_steps"]), "{trial}: {said}");
            assert!((0.60..0.80).contains(&number("val_rmse")), "{trial}: {said}");
            assert_eq!(row["saved_seconds"], "", "{trial}: {said}");
        } else {
            assert_eq!(row["state"], "stopped", "{trial}: {said}");
            assert!(number("steps") < number("target_steps"), "{trial}: {said}");
            assert!(number("saved_seconds") > 0.0, "{trial}: {said}");
        }
    }
    assert!(said.contains("20 trials in") && said.contains("stopped by time-budget"), "{said}");
}
