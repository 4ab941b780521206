//! Heartbeats: counters, segments, histograms, limits; and how trials end.

use super::*;

fn trial() -> Scene {
    let mut scene = Scene::new(vec![]);
    scene.register(1, "t", 50);
    scene.hello(7, 99, 50, Position::Root(run(1)), None);
    scene
}

#[test]
fn a_smaller_step_begins_a_new_segment_and_no_counter_falls() {
    let mut scene = trial();
    for (step, samples) in [(10, 320), (20, 640), (5, 160), (9, 288)] {
        scene.step(7, Step { step: Some(step), samples: Some(samples), ..Step::default() });
    }
    let progress = &scene.view(1).progress;
    assert_eq!((progress.step, progress.steps_total), (Some(9), 24));
    assert_eq!(progress.samples_total, 640 + 160 + 128);
}

#[test]
fn durations_are_observed_while_it_trains() {
    let mut scene = trial();
    scene.step(7, Step { step: Some(100), n: Some(100), seconds: Some(0.5), ..Step::default() });
    scene.pass(2 * SECOND);
    scene.step(7, Step { step: Some(104), ..Step::default() });
    scene.step(7, Step { phase: Some("eval".into()), step: Some(105), seconds: Some(9.0), ..Step::default() });
    let times = scene.view(1).progress.step_times.clone();
    assert_eq!(times.count(), 104);
    assert!((times.sum - 2.5).abs() < 1e-9);
}

#[test]
fn limits_drop_and_count() {
    let mut scene = trial();
    let metrics: Vec<(String, f64)> = (0..70).map(|i| (format!("m{i}"), 1.0)).collect();
    scene.step(7, Step { metrics, ..Step::default() });
    assert_eq!(scene.view(1).metrics.len(), 64);
    let drops = scene.take().iter().filter(|e| matches!(e, Effect::Drop(DropReason::Metrics))).count();
    assert_eq!(drops, 6);
}

#[test]
fn best_needs_a_mode_and_is_never_nan() {
    let mut scene = Scene::new(vec![]);
    let objective = Some(Objective { metric: "loss".into(), mode: Mode::Min });
    let hello = Hello { spec: TrialSpec { objective, ..TrialSpec::default() }, worker: "0".into(), ..Hello::default() };
    scene.hello_as(7, 1, Peer { uid: 1000, key: Some(key(50)), position: Position::Outside }, hello);
    for (step, loss) in [(1, f64::NAN), (2, 0.5), (3, 0.7)] {
        scene.report(7, step, &[("loss", loss), ("other", loss)]);
    }
    let points = vec![("loss".to_string(), vec![(4, 0.4), (5, 0.6)])];
    scene.step(7, Step { step: Some(5), points, ..Step::default() });
    let view = scene.view(1);
    assert_eq!((view.metrics["loss"].best, view.metrics["loss"].best_step), (Some(0.4), Some(4)));
    assert_eq!(view.metrics["other"].best, None);
}

#[test]
fn phases_share_time_and_cpu() {
    let mut scene = trial();
    scene.ticks(1, &[(1, 50, MIB)]);
    scene.step(7, Step { phase: Some("train".into()), ..Step::default() });
    scene.pass(3 * SECOND);
    scene.step(7, Step { phase: Some("eval".into()), ..Step::default() });
    scene.pass(SECOND);
    let busy = TreeSample { cpu: Pair { first: 4.0, second: 1.5 }, ..scene.sample(1, MIB, &[50]) };
    scene.tick_of(vec![busy]);
    let phases = scene.view(1).progress.phases.clone();
    assert_eq!((phases["train"].first, phases["eval"].first), (3.0, 1.0));
    assert!((phases["train"].second - 3.0).abs() < 1e-9 && (phases["eval"].second - 1.0).abs() < 1e-9);
}

#[test]
fn exits_tell_how_it_ended() {
    let cases = [
        (Some(ExitStatus::Code(0)), false, TrialState::Completed, ExitCause::Completed),
        (Some(ExitStatus::Code(7)), false, TrialState::Failed, ExitCause::Itself),
        (Some(ExitStatus::Signal(15)), false, TrialState::Failed, ExitCause::Signal),
        (Some(ExitStatus::Signal(9)), true, TrialState::Failed, ExitCause::OomKernel),
        (None, false, TrialState::Lost, ExitCause::Unknown),
    ];
    for (status, oom, state, cause) in cases {
        let mut scene = Scene::new(vec![]);
        scene.register(1, "t", 50);
        scene.ticks(2, &[(1, 50, 3 * MIB)]);
        let usage = Some(ExitUsage { user_seconds: 9.0, system_seconds: 0.1, max_resident: 50 * MIB });
        scene.event(Event::Exited(Exited { run: run(1), status, usage, oom }));
        let sample = scene.sample(1, 0, &[]);
        scene.event(Event::Reading(Reading { cause: ReadingCause::Exit, sample }));
        let view = scene.view(1);
        assert_eq!((view.state, view.exit.unwrap().cause), (state, cause));
        assert_eq!(view.totals.cpu, Pair { first: 9.0, second: 0.5 });
        assert_eq!(view.totals.memory_peak, Some(49 * MIB), "the shared part seen last is taken off");
        assert!(view.tree.is_none());
    }
}

#[test]
fn ended_trials_leave_after_their_time() {
    let mut scene = trial();
    scene.say(7, Said::Done(Done { status: DoneStatus::Completed, metrics: vec![] }));
    scene.ticks(2, &[]);
    assert_eq!(scene.engine.snapshot().trials.len(), 1);
    scene.pass(15 * 60 * SECOND);
    scene.ticks(1, &[]);
    assert!(scene.engine.snapshot().trials.is_empty());
}

#[test]
fn a_step_without_hello_is_about_the_trial_it_comes_from() {
    let mut scene = Scene::new(vec![]);
    scene.register(1, "script", 50);
    let step = |step| Said::Step(Box::new(Step { step: Some(step), ..Step::default() }));
    let mut say = |conn, position, said| {
        let peer = Peer { uid: 1000, key: Some(key(51)), position };
        scene.event(Event::Line(Line { conn: ConnId(conn), peer, said }));
    };
    say(7, Position::Inside(run(1)), step(5));
    say(8, Position::Root(run(1)), step(9));
    say(9, Position::Outside, step(99));
    assert_eq!(scene.view(1).progress.steps_total, 9);
    let drops = scene.take().iter().filter(|e| matches!(e, Effect::Drop(DropReason::NoTrial))).count();
    assert_eq!(drops, 1);
}

#[test]
fn what_a_trainer_wrote_before_it_left_is_not_lost() {
    let mut scene = trial();
    scene.ticks(2, &[(1, 50, MIB)]);
    // The end of the process is seen before its last lines are.
    scene.event(Event::Exited(Exited { run: run(1), status: Some(ExitStatus::Code(0)), usage: None, oom: false }));
    let nobody = |scene: &mut Scene| {
        let sample = scene.sample(1, 0, &[]);
        scene.event(Event::Reading(Reading { cause: ReadingCause::Exit, sample }));
    };
    nobody(&mut scene);
    assert_eq!(scene.view(1).state, TrialState::Running);
    scene.report(7, 100, &[("loss", 0.25)]);
    scene.take();
    scene.event(Event::Closed(ConnId(7)));
    assert!(scene.take().iter().any(|e| matches!(e, Effect::Read(_, ReadingCause::Exit))));
    nobody(&mut scene);
    let view = scene.view(1);
    assert_eq!((view.state, view.progress.step), (TrialState::Completed, Some(100)));
    assert_eq!(view.metrics["loss"].last_word, Some(0.25));

    // A connection that somebody else holds open delays the end by a second at most.
    let mut held = trial();
    held.ticks(2, &[(1, 50, MIB)]);
    held.event(Event::Exited(Exited { run: run(1), status: Some(ExitStatus::Code(0)), usage: None, oom: false }));
    nobody(&mut held);
    held.pass(SECOND);
    let empty = held.sample(1, 0, &[]);
    held.tick_of(vec![empty]);
    assert_eq!(held.view(1).state, TrialState::Completed);
}
