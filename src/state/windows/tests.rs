use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::model::{Memory, Name, Pair, TreeSample, TrialState};
use crate::promql::{self, Limits, Value};

const MIB: u64 = 1 << 20;

fn at(seconds: u64) -> Moment {
    Moment { boot_ns: seconds * 1_000_000_000, mono_ns: 0, wall_ms: 1_700_000_000_000 + seconds as i64 * 1000 }
}

fn view(n: u128, name: &str, memory: u64) -> TrialView {
    let tree = TreeSample {
        run: RunId(n),
        complete: true,
        memory: Some(Memory { resident: memory, shared: 0 }),
        swap: None,
        proportional: Some(memory / 2),
        limit: None,
        cpu: Pair::default(),
        utilization: None,
        processes: 1,
        threads: 1,
        io: None,
        major_faults: None,
        switches: None,
        members: Arc::new([]),
    };
    TrialView {
        run: RunId(n),
        attempt: 1,
        experiment: Name::new("e").unwrap(),
        trial: Name::new(name).unwrap(),
        labels: Arc::default(),
        params: Arc::default(),
        objective: None,
        group: None,
        fold: None,
        parent: None,
        uid: 0,
        root: None,
        ask_only: false,
        state: TrialState::Running,
        started: at(0),
        ended: None,
        exit: None,
        tree: Some(tree),
        totals: Default::default(),
        progress: Default::default(),
        metrics: BTreeMap::new(),
        rules: Vec::new(),
        stops: BTreeMap::new(),
        saved: BTreeMap::new(),
        stop: None,
    }
}

fn windows_for(exprs: &[&str]) -> Windows {
    let mut windows = Windows::default();
    let needs: Vec<Need> = exprs.iter().flat_map(|e| needs(&promql::parse(e).unwrap(), 300_000)).collect();
    windows.keep(&needs);
    windows
}

fn values(expr: &str, source: &dyn Source, at: i64) -> Vec<(String, f64)> {
    let Value::Vector(elements) =
        promql::instant(&promql::parse(expr).unwrap(), source, at, &Limits::default()).unwrap()
    else {
        panic!("no vector")
    };
    elements.iter().map(|e| (e.labels.get("trial").to_string(), e.value)).collect()
}

#[test]
fn only_what_rules_read_is_kept_and_only_so_long() {
    let mean = "avg_over_time(trial_memory_bytes[10s]) > 0";
    let mut windows = windows_for(&[mean, "trial_resident_memory_bytes{trial=\"a\"} > 0"]);
    for second in 0..100 {
        windows.begin(at(second));
        windows.sample(&view(1, "a", second * MIB), at(second));
        windows.sample(&view(2, "b", MIB), at(second));
    }
    let selectors = |expr: &str| promql::parse(expr).unwrap().selectors().into_iter().cloned().collect::<Vec<_>>();
    let kept = windows.select(&selectors("trial_memory_bytes > 0")[0], 0, 0);
    assert_eq!(kept.iter().map(|s| s.points.len()).collect::<Vec<_>>(), [10, 10]);
    let resident = windows.select(&selectors("trial_resident_memory_bytes > 0")[0], 0, 0);
    assert_eq!(resident.len(), 1, "of b nobody reads it");
    assert_eq!(resident[0].points.len(), 1, "no window, no past");
    assert!(windows.select(&selectors("trial_processes > 0")[0], 0, 0).is_empty());
    assert_eq!(values(mean, &windows, windows.time())[0], ("a".to_string(), 94.5 * MIB as f64));
    assert!(windows.bytes() < 8192, "{}", windows.bytes());
}

#[test]
fn an_absent_series_has_no_value_from_that_tick_on() {
    let expr = "trial_memory_bytes > 0";
    let mut windows = windows_for(&[expr]);
    windows.begin(at(1));
    windows.sample(&view(1, "a", MIB), at(1));
    assert_eq!(values(expr, &windows, windows.time()).len(), 1);
    windows.begin(at(2));
    windows.sample(&TrialView { tree: None, ..view(1, "a", MIB) }, at(2));
    assert!(values(expr, &windows, windows.time()).is_empty(), "a failed reading is no old value");
    let reads: Vec<Selector> = promql::parse(expr).unwrap().selectors().into_iter().cloned().collect();
    assert!(!windows.has_any(RunId(1), &[&reads[0]]));
    windows.forget(RunId(1));
    windows.begin(at(3));
    windows.sample(&view(2, "b", MIB), at(3));
    assert_eq!(
        values(expr, &windows, windows.time()),
        [("b".to_string(), MIB as f64)],
        "its place is taken by another"
    );
}

#[test]
fn time_goes_on_when_the_clock_was_set_back() {
    let mut windows = windows_for(&["trial_memory_bytes > 0"]);
    let first = windows.begin(at(100));
    assert_eq!(windows.begin(Moment { wall_ms: at(99).wall_ms, ..at(101) }), first + 1);
}

#[test]
fn a_fresh_look_adds_to_the_windows_and_leaves_them_as_they_are() {
    let (expr, mean) = ("trial_memory_bytes > 0", "avg_over_time(trial_memory_bytes[10s]) > 0");
    let mut windows = windows_for(&[expr, mean]);
    windows.begin(at(1));
    windows.sample(&view(1, "a", 4 * MIB), at(1));
    windows.sample(&view(2, "b", MIB), at(1));
    let (now, grown) = (at(2), view(1, "a", 8 * MIB));
    let fresh = Fresh { windows: &windows, view: &grown, now, memory: MemoryRead::Private };
    let t = windows.time_after(now);
    assert_eq!(values(expr, &fresh, t), [("a".to_string(), 8.0 * MIB as f64), ("b".to_string(), MIB as f64)]);
    assert_eq!(values(mean, &fresh, t)[0].1, 6.0 * MIB as f64);
    let weighed = Fresh { memory: MemoryRead::Proportional, ..fresh };
    assert_eq!(values(expr, &weighed, t)[0].1, 4.0 * MIB as f64, "half of it is shared");
    let unreadable = TrialView { tree: None, ..view(1, "a", 0) };
    let blind = Fresh { view: &unreadable, ..fresh };
    assert_eq!(values(expr, &blind, t), [("b".to_string(), MIB as f64)], "what cannot be read now has no value");
    assert_eq!(values(expr, &windows, windows.time())[0].1, 4.0 * MIB as f64);
    let alone = Present { view: &grown, now };
    assert_eq!(values(expr, &alone, now.wall_ms), [("a".to_string(), 8.0 * MIB as f64)]);
}

#[test]
fn the_host_is_read_once_for_all() {
    let expr = "trial_memory_bytes and on () (earlystop_host_memory_available_bytes / earlystop_host_memory_total_bytes < 0.1)";
    let mut windows = windows_for(&[expr]);
    let host =
        |available| HostSample { memory_available: Some(available), memory_total: Some(1000), ..HostSample::default() };
    for (second, available, found) in [(1, 500, 0), (2, 50, 2)] {
        windows.begin(at(second));
        windows.sample_host(&host(available));
        windows.sample(&view(1, "a", MIB), at(second));
        windows.sample(&view(2, "b", MIB), at(second));
        assert_eq!(values(expr, &windows, windows.time()).len(), found);
    }
}

#[test]
fn what_an_expression_needs() {
    let keeps = |expr: &str| needs(&promql::parse(expr).unwrap(), 300_000).iter().map(|n| n.keep).collect::<Vec<_>>();
    assert_eq!(keeps("trial_step > 1"), [0]);
    assert_eq!(keeps("trial_step offset 1m > 1"), [360_000]);
    assert_eq!(keeps("rate(trial_steps_total[2m] offset 1m) > 1"), [180_000]);
    assert_eq!(keeps("max_over_time(trial_step[10m:1m]) > 1"), [900_000]);
    assert_eq!(keeps("max_over_time(rate(trial_steps_total[1m])[10m:1m]) > trial_step"), [660_000, 0]);
}
