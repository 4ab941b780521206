//! Random series with all that goes wrong: resets, NaN, infinities, gaps, markers, series that begin late and end early.

use earlystop::promql::{Labels, NAME, Point, STALE};

use super::random::Random;
use super::store::Store;

/// The time of nothing yet, a multiple of 4 ms.
pub const BASE: i64 = 1_700_000_000_000;
/// Between two samples of a series, milliseconds; they come up to 100 ms late.
const INTERVAL: i64 = 5_000;
/// Samples of a series: 50 minutes.
const SAMPLES: i64 = 600;
/// Where evaluations begin: what they look back on, 16 minutes at most, is there.
pub const FROM: i64 = BASE + 1_200_002;
/// Where they end: a little past the last sample.
pub const TO: i64 = BASE + 3_120_002;

/// Fills a store.
pub fn samples(random: &mut Random) -> Store {
    let mut store = Store::default();
    for i in 0..6 {
        let of = format!("trial=\"t{i}\",experiment=\"e{}\"", i % 2);
        let mut calm = random.between(1000, 8000);
        store.add(
            labels("gauge_calm", &of),
            times(random, |r| {
                calm = (calm + r.between(-200, 201)).clamp(8, 8000);
                // The part of 1024 tells the trials apart: no two are ever equal.
                Some(calm as f64 / 8.0 + f64::from(i) / 1024.0)
            }),
        );
        for metric in ["loss", "acc"] {
            let (mut holes, first, last) = (Holes::default(), random.between(0, 90), random.between(300, 620));
            let mut n = 0;
            store.add(
                labels("gauge_wild", &format!("{of},metric=\"{metric}\"")),
                times(random, |r| {
                    n += 1;
                    (first..last).contains(&n).then(|| holes.value(r, wild)).flatten()
                }),
            );
        }
        for mode in ["train", "eval"] {
            let mut steps = 0;
            store.add(
                labels("steps_total", &format!("{of},mode=\"{mode}\"")),
                times(random, |r| {
                    steps = if r.permille(15) { r.between(0, 5) } else { steps + r.between(0, 10) };
                    Some(steps as f64)
                }),
            );
        }
        let (mut bytes, mut holes) = (1_000_000 * (1 + i64::from(i)), Holes::default());
        store.add(
            labels("bytes_total", &of),
            times(random, |r| {
                bytes += r.between(0, 1000);
                holes.value(r, |r| if r.permille(3) { f64::NAN } else { bytes as f64 })
            }),
        );
        buckets(&mut store, random, &of);
    }
    for (experiment, tier) in [("e0", "gold"), ("e1", "odd \\\"tier\\\" \\\\ ü")] {
        let of = format!("experiment=\"{experiment}\",tier=\"{tier}\"");
        store.add(labels("budget", &of), times(random, |r| Some(r.between(50, 60) as f64 * 16.0)));
    }
    store
}

fn buckets(store: &mut Store, random: &mut Random, of: &str) {
    let les = ["0.1", "0.5", "1", "5", "+Inf"];
    let mut counts = [0; 5];
    let mut all: Vec<Vec<Point>> = vec![Vec::new(); 5];
    for k in 0..SAMPLES {
        let t = time(random, k);
        for _ in 0..random.below(6) {
            let first = random.below(5) as usize;
            counts[first..].iter_mut().for_each(|count| *count += 1);
        }
        all.iter_mut().zip(counts).for_each(|(points, count)| points.push(Point { t, v: f64::from(count) }));
    }
    for (le, points) in les.iter().zip(all) {
        store.add(labels("duration_bucket", &format!("{of},le=\"{le}\"")), points);
    }
}

/// What is missing, and whether a marker says so.
#[derive(Default)]
struct Holes {
    left: u64,
}

impl Holes {
    fn value(&mut self, random: &mut Random, there: impl FnOnce(&mut Random) -> f64) -> Option<f64> {
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        if random.permille(20) {
            self.left = random.below(80);
            return random.permille(500).then_some(STALE);
        }
        Some(there(random))
    }
}

fn wild(random: &mut Random) -> f64 {
    match random.below(1000) {
        0..20 => f64::NAN,
        20..25 => f64::INFINITY,
        25..30 => f64::NEG_INFINITY,
        30..60 => 0.0,
        _ => random.between(-4000, 4000) as f64 / 8.0,
    }
}

/// One sample a time, or none.
fn times(random: &mut Random, mut value: impl FnMut(&mut Random) -> Option<f64>) -> Vec<Point> {
    let sample = |k| value(random).map(|v| Point { t: time(random, k), v });
    (0..SAMPLES).filter_map(sample).collect()
}

/// 1 ms past a multiple of 4 ms.
fn time(random: &mut Random, k: i64) -> i64 {
    BASE + 1 + k * INTERVAL + 4 * random.between(0, 25)
}

fn labels(name: &str, rest: &str) -> Labels {
    let (labels, _) = earlystop::promql::parse_series(&format!("{name}{{{rest}}}")).expect("a series");
    assert_eq!(labels.get(NAME), name);
    labels
}
