//! What a decision of a stopping rule costs with 1,000 peers.
//!
//! `cargo bench --bench stoppers`. Every trial reports at 1, 2, ..., 100; once they come one after the other and 1,000 have
//! ended, once 1,000 run side by side, and once they come one after the other and each reports at places of its own, where
//! nothing can be kept. The target is about 1 us a decision for the rules that rank (median, percentile, asha) where trials
//! report at the same places.

use std::sync::Arc;
use std::time::Instant;

use earlystop::model::{
    AshaDialect, FutilityVariant, MedianDialect, Mode, PatienceDialect, PrecheltCriterion, RunId, Slack, StopperKind,
};
use earlystop::stopper::{self, Case, End, Field, Peer, Stopper};

const PEERS: usize = 1000;
const REPORTS: usize = 100;
/// So many more trials are measured.
const FURTHER: usize = 50;

fn kinds() -> Vec<(String, StopperKind)> {
    let mut kinds = Vec::new();
    for dialect in MedianDialect::ALL {
        kinds.push((format!("median {}", dialect.as_str()), StopperKind::Median { dialect }));
    }
    kinds.push(("percentile".into(), StopperKind::Percentile { p: 25.0 }));
    for dialect in AshaDialect::ALL {
        kinds.push((format!("asha {}", dialect.as_str()), StopperKind::Asha { eta: 3.0, dialect }));
    }
    let prechelt = PrecheltCriterion::Up;
    for (name, kind) in [
        ("auto", StopperKind::Auto),
        ("bandit", StopperKind::Bandit { slack: Slack::Ratio(0.1) }),
        ("plateau", StopperKind::Plateau { window: 10, std: 0.001 }),
        ("patience", StopperKind::Patience { patience: 20, min_delta: 0.001, dialect: PatienceDialect::Keras }),
        ("threshold", StopperKind::Threshold { above: Some(9.0), below: None }),
        ("prechelt up", StopperKind::Prechelt { criterion: prechelt, limit: 3.0, strip: 5, train_metric: None }),
        ("cv_futility", StopperKind::CvFutility { variant: FutilityVariant::Forgiving }),
        ("wilcoxon", StopperKind::Wilcoxon { p: 0.01 }),
    ] {
        kinds.push((name.into(), kind));
    }
    kinds
}

/// Between 0 and 1; SplitMix64.
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as f64 / u64::MAX as f64
}

fn decide(field: &mut Field, rule: &dyn Stopper, run: RunId, at: f64, value: f64) -> bool {
    let before = field.peer(run).and_then(|peer| peer.curve.last()).map(|last| last.at);
    field.report(run, at, value);
    let unit = field.unit(run).expect("it has entered");
    let max = Some(REPORTS as f64 + 1.0);
    let mut case = Case { field, run, unit, at, before, max, grace: Some(5.0), min_peers: None, mode: Mode::Max };
    matches!(rule.decide(&mut case), stopper::Verdict::Stop(_))
}

fn enter(field: &mut Field, n: usize) -> RunId {
    let run = RunId(n as u128);
    field.enter(run, Peer { name: n.to_string().into(), ..Peer::default() });
    run
}

/// Trials that come one after the other, each shifted by so much. Nanoseconds a decision of those behind the thousandth.
fn one_by_one(rule: &Arc<dyn Stopper>, shift: f64) -> f64 {
    let (mut field, mut state, mut stops) = (Field::default(), 7, 0);
    let mut begin = Instant::now();
    for n in 0..PEERS + FURTHER {
        if n == PEERS {
            begin = Instant::now();
        }
        let (run, height, aside) = (enter(&mut field, n), random(&mut state), shift * random(&mut state));
        for at in 1..=REPORTS {
            let value = height * (1.0 - (-(at as f64) / 20.0).exp()) + 0.05 * random(&mut state);
            stops += usize::from(decide(&mut field, rule.as_ref(), run, at as f64 + aside, value));
        }
        field.end(run, End::Complete);
    }
    std::hint::black_box(stops);
    begin.elapsed().as_nanos() as f64 / (FURTHER * REPORTS) as f64
}

/// 1,000 trials side by side: all report at 1, then all at 2, ...
fn side_by_side(rule: &Arc<dyn Stopper>) -> f64 {
    let (mut field, mut state) = (Field::default(), 7);
    let runs: Vec<RunId> = (0..PEERS).map(|n| enter(&mut field, n)).collect();
    let (mut stops, begin) = (0, Instant::now());
    for at in 1..=REPORTS {
        for run in &runs {
            let value = random(&mut state);
            stops += usize::from(decide(&mut field, rule.as_ref(), *run, at as f64, value));
        }
    }
    std::hint::black_box(stops);
    begin.elapsed().as_nanos() as f64 / (PEERS * REPORTS) as f64
}

fn main() {
    println!("ns a decision with {PEERS} peers, the report itself included");
    println!("{:<18}{:>12}{:>14}{:>16}", "rule", "one by one", "side by side", "places apart");
    for (name, kind) in kinds() {
        let rule = stopper::of(&kind).expect("a kind with a rule");
        let (one, side, apart) = (one_by_one(&rule, 0.0), side_by_side(&rule), one_by_one(&rule, 0.9));
        println!("{name:<18}{one:>12.0}{side:>14.0}{apart:>16.0}");
    }
}
