//! The same reports to our rules and to the real ones of Optuna, Ray Tune, Syne Tune, NNI and Keras:
//! `cargo test --test it stoppers -- --nocapture`.
//!
//! EARLYSTOP_SEED chooses other curves, EARLYSTOP_ROUNDS how many studies a rule.

mod oracle;
mod study;

use earlystop::model::{AshaDialect, MedianDialect, PatienceDialect, StopperKind};
use serde_json::{Value as Json, json};

use crate::promqltest::random::Random;
use oracle::Oracle;
use study::{Odd, Report, Rule, Spacing, Study};

/// Studies a rule; of one whose twin takes milliseconds a decision.
const ROUNDS: usize = 100;
const FEW: usize = 25;
/// Decisions a study that must have been compared, and stops among them.
const ENOUGH: usize = 100;
const STOPS: usize = 3;

/// What was compared.
#[derive(Default)]
struct Counts {
    decisions: usize,
    stops: usize,
    intended: usize,
    differences: Vec<String>,
}

/// Drives both with random studies, each with a rule of its own.
fn compare(name: &str, rounds: usize, rule: impl Fn(&mut Random) -> Rule) {
    let Some(mut oracle) = Oracle::start() else { return };
    let mut random = Random::seeded(name);
    let rounds = std::env::var("EARLYSTOP_ROUNDS").map_or(rounds, |n| n.parse().expect("a number"));
    let mut counts = Counts::default();
    for round in 0..rounds {
        let rule = rule(&mut random);
        let mut study = Study::new(&rule, &mut random);
        oracle.rule(name, study.mode.as_str(), &rule.settings);
        while let Some(report) = study.next(&mut random) {
            let theirs = oracle.report(report.trial, report.step, report.value);
            let ours = study.decide(&report);
            counts.decisions += 1;
            counts.stops += usize::from(theirs);
            match (rule.intended)(&report) {
                _ if ours.stops == theirs => {}
                true => counts.intended += 1,
                false => counts.differences.push(format!(
                    "round {round}, {}, {}: {report:?}\n  theirs {theirs}, ours {:?}",
                    study.mode.as_str(),
                    rule.settings,
                    ours.verdict
                )),
            }
            if let Some(how) = study.after(&report, theirs, &mut random) {
                oracle.end(report.trial, how);
            }
        }
    }
    let Counts { decisions, stops, intended, differences } = &counts;
    differences.iter().take(20).for_each(|difference| println!("{difference}"));
    println!("{name}: {decisions} decisions, {stops} stops, {} differ, {intended} as intended", differences.len());
    assert!(differences.is_empty(), "{} decisions differ", differences.len());
    assert!(*decisions >= ENOUGH * rounds && *stops >= STOPS * rounds, "{decisions} decisions, {stops} stops");
    assert!(intended * 4 < *stops, "{intended} differ as intended, of {stops} stops");
}

fn median(dialect: MedianDialect) -> StopperKind {
    StopperKind::Median { dialect }
}

/// Where ours is meant to be as theirs, always.
fn never(_: &Report) -> bool {
    false
}

#[test]
fn optuna_median() {
    compare("optuna.median", ROUNDS, |random| {
        let (startup, warmup) = (random.below(7), random.below(6));
        Rule {
            grace: Some(warmup as f64),
            min_peers: Some(startup as usize),
            ..Rule::new(median(MedianDialect::Optuna), json!({ "n_startup_trials": startup, "n_warmup_steps": warmup }))
        }
    });
}

#[test]
fn optuna_percentile() {
    compare("optuna.percentile", ROUNDS, |random| {
        let (startup, p) = (random.below(7), random.pick(&[&10.0, &25.0, &33.3, &50.0, &66.7, &90.0]));
        Rule {
            min_peers: Some(startup as usize),
            ..Rule::new(StopperKind::Percentile { p: *p }, json!({ "percentile": p, "n_startup_trials": startup }))
        }
    });
}

#[test]
fn optuna_asha() {
    compare("optuna.asha", ROUNDS, |random| {
        // No two rungs lie between two reports: what a trial that was pruned at the lower one would be at the upper one,
        // Optuna does not know, and we do.
        let (first, eta) = (3 + random.below(3), 2 + random.below(3));
        let settings = json!({ "min_resource": first, "reduction_factor": eta });
        Rule {
            grace: Some(first as f64),
            spacing: Spacing::Own,
            ..Rule::new(StopperKind::Asha { eta: eta as f64, dialect: AshaDialect::Optuna }, settings)
        }
    });
}

#[test]
fn optuna_threshold() {
    compare("optuna.threshold", ROUNDS, |random| {
        let (above, below) = (1.0 + random.below(40) as f64 / 8.0, -1.0 - random.below(40) as f64 / 8.0);
        let warmup = random.below(6);
        let settings = json!({ "upper": above, "lower": below, "n_warmup_steps": warmup });
        let kind = StopperKind::Threshold { above: Some(above), below: Some(below) };
        Rule { grace: Some(warmup as f64), spacing: Spacing::Own, odd: Odd::All, ..Rule::new(kind, settings) }
    });
}

#[test]
fn optuna_wilcoxon() {
    compare("optuna.wilcoxon", FEW, |random| {
        let p = *random.pick(&[&0.05, &0.1, &0.2, &0.3]);
        let settings = json!({ "p_threshold": p });
        Rule { spacing: Spacing::Own, odd: Odd::Few, ..Rule::new(StopperKind::Wilcoxon { p }, settings) }
    });
}

#[test]
fn ray_median() {
    compare("ray.median", ROUNDS, |random| {
        let (grace, samples) = (random.below(8), 1 + random.below(6));
        Rule {
            grace: Some(grace as f64),
            min_peers: Some(samples as usize),
            // Python's max() of a list keeps a NaN that comes first, and then every median is better. For us the best of the
            // numbers counts.
            intended: |report| report.first.is_nan(),
            ..Rule::new(median(MedianDialect::Ray), json!({ "grace_period": grace, "min_samples_required": samples }))
        }
    });
}

#[test]
fn ray_asha() {
    compare("ray.asha", ROUNDS, |random| {
        let (grace, eta) = (3 + random.below(3), 2 + random.below(3));
        // No report comes to a rung and to the length at once: Ray does not record it at the rung.
        let clear = |max: u64| (0..6).map(|k| grace * eta.pow(k)).all(|rung| rung + 3 <= max || max < rung);
        let max = (15 + random.below(40)..).find(|max| clear(*max)).expect("rungs get sparse");
        let settings = json!({ "grace_period": grace, "reduction_factor": eta, "max_t": max });
        Rule {
            grace: Some(grace as f64),
            max: Some(max as f64),
            spacing: Spacing::Own,
            // Ray ends a trial there; with us a trial that has come to its length ends by itself.
            intended: |report| report.at_length,
            ..Rule::new(StopperKind::Asha { eta: eta as f64, dialect: AshaDialect::Ray }, settings)
        }
    });
}

#[test]
fn ray_plateau() {
    compare("ray.plateau", ROUNDS, |random| {
        // Never just a deviation that values on the grid can have: at the bound itself Ray goes on, and we stop.
        let std = 0.010_000_1 + random.below(1000) as f64 / 1e4;
        let (window, grace) = (2 + random.below(6), random.below(9));
        let settings = json!({ "num_results": window, "std": std, "grace_period": grace });
        let kind = StopperKind::Plateau { window: window as u32, std };
        Rule { grace: Some(grace as f64), ..Rule::new(kind, settings) }
    });
}

#[test]
fn syne_tune_median() {
    compare("syne_tune.median", ROUNDS, |random| {
        let (grace, population) = (random.below(6), 1 + random.below(8));
        Rule {
            grace: Some(grace as f64),
            // Syne Tune counts the trial itself, too.
            min_peers: Some(population as usize - 1),
            ..Rule::new(median(MedianDialect::SyneTune), json!({ "grace_time": grace, "grace_population": population }))
        }
    });
}

#[test]
fn syne_tune_asha() {
    compare("syne_tune.asha", ROUNDS, |random| {
        let (grace, eta) = (3 + random.below(3), 2 + random.below(3));
        let settings = json!({ "grace_period": grace, "reduction_factor": eta, "max_t": 1000 });
        Rule {
            grace: Some(grace as f64),
            max: Some(1000.0),
            spacing: Spacing::Own,
            // Where NaN stands in Python's sorted() is by chance.
            odd: Odd::None,
            ..Rule::new(StopperKind::Asha { eta: eta as f64, dialect: AshaDialect::SyneTune }, settings)
        }
    });
}

#[test]
fn nni_median() {
    compare("nni.median", ROUNDS, |random| {
        let start = random.below(6);
        Rule {
            grace: Some(start as f64),
            // Where NaN stands in Python's sort() is by chance.
            odd: Odd::None,
            ..Rule::new(median(MedianDialect::Nni), json!({ "start_step": start }))
        }
    });
}

#[test]
fn keras_patience() {
    compare("keras.patience", ROUNDS, |random| {
        let (patience, min_delta) = (random.below(6) as u32, random.below(4) as f64 / 16.0);
        let kind = StopperKind::Patience { patience, min_delta, dialect: PatienceDialect::Keras };
        // Nothing is greater than a NaN that came first; for us a number is better.
        let intended = |report: &Report| report.first.is_nan();
        Rule { odd: Odd::All, intended, ..Rule::new(kind, json!({ "patience": patience, "min_delta": min_delta })) }
    });
}

impl Rule {
    fn new(kind: StopperKind, settings: Json) -> Rule {
        let (spacing, odd) = (Spacing::Common, Odd::Nan);
        Rule { kind, settings, grace: None, max: None, min_peers: None, spacing, odd, intended: never }
    }
}
