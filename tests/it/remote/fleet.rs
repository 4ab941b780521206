//! Two sidecars and a real Prometheus that scrapes both.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::server::{Reply, Server, Speaks, http, vector};
use super::{LONG, Scene};
use crate::prometheus::{Prometheus, tool};
use crate::stage::{Stage, Trainer};
use crate::support::wait_for;

/// Worse than the median over all hosts.
const WORSE: &str = "trial_metric{metric=\"val_loss\"} > on(experiment) group_left() \
                     quantile by (experiment) (0.5, trial_metric{metric=\"val_loss\"})";

/// A trainer whose loss stays what it is.
fn trainer(stage: &Stage, name: &str, loss: f64) -> Trainer {
    let script = format!(
        "import json, os, socket, time
link = socket.socket(socket.AF_UNIX)
link.connect(os.environ['EARLYSTOP_SOCKET'])
def say(**line): link.sendall((json.dumps(line) + '\\n').encode())
say(type='hello', v=1)
print('ready', flush=True)
for i in range(1, 100000):
    say(type='step', step=i, metrics={{'val_loss': {loss}}})
    time.sleep(0.05)"
    );
    stage.run_with(&["--experiment", "wine"], name, &script)
}

/// How many trials of the fleet the server has seen.
fn seen(prometheus: &Prometheus) -> usize {
    let series = prometheus.query("trial_metric{metric=\"val_loss\",experiment=\"wine\"}").unwrap_or_default();
    let of = |name: &str| series.iter().filter(|s: &&Value| s["metric"]["instance"] == name).count();
    assert!(of("gpu1") + of("gpu2") == series.len(), "{series:?}");
    series.len()
}

#[test]
fn a_real_prometheus_tells_each_host_its_share() {
    let Some(binary) = tool("prometheus") else { return };
    let prometheus = Prometheus::of_a_fleet(&binary);
    let (one, two) = (Stage::on_a_port(""), Stage::on_a_port(""));
    prometheus.scrape(&[("gpu1", &one.address()), ("gpu2", &two.address())]);
    // The median is 5.1: bad and the other host's twin are worse.
    let _here = [trainer(&one, "bad", 10.0), trainer(&one, "twin", 0.1)];
    let _there = [trainer(&two, "twin", 20.0), trainer(&two, "good", 0.2)];
    wait_for("all four are scraped", LONG, || (seen(&prometheus) == 4).then_some(()));
    let scene = Scene::idle(&format!("http://{}", prometheus.address), "").and_asks("fleet", WORSE);
    let answer = scene.next().result.expect("an answer");
    let trials: Vec<_> = answer.iter().map(|s| (s.label("instance"), s.label("trial"), s.value)).collect();
    assert_eq!(trials, [(Some("gpu1"), Some("bad"), 10.0)]);
    for (expr, word) in [("trial_metric{", "parse error"), ("trial_step[5m]", "matrix"), ("1", "scalar")] {
        let broken = Scene::idle(&format!("http://{}", prometheus.address), "").and_asks("broken", expr);
        let why = broken.next().result.expect_err(expr);
        assert!(why.contains(word), "{expr}: {why}");
    }
}

/// `[remote]` of a host.
fn remote(address: &str, host: &str) -> String {
    format!(
        "[remote]\nurl = \"http://{address}\"\nidentity = {{ instance = \"{host}\" }}\ninterval = \"200ms\"\ntimeout = \"2s\"\n"
    )
}

/// A policy of one rule that is evaluated elsewhere.
fn policy(expr: &str) -> String {
    format!("[[rule]]\nname = \"fleet\"\nexpr = '{expr}'\nevaluate = \"remote\"\nfor = \"500ms\"\n")
}

#[test]
fn only_a_whole_answer_stops_a_trial() {
    let phase = Arc::new(AtomicUsize::new(0));
    let now = phase.clone();
    // The trial `a` of the host `gpu1`, over and over.
    let server = Server::start(Speaks::Plain, move |_, _| {
        let series = |instance: &str| {
            let labels = format!(r#"{{"trial":"a","experiment":"wine","instance":"{instance}"}}"#);
            vector(&format!(r#"{{"metric":{labels},"value":[1.5,"1"]}}"#))
        };
        let ours = series("gpu1");
        let warned = ours.replacen('{', r#"{"warnings":["a store is down"],"#, 1);
        match now.load(Ordering::Relaxed) {
            0 => Reply::Bytes(http("200 OK", &series("gpu2"))),
            1 => Reply::Bytes(http("200 OK", &warned)),
            2 => Reply::Bytes(http("503 Service Unavailable", &ours)),
            3 => Reply::Bytes(http("401 Unauthorized", &ours)),
            4 => Reply::Last(http("200 OK", &ours)[..100].to_vec()),
            5 => Reply::Silence,
            6 => Reply::Bytes(http("200 OK", &ours.replace("vector", "matrix"))),
            _ => Reply::Bytes(http("200 OK", &ours)),
        }
    });
    let stage = Stage::configured(&remote(&server.address, "gpu1"), &policy("trial_step > 0"));
    let trial = trainer(&stage, "a", 1.0);
    let results = ["ok", "partial", "error", "refused", "unreachable", "timeout", "invalid"];
    for (at, result) in results.iter().enumerate() {
        phase.store(at, Ordering::Relaxed);
        let count = || value(&stage, &format!("earlystop_remote_queries_total{{result=\"{result}\"}}"));
        let before = count();
        wait_for(&format!("{result} is counted"), LONG, || (count() >= before + 3.0).then_some(()));
        let state = if at == 0 { 0.0 } else { -1.0 };
        let shown = || value(&stage, "trial_rule_state{trial=\"a\",experiment=\"wine\",rule=\"fleet\"}");
        wait_for(&format!("{result}: the rule's state"), LONG, || (shown() == state).then_some(()));
        assert_eq!(stage.row("a").expect("it is there")["state"], "running", "{result}");
    }
    let told = stage.log().lines().filter(|line| line.contains("nobody knows")).count();
    assert!(told <= results.len(), "once a change, not once a query:\n{}", stage.log());
    phase.store(results.len(), Ordering::Relaxed);
    let row = stage.wait_state("a", "stopped");
    assert_eq!(row["stop"]["rule"], "fleet", "{row}");
    drop(trial);
}

/// A value on the metrics page.
fn value(stage: &Stage, series: &str) -> f64 {
    let text = stage.scrape();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(f64::NAN, |value| value.parse().expect("a number"))
}

#[test]
fn a_trial_is_stopped_because_it_is_worse_than_the_median_of_the_fleet() {
    let Some(binary) = tool("prometheus") else { return };
    let prometheus = Prometheus::of_a_fleet(&binary);
    let one = Stage::configured(&remote(&prometheus.address, "gpu1"), &policy(WORSE));
    let two = Stage::on_a_port("");
    prometheus.scrape(&[("gpu1", &one.address()), ("gpu2", &two.address())]);
    // The median over the first host alone is 10, and nothing would be wrong with `bad`; over both it is 5.15.
    let mut here = [("bad", 10.0), ("worse", 30.0), ("twin", 0.1)].map(|(name, loss)| trainer(&one, name, loss));
    let mut there = [("twin", 40.0), ("good", 0.2), ("fine", 0.3)].map(|(name, loss)| trainer(&two, name, loss));
    for name in ["bad", "worse"] {
        let row = one.wait_state(name, "stopped");
        assert_eq!(row["stop"]["rule"], "fleet", "{row}");
    }
    // The twin of a bad trial on another host is another trial.
    let asked = || value(&one, "earlystop_remote_queries_total{result=\"ok\"}");
    let before = asked();
    wait_for("more answers", LONG, || (asked() >= before + 10.0).then_some(()));
    assert!(!here[2].has_ended() && there.iter_mut().all(|trial| !trial.has_ended()));
    assert_eq!(one.row("twin").expect("it is there")["state"], "running");
}
