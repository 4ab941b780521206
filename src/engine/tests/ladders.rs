//! Stops from the first rung to the last.

use super::*;

/// A trial that a memory rule has just put on the ladder.
fn stopping(trainer: bool) -> Scene {
    let mut scene = Scene::new(vec![rule("cap", memory_above(100 * MIB))]);
    scene.register(1, "hog", 50);
    if trainer {
        scene.hello(7, 99, 50, Position::Root(run(1)), None);
    }
    scene.ticks(2, &[(1, 50, 200 * MIB)]);
    assert!(wants_confirm(&scene.take()));
    scene.confirm(1, 50, 200 * MIB);
    assert_eq!(scene.view(1).state, TrialState::Stopping);
    scene
}

#[test]
fn without_a_trainer_sigterm_goes_to_each_process_once_then_comes_the_sweep() {
    let mut scene = stopping(false);
    scene.tree(1, &[50, 51]);
    assert_eq!(signals(&scene.take()), [(50, Signal::TERM), (51, Signal::TERM)]);
    scene.pass(SECOND);
    scene.tree(1, &[50, 51, 52]);
    assert_eq!(signals(&scene.take()), [(52, Signal::TERM)], "only the one found later");
    scene.pass(9 * SECOND);
    scene.wake();
    scene.tree(1, &[51]);
    let effects = scene.take();
    assert!(signals(&effects).is_empty(), "the last rung is a sweep");
    assert!(effects.iter().any(|e| matches!(e, Effect::Sweep(s) if s.run == run(1))));
    let stop = scene.stop_id(1);
    scene.event(Event::Swept(Swept { stop, run: run(1), killed: 1, left: vec![], cleared: true }));
    let effects = scene.take();
    assert_eq!(outcomes(&effects), [StopOutcome::Killed]);
    let view = scene.view(1);
    assert_eq!((view.state, view.exit.unwrap().cause), (TrialState::Stopped, ExitCause::Rule));
    assert_eq!(view.stops[&(Arc::from("cap"), StopOutcome::Killed)], 1);
}

#[test]
fn who_stops_after_sigterm_is_woken_once() {
    let mut scene = stopping(false);
    let tree = |states: &[(u32, RunState)]| {
        let members = states.iter().map(|(pid, state)| Member { key: key(*pid), state: *state }).collect();
        Event::Tree(Tree { run: run(1), members })
    };
    scene.event(tree(&[(50, RunState::Alive), (51, RunState::Stopped)]));
    assert_eq!(signals(&scene.take()), [(50, Signal::TERM), (51, Signal::TERM)]);
    // A stop that was on its way to it when SIGTERM was given takes hold first: without SIGCONT its handler would never run.
    for _ in 0..3 {
        scene.event(tree(&[(50, RunState::Stopped), (51, RunState::Alive)]));
    }
    assert_eq!(signals(&scene.take()), [(50, Signal::CONT)]);
}

#[test]
fn a_trainer_is_asked_first_and_may_leave_by_itself() {
    let mut scene = stopping(true);
    let notice = asks(&scene.take()).pop().expect("it is asked");
    assert_eq!((&*notice.rule, notice.deadline_ms), ("cap", 10_000));
    scene.tree(1, &[50]);
    assert!(signals(&scene.take()).is_empty(), "the first rung gives no signal");
    scene.tree(1, &[]);
    assert_eq!(outcomes(&scene.take()), [StopOutcome::Asked]);
    assert_eq!(scene.view(1).state, TrialState::Stopped);
}

#[test]
fn an_ack_lengthens_the_rung_once_and_up_to_its_bound() {
    let mut scene = stopping(true);
    let id = asks(&scene.take())[0].id;
    scene.pass(9 * SECOND);
    scene.say(7, Said::Ack(id, Some(60_000)));
    scene.say(7, Said::Ack(id, Some(600_000)));
    scene.pass(59 * SECOND);
    scene.tree(1, &[50]);
    assert!(signals(&scene.take()).is_empty(), "it still writes its checkpoint");
    scene.pass(2 * SECOND);
    scene.wake();
    scene.tree(1, &[50]);
    assert_eq!(signals(&scene.take()), [(50, Signal::TERM)]);

    let mut greedy = stopping(true);
    let id = asks(&greedy.take())[0].id;
    greedy.say(7, Said::Ack(id, Some(u64::MAX)));
    assert_eq!(greedy.engine.next_wake(), Some(greedy.now.boot_ns + 300 * SECOND));
}

#[test]
fn the_condition_is_looked_at_again_before_the_first_rung() {
    let mut scene = Scene::new(vec![rule("cap", memory_above(100 * MIB))]);
    scene.register(1, "hog", 50);
    scene.ticks(2, &[(1, 50, 200 * MIB)]);
    assert!(wants_confirm(&scene.take()));
    scene.confirm(1, 50, 10 * MIB);
    assert_eq!(scene.view(1).state, TrialState::Running);
    scene.tree(1, &[50]);
    assert!(signals(&scene.take()).is_empty());
}

#[test]
fn who_survives_sigkill_is_a_failure_and_the_trial_keeps_stopping() {
    let mut scene = stopping(false);
    scene.pass(10 * SECOND);
    scene.wake();
    scene.tree(1, &[50]);
    let stop = scene.stop_id(1);
    let left = vec![Member { key: key(50), state: RunState::Uninterruptible }];
    scene.event(Event::Swept(Swept { stop, run: run(1), killed: 1, left, cleared: false }));
    assert_eq!(scene.view(1).state, TrialState::Stopping);
    assert_eq!(scene.view(1).stops[&(Arc::from("cap"), StopOutcome::Failed)], 1);
    scene.take();
    scene.ticks(1, &[(1, 50, 200 * MIB)]);
    assert!(scene.take().iter().any(|e| matches!(e, Effect::Sweep(..))), "it is tried again at each tick");
    scene.event(Event::Swept(Swept { stop, run: run(1), killed: 1, left: vec![], cleared: true }));
    let view = scene.view(1);
    assert_eq!(view.state, TrialState::Stopped);
    assert_eq!(view.stops.values().sum::<u64>(), 1, "one outcome a stop");
}

#[test]
fn a_stop_that_is_taken_up_gives_no_rung_twice() {
    let mut scene = stopping(false);
    scene.tree(1, &[50, 51]);
    let record = scene.take().iter().rev().find_map(|e| match e {
        Effect::Record(record) => Some(record.clone()),
        _ => None,
    });
    let record = record.expect("the rung is recorded");
    let view = scene.view(1);
    let mut later = Scene::new(vec![rule("cap", memory_above(100 * MIB))]);
    later.now = scene.now.plus(3 * SECOND);
    let returning = Returning {
        view,
        root: Some(Root { key: key(50), subreaper: None }),
        may_stop: true,
        by_hello: false,
        shared: false,
        stop: Some((record, HashSet::from([key(50), key(51)]))),
    };
    let effects = later.engine.restore(later.now, vec![returning], vec![], HashMap::new());
    assert!(effects.iter().any(|e| matches!(e, Effect::Follow(_))));
    later.tree(1, &[50, 51, 52]);
    assert_eq!(signals(&later.take()), [(52, Signal::TERM)]);
    later.pass(7 * SECOND);
    later.wake();
    later.tree(1, &[50]);
    assert!(later.take().iter().any(|e| matches!(e, Effect::Sweep(..))), "the old deadline counts");
}

#[test]
fn the_outer_trial_takes_the_inner_one_with_it_but_not_the_reverse() {
    let mut scene = Scene::new(vec![rule("cap", memory_above(100 * MIB))]);
    scene.register(1, "outer", 50);
    scene.hello(7, 2, 60, Position::Inside(run(1)), Some("inner"));
    assert_eq!(scene.view(2).parent, Some(run(1)));
    scene.ticks(2, &[(1, 50, MIB), (2, 60, 200 * MIB)]);
    scene.confirm(2, 60, 200 * MIB);
    assert_eq!((scene.view(1).state, scene.view(2).state), (TrialState::Running, TrialState::Stopping));

    let mut scene = Scene::new(vec![rule("cap", memory_above(100 * MIB))]);
    scene.register(1, "outer", 50);
    scene.hello(7, 2, 60, Position::Inside(run(1)), Some("inner"));
    scene.ticks(2, &[(1, 50, 200 * MIB), (2, 60, MIB)]);
    scene.confirm(1, 50, 200 * MIB);
    assert_eq!((scene.view(1).state, scene.view(2).state), (TrialState::Stopping, TrialState::Stopping));
}

#[test]
fn threads_as_trials_are_asked_and_never_signalled() {
    let mut scene = Scene::new(vec![rule("loss", above("trial_metric", &[("metric", "loss")], 5.0))]);
    for (conn, name) in [(7, "a"), (8, "b")] {
        let spec = TrialSpec { trial: Some(Name::new(name).unwrap()), ..TrialSpec::default() };
        let hello = Hello { spec, process: ProcessUse::Shared, worker: "0".into(), ..Hello::default() };
        let position = if conn == 7 { Position::Outside } else { Position::Root(run(7)) };
        let peer = Peer { uid: 1000, key: Some(key(50)), position };
        scene.hello_as(conn, u128::from(conn), peer, hello);
    }
    assert_eq!(welcomes(&scene.take()).len(), 2);
    scene.report(7, 1, &[("loss", 9.0)]);
    scene.report(8, 1, &[("loss", 1.0)]);
    scene.ticks(3, &[(7, 50, MIB)]);
    let effects = scene.take();
    assert_eq!(asks(&effects).len(), 1);
    assert!(scene.view(7).tree.is_none(), "no system series while two share the process");
    scene.pass(11 * SECOND);
    scene.wake();
    scene.tree(7, &[50]);
    let effects = scene.take();
    assert!(signals(&effects).is_empty());
    assert_eq!(outcomes(&effects), [StopOutcome::Ignored]);
    assert_eq!(scene.view(7).state, TrialState::Running);
}

#[test]
fn observing_only_says_so_once() {
    let settings = Settings { observe: true, ..Settings::default() };
    let mut scene = Scene::with(settings, vec![rule("cap", memory_above(100 * MIB))], None);
    scene.register(1, "hog", 50);
    scene.ticks(5, &[(1, 50, 200 * MIB)]);
    assert_eq!(scene.view(1).stops[&(Arc::from("cap"), StopOutcome::Observed)], 1);
    assert_eq!(scene.view(1).state, TrialState::Running);
    let stop = StopRequest { trial: "hog".into(), reason: None, now: false };
    scene.take();
    scene.say(9, Said::Request(Request::Stop(stop)));
    assert_eq!(refusals(&scene.take()), [ErrorCode::ObserveOnly]);
}

#[test]
fn a_stop_by_hand_now_begins_at_the_first_signal() {
    let mut scene = Scene::new(vec![]);
    scene.register(1, "hog", 50);
    scene.hello(7, 99, 50, Position::Root(run(1)), None);
    scene.take();
    scene.say(9, Said::Request(Request::Stop(StopRequest { trial: "hog".into(), reason: None, now: true })));
    scene.tree(1, &[50]);
    let effects = scene.take();
    assert!(asks(&effects).is_empty());
    assert_eq!(signals(&effects), [(50, Signal::TERM)]);
    scene.tree(1, &[]);
    assert_eq!(scene.view(1).exit.unwrap().cause, ExitCause::Manual);
}

#[test]
fn max_stops_and_the_guard_limit() {
    let mut capped = rule("cap", memory_above(100 * MIB));
    capped.max_stops = Some((1, 3600 * SECOND));
    let mut scene = Scene::new(vec![capped]);
    scene.register(1, "a", 50);
    scene.register(2, "b", 60);
    scene.ticks(2, &[(1, 50, 200 * MIB), (2, 60, 200 * MIB)]);
    scene.confirm(1, 50, 200 * MIB);
    scene.tree(1, &[]);
    scene.ticks(4, &[(2, 60, 200 * MIB)]);
    assert_eq!(scene.view(1).state, TrialState::Stopped);
    assert_eq!(scene.view(2).state, TrialState::Running);
    assert_eq!(scene.view(2).stops[&(Arc::from("cap"), StopOutcome::Limited)], 1);
}

#[test]
fn the_best_trial_is_kept_from_learning_rules() {
    let bad = rule("slow", above("trial_metric", &[("metric", "loss")], 0.1));
    let mut scene = Scene::with(Settings::default(), vec![bad], Some(Guard::default()));
    for (n, loss) in [(1u32, 0.2), (2, 0.9)] {
        let objective = Objective { metric: "loss".into(), mode: Mode::Min };
        let trial = Some(Name::new(&format!("t{n}")).unwrap());
        let spec = TrialSpec { trial, objective: Some(objective), ..TrialSpec::default() };
        let peer = Peer { uid: 1000, key: Some(key(n)), position: Position::Outside };
        scene.hello_as(n.into(), n.into(), peer, Hello { spec, worker: "0".into(), ..Hello::default() });
        scene.report(n.into(), 1, &[("loss", loss)]);
    }
    scene.ticks(2, &[(1, 1, MIB), (2, 2, MIB)]);
    scene.confirm(1, 1, MIB);
    scene.confirm(2, 2, MIB);
    assert_eq!(scene.view(1).state, TrialState::Running);
    assert_eq!(scene.view(1).stops[&(Arc::from("slow"), StopOutcome::Limited)], 1);
    assert_eq!(scene.view(2).state, TrialState::Stopping);
}

#[test]
fn of_two_that_fire_in_one_tick_max_stops_takes_one() {
    let mut capped = rule("cap", memory_above(100 * MIB));
    capped.max_stops = Some((1, 3600 * SECOND));
    let mut scene = Scene::new(vec![capped]);
    scene.register(1, "a", 50);
    scene.register(2, "b", 60);
    scene.ticks(2, &[(1, 50, 200 * MIB), (2, 60, 200 * MIB)]);
    scene.confirm(1, 50, 200 * MIB);
    scene.confirm(2, 60, 200 * MIB);
    assert_eq!((scene.view(1).state, scene.view(2).state), (TrialState::Stopping, TrialState::Running));
}

#[test]
fn a_second_rule_shortens_and_gives_no_signal_again() {
    let mut cap = rule("cap", memory_above(100 * MIB));
    cap.ladder = Arc::new(Ladder::urgent());
    let scene_of = |trainer| {
        let mut scene = Scene::new(vec![rule("slow", above("trial_elapsed_seconds", &[], 1.5)), cap.clone()]);
        scene.register(1, "t", 50);
        if trainer {
            scene.hello(7, 99, 50, Position::Root(run(1)), None);
        }
        scene.ticks(2, &[(1, 50, MIB)]);
        scene.confirm(1, 50, MIB);
        scene.tree(1, &[50]);
        scene
    };
    let mut asked = scene_of(true);
    asked.take();
    asked.ticks(1, &[(1, 50, 200 * MIB)]);
    asked.tree(1, &[50]);
    assert_eq!(signals(&asked.take()), [(50, Signal::TERM)], "the urgent ladder begins");

    let mut signalled = scene_of(false);
    assert_eq!(signals(&signalled.take()), [(50, Signal::TERM)]);
    signalled.ticks(1, &[(1, 50, 200 * MIB)]);
    signalled.tree(1, &[50]);
    assert!(signals(&signalled.take()).is_empty());
    assert_eq!(signalled.engine.next_wake(), Some(signalled.now.boot_ns + 2 * SECOND));
    assert_eq!(signalled.view(1).stop.as_ref().unwrap().rule.as_ref(), "slow", "the first one has the credit");
}

#[test]
fn now_does_not_wait_for_an_answer_and_gives_no_signal_twice() {
    let mut scene = stopping(true);
    scene.tree(1, &[50]);
    let now = || Said::Request(Request::Stop(StopRequest { trial: "hog".into(), reason: None, now: true }));
    scene.take();
    scene.say(9, now());
    scene.tree(1, &[50]);
    assert_eq!(signals(&scene.take()), [(50, Signal::TERM)]);
    scene.say(9, now());
    scene.tree(1, &[50]);
    assert!(signals(&scene.take()).is_empty(), "that rung has come already");
    assert_eq!(scene.view(1).stop.as_ref().unwrap().rule.as_ref(), "cap", "the rule keeps the credit");
}

#[test]
fn a_stop_by_hand_goes_down_the_policys_gentle_ladder() {
    let mut scene = Scene::new(vec![]);
    let rung = |signal, wait_ns| Rung { ask: false, signal: Some(signal), to: Target::Tree, wait_ns, max_ns: wait_ns };
    let gentle = Ladder { name: "gentle".into(), rungs: vec![rung(Signal(2), SECOND), rung(Signal::KILL, 0)] };
    let policy = Policy { gentle: Some(Arc::new(gentle)), ..Policy::default() };
    scene.event(Event::Policy(Arc::new(policy)));
    scene.register(1, "t", 50);
    scene.take();
    let stop = Request::Stop(StopRequest { trial: "t".into(), reason: None, now: false });
    scene.say(3, Said::Request(stop));
    scene.tree(1, &[50]);
    assert_eq!(signals(&scene.take()), [(50, Signal(2))], "SIGINT, as the policy says");
}
