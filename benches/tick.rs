//! A whole tick of the engine: samples of 1,000 trials come in, 20 rules are judged, a snapshot goes out.
//!
//! `cargo bench --bench tick`. The target is that of the issue: 20 rules that predict over 1,000 trials under 60 ms a tick.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use earlystop::engine::Engine;
use earlystop::model::{
    Event, HostSample, Memory, Moment, Name, Pair, Position, ProcKey, Register, Root, RunId, SECOND, Settings, Tick,
    TreeSample, TrialSpec,
};
use earlystop::policy::{self, Context};

const TRIALS: u32 = 1000;
/// Two minutes fill the windows, then it is measured.
const TICKS: u64 = 150;

fn moment(second: u64) -> Moment {
    let ns = (1000 + second) * SECOND;
    Moment { boot_ns: ns, mono_ns: ns, wall_ms: 1_700_000_000_000 + second as i64 * 1000 }
}

fn key(pid: u32) -> ProcKey {
    ProcKey { pid, start: u64::from(pid), inode: u64::from(pid) }
}

fn sample(n: u32, second: u64) -> TreeSample {
    let resident = (100 << 20) + second * 4096 * u64::from(n % 7);
    TreeSample {
        run: RunId(n.into()),
        complete: true,
        memory: Some(Memory { resident, shared: 1 << 20 }),
        swap: Some(0),
        proportional: None,
        limit: Some(1 << 40),
        cpu: Pair { first: second as f64, second: 0.5 },
        utilization: Some(1.0),
        processes: 1,
        threads: 4,
        io: None,
        major_faults: None,
        switches: None,
        members: Arc::new([]),
    }
}

/// The median time of a tick over the last ticks, and that of a snapshot, milliseconds.
fn measured(rules: &str) -> (f64, f64) {
    let (policy, _) = policy::parse(rules, Path::new("bench.toml"), &Context::default()).expect("sound rules");
    let mut engine = Engine::new(Settings::default(), || 0, moment(0));
    engine.step(moment(0), &Event::Policy(Arc::new(policy)));
    for n in 1..=TRIALS {
        let spec = TrialSpec { trial: Name::new(&format!("t{n}")).ok(), ..TrialSpec::default() };
        let register = Register {
            run: RunId(n.into()),
            spec,
            fallback: Name::new("t").expect("a name"),
            root: Root { key: key(n), subreaper: None },
            uid: 1000,
            position: Position::Outside,
            may_stop: true,
            conn: None,
        };
        engine.step(moment(0), &Event::Register(register));
    }
    let (mut ticks, mut snapshots) = (Vec::new(), Vec::new());
    for second in 1..=TICKS {
        let trees = (1..=TRIALS).map(|n| sample(n, second)).collect();
        let tick =
            Tick { at: moment(second), took_ns: 0, overruns: 0, trees, host: HostSample::default(), up: Vec::new() };
        let event = Event::Tick(tick);
        let begin = Instant::now();
        let effects = engine.step(moment(second), &event);
        ticks.push(begin.elapsed().as_secs_f64() * 1e3);
        assert!(effects.is_empty(), "no rule fires: {:?}", effects.first());
        let begin = Instant::now();
        std::hint::black_box(engine.snapshot());
        snapshots.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    let median = |mut all: Vec<f64>| {
        let mut last = all.split_off(all.len() - 20);
        last.sort_by(f64::total_cmp);
        last[10]
    };
    (median(ticks), median(snapshots))
}

fn main() {
    let rule = |i: u32| {
        format!("[[rule]]\nname = \"r{i}\"\nexpr = 'predict_linear(trial_memory_bytes[2m], {}) > 8e12'\n", 600 + i)
    };
    let (bare, _) = measured("");
    println!("a tick of {TRIALS} trials, median of 20:");
    println!("{bare:9.3} ms                  without rules");
    for count in [1, 20] {
        let rules: String = (0..count).map(rule).collect();
        let (tick, snapshot) = measured(&rules);
        let share = if count == 20 { format!("{:4.0} % of 60ms", tick / 0.6) } else { " ".repeat(13) };
        println!("{tick:9.3} ms  {share}   {count} rules that predict; a snapshot then takes {snapshot:.3} ms");
    }
}
