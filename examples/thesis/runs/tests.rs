//! Made-up trials for the tests of whoever reads runs.

use std::sync::Arc;

use earlystop::model::{MILLI, MetricView, Name, Objective, Pair, Progress, RunId, Totals};

use super::*;

/// Milliseconds a step.
const PACE: u64 = 100;

/// A trial that went on evenly, 10 steps a second, half a core, a byte a step on 1000; it reported every ten steps.
pub fn run(group: &str, steps: u64, score: impl Fn(u64) -> f64) -> Run {
    let at = |step: u64| Moment { boot_ns: step * PACE * MILLI, ..Moment::default() };
    let seconds = |step: u64| at(step).seconds_since(at(0));
    let name = |text: &str| Name::new(text).expect("a name of letters");
    let metric = MetricView {
        last: score(steps),
        seen: score(steps),
        best: None,
        best_step: None,
        best_report: None,
        improvements: Vec::new(),
        peer_median: None,
        step: Some(steps),
        mode: Some(Mode::Min),
        reports: steps / 10,
        last_word: None,
    };
    let view = TrialView {
        run: RunId(1),
        attempt: 1,
        experiment: name("s"),
        trial: name(&format!("{group}-fold0")),
        labels: Arc::default(),
        params: Arc::default(),
        objective: Some(Objective { metric: "val_rmse".into(), mode: Mode::Min }),
        group: Some(name(group)),
        fold: Some("fold0".into()),
        parent: None,
        uid: 0,
        root: None,
        ask_only: false,
        state: TrialState::Completed,
        started: at(0),
        ended: Some(at(steps)),
        exit: None,
        tree: None,
        totals: Totals {
            cpu: Pair { first: seconds(steps) / 2.0, second: 0.0 },
            memory_peak: Some(1000 + steps),
            ..Totals::default()
        },
        progress: Progress { target_steps: Some(steps), ..Progress::default() },
        metrics: [("val_rmse".to_string(), metric)].into(),
        rules: Vec::new(),
        stops: BTreeMap::new(),
        saved: BTreeMap::new(),
        stop: None,
    };
    let mut run = Run { step: steps, ..Run::new(view) };
    for step in (10..=steps).step_by(10) {
        let (at, memory) = (seconds(step), 1000.0 + step as f64);
        run.scores.push(Score { at, step, value: score(step) });
        run.looks.push(Look { at, epoch: 0.0, memory, cpu: at / 2.0 });
    }
    run
}
