//! Rules in PromQL: whom they are about, what they see, how they are confirmed.

use super::*;

/// Two trials of one experiment, registered with roots 50 and 60.
fn two(rules: Vec<Rule>) -> Scene {
    let mut scene = Scene::new(rules);
    scene.register(1, "a", 50);
    scene.register(2, "b", 60);
    scene
}

fn warn(rule: Rule) -> Rule {
    Rule { action: Action::Warn, ..rule }
}

fn states(scene: &Scene) -> [RuleState; 2] {
    [1, 2].map(|n| scene.view(n).rules[0].state)
}

use RuleState::{Firing, Inactive, Unknown};

#[test]
fn a_result_is_about_the_trial_that_it_names() {
    let mut scene = two(vec![warn(promql_rule("top", "topk(1, trial_memory_bytes) > 1000"))]);
    scene.ticks(2, &[(1, 50, 5 * MIB), (2, 60, 9 * MIB)]);
    assert_eq!(states(&scene), [Inactive, Firing]);
    scene.ticks(1, &[(1, 50, 10 * MIB), (2, 60, 9 * MIB)]);
    assert_eq!(states(&scene), [Firing, Inactive]);
}

#[test]
fn a_result_without_a_trial_needs_a_scope() {
    let total = "sum by (experiment) (trial_memory_bytes) > 10 * 1024 ^ 2";
    let all = "sum (trial_memory_bytes) > 10 * 1024 ^ 2";
    for (expr, scope, about) in [
        (total, Scope::Trial, [Inactive, Inactive]),
        (total, Scope::Experiment, [Firing, Firing]),
        (all, Scope::Experiment, [Inactive, Inactive]),
        (all, Scope::All, [Firing, Firing]),
    ] {
        let mut scene = two(vec![warn(Rule { scope, ..promql_rule("total", expr) })]);
        scene.ticks(2, &[(1, 50, 6 * MIB), (2, 60, 6 * MIB)]);
        assert_eq!(states(&scene), about, "{expr} {scope:?}");
    }
}

#[test]
fn a_name_that_fits_several_experiments_is_nobodys() {
    let rule = warn(promql_rule("sum", "sum by (trial) (trial_memory_bytes) > 1"));
    let mut scene = Scene::new(vec![rule]);
    scene.register(1, "same", 50);
    let spec = TrialSpec {
        trial: Some(Name::new("same").unwrap()),
        experiment: Some(Name::new("other").unwrap()),
        ..TrialSpec::default()
    };
    let (fallback, root) = (Name::new("f").unwrap(), Root { key: key(60), subreaper: None });
    let register = Register {
        run: run(2),
        spec,
        fallback,
        root,
        uid: 1000,
        position: Position::Outside,
        may_stop: true,
        conn: None,
    };
    scene.event(Event::Register(register));
    scene.ticks(2, &[(1, 50, MIB), (2, 60, MIB)]);
    assert_eq!(states(&scene), [Inactive, Inactive]);
    let peer = Peer { uid: 0, key: None, position: Position::Outside };
    scene.take();
    scene.event(Event::Line(Line {
        conn: ConnId(3),
        peer,
        said: Said::Request(Request::Explain("other/same".into())),
    }));
    let explained = scene.take().into_iter().find_map(|e| match e {
        Effect::Send(_, Reply::Explained(view)) => Some(view),
        _ => None,
    });
    let rules = &explained.expect("explained").rules;
    assert!(rules[0].why.starts_with("ambiguous"), "{}", rules[0].why);
    assert!(rules[0].parts.iter().any(|p| p.text == "trial_memory_bytes"), "{:?}", rules[0].parts);
}

#[test]
fn other_labels_are_evidence_each_with_its_own_wait() {
    let rule = Rule { hold_ns: 3 * SECOND, ..warn(promql_rule("any", "trial_metric > 1")) };
    let mut scene = Scene::new(vec![rule]);
    scene.register(1, "t", 50);
    scene.hello(7, 99, 50, Position::Root(run(1)), None);
    scene.report(7, 1, &[("x", 2.0), ("y", 0.0)]);
    scene.ticks(3, &[(1, 50, MIB)]);
    scene.report(7, 2, &[("x", 0.0), ("y", 2.0)]);
    scene.ticks(2, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), RuleState::Pending, "neither has held for three seconds");
    scene.ticks(2, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), Firing);
}

#[test]
fn a_failed_evaluation_ripens_nothing_and_is_counted() {
    let many = "trial_memory_bytes * on (experiment) trial_processes > 0";
    let rule = Rule { hold_ns: SECOND, ..warn(promql_rule("many", many)) };
    let mut scene = two(vec![rule]);
    scene.ticks(5, &[(1, 50, MIB), (2, 60, MIB)]);
    assert_eq!(states(&scene), [Unknown, Unknown]);
    let totals = &scene.engine.snapshot().rules["many"];
    assert_eq!((totals.evaluations, totals.failures), (5, 5));
}

/// `topk` and the host's memory, one victim at a time.
fn guard() -> Rule {
    let expr = "topk(1, trial_memory_bytes) and on () \
                (earlystop_host_memory_available_bytes / earlystop_host_memory_total_bytes < 0.05)";
    Rule { serial_ns: Some(5 * SECOND), ladder: Arc::new(Ladder::urgent()), ..promql_rule("guard", expr) }
}

fn host_tick(scene: &mut Scene, available: u64, trials: &[(u128, u32, u64)]) {
    scene.pass(SECOND);
    let trees = trials.iter().map(|(n, pid, memory)| scene.sample(*n, *memory, &[*pid])).collect();
    let host = HostSample { memory_available: Some(available), memory_total: Some(1000), ..HostSample::default() };
    let tick = Tick { at: scene.now, took_ns: 0, overruns: 0, trees, host, up: Vec::new() };
    scene.event(Event::Tick(tick));
}

#[test]
fn the_host_guard_takes_the_largest_and_no_second_one_while_it_dies() {
    let mut scene = two(vec![guard()]);
    let (a, b) = ((1, 50, 5 * MIB), (2, 60, 9 * MIB));
    for _ in 0..3 {
        host_tick(&mut scene, 500, &[a, b]);
    }
    assert!(!wants_confirm(&scene.take()), "there is memory left");
    host_tick(&mut scene, 10, &[a, b]);
    assert!(wants_confirm(&scene.take()));
    scene.confirm(2, 60, 9 * MIB);
    assert_eq!((scene.view(1).state, scene.view(2).state), (TrialState::Running, TrialState::Stopping));
    // It shrinks while it dies: the other is the largest now, and memory is not back yet.
    host_tick(&mut scene, 10, &[a, (2, 60, MIB)]);
    assert!(!wants_confirm(&scene.take()), "a victim is dying");
    scene.tree(2, &[]);
    assert_eq!(scene.view(2).state, TrialState::Stopped);
    for _ in 0..4 {
        host_tick(&mut scene, 10, &[a]);
        assert!(!wants_confirm(&scene.take()), "it is given time to come back");
    }
    host_tick(&mut scene, 10, &[a]);
    host_tick(&mut scene, 10, &[a]);
    assert!(wants_confirm(&scene.take()), "it did not");
}

#[test]
fn a_tree_whose_pages_are_shared_is_spared() {
    let heavy = Rule { confirm_proportional: true, ..rule("cap", memory_above(100 * MIB)) };
    let mut scene = two(vec![heavy]);
    let both = [(1, 50, 200 * MIB), (2, 60, 200 * MIB)];
    scene.ticks(2, &both);
    let weighs = |effects: &[Effect], n| {
        effects.iter().filter(|e| matches!(e, Effect::Read(r, ReadingCause::Weigh) if *r == run(n))).count()
    };
    let effects = scene.take();
    assert_eq!((weighs(&effects, 1), weighs(&effects, 2)), (1, 1));
    for (n, pid, proportional) in [(1, 50, Some(40 * MIB)), (2, 60, Some(180 * MIB))] {
        let sample = TreeSample { proportional, ..scene.sample(n, 200 * MIB, &[pid]) };
        scene.event(Event::Reading(Reading { cause: ReadingCause::Weigh, sample }));
    }
    assert_eq!((scene.view(1).state, scene.view(2).state), (TrialState::Running, TrialState::Stopping));
    scene.take();
    scene.ticks(5, &both[..1]);
    assert_eq!(weighs(&scene.take(), 1), 0, "the dear reading is not taken at every tick");
    scene.ticks(10, &both[..1]);
    assert!(weighs(&scene.take(), 1) > 0, "but again after a while");
    // Where it cannot be read nobody is stopped.
    let sample = TreeSample { proportional: None, ..scene.sample(1, 200 * MIB, &[50]) };
    scene.event(Event::Reading(Reading { cause: ReadingCause::Weigh, sample }));
    assert_eq!(scene.view(1).state, TrialState::Running);
}

#[test]
fn patience_counts_reports_and_steps() {
    let plain = warn(promql_rule("reports", "trial_reports_since_best{metric=\"loss\"} >= 3"));
    let careful = "trial_steps_since_improvement{metric=\"loss\",mode=\"min\",min_delta=\"0.1\"} >= 30";
    let mut scene = Scene::new(vec![plain, warn(promql_rule("steps", careful))]);
    scene.register(1, "t", 50);
    let spec = TrialSpec { modes: [("loss".to_string(), Mode::Min)].into(), ..TrialSpec::default() };
    let hello = Hello { spec, worker: "0".into(), ..Hello::default() };
    scene.hello_as(7, 99, Peer { uid: 1000, key: Some(key(50)), position: Position::Root(run(1)) }, hello);
    let state = |scene: &Scene, n: usize| scene.view(1).rules[n].state;
    for (step, loss) in [(10, 1.0), (20, 0.98), (30, 0.97), (40, 0.96)] {
        scene.report(7, step, &[("loss", loss)]);
    }
    scene.ticks(2, &[(1, 50, MIB)]);
    assert_eq!((state(&scene, 0), state(&scene, 1)), (Inactive, Firing), "each is better, but by less than 0.1");
    for (step, loss) in [(50, 0.5), (60, 0.6), (70, f64::NAN), (80, 0.7)] {
        scene.report(7, step, &[("loss", loss)]);
    }
    scene.ticks(1, &[(1, 50, MIB)]);
    assert_eq!((state(&scene, 0), state(&scene, 1)), (Firing, Firing));
    scene.report(7, 90, &[("loss", 0.3)]);
    scene.ticks(1, &[(1, 50, MIB)]);
    assert_eq!((state(&scene, 0), state(&scene, 1)), (Inactive, Inactive));
    scene.policy(vec![warn(promql_rule("none", "trial_step > 1000"))], None);
    assert!(scene.view(1).metrics["loss"].improvements.is_empty(), "nobody counts them any more");
}

#[test]
fn a_trial_is_compared_with_the_others_at_its_own_step() {
    let expr = "trial_metric{metric=\"loss\"} > trial_metric_peer_median{metric=\"loss\"}";
    let mut scene = Scene::new(vec![warn(promql_rule("worse", expr))]);
    let names = ["a", "b", "c", "slow"];
    for (n, name) in names.iter().enumerate() {
        let (n, pid) = (n as u128 + 1, 50 + n as u32);
        scene.register(n, name, pid);
        scene.hello(n as u64, 90 + n, pid, Position::Root(run(n)), None);
    }
    for (conn, loss) in [(1, 1.0), (2, 2.0), (3, 3.0)] {
        for step in [10, 20] {
            scene.report(conn, step, &[("loss", loss)]);
        }
    }
    scene.report(4, 10, &[("loss", 2.5)]);
    let trials: Vec<_> = (1..=4u32).map(|n| (u128::from(n), 49 + n, MIB)).collect();
    scene.ticks(2, &trials);
    let median = |n| scene.view(n).metrics["loss"].peer_median;
    assert_eq!(median(4), Some(2.0), "of 1, 2 and 3 at step 10");
    assert_eq!(median(1), Some(2.5), "slow has not come to step 20");
    let firing: Vec<_> = (1..=4).filter(|n| scene.view(*n).rules[0].state == Firing).collect();
    assert_eq!(firing, [3, 4], "{:?}", (1..=4).map(median).collect::<Vec<_>>());
}

#[test]
fn a_rules_mode_says_which_way_is_better_where_hello_does_not() {
    let rule = "trial_reports_since_improvement{metric=\"acc\",mode=\"max\",min_delta=\"0\"} >= 2";
    let mut scene = Scene::new(vec![warn(promql_rule("no-better", rule))]);
    scene.register(1, "t", 50);
    scene.hello(7, 99, 50, Position::Root(run(1)), None);
    for (step, acc) in [(1, 0.5), (2, 0.9), (3, 0.8), (4, 0.7)] {
        scene.report(7, step, &[("acc", acc)]);
    }
    scene.ticks(2, &[(1, 50, MIB)]);
    assert_eq!(scene.rule_state(1), Firing);
    assert_eq!(scene.view(1).metrics["acc"].best, Some(0.9), "trial_metric_best is known by it, too");
}
