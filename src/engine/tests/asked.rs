//! Steps that ask for an answer: verdicts at once, and an answer for each.

use std::path::Path;

use super::*;
use crate::policy;

const LOW: &str = "[[rule]]\nname = \"low\"\nstopper = { kind = \"threshold\", metric = \"acc\", below = 0.5 }\n";

fn scene(text: &str) -> Scene {
    let (policy, _) = policy::parse(text, Path::new("p.toml"), &policy::Context::default()).expect("a sound policy");
    Scene::new(policy.rules.iter().map(|rule| (**rule).clone()).collect())
}

fn asking(step: u64, acc: f64) -> Step {
    Step { step: Some(step), metrics: vec![("acc".into(), acc)], answer: true, ..Step::default() }
}

/// Answers that say to go on, by the step they are about.
fn goes(effects: &[Effect]) -> Vec<Option<u64>> {
    let go = |e: &Effect| if let Effect::Send(_, Reply::Go(step)) = e { Some(*step) } else { None };
    effects.iter().filter_map(go).collect()
}

fn demanded(scene: &mut Scene) {
    let sample = scene.sample(1, MIB, &[5]);
    scene.event(Event::Reading(Reading { cause: ReadingCause::Demand, sample }));
}

#[test]
fn who_asks_is_stopped_at_that_very_report() {
    let mut scene = scene(LOW);
    let hello = Hello { worker: "0".into(), ..Hello::default() };
    scene.hello_as(1, 1, Peer { uid: 1000, key: None, position: Position::Outside }, hello);
    scene.step(1, asking(1, 0.9));
    let done = scene.take();
    assert_eq!((goes(&done), asks(&done).len()), (vec![Some(1)], 0));
    scene.step(1, asking(2, 0.1));
    let done = scene.take();
    assert!(goes(&done).is_empty(), "the stop is the answer");
    assert!(asks(&done)[0].reason.contains("step 2"), "{:?}", asks(&done));
}

#[test]
fn who_does_not_ask_hears_nothing_before_the_tick() {
    let mut scene = scene(LOW);
    let hello = Hello { worker: "0".into(), ..Hello::default() };
    scene.hello_as(1, 1, Peer { uid: 1000, key: None, position: Position::Outside }, hello);
    scene.ticks(2, &[]);
    scene.take();
    scene.step(1, Step { answer: false, ..asking(1, 0.1) });
    assert!(goes(&scene.done).is_empty() && asks(&scene.take()).is_empty());
    scene.ticks(1, &[]);
    assert_eq!(asks(&scene.take()).len(), 1);
}

#[test]
fn a_tree_is_looked_at_twice_before_and_once_more_then() {
    let mut scene = scene(LOW);
    scene.hello(1, 1, 5, Position::Outside, Some("a"));
    scene.step(1, asking(1, 0.1));
    assert_eq!(goes(&scene.take()), [Some(1)], "nobody has seen it yet");
    demanded(&mut scene);
    scene.pass(MILLI);
    scene.step(1, asking(2, 0.1));
    assert_eq!(goes(&scene.take()), [Some(2)], "seen once");
    demanded(&mut scene);
    scene.pass(MILLI);
    scene.step(1, asking(3, 0.1));
    assert!(wants_confirm(&scene.done) && goes(&scene.take()).is_empty(), "it waits for the fresh look");
    scene.confirm(1, 5, MIB);
    let done = scene.take();
    assert!(goes(&done).is_empty());
    assert_eq!(asks(&done).len(), 1);
    scene.step(1, asking(4, 0.1));
    assert!(goes(&scene.take()).is_empty(), "it was told already");
}

#[test]
fn who_wants_to_be_looked_at_is_judged_with_the_look() {
    let mut scene = scene(LOW);
    scene.hello(1, 1, 5, Position::Outside, Some("a"));
    let looked_at = |step| Step { sample: true, ..asking(step, 0.1) };
    scene.step(1, looked_at(1));
    assert!(goes(&scene.take()).is_empty(), "the look is under way");
    demanded(&mut scene);
    assert_eq!(goes(&scene.take()), [Some(1)], "seen once");
    scene.pass(MILLI);
    scene.step(1, looked_at(2));
    scene.take();
    demanded(&mut scene);
    assert!(wants_confirm(&scene.done), "seen twice");
    scene.confirm(1, 5, MIB);
    assert_eq!(asks(&scene.take()).len(), 1);
}

#[test]
fn a_look_that_never_comes_keeps_nobody_waiting() {
    let mut scene = scene(LOW);
    scene.hello(1, 1, 5, Position::Outside, Some("a"));
    scene.step(1, Step { sample: true, ..asking(1, 0.9) });
    scene.ticks(3, &[]);
    assert!(goes(&scene.take()).is_empty());
    scene.ticks(1, &[]);
    assert_eq!(goes(&scene.take()), [Some(1)]);
}

#[test]
fn who_leaves_while_it_is_looked_at_is_judged_no_more() {
    let mut scene = scene(LOW);
    scene.hello(1, 1, 5, Position::Outside, Some("a"));
    scene.step(1, Step { sample: true, ..asking(1, 0.1) });
    scene.say(1, Said::Done(Done { status: DoneStatus::Completed, metrics: vec![] }));
    demanded(&mut scene);
    let done = scene.take();
    assert_eq!((goes(&done), asks(&done).len()), (vec![Some(1)], 0));
    assert_eq!(scene.view(1).state, TrialState::Completed);
}

#[test]
fn a_stop_that_is_never_confirmed_keeps_nobody_waiting() {
    let mut scene = scene(LOW);
    scene.hello(1, 1, 5, Position::Outside, Some("a"));
    demanded(&mut scene);
    scene.pass(MILLI);
    demanded(&mut scene);
    scene.step(1, asking(1, 0.1));
    assert!(wants_confirm(&scene.take()));
    scene.ticks(3, &[]);
    assert!(goes(&scene.take()).is_empty());
    scene.ticks(1, &[]);
    assert_eq!(goes(&scene.take()), [Some(1)]);
}

#[test]
fn a_verdict_that_is_taken_back_before_the_look_lets_it_go_on() {
    let mut scene = scene(LOW);
    scene.hello(1, 1, 5, Position::Outside, Some("a"));
    demanded(&mut scene);
    scene.pass(MILLI);
    demanded(&mut scene);
    scene.step(1, asking(1, 0.1));
    assert!(wants_confirm(&scene.done) && goes(&scene.take()).is_empty());
    scene.step(1, Step { answer: false, ..asking(2, 0.9) });
    scene.confirm(1, 5, MIB);
    let done = scene.take();
    assert_eq!((goes(&done), asks(&done).len()), (vec![Some(1)], 0));
}

#[test]
fn a_brake_is_an_answer_too() {
    let mut scene = scene(&format!("{LOW}observe = true\n"));
    let hello = Hello { worker: "0".into(), ..Hello::default() };
    scene.hello_as(1, 1, Peer { uid: 1000, key: None, position: Position::Outside }, hello);
    for step in 1..=2 {
        scene.step(1, asking(step, 0.1));
    }
    assert_eq!(goes(&scene.take()), [Some(1), Some(2)]);
    assert_eq!(scene.view(1).stops.values().sum::<u64>(), 1, "observed, and said once");
}

#[test]
fn a_worker_that_does_not_speak_for_the_trial_goes_on() {
    let mut scene = scene(LOW);
    let hello = Hello { worker: "3".into(), primary: Some(false), ..Hello::default() };
    scene.hello_as(1, 1, Peer { uid: 1000, key: None, position: Position::Outside }, hello);
    scene.step(1, asking(1, 0.1));
    let done = scene.take();
    assert_eq!((goes(&done), asks(&done).len()), (vec![Some(1)], 0));
}
