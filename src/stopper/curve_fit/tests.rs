use super::*;
use crate::model::{Mode, StopperKind};
use crate::stopper::fixture::Play;

fn curve(values: impl IntoIterator<Item = f64>) -> Curve {
    let mut curve = Curve::default();
    for (i, value) in values.into_iter().enumerate() {
        curve.push(i as f64 + 1.0, value);
    }
    curve
}

/// A forecast of the 100th value from the first `known` ones.
fn ahead(known: usize, f: impl Fn(f64) -> f64) -> Forecast {
    look_ahead(curve((1..=known).map(|x| f(x as f64))).points(), 100.0).expect("points enough")
}

/// Splitmix64, as numbers from 0 to 1 and as noise that is nearly normal (twelve of them, less six).
struct Draw(u64);

impl Draw {
    fn one(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.one()
    }

    fn noise(&mut self) -> f64 {
        (0..12).map(|_| self.one()).sum::<f64>() - 6.0
    }
}

#[test]
fn curves_of_every_family_are_carried_on_to_where_they_end() {
    type Family = (&'static str, fn(f64) -> f64);
    let families: [Family; 11] = [
        ("vap", |x| (-0.4 - 1.5 / x + 0.05 * x.ln()).exp()),
        ("ilog2", |x| 0.9 - 0.4 / (x + 1.0).ln()),
        ("weibull", |x| 0.9 - 0.8 * (-(0.1 * x).powf(0.8)).exp()),
        ("pow3", |x| 0.8 - 0.6 * x.powf(-0.5)),
        ("pow4", |x| 0.9 - (0.5 * x + 1.0).powf(-0.7)),
        ("loglog_linear", |x| (0.2 * x.ln() + 1.1).ln()),
        ("mmf", |x| 0.9 - 0.7 / (1.0 + (0.1 * x).powf(1.3))),
        ("janoschek", |x| 0.9 - 0.8 * (-0.1 * x.powf(0.8)).exp()),
        ("hill3", |x| 0.9 * x.powf(1.2) / (8f64.powf(1.2) + x.powf(1.2))),
        ("log_power", |x| 0.9 / (1.0 + (x / 2f64.exp()).powf(-1.2))),
        ("exp4", |x| 0.8 - (-0.1 * x.powf(0.8) - 0.3).exp()),
    ];
    for (name, f) in families {
        let (seen, known) = (ahead(40, f), f(100.0));
        let to_come = known - f(40.0);
        assert!((seen.mean - known).abs() < 0.1 * to_come + 0.002, "{name}: {} is not {known}", seen.mean);
        assert!((seen.mean - known).abs() < 3.0 * seen.sd, "{name}: {} is not {known} +- {}", seen.mean, seen.sd);
        assert!(seen.sd < 0.5 * (known - f(1.0)), "{name}: nothing is said with a deviation of {}", seen.sd);
    }
}

/// 300 noisy curves of three families with figures drawn at random, R = 100: how often what comes lies below the quantiles
/// of what was forecast.
#[test]
fn what_is_said_to_come_comes_as_often_as_it_is_said() {
    let mut draw = Draw(11);
    for known in [20usize, 40, 70] {
        let mut below = [0.0; 3];
        for number in 0..300 {
            let (rise, noise) = (draw.between(0.2, 0.8), draw.between(0.002, 0.02));
            let (pace, bend) = (draw.between(2.0, 40.0), draw.between(0.5, 1.5));
            let truth = |x: f64| match number % 3 {
                0 => -rise * x.powf(-bend),
                1 => -rise * (-(x / pace).powf(bend)).exp(),
                _ => -rise / (1.0 + (x / pace).powf(bend)),
            };
            let values: Vec<f64> = (1..=100).map(|x| truth(f64::from(x)) + noise * draw.noise()).collect();
            let seen = look_ahead(curve(values[..known].iter().copied()).points(), 100.0).expect("points enough");
            let place = 1.0 - seen.above(values[99]);
            for (count, level) in below.iter_mut().zip([0.05, 0.5, 0.95]) {
                *count += f64::from(u8::from(place < level)) / 300.0;
            }
        }
        println!(
            "{known} of 100 known: below the 5 % quantile {:.3}, 50 % {:.3}, 95 % {:.3}",
            below[0], below[1], below[2]
        );
        // A chance that is said to be 5 % is at most twice that; the middle may lean.
        assert!(below[0] < 0.1 && below[2] > 0.9, "{known}: {below:?}");
        assert!((0.25..0.75).contains(&below[1]), "{known}: {below:?}");
    }
}

fn play(mode: Mode) -> Play {
    let mut play = Play::new(&StopperKind::Curve { p: 0.05 });
    (play.mode, play.max) = (mode, Some(40.0));
    play
}

/// Saturates at `top`, noise of a thousandth.
fn saturates(top: f64) -> Vec<f64> {
    (1..=40).map(|x| top - 0.5 * (-0.2 * f64::from(x)).exp() + 0.001 * f64::from(x * 7 % 5)).collect()
}

#[test]
fn a_trial_that_levels_off_below_the_best_is_stopped_and_one_that_climbs_is_not() {
    let turned = |values: &[f64]| values.iter().map(|v| 3.0 - v).collect::<Vec<f64>>();
    let (good, poor) = (saturates(0.9), saturates(0.6));
    let mut max = play(Mode::Max);
    max.whole("good", &good);
    let stopped = max.stops("poor", &poor).expect("stopped");
    assert!((8..=30).contains(&stopped), "stopped at {stopped}");
    assert_eq!(max.stops("better", &saturates(0.95)), None);
    let mut min = play(Mode::Min);
    min.whole("good", &turned(&good));
    assert_eq!(min.stops("poor", &turned(&poor)), Some(stopped), "a loss is a gain turned round");
    assert_eq!(min.stops("better", &turned(&saturates(0.95))), None);
}

#[test]
fn the_metrics_scale_does_not_matter() {
    let scaled = |values: &[f64]| values.iter().map(|v| 1e6 * v - 4e6).collect::<Vec<f64>>();
    let (mut a, mut b) = (play(Mode::Max), play(Mode::Max));
    a.whole("good", &saturates(0.9));
    b.whole("good", &scaled(&saturates(0.9)));
    for top in [0.5, 0.7, 0.85, 0.88, 0.92] {
        let name = top.to_string();
        assert_eq!(a.stops(&name, &saturates(top)), b.stops(&name, &scaled(&saturates(top))), "{top}");
    }
}

#[test]
fn without_a_best_a_length_or_values_nobody_can_say() {
    let mut p = play(Mode::Max);
    let last = |p: &mut Play, name: &str, values: &[f64]| values.iter().map(|v| p.report(name, *v)).last();
    assert_eq!(last(&mut p, "a", &saturates(0.9)[..7]), Some(Verdict::Unknown(Unknown::Grace)));
    assert_eq!(p.report("a", 0.8), Verdict::Unknown(Unknown::Peers(0, 1)));
    assert_eq!(last(&mut p, "b", &[f64::NAN; 8]), Some(Verdict::Unknown(Unknown::Value)));
    let few = [f64::NAN, 0.1, f64::NAN, 0.2, f64::NAN, f64::NAN, f64::NAN, 0.3];
    assert_eq!(last(&mut p, "c", &few), Some(Verdict::Unknown(Unknown::Reports(3, 4))));
    p.min_peers = Some(9);
    assert_eq!(last(&mut p, "d", &saturates(0.9)[..8]), Some(Verdict::Unknown(Unknown::Peers(2, 9))));
    (p.max, p.min_peers) = (None, None);
    assert_eq!(last(&mut p, "e", &saturates(0.9)[..8]), Some(Verdict::Unknown(Unknown::Length)));
}

#[test]
fn decisions_fall_every_twentieth_of_the_length_and_none_at_the_end() {
    let mut p = play(Mode::Max);
    p.whole("good", &saturates(0.9));
    let mut due = Vec::new();
    for (i, value) in saturates(0.95).iter().enumerate() {
        if matches!(p.report("new", *value), Verdict::Continue(_) | Verdict::Stop(_)) {
            due.push(i + 1);
        }
    }
    assert_eq!(due, (8..40).step_by(2).collect::<Vec<_>>());
}

#[test]
fn nan_in_the_middle_is_passed_over() {
    let mut values = saturates(0.6);
    (values[3], values[6], values[9]) = (f64::NAN, f64::INFINITY, f64::NEG_INFINITY);
    let mut p = play(Mode::Max);
    p.whole("good", &saturates(0.9));
    assert!(p.stops("poor", &values).is_some());
}

#[test]
fn a_jump_that_all_complete_trials_made_is_expected_of_the_next() {
    // At 30 a learning rate falls, and everybody gains 0.2.
    let jumps = |top: f64| {
        saturates(top).iter().enumerate().map(|(i, v)| v + if i < 30 { 0.0 } else { 0.2 }).collect::<Vec<f64>>()
    };
    let mut p = play(Mode::Max);
    for (i, top) in [0.55, 0.6, 0.65, 0.6, 0.62, 0.58].iter().enumerate() {
        p.whole(&i.to_string(), &jumps(*top));
    }
    assert_eq!(p.stops("better", &jumps(0.68)), None, "0.68 before the jump is far below 0.85");
    assert!(p.stops("poor", &jumps(0.3)).is_some());
}

#[test]
fn what_is_remembered_changes_no_verdict() {
    let tops = [0.7, 0.8, 0.6, 0.9, 0.65, 0.85, 0.75, 0.88];
    let mut seen = play(Mode::Max);
    let remembering: Vec<_> =
        tops.iter().enumerate().map(|(i, top)| (i, seen.stops(&i.to_string(), &saturates(*top)))).collect();
    let verdict = |i: usize| {
        // Everything before is told to a rule that has never been asked.
        let mut fresh = play(Mode::Max);
        for (j, top) in tops.iter().enumerate().take(i) {
            let run = fresh.run(&j.to_string());
            let stop = remembering[j].1.unwrap_or(40);
            saturates(*top)[..stop].iter().enumerate().for_each(|(k, v)| fresh.field.report(run, k as f64 + 1.0, *v));
        }
        fresh.stops(&i.to_string(), &saturates(tops[i]))
    };
    for (i, stop) in &remembering {
        assert_eq!(verdict(*i), *stop, "trial {i}");
    }
}

#[test]
fn a_fold_is_stopped_when_it_cannot_carry_its_configuration() {
    let mut p = play(Mode::Max);
    for fold in ["good/0", "good/1"] {
        p.whole(fold, &saturates(0.9));
    }
    p.whole("next/0", &saturates(0.97));
    assert_eq!(p.stops("next/1", &saturates(0.88)), None, "a mean of 0.925 is enough");
    p.whole("poor/0", &saturates(0.8));
    assert!(p.stops("poor/1", &saturates(0.88)).is_some(), "a mean of 0.84 is not");
}
