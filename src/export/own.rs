//! What the daemon says of itself and of the host: readers of [`crate::state::table::DAEMON_METRICS`].

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

use super::text::Buckets;
use crate::model::{
    COUNTED_SIGNALS, Counters, DropReason, ErrorCode, RemoteOutcome, RuleTotals, SignalResult, Snapshot, StopOutcome,
    TrialView,
};
use crate::state::table::{Emit, HOST_METRICS};
use crate::stopper::clopper_pearson;

/// Bounds of `earlystop_sample_duration_seconds`, seconds: a pass over one idle tree takes tens of microseconds, one
/// over 5,000 processes some ten milliseconds.
pub const TICK_BUCKETS: [f64; 17] =
    [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5];

/// What the exporter keeps of the daemon over its life.
#[derive(Debug)]
pub struct Own {
    ticks: Mutex<TickTimes>,
    /// When the daemon's process began, seconds since the Unix epoch.
    started: Option<f64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct TickTimes {
    counts: [u64; TICK_BUCKETS.len() + 1],
    sum: f64,
}

impl TickTimes {
    pub(super) fn buckets(&self) -> Buckets<'_> {
        Buckets { bounds: &TICK_BUCKETS, counts: &self.counts, sum: self.sum }
    }
}

impl Own {
    /// Begins with empty counts.
    pub fn new() -> Own {
        Own { ticks: Mutex::default(), started: started() }
    }

    /// Counts a pass of the sampler; called once after each tick.
    pub fn observe_tick(&self, seconds: f64) {
        let mut ticks = self.ticks.lock().unwrap_or_else(PoisonError::into_inner);
        ticks.counts[TICK_BUCKETS.partition_point(|bound| *bound < seconds)] += 1;
        ticks.sum += seconds;
    }

    pub(super) fn ticks(&self) -> TickTimes {
        self.ticks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Default for Own {
    fn default() -> Own {
        Own::new()
    }
}

/// When this process began: clock ticks since boot, and when that was.
fn started() -> Option<f64> {
    let stat = procfs::process::Process::myself().and_then(|me| me.stat()).ok()?;
    use procfs::CurrentSI;
    let boot = procfs::KernelStats::current().ok()?.btime;
    Some(boot as f64 + stat.starttime as f64 / procfs::ticks_per_second() as f64)
}

/// What a reader of [`crate::state::table::DAEMON_METRICS`] looks at.
pub(super) struct Scrape<'a> {
    pub snapshot: &'a Snapshot,
    pub counters: &'a Counters,
    pub own: &'a Own,
}

/// How many processes of a trial there are to export.
pub(super) fn members(view: &TrialView) -> usize {
    if view.state.is_living() { view.tree.as_ref().map_or(0, |tree| tree.members.len()) } else { 0 }
}

/// Reads the series of one row. Histograms emit nothing.
pub(super) fn read(name: &str, scrape: &Scrape, emit: &mut Emit) {
    if let Some(row) = HOST_METRICS.iter().find(|row| row.name == name) {
        return (row.read)(&scrape.snapshot.host, emit);
    }
    if let Some((_, reader)) = READERS.iter().find(|(row, _)| *row == name) {
        reader(scrape, emit);
    }
}

type Reader = fn(&Scrape, &mut Emit);

/// A reader for each row beside those of the host.
#[rustfmt::skip]
static READERS: &[(&str, Reader)] = &[
    ("earlystop_build_info", |_, emit| emit(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)),
    ("earlystop_sample_overruns_total", |s, emit| emit(&[], s.snapshot.overruns as f64)),
    ("earlystop_last_sample_timestamp_seconds", |s, emit| one(s.snapshot.last_tick.map(|at| at.unix_seconds()), emit)),
    ("earlystop_sampled_processes", |s, emit| emit(&[], all_members(s.snapshot) as f64)),
    ("earlystop_processes_not_exported", |s, emit| {
        emit(&[], all_members(s.snapshot).saturating_sub(s.snapshot.process_series) as f64);
    }),
    ("earlystop_source_up", source_up),
    ("earlystop_heartbeats_total", |s, emit| emit(&[], s.snapshot.heartbeats as f64)),
    ("earlystop_protocol_errors_total", protocol_errors),
    ("earlystop_dropped_total", dropped),
    ("earlystop_rule_evaluations_total", |s, emit| by_rule(s, emit, |rule| rule.evaluations as f64)),
    ("earlystop_rule_evaluation_seconds_total", |s, emit| by_rule(s, emit, |rule| rule.seconds)),
    ("earlystop_rule_evaluation_failures_total", |s, emit| by_rule(s, emit, |rule| rule.failures as f64)),
    ("earlystop_rule_spared_total", spared),
    ("earlystop_rule_false_stops_total", |s, emit| by_rule(s, emit, |rule| rule.false_stops as f64)),
    ("earlystop_rule_false_stop_ratio", false_stop_ratio),
    ("earlystop_stops_total", stops),
    ("earlystop_signals_total", signals),
    ("earlystop_window_bytes", |s, emit| emit(&[], s.snapshot.window_bytes as f64)),
    ("earlystop_query_series", |s, emit| emit(&[], s.counters.query_series.load(Relaxed) as f64)),
    ("earlystop_query_bytes", |s, emit| emit(&[], s.counters.query_bytes.load(Relaxed) as f64)),
    ("earlystop_query_oldest_timestamp_seconds", |s, emit| {
        one(Some(s.counters.query_oldest_ms.load(Relaxed) as f64 / 1000.0).filter(|at| *at > 0.0), emit);
    }),
    ("earlystop_config_last_reload_successful", |s, emit| emit(&[], flag(s.snapshot.reload.0))),
    ("earlystop_config_last_reload_success_timestamp_seconds", |s, emit| {
        one(Some(s.snapshot.reload.1.unix_seconds()).filter(|at| *at > 0.0), emit);
    }),
    ("earlystop_journal_up", |s, emit| emit(&[], flag(s.counters.journal_up.load(Relaxed)))),
    ("earlystop_journal_size_bytes", |s, emit| emit(&[], s.counters.journal_bytes.load(Relaxed) as f64)),
    ("earlystop_journal_records_total", |s, emit| emit(&[], s.counters.journal_records.load(Relaxed) as f64)),
    ("earlystop_journal_dropped_records_total", |s, emit| emit(&[], s.counters.journal_dropped.load(Relaxed) as f64)),
    ("earlystop_journal_write_errors_total", |s, emit| emit(&[], s.counters.journal_errors.load(Relaxed) as f64)),
    ("earlystop_remote_queries_total", remote_queries),
    ("process_cpu_seconds_total", |_, emit| one(cpu_seconds(), emit)),
    ("process_open_fds", |_, emit| some(open_fds(), emit)),
    ("process_max_fds", |_, emit| some(max_fds(), emit)),
    ("process_virtual_memory_bytes", |_, emit| some(own_pages().map(|(size, _)| size), emit)),
    ("process_resident_memory_bytes", |_, emit| some(own_pages().map(|(_, resident)| resident), emit)),
    ("process_start_time_seconds", |s, emit| one(s.own.started, emit)),
    ("process_threads", |_, emit| some(own_threads(), emit)),
];

fn one(value: Option<f64>, emit: &mut Emit) {
    if let Some(value) = value {
        emit(&[], value);
    }
}

fn some(value: Option<u64>, emit: &mut Emit) {
    one(value.map(|n| n as f64), emit);
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

fn source_up(scrape: &Scrape, emit: &mut Emit) {
    for (source, up) in &scrape.snapshot.up {
        emit(&[("source", source.as_str())], flag(*up));
    }
}

fn all_members(snapshot: &Snapshot) -> usize {
    snapshot.trials.iter().map(|view| members(view)).sum()
}

fn protocol_errors(scrape: &Scrape, emit: &mut Emit) {
    for (at, code) in ErrorCode::ALL.iter().enumerate() {
        emit(&[("code", code.as_str())], scrape.counters.protocol_errors.get(at) as f64);
    }
}

fn dropped(scrape: &Scrape, emit: &mut Emit) {
    for (at, reason) in DropReason::ALL.iter().enumerate() {
        emit(&[("reason", reason.as_str())], scrape.counters.dropped.get(at) as f64);
    }
}

fn by_rule(scrape: &Scrape, emit: &mut Emit, part: fn(&RuleTotals) -> f64) {
    for (rule, totals) in &scrape.snapshot.rules {
        emit(&[("rule", rule)], part(totals));
    }
}

fn spared(scrape: &Scrape, emit: &mut Emit) {
    for (rule, totals) in &scrape.snapshot.rules {
        emit(&[("rule", rule), ("end", "finished")], totals.spared_finished as f64);
        emit(&[("rule", rule), ("end", "censored")], totals.spared_censored as f64);
    }
}

fn false_stop_ratio(scrape: &Scrape, emit: &mut Emit) {
    for (rule, totals) in &scrape.snapshot.rules {
        let Some(ratio) = totals.false_stop_ratio() else { continue };
        let (low, high) = clopper_pearson(totals.false_stops, totals.spared_finished);
        for (limit, value) in [("low", low), ("estimate", ratio), ("high", high)] {
            emit(&[("rule", rule), ("limit", limit)], value);
        }
    }
}

fn stops(scrape: &Scrape, emit: &mut Emit) {
    for (rule, totals) in &scrape.snapshot.rules {
        for (outcome, n) in StopOutcome::ALL.iter().zip(totals.stops) {
            emit(&[("rule", rule), ("outcome", outcome.as_str())], n as f64);
        }
    }
}

fn signals(scrape: &Scrape, emit: &mut Emit) {
    for (row, signal) in COUNTED_SIGNALS.iter().enumerate() {
        for (column, result) in SignalResult::ALL.iter().enumerate() {
            let n = scrape.counters.signals.get(row * SignalResult::ALL.len() + column);
            emit(&[("signal", signal), ("result", result.as_str())], n as f64);
        }
    }
}

fn remote_queries(scrape: &Scrape, emit: &mut Emit) {
    for (at, outcome) in RemoteOutcome::ALL.iter().enumerate() {
        emit(&[("result", outcome.as_str())], scrape.counters.remote_queries.get(at) as f64);
    }
}

fn cpu_seconds() -> Option<f64> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(now.tv_sec as f64 + now.tv_nsec as f64 / 1e9)
}

/// Since Linux 6.2 the size of this folder is the number of descriptors; earlier it is 0 and they have to be counted.
fn open_fds() -> Option<u64> {
    match std::fs::metadata("/proc/self/fd").ok()?.len() {
        0 => Some(std::fs::read_dir("/proc/self/fd").ok()?.count() as u64),
        n => Some(n),
    }
}

fn max_fds() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Size and resident memory, bytes.
fn own_pages() -> Option<(u64, u64)> {
    let statm = procfs::process::Process::myself().and_then(|me| me.statm()).ok()?;
    Some((statm.size * procfs::page_size(), statm.resident * procfs::page_size()))
}

fn own_threads() -> Option<u64> {
    let stat = procfs::process::Process::myself().and_then(|me| me.stat()).ok()?;
    u64::try_from(stat.num_threads).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::table::{DAEMON_METRICS, Kind, daemon_metric};

    #[test]
    fn every_row_has_a_reader_and_every_reader_a_row() {
        for row in DAEMON_METRICS.iter().filter(|row| row.kind != Kind::Histogram) {
            let host = HOST_METRICS.iter().any(|host| host.name == row.name);
            let known = host || READERS.iter().any(|(name, _)| *name == row.name);
            assert!(known, "{}", row.name);
        }
        for (name, _) in READERS {
            assert!(daemon_metric(name).is_some(), "{name}");
        }
    }

    #[test]
    fn own_figures_are_true() {
        let held: Vec<_> = (0..200).map(|_| std::fs::File::open("/dev/null").expect("a descriptor")).collect();
        assert!(open_fds().expect("own fds") >= held.len() as u64 && open_fds() < max_fds());
        let (size, resident) = own_pages().expect("own statm");
        assert!(size > resident && resident > 1 << 20);
        let age = Own::new().started.expect("own stat");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        assert!((0.0..36_000.0).contains(&(now.as_secs_f64() - age + 2.0)), "{age}");
    }

    #[test]
    fn ticks_fall_into_their_bucket() {
        let own = Own::new();
        own.observe_tick(1e-5);
        own.observe_tick(0.3);
        own.observe_tick(9.0);
        let ticks = own.ticks();
        assert_eq!((ticks.counts[0], ticks.counts[14], ticks.counts[TICK_BUCKETS.len()]), (1, 1, 1));
        assert!((ticks.sum - 9.30001).abs() < 1e-9);
    }
}
