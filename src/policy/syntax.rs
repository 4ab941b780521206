//! First stage: which keys a policy file has, of which kind, and where they stand.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::file::{File, Scalar, Table, kind};
use super::{remote, stoppers};
use crate::model::{RemoteServer, StopperSpec};

/// A policy file, read but not understood.
#[derive(Default)]
pub(super) struct PolicyFile {
    pub(super) rules: Vec<RuleFile>,
    pub(super) ladders: Vec<LadderFile>,
    pub(super) guard: Option<GuardFile>,
    pub(super) remote: Option<RemoteFile>,
}

/// A `[[rule]]`.
pub(super) struct RuleFile {
    pub(super) span: Range<usize>,
    pub(super) name: Option<Spanned<String>>,
    /// Whether a missing name has a finding already.
    pub(super) name_excused: bool,
    pub(super) expr: Option<Spanned<String>>,
    pub(super) scope: Option<Spanned<String>>,
    pub(super) evaluate: Option<Spanned<String>>,
    pub(super) confirm: Option<Spanned<String>>,
    /// Where it stands, and what it says where that has a meaning.
    pub(super) stopper: Option<(Range<usize>, Option<StopperSpec>)>,
    pub(super) holdout: Option<Spanned<Scalar>>,
    pub(super) condition: ConditionFile,
    pub(super) hold: Option<Spanned<u64>>,
    pub(super) keep_firing: Option<Spanned<u64>>,
    pub(super) for_reports: Option<Spanned<u64>>,
    pub(super) filter: Vec<(Spanned<String>, Spanned<String>)>,
    pub(super) warmup: Option<Spanned<u64>>,
    pub(super) warmup_steps: Option<Spanned<u64>>,
    pub(super) action: Option<Spanned<String>>,
    pub(super) ladder: Option<Spanned<String>>,
    pub(super) observe: Option<Spanned<bool>>,
    pub(super) max_stops: Option<Spanned<String>>,
    pub(super) serial: Option<Spanned<bool>>,
    pub(super) settle: Option<Spanned<u64>>,
    pub(super) stop_group: Option<Spanned<bool>>,
    pub(super) summary: Option<Spanned<String>>,
}

/// The shorthand of a rule, or one part of `all`.
pub(super) struct ConditionFile {
    pub(super) span: Range<usize>,
    pub(super) metric: Option<Spanned<String>>,
    pub(super) above: Option<Spanned<Scalar>>,
    pub(super) below: Option<Spanned<Scalar>>,
    pub(super) nan: Option<Spanned<bool>>,
    pub(super) mean_over: Option<Spanned<u64>>,
    pub(super) no_progress_for: Option<Spanned<u64>>,
    pub(super) except_phases: Option<Vec<Spanned<String>>>,
    /// Where the key `except_phases` stands.
    pub(super) except_key: Option<Range<usize>>,
    pub(super) startup_limit: Option<Spanned<u64>>,
    pub(super) grows: Option<Spanned<Scalar>>,
    pub(super) per: Option<Spanned<u64>>,
    pub(super) will_reach: Option<Spanned<Scalar>>,
    pub(super) within: Option<Spanned<u64>>,
    pub(super) trend_over: Option<Spanned<u64>>,
    pub(super) patience: Option<Spanned<u64>>,
    pub(super) patience_steps: Option<Spanned<u64>>,
    pub(super) min_delta: Option<Spanned<Scalar>>,
    pub(super) mode: Option<Spanned<String>>,
    pub(super) all: Option<Vec<ConditionFile>>,
    /// Where the key `all` stands.
    pub(super) all_key: Option<Range<usize>>,
    /// Whether something stands there that made a finding already: what is missing then need not be said.
    pub(super) excused: bool,
}

/// A `[ladder.NAME]`.
pub(super) struct LadderFile {
    pub(super) name: Spanned<String>,
    pub(super) span: Range<usize>,
    pub(super) rungs: Option<Vec<RungFile>>,
}

/// One of its rungs.
pub(super) struct RungFile {
    pub(super) span: Range<usize>,
    pub(super) ask: Option<Spanned<bool>>,
    pub(super) signal: Option<Spanned<String>>,
    pub(super) to: Option<Spanned<String>>,
    pub(super) wait: Option<Spanned<u64>>,
    pub(super) max: Option<Spanned<u64>>,
}

/// `[guard]`.
pub(super) struct GuardFile {
    pub(super) span: Range<usize>,
    pub(super) enabled: Option<Spanned<bool>>,
    pub(super) max_share: Option<Spanned<Scalar>>,
    pub(super) after: Option<Spanned<u64>>,
    pub(super) keep_best: Option<Spanned<u64>>,
}

/// `[remote]`, and where it stands; without a server where it has no meaning.
pub(super) struct RemoteFile {
    pub(super) span: Range<usize>,
    pub(super) server: Option<RemoteServer>,
}

/// Reads the tables of a policy file; everything that cannot be is found.
pub(super) fn read(file: &File) -> PolicyFile {
    let text = file.text.clone();
    let Some(document) = file.document(&text) else { return PolicyFile::default() };
    let table = Table::new(file, "a policy", 0..0, &document);
    let rules = table.tables("rule", "a rule", "[[rule]]").unwrap_or_default();
    let ladders = table.table("ladder", "[ladder]", "[ladder.NAME]");
    let guard = table.table("guard", "[guard]", "[guard]");
    let remote = table.table("remote", "[remote]", "[remote]");
    let read = PolicyFile {
        rules: rules.into_iter().map(|t| rule(file, t)).collect(),
        ladders: ladders
            .map(|t| t.entries().filter_map(|(name, v)| ladder(file, name, v)).collect())
            .unwrap_or_default(),
        guard: guard.map(guard_file),
        remote: remote.map(|t| RemoteFile { span: t.span.clone(), server: remote::read(file, t) }),
    };
    table.close();
    read
}

fn rule(file: &File, table: Table<'_>) -> RuleFile {
    let read = RuleFile {
        span: table.span.clone(),
        name: table.text("name", "\"memory-cap\""),
        name_excused: table.attempts(&["name"]),
        expr: table.text("expr", "'trial_memory_bytes > 512 * 1024 ^ 2'"),
        scope: table.text("scope", "\"experiment\""),
        evaluate: table.text("evaluate", "\"local\""),
        confirm: table.text("confirm", "\"pss\""),
        condition: keys_of_condition(file, &table, table.attempts(&["expr", "stopper"])),
        stopper: table
            .table("stopper", "a stopper", "{ kind = \"median\", metric = \"val_accuracy\", mode = \"max\" }")
            .map(|t| (t.span.clone(), stoppers::read(file, t))),
        holdout: table.scalar("holdout", "0.05"),
        hold: table.duration("for", "\"5s\""),
        keep_firing: table.duration("keep_firing_for", "\"1m\""),
        for_reports: table.count("for_reports", 1, "3"),
        filter: table
            .table("where", "`where`", "{ experiment = \"red_*\" }")
            .map(|t| filter(file, &t, ""))
            .unwrap_or_default(),
        warmup: table.duration("warmup", "\"30s\""),
        warmup_steps: table.count("warmup_steps", 0, "100"),
        action: table.text("action", "\"stop\""),
        ladder: table.text("ladder", "\"gentle\""),
        observe: table.flag("observe"),
        max_stops: table.text("max_stops", "\"5 per 1h\""),
        serial: table.flag("serial"),
        settle: table.duration("settle", "\"5s\""),
        stop_group: table.flag("stop_group"),
        summary: table.text("summary", "\"memory {{ value | bytes }}\""),
    };
    table.close();
    read
}

fn condition(file: &File, table: Table<'_>) -> ConditionFile {
    let read = keys_of_condition(file, &table, false);
    table.close();
    read
}

/// The keys of a condition, in a rule or in a part of its `all`.
/// `excused`: what is missing has a finding already, or stands in another key.
fn keys_of_condition(file: &File, table: &Table<'_>, excused: bool) -> ConditionFile {
    let mut read = ConditionFile {
        span: table.span.clone(),
        metric: table.text("metric", "\"memory\""),
        above: table.scalar("above", "\"512 MiB\""),
        below: table.scalar("below", "0.1"),
        nan: table.flag("nan"),
        mean_over: table.period("mean_over", "\"1m\""),
        no_progress_for: table.period("no_progress_for", "\"10m\""),
        except_phases: table.texts("except_phases", "[\"checkpoint\", \"eval\"]"),
        except_key: table.key("except_phases"),
        startup_limit: table.period("startup_limit", "\"15m\""),
        grows: table.scalar("grows", "\"50 MiB\""),
        per: table.period("per", "\"10m\""),
        will_reach: table.scalar("will_reach", "\"8 GiB\""),
        within: table.period("within", "\"10m\""),
        trend_over: table.period("trend_over", "\"2m\""),
        patience: table.count("patience", 1, "5"),
        patience_steps: table.count("patience_steps", 1, "500"),
        min_delta: table.scalar("min_delta", "0.001"),
        mode: table.text("mode", "\"min\""),
        all: None,
        all_key: table.key("all"),
        excused: false,
    };
    let parts = table.tables("all", "a condition in `all`", "[ { metric = \"memory\", above = \"1 GiB\" }, ... ]");
    read.all = parts.map(|parts| parts.into_iter().map(|t| condition(file, t)).collect());
    let incomplete = [
        (read.metric.is_none(), "metric"),
        (read.above.is_none(), "above"),
        (read.below.is_none(), "below"),
        (read.nan.is_none(), "nan"),
        (read.no_progress_for.is_none(), "no_progress_for"),
        (read.startup_limit.is_none(), "startup_limit"),
        (read.grows.is_none(), "grows"),
        (read.will_reach.is_none(), "will_reach"),
        (read.patience.is_none(), "patience"),
        (read.patience_steps.is_none(), "patience_steps"),
        (read.all.is_none(), "all"),
    ];
    let missing: Vec<&str> = incomplete.into_iter().filter(|(missing, _)| *missing).map(|(_, key)| key).collect();
    read.excused = excused || table.attempts(&missing);
    read
}

/// The globs of `where`. Dots in a key make tables in TOML: `param.lr = "0.1"` is as good as `"param.lr" = "0.1"`.
fn filter(file: &File, table: &Table<'_>, prefix: &str) -> Vec<(Spanned<String>, Spanned<String>)> {
    let mut found = Vec::new();
    for (key, value) in table.entries() {
        let name = Spanned::new(key.span(), format!("{prefix}{}", key.get_ref()));
        let glob = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Table(inner) if prefix.is_empty() && *key.get_ref() == "param" => {
                found.extend(filter(file, &Table::new(file, "`param`", value.span(), inner), "param."));
                continue;
            }
            other => {
                let message = format!("`{}` must be text with a glob, this is {}", name.get_ref(), kind(other));
                file.error("wrong-type", value.span(), message, "write for example experiment = \"red_*\"");
                continue;
            }
        };
        found.push((name, Spanned::new(value.span(), glob)));
    }
    found
}

fn ladder(file: &File, name: Spanned<&str>, value: &Spanned<DeValue<'_>>) -> Option<LadderFile> {
    let DeValue::Table(entries) = value.get_ref() else {
        let message = format!("`{}` must be a ladder, this is {}", name.get_ref(), kind(value.get_ref()));
        file.error("wrong-type", value.span(), message, "write [ladder.NAME] and under it rungs = [ ... ]");
        return None;
    };
    let table = Table::new(file, "a ladder", value.span(), entries);
    let rungs = table.tables("rungs", "a rung", "[ { ask = true, wait = \"10s\" }, { signal = \"SIGKILL\" } ]");
    let read = LadderFile {
        span: name.span(),
        name: Spanned::new(name.span(), name.get_ref().to_string()),
        rungs: rungs.map(|rungs| rungs.into_iter().map(rung).collect()),
    };
    table.close();
    Some(read)
}

fn rung(table: Table<'_>) -> RungFile {
    let read = RungFile {
        span: table.span.clone(),
        ask: table.flag("ask"),
        signal: table.text("signal", "\"SIGTERM\""),
        to: table.text("to", "\"tree\""),
        wait: table.duration("wait", "\"10s\""),
        max: table.duration("max", "\"5m\""),
    };
    table.close();
    read
}

fn guard_file(table: Table<'_>) -> GuardFile {
    let read = GuardFile {
        span: table.span.clone(),
        enabled: table.flag("enabled"),
        max_share: table.scalar("max_share", "0.8"),
        after: table.count("after", 0, "5"),
        keep_best: table.count("keep_best", 0, "1"),
    };
    table.close();
    read
}
