//! Trainers that wait for the verdict on each report, as with Optuna's `should_prune`.

use std::process::Stdio;

use serde_json::Value;

use crate::stage::Stage;
use crate::support::repository;

const LOW: &str = r#"
[[rule]]
name    = "low"
stopper = { kind = "threshold", metric = "acc", mode = "max", below = 0.5 }

[guard]
keep_best = 0
"#;

/// A study in one process, a trial after the other; prints at which step each was stopped.
const STUDY: &str = r#"
from earlystop import Trial
for name, values in [("fine", [0.9] * 8), ("falls", [0.9, 0.8, 0.7, 0.6, 0.4, 0.3]), ("again", [0.9] * 8)]:
    with Trial(name, process="shared", total_steps=8) as trial:
        for step, acc in enumerate(values, 1):
            if trial.should_stop(step, acc=acc, timeout=20):
                print(name, step, trial.stop.rule, flush=True)
                break
print("through", flush=True)
"#;

fn python() -> (&'static str, String) {
    ("PYTHONPATH", repository().join("python").display().to_string())
}

#[test]
fn a_study_in_one_process_hears_at_the_very_report() {
    let mut stage = Stage::new(LOW);
    let (key, value) = python();
    let mut study = stage.python_with(STUDY, &[(key, &value)]);
    assert_eq!(study.first(), "falls 5 low");
    assert_eq!(study.line(), "through");
    for (name, state) in [("fine", "completed"), ("falls", "stopped"), ("again", "completed")] {
        stage.wait_state(name, state);
    }
    stage.finish();
    let output = stage.command(&["replay", &stage.journal().display().to_string(), "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let journal = &report["journals"][0];
    assert_eq!((&journal["differences"], &journal["stops"]), (&Value::Array(vec![]), &Value::from(1)), "{report:#}");
}

#[test]
fn a_trial_that_is_over_before_the_first_tick_is_stopped_all_the_same() {
    let mut stage = Stage::new(LOW);
    stage.finish();
    let script = r#"
from earlystop import Trial
with Trial(total_steps=2000) as trial:
    for step in range(1, 2001):
        if trial.should_stop(step, acc=0.1, sample=True, timeout=20):
            print("stopped", flush=True)
            raise SystemExit(3)
"#;
    let (key, value) = python();
    let mut run = stage.command(&["run", "--trial", "short", "--interval", "30s", "--policy"]);
    run.arg(stage.policy()).args(["--", "python3", "-S", "-u", "-c", script]).env(key, value).stdin(Stdio::null());
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*output.stdout), (Some(3), &b"stopped\n"[..]), "{said}");
    assert!(said.contains("stopped short by low"), "{said}");
}
