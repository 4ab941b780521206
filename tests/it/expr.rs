//! Rules in PromQL over real processes.

use std::process::Stdio;
use std::time::Duration;

use crate::stage::Stage;
use crate::support::wait_for;

const LONG: Duration = Duration::from_secs(60);

/// A trial that takes so many MiB and stays.
fn hog(stage: &Stage, name: &str, mib: u32) -> std::process::Child {
    let script = format!("import time; hog = bytearray({mib} << 20)\nwhile True: time.sleep(0.05)");
    let mut run = stage.command(&["run", "--trial", name, "--", "python3", "-S", "-c", &script]);
    run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn the_host_guard_takes_the_largest_first_and_one_at_a_time() {
    // "Less than 200 % is free" is always true: the test cannot fill the host, and need not.
    let policy = r#"
[[rule]]
name   = "host-guard"
expr   = '''
topk(1, trial_memory_bytes > 64 * 1024 ^ 2)
  and on ()
(earlystop_host_memory_available_bytes / earlystop_host_memory_total_bytes < 2)
'''
serial = true
settle = "2s"
for    = "2s"
"#;
    let stage = Stage::new(policy);
    let mut all = [hog(&stage, "small", 8), hog(&stage, "middle", 100), hog(&stage, "large", 160)];
    let names = ["small", "middle", "large"];
    let memory = |name: &&str| stage.metric("trial_memory_bytes", &[&format!("trial=\"{name}\"")]).unwrap_or(0.0);
    wait_for("all have grown", LONG, || names[1..].iter().all(|n| memory(n) > 90e6).then_some(()));
    let large = stage.wait_state("large", "stopped");
    let middle = stage.wait_state("middle", "stopped");
    assert_eq!(large["stop"]["rule"], "host-guard");
    let reason = large["stop"]["reason"].as_str().unwrap();
    assert!(reason.contains("topk(1, trial_memory_bytes > 64 * 1024 ^ 2)") && reason.contains(" MiB"), "{reason}");
    let seconds = |row: &serde_json::Value| row["ended"].as_f64().unwrap();
    let between = seconds(&middle) - seconds(&large);
    assert!(between >= 2.0, "{between} s after the first was over, memory had been given 2 s to come back");
    assert_eq!(stage.row("small").unwrap()["state"], "running", "it is below the least that the rule asks for");
    assert!(stage.command(&["stop", "small", "--now"]).output().unwrap().status.success());
    for run in &mut all {
        run.wait().unwrap();
    }
}

#[test]
fn a_fork_tree_whose_pages_are_shared_is_spared_by_its_proportional_memory() {
    let rule = |name: &str, confirm: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\nexpr = 'trial_memory_bytes{{trial=\"{name}\"}} > 300 * 1024 ^ 2'\n{confirm}\n"
        )
    };
    let stage = Stage::new(&(rule("weighed", "confirm = \"pss\"") + &rule("counted", "")));
    // Four processes that share 128 MiB: RSS - shared says 512 MiB of them, PSS 128.
    let script = "import os, time
hog = bytearray(128 << 20)
for _ in range(3):
    if os.fork() == 0: break
while True: time.sleep(0.05)";
    let trials: Vec<_> = ["weighed", "counted"]
        .into_iter()
        .map(|name| {
            let mut run = stage.command(&["run", "--trial", name, "--", "python3", "-S", "-c", script]);
            run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    stage.wait_state("counted", "stopped");
    let spared = || {
        let log = stage.log();
        log.lines()
            .find(|l| l.contains("default/weighed: rule weighed fired, but does not hold with proportional memory"))
            .map(String::from)
    };
    wait_for("the other is weighed", LONG, spared);
    let row = stage.row("weighed").unwrap();
    assert_eq!((row["state"].as_str(), row["stop"].is_null()), (Some("running"), true), "{row}");
    assert!(stage.command(&["stop", "weighed", "--now"]).output().unwrap().status.success());
    for mut run in trials {
        run.wait().unwrap();
    }
}

#[test]
fn a_trend_sees_what_will_come_and_not_a_start() {
    // 4 MiB every 50 ms, from the third second on: 80 MiB/s. The jump at the start is no trend.
    let stage = Stage::new(
        "[[rule]]\nname = \"trend\"\nmetric = \"memory\"\nwill_reach = \"1500 MiB\"\nwithin = \"30s\"\ntrend_over = \"1s\"\n",
    );
    let grower = "import time
hog = bytearray(64 << 20)
time.sleep(3)
more = []
while True:
    more.append(bytearray(4 << 20))
    time.sleep(0.05)
    if len(more) > 200: time.sleep(1000)";
    let start = |name: &str, script: &str| {
        let mut run = stage.command(&["run", "--trial", name, "--", "python3", "-S", "-c", script]);
        run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut jumper = hog(&stage, "jumper", 256);
    let mut grower = start("grower", grower);
    let row = stage.wait_state("grower", "stopped");
    let reason = row["stop"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("memory will be ") && reason.ends_with("allowed are 1500 MiB"), "{reason}");
    assert_eq!(stage.row("jumper").unwrap()["state"], "running", "it jumped at its start and stays since");
    assert!(stage.command(&["stop", "jumper", "--now"]).output().unwrap().status.success());
    let _ = (jumper.wait().unwrap(), grower.wait().unwrap());
}

/// What `check --explain` prints of a rule in the shorthand, pasted back as `expr`, is the same rule.
#[test]
fn the_shorthand_pasted_back_as_promql_is_the_same_rule() {
    let shorthands = [
        "metric = \"memory\"\nabove = \"512 MiB\"",
        "metric = \"memory\"\nabove = \"1 MiB\"\nbelow = \"2 MiB\"",
        "metric = \"memory\"\nabove = \"80 %\"",
        "metric = \"cpu\"\nabove = 2\nmean_over = \"1m\"",
        "metric = \"cpu_seconds\"\nabove = \"1h\"",
        "metric = \"step_time\"\nabove = \"5s\"",
        "metric = \"steps_per_second\"\nbelow = 0.5",
        "metric = \"heartbeat_age\"\nabove = \"5m\"",
        "metric = \"train_loss\"\nabove = 10",
        "metric = \"train_loss\"\nnan = true",
        "metric = \"memory\"\ngrows = \"50 MiB\"\nper = \"10m\"",
        "metric = \"io_written\"\ngrows = \"1 GiB\"\nper = \"10m\"",
        "metric = \"memory\"\nwill_reach = \"8 GiB\"\nwithin = \"10m\"",
        "metric = \"val_loss\"\npatience = 5",
        "metric = \"val_loss\"\npatience_steps = 500\nmin_delta = 0.01\nmode = \"min\"",
        "no_progress_for = \"10m\"\nexcept_phases = [\"eval\", \"a|b\"]\nstartup_limit = \"15m\"",
        "all = [ { metric = \"memory\", above = \"1 GiB\" }, { metric = \"earlystop_host_memory_available_bytes\", below = \"1 GiB\" } ]",
    ];
    let load = |keys: &str| {
        let text = format!("[[rule]]\nname = \"r\"\n{keys}\n");
        let path = std::path::Path::new("p.toml");
        let loaded = earlystop::policy::parse(&text, path, &earlystop::policy::Context::default());
        loaded.unwrap_or_else(|findings| panic!("{text}{findings:#?}")).0.rules[0].clone()
    };
    for keys in shorthands {
        let short = load(keys);
        let pasted = load(&format!("expr = '''{}'''", short.expr));
        assert_eq!(pasted.expr, short.expr);
        let facts = |r: &earlystop::model::Rule| {
            (r.looks_back_ns, r.reads_heartbeats, r.learns, r.ladder.name.clone(), r.scope, r.evaluate)
        };
        assert_eq!(facts(&pasted), facts(&short), "{keys}");
    }
}

#[test]
fn explain_tells_the_value_of_every_part_and_what_holds_a_rule_back() {
    let stage = Stage::new(
        "[[rule]]\nname = \"big\"\nexpr = 'trial_memory_bytes / 1024 ^ 2 > 10000'\n\n\
         [[rule]]\nname = \"seen\"\nexpr = 'trial_memory_bytes > 1'\nobserve = true\n\n\
         [[rule]]\nname = \"loss\"\nexpr = 'trial_metric{metric=\"loss\"} > 5 or trial_metric{metric=\"loss\"} != trial_metric{metric=\"loss\"}'\n",
    );
    let mut run = hog(&stage, "t", 16);
    let explained = || {
        let out = stage.command(&["explain", "t"]).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    let text = wait_for("the rules have been judged", LONG, || {
        let text = explained();
        (text.contains("big: inactive") && text.contains("seen: firing") && text.contains("loss: unknown"))
            .then_some(text)
    });
    for line in [
        "not trial_memory_bytes / 1024 ^ 2 > 10000",
        "      trial_memory_bytes / 1024 ^ 2 > 10000 = no value",
        "        trial_memory_bytes / 1024 ^ 2 = ",
        "          trial_memory_bytes = ",
        "not done: only observed",
        "there is nothing to judge it by",
        "trial_metric{metric=\"loss\"} = no value",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let json = stage.command(&["explain", "t", "--json"]).output().unwrap().stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["parts"]["big"][0]["text"], "trial_memory_bytes / 1024 ^ 2 > 10000");
    assert!(stage.command(&["stop", "t", "--now"]).output().unwrap().status.success());
    run.wait().unwrap();
}
