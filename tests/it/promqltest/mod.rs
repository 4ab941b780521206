//! Prometheus's own statements about PromQL: `cargo test --test it promqltest -- --nocapture`.
//!
//! EARLYSTOP_PROMQLTEST names the folders of `.test` files, a colon between them; else they are taken from the shared
//! folder.

mod compare;
pub mod expressions;
mod pin;
pub mod random;
pub mod samples;
mod script;
pub mod store;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Once;

use earlystop::promql::{Element, Expr, Kind, Limits, Point, Track, Value, instant, parse, range};

pub use compare::close;
use script::{Command, Order, Statement, Wanted, When};
use store::Store;

use crate::support;

/// How many of how many.
#[derive(Clone, Copy, Default)]
struct Count {
    passed: usize,
    total: usize,
}

impl Count {
    fn add(&mut self, right: bool) {
        self.passed += usize::from(right);
        self.total += 1;
    }
}

/// What came of a file or of all.
#[derive(Default)]
struct Report {
    statements: Count,
    /// Instant statements asked again in other words.
    again: Count,
    families: BTreeMap<String, Count>,
    failures: Vec<String>,
}

#[test]
fn statements_of_prometheus_hold() {
    let Some(folders) = folders() else { return };
    let mut all = Report::default();
    for file in files(&folders) {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let name = file.file_name().expect("a file").to_string_lossy();
        let before = all.statements;
        run(&name, &text, &mut all);
        println!("{name} {}/{}", all.statements.passed - before.passed, all.statements.total - before.total);
    }
    for failure in &all.failures {
        println!("{failure}");
    }
    for (family, count) in all.families.iter().filter(|(_, count)| count.passed < count.total) {
        println!("family {family}: {} of {}", count.passed, count.total);
    }
    println!("asked again as a range query and pinned with @: {} of {}", all.again.passed, all.again.total);
    println!("promqltest: {} of {}", all.statements.passed, all.statements.total);
    assert!(all.statements.total > 0, "no statements in {folders:?}");
    assert!(all.failures.is_empty(), "{} things are not as Prometheus says", all.failures.len());
}

/// Where the files are; `None`, and skipped, where nobody said and the shared folder is not there.
fn folders() -> Option<Vec<PathBuf>> {
    match std::env::var("EARLYSTOP_PROMQLTEST") {
        Ok(said) => Some(said.split(':').filter(|folder| !folder.is_empty()).map(PathBuf::from).collect()),
        Err(_) => support::shared("promqltest/core").map(|folder| vec![folder]),
    }
}

fn files(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        let entries =
            std::fs::read_dir(folder).unwrap_or_else(|e| panic!("EARLYSTOP_PROMQLTEST: {}: {e}", folder.display()));
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "test"));
        files.sort();
        found.extend(files);
    }
    found
}

fn run(name: &str, text: &str, report: &mut Report) {
    let commands = match script::parse(text) {
        Ok(commands) => commands,
        Err((line, why)) => {
            report.statements.add(false);
            report.failures.push(format!("{name}:{line}: {why}"));
            return;
        }
    };
    let limits = limits(text);
    let mut store = Store::default();
    for command in commands {
        match command {
            Command::Clear => store = Store::default(),
            Command::Load(step, series) => {
                for (labels, values) in series {
                    let times = (0..).map(|i| i * step);
                    store.add(labels, times.zip(values).filter_map(|(t, v)| v.map(|v| Point { t, v })));
                }
            }
            Command::Eval(statement) => judge(name, &statement, &store, &limits, report),
        }
    }
}

/// Prometheus's own limits, of the version that a file says it is from: up to 2.x the lookback took in a sample that is
/// exactly five minutes old, which 3.0 leaves out.
fn limits(text: &str) -> Limits {
    let limits = Limits::default();
    let closed =
        text.lines().take_while(|line| line.starts_with('#')).any(|line| line.contains("prometheus/prometheus v2."));
    Limits { lookback: limits.lookback + i64::from(closed), ..limits }
}

/// Asks, asks again, and counts.
fn judge(name: &str, statement: &Statement, store: &Store, limits: &Limits, report: &mut Report) {
    let Statement { line, family, expr, wanted, .. } = statement;
    let right = verdict(wanted, || answer(statement, store, limits));
    report.statements.add(right.is_ok());
    report.families.entry(family.clone()).or_default().add(right.is_ok());
    if let Err(why) = right {
        report.failures.push(format!("{name}:{line}: {expr}\n  {why}\n  wanted {}", cut(wanted)));
        return;
    }
    for (how, right) in again(statement, store, limits) {
        report.again.add(right.is_ok());
        if let Err(why) = right {
            report.failures.push(format!("{name}:{line}: {expr}\n  {how}: {why}\n  wanted {}", cut(wanted)));
        }
    }
}

fn answer(statement: &Statement, store: &Store, limits: &Limits) -> Result<Value, String> {
    let expr = parse(&statement.expr).map_err(|problem| problem.message)?;
    match statement.when {
        When::At(at) => instant(&expr, store, at, limits).map_err(|e| e.to_string()),
        When::Range(span) => range(&expr, store, span, limits).map(Value::Matrix).map_err(|e| e.to_string()),
    }
}

/// An instant statement as a range query whose middle step it is, and with `@` pinned while the time moves: what was
/// done, and whether it came out the same.
fn again(statement: &Statement, store: &Store, limits: &Limits) -> Vec<(String, Result<(), String>)> {
    let (When::At(at), Ok(expr)) = (statement.when, parse(&statement.expr)) else { return Vec::new() };
    if matches!(statement.wanted, Wanted::Text(_) | Wanted::Matrix(..)) {
        return Vec::new();
    }
    // A range query sorts by labels.
    let unordered = match &statement.wanted {
        Wanted::Vector(series, _) => &Wanted::Vector(series.clone(), Order::Any),
        other => other,
    };
    let mut verdicts = vec![("as a range query".to_owned(), verdict(unordered, || as_range(&expr, store, at, limits)))];
    for time in pin::elsewhere(at) {
        let Some(pinned) = pin::pinned(&expr, at) else { break };
        let ask = || instant(&pinned, store, time, limits).map_err(|e| e.to_string());
        verdicts.push((format!("pinned with @ and evaluated at {time} ms"), verdict(&statement.wanted, ask)));
    }
    verdicts
}

/// The answer of a range query at one of its steps.
fn as_range(expr: &Expr, store: &Store, at: i64, limits: &Limits) -> Result<Value, String> {
    let tracks = range(expr, store, pin::around(expr, at), limits).map_err(|e| e.to_string())?;
    let now = |track: &Track| track.points.iter().find(|point| point.t == at).map(|point| point.v);
    if expr.kind() == Kind::Scalar {
        let [track] = &tracks[..] else { return Err(format!("a number became {} tracks", tracks.len())) };
        return now(track).map(Value::Scalar).ok_or_else(|| "no number at the step".to_owned());
    }
    let element = |track: &Track| now(track).map(|value| Element { labels: track.labels.clone(), value });
    Ok(Value::Vector(tracks.iter().filter_map(element).collect()))
}

/// Whether what was asked gives what was wanted.
fn verdict(wanted: &Wanted, ask: impl FnOnce() -> Result<Value, String>) -> Result<(), String> {
    match (wanted, guarded(ask)?) {
        (Wanted::Failure, Err(_)) => Ok(()),
        (_, Err(error)) => Err(format!("error: {error}")),
        (wanted, Ok(value)) => compare::check(wanted, &value).map_err(|why| format!("{why}; came {}", cut(&value))),
    }
}

/// In few enough words for a list.
fn cut(what: &impl std::fmt::Debug) -> String {
    let mut text = format!("{what:?}");
    if let Some((at, _)) = text.char_indices().nth(600) {
        text.replace_range(at.., "...");
    }
    text
}

thread_local! {
    /// Where the last panic of this thread was, while one is waited for.
    static WAITING: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs what may panic, and says where it did in place of a trace: one statement must not take the others with it.
pub fn guarded<T>(what: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let waiting = WAITING.with_borrow_mut(|place| {
                place.as_mut().map(|place| *place = info.to_string().replace('\n', " ")).is_some()
            });
            if !waiting {
                usual(info);
            }
        }));
    });
    WAITING.set(Some(String::new()));
    let came = catch_unwind(AssertUnwindSafe(what));
    came.map_err(|_| WAITING.take().unwrap_or_default()).inspect(|_| WAITING.set(None))
}

#[test]
fn a_statement_that_does_not_hold_is_told_from_one_that_does() {
    let eval = |statement: &str| {
        let mut report = Report::default();
        run("x.test", &format!("load 1m\n up{{a=\"1\"}} 1 2\n\n{statement}"), &mut report);
        let Count { passed, total } = report.statements;
        assert!(
            report.again.total == 0 || total == 1 && report.again.passed == report.again.total,
            "{:?}",
            report.failures
        );
        (passed, total, report.failures.len())
    };
    assert_eq!(eval("eval instant at 1m up\n up{a=\"1\"} 2"), (1, 1, 0));
    assert_eq!(eval("eval instant at 1m up\n up{a=\"1\"} 1"), (0, 1, 1));
    assert_eq!(eval("eval instant at 1m up"), (0, 1, 1));
    assert_eq!(eval("eval instant at 1m up\n expect fail"), (0, 1, 1));
    assert_eq!(eval("eval instant at 1m up +\n expect fail"), (1, 1, 0));
    assert_eq!(eval("eval instant at 1m 1\n 1"), (1, 1, 0));
    assert_eq!(eval("eval instant at 1m 1\n {} 1"), (0, 1, 1));
    assert_eq!(eval("eval range from 0 to 1m step 1m up\n up{a=\"1\"} 1 2"), (1, 1, 0));
    assert_eq!(eval("eval range from 0 to 1m step 1m up\n up{a=\"1\"} 1 2 3"), (0, 1, 1));
    assert_eq!(eval("evil instant at 1m up"), (0, 1, 1));
}

#[test]
fn a_file_of_prometheus_2_looks_back_to_the_edge() {
    let passed = |version: &str| {
        let mut report = Report::default();
        let text =
            format!("# Derived from prometheus/prometheus {version}\n\nload 5m\n up 1\n\neval instant at 5m up\n up 1");
        run("x.test", &text, &mut report);
        (report.statements.passed, report.again.passed == report.again.total)
    };
    assert_eq!([passed("v2.53.5"), passed("v3.14.0")], [(1, true), (0, true)]);
}

#[test]
fn a_panic_is_caught_with_its_place() {
    let said = guarded(|| panic!("no {}", "more")).expect_err("it panics");
    assert!(said.contains("mod.rs") && said.contains("no more"), "{said}");
    assert_eq!(guarded(|| 1), Ok(1));
}
