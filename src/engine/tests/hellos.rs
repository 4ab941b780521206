//! Who a hello founds, joins or is refused.

use super::*;

#[test]
fn outside_founds_a_root_and_a_running_name_is_taken() {
    let mut scene = Scene::new(vec![]);
    scene.hello(1, 1, 50, Position::Outside, Some("a"));
    let effects = scene.take();
    assert_eq!(welcomes(&effects)[0].trial.as_str(), "a");
    assert!(effects.iter().any(|e| matches!(e, Effect::Track(r, root, 1000) if *r == run(1) && root.key == key(50))));
    scene.hello(2, 2, 60, Position::Outside, Some("a"));
    assert_eq!(refusals(&scene.take()), [ErrorCode::NameTaken]);
}

#[test]
fn a_made_up_name_gives_way_a_given_one_stands() {
    let mut scene = Scene::new(vec![]);
    let register = |n: u128, trial: Option<&str>, pid: u32| Register {
        run: run(n),
        spec: TrialSpec { trial: trial.map(|t| Name::new(t).unwrap()), ..TrialSpec::default() },
        fallback: Name::new("python3-xyz").unwrap(),
        root: Root { key: key(pid), subreaper: None },
        uid: 1000,
        position: Position::Outside,
        may_stop: true,
        conn: None,
    };
    scene.event(Event::Register(register(1, None, 50)));
    assert_eq!(scene.view(1).trial.as_str(), "python3-xyz");
    scene.hello(1, 9, 50, Position::Root(run(1)), Some("mine"));
    assert_eq!(welcomes(&scene.take())[0].trial.as_str(), "mine");
    scene.event(Event::Register(register(2, Some("given"), 60)));
    scene.hello(2, 9, 60, Position::Root(run(2)), Some("other"));
    assert_eq!(welcomes(&scene.take())[0].trial.as_str(), "given");
}

#[test]
fn deeper_in_a_tree_it_is_a_worker_or_an_inner_trial() {
    let mut scene = Scene::new(vec![]);
    scene.register(1, "outer", 50);
    let spec = TrialSpec::default();
    let worker = |rank: &str| Hello { spec: spec.clone(), worker: rank.into(), ..Hello::default() };
    let peer = |pid| Peer { uid: 1000, key: Some(key(pid)), position: Position::Inside(run(1)) };
    scene.hello_as(1, 90, peer(51), worker("0"));
    scene.hello_as(2, 91, peer(52), worker("1"));
    scene.report(1, 10, &[("loss", 0.5)]);
    scene.report(2, 8, &[("loss", 99.0)]);
    let view = scene.view(1);
    assert_eq!(view.progress.step, Some(10), "the primary speaks for the trial");
    assert_eq!(view.metrics["loss"].last, 0.5);
    assert_eq!(view.progress.workers["1"], 8);
    assert_eq!(view.progress.heartbeats, 4);
    scene.hello(3, 3, 53, Position::Inside(run(1)), Some("inner"));
    assert_eq!(scene.view(3).parent, Some(run(1)));
}

#[test]
fn a_process_has_one_running_trial_and_after_done_another() {
    let mut scene = Scene::new(vec![]);
    scene.hello(1, 1, 50, Position::Outside, Some("a"));
    scene.hello(2, 2, 50, Position::Root(run(1)), Some("b"));
    assert_eq!(refusals(&scene.take()), [ErrorCode::ProcessTaken]);
    let done = Done { status: DoneStatus::Completed, metrics: vec![("test".into(), 0.7)] };
    scene.say(1, Said::Done(done));
    let view = scene.view(1);
    assert_eq!((view.state, view.metrics["test"].last_word), (TrialState::Completed, Some(0.7)));
    scene.hello(1, 2, 50, Position::Outside, Some("b"));
    assert_eq!(welcomes(&scene.take())[0].trial.as_str(), "b");
}

#[test]
fn a_trainer_may_come_back_after_its_connection_broke() {
    let mut scene = Scene::new(vec![]);
    scene.hello(1, 1, 50, Position::Outside, Some("a"));
    scene.event(Event::Closed(ConnId(1)));
    assert_eq!(scene.view(1).state, TrialState::Running);
    scene.hello(2, 2, 50, Position::Root(run(1)), Some("a"));
    assert_eq!(welcomes(&scene.take()).last().unwrap().run, run(1));
}

#[test]
fn attempts_count_and_resume_says_what_they_mean() {
    let mut scene = Scene::new(vec![]);
    let finish = |scene: &mut Scene, conn| {
        scene.say(conn, Said::Done(Done { status: DoneStatus::Completed, metrics: vec![] }));
    };
    scene.hello(1, 1, 50, Position::Outside, Some("a"));
    scene.report(1, 40, &[("loss", 0.5)]);
    finish(&mut scene, 1);
    let resume = |resume| Hello {
        spec: TrialSpec { trial: Some(Name::new("a").unwrap()), ..TrialSpec::default() },
        resume,
        worker: "0".into(),
        ..Hello::default()
    };
    let peer = |pid| Peer { uid: 1000, key: Some(key(pid)), position: Position::Outside };
    scene.take();
    scene.hello_as(2, 2, peer(60), resume(Resume::Never));
    assert_eq!(refusals(&scene.take()), [ErrorCode::NameUsed]);
    scene.hello_as(3, 3, peer(60), resume(Resume::Continue));
    let welcome = welcomes(&scene.take()).remove(0);
    assert_eq!((welcome.attempt, welcome.last_step), (2, 40));
    scene.report(3, 50, &[("loss", 0.4)]);
    assert_eq!(scene.view(3).progress.steps_total, 50);
    finish(&mut scene, 3);
    scene.hello_as(4, 4, peer(70), resume(Resume::New));
    let welcome = welcomes(&scene.take()).remove(0);
    assert_eq!((welcome.attempt, welcome.last_step), (3, 0));
    assert!(scene.view(4).metrics.is_empty());
}

#[test]
fn a_continued_trial_that_a_rule_had_stopped_is_asked_at_once() {
    let mut scene = Scene::new(vec![rule("cap", memory_above(100 * MIB))]);
    scene.hello(1, 1, 50, Position::Outside, Some("a"));
    scene.ticks(2, &[(1, 50, 200 * MIB)]);
    scene.confirm(1, 50, 200 * MIB);
    scene.tree(1, &[]);
    assert_eq!(scene.view(1).state, TrialState::Stopped);
    scene.take();
    let spec = TrialSpec { trial: Some(Name::new("a").unwrap()), ..TrialSpec::default() };
    let hello = Hello { spec, resume: Resume::Continue, worker: "0".into(), ..Hello::default() };
    scene.hello_as(2, 2, Peer { uid: 1000, key: Some(key(60)), position: Position::Outside }, hello);
    let effects = scene.take();
    assert_eq!(welcomes(&effects)[0].stopped_before.as_deref(), Some("cap"));
    assert_eq!(asks(&effects).len(), 1);
}

#[test]
fn a_continued_trial_goes_down_the_policys_gentle_ladder() {
    let mut scene = Scene::new(vec![rule("cap", memory_above(100 * MIB))]);
    let ask = Rung { ask: true, signal: None, to: Target::Tree, wait_ns: 3 * SECOND, max_ns: 3 * SECOND };
    let kill = Rung { ask: false, signal: Some(Signal::KILL), wait_ns: 0, max_ns: 0, ..ask.clone() };
    let gentle = Ladder { name: "gentle".into(), rungs: vec![ask, kill] };
    let rules = vec![Arc::new(rule("cap", memory_above(100 * MIB)))];
    scene.event(Event::Policy(Arc::new(Policy { rules, gentle: Some(Arc::new(gentle)), ..Policy::default() })));
    scene.hello(1, 1, 50, Position::Outside, Some("a"));
    scene.ticks(2, &[(1, 50, 200 * MIB)]);
    scene.confirm(1, 50, 200 * MIB);
    scene.tree(1, &[]);
    scene.take();
    let spec = TrialSpec { trial: Some(Name::new("a").unwrap()), ..TrialSpec::default() };
    let hello = Hello { spec, resume: Resume::Continue, worker: "0".into(), ..Hello::default() };
    scene.hello_as(2, 2, Peer { uid: 1000, key: Some(key(60)), position: Position::Outside }, hello);
    assert_eq!(asks(&scene.take())[0].deadline_ms, 3000, "as the policy says, not 10 s");
}

#[test]
fn an_unseen_peer_is_welcome_but_only_asked() {
    let mut scene = Scene::new(vec![]);
    let hello = Hello { worker: "0".into(), ..Hello::default() };
    scene.hello_as(1, 1, Peer { uid: 1000, key: None, position: Position::Outside }, hello);
    let welcome = welcomes(&scene.take()).remove(0);
    assert!(!welcome.visible && welcome.hint.unwrap().contains("shareProcessNamespace"));
    assert!(scene.view(1).ask_only);
    scene.event(Event::Closed(ConnId(1)));
    assert_eq!(scene.view(1).state, TrialState::Lost);
}

#[test]
fn names_and_owners_of_commands() {
    let mut scene = Scene::new(vec![]);
    scene.register(1, "same", 50);
    let spec = TrialSpec { experiment: Some(Name::new("other").unwrap()), ..TrialSpec::default() };
    let hello = Hello { spec: TrialSpec { trial: Some(Name::new("same").unwrap()), ..spec }, ..Hello::default() };
    scene.hello_as(1, 2, Peer { uid: 1000, key: Some(key(60)), position: Position::Outside }, hello);
    scene.take();
    let explain = |scene: &mut Scene, text: &str, uid| {
        let said = Said::Request(Request::Explain(text.into()));
        let peer = Peer { uid, key: None, position: Position::Outside };
        scene.event(Event::Line(Line { conn: ConnId(5), peer, said }));
        refusals(&scene.take())
    };
    assert_eq!(explain(&mut scene, "same", 1000), [ErrorCode::BadName]);
    assert_eq!(explain(&mut scene, "nobody", 1000), [ErrorCode::NotFound]);
    assert!(explain(&mut scene, "other/same", 1000).is_empty());
    assert_eq!(explain(&mut scene, "other/same", 4242), [ErrorCode::NotYours]);
    assert!(explain(&mut scene, &run(1).to_string(), 0).is_empty());
}
