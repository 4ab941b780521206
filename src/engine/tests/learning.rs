//! Rules over learning curves: who is compared with whom, and what comes of it.

use std::path::Path;

use super::*;
use crate::policy;

/// The rules of a policy text, without the guard.
fn rules(text: &str) -> Vec<Rule> {
    let (policy, _) = policy::parse(text, Path::new("p.toml"), &policy::Context::default()).expect("a sound policy");
    policy.rules.iter().map(|rule| (**rule).clone()).collect()
}

fn scene(text: &str) -> Scene {
    Scene::new(rules(text))
}

const VIZIER: &str = r#"
[[rule]]
name    = "median"
stopper = { kind = "median", metric = "acc", mode = "max", min_peers = 3 }
"#;

/// A trial of a client that no process is seen of: it may be asked to stop.
struct Client {
    conn: u64,
    run: u128,
}

impl Client {
    fn new(scene: &mut Scene, n: u128, name: &str, spec: TrialSpec) -> Client {
        let spec = TrialSpec { trial: Some(Name::new(name).unwrap()), ..spec };
        let hello = Hello { spec, worker: "0".into(), ..Hello::default() };
        let conn = n as u64;
        scene.hello_as(conn, n, Peer { uid: 1000, key: None, position: Position::Outside }, hello);
        Client { conn, run: n }
    }

    /// Reports at steps 1, 2, ..., a tick after each; the step at which it was asked to stop.
    fn reports(&self, scene: &mut Scene, values: &[f64]) -> Option<usize> {
        scene.ticks(2, &[]);
        for (i, value) in values.iter().enumerate() {
            scene.report(self.conn, i as u64 + 1, &[("acc", *value)]);
            scene.take();
            scene.ticks(1, &[]);
            if !asks(&scene.take()).is_empty() {
                return Some(i + 1);
            }
        }
        None
    }

    fn done(&self, scene: &mut Scene) {
        scene.say(self.conn, Said::Done(Done { status: DoneStatus::Completed, metrics: vec![] }));
    }

    fn why(&self, scene: &mut Scene) -> String {
        let view = scene.engine.trials[&run(self.run)].clone();
        scene.engine.rule_views(&view, super::why::Explain::Yes)[0].why.clone()
    }
}

/// The golden vector of the dialects: three complete trials, then one that falls behind.
fn three(scene: &mut Scene) {
    let all = [("a", [0.5, 0.6, 0.7, 0.8]), ("b", [0.4, 0.5, 0.6, 0.7]), ("c", [0.2, 0.3, 0.4, 0.5])];
    for (i, (name, values)) in all.iter().enumerate() {
        let client = Client::new(scene, i as u128 + 1, name, TrialSpec::default());
        assert_eq!(client.reports(scene, values), None);
        client.done(scene);
    }
}

const BEHIND: [f64; 4] = [0.45, 0.45, 0.5, 0.48];

#[test]
fn a_trial_that_falls_behind_the_median_is_asked_to_stop_with_the_figures() {
    let mut scene = scene(VIZIER);
    three(&mut scene);
    let x = Client::new(&mut scene, 9, "x", TrialSpec::default());
    scene.ticks(2, &[]);
    assert_eq!(x.reports(&mut scene, &BEHIND), Some(4));
    let reason = scene.view(9).stop.as_ref().unwrap().reason.clone();
    assert!(reason.contains("0.5") && reason.contains("0.55") && reason.contains("step 4"), "{reason}");
}

#[test]
fn trials_that_left_metrics_are_peers_all_the_same() {
    let settings = Settings { ended_retention_ns: 0, ..Settings::default() };
    let mut scene = Scene::with(settings, rules(VIZIER), None);
    three(&mut scene);
    scene.ticks(2, &[]);
    assert!(scene.engine.snapshot().trials.is_empty());
    let x = Client::new(&mut scene, 9, "x", TrialSpec::default());
    assert_eq!(x.reports(&mut scene, &BEHIND), Some(4));
}

#[test]
fn peers_are_of_the_experiment_of_the_user_and_of_where() {
    let text = VIZIER.to_string() + "where = { kind = \"svm\" }\n";
    let svm = || TrialSpec { labels: [("kind".to_string(), "svm".to_string())].into(), ..TrialSpec::default() };
    let mut scene = scene(&text);
    three(&mut scene);
    let x = Client::new(&mut scene, 9, "x", svm());
    assert_eq!(x.reports(&mut scene, &BEHIND), None, "the others are no svm");
    assert!(x.why(&mut scene).contains("0 to compare with"), "{}", x.why(&mut scene));
    let y = Client::new(&mut scene, 10, "y", TrialSpec::default());
    assert_eq!(y.reports(&mut scene, &[0.0, 0.0]), None, "the rule is not about it");
}

#[test]
fn an_earlier_attempt_is_no_peer_of_its_own_trial() {
    let mut scene = scene(&VIZIER.replace("min_peers = 3", "min_peers = 1"));
    let first = Client::new(&mut scene, 1, "x", TrialSpec::default());
    first.reports(&mut scene, &[0.9, 0.9]);
    first.done(&mut scene);
    let again = Client::new(&mut scene, 2, "x", TrialSpec::default());
    assert_eq!(again.reports(&mut scene, &[0.1, 0.1]), None);
    again.done(&mut scene);
    let other = Client::new(&mut scene, 3, "y", TrialSpec::default());
    assert_eq!(other.reports(&mut scene, &[0.2, 0.05]), None, "the attempt that counts is the second");
    let worst = Client::new(&mut scene, 4, "z", TrialSpec::default());
    assert_eq!(worst.reports(&mut scene, &[0.05]), Some(1));
}

#[test]
fn epochs_are_compared_where_everybody_reports_them_else_steps() {
    let mut scene = scene(&VIZIER.replace("min_peers = 3", "min_peers = 1"));
    let line = |step, epoch, value| Step {
        step: Some(step),
        epoch,
        metrics: vec![("acc".to_string(), value)],
        ..Step::default()
    };
    let a = Client::new(&mut scene, 1, "a", TrialSpec::default());
    for epoch in 1..=4u32 {
        scene.step(a.conn, line(u64::from(epoch) * 100, Some(f64::from(epoch)), 0.5 + 0.1 * f64::from(epoch)));
    }
    a.done(&mut scene);
    // Half the steps an epoch: at epoch 2 it stands at step 100, where `a` had its first.
    let b = Client::new(&mut scene, 2, "b", TrialSpec::default());
    scene.ticks(2, &[]);
    scene.step(b.conn, line(100, Some(2.0), 0.62));
    scene.ticks(1, &[]);
    let reason = asks(&scene.take()).pop().expect("worse than the mean of 0.6 and 0.7").reason;
    assert!(reason.contains("epoch 2") && reason.contains("0.65"), "{reason}");
    // The third says no epoch: now steps are compared, and at step 100 it is not worse than 0.6 and 0.62.
    let c = Client::new(&mut scene, 3, "c", TrialSpec::default());
    scene.ticks(2, &[]);
    scene.step(c.conn, line(100, None, 0.63));
    scene.ticks(1, &[]);
    assert!(asks(&scene.take()).is_empty());
    assert!(c.why(&mut scene).contains("step 100"), "{}", c.why(&mut scene));
}

#[test]
fn a_share_needs_the_whole_and_nobody_guesses_it() {
    let mut scene = scene(&VIZIER.replace("min_peers = 3", "min_peers = 1, grace = \"50 %\""));
    three(&mut scene);
    let x = Client::new(&mut scene, 9, "x", TrialSpec::default());
    assert_eq!(x.reports(&mut scene, &BEHIND), None);
    assert!(x.why(&mut scene).contains("how long"), "{}", x.why(&mut scene));
    let y = Client::new(&mut scene, 10, "y", TrialSpec { total_steps: Some(4), ..TrialSpec::default() });
    assert_eq!(y.reports(&mut scene, &[0.1, 0.1]), Some(2), "not at its first report: half is the grace");
}

#[test]
fn the_guard_counts_every_trial_of_the_experiment_also_those_that_left() {
    let guard = Guard { max_share: 0.5, after: 2, keep_best: 0 };
    let settings = Settings { ended_retention_ns: 0, ..Settings::default() };
    let text = "[[rule]]\nname = \"low\"\nstopper = { kind = \"threshold\", metric = \"acc\", below = 0.5 }\n";
    let mut scene = Scene::with(settings, rules(text), Some(guard));
    let mut stopped = Vec::new();
    for n in 1..=6u128 {
        let client = Client::new(&mut scene, n, &format!("t{n}"), TrialSpec::default());
        stopped.push(client.reports(&mut scene, &[0.1]).is_some());
        client.done(&mut scene);
    }
    // One of one (too few to count), then never more than half of all that were there.
    assert_eq!(stopped, [true, false, false, true, false, true]);
}

#[test]
fn held_out_trials_tell_how_often_the_rule_is_wrong() {
    let text = "[[rule]]\nname = \"low\"\nholdout = 0.999999\n\
                stopper = { kind = \"threshold\", metric = \"acc\", mode = \"max\", below = 0.5 }\n";
    let mut scene = scene(text);
    let finish = |scene: &mut Scene, n: u128, values: &[f64], status| {
        let client = Client::new(scene, n, &format!("t{n}"), TrialSpec::default());
        assert_eq!(client.reports(scene, values), None, "everybody is held out");
        scene.say(client.conn, Said::Done(Done { status, metrics: vec![] }));
    };
    finish(&mut scene, 1, &[0.4, 0.9], DoneStatus::Completed);
    finish(&mut scene, 2, &[0.6, 0.7], DoneStatus::Completed);
    finish(&mut scene, 3, &[0.4, 0.8], DoneStatus::Completed);
    finish(&mut scene, 4, &[0.4, 0.65], DoneStatus::Completed);
    finish(&mut scene, 5, &[0.4, 0.95], DoneStatus::Failed);
    let totals = scene.engine.snapshot().rules["low"].clone();
    // The first has nobody to be compared with, the fifth did not finish; the third is better than the second.
    assert_eq!((totals.spared_finished, totals.spared_censored, totals.false_stops), (2, 2, 1));
    let at = StopOutcome::ALL.iter().position(|o| *o == StopOutcome::HeldOut).unwrap();
    assert_eq!(totals.stops[at], 4);
    assert_eq!(totals.false_stop_ratio(), None, "two are too few");
}

#[test]
fn a_draw_is_a_runs_own_and_spreads_evenly() {
    let draws: Vec<f64> = (0..10_000u128).map(|n| super::holdout::draw(run(n << 40))).collect();
    assert_eq!(draws[77], super::holdout::draw(run(77 << 40)));
    let below = |share: f64| draws.iter().filter(|d| **d < share).count() as f64 / 10_000.0;
    for share in [0.05, 0.5, 0.9] {
        assert!((below(share) - share).abs() < 0.015, "{share}: {}", below(share));
    }
}

#[test]
fn what_the_system_says_is_taken_down_beside_where_a_rule_reads_it() {
    let text = "[[rule]]\nname = \"p\"\nstopper = { kind = \"prediction\", metric = \"acc\", mode = \"max\" }\n";
    let mut scene = scene(text);
    scene.register(1, "t", 50);
    scene.hello(7, 99, 50, Position::Root(run(1)), None);
    scene.ticks(2, &[(1, 50, 30 * MIB)]);
    scene.step(7, Step { step: Some(10), n: Some(10), seconds: Some(5.0), ..Step::default() });
    scene.report(7, 20, &[("acc", 0.5), ("other", 1.0)]);
    let curves = &scene.engine.records.get(run(1)).unwrap().curves;
    let last = |name: &str| curves[name].last().map(|report| (report.step, report.value));
    assert_eq!(last("memory_bytes"), Some((20.0, (30 * MIB) as f64)));
    assert_eq!((last("cpu_utilization"), last("acc")), (Some((20.0, 0.1)), Some((20.0, 0.5))));
    assert!(!curves.contains_key("other"));
}

#[test]
fn a_rung_between_two_decisions_is_not_lost() {
    let text = "[[rule]]\nname = \"r\"\nstopper = { kind = \"asha\", metric = \"acc\", mode = \"max\", grace = 1, max = 9, eta = 3, every = 2 }\n";
    let mut scene = scene(text);
    for (n, name) in [(1, "a"), (2, "b"), (3, "c")] {
        let client = Client::new(&mut scene, n, name, TrialSpec::default());
        client.reports(&mut scene, &[0.5; 8]);
        client.done(&mut scene);
    }
    let x = Client::new(&mut scene, 9, "x", TrialSpec::default());
    // Rungs are at 1 and 3; decisions at 1, 3, 5: it is the best at the first, the worst at the second.
    assert_eq!(x.reports(&mut scene, &[0.9, 0.1, 0.1, 0.1]), Some(3));
    let y = Client::new(&mut scene, 10, "y", TrialSpec::default());
    scene.ticks(2, &[]);
    for (step, value) in [(1, 0.9), (2, 0.9), (4, 0.1), (5, 0.1)] {
        scene.report(y.conn, step, &[("acc", value)]);
        scene.ticks(1, &[]);
    }
    assert!(!asks(&scene.take()).is_empty(), "the rung at 3 was passed between the decisions at 1 and at 4");
}

#[test]
fn what_is_read_beside_is_there_when_the_rule_judges() {
    let text = "[[rule]]\nname = \"pq\"\nstopper = { kind = \"prechelt\", metric = \"val\", mode = \"min\", criterion = \"pq\", \
                limit = 0.1, strip = 5, train_metric = \"zzz_train\" }\n";
    let mut scene = scene(text);
    let x = Client::new(&mut scene, 1, "x", TrialSpec::default());
    scene.ticks(2, &[]);
    // Prechelt's golden curves: PQ(10) = 0.224340.
    let val = [1.0, 0.8, 0.6, 0.55, 0.56, 0.58, 0.57, 0.62, 0.66, 0.70];
    let train = [1.0, 0.7, 0.5, 0.42, 0.37, 0.33, 0.30, 0.28, 0.265, 0.255];
    for (i, (val, train)) in val.iter().zip(train).enumerate() {
        scene.report(x.conn, i as u64 + 1, &[("val", *val), ("zzz_train", train)]);
        scene.ticks(1, &[]);
    }
    assert!(!asks(&scene.take()).is_empty(), "{}", x.why(&mut scene));
}

#[test]
fn a_total_in_steps_is_one_in_epochs_where_steps_say_their_epoch() {
    let mut scene = scene(&VIZIER.replace("min_peers = 3", "min_peers = 1, grace = \"50 %\""));
    three(&mut scene);
    let x = Client::new(&mut scene, 9, "x", TrialSpec { total_steps: Some(40), ..TrialSpec::default() });
    scene.ticks(2, &[]);
    for (step, epoch) in [(10, 1.0), (20, 2.0)] {
        let metrics = vec![("acc".to_string(), 0.0)];
        scene.step(x.conn, Step { step: Some(step), epoch: Some(epoch), metrics, ..Step::default() });
        scene.ticks(1, &[]);
    }
    let total = super::super::learning::total(&scene.engine.trials[&run(9)], Axis::Epoch);
    assert_eq!(total, Some(4.0));
}

#[test]
fn a_rule_that_learns_of_the_others_says_the_same_when_it_begins_anew() {
    let text = "[[rule]]\nname = \"a\"\nstopper = { kind = \"auto\", metric = \"acc\", mode = \"max\", max = 20 }\n";
    let (mut kept, mut anew) = (scene(text), scene(text));
    // The first to begin is the best, and ends as the 101st: of 101 the first 100 to end are learnt from.
    let first = [&mut kept, &mut anew].map(|scene| Client::new(scene, 999, "first", TrialSpec::default()));
    kept.report(first[0].conn, 19, &[("acc", 5.0)]);
    anew.report(first[1].conn, 19, &[("acc", 5.0)]);
    let (mut said, mut bars) = (String::new(), Vec::new());
    for n in 1..=103_u32 {
        if n == 101 {
            first[0].done(&mut kept);
            first[1].done(&mut anew);
        }
        let start = |scene: &mut Scene| Client::new(scene, n.into(), &format!("t{n}"), TrialSpec::default());
        let (client, other) = (start(&mut kept), start(&mut anew));
        kept.ticks(2, &[]);
        anew.ticks(2, &[]);
        for step in 1..=10 {
            let height = 0.1 * f64::from((n * 37) % 11) + 0.001 * f64::from(n % 7);
            let report = [("acc", height * (1.0 - (-(step as f64) / 5.0).exp()))];
            kept.report(client.conn, step, &report);
            anew.engine.forget_fields();
            anew.report(other.conn, step, &report);
            said = client.why(&mut kept);
            assert_eq!(said, other.why(&mut anew), "{n} at {step}");
        }
        bars.push(said.contains(" than 5,"));
        client.done(&mut kept);
        other.done(&mut anew);
    }
    assert!(said.contains("learnt from 102 trials"), "{said}");
    assert_eq!(bars[99..], [false, false, true, true], "with 99, 101, 102 and 103 that have ended");
}
