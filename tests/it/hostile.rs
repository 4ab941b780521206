//! Expressions and times that nobody means well with: never a panic, never more than the limits allow.
//! `cargo test --test it hostile -- --nocapture`; EARLYSTOP_SEED chooses others.

use std::time::{Duration, Instant};

use earlystop::promql::{EvalError, Limits, Span, Value, dissect, instant, parse, range};

use crate::promqltest::expressions::Expressions;
use crate::promqltest::guarded;
use crate::promqltest::random::Random;
use crate::promqltest::samples::{FROM, TO, samples};
use crate::promqltest::store::Store;

/// How long the test goes on.
const TIME: Duration = Duration::from_secs(10);
/// No single evaluation takes longer, even in a debug build on a busy machine: its work is bounded.
const LONGEST: Duration = Duration::from_secs(20);

/// Bounds that are reached quickly.
const LIMITS: Limits = Limits {
    lookback: 300_000,
    subquery_step: 60_000,
    samples: 20_000,
    series: 100,
    steps: 500,
    work: 1_000_000,
    depth: 128,
};

/// Durations at the borders of what can be written, and past them.
const DURATIONS: [&str; 12] =
    ["1ms", "4ms", "1s", "5m", "1d", "100y", "292y", "293y", "9999999999y", "0s", "1e40", "9223372036854775807ms"];
/// Times for `@`.
const TIMES: [&str; 11] =
    ["0", "-1", "1700001500.002", "1e10", "-1e15", "9.2e15", "9.3e18", "1e308", "NaN", "Inf", "start()"];
/// Parameters.
const NUMBERS: [&str; 14] = [
    "NaN",
    "Inf",
    "-Inf",
    "1e308",
    "-1e308",
    "5e-324",
    "0",
    "-0",
    "9223372036854775807",
    "9223372036854775808",
    "1e19",
    "-1",
    "0x7fffffffffffffff",
    "scalar(gauge_wild)",
];
/// Regular expressions: invalid, huge, or such as explode elsewhere.
const REGEXES: [&str; 12] = [
    "(.*)(.*)(.*)",
    "(a+)+$",
    "(x+x+)+y",
    "[",
    "(?P<n>.)(?P<n>.)",
    "(?i)\\\\pL{1,500}",
    "(((.{0,100}){0,100}){0,100})",
    "\\\\xff",
    "",
    "^$",
    "t(?P<long_name>[0-9])|",
    "(?s:.)*?\\\\b",
];
/// What a match is replaced by.
const REPLACEMENTS: [&str; 9] =
    ["$1", "$100", "${", "${n", "$$", "${long_name}$1x", "$18446744073709551616", "\\u00fc$0$0$0$0", ""];
/// Label names.
const LABELS: [&str; 8] = ["trial", "__name__", "le", "", "1x", "é", "a b", "experiment"];

#[test]
fn nobody_brings_an_evaluation_down() {
    let mut random = Random::seeded("hostile");
    let store = samples(&mut random);
    let start = Instant::now();
    let (mut expressions, mut answers, mut failed, mut too_much, mut refused) = (0, 0, 0, 0, 0);
    let mut longest = (Duration::ZERO, String::new());
    while start.elapsed() < TIME {
        let text = hostile(&mut random);
        expressions += 1;
        for at in times(&mut random) {
            let began = Instant::now();
            let outcome = guarded(|| ask(&text, &store, at, &mut random));
            let took = began.elapsed();
            assert!(took < LONGEST, "{took:?}: {text}\n  at {at}");
            if took > longest.0 {
                longest = (took, text.clone());
            }
            match outcome.unwrap_or_else(|panic| panic!("{panic}\n  {text}\n  at {at}")) {
                Ok(()) => answers += 1,
                Err(Asked::Refused) => refused += 1,
                Err(Asked::Failed(EvalError::Failed(_))) => failed += 1,
                Err(Asked::Failed(EvalError::TooMuch(_))) => too_much += 1,
            }
        }
    }
    println!(
        "hostile: {expressions} expressions; {answers} answers, {failed} failed, {too_much} were too much, {refused} refused"
    );
    println!("longest: {:?} {}", longest.0, longest.1);
    // Were all of one kind, little would have been tried.
    assert!([answers, failed, too_much, refused].iter().all(|count| *count > 0));
}

/// What came in place of an answer.
enum Asked {
    /// No expression.
    Refused,
    /// No answer.
    Failed(EvalError),
}

/// At one time, in parts, and at several; what comes is within the limits.
fn ask(text: &str, store: &Store, at: i64, random: &mut Random) -> Result<(), Asked> {
    let expr = parse(text).map_err(|problem| {
        let Some(_) = text.get(problem.place.clone()) else { panic!("the place {:?} is none", problem.place) };
        Asked::Refused
    })?;
    let _ = dissect(&expr, store, at, &LIMITS);
    let span = span(at, random);
    let over = range(&expr, store, span, &LIMITS);
    if let Ok(tracks) = &over {
        let points: usize = tracks.iter().map(|track| track.points.len()).sum();
        assert!(points <= LIMITS.samples, "{points} samples");
        for track in tracks {
            assert!(track.points.len() <= LIMITS.steps, "{} steps", track.points.len());
            assert!(track.points.iter().all(|p| (span.start..=span.end).contains(&p.t)), "a time outside {span:?}");
            assert!(track.points.is_sorted_by(|a, b| a.t < b.t), "times out of order");
        }
        assert!(tracks.is_sorted_by(|a, b| a.labels < b.labels), "labels out of order or twice");
    }
    match instant(&expr, store, at, &LIMITS).map_err(Asked::Failed)? {
        Value::Scalar(_) | Value::Text(_) => {}
        Value::Vector(elements) => assert!(elements.len() <= LIMITS.series, "{} elements", elements.len()),
        Value::Matrix(tracks) => {
            let points: usize = tracks.iter().map(|track| track.points.len()).sum();
            assert!(points <= LIMITS.samples, "{points} samples");
        }
    }
    over.map(drop).map_err(Asked::Failed)
}

fn times(random: &mut Random) -> [i64; 3] {
    let odd = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX, i64::MAX / 2, i64::MIN / 2];
    let known = random.between(FROM, TO);
    [known, random.between(FROM, TO), odd[random.below(odd.len() as u64) as usize]]
}

/// A range query's times around one: short, long, backwards, with any step.
fn span(at: i64, random: &mut Random) -> Span {
    let steps = [1, 4, 1000, 60_000, i64::MAX / 2, i64::MAX];
    let lengths = [0, 1, 10_000, 3_600_000, 1 << 50, i64::MAX, -1, i64::MIN];
    let step = steps[random.below(steps.len() as u64) as usize];
    Span { start: at, end: at.saturating_add(lengths[random.below(lengths.len() as u64) as usize]), step }
}

/// An expression; most can be read.
fn hostile(random: &mut Random) -> String {
    let depth = 1 + random.below(3) as u32;
    let plain = |random: &mut Random| Expressions::new(random, (FROM, TO)).any(depth);
    match random.below(10) {
        0 => plain(random),
        1 => nested(random),
        2 | 3 => stretched(random),
        4 | 5 => odd_parameter(random),
        6 => relabelled(random),
        7 => format!("({}) {} ({})", plain(random), random.pick(&OPERATORS), plain(random)),
        8 => cut(plain(random), random),
        _ => {
            let all = ["{__name__=~\".+\"}", "{__name__!=\"\"}", "count({__name__=~\".*_.*\"}) by (__name__)"];
            let of_all = [
                "rate({__name__=~\".+\"}[5m])",
                "{__name__=~\"g.*\"} * on () group_left {__name__=~\"b.*\"}",
                "sum without () ({__name__=~\".+\"})",
            ];
            let one = if random.permille(500) { random.pick(&all) } else { random.pick(&of_all) };
            format!("({one}) {} ({})", random.pick(&OPERATORS), plain(random))
        }
    }
}

const OPERATORS: [&str; 12] = [
    "+",
    "%",
    "^",
    "atan2",
    "== bool",
    "!=",
    "and",
    "or on ()",
    "unless on (trial)",
    "* on (trial) group_left (metric, __name__)",
    "- ignoring (trial, metric, mode) group_right",
    "> on (__name__)",
];

/// Parts in parts, more than anybody needs.
fn nested(random: &mut Random) -> String {
    let times = random.below(120) as usize;
    let inner = random.pick(&["1", "gauge_calm", "gauge_wild[5m]", "sum(gauge_calm)"]);
    match random.below(6) {
        0 => format!("{}{inner}{}", "(".repeat(times), ")".repeat(times)),
        1 => format!("{}{inner}", "-".repeat(times)),
        2 => format!("{}{inner}{}", "abs(".repeat(times), ")".repeat(times)),
        3 => vec![inner; times + 1].join(random.pick(&[" + ", " or ", " ^ ", " > bool "])),
        4 => format!("{}gauge_calm{}", "max_over_time(".repeat(times.min(8)), "[10s:1s])".repeat(times.min(8))),
        _ => format!("{}{inner}{}", "sum by (trial) (".repeat(times), ")".repeat(times)),
    }
}

/// Ranges, steps, offsets and times that reach out of the world.
fn stretched(random: &mut Random) -> String {
    let function =
        random.pick(&["sum_over_time", "rate", "deriv", "last_over_time", "absent_over_time", "changes", "irate"]);
    let name = random.pick(&["gauge_wild", "bytes_total", "nothing", "(gauge_calm > 500)", "vector(time())"]);
    let (range, step) = (random.pick(&DURATIONS), random.pick(&DURATIONS));
    let mut shift = String::new();
    if random.permille(400) {
        shift += &format!(" offset {}{}", random.pick(&["", "-"]), random.pick(&DURATIONS));
    }
    if random.permille(400) {
        shift += &format!(" @ {}", random.pick(&TIMES));
    }
    match random.below(4) {
        0 => format!("{function}({name}[{range}]{shift})"),
        1 => format!("{name}{shift}"),
        2 => format!("{name}[{range}]{shift}"),
        _ => format!("{function}({name}[{range}:{step}]{shift})"),
    }
}

/// Numbers that no parameter expects.
fn odd_parameter(random: &mut Random) -> String {
    let (a, b) = (random.pick(&NUMBERS), random.pick(&NUMBERS));
    let of = random.pick(&["gauge_wild", "gauge_calm", "vector(NaN)", "nothing", "duration_bucket", "vector(Inf)"]);
    match random.below(14) {
        0 => format!("topk({a}, {of})"),
        1 => format!("bottomk by (trial) ({a}, {of})"),
        2 => format!("limitk({a}, {of})"),
        3 => format!("quantile({a}, {of})"),
        4 => format!("quantile_over_time({a}, gauge_wild[5m])"),
        5 => format!("histogram_quantile({a}, {of})"),
        6 => format!("predict_linear(gauge_wild[5m], {a})"),
        7 => format!("clamp({of}, {a}, {b})"),
        8 => format!("round({of}, {a})"),
        9 => format!("count_values(\"{}\", {of} * {a})", random.pick(&LABELS)),
        10 => format!(
            "{}(vector({a}) + {of} ^ {b})",
            random.pick(&["year", "month", "days_in_month", "day_of_year", "hour"])
        ),
        11 => format!("vector({a}) % {b}"),
        12 => format!("histogram_quantile(0.5, label_replace({of}, \"le\", \"{a}\", \"\", \"\"))"),
        _ => format!(
            "{}({of} * {a})",
            random.pick(&["sum", "avg", "stddev", "stdvar", "min", "group", "sort", "scalar"])
        ),
    }
}

fn relabelled(random: &mut Random) -> String {
    let (to, from) = (random.pick(&LABELS), random.pick(&LABELS));
    let (replacement, regex) = (random.pick(&REPLACEMENTS), random.pick(&REGEXES));
    match random.below(3) {
        0 => format!("label_replace(gauge_wild, \"{to}\", \"{replacement}\", \"{from}\", \"{regex}\")"),
        1 => format!("label_join(gauge_wild, \"{to}\", \"{replacement}\", \"{from}\", \"{to}\", \"nobody\")"),
        _ => format!("gauge_wild{{trial=~\"{regex}\", \"{from}\"!~\"{regex}\"}}"),
    }
}

/// Without a piece, or with a piece twice.
fn cut(text: String, random: &mut Random) -> String {
    let all: Vec<char> = text.chars().collect();
    let (a, b) = (random.below(all.len() as u64) as usize, random.below(all.len() as u64) as usize);
    let (start, end) = (a.min(b), a.max(b));
    if random.permille(500) {
        return all[..start].iter().chain(&all[end..]).collect();
    }
    all[..end].iter().chain(&all[start..]).collect()
}
