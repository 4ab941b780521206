//! Folds of a configuration are drawn, kept and lost together. The journals are written event by event.

use std::path::Path;
use std::process::Command;

use earlystop::engine::Engine;
use earlystop::journal::{Format, Imported, Recorder, Times};
use earlystop::model::{
    ConnId, Done, DoneStatus, Event, Hello, HostSample, Line, Mode, Moment, Name, Objective, Peer, Position, RunId,
    SECOND, Said, Settings, Step, Tick, TrialSpec,
};
use serde_json::Value;

use super::history::policy;
use crate::support::BIN;

/// Folds as they report, one step a second.
struct Fold {
    group: &'static str,
    fold: &'static str,
    begins: u64,
    curve: &'static [f64],
}

fn at(second: u64) -> Moment {
    Moment { boot_ns: SECOND, mono_ns: SECOND, wall_ms: 1_700_000_000_000 }.plus(second * SECOND)
}

/// What a fold says at a second of its life.
fn said(n: usize, fold: &Fold, second: u64) -> Option<Said> {
    let run = RunId::from_parts(1_700_000_000_000, n as u128 + 1);
    let spec = TrialSpec {
        trial: Name::new(&format!("{}-{}", fold.group, fold.fold)).ok(),
        experiment: Name::new("folds").ok(),
        objective: Some(Objective { metric: "acc".into(), mode: Mode::Max }),
        total_steps: Some(fold.curve.len() as u64),
        group: Name::new(fold.group).ok(),
        fold: Some(fold.fold.into()),
        ..TrialSpec::default()
    };
    let steps = fold.curve.len() as u64;
    match second {
        0 => Some(Said::Hello(Box::new(Hello { spec, worker: "0".into(), ..Hello::default() }), run)),
        second if second <= steps => {
            let value = fold.curve[second as usize - 1];
            let step = Step { step: Some(second), metrics: vec![("acc".into(), value)], ..Step::default() };
            Some(Said::Step(Box::new(step)))
        }
        second if second == steps + 1 => Some(Said::Done(Done { status: DoneStatus::Completed, metrics: vec![] })),
        _ => None,
    }
}

fn journal(path: &Path, folds: &[Fold]) {
    let settings = Settings { interval_ns: SECOND / 2, ..Settings::default() };
    let imported = Imported { source: "test".into(), format: Format::Csv, times: Times::MadeUp };
    let mut recorder = Recorder::create(path, &settings, imported, at(0)).unwrap();
    let mut engine = Engine::new(settings, || 0, at(0));
    let peer = Peer { uid: 1000, key: None, position: Position::Outside };
    for half in 0..80 {
        let now = at(0).plus(half * SECOND / 2);
        let due = |fold: &Fold| half % 2 == 0 && half / 2 >= fold.begins;
        let lines = folds.iter().enumerate().filter(|(_, fold)| due(fold)).filter_map(|(n, fold)| {
            let conn = ConnId(n as u64 + 1);
            Some(Event::Line(Line { conn, peer, said: said(n, fold, half / 2 - fold.begins)? }))
        });
        let tick = Tick { at: now, took_ns: 0, overruns: 0, trees: vec![], host: HostSample::default(), up: vec![] };
        for event in lines.chain([Event::Tick(tick)]) {
            let effects = engine.step(now, &event);
            recorder.event(now, event).unwrap();
            effects.into_iter().for_each(|effect| recorder.effect(now, effect).unwrap());
        }
    }
    recorder.finish(at(40)).unwrap();
}

#[test]
fn folds_are_drawn_and_lost_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("folds.sqlite");
    let fold = |group, fold, begins, curve| Fold { group, fold, begins, curve };
    // Two configurations, three folds each; those of "a" run at once, those of "b" one after the other.
    let folds = [
        fold("a", "1", 0, &[0.5, 0.6, 0.7, 0.8]),
        fold("a", "2", 0, &[0.5, 0.6, 0.7, 0.9]),
        fold("a", "3", 1, &[0.1, 0.6, 0.7, 1.0]),
        fold("b", "1", 0, &[0.2, 0.3, 0.3, 0.4]),
        fold("b", "2", 6, &[0.2, 0.3, 0.3, 0.5]),
        fold("b", "3", 12, &[0.2, 0.3, 0.3, 0.6]),
    ];
    journal(&path, &folds);
    let replay = |name: &str, rule: &str| -> Value {
        let file = policy(folder.path(), name, &format!("[[rule]]\nname = \"weak\"\n{rule}\n"));
        let words = ["replay", "--policy", &file, &path.display().to_string(), "--permutations", "6", "--json"];
        let output = Command::new(BIN).args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let close = |value: &Value, expected: f64| {
        assert!((value.as_f64().unwrap() - expected).abs() < 1e-9, "{value} is not {expected}");
    };
    // One fold of the best configuration is stopped after its first step: the configuration is lost, its other folds are not.
    let one = replay("one.toml", "expr = 'trial_metric{metric=\"acc\"} < 0.15'");
    assert_eq!((&one["sample"], &one["trials"]), (&2.into(), &6.into()));
    close(&one["speedup"]["mean"], 24.0 / 21.0);
    close(&one["kept"]["share"], 0.0);
    close(&one["regret"]["mean"], 0.4 / 0.9);
    // With its group it takes the others along: they have come to their second step by then.
    let all = replay("all.toml", "stop_group = true\nexpr = 'trial_metric{metric=\"acc\"} < 0.15'");
    close(&all["speedup"]["mean"], 24.0 / (12.0 + 1.0 + 2.0 + 2.0));
    close(&all["rules"][0]["stopped"], 1.0);
}
