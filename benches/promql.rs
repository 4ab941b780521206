//! What a rule costs at a tick, and a range query of a dashboard: `cargo bench --bench promql`.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::{Duration, Instant};

use earlystop::promql::{
    Expr, Labels, Limits, NAME, Point, Selector, Series, Source, Span, Value, instant, parse, range,
};

/// Trials on the host.
const TRIALS: usize = 1_000;
/// Samples that are kept of each series, one a second: 15 minutes.
const KEPT: i64 = 900;

/// Windows as a daemon has them.
struct Windows(Vec<(Labels, Vec<Point>)>);

impl Source for Windows {
    fn select(&self, selector: &Selector, from: i64, to: i64) -> Vec<Series<'_>> {
        let chosen = self.0.iter().filter(|(labels, _)| selector.fits(labels));
        let series = chosen.map(|(labels, points)| {
            let start = points.partition_point(|point| point.t < from);
            let end = points.partition_point(|point| point.t <= to);
            Series { labels: labels.clone(), points: Cow::Borrowed(&points[start..end]) }
        });
        series.collect()
    }
}

fn windows() -> Windows {
    let mut series = Vec::new();
    for name in ["trial_memory_bytes", "trial_cpu_seconds_total", "trial_memory_limit_bytes"] {
        for trial in 0..TRIALS {
            let labels = [(NAME, name.to_string()), ("trial", format!("svm-{trial:04}")), ("uid", "1000".to_string())];
            // Some grow quickly enough to be found by the rule, most do not.
            let slope = (trial % 100) as f64 * 1e5;
            let points = (0..KEPT).map(|second| Point { t: second * 1000, v: 1e9 + slope * second as f64 });
            series.push((Labels::new(labels), points.collect()));
        }
    }
    Windows(series)
}

/// The best of several times.
fn best(rounds: usize, mut work: impl FnMut()) -> Duration {
    let times = (0..rounds).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed()
    });
    times.min().unwrap_or_default()
}

fn main() {
    let windows = windows();
    let limits = Limits::default();
    let now = (KEPT - 1) * 1000;
    let read = |text: &str| parse(text).unwrap_or_else(|problem| panic!("{text}: {}", problem.message));
    println!("{TRIALS} trials, a sample a second, at one time:");
    for text in [
        "trial_memory_bytes > 8e9",
        "predict_linear(trial_memory_bytes[2m], 600) > 8e9",
        "rate(trial_cpu_seconds_total[2m]) < 0.01",
        "avg_over_time(trial_memory_bytes[2m]) / trial_memory_limit_bytes > 0.9",
        "topk(1, trial_memory_bytes) and on() (sum(trial_memory_bytes) > 1e9)",
        "trial_memory_bytes > on(uid) group_left (1.5 * quantile by (uid) (0.5, trial_memory_bytes))",
        "max_over_time(rate(trial_cpu_seconds_total[1m])[5m:10s]) < 0.01",
    ] {
        let expr = read(text);
        let time = best(50, || drop(black_box(instant(black_box(&expr), &windows, now, &limits)).unwrap()));
        println!("{:9.3} ms  {text}", time.as_secs_f64() * 1e3);
    }
    let rules: Vec<Expr> =
        (1..=20).map(|i| read(&format!("predict_linear(trial_memory_bytes[2m], {}) > 8e9", i * 60))).collect();
    let time = best(20, || {
        for rule in &rules {
            let Ok(Value::Vector(_)) = black_box(instant(rule, &windows, now, &limits)) else { panic!("no vector") };
        }
    });
    println!("{:9.3} ms  a tick with {} predict_linear rules", time.as_secs_f64() * 1e3, rules.len());
    let expr = read("sum by (uid) (rate(trial_cpu_seconds_total[1m]))");
    let span = Span { start: 60_000, end: now, step: 4_000 };
    let time = best(5, || drop(black_box(range(&expr, &windows, span, &limits)).unwrap()));
    println!("{:9.3} ms  15 minutes of a sum of rates, a point every 4 s", time.as_secs_f64() * 1e3);
}
