//! The table of metrics: one row for each name of the contract's section 4. The exposition, the rules, near names and
//! the documentation read these rows, so that a rule sees what a scrape at the same moment would read.

mod daemon;
mod host;
mod identity;
mod system;
mod training;

pub use daemon::DAEMON_METRICS;
pub use host::{HOST_METRICS, HostRow};
pub use training::{LE, has_step_times};

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::model::{Moment, TrialView};

/// What sort of series a row makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only grows while its trial (or the daemon) lives.
    Counter,
    /// Cumulated buckets, a sum and a count; there is no series of the bare name.
    Histogram,
    /// A gauge that is always 1; its labels are the information.
    Info,
}

impl Kind {
    /// The word after `# TYPE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Gauge | Kind::Info => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        }
    }
}

/// What becomes of a series when its trial ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It speaks of the present: it leaves the next exposition.
    Present,
    /// It stays for `ended_retention`.
    Kept,
}

/// Takes one series: its labels beyond `trial` and `experiment`, and its value.
pub type Emit<'a> = dyn FnMut(&[(&str, &str)], f64) + 'a;

/// A metric of trials.
#[derive(Clone, Copy, Debug)]
pub struct MetricRow {
    /// Its name.
    pub name: &'static str,
    /// What sort.
    pub kind: Kind,
    /// One sentence for `# HELP`.
    pub help: &'static str,
    /// Labels beyond `trial` and `experiment`; `trial_info` carries the trial's own labels and params besides.
    pub labels: &'static [&'static str],
    /// What the end of the trial does to it.
    pub life: Life,
    /// Reads its series off a living or ended trial, without regard to [`MetricRow::life`]. What is not known is not
    /// emitted. A histogram emits nothing: its parts (`_bucket`, `_sum`, `_count`) are rows of their own.
    pub read: fn(&TrialView, Moment, &mut Emit),
}

impl MetricRow {
    /// Its series as a scrape at `now` reads them: nothing that speaks of the present once the trial is over.
    pub fn each(&self, view: &TrialView, now: Moment, emit: &mut Emit) {
        if self.life == Life::Kept || view.state.is_living() {
            (self.read)(view, now, emit);
        }
    }

    /// Whether it has a series for each process: of those only the first `process_series` are exported.
    pub fn is_per_process(&self) -> bool {
        self.labels.first() == Some(&"pid")
    }
}

/// A metric of the daemon or the host.
#[derive(Clone, Copy, Debug)]
pub struct DaemonRow {
    /// Its name.
    pub name: &'static str,
    /// What sort.
    pub kind: Kind,
    /// One sentence for `# HELP`.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
}

/// A table of [`MetricRow`]: name, kind, life, labels, reader, help.
macro_rules! rows {
    ($($name:literal $kind:ident $life:ident [$($label:literal)*] $read:ident $help:literal;)*) => {
        &[$($crate::state::table::MetricRow {
            name: $name,
            kind: $crate::state::table::Kind::$kind,
            help: $help,
            labels: &[$($label),*],
            life: $crate::state::table::Life::$life,
            read: $read,
        }),*]
    };
}
use identity::*;
use system::*;
use training::*;

/// Every metric of trials, in the order of the exposition.
#[rustfmt::skip]
pub static TRIAL_METRICS: &[MetricRow] = rows! {
    "trial_info"  Info  Kept ["group" "fold" "run" "attempt"] info  "Labels, parameters, group, fold, run and attempt of the trial; always 1.";
    "trial_state" Gauge Kept ["state"] state  "1 for the state the trial is in, 0 for the others.";

    "trial_memory_bytes"              Gauge Present [] memory        "Resident minus shared memory, summed over the trial's processes.";
    "trial_memory_peak_bytes"         Gauge Kept    [] memory_peak   "Highest resident minus shared memory seen, exit figures included.";
    "trial_resident_memory_bytes"     Gauge Present [] resident      "Resident memory, summed over the trial's processes.";
    "trial_shared_memory_bytes"       Gauge Present [] shared        "Resident memory backed by files or shared memory, summed over the trial's processes.";
    "trial_swap_bytes"                Gauge Present [] swap          "Memory swapped out, summed over the trial's processes.";
    "trial_proportional_memory_bytes" Gauge Present [] proportional  "Proportional set size of the trial's processes, where this dear reading is asked for.";
    "trial_memory_limit_bytes"        Gauge Present [] memory_limit  "The nearest cgroup limit, else the host's memory.";

    "trial_cpu_seconds_total"         Counter Kept    ["mode"] cpu_seconds      "CPU time of the trial's processes, exited children included.";
    "trial_cpu_utilization_ratio"     Gauge   Present []       cpu_utilization  "CPU used over the last interval; 1 is one core.";
    "trial_processes"                 Gauge   Present []       processes        "Living processes of the trial.";
    "trial_threads"                   Gauge   Present []       threads          "Threads of the trial's living processes.";
    "trial_io_read_bytes_total"       Counter Kept    []       io_read          "Bytes the trial's processes caused to be read from storage.";
    "trial_io_written_bytes_total"    Counter Kept    []       io_written       "Bytes the trial's processes caused to be written to storage.";
    "trial_major_page_faults_total"   Counter Kept    []       major_faults     "Page faults of the trial's processes that needed storage.";
    "trial_context_switches_total"    Counter Kept    ["type"] switches         "Context switches of the trial's processes.";

    "trial_gpu_memory_bytes"             Gauge Present ["gpu"] no_source  "Memory the trial's processes take on the GPU.";
    "trial_gpu_utilization_ratio"        Gauge Present ["gpu"] no_source  "Share of time in which the trial's processes kept the GPU busy.";
    "trial_gpu_memory_utilization_ratio" Gauge Present ["gpu"] no_source  "Share of time in which the trial's processes kept the GPU's memory busy.";

    "trial_steps_total"   Counter Kept [] steps_total    "Steps done, over all segments of the run.";
    "trial_samples_total" Counter Kept [] samples_total  "Samples seen, over all segments of the run.";
    "trial_step"          Gauge   Kept [] step           "The step as last reported.";
    "trial_target_steps"  Gauge   Kept [] target_steps   "Steps of a full run.";
    "trial_epoch"         Gauge   Kept [] epoch          "The epoch as last reported.";
    "trial_step_duration_seconds" Histogram Kept [] no_source  "Duration of training steps, from the trainer's hello on.";

    "trial_heartbeats_total" Counter Kept [] heartbeats  "Heartbeats of the trial's trainers, a trainer's own hello included.";
    "trial_last_heartbeat_timestamp_seconds" Gauge Present [] last_heartbeat  "Time of the last heartbeat since the Unix epoch.";
    "trial_since_step_seconds" Gauge Present ["phase"] since_step  "Time since the last step, by the phase it went into; without a phase: in none.";
    "trial_startup_seconds"    Gauge Present []        startup     "Time since hello while no step has come.";
    "trial_worker_step"             Gauge   Present ["worker"] worker_step    "The step that each worker last reported.";
    "trial_phase_seconds_total"     Counter Kept    ["phase"] phase_seconds   "Time spent in each phase the trainer named.";
    "trial_phase_cpu_seconds_total" Counter Kept    ["phase"] phase_cpu       "CPU time spent in each phase the trainer named.";

    "trial_metric"           Gauge Present ["metric"] metric        "The last value of each metric the trainer reported.";
    "trial_metric_best"      Gauge Kept    ["metric"] metric_best   "The best value so far, where it is known which way is better.";
    "trial_steps_since_best" Gauge Present ["metric"] since_best    "Steps from the best report of the metric to its last.";
    "trial_reports_since_best" Gauge Present ["metric"] reports_since_best  "Reports of the metric since its best.";
    "trial_steps_since_improvement"   Gauge Present ["metric" "mode" "min_delta"] steps_since_improvement    "As trial_steps_since_best, for a rule with a min_delta or a mode of its own.";
    "trial_reports_since_improvement" Gauge Present ["metric" "mode" "min_delta"] reports_since_improvement  "As trial_reports_since_best, for a rule with a min_delta or a mode of its own.";
    "trial_metric_peer_median" Gauge Present ["metric"] peer_median  "Median of the other trials' running means of the metric at this trial's step; only where a rule reads it.";
    "trial_final_metric"     Gauge Kept    ["metric"] final_metric  "The trainer's final figure, else the last reported, of an ended trial.";

    "trial_start_time_seconds" Gauge Kept [] start_time  "When the trial began, since the Unix epoch.";
    "trial_end_time_seconds"   Gauge Kept [] end_time    "When the trial ended, since the Unix epoch.";
    "trial_elapsed_seconds"    Gauge Kept [] elapsed     "Time from the trial's start to its end or to now.";

    "trial_rule_state"  Gauge   Present ["rule"] rule_state  "State of each rule for the trial: 0 inactive, 1 pending, 2 firing, -1 unknown.";
    "trial_stops_total" Counter Kept ["rule" "outcome"] stops  "Stops of the trial that are over, by rule and outcome.";
    "trial_estimated_saved_seconds" Gauge Kept ["rule"] saved  "Time that a stop saved, estimated, where the length of a full run is known.";
    "trial_exit_info" Info Kept ["cause" "status" "signal"] exit_info  "How the trial ended; always 1.";

    "trial_process_memory_bytes"          Gauge   Present ["pid"] process_memory    "Resident minus shared memory of the process.";
    "trial_process_resident_memory_bytes" Gauge   Present ["pid"] process_resident  "Resident memory of the process.";
    "trial_process_shared_memory_bytes"   Gauge   Present ["pid"] process_shared    "Resident memory of the process backed by files or shared memory.";
    "trial_process_cpu_seconds_total"     Counter Present ["pid"] process_cpu       "CPU time of the process itself.";
    "trial_process_info" Info Present ["pid" "comm"] process_info  "Command name of the process; always 1.";
};

/// What a histogram is made of, as series.
#[rustfmt::skip]
static HISTOGRAM_PARTS: &[MetricRow] = rows! {
    "trial_step_duration_seconds_bucket" Counter Kept ["le"] step_buckets  "Training steps that took at most `le` seconds.";
    "trial_step_duration_seconds_sum"    Counter Kept []     step_sum      "Time that training steps took.";
    "trial_step_duration_seconds_count"  Counter Kept []     step_count    "Training steps whose duration is known.";
};

/// The row of a metric of trials, `_bucket`, `_sum` and `_count` of a histogram included.
pub fn trial_metric(name: &str) -> Option<&'static MetricRow> {
    TRIAL_METRICS.iter().chain(HISTOGRAM_PARTS).find(|row| row.name == name)
}

/// Every row of trials that has series of its own: a histogram's parts in place of its bare name.
pub fn trial_series() -> impl Iterator<Item = &'static MetricRow> {
    TRIAL_METRICS.iter().chain(HISTOGRAM_PARTS).filter(|row| row.kind != Kind::Histogram)
}

/// The row of a metric of the daemon or the host.
pub fn daemon_metric(name: &str) -> Option<&'static DaemonRow> {
    DAEMON_METRICS.iter().find(|row| row.name == name)
}

/// Whether a client must not use this label name: trial, experiment, job, instance, `__...`, `param_...` or a label of
/// a row.
pub fn is_reserved_label(name: &str) -> bool {
    static OURS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
        let trials = TRIAL_METRICS.iter().chain(HISTOGRAM_PARTS).flat_map(|row| row.labels);
        let daemon = DAEMON_METRICS.iter().filter(|row| row.kind != Kind::Info).flat_map(|row| row.labels);
        trials.chain(daemon).chain(&["trial", "experiment", "job", "instance"]).copied().collect()
    });
    name.starts_with("__") || name.starts_with("param_") || OURS.contains(name)
}

/// The reader of a row that has no series of its own: a histogram's bare name, or a source that is yet to come.
fn no_source(_: &TrialView, _: Moment, _: &mut Emit) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::STEP_BUCKETS;

    #[test]
    fn names_are_unique_and_kinds_show_in_them() {
        let trials = TRIAL_METRICS.iter().chain(HISTOGRAM_PARTS).map(|row| (row.name, row.kind, row.help));
        let all: Vec<_> = trials.chain(DAEMON_METRICS.iter().map(|row| (row.name, row.kind, row.help))).collect();
        assert_eq!(all.iter().map(|row| row.0).collect::<HashSet<_>>().len(), all.len());
        for (name, kind, help) in all {
            assert!(help.ends_with('.') && !help.contains(['\n', '\\']), "{name}: {help}");
            if trial_metric(name).is_none_or(|row| TRIAL_METRICS.iter().any(|r| r.name == row.name)) {
                assert_eq!(kind == Kind::Counter, name.ends_with("_total"), "{name}");
            }
        }
    }

    #[test]
    fn names_are_found() {
        assert_eq!(trial_metric("trial_memory_bytes").map(|row| row.kind), Some(Kind::Gauge));
        assert!(trial_metric("trial_step_duration_seconds_bucket").is_some());
        assert!(trial_metric("trial_step_duration_seconds_sum").is_some());
        assert!(trial_metric("trial_memory_bytes_sum").is_none());
        assert!(trial_metric("earlystop_window_bytes").is_none() && daemon_metric("earlystop_window_bytes").is_some());
    }

    #[test]
    fn bounds_have_their_labels() {
        assert_eq!(LE.len(), STEP_BUCKETS.len() + 1);
        for (le, bound) in LE.iter().zip(STEP_BUCKETS) {
            assert_eq!(le.parse::<f64>(), Ok(bound));
        }
    }

    #[test]
    fn reserved_labels() {
        for name in ["trial", "job", "__x", "param_lr", "group", "run", "pid", "le", "rule", "code"] {
            assert!(is_reserved_label(name), "{name}");
        }
        for name in ["algorithm", "version", "params", "_x"] {
            assert!(!is_reserved_label(name), "{name}");
        }
    }
}
