//! Two sidecars and a real Prometheus that scrapes both.

use serde_json::Value;

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
