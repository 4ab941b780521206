//! Rows of the host's and the daemon's own metrics. `export/` reads them off the snapshot and the counters.

use super::{DaemonRow, Kind};

macro_rules! rows {
    ($($name:literal $kind:ident [$($label:literal)*] $help:literal;)*) => {
        &[$(DaemonRow { name: $name, kind: Kind::$kind, help: $help, labels: &[$($label),*] }),*]
    };
}

/// Every metric of the host and of the daemon itself, in the order of the exposition.
#[rustfmt::skip]
pub static DAEMON_METRICS: &[DaemonRow] = rows! {
    "earlystop_host_memory_available_bytes" Gauge   [] "Memory of the host that can be had without swapping.";
    "earlystop_host_memory_total_bytes"     Gauge   [] "Memory of the host.";
    "earlystop_host_cpu_utilization_ratio"  Gauge   [] "Busy share of all cores over the last interval.";
    "earlystop_host_pressure_seconds_total" Counter ["resource" "kind"] "Time in which some or all tasks waited for the resource.";

    "earlystop_build_info"                    Info      ["version"] "The version of the daemon; always 1.";
    "earlystop_sample_duration_seconds"       Histogram [] "Time that one pass over all watched processes took.";
    "earlystop_sample_overruns_total"         Counter   [] "Ticks left out because a pass took too long.";
    "earlystop_last_sample_timestamp_seconds" Gauge     [] "Time of the last tick since the Unix epoch.";
    "earlystop_sampled_processes"             Gauge     [] "Processes of running trials that are watched.";
    "earlystop_processes_not_exported"        Gauge     [] "Processes without series of their own, above process_series.";
    "earlystop_source_up"                     Gauge     ["source"] "Whether the source could be read at the last tick.";
    "earlystop_heartbeats_total"              Counter   [] "Heartbeats of all trainers.";
    "earlystop_protocol_errors_total"         Counter   ["code"] "Lines on the socket that were refused.";
    "earlystop_dropped_total"                 Counter   ["reason"] "Inputs dropped above a limit.";

    "earlystop_rule_evaluations_total"         Counter ["rule"] "Evaluations of the rule.";
    "earlystop_rule_evaluation_seconds_total"  Counter ["rule"] "Time that evaluations of the rule took.";
    "earlystop_rule_evaluation_failures_total" Counter ["rule"] "Evaluations of the rule that failed.";
    "earlystop_rule_spared_total"              Counter ["rule" "end"] "Trials that the learning rule condemned and that went on all the same (held out, observed), by how they ended: finished, censored.";
    "earlystop_rule_false_stops_total"         Counter ["rule"] "Spared trials that finished better than the best that finished and was never condemned.";
    "earlystop_rule_false_stop_ratio"          Gauge ["rule" "limit"] "Share of false stops among spared trials that finished, with its 95 % limits (Clopper-Pearson); absent below 10 of them.";
    "earlystop_stops_total"                    Counter ["rule" "outcome"] "Stops that are over, by rule and outcome.";
    "earlystop_signals_total"                  Counter ["signal" "result"] "Signals given to processes of trials.";
    "earlystop_window_bytes"                   Gauge   [] "Memory that the windows of rules take.";
    "earlystop_query_series"                   Gauge   [] "Series in the history that queries are answered from.";
    "earlystop_query_bytes"                    Gauge   [] "Memory that this history takes, at most query_memory.";
    "earlystop_query_oldest_timestamp_seconds" Gauge   [] "Time of the oldest sample in this history since the Unix epoch.";

    "earlystop_config_last_reload_successful"                Gauge [] "Whether the last reload of policy and configuration was taken.";
    "earlystop_config_last_reload_success_timestamp_seconds" Gauge [] "Time of the last reload that was taken, since the Unix epoch.";

    "earlystop_journal_up"                    Gauge   [] "Whether the journal takes records.";
    "earlystop_journal_size_bytes"            Gauge   [] "Size of the journal's files.";
    "earlystop_journal_records_total"         Counter [] "Records written to the journal.";
    "earlystop_journal_dropped_records_total" Counter [] "Records the journal could not take.";
    "earlystop_journal_write_errors_total"    Counter [] "Writes to the journal that failed.";
    "earlystop_remote_queries_total"          Counter ["result"] "Queries sent to a remote Prometheus.";

    "process_cpu_seconds_total"     Counter [] "CPU time of the daemon, user and system.";
    "process_open_fds"              Gauge   [] "Open file descriptors of the daemon.";
    "process_max_fds"               Gauge   [] "Most file descriptors the daemon may open.";
    "process_virtual_memory_bytes"  Gauge   [] "Virtual memory of the daemon.";
    "process_resident_memory_bytes" Gauge   [] "Resident memory of the daemon.";
    "process_start_time_seconds"    Gauge   [] "When the daemon began, since the Unix epoch.";
    "process_threads"               Gauge   [] "Threads of the daemon.";
};
