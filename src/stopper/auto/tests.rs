use super::super::field::{End, Field, Peer};
use super::super::fixture::Play;
use super::*;
use crate::model::{RunId, StopperKind};

const LENGTH: usize = 40;

fn play(mode: Mode) -> Play {
    let mut play = Play::new(&StopperKind::Auto);
    (play.mode, play.max) = (mode, Some(LENGTH as f64));
    play
}

/// Between 0 and 1; SplitMix64.
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as f64 / u64::MAX as f64
}

/// Rises to a height, with some noise.
fn rising(height: f64, state: &mut u64) -> Vec<f64> {
    (1..=LENGTH).map(|at| height * (1.0 - (-(at as f64) / 8.0).exp()) + 0.01 * random(state)).collect()
}

fn falling(floor: f64, state: &mut u64) -> Vec<f64> {
    rising(1.0, state).iter().map(|v| floor * (1.0 + 20.0 * (1.05 - v))).collect()
}

/// Trials whose heights lie between 0.2 and 0.8, each complete.
fn learned(mode: Mode, trials: usize) -> (Play, u64) {
    let (mut play, mut state) = (play(mode), 1);
    for n in 0..trials {
        let level = 0.2 + 0.6 * random(&mut state);
        let values = if mode == Mode::Max { rising(level, &mut state) } else { falling(level, &mut state) };
        play.whole(&n.to_string(), &values);
    }
    (play, state)
}

#[test]
fn the_hopeless_are_stopped_and_the_good_come_through() {
    for (mode, bad, good) in [(Mode::Max, 0.3, 0.9), (Mode::Min, 0.7, 0.15)] {
        let (mut play, mut state) = learned(mode, 20);
        let curve = if mode == Mode::Max { rising } else { falling };
        let stopped = play.stops("bad", &curve(bad, &mut state));
        assert!(stopped.is_some_and(|at| at <= LENGTH / 2), "{mode:?}: {stopped:?}");
        assert_eq!(play.stops("good", &curve(good, &mut state)), None, "{mode:?}");
    }
}

#[test]
fn it_takes_three_complete_trials() {
    let (mut play, mut state) = learned(Mode::Max, 2);
    let few = Verdict::Unknown(Unknown::Peers(2, 3));
    assert_eq!((play.report("x", 0.0), play.report("x", 0.0)), (Verdict::NotDue, few), "the first rung is at 2 of 40");
    play.whole("third", &rising(0.5, &mut state));
    assert!(matches!(play.at("x", 4.0, 0.0), Verdict::Continue(_) | Verdict::Stop(_)));
    play.min_peers = Some(5);
    assert_eq!(play.at("x", 6.0, 0.0), Verdict::Unknown(Unknown::Peers(3, 5)));
    play.grace = Some(10.0);
    assert_eq!(play.at("x", 8.0, 0.0), Verdict::Unknown(Unknown::Grace));
}

#[test]
fn decisions_are_due_at_rungs_only() {
    let (mut play, mut state) = learned(Mode::Max, 10);
    let values = rising(0.8, &mut state);
    let due: Vec<usize> = (1..=LENGTH).filter(|at| play.report("x", values[at - 1]) != Verdict::NotDue).collect();
    assert_eq!(due, (1..=15).map(|k| 2 * k).collect::<Vec<_>>());
    let says = play.at("late", 35.0, 0.0);
    assert_eq!(says, Verdict::NotDue, "it reports seldom: at 35 of 40 nothing is left to save");
}

#[test]
fn a_length_that_nobody_tells_is_not_guessed() {
    let (mut play, _) = learned(Mode::Max, 10);
    for max in [None, Some(f64::NAN), Some(0.0), Some(-1.0)] {
        play.max = max;
        assert_eq!(play.at("x", 20.0, 0.0), Verdict::Unknown(Unknown::Length), "though ten came to {LENGTH}");
    }
}

#[test]
fn who_has_no_number_is_stopped_unless_finished_trials_had_none_either() {
    let (mut play, _) = learned(Mode::Max, 5);
    play.report("x", f64::NAN);
    let Verdict::Stop(evidence) = play.report("x", f64::NAN) else { panic!("nothing but NaN") };
    assert!(evidence.own.is_nan() && evidence.note.is_some_and(|note| note.starts_with("no finite value by 5 %")));
    let mut late = rising(0.5, &mut 3);
    late[..10].fill(f64::NAN);
    play.whole("late", &late);
    play.report("y", f64::NAN);
    assert_eq!(play.report("y", f64::NAN), Verdict::Unknown(Unknown::Value));
    assert_eq!(play.stops("inf", &[f64::INFINITY, f64::INFINITY, 0.4, 0.5]), None, "infinity is no best value");
}

#[test]
fn equal_trials_go_on() {
    for (mode, value) in [(Mode::Max, 1e6), (Mode::Max, 0.0), (Mode::Min, 1e-9), (Mode::Min, 0.0)] {
        let mut play = play(mode);
        for n in 0..30 {
            play.whole(&n.to_string(), &[value; LENGTH]);
        }
        assert_eq!(play.stops("x", &[value; LENGTH]), None, "{mode:?} {value}");
    }
}

#[test]
fn a_loss_of_zero_is_no_missing_value() {
    let (mut play, mut state) = learned(Mode::Min, 12);
    let mut perfect = falling(0.1, &mut state);
    perfect[..].iter_mut().for_each(|v| *v -= 0.1);
    perfect[1] = 0.0;
    assert_eq!(play.stops("perfect", &perfect), None);
}

#[test]
fn a_verdict_says_what_it_rests_on() {
    let (mut play, mut state) = learned(Mode::Max, 20);
    let values = rising(0.3, &mut state);
    let at = play.stops("bad", &values).expect("it is stopped");
    let mut play = learned(Mode::Max, 20).0;
    let verdict = values[..at].iter().map(|v| play.report("bad", *v)).last();
    let Some(Verdict::Stop(evidence)) = verdict else { panic!("{verdict:?}") };
    let words = Verdict::Stop(evidence.clone()).words(crate::model::Axis::Epoch, Mode::Max).expect("words");
    assert!(
        words.starts_with("forecast of the end 0.3") && words.contains("the best final value of 20 finished trials"),
        "{words}"
    );
    let note = evidence.note.expect("a note");
    for part in ["learnt from 20 trials", "chance of a new best", "budget 3 %"] {
        assert!(note.contains(part), "{note}");
    }
    assert!((evidence.own - 0.3).abs() < 0.1 && evidence.bar > 0.5, "in the metric's own unit");
}

/// Nothing of what was worked out before.
fn forgetful(play: &mut Play) {
    play.field = play.field.clone();
}

/// The same trials, taken in with their ends known, in the order of their starts.
fn rebuilt(field: &Field, runs: usize) -> Field {
    let mut again = Field::default();
    for run in (0..runs).map(|n| RunId(n as u128)) {
        if let Some(peer) = field.peer(run) {
            again.enter(run, peer.clone());
        }
    }
    let number =
        |name: &str| (0..runs).map(|n| RunId(n as u128)).find(|r| field.peer(*r).is_some_and(|p| *p.name == *name));
    let order: Vec<RunId> = field.ended().filter_map(|(_, peer)| number(&peer.name)).collect();
    again.ended_in(order.into_iter());
    again
}

#[test]
fn what_is_kept_changes_no_verdict() {
    for mode in [Mode::Max, Mode::Min] {
        let (mut kept, mut state) = (play(mode), 5);
        let mut stops = 0;
        for n in 0..40 {
            // Two at a time, so that trials end in another order than they begin.
            let names = [format!("a{n}"), format!("b{n}")];
            let level = 0.2 + 0.6 * random(&mut state);
            let curves = [rising(level, &mut state), falling(level, &mut state)];
            let mut runs = [true; 2];
            for at in 0..LENGTH {
                for who in [1, 0].into_iter().filter(|who| at >= 7 * who) {
                    if !runs[who] {
                        continue;
                    }
                    let value = curves[usize::from(mode == Mode::Min)][at - 7 * who];
                    let mut fresh = play(mode);
                    fresh.field = if n % 2 == 0 { kept.field.clone() } else { rebuilt(&kept.field, 80) };
                    let verdict = kept.report(&names[who], value);
                    if verdict != Verdict::NotDue && n % 5 == 0 {
                        forgetful(&mut kept);
                    }
                    if verdict != Verdict::NotDue {
                        let run = kept.run(&names[who]);
                        assert_eq!(
                            again(&mut fresh.field, run, at - 7 * who, value, mode),
                            verdict,
                            "{mode:?} {n} {at}"
                        );
                    }
                    if matches!(verdict, Verdict::Stop(_)) {
                        (runs[who], stops) = (false, stops + 1);
                        kept.end(&names[who], End::Cut);
                    }
                }
            }
            (0..2).filter(|who| runs[*who]).for_each(|who| kept.end(&names[who], End::Complete));
        }
        assert!(stops > 10, "{mode:?}: {stops}");
    }
}

/// What is said of a report by a rule that comes to the field anew.
fn again(field: &mut Field, run: RunId, step: usize, value: f64, mode: Mode) -> Verdict {
    let (at, before) = (step as f64 + 1.0, (step > 0).then_some(step as f64));
    field.report(run, at, if mode == Mode::Max { value } else { -value });
    let unit = field.unit(run).expect("it is there");
    let max = Some(LENGTH as f64);
    Auto.decide(&mut Case { field, run, unit, at, before, max, grace: None, min_peers: None, mode })
}

#[test]
fn folds_are_one() {
    let (mut play, mut state) = (play(Mode::Max), 2);
    for n in 0..12 {
        let level = 0.2 + 0.05 * f64::from(n);
        for fold in 0..3 {
            play.whole(&format!("{n}/{fold}"), &rising(level, &mut state));
        }
    }
    // Two folds of it are through; only with the third it would be complete.
    for fold in 0..2 {
        play.whole(&format!("own/{fold}"), &rising(0.9, &mut state));
    }
    let verdict = rising(0.9, &mut state)[..4].iter().map(|value| play.report("own/2", *value)).last();
    let Some(Verdict::Continue(evidence)) = verdict else { panic!("{verdict:?}") };
    assert_eq!(evidence.peers, 12, "configurations, not folds, and not its own");
    let bad = (0..3).find_map(|fold| play.stops(&format!("bad/{fold}"), &rising(0.2, &mut state)));
    assert!(bad.is_some());
}

#[test]
fn a_new_attempt_is_not_measured_by_the_one_before() {
    let (mut play, mut state) = learned(Mode::Max, 6);
    play.whole("x", &rising(5.0, &mut state));
    let run = RunId(1000);
    play.field.enter(run, Peer { name: "x".into(), ..Peer::default() });
    let mut bar = f64::NAN;
    for (step, value) in rising(0.5, &mut state).into_iter().enumerate().take(10) {
        if let Verdict::Stop(e) | Verdict::Continue(e) = again(&mut play.field, run, step, value, Mode::Max) {
            assert_eq!(e.peers, 6);
            bar = e.bar;
        }
    }
    assert!(bar < 1.0, "{bar}");
}

#[test]
fn whatever_is_reported_it_answers() {
    let wild = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e308, -1e308, 1e-308, 1.0, 2.0, -3.0];
    let mut state = 11;
    for round in 0..40 {
        let mut play = play(if round % 2 == 0 { Mode::Max } else { Mode::Min });
        play.max = [Some(40.0), Some(1e-3), Some(f64::NAN), Some(-1.0), None][round % 5];
        for n in 0..25 {
            let name = format!("{}", n % 20);
            for _ in 0..LENGTH {
                let at = (random(&mut state) * 45.0 * 4.0).round() / 4.0 - 2.0;
                let value = wild[(random(&mut state) * wild.len() as f64) as usize % wild.len()];
                if let Verdict::Stop(e) | Verdict::Continue(e) = play.at(&name, at, value) {
                    assert!(!e.bar.is_nan());
                }
            }
            play.end(&name, if n % 3 == 0 { End::Cut } else { End::Complete });
        }
    }
}
