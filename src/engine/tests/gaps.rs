//! Missing data and gaps: when nobody can be sure, nothing happens.

use super::*;

fn held(seconds: u64) -> Scene {
    let mut cap = rule("cap", memory_above(100 * MIB));
    cap.hold_ns = seconds * SECOND;
    let mut scene = Scene::new(vec![cap]);
    scene.register(1, "hog", 50);
    scene
}

#[test]
fn one_sample_is_not_enough() {
    let mut scene = held(0);
    scene.ticks(1, &[(1, 50, 200 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Unknown);
    assert!(!wants_confirm(&scene.take()));
    scene.ticks(1, &[(1, 50, 200 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Firing);
}

#[test]
fn a_minute_without_ticks_ripens_nothing() {
    let mut scene = held(30);
    scene.ticks(5, &[(1, 50, 200 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Pending);
    scene.pass(60 * SECOND);
    scene.tick(&[(1, 50, 200 * MIB)]);
    assert_ne!(scene.rule_state(1), RuleState::Firing);
    scene.ticks(20, &[(1, 50, 200 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Pending, "it counts from the end of the gap");
    assert!(!wants_confirm(&scene.take()));
    scene.ticks(12, &[(1, 50, 200 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Firing);
}

#[test]
fn sleep_and_a_set_clock_are_gaps_too() {
    for change in [|m: &mut Moment| m.boot_ns += 5 * SECOND, |m: &mut Moment| m.wall_ms -= 3000] {
        let mut scene = held(30);
        scene.ticks(5, &[(1, 50, 200 * MIB)]);
        change(&mut scene.now);
        scene.ticks(1, &[(1, 50, 200 * MIB)]);
        assert_eq!(scene.rule_state(1), RuleState::Unknown);
    }
}

#[test]
fn incomplete_samples_hold_still_and_then_forget() {
    let mut scene = held(10);
    scene.ticks(4, &[(1, 50, 200 * MIB)]);
    let torn = |scene: &Scene| TreeSample { complete: false, ..scene.sample(1, 200 * MIB, &[50]) };
    for _ in 0..2 {
        scene.pass(SECOND);
        scene.tick_of(vec![torn(&scene)]);
    }
    assert_eq!(scene.rule_state(1), RuleState::Pending);
    for _ in 0..10 {
        scene.pass(SECOND);
        scene.tick_of(vec![torn(&scene)]);
    }
    assert_eq!(scene.rule_state(1), RuleState::Unknown);
    scene.ticks(2, &[(1, 50, 200 * MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Pending, "what was pending is forgotten");
}

#[test]
fn a_heartbeat_rule_waits_for_a_heartbeat_after_a_gap() {
    let stalled = Shorthand::Compare(
        Comparison::Above,
        Box::new(Shorthand::SinceStep(vec!["eval".into()])),
        Box::new(Shorthand::Number(20.0)),
    );
    let mut scene = Scene::new(vec![rule("stalled", stalled)]);
    scene.register(1, "t", 50);
    scene.hello(7, 99, 50, Position::Root(run(1)), None);
    scene.report(7, 1, &[]);
    scene.ticks(3, &[(1, 50, MIB)]);
    scene.pass(40 * SECOND);
    scene.ticks(3, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Unknown, "the trainer slept with the machine");
    scene.report(7, 1, &[]);
    scene.ticks(1, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Firing, "it lives, and still makes no step");
}

#[test]
fn time_in_an_excepted_phase_is_no_stall() {
    let stalled = Shorthand::Compare(
        Comparison::Above,
        Box::new(Shorthand::SinceStep(vec!["eval".into()])),
        Box::new(Shorthand::Number(20.0)),
    );
    let mut scene = Scene::new(vec![rule("stalled", stalled)]);
    scene.register(1, "t", 50);
    scene.hello(7, 99, 50, Position::Root(run(1)), None);
    scene.ticks(30, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Inactive, "before the first step it does not count");
    scene.report(7, 1, &[]);
    scene.step(7, Step { phase: Some("eval".into()), ..Step::default() });
    scene.ticks(30, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Inactive);
    scene.step(7, Step { phase: Some("train".into()), ..Step::default() });
    scene.ticks(21, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Firing);
}
