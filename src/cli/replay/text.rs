//! The report of a replay in recorded time, for people.

use std::collections::BTreeMap;

use super::Args;
use super::json::told;
use super::page::{Page, Section};
use super::recorded::{Replay, Replayed};
use crate::cli::table::{self, Align};
use crate::replay::{Bounds, Cost, Experiment, Stopped, Used};

/// Differences that are shown; --json has them all.
const SHOWN: usize = 5;

/// All of it.
pub fn page(args: &Args, replay: &Replay) -> Page {
    let mut lead = Vec::new();
    replay.journals.iter().for_each(|journal| equality(journal, replay.own, &mut lead));
    let mut sections = Vec::new();
    if !replay.outcome.stopped.is_empty() {
        sections.push(stops(&replay.outcome.stopped));
    }
    sections.extend(would_stop(replay));
    sections.push(totals(replay));
    if !replay.outcome.experiments.is_empty() {
        sections.push(experiments(&replay.outcome.experiments));
    }
    Page { title: head(args, replay), lead, sections, notes: notes(replay), points: Vec::new() }
}

pub(super) fn number(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn head(args: &Args, replay: &Replay) -> String {
    let files: Vec<String> = args.policy.iter().map(|path| path.display().to_string()).collect();
    let under = if replay.own { "the record's own policies".to_string() } else { files.join(", ") };
    let lives: usize = replay.journals.iter().map(|journal| journal.past.lives).sum();
    let (trials, journals) = (number(replay.outcome.trials, "trial"), number(replay.journals.len(), "journal"));
    let lives = if lives == replay.journals.len() { String::new() } else { format!(" ({lives} lives of a daemon)") };
    format!("{trials} in {journals}{lives}, replayed under {under}")
}

/// Whether a journal and the replay of its own policies agree.
fn equality(journal: &Replayed, own: bool, lines: &mut Vec<String>) {
    let (past, path) = (&journal.past, journal.path.display());
    for broken in &past.breaks {
        lines.push(format!("{path}: equality cannot be claimed: {}", told(broken)));
    }
    if !own {
        return;
    }
    if past.differences.is_empty() {
        lines.push(format!("{path}: {}, equal to the journal's to the byte", number(past.stops, "stop")));
        return;
    }
    lines.push(format!("{path}: the replay differs from the journal in {}", number(past.differences.len(), "place")));
    let absent = |text: &str| if text.is_empty() { "nothing".to_string() } else { text.to_string() };
    for difference in past.differences.iter().take(SHOWN) {
        lines.push(format!("  {}", difference.of));
        lines.push(format!("    journal: {}", absent(&difference.journal)));
        lines.push(format!("    replay:  {}", absent(&difference.replay)));
    }
}

fn stops(stopped: &[Stopped]) -> Section {
    let head = vec![
        ("TRIAL", Align::Left),
        ("RULE", Align::Left),
        ("AFTER", Align::Right),
        ("STEP", Align::Right),
        ("SAVED: STEPS", Align::Right),
        ("TIME", Align::Right),
        ("CPU", Align::Right),
        ("GiB h", Align::Right),
        ("WHY", Align::Left),
    ];
    let row = |stopped: &Stopped| {
        let Stopped { view, stop, saved, at_least, finished } = stopped;
        let attempt = if view.attempt > 1 { format!("#{}", view.attempt) } else { String::new() };
        let least = |text: String| if *at_least && !stop.in_record { format!(">={text}") } else { text };
        let why = match (stop.in_record, finished) {
            (true, _) => format!("{} (as recorded)", stop.reason),
            (false, true) => format!("{} (after its last report: counts as finished)", stop.reason),
            (false, false) => stop.reason.clone(),
        };
        vec![
            format!("{}{attempt}", view.full_name()),
            stop.rule.to_string(),
            table::seconds(stop.view.elapsed(stop.at)),
            stop.view.progress.step.map_or("-".to_string(), |step| step.to_string()),
            least(format!("{:.0}", saved.steps)),
            least(table::seconds(saved.seconds)),
            least(table::seconds(saved.cpu_seconds)),
            least(format!("{:.3}", saved.gib_hours)),
            why,
        ]
    };
    Section { caption: String::new(), head, rows: stopped.iter().map(row).collect(), after: Vec::new(), detail: true }
}

/// What rules would have done that only observe, or that a brake held back.
fn would_stop(replay: &Replay) -> Option<Section> {
    let would: Vec<_> = replay.journals.iter().flat_map(|journal| &journal.told.would).collect();
    if would.is_empty() {
        return None;
    }
    let head = vec![
        ("TRIAL", Align::Left),
        ("RULE", Align::Left),
        ("AFTER", Align::Right),
        ("STEP", Align::Right),
        ("NOT DONE", Align::Left),
    ];
    let rows: Vec<Vec<String>> = would
        .iter()
        .map(|would| {
            vec![
                would.view.full_name(),
                would.rule.to_string(),
                table::seconds(would.view.elapsed(would.at)),
                would.view.progress.step.map_or("-".to_string(), |step| step.to_string()),
                would.outcome.as_str().to_string(),
            ]
        })
        .collect();
    Some(Section { caption: "stops that were not to be:".to_string(), head, rows, after: Vec::new(), detail: true })
}

fn totals(replay: &Replay) -> Section {
    let outcome = &replay.outcome;
    let head = vec![
        ("", Align::Left),
        ("STEPS", Align::Right),
        ("TIME", Align::Right),
        ("CPU", Align::Right),
        ("GiB h", Align::Right),
    ];
    let row = |name: &str, used: Used| {
        vec![
            name.to_string(),
            format!("{:.0}", used.steps),
            table::seconds(used.seconds),
            table::seconds(used.cpu_seconds),
            format!("{:.3}", used.gib_hours),
        ]
    };
    let rows = vec![row("recorded", outcome.recorded), row("replayed", outcome.used)];
    let mut after = Vec::new();
    let speedup = outcome.speedup(replay.cost);
    let counted = outcome.stopped.len();
    after.push(format!("{}: speed-up {} ({})", number(counted, "stop"), times(speedup), unit(replay.cost)));
    let mut by_rule: BTreeMap<&str, usize> = BTreeMap::new();
    outcome.stopped.iter().for_each(|stopped| *by_rule.entry(&stopped.stop.rule).or_default() += 1);
    let by_rule: Vec<String> = by_rule.iter().map(|(rule, n)| format!("{rule} {n}")).collect();
    if !by_rule.is_empty() {
        after.push(format!("by rule: {}", by_rule.join(", ")));
    }
    Section { caption: String::new(), head, rows, after, detail: false }
}

pub(super) fn unit(cost: Cost) -> &'static str {
    match cost {
        Cost::Steps => "in steps",
        Cost::Seconds => "in seconds",
        Cost::CpuSeconds => "in CPU seconds",
    }
}

fn times(bounds: Bounds) -> String {
    match bounds {
        Bounds { low, high } if low == high => format!("{high:.2}x"),
        Bounds { low: 0.0, high } => format!("at most {high:.2}x"),
        Bounds { low, high } => format!("{low:.2}x to {high:.2}x"),
    }
}

fn experiments(all: &[Experiment]) -> Section {
    let head = vec![
        ("EXPERIMENT", Align::Left),
        ("OBJECTIVE", Align::Left),
        ("ENDED", Align::Right),
        ("BEST", Align::Right),
        ("BEST KEPT", Align::Right),
        ("KEPT", Align::Left),
        ("REGRET", Align::Right),
    ];
    let row = |e: &Experiment| {
        let kept = match (e.kept.low, e.kept.high) {
            (1.0, _) => "yes",
            (_, 0.0) => "no",
            _ => "unknown",
        };
        let regret = match e.regret {
            Bounds { low, high } if low == high => format!("{:.3} %", 100.0 * low),
            Bounds { low, .. } => format!("at least {:.3} %", 100.0 * low),
        };
        vec![
            e.name.to_string(),
            format!("{} ({})", e.objective.metric, e.objective.mode.as_str()),
            e.complete.to_string(),
            format!("{}", e.best),
            e.kept_best.map_or("-".to_string(), |best| best.to_string()),
            kept.to_string(),
            regret,
        ]
    };
    Section { caption: String::new(), head, rows: all.iter().map(row).collect(), after: Vec::new(), detail: false }
}

/// What must be known to read the figures.
fn notes(replay: &Replay) -> Vec<String> {
    let outcome = &replay.outcome;
    let mut notes = Vec::new();
    if outcome.stopped.iter().any(|stopped| !stopped.stop.in_record) {
        notes.push("A trial that is stopped ends there; all others keep their recorded times.".to_string());
    }
    if replay.journals.iter().any(|journal| journal.made_up) {
        notes.push(
            "Times of an imported history without any are made up: what depends on them means nothing.".to_string(),
        );
    }
    if outcome.never > 0 {
        notes.push(format!("{} never began: inside one that was stopped.", number(outcome.never, "trial")));
    }
    if outcome.censored > 0 {
        notes.push(format!(
            "{} of {} censored (ended by a rule, a signal, a failure, or still running at the end); {} would have gone on, \
             and nobody knows how: kept and regret are bounds then.",
            outcome.censored, outcome.trials, outcome.beyond
        ));
    }
    if !outcome.without.is_empty() {
        let names: Vec<&str> = outcome.without.iter().map(|name| name.as_str()).collect();
        notes.push(format!(
            "Nothing is known of what was kept in {}: no objective, or no trial came to its end; --metric NAME --mode min|max \
             gives one.",
            names.join(", ")
        ));
    }
    notes
}
