//! The same questions to us and to a real Prometheus: `cargo test --test it differential -- --nocapture`.
//!
//! EARLYSTOP_SEED chooses other series and other expressions, EARLYSTOP_ROUNDS how many expressions.

mod remote_write;

use std::collections::BTreeMap;

use earlystop::promql::{Labels, Limits, Span, Value, instant, parse, range};
use serde_json::Value as Json;

use crate::prometheus::{Prometheus, encode, post, tool};
use crate::promqltest::expressions::Expressions;
use crate::promqltest::random::Random;
use crate::promqltest::samples::{FROM, TO, samples};
use crate::promqltest::store::Store;
use crate::promqltest::{close, guarded};

/// Expressions; each is asked for at single times and over a range.
const ROUNDS: u64 = 1_000;
/// Single times of an expression.
const TIMES: i64 = 3;
/// Steps of its range.
const STEPS: i64 = 12;
/// Answers that the test must have compared.
const ENOUGH: usize = 5_000;

/// Answers by time: values by labels.
type Answers = BTreeMap<i64, BTreeMap<Labels, f64>>;

/// What was compared.
#[derive(Default)]
struct Counts {
    answers: usize,
    empty: usize,
    errors: usize,
    values: usize,
    differences: Vec<String>,
}

#[test]
fn we_answer_as_prometheus_does() {
    let Some(binary) = tool("prometheus") else { return };
    let mut random = Random::seeded("differential");
    let store = samples(&mut random);
    let prometheus = Prometheus::written_to(&binary);
    remote_write::send(&prometheus.address, store.series()).expect("Prometheus takes the samples");
    let mut counts = Counts::default();
    let rounds = std::env::var("EARLYSTOP_ROUNDS").map_or(ROUNDS, |n| n.parse().expect("a number"));
    for _ in 0..rounds {
        let depth = 1 + random.below(3) as u32;
        let text = Expressions::new(&mut random, (FROM, TO)).any(depth);
        ask(&text, &store, &prometheus.address, &mut random, &mut counts);
    }
    let Counts { answers, empty, errors, values, differences } = &counts;
    differences.iter().take(40).for_each(|difference| println!("{difference}"));
    println!(
        "differential: {answers} answers of {rounds} expressions, {} differ; {values} values, {empty} answers are empty, {errors} an error",
        differences.len()
    );
    assert!(differences.is_empty(), "{} answers differ", differences.len());
    assert!(rounds < ROUNDS || *answers >= ENOUGH, "only {answers} answers");
    // Otherwise little was asked.
    assert!(empty * 3 < *answers && errors * 10 < *answers, "{empty} empty, {errors} errors of {answers}");
}

/// Asks both at some times and over a range.
fn ask(text: &str, store: &Store, address: &str, random: &mut Random, counts: &mut Counts) {
    for _ in 0..TIMES {
        let at = FROM + 4 * random.between(0, (TO - FROM) / 4);
        let span = Span { start: at, end: at, step: 1 };
        let ours = guarded(|| at_once(text, store, at));
        let theirs = of_prometheus(address, "query", &format!("query={}&time={}", encode(text), seconds(at)));
        compare(&format!("{text}\n  at {}", seconds(at)), span, ours, theirs, counts);
    }
    let step = 4 * random.between(1, 15_000);
    let start = FROM + 4 * random.between(0, (TO - FROM - STEPS * step).max(4) / 4);
    let span = Span { start, end: start + (STEPS - 1) * step, step };
    let ours = guarded(|| at_steps(text, store, span));
    let form = format!("query={}&start={}&end={}&step={step}ms", encode(text), seconds(span.start), seconds(span.end));
    let theirs = of_prometheus(address, "query_range", &form);
    compare(&format!("{text}\n  from {} step {step}ms", seconds(span.start)), span, ours, theirs, counts);
}

fn limits() -> Limits {
    // The evaluation interval of the Prometheus that is asked.
    Limits { subquery_step: 200, ..Limits::default() }
}

fn at_once(text: &str, store: &Store, at: i64) -> Result<Answers, String> {
    let expr = parse(text).map_err(|problem| problem.message)?;
    let answer = match instant(&expr, store, at, &limits()).map_err(|e| e.to_string())? {
        Value::Scalar(number) => BTreeMap::from([(Labels::empty(), number)]),
        Value::Vector(elements) => {
            let count = elements.len();
            let all: BTreeMap<_, _> = elements.into_iter().map(|element| (element.labels, element.value)).collect();
            assert_eq!(all.len(), count, "labels come twice");
            all
        }
        other => panic!("no expression here gives {other:?}"),
    };
    Ok(BTreeMap::from([(at, answer)]))
}

fn at_steps(text: &str, store: &Store, span: Span) -> Result<Answers, String> {
    let expr = parse(text).map_err(|problem| problem.message)?;
    let mut steps = Answers::new();
    for track in range(&expr, store, span, &limits()).map_err(|e| e.to_string())? {
        for point in track.points {
            let before = steps.entry(point.t).or_default().insert(track.labels.clone(), point.v);
            assert!(before.is_none(), "{} comes twice at {}", track.labels, point.t);
        }
    }
    Ok(steps)
}

/// Answers of Prometheus by time.
fn of_prometheus(address: &str, path: &str, form: &str) -> Result<Answers, String> {
    let (_, body) = post(address, &format!("/api/v1/{path}"), form).expect("Prometheus answers");
    let answer: Json = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
    if answer["status"] != "success" {
        return Err(answer["error"].to_string());
    }
    let mut steps = Answers::new();
    let mut point = |labels: &Labels, point: &Json| {
        let t = (point[0].as_f64().expect("a time") * 1000.0).round() as i64;
        let value = point[1].as_str().expect("a value").parse().expect("a number");
        assert!(steps.entry(t).or_default().insert(labels.clone(), value).is_none(), "twice: {labels}");
    };
    let result = &answer["data"]["result"];
    if answer["data"]["resultType"] == "scalar" {
        point(&Labels::empty(), result);
        return Ok(steps);
    }
    for series in result.as_array().expect("a list") {
        let pairs = series["metric"].as_object().expect("labels").iter();
        let labels = Labels::new(pairs.map(|(name, value)| (name.as_str(), value.as_str().expect("a text"))));
        let one = series.get("value").into_iter();
        one.chain(series["values"].as_array().into_iter().flatten()).for_each(|at| point(&labels, at));
    }
    Ok(steps)
}

/// Compares at each step; an error speaks for all. A panic of ours is an answer that differs from any.
fn compare(
    place: &str,
    span: Span,
    ours: Result<Result<Answers, String>, String>,
    theirs: Result<Answers, String>,
    counts: &mut Counts,
) {
    let (ours, theirs) = match (ours, theirs) {
        (Ok(Ok(ours)), Ok(theirs)) => (ours, theirs),
        (Ok(Err(_)), Err(_)) => {
            counts.answers += 1;
            counts.errors += 1;
            return;
        }
        (ours, theirs) => {
            counts.answers += 1;
            counts.differences.push(format!("{place}\n  ours   {ours:?}\n  theirs {theirs:?}"));
            return;
        }
    };
    let none = BTreeMap::new();
    for at in (span.start..=span.end).step_by(span.step as usize) {
        let (a, b) = (ours.get(&at).unwrap_or(&none), theirs.get(&at).unwrap_or(&none));
        counts.answers += 1;
        counts.empty += usize::from(a.is_empty());
        counts.values += a.len();
        if !equal(a, b) {
            counts.differences.push(format!("{place}\n  at {}\n  ours   {a:?}\n  theirs {b:?}", seconds(at)));
        }
    }
    let asked = |t: &&i64| **t >= span.start && **t <= span.end && (**t - span.start) % span.step == 0;
    let strange = ours.keys().chain(theirs.keys()).find(|t| !asked(t));
    assert!(strange.is_none(), "{place}: an answer for a time that nobody asked for: {strange:?}");
}

fn equal(a: &BTreeMap<Labels, f64>, b: &BTreeMap<Labels, f64>) -> bool {
    // `close` divides by the sum of both.
    a.len() == b.len() && a.iter().zip(b).all(|((la, va), (lb, vb))| la == lb && close(*va, *vb, 0.5e-9))
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}
