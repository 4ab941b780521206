//! `earlystop test`, beside promtool where both know the words.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{BIN, repository};

/// Output and exit code of `earlystop test`.
fn test(files: &[&Path]) -> (String, i32) {
    let done = Command::new(BIN).arg("test").args(files).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    (said, done.status.code().unwrap())
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

const POLICY: &str = r#"
[[rule]]
name    = "cap"
expr    = 'trial_memory_bytes > 100'
for     = "2m"
warmup  = "1m"
where   = { algorithm = "svm" }
summary = "memory {{ value }} of {{ trial }}"

[[rule]]
name  = "total"
expr  = 'sum by (experiment) (trial_memory_bytes) > 250'
scope = "experiment"
keep_firing_for = "3m"
"#;

const SERIES: &str = r#"
rule_files: [p.toml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - { series: 'trial_memory_bytes{trial="a",experiment="e"}', values: '50 150x9' }
      - { series: 'trial_memory_bytes{trial="b",experiment="e"}', values: '150x3 50x6' }
      - { series: 'trial_info{trial="a",experiment="e",algorithm="svm"}', values: '1x10' }
      - { series: 'trial_info{trial="b",experiment="e",algorithm="tree"}', values: '1x10' }
"#;

#[test]
fn shipped_policies_pass_their_tests() {
    let (said, code) = test(&[&repository().join("policies/tests/policies.yaml")]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("SUCCESS"), "{said}");
}

#[test]
fn rules_fire_and_stop_as_expected() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), "p.toml", POLICY);
    let expected = r#"
    alert_rule_test:
      - { eval_time: 2m, alertname: cap, exp_alerts: [{ exp_labels: { trial: b, experiment: e } }] }
      - eval_time: 3m
        alertname: cap
        exp_alerts:
          - { exp_labels: { trial: a, experiment: e }, exp_annotations: { summary: memory 150 of a } }
          - { exp_labels: { trial: b, experiment: e }, exp_annotations: { summary: memory 150 of b } }
      - { eval_time: 6m, alertname: total, exp_alerts: [{ exp_labels: { experiment: e } }] }
      - { eval_time: 7m, alertname: total }
    stop_rule_test:
      - { eval_time: 2m, rule: cap }
      - { eval_time: 3m, rule: cap, exp_stops: [{ trial: a, experiment: e, reason: memory 150 of a }] }
      - { eval_time: 1m, rule: total, exp_stops: [{ trial: a, experiment: e }, { trial: b, experiment: e }] }
    promql_expr_test:
      - expr: sum by (experiment) (trial_memory_bytes)
        eval_time: 1m
        exp_samples: [{ labels: '{experiment="e"}', value: 300 }]
"#;
    let file = written(folder.path(), "t.yaml", &format!("{SERIES}{}", expected.trim_start_matches('\n')));
    let (said, code) = test(&[&file]);
    assert_eq!(code, 0, "{said}");
    // One word changed in each kind of expectation: each is told, with what came.
    let wrong = expected
        .replace("reason: memory 150 of a", "reason: other")
        .replace("value: 300", "value: 301")
        .replacen("eval_time: 2m, alertname: cap", "eval_time: 1m, alertname: cap", 1);
    let file = written(folder.path(), "w.yaml", &format!("{SERIES}{}", wrong.trim_start_matches('\n')));
    let (said, code) = test(&[&file]);
    assert_eq!(code, 1, "{said}");
    for part in ["alertname: cap, time: 1m", "rule: cap, time: 3m", "e/a (other)", "{experiment=\"e\"} 300", "got: nil"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn what_cannot_be_understood_says_where_and_why() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), "p.toml", POLICY);
    written(folder.path(), "bad.toml", "[[rule]]\nname = \"x\"\nexpr = 'trial_memroy_bytes > 5'\n");
    let head = "evaluation_interval: 1m\n";
    let cases = [
        ("tests: [{ inputs: [] }]".to_string(), "unknown field `inputs`"),
        (format!("{head}rule_files: [bad.toml]"), "did you mean `trial_memory_bytes`?"),
        (format!("{head}rule_files: [none.toml]"), "none.toml"),
        ("evaluation_interval: soon".to_string(), "evaluation_interval"),
        (
            format!("{head}tests: [{{ stop_rule_test: [{{ eval_time: 1m, rule: nobody }}] }}]"),
            "there is no rule \"nobody\"",
        ),
        (format!("{head}tests: [{{ input_series: [{{ series: 'x{{', values: '1' }}] }}]"), "input_series"),
        (
            format!("{head}tests: [{{ promql_expr_test: [{{ expr: 'rat(x)', eval_time: 1m }}] }}]"),
            "there is no function `rat`",
        ),
        (format!("{head}tests: [{{ promql_expr_test: [{{ expr: 'x', eval_time: 2000000m }}] }}]"), "too many"),
    ];
    for (text, part) in cases {
        let file = written(folder.path(), "t.yaml", &text);
        let (said, code) = test(&[&file]);
        assert_eq!(code, 2, "{text}: {said}");
        assert!(said.contains(part) && said.contains("t.yaml"), "{text}: {said}");
    }
    let (said, code) = test(&[&folder.path().join("missing.yaml")]);
    assert_eq!(code, 2, "{said}");
}

/// Where both know the words both give the same verdict: the rules as Prometheus has them, the same tests.
#[test]
fn promtool_agrees() {
    let Some(promtool) = crate::prometheus::tool("promtool") else { return };
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), "p.toml", POLICY);
    let rules = "groups:
  - name: g
    rules:
      - { alert: cap, expr: 'trial_memory_bytes > 100', for: 2m }
      - { alert: total, expr: 'sum by (experiment) (trial_memory_bytes) > 250', keep_firing_for: 3m }
";
    written(folder.path(), "p.yml", rules);
    let tests = [
        "alert_rule_test: [{ eval_time: 3m, alertname: cap, exp_alerts: [{ exp_labels: { trial: a, experiment: e } }, \
         { exp_labels: { trial: b, experiment: e } }] }]",
        "alert_rule_test: [{ eval_time: 2m, alertname: cap, exp_alerts: [{ exp_labels: { trial: b, experiment: e } }] }]",
        "alert_rule_test: [{ eval_time: 2m, alertname: cap }]",
        "alert_rule_test: [{ eval_time: 4m, alertname: cap, exp_alerts: [{ exp_labels: { trial: a, experiment: e } }] }]",
        "alert_rule_test: [{ eval_time: 6m, alertname: total, exp_alerts: [{ exp_labels: { experiment: e } }] }]",
        "alert_rule_test: [{ eval_time: 7m, alertname: total, exp_alerts: [{ exp_labels: { experiment: e } }] }]",
        "alert_rule_test: [{ eval_time: 3m, alertname: total, exp_alerts: [{ exp_labels: { experiment: e } }] }]",
        "promql_expr_test: [{ expr: 'max(trial_memory_bytes)', eval_time: 5m, exp_samples: [{ labels: '{}', value: 150 }] }]",
        "promql_expr_test: [{ expr: 'max(trial_memory_bytes)', eval_time: 5m, exp_samples: [{ labels: '{}', value: 50 }] }]",
        "promql_expr_test: [{ expr: 'trial_memory_bytes{trial=\"b\"}', eval_time: 5m, exp_samples: \
         [{ labels: 'trial_memory_bytes{trial=\"b\",experiment=\"e\"}', value: 50 }] }]",
    ];
    let mut verdicts = Vec::new();
    for (number, expected) in tests.iter().enumerate() {
        let text = format!("{SERIES}    {expected}\n");
        let ours = written(folder.path(), &format!("{number}.yaml"), &text);
        let (said, code) = test(&[&ours]);
        let theirs = written(folder.path(), &format!("{number}.yml"), &text.replace("p.toml", "p.yml"));
        let done = Command::new(&promtool).args(["test", "rules"]).arg(&theirs).output().unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
        assert_eq!(code == 0, done.status.success(), "{expected}\nours: {said}\npromtool: {told}");
        verdicts.push(code == 0);
    }
    assert!(verdicts.contains(&true) && verdicts.contains(&false), "{verdicts:?}");
}
