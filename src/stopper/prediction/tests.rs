use super::*;
use crate::model::{Mode, StopperKind};
use crate::stopper::fixture::Play;

/// A trial that saturates at `top`: straight lines tell its end from any part of it. `wobble` makes trials differ.
fn saturates(top: f64, wobble: usize) -> Vec<f64> {
    let noise = |x: usize| 0.002 * ((x * 7 + wobble * 5) % 9) as f64 / 9.0;
    (1..=20).map(|x| top * (1.0 - 0.7 * (-0.25 * x as f64).exp()) + noise(x)).collect()
}

const TOPS: [f64; 12] = [0.5, 0.82, 0.64, 0.9, 0.71, 0.58, 0.77, 0.68, 0.86, 0.55, 0.61, 0.74];

fn play(train_trials: u32, mode: Mode) -> Play {
    let mut play = Play::new(&StopperKind::Prediction { delta: 0.95, train_trials, dialect: PredictionDialect::Ridge });
    (play.mode, play.max) = (mode, Some(20.0));
    play
}

fn turned(values: &[f64]) -> Vec<f64> {
    values.iter().map(|v| 2.0 - v).collect()
}

/// A search whose first trials are complete.
fn begun(mode: Mode) -> Play {
    let mut play = play(10, mode);
    for (i, top) in TOPS.iter().enumerate() {
        let values = saturates(*top, i);
        play.whole(&i.to_string(), &if mode == Mode::Max { values } else { turned(&values) });
    }
    play
}

#[test]
fn a_trial_that_will_end_below_the_best_is_stopped_and_one_above_is_not() {
    for mode in [Mode::Max, Mode::Min] {
        let mut p = begun(mode);
        let values = |top| if mode == Mode::Max { saturates(top, 3) } else { turned(&saturates(top, 3)) };
        assert_eq!(p.stops("poor", &values(0.6)), Some(4), "at the first place of decision");
        assert_eq!(p.stops("better", &values(0.97)), None);
    }
}

#[test]
fn the_end_is_predicted_in_the_metrics_own_unit() {
    let mut p = begun(Mode::Min);
    let values = turned(&saturates(0.8, 3));
    let Some(Verdict::Stop(e) | Verdict::Continue(e)) = values[..4].iter().map(|v| p.report("new", *v)).last() else {
        unreachable!("4 of 20 is a place of decision")
    };
    let end = values[19];
    assert!((e.own - end).abs() < 0.02, "{} is not {end}", e.own);
    assert!((e.bar - turned(&saturates(0.9, 3))[19]).abs() < 1e-12 && e.peers == 12);
}

#[test]
fn nothing_is_said_before_enough_trials_are_complete() {
    let mut p = play(10, Mode::Max);
    let last = |p: &mut Play, name: &str| saturates(0.6, 1)[..4].iter().map(|v| p.report(name, *v)).last();
    assert_eq!(last(&mut p, "first"), Some(Verdict::Unknown(Unknown::Peers(0, 1))));
    for (i, top) in TOPS.iter().enumerate().take(9) {
        p.whole(&i.to_string(), &saturates(*top, i));
    }
    assert_eq!(last(&mut p, "a"), Some(Verdict::Unknown(Unknown::Peers(9, 10))));
    p.end("a", End::Cut);
    p.whole("diverged", &[f64::NAN; 20]);
    assert_eq!(last(&mut p, "b"), Some(Verdict::Unknown(Unknown::Peers(9, 10))), "who came to nothing teaches nothing");
    p.max = None;
    assert_eq!(last(&mut p, "c"), Some(Verdict::Unknown(Unknown::Length)));
}

#[test]
fn nan_is_passed_over_and_nothing_but_nan_is_no_value() {
    let mut p = begun(Mode::Max);
    let mut values = saturates(0.6, 2);
    (values[0], values[2]) = (f64::NAN, f64::INFINITY);
    assert!(p.stops("gaps", &values).is_some());
    let nan = [f64::NAN; 4].iter().map(|v| p.report("nan", *v)).last();
    assert_eq!(nan, Some(Verdict::Unknown(Unknown::Value)));
    // One that has diverged to -1e30 is no reason to know nothing of the others.
    let mut wild = saturates(0.6, 2);
    wild[19] = -1e30;
    p.whole("wild", &wild);
    assert!(p.stops("poor", &saturates(0.6, 4)).is_some());
}

#[test]
fn it_learns_anew_each_time_a_tenth_more_are_complete() {
    let rule = |dialect| Prediction::new(0.95, 10, dialect, Sight::All);
    let counts = |rule: Prediction| [9, 10, 11, 12, 13, 99, 100, 1000].map(|n| rule.learned_from(n));
    let (ridge, svr) = (counts(rule(PredictionDialect::Ridge)), counts(rule(PredictionDialect::NuSvr)));
    // 10, 11, 13, 15, 17, 19, 21, 24, ...
    assert_eq!(ridge, [None, Some(10), Some(11), Some(11), Some(13), Some(94), Some(94), Some(963)]);
    assert_eq!((svr[5], svr[7]), (Some(94), Some(94)), "nu-SVR is trained on a hundred at most");
}

#[test]
fn what_is_remembered_changes_no_verdict() {
    let mut seen = begun(Mode::Max);
    let values = |top| saturates(top, 7);
    for top in [0.6, 0.85, 0.95, 0.7] {
        let mut fresh = begun(Mode::Max);
        let verdicts = |p: &mut Play, name: &str| values(top).iter().map(|v| p.report(name, *v)).collect::<Vec<_>>();
        let name = top.to_string();
        let remembering = verdicts(&mut seen, &name);
        // The one is out of the way, so that both see the same trials.
        seen.end(&name, End::Cut);
        for before in [0.6, 0.85, 0.95, 0.7].iter().take_while(|before| **before != top) {
            let name = before.to_string();
            let run = fresh.run(&name);
            values(*before).iter().enumerate().for_each(|(i, v)| fresh.field.report(run, i as f64 + 1.0, *v));
            fresh.end(&name, End::Cut);
        }
        assert_eq!(verdicts(&mut fresh, &name), remembering, "{top}");
    }
}

#[test]
fn hyperparameters_and_system_metrics_are_seen_where_the_curve_says_nothing() {
    // All curves are alike until the end, which only the parameter and the memory tell.
    let mut fields = [Field::default(), Field::default()];
    let place = Place { at: 4.0, end: 20.0 };
    let parameter = |field: &mut Field, i: usize, top: f64, by: usize| {
        let mut peer = Peer { name: i.to_string().into(), end: End::Complete, ..Peer::default() };
        (1..20).for_each(|x| _ = peer.curve.push(f64::from(x), f64::from(x) * 0.01));
        peer.curve.push(20.0, top);
        if by == 0 {
            peer.params = Arc::new([("width".to_owned(), (top * 100.0).to_string())].into());
        } else {
            let mut memory = Curve::default();
            memory.push(1.0, 1e9 * 2f64.powf(top));
            peer.beside.insert("memory_bytes".into(), memory);
        }
        field.enter(crate::model::RunId(i as u128), peer);
    };
    for (by, field) in fields.iter_mut().enumerate() {
        TOPS.iter().enumerate().for_each(|(i, top)| parameter(field, i, *top, by));
        let trials = complete(field, place);
        let model = |sight| Model::train(&trials[1..], place, PredictionDialect::Ridge, sight).expect("it learns");
        let miss = |sight| (model(sight).predict(trials[0]).0 - TOPS[0]).abs();
        let (with, without) =
            if by == 0 { (Sight::Parameters, Sight::System) } else { (Sight::System, Sight::Parameters) };
        assert!(miss(with) < 0.05 && miss(Sight::All) < 0.05, "{} {}", miss(with), miss(Sight::All));
        assert!(miss(without) > 0.1 && miss(Sight::Curve) > 0.1);
    }
}
