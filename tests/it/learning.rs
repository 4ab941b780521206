//! Rules over learning curves with real trainers: peers live on when the daemon does not.

use std::process::{Output, Stdio};

use serde_json::Value;

use crate::stage::{LONG, Stage};
use crate::support::wait_for;

const MEDIAN: &str = r#"
[[rule]]
name    = "median"
stopper = { kind = "median", metric = "acc", mode = "max", min_peers = 3, grace = 3 }
"#;

/// Reports ACC at steps 1 to 20 and obeys.
fn trainer(name: &str, acc: f64) -> String {
    format!(
        r#"
import json, os, select, socket, sys, time
link = socket.socket(socket.AF_UNIX)
link.connect(os.environ["EARLYSTOP_SOCKET"])
def say(**line):
    link.sendall((json.dumps(line) + "\n").encode())
say(type="hello", v=1, trial="{name}", total_steps=20)
print("ready", flush=True)
for step in range(1, 21):
    say(type="step", step=step, metrics=dict(acc={acc} + step / 1000))
    time.sleep(0.05)
    while select.select([link], [], [], 0)[0]:
        if '"type":"stop"' in link.recv(65536).decode():
            say(type="done", status="stopped")
            sys.exit(3)
say(type="done", status="completed")
"#
    )
}

fn replayed(stage: &Stage, journal: &std::path::Path) -> Value {
    let output = stage.command(&["replay", &journal.display().to_string(), "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["journals"][0].clone()
}

/// Three trials finish, the daemon goes and comes back, and a fourth is worse than they were.
fn comes_back_after(end: fn(&mut Stage)) -> Stage {
    let mut stage = Stage::new(MEDIAN);
    for (name, acc) in [("a", 0.9), ("b", 0.8), ("c", 0.7)] {
        let (code, said) = stage.python(&trainer(name, acc)).end();
        assert_eq!(code, Some(0), "{said}");
    }
    stage.wait_state("c", "completed");
    end(&mut stage);
    stage.start();
    let (code, said) = stage.python(&trainer("late", 0.1)).end();
    assert_eq!(code, Some(3), "{said}");
    let row = stage.wait_state("late", "stopped");
    let reason = row["stop"]["reason"].as_str().unwrap();
    assert!(reason.contains("3 finished"), "{reason}");
    stage
}

#[test]
fn trials_of_the_daemon_before_are_peers_and_a_replay_knows_it() {
    let mut stage = comes_back_after(Stage::finish);
    stage.finish();
    let journal = replayed(&stage, &stage.journal());
    assert_eq!(journal["differences"], Value::Array(Vec::new()), "{journal:#}");
    assert_eq!((&journal["lives"], &journal["stops"]), (&2.into(), &1.into()));
}

#[test]
fn trials_of_a_daemon_that_was_killed_are_peers() {
    comes_back_after(Stage::kill);
}

#[test]
fn a_running_trial_is_explained_with_its_peers() {
    let stage = Stage::new(&format!("{MEDIAN}observe = true\n"));
    for (name, acc) in [("a", 0.9), ("b", 0.8), ("c", 0.7)] {
        assert_eq!(stage.python(&trainer(name, acc)).end().0, Some(0));
    }
    stage.wait_state("c", "completed");
    let _late = stage.python(&trainer("late", 0.1).replace("sleep(0.05)", "sleep(0.5)"));
    let explain = || String::from_utf8(stage.command(&["explain", "late"]).output().unwrap().stdout).unwrap();
    let text = wait_for("it would be stopped", LONG, || Some(explain()).filter(|text| text.contains("only observed")));
    for word in ["a (finished)", "b (finished)", "c (finished)", "the median", "n/a (0 of 0)"] {
        assert!(text.contains(word), "no {word} in\n{text}");
    }
}

/// `earlystop run` with a daemon of its own: one trial after the other, as on a laptop.
fn command(stage: &Stage, name: &str, acc: f64) -> Output {
    let script = trainer(name, acc);
    let policy = stage.policy();
    let mut run = stage.command(&["run", "--trial", name, "--interval", "100ms", "--policy"]);
    run.arg(policy).args(["--", "python3", "-S", "-u", "-c", &script]).stdin(Stdio::null());
    run.output().unwrap()
}

#[test]
fn commands_one_after_the_other_are_peers() {
    let mut stage = Stage::new(MEDIAN);
    stage.finish();
    for (name, acc) in [("a", 0.9), ("b", 0.8), ("c", 0.7)] {
        let output = command(&stage, name, acc);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let output = command(&stage, "late", 0.1);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("stopped late by median") && said.contains("3 finished"), "{said}");
    // The last journal knows the others by name: its replay remembers them, too.
    let folder = stage.journal().parent().unwrap().join("runs");
    let mut journals: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    journals.retain(|path| path.extension().is_some_and(|e| e == "sqlite"));
    journals.sort();
    let journal = replayed(&stage, journals.last().unwrap());
    assert_eq!(journal["differences"], Value::Array(Vec::new()), "{journal:#}");
    assert_eq!(journal["stops"], Value::from(1));
}
