//! States of rules, as Prometheus defines those of alerts.

use super::*;

#[test]
fn inactive_pending_firing_and_back() {
    let mut cap = rule("cap", memory_above(100 * MIB));
    (cap.hold_ns, cap.action) = (3 * SECOND, Action::Warn);
    let mut scene = Scene::new(vec![cap]);
    scene.register(1, "hog", 50);
    scene.ticks(2, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Inactive);
    scene.ticks(3, &[(1, 50, 200 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Pending);
    scene.ticks(1, &[(1, 50, 200 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Firing);
    scene.ticks(1, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Inactive);
    assert_eq!(scene.view(1).state, TrialState::Running, "a warning stops nobody");
}

#[test]
fn a_dip_restarts_the_wait_and_keep_firing_outlasts_one() {
    let mut cap = rule("cap", memory_above(100 * MIB));
    (cap.hold_ns, cap.keep_firing_ns, cap.action) = (2 * SECOND, 5 * SECOND, Action::Warn);
    let mut scene = Scene::new(vec![cap]);
    scene.register(1, "hog", 50);
    scene.ticks(3, &[(1, 50, 200 * MIB)]);
    scene.ticks(1, &[(1, 50, MIB)]);
    scene.ticks(1, &[(1, 50, 200 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Pending);
    scene.ticks(2, &[(1, 50, 200 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Firing);
    scene.ticks(4, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Firing);
    scene.ticks(2, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Inactive);
}

#[test]
fn warmup_counts_as_false() {
    let mut cap = rule("cap", memory_above(100 * MIB));
    (cap.warmup_ns, cap.warmup_steps) = (10 * SECOND, 5);
    let mut scene = Scene::new(vec![cap]);
    scene.register(1, "hog", 50);
    scene.hello(7, 99, 50, Position::Root(run(1)), None);
    scene.ticks(12, &[(1, 50, 200 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Inactive);
    scene.report(7, 5, &[]);
    scene.ticks(1, &[(1, 50, 200 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Firing);
}

#[test]
fn a_mean_smooths_a_spike() {
    let selector = SeriesName { metric: "trial_memory_bytes".into(), labels: vec![] };
    let mean = Shorthand::Mean(selector, 10 * SECOND);
    let condition =
        Shorthand::Compare(Comparison::Above, Box::new(mean), Box::new(Shorthand::Number(100.0 * MIB as f64)));
    let mut scene = Scene::new(vec![Rule { action: Action::Warn, ..rule("mean", condition) }]);
    scene.register(1, "hog", 50);
    scene.ticks(10, &[(1, 50, 10 * MIB)]);
    scene.ticks(1, &[(1, 50, 500 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Inactive);
    scene.ticks(3, &[(1, 50, 500 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Firing);
}

#[test]
fn a_filter_chooses_trials() {
    let mut cap = rule("cap", memory_above(100 * MIB));
    cap.filter.globs = vec![("trial".into(), globset::Glob::new("big-*").unwrap().compile_matcher())];
    let mut scene = Scene::new(vec![cap]);
    scene.register(1, "big-1", 50);
    scene.register(2, "small", 60);
    scene.ticks(2, &[(1, 50, 200 * MIB), (2, 60, 200 * MIB)]);
    assert_eq!(scene.view(1).rules.len(), 1);
    assert!(scene.view(2).rules.is_empty());
}

#[test]
fn a_reload_keeps_the_state_of_the_same_rule_only() {
    let cap = |name: &str, mib: u64| Rule { hold_ns: 10 * SECOND, ..rule(name, memory_above(mib * MIB)) };
    let mut scene = Scene::new(vec![cap("same", 100), cap("changed", 100)]);
    scene.register(1, "hog", 50);
    scene.ticks(4, &[(1, 50, 200 * MIB)]);
    scene.policy(vec![cap("same", 100), cap("changed", 150)], None);
    let states: Vec<RuleState> = scene.view(1).rules.iter().map(|r| r.state).collect();
    assert_eq!(states, [RuleState::Pending, RuleState::Inactive]);
    scene.event(Event::ReloadFailed("broken".into()));
    assert_eq!(scene.view(1).rules.len(), 2, "the old policy stays");
    assert!(!scene.engine.snapshot().reload.0);
}

#[test]
fn a_nan_between_two_ticks_is_seen() {
    let series =
        Shorthand::Series(SeriesName { metric: "trial_metric".into(), labels: vec![("metric".into(), "loss".into())] });
    let mut scene =
        Scene::new(vec![Rule { action: Action::Warn, ..rule("nan", Shorthand::NotFinite(Box::new(series))) }]);
    scene.register(1, "t", 50);
    scene.hello(7, 99, 50, Position::Root(run(1)), None);
    scene.report(7, 1, &[("loss", 0.5)]);
    scene.ticks(2, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Inactive);
    scene.report(7, 2, &[("loss", f64::NAN)]);
    scene.report(7, 3, &[("loss", 0.4)]);
    scene.ticks(1, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Firing);
    scene.ticks(1, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Inactive, "one tick has seen it");
    assert_eq!(scene.view(1).metrics["loss"].last, 0.4);
}

#[test]
fn so_many_reports_in_a_row() {
    let mut bad = rule("bad", above("trial_metric", &[("metric", "loss")], 1.0));
    (bad.for_reports, bad.action) = (Some(3), Action::Warn);
    let mut scene = Scene::new(vec![bad]);
    scene.register(1, "t", 50);
    scene.hello(7, 99, 50, Position::Root(run(1)), None);
    for (step, loss) in [(1, 2.0), (2, 2.0), (3, 0.5), (4, 2.0), (5, 2.0)] {
        scene.report(7, step, &[("loss", loss)]);
    }
    scene.ticks(2, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Pending);
    scene.report(7, 6, &[("loss", 2.0)]);
    scene.ticks(1, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Firing);
}
