//! A real daemon's journal, replayed: the verdicts are the journal's, to the byte.

use serde_json::Value;

use crate::stage::{LONG, Stage, Trainer};
use crate::support::wait_for;

/// A rule on memory, one on a reported metric, one in PromQL over a window, one that only observes, one over learning curves.
const POLICY: &str = r#"
[[rule]]
name = "cap"
metric = "memory"
above = "100 MiB"

[[rule]]
name = "diverged"
metric = "loss"
above = 5.0

[[rule]]
name = "busy"
expr = 'sum by (trial, experiment) (rate(trial_cpu_seconds_total[1s])) > 0.3 and on (trial, experiment) trial_step > 40'
for = "200ms"

[[rule]]
name = "watching"
metric = "memory"
above = "60 MiB"
observe = true

[[rule]]
name = "behind"
stopper = { kind = "median", metric = "loss", mode = "min", grace = 10, min_peers = 1 }
observe = true
"#;

/// A trainer: LOSS(step) is its curve, WORK what it does for each of its steps.
fn trainer(stage: &Stage, name: &str, steps: u32, loss: &str, work: &str) -> Trainer {
    let script = format!(
        r#"
import json, os, select, socket, sys, time
hello = dict(type="hello", v=1, trial="{name}", experiment="wine", total_steps={steps}, objective={{"metric": "loss", "mode": "min"}})
def say(**line):
    # A daemon that ends takes the link along: the next one is told who speaks.
    global link
    try:
        link.sendall((json.dumps(line) + "\n").encode())
    except OSError:
        try:
            link = socket.socket(socket.AF_UNIX)
            link.connect(os.environ["EARLYSTOP_SOCKET"])
            link.sendall((json.dumps(hello) + "\n").encode())
        except OSError:
            time.sleep(0.05)
link = socket.socket(socket.AF_UNIX)
say(**hello)
print("ready", flush=True)
hog = b""
for step in range(1, {steps} + 1):
    say(type="step", step=step, metrics={{"loss": {loss}}})
    {work}
    time.sleep(0.01)
    while select.select([link], [], [], 0)[0]:
        try:
            text = link.recv(65536).decode()
        except OSError:
            break
        if not text:
            link.close()
            break
        if '"type":"stop"' in text:
            say(type="done", status="stopped")
            sys.exit(3)
say(type="done", status="completed")
"#
    );
    stage.python(&script)
}

fn replayed(stage: &Stage, words: &[&str]) -> Value {
    let journal = stage.journal().display().to_string();
    let output = stage.command(&[&["replay", &journal, "--json"], words].concat()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn state(stage: &Stage, trial: &str) -> String {
    stage.row(trial).map_or_else(String::new, |row| row["state"].as_str().unwrap_or_default().to_string())
}

fn ends(stage: &Stage, trial: &str, as_what: &str) {
    wait_for(&format!("{trial} is {as_what}"), LONG, || (state(stage, trial) == as_what).then_some(()));
}

/// A journal of two lives, a reload, stops by every kind of rule, one by hand, and trials that came to their end.
fn recorded() -> Stage {
    let mut stage = Stage::new(POLICY);
    let good = trainer(&stage, "good", 60, "1 / step", "pass");
    let bad = trainer(&stage, "bad", 100_000, "6.0 if step > 30 else 1.0", "pass");
    let hog = trainer(&stage, "hog", 100_000, "2.0", "hog = bytearray(160 << 20) if step == 30 else hog");
    let busy = trainer(&stage, "busy", 100_000, "3.0", "end = time.time() + 0.05\n    while time.time() < end: pass");
    let fat = trainer(&stage, "fat", 60, "0.5", "hog = hog or bytearray(70 << 20)");
    for (trial, rule) in [("bad", "diverged"), ("hog", "cap"), ("busy", "busy")] {
        ends(&stage, trial, "stopped");
        assert_eq!(stage.row(trial).unwrap()["stop"]["rule"], rule);
    }
    ends(&stage, "good", "completed");
    ends(&stage, "fat", "completed");
    let lasting = trainer(&stage, "lasting", 100_000, "0.9 if step < 200 else 7.0 if step > 600 else 0.8", "pass");
    let shell = stage.run("shell", "import time; print('ready'); time.sleep(1000)");
    wait_for("it has come some way", LONG, || stage.row("lasting")?["step"].as_u64().filter(|step| *step > 100));
    std::fs::write(stage.policy(), POLICY.replace("5.0", "4.5")).unwrap();
    assert!(stage.command(&["reload"]).status().unwrap().success());
    stage.finish();
    stage.start();
    wait_for("both are watched again", LONG, || {
        (state(&stage, "lasting") == "running" && state(&stage, "shell") == "running").then_some(())
    });
    let reason = ["stop", "shell", "--reason", "enough"];
    assert!(stage.command(&reason).status().unwrap().success());
    ends(&stage, "shell", "stopped");
    drop((good, bad, hog, busy, fat, shell));
    let late = trainer(&stage, "late", 100_000, "9.0", "pass");
    ends(&stage, "late", "stopped");
    drop((late, lasting));
    wait_for("its end is seen", LONG, || (state(&stage, "lasting") != "running").then_some(()));
    stage.finish();
    stage
}

/// The journal's own policies: everything is as it was.
fn own_policies(stage: &Stage) {
    let report = replayed(stage, &[]);
    let journal = &report["journals"][0];
    assert_eq!(journal["differences"], Value::Array(Vec::new()), "{journal:#}");
    assert_eq!((&journal["equal"], &journal["lives"], &journal["stops"]), (&true.into(), &2.into(), &5.into()));
    let stops = report["stops"].as_array().unwrap();
    let rules: Vec<&str> = stops.iter().map(|stop| stop["rule"].as_str().unwrap()).collect();
    for rule in ["cap", "diverged", "busy", "manual"] {
        assert!(rules.contains(&rule), "{rules:?}");
    }
    assert!(stops.iter().all(|stop| stop["in_record"] == true && stop["saved"]["steps"] == 0.0), "{stops:#?}");
    let observed = report["observed"].as_array().unwrap();
    assert!(observed.iter().any(|o| o["rule"] == "watching" && o["trial"] == "fat"), "{observed:#?}");
    assert!(observed.iter().any(|o| o["rule"] == "behind" && o["step"].as_u64() >= Some(10)), "{observed:#?}");
}

fn of<'r>(report: &'r Value, trial: &str) -> Option<&'r Value> {
    report["stops"].as_array().unwrap().iter().find(|stop| stop["trial"] == trial)
}

/// The policy of the second life, given by hand: stops that are the same are followed, the others are not there.
fn one_rule_less(stage: &Stage) {
    let policy = stage.path("other.toml");
    let rules = POLICY.split("[[rule]]").filter(|rule| !rule.contains("busy")).collect::<Vec<_>>().join("[[rule]]");
    std::fs::write(&policy, rules).unwrap();
    let report = replayed(stage, &["--policy", &policy.display().to_string()]);
    assert!(of(&report, "busy").is_none(), "the rule that stopped it is not there: {report:#}");
    for trial in ["bad", "hog"] {
        assert_eq!(of(&report, trial).expect("stopped as in the record")["in_record"], true, "{report:#}");
    }
    // busy would have gone on, and whatever was alive at the end; nobody knows how.
    assert!(report["censored"]["needed_beyond_record"].as_u64() >= Some(1), "{report:#}");
    assert_eq!((&report["kept"]["low"], &report["kept"]["high"]), (&0.0.into(), &1.0.into()));
    assert_eq!(report["journals"][0]["equal"], Value::Null, "another policy is not to be equal");
}

/// A harder policy: a trial that came to its end is stopped, and what it did later is saved.
fn a_harder_rule(stage: &Stage) {
    let policy = stage.path("hard.toml");
    std::fs::write(&policy, "[[rule]]\nname = \"low-cap\"\nmetric = \"memory\"\nabove = \"60 MiB\"\n").unwrap();
    let report = replayed(stage, &["--policy", &policy.display().to_string()]);
    let fat = of(&report, "fat").expect("it had 70 MiB");
    assert_eq!((&fat["rule"], &fat["in_record"]), (&"low-cap".into(), &false.into()));
    assert!(fat["reason"].as_str().unwrap().starts_with("memory "), "{fat}");
    let step = fat["step"].as_f64().unwrap();
    let saved = |unit: &str| fat["saved"][unit].as_f64().unwrap();
    assert!(step < 60.0 && saved("steps") == 60.0 - step, "{fat}");
    assert!(saved("seconds") > 0.0 && saved("gib_hours") > 0.0, "{fat}");
    assert!(of(&report, "good").is_none() && of(&report, "bad").is_none(), "{report:#}");
    // good has a loss of 1/60, fat one of 0.5: what was best is kept, as far as the record goes.
    let wine = report["experiments"].as_array().unwrap().iter().find(|e| e["experiment"] == "wine").unwrap();
    assert_eq!((&wine["best"], &wine["kept_best"]), (&(1.0 / 60.0).into(), &(1.0 / 60.0).into()));
}

/// Complete trials with trees of their own, drawn at random: the same rule stops the same one there.
fn drawn_with_their_trees(stage: &Stage) {
    let policy = stage.path("hard.toml").display().to_string();
    let report = replayed(stage, &["--policy", &policy, "--permutations", "5", "--cost", "seconds"]);
    assert_eq!((&report["trials"], &report["sample"], &report["cost"]), (&2.into(), &2.into(), &"seconds".into()));
    assert_eq!((&report["rules"][0]["rule"], &report["rules"][0]["stopped"]), (&"low-cap".into(), &1.0.into()));
    assert_eq!((&report["kept"]["share"], &report["regret"]["mean"]), (&1.0.into(), &0.0.into()));
    let speedup = report["speedup"]["median"].as_f64().unwrap();
    assert!(speedup > 1.0 && speedup < 3.0, "{speedup}");
}

#[test]
fn a_daemons_journal_is_replayed_as_it_was_and_as_it_was_not() {
    let stage = recorded();
    own_policies(&stage);
    one_rule_less(&stage);
    a_harder_rule(&stage);
    drawn_with_their_trees(&stage);
    let journal = stage.journal().display().to_string();
    let table = stage.command(&["replay", &journal]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("5 stops, equal to the journal's to the byte"), "{table}");
}

#[test]
fn a_daemon_that_was_killed_leaves_a_record_that_says_so() {
    let mut stage = Stage::new(POLICY);
    let bad = trainer(&stage, "bad", 100_000, "6.0 if step > 30 else 1.0", "pass");
    ends(&stage, "bad", "stopped");
    let lasting = trainer(&stage, "lasting", 100_000, "0.9", "pass");
    wait_for("it has come some way", LONG, || stage.row("lasting")?["step"].as_u64().filter(|step| *step > 20));
    stage.kill();
    stage.start();
    wait_for("it is watched again", LONG, || (state(&stage, "lasting") == "running").then_some(()));
    stage.finish();
    drop((bad, lasting));
    let report = replayed(&stage, &[]);
    let journal = &report["journals"][0];
    assert_eq!((&journal["equal"], &journal["lives"]), (&Value::Null, &2.into()));
    assert!(journal["breaks"][0].as_str().unwrap().contains("was killed"), "{journal:#}");
    assert_eq!(of(&report, "bad").unwrap()["in_record"], true);
}

#[test]
fn what_was_asked_elsewhere_is_not_asked_again() {
    // Nobody listens there: every answer is word that none came, and those are in the journal, too.
    let config = "[remote]\nurl = \"http://127.0.0.1:9\"\nidentity = { instance = \"here\" }\ninterval = \"1s\"\n";
    let policy = format!(
        "{POLICY}\n[[rule]]\nname = \"fleet\"\nevaluate = \"remote\"\nexpr = 'trial_metric{{metric=\"loss\"}} > 3'\n"
    );
    let mut stage = Stage::configured(config, &policy);
    let bad = trainer(&stage, "bad", 100_000, "6.0 if step > 30 else 1.0", "pass");
    ends(&stage, "bad", "stopped");
    drop(bad);
    stage.finish();
    let report = replayed(&stage, &[]);
    let journal = &report["journals"][0];
    assert_eq!((&journal["equal"], &journal["stops"]), (&true.into(), &1.into()), "{journal:#}");
    assert_eq!(of(&report, "bad").unwrap()["rule"], "diverged");
}

#[test]
fn a_journal_that_a_daemon_writes_can_be_replayed() {
    let stage = Stage::new(POLICY);
    let good = trainer(&stage, "good", 60, "1 / step", "pass");
    let bad = trainer(&stage, "bad", 100_000, "6.0 if step > 30 else 1.0", "pass");
    ends(&stage, "bad", "stopped");
    ends(&stage, "good", "completed");
    let busy = trainer(&stage, "lasting", 100_000, "0.5", "pass");
    // A copy may fall between an input and what came of it; the next one has both.
    let report = wait_for("the stop is committed, and the same again", LONG, || {
        let whole = |journal: &Value| journal["stops"] == 1 && journal["differences"] == Value::Array(Vec::new());
        Some(replayed(&stage, &[])).filter(|report| whole(&report["journals"][0]))
    });
    let journal = &report["journals"][0];
    let breaks = journal["breaks"].to_string();
    assert!(breaks.contains("still runs"), "{breaks}");
    assert_eq!(state(&stage, "lasting"), "running", "the daemon goes on");
    drop((good, bad, busy));
}
