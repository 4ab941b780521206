//! What rules cost at a tick, what reading them costs, and a range query of a dashboard: `cargo bench --bench promql`.
//! Where a figure was promised, the part of it that was needed is printed.

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
/// The last sample's time, milliseconds.
const NOW: i64 = (KEPT - 1) * 1000;

/// The rule whose cost is promised.
const TREND: &str = "predict_linear(trial_memory_bytes[2m], 600) > 8e9";
/// What one evaluation of it may take.
const TREND_TARGET: Duration = Duration::from_millis(3);
/// Rules like it at a tick.
const RULES: u32 = 20;
/// What they may take together.
const TICK_TARGET: Duration = Duration::from_millis(60);

/// Other rules, from cheap to dear.
const OTHERS: [&str; 8] = [
    "trial_memory_bytes > 8e9",
    "topk(1, trial_memory_bytes) and on() (earlystop_host_memory_available_bytes / earlystop_host_memory_total_bytes < 0.05)",
    "quantile by (experiment) (0.5, trial_metric{metric=\"loss\"})",
    "trial_metric{metric=\"loss\"} > on (experiment) group_left () (1.5 * quantile by (experiment) (0.5, trial_metric{metric=\"loss\"}))",
    "trial_memory_bytes / trial_memory_limit_bytes > 0.9",
    "avg_over_time(trial_memory_bytes[2m]) / trial_memory_limit_bytes > 0.9",
    "rate(trial_cpu_seconds_total[2m]) < 0.01",
    "max_over_time(rate(trial_cpu_seconds_total[1m])[5m:10s]) < 0.01",
];

/// Series of one name.
type Named = (&'static str, Vec<(Labels, Vec<Point>)>);

/// Windows as a daemon has them: a series is found by its name, and lent.
struct Windows(Vec<Named>);

impl Source for Windows {
    fn select(&self, selector: &Selector, from: i64, to: i64) -> Vec<Series<'_>> {
        let wanted = selector.name();
        let named = self.0.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name));
        let chosen = named.flat_map(|(_, series)| series).filter(|(labels, _)| selector.fits(labels));
        let series = chosen.map(|(labels, points)| {
            let start = points.partition_point(|point| point.t < from);
            let end = points.partition_point(|point| point.t <= to);
            Series { labels: labels.clone(), points: Cow::Borrowed(&points[start..end]) }
        });
        series.collect()
    }
}

fn windows() -> Windows {
    let per_trial = ["trial_memory_bytes", "trial_cpu_seconds_total", "trial_memory_limit_bytes", "trial_metric"];
    let host = ["earlystop_host_memory_available_bytes", "earlystop_host_memory_total_bytes"];
    // Some grow quickly enough to be found by the rule, most do not.
    let points = |slope: f64| (0..KEPT).map(|s| Point { t: s * 1000, v: 1e9 + slope * s as f64 }).collect::<Vec<_>>();
    let of_trials = per_trial.map(|name| {
        let series = (0..TRIALS).map(|trial| {
            let experiment = format!("red_wine_{}", trial % 10);
            let mut labels =
                vec![(NAME, name.to_owned()), ("trial", format!("svm-{trial:04}")), ("experiment", experiment)];
            if name == "trial_metric" {
                labels.push(("metric", "loss".to_owned()));
            }
            (Labels::new(labels), points((trial % 100) as f64 * 1e5))
        });
        (name, series.collect())
    });
    let of_host = host.map(|name| (name, vec![(Labels::new([(NAME, name)]), points(1e3))]));
    Windows(of_trials.into_iter().chain(of_host).collect())
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

fn print(time: Duration, target: Option<Duration>, what: &str) {
    let part =
        target.map(|target| format!("{:3.0} % of {target:?}", time.as_secs_f64() / target.as_secs_f64() * 100.0));
    println!("{:9.3} ms  {:14}  {what}", time.as_secs_f64() * 1e3, part.unwrap_or_default());
}

fn read(text: &str) -> Expr {
    parse(text).unwrap_or_else(|problem| panic!("{text}: {}", problem.message))
}

/// One evaluation at one time; it must give labelled numbers.
fn evaluate(expr: &Expr, windows: &Windows) {
    let came = black_box(instant(black_box(expr), windows, NOW, &Limits::default()));
    assert!(matches!(came, Ok(Value::Vector(_))), "{came:?}");
}

fn main() {
    let windows = windows();
    println!("{TRIALS} trials, a sample a second, one evaluation:");
    let trend = read(TREND);
    print(best(50, || evaluate(&trend, &windows)), Some(TREND_TARGET), TREND);
    for text in OTHERS {
        let expr = read(text);
        print(best(50, || evaluate(&expr, &windows)), None, text);
    }
    let rules: Vec<Expr> =
        (1..=RULES).map(|i| read(&format!("predict_linear(trial_memory_bytes[2m], {}) > 8e9", i * 60))).collect();
    let tick = best(20, || rules.iter().for_each(|rule| evaluate(rule, &windows)));
    print(tick, Some(TICK_TARGET), &format!("a tick with {RULES} rules that predict"));
    println!("15 minutes, a point every 15 s:");
    for text in [
        "trial_memory_bytes",
        "rate(trial_cpu_seconds_total[1m])",
        "sum by (experiment) (rate(trial_cpu_seconds_total[1m]))",
    ] {
        let (expr, span) = (read(text), Span { start: 0, end: NOW, step: 15_000 });
        let time = best(10, || {
            let tracks = black_box(range(&expr, &windows, span, &Limits::default()));
            assert!(tracks.is_ok_and(|tracks| !tracks.is_empty()));
        });
        print(time, None, text);
    }
    println!("reading, never at a tick:");
    for text in [OTHERS[0], TREND, OTHERS[3]] {
        print(best(50, || drop(black_box(read(black_box(text))))), None, text);
    }
}
