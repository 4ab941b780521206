use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::model::{Name, Pair, RunId, SECOND, TrialState, TrialView};
use crate::promql::{Labels, Match, Matcher, NAME, Point, Selector, Source, is_stale};

const START_MS: i64 = 1_790_000_000_000;

fn at(tick: u64) -> Moment {
    Moment { boot_ns: SECOND, mono_ns: SECOND, wall_ms: START_MS }.plus(tick * SECOND)
}

/// A living trial whose counters are `n`.
fn trial(name: &str, n: u64) -> TrialView {
    let mut view = TrialView {
        run: RunId::from_parts(1, 1),
        attempt: 1,
        experiment: Name::made_of("e"),
        trial: Name::made_of(name),
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
        tree: None,
        totals: Default::default(),
        progress: Default::default(),
        metrics: BTreeMap::new(),
        rules: Vec::new(),
        stops: BTreeMap::new(),
        saved: BTreeMap::new(),
        stop: None,
    };
    view.progress.steps_total = n;
    view.totals.cpu = Pair { first: n as f64, second: 0.0 };
    view
}

struct Scene {
    history: Arc<History>,
    counters: Arc<Counters>,
    own: Own,
    last: Arc<Snapshot>,
}

impl Scene {
    fn new(retention_s: u64, memory: u64) -> Scene {
        let counters = Arc::new(Counters::default());
        let settings = QuerySettings { retention_ns: retention_s * SECOND, memory };
        let history = History::new(settings, counters.clone()).expect("a retention");
        Scene { history, counters, own: Own::new(), last: Arc::default() }
    }

    fn tick(&mut self, tick: u64, trials: Vec<TrialView>) {
        let trials = trials.into_iter().map(Arc::new).collect();
        self.last = Arc::new(Snapshot {
            at: at(tick),
            last_tick: Some(at(tick)),
            trials,
            process_series: 9,
            ..Snapshot::default()
        });
        self.history.take(&self.last, &self.own);
    }

    fn view(&self) -> View {
        self.history.view(self.last.clone(), 1_000_000, Arc::new(AtomicBool::new(false)))
    }

    /// Ticks (seconds after the start) and values of a series; NaN for a staleness marker.
    fn read(&self, name: &str, labels: &[(&str, &str)]) -> Vec<(i64, f64)> {
        read(&self.view(), name, labels)
    }

    fn counted(&self) -> (u64, u64) {
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        (get(&self.counters.query_series), get(&self.counters.query_bytes))
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.dropped.get(DropReason::ALL.iter().position(|r| *r == reason).expect("listed"))
    }
}

fn selector(name: &str, labels: &[(&str, &str)]) -> Selector {
    let one = |(label, value): (&str, &str)| Matcher { label: label.into(), test: Match::Equal, value: value.into() };
    let matchers = [(NAME, name)].into_iter().chain(labels.iter().copied()).map(one).collect();
    Selector { matchers, shift: Default::default() }
}

fn read(view: &View, name: &str, labels: &[(&str, &str)]) -> Vec<(i64, f64)> {
    let found = view.select(&selector(name, labels), 0, i64::MAX / 4);
    assert!(found.len() <= 1, "{found:?}");
    let tidy = |p: &Point| ((p.t - START_MS) / 1000, if is_stale(p.v) { f64::NAN } else { p.v });
    found.iter().flat_map(|series| series.points.iter().map(tidy)).collect()
}

fn same(a: &[(i64, f64)], b: &[(i64, f64)]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && a.1.to_bits() == b.1.to_bits())
}

#[test]
fn every_tick_is_there_over_blocks() {
    let mut scene = Scene::new(10_000, 64 << 20);
    (0..500).for_each(|tick| scene.tick(tick, vec![trial("a", tick * tick), trial("b", 7)]));
    let squares: Vec<_> = (0..500).map(|tick| (tick, (tick * tick) as f64)).collect();
    assert_eq!(scene.read("trial_steps_total", &[("trial", "a")]), squares);
    let sevens: Vec<_> = (0..500).map(|tick| (tick, 7.0)).collect();
    assert_eq!(scene.read("trial_steps_total", &[("trial", "b")]), sevens);
    let view = scene.view();
    let two = view.select(&selector("trial_steps_total", &[]), START_MS + 118_500, START_MS + 121_500);
    let times: Vec<Vec<i64>> = two.iter().map(|s| s.points.iter().map(|p| (p.t - START_MS) / 1000).collect()).collect();
    assert_eq!(times, [[119, 120, 121], [119, 120, 121]]);
    assert!(scene.view().select(&selector("trial_steps_total", &[]), 0, START_MS - 1).is_empty());
    assert_eq!(scene.read("earlystop_last_sample_timestamp_seconds", &[]).len(), 500);
}

#[test]
fn a_series_that_is_absent_gets_one_marker_and_comes_back_under_its_name() {
    let mut scene = Scene::new(10_000, 64 << 20);
    for tick in 0..300 {
        let lives = !(100..250).contains(&tick);
        scene.tick(tick, if lives { vec![trial("a", tick)] } else { vec![] });
    }
    let mut expected: Vec<(i64, f64)> = (0..100).map(|tick| (tick, tick as f64)).collect();
    expected.push((100, f64::NAN));
    expected.extend((250..300).map(|tick| (tick, tick as f64)));
    let seen = scene.read("trial_steps_total", &[]);
    assert!(same(&seen, &expected), "{seen:?}");
    // A new start of the name is another trial_info, and goes on in the series that carry the name only.
    let mut again = trial("a", 0);
    (again.run, again.attempt) = (RunId::from_parts(2, 2), 2);
    scene.tick(300, vec![again]);
    let attempts = |n: &str| scene.read("trial_info", &[("attempt", n)]);
    assert!(same(&attempts("2"), &[(300, 1.0)]));
    assert!(attempts("1").last().is_some_and(|(tick, value)| *tick == 300 && value.is_nan()));
    assert_eq!(scene.read("trial_steps_total", &[]).last(), Some(&(300, 0.0)));
}

#[test]
fn what_speaks_of_the_present_ends_with_the_trial_and_the_rest_stays() {
    let mut scene = Scene::new(10_000, 64 << 20);
    let mut view = trial("a", 3);
    view.progress.last_heartbeat = Some(at(0));
    scene.tick(0, vec![view.clone()]);
    (view.state, view.ended) = (TrialState::Completed, Some(at(1)));
    scene.tick(1, vec![view.clone()]);
    scene.tick(2, vec![view]);
    let heartbeat = scene.read("trial_last_heartbeat_timestamp_seconds", &[]);
    assert!(same(&heartbeat, &[(0, at(0).unix_seconds()), (1, f64::NAN)]), "{heartbeat:?}");
    assert_eq!(scene.read("trial_steps_total", &[]), [(0, 3.0), (1, 3.0), (2, 3.0)]);
    assert_eq!(scene.read("trial_state", &[("state", "completed")]), [(0, 0.0), (1, 1.0), (2, 1.0)]);
}

#[test]
fn what_is_too_old_goes() {
    let mut scene = Scene::new(300, 64 << 20);
    (0..100).for_each(|tick| scene.tick(tick, vec![trial("short", tick), trial("long", tick)]));
    (100..900).for_each(|tick| scene.tick(tick, vec![trial("long", tick)]));
    let long = scene.read("trial_steps_total", &[("trial", "long")]);
    // Whole blocks go, so up to a block more is kept.
    assert!(long.len() >= 300 && long.len() <= 300 + chunk::TICKS, "{}", long.len());
    assert_eq!(long.last(), Some(&(899, 899.0)));
    assert!(scene.read("trial_steps_total", &[("trial", "short")]).is_empty());
    let of_short = scene.view().labels(&[selector("trial_info", &[("trial", "short")])], 0, i64::MAX / 4);
    assert!(of_short.is_empty());
}

#[test]
fn the_budget_is_kept_whatever_the_retention() {
    let budget = 2 << 20;
    let mut scene = Scene::new(1_000_000, budget);
    let wild = |tick: u64, n: u64| ((tick * 7919 + n * 104_729) as f64).sin();
    let mut shortest = u64::MAX;
    for tick in 0..2000 {
        let trials = (0..40).map(|n| {
            let mut view = trial(&format!("t{n}"), tick);
            view.totals.cpu = Pair { first: wild(tick, n), second: wild(n, tick) };
            view
        });
        scene.tick(tick, trials.collect());
        let (_, bytes) = scene.counted();
        assert!(bytes <= budget, "{bytes} at tick {tick}");
        shortest = shortest.min(bytes);
    }
    assert!(scene.counted().1 > budget / 2, "it is used");
    let kept = scene.read("trial_cpu_seconds_total", &[("trial", "t3"), ("mode", "user")]);
    let expected: Vec<(i64, f64)> = (2000 - kept.len() as u64..2000).map(|tick| (tick as i64, wild(tick, 3))).collect();
    assert!(kept.len() > 100 && same(&kept, &expected), "{} kept", kept.len());
    assert_eq!(scene.dropped(DropReason::QuerySeries), 0);
}

#[test]
fn series_beyond_the_budget_are_dropped_and_counted() {
    let budget = 1 << 20;
    let mut scene = Scene::new(1_000_000, budget);
    for tick in 0..5 {
        scene.tick(tick, (0..1000).map(|n| trial(&format!("t{n}"), tick)).collect());
        assert!(scene.counted().1 <= budget, "{:?}", scene.counted());
    }
    assert!(scene.dropped(DropReason::QuerySeries) > 1000);
    assert_eq!(scene.read("trial_steps_total", &[("trial", "t0")]).last(), Some(&(4, 4.0)));
    // When the many are gone, there is room again.
    (5..2000).for_each(|tick| scene.tick(tick, vec![trial("late", tick)]));
    assert!(!scene.read("trial_steps_total", &[("trial", "late")]).is_empty(), "{:?}", scene.counted());
}

#[test]
fn the_count_of_bytes_comes_back_to_what_it_was() {
    let mut scene = Scene::new(200, 64 << 20);
    (0..400).for_each(|tick| scene.tick(tick, vec![trial("steady", tick)]));
    let (series, bytes) = scene.counted();
    for round in 0..20 {
        let many =
            |tick: u64| (0..50).map(move |n| trial(&format!("r{round}-{n}"), tick)).chain([trial("steady", tick)]);
        (0..30).for_each(|tick| scene.tick(400 + round * 30 + tick, many(tick).collect()));
    }
    assert!(scene.counted().0 > 10 * series / 2);
    (1000..1900).for_each(|tick| scene.tick(tick, vec![trial("steady", tick)]));
    let (series_now, bytes_now) = scene.counted();
    assert_eq!(series_now, series);
    assert!(bytes_now.abs_diff(bytes) < bytes / 5, "{bytes_now} and {bytes}");
}

#[test]
fn a_query_sees_the_ticks_before_it_and_none_that_come_in_meanwhile() {
    let mut scene = Scene::new(10_000, 64 << 20);
    (0..130).for_each(|tick| scene.tick(tick, vec![trial("a", tick)]));
    let view = scene.view();
    let before = read(&view, "trial_steps_total", &[]);
    assert_eq!(before.len(), 130);
    (130..400).for_each(|tick| scene.tick(tick, vec![trial("a", tick)]));
    assert_eq!(read(&view, "trial_steps_total", &[]), before);
    assert_eq!(scene.read("trial_steps_total", &[]).len(), 400);
}

#[test]
fn a_clock_that_is_set_back_far_begins_a_new_history() {
    let mut scene = Scene::new(10_000, 64 << 20);
    (5000..5200).for_each(|tick| scene.tick(tick, vec![trial("a", tick)]));
    let view = scene.view();
    scene.tick(5199, vec![trial("a", 1)]);
    scene.tick(5195, vec![trial("a", 1)]);
    assert_eq!(scene.read("trial_steps_total", &[]).len(), 200, "a little is waited for");
    (10..20).for_each(|tick| scene.tick(tick, vec![trial("a", tick)]));
    assert_eq!(scene.read("trial_steps_total", &[]).len(), 10);
    assert!(read(&view, "trial_steps_total", &[]).is_empty(), "what it saw is gone, and nothing is mistaken for it");
}

#[test]
fn a_flood_of_samples_ends_a_query_and_not_the_memory() {
    let mut scene = Scene::new(10_000, 64 << 20);
    (0..50).for_each(|tick| scene.tick(tick, vec![trial("a", tick)]));
    let stop = Arc::new(AtomicBool::new(false));
    let view = scene.history.view(scene.last.clone(), 100, stop.clone());
    assert_eq!(read(&view, "trial_steps_total", &[]).len(), 50);
    assert!(!view.is_exhausted());
    assert_eq!(read(&view, "trial_samples_total", &[]).len(), 50);
    assert!(view.is_exhausted() && read(&view, "trial_steps_total", &[]).is_empty());
    let view = scene.history.view(scene.last.clone(), 100, stop.clone());
    stop.store(true, Ordering::Relaxed);
    assert!(read(&view, "trial_steps_total", &[]).is_empty(), "nobody waits");
}

#[test]
fn too_many_ticks_at_once_are_dropped_and_counted() {
    let scene = Scene::new(100, 64 << 20);
    let offer = |tick| {
        scene.history.offer(&Arc::new(Snapshot { at: at(tick), last_tick: Some(at(tick)), ..Snapshot::default() }));
    };
    scene.history.offer(&Arc::default());
    (0..WAITING as u64 + 3).for_each(offer);
    offer(WAITING as u64 + 2);
    assert_eq!(scene.dropped(DropReason::QueryTick), 3);
    assert_eq!(scene.history.next().and_then(|s| s.last_tick), Some(at(0)));
    scene.history.end();
    assert!(scene.history.next().is_none());
}

#[test]
fn label_sets_are_listed_once_and_by_time() {
    let mut scene = Scene::new(10_000, 64 << 20);
    (0..130).for_each(|tick| scene.tick(tick, vec![trial("early", tick)]));
    (130..260).for_each(|tick| scene.tick(tick, vec![trial("late", tick)]));
    let view = scene.view();
    let trials = |from: i64, to: i64| {
        let of = selector("trial_steps_total", &[]);
        let found = view.labels(&[of.clone(), of], START_MS + from * 1000, START_MS + to * 1000);
        found.iter().map(|labels| labels.get("trial").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(trials(0, 1000), ["early", "late"]);
    assert_eq!((trials(0, 129), trials(131, 259)), (vec!["early".to_owned()], vec!["late".to_owned()]));
    assert!(trials(1000, 2000).is_empty());
    let all: Vec<Labels> = view.labels(&[], 0, i64::MAX / 4);
    assert!(all.len() > 100 && all.is_sorted());
}
