//! What `metric` may name: one row each. Short names, the metrics of the exposition, and what trainers report.

use super::units::Unit;
use crate::model::{Arithmetic, Measure, SECOND, SeriesName, Shorthand};
use crate::state::table;

/// Window of the short names that are rates, where `mean_over` says no other.
pub(super) const MINUTE: u64 = 60 * SECOND;

/// How a quantity is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reading {
    /// A series as it is.
    Series(SeriesName),
    /// The sum over the matching series.
    Sum(SeriesName),
    /// Increase a second.
    Rate(SeriesName),
    /// Increase of one over increase of the other.
    Share(SeriesName, SeriesName),
    /// Time since a timestamp.
    Age(SeriesName),
}

impl Reading {
    /// The expression; `None` if a mean of it cannot be had.
    pub(super) fn expr(&self, mean_over: Option<u64>) -> Option<Shorthand> {
        let window = mean_over.unwrap_or(MINUTE);
        match (self, mean_over) {
            (Reading::Series(s), None) => Some(Shorthand::Series(s.clone())),
            (Reading::Series(s), Some(ns)) => Some(Shorthand::Mean(s.clone(), ns)),
            (Reading::Rate(s), _) => Some(Shorthand::Rate(s.clone(), window)),
            (Reading::Share(a, b), _) => Some(Shorthand::Arithmetic(
                Arithmetic::Over,
                Box::new(Shorthand::Rate(a.clone(), window)),
                Box::new(Shorthand::Rate(b.clone(), window)),
            )),
            (Reading::Sum(s), None) => Some(Shorthand::Sum(s.clone())),
            (Reading::Age(s), None) => Some(Shorthand::Arithmetic(
                Arithmetic::Minus,
                Box::new(Shorthand::Now),
                Box::new(Shorthand::Series(s.clone())),
            )),
            (Reading::Sum(_) | Reading::Age(_), Some(_)) => None,
        }
    }
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quantity {
    /// As reasons call it.
    pub(super) name: String,
    pub(super) unit: Unit,
    /// Whether a share of the trial's memory limit makes sense.
    pub(super) of_limit: bool,
    /// Whether it comes from the trainer, and may be NaN.
    pub(super) reported: bool,
    /// Why it can have no value under this version, if so.
    pub(super) no_source: bool,
    pub(super) reading: Reading,
}

/// Short name and how it is read; unit and the rest follow from the metric.
const SHORT: [(&str, &str, How); 19] = [
    ("memory", "trial_memory_bytes", How::Plain),
    ("memory_peak", "trial_memory_peak_bytes", How::Plain),
    ("resident_memory", "trial_resident_memory_bytes", How::Plain),
    ("shared_memory", "trial_shared_memory_bytes", How::Plain),
    ("swap", "trial_swap_bytes", How::Plain),
    ("cpu", "trial_cpu_utilization_ratio", How::Plain),
    ("cpu_seconds", "trial_cpu_seconds_total", How::Sum),
    ("processes", "trial_processes", How::Plain),
    ("threads", "trial_threads", How::Plain),
    ("elapsed", "trial_elapsed_seconds", How::Plain),
    ("step", "trial_step", How::Plain),
    ("epoch", "trial_epoch", How::Plain),
    ("step_time", "trial_step_duration_seconds", How::MeanOfHistogram),
    ("steps_per_second", "trial_steps_total", How::Rate),
    ("io_read", "trial_io_read_bytes_total", How::Plain),
    ("io_written", "trial_io_written_bytes_total", How::Plain),
    ("heartbeat_age", "trial_last_heartbeat_timestamp_seconds", How::Age),
    ("gpu_memory", "trial_gpu_memory_bytes", How::Plain),
    ("gpu_utilization", "trial_gpu_utilization_ratio", How::Plain),
];

/// How a short name reads its metric.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Plain,
    Sum,
    Rate,
    MeanOfHistogram,
    Age,
}

/// Metrics of the exposition that no rule can be about, and why.
const REFUSED: [(&str, &str); 11] = [
    ("trial_info", "is always 1; choose trials by their labels with `where`"),
    ("trial_exit_info", "speaks of ended trials only"),
    ("trial_process_info", "is always 1"),
    ("trial_state", "is no measurement: rules are about running trials only"),
    ("trial_rule_state", "is what rules say themselves"),
    ("trial_stops_total", "is what rules did themselves"),
    ("trial_estimated_saved_seconds", "speaks of ended trials only"),
    ("trial_end_time_seconds", "speaks of ended trials only"),
    ("trial_final_metric", "speaks of ended trials only"),
    ("trial_step_duration_seconds", "is a histogram; `step_time` is the mean of its last minute"),
    ("trial_step_duration_seconds_bucket", "is a histogram; `step_time` is the mean of its last minute"),
];

/// The metrics of the exposition that a rule may read by their full name: those of trials and of the host.
fn full_names() -> impl Iterator<Item = &'static str> {
    let trial = table::TRIAL_METRICS.iter().map(|row| row.name);
    let host = table::DAEMON_METRICS.iter().map(|row| row.name).filter(|name| name.starts_with(HOST));
    trial.chain(host).filter(|name| refusal(name).is_none())
}

/// How the names of the host's metrics begin.
pub(super) const HOST: &str = "earlystop_host_";

fn refusal(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, why)| *why)
}

/// Words that people use for a short name.
const ALIASES: [(&str, &str); 13] = [
    ("rss", "resident_memory"),
    ("mem", "memory"),
    ("ram", "memory"),
    ("pss", "trial_proportional_memory_bytes"),
    ("time", "elapsed"),
    ("duration", "elapsed"),
    ("runtime", "elapsed"),
    ("vram", "gpu_memory"),
    ("gpu", "gpu_utilization"),
    ("cpu_time", "cpu_seconds"),
    ("throughput", "steps_per_second"),
    ("host_memory", "earlystop_host_memory_available_bytes"),
    ("io_write", "io_written"),
];

/// What is wrong with a name.
#[derive(Debug, PartialEq)]
pub(super) enum BadMetric {
    /// No such metric.
    Unknown { near: Option<&'static str> },
    /// A word that looks like another; a trainer may report it all the same.
    Typo(&'static str),
    /// A metric that no rule can read, and why.
    Refused(&'static str),
}

/// Finds what a name stands for.
pub(super) fn look_up(name: &str) -> Result<Quantity, BadMetric> {
    if let Some(reported) = name.strip_prefix("metrics.").filter(|n| !n.is_empty()) {
        return Ok(reported_metric(reported));
    }
    if let Some((short, metric, how)) = SHORT.iter().find(|(short, ..)| *short == name) {
        return Ok(short_name(short, metric, *how));
    }
    if let Some(why) = refusal(name) {
        return Err(BadMetric::Refused(why));
    }
    let host = name.starts_with(HOST) && table::daemon_metric(name).is_some();
    if host || table::trial_metric(name).is_some() {
        return Ok(full_name(name));
    }
    if table::daemon_metric(name).is_some() {
        return Err(BadMetric::Refused("speaks of the daemon, not of a trial"));
    }
    if name.starts_with("trial_") || name.starts_with("earlystop_") {
        let known = full_names().chain(short_names());
        return Err(BadMetric::Unknown { near: super::file::nearest(name, known) });
    }
    match meant(name) {
        Some(short) => Err(BadMetric::Typo(short)),
        None if name.is_empty() || name == "metrics." => Err(BadMetric::Unknown { near: None }),
        None => Ok(reported_metric(name)),
    }
}

/// The series that a short name reads.
pub(super) fn full_name_of(short: &str) -> Option<&'static str> {
    SHORT.iter().find(|(name, ..)| *name == short).map(|(_, metric, _)| *metric)
}

/// In which unit a metric's values are told.
pub(super) fn measure_of(metric: &str) -> Measure {
    match unit_of(metric) {
        Unit::Bytes => Measure::Bytes,
        Unit::Seconds => Measure::Seconds,
        Unit::Ratio | Unit::Count | Unit::Plain => Measure::Plain,
    }
}

/// All short names, in the order of the contract.
pub(super) fn short_names() -> impl Iterator<Item = &'static str> {
    SHORT.iter().map(|(short, ..)| *short)
}

/// The short name that a person most likely meant by this word.
fn meant(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase().replace('-', "_");
    if let Some((_, short)) = ALIASES.iter().find(|(alias, _)| *alias == lower) {
        return Some(short);
    }
    // Of a short word one letter may differ: `cer` is no typo of `cpu`.
    let near = |short: &&str| strsim::damerau_levenshtein(&lower, short) <= if short.len() <= 5 { 1 } else { 2 };
    short_names().filter(near).min_by_key(|short| strsim::damerau_levenshtein(&lower, short))
}

fn select(metric: &str) -> SeriesName {
    SeriesName { metric: metric.to_string(), labels: Vec::new() }
}

fn reported_metric(name: &str) -> Quantity {
    let labels = vec![("metric".to_string(), name.to_string())];
    Quantity {
        name: name.to_string(),
        unit: Unit::Plain,
        of_limit: false,
        reported: true,
        no_source: false,
        reading: Reading::Series(SeriesName { metric: "trial_metric".to_string(), labels }),
    }
}

fn short_name(short: &str, metric: &str, how: How) -> Quantity {
    let reading = match how {
        How::Plain => Reading::Series(select(metric)),
        How::Sum => Reading::Sum(select(metric)),
        How::Rate => Reading::Rate(select(metric)),
        How::MeanOfHistogram => Reading::Share(select(&format!("{metric}_sum")), select(&format!("{metric}_count"))),
        How::Age => Reading::Age(select(metric)),
    };
    let unit = match how {
        How::Age | How::MeanOfHistogram => Unit::Seconds,
        How::Rate => Unit::Count,
        How::Plain | How::Sum => unit_of(metric),
    };
    Quantity { name: short.to_string(), unit, reading, ..full_name(metric) }
}

fn full_name(metric: &str) -> Quantity {
    Quantity {
        name: metric.to_string(),
        unit: unit_of(metric),
        of_limit: OF_LIMIT.contains(&metric),
        reported: metric == "trial_metric",
        no_source: metric.starts_with("trial_gpu_"),
        reading: Reading::Series(select(metric)),
    }
}

/// Memory that the limit counts: swap, GPU memory and single processes are other things.
const OF_LIMIT: [&str; 5] = [
    "trial_memory_bytes",
    "trial_memory_peak_bytes",
    "trial_resident_memory_bytes",
    "trial_shared_memory_bytes",
    "trial_proportional_memory_bytes",
];

/// The unit that the end of a metric's name gives, as the naming rules of Prometheus want it.
pub(super) fn unit_of(metric: &str) -> Unit {
    if ["trial_metric", "trial_metric_best"].contains(&metric) {
        return Unit::Plain;
    }
    let base = metric.strip_suffix("_total").or(metric.strip_suffix("_sum")).unwrap_or(metric);
    if base.ends_with("_bytes") {
        Unit::Bytes
    } else if base.ends_with("_ratio") {
        Unit::Ratio
    } else if base.ends_with("_timestamp_seconds") || base.ends_with("_start_time_seconds") {
        Unit::Count
    } else if base.ends_with("_seconds") {
        Unit::Seconds
    } else {
        Unit::Count
    }
}

/// The name and unit that an expression was made of, with the window it averages over.
pub(super) fn name_of(expr: &Shorthand) -> Option<(String, Unit, Option<u64>)> {
    let window = match expr {
        Shorthand::Mean(_, ns) | Shorthand::Rate(_, ns) => Some(*ns),
        Shorthand::Arithmetic(Arithmetic::Over, a, _) => match **a {
            Shorthand::Rate(_, ns) => Some(ns),
            _ => None,
        },
        _ => None,
    };
    let short = SHORT.iter().map(|(short, metric, how)| short_name(short, metric, *how));
    if let Some(found) = short.into_iter().find(|q| q.reading.expr(window).as_ref() == Some(expr)) {
        let usual = matches!(found.reading, Reading::Rate(_) | Reading::Share(..)) && window == Some(MINUTE);
        return Some((found.name, found.unit, window.filter(|_| !usual)));
    }
    let selector = match expr {
        Shorthand::Series(s) | Shorthand::Sum(s) | Shorthand::Mean(s, _) | Shorthand::Rate(s, _) => s,
        _ => return None,
    };
    let reported = selector.labels.iter().find(|(label, _)| selector.metric == "trial_metric" && label == "metric");
    let name = reported.map_or(selector.metric.clone(), |(_, name)| name.clone());
    Some((name, unit_of(&selector.metric), window))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_name_reads_a_metric_of_the_exposition_and_is_found_again() {
        for (short, metric, _) in SHORT {
            let quantity = look_up(short).unwrap();
            assert!(table::trial_metric(metric).is_some(), "{metric}");
            let expr = quantity.reading.expr(None).unwrap();
            assert_eq!(name_of(&expr), Some((short.to_string(), quantity.unit, None)), "{short}");
        }
    }

    #[test]
    fn a_word_that_looks_like_a_short_name_is_a_typo() {
        let typos = [
            ("memroy", "memory"),
            ("memory_peek", "memory_peak"),
            ("Memory", "memory"),
            ("rss", "resident_memory"),
            ("steps", "step"),
            ("step-time", "step_time"),
            ("cpus", "cpu"),
            ("elapsd", "elapsed"),
        ];
        for (word, short) in typos {
            assert_eq!(look_up(word), Err(BadMetric::Typo(short)), "{word}");
        }
        for word in ["val_loss", "cer", "loss", "acc", "mse", "auc", "ppl", "lr", "map", "grad_norm", "metrics.memroy"]
        {
            assert!(look_up(word).unwrap().reported, "{word}");
        }
    }

    #[test]
    fn names_of_the_house_are_never_taken_for_reported_metrics() {
        assert_eq!(look_up("trial_memory_byte"), Err(BadMetric::Unknown { near: Some("trial_memory_bytes") }));
        assert!(matches!(look_up("trial_nothing_like_it_at_all_here"), Err(BadMetric::Unknown { near: None })));
        assert!(matches!(look_up("trial_state"), Err(BadMetric::Refused(_))));
        assert_eq!(look_up(""), Err(BadMetric::Unknown { near: None }));
        assert_eq!(look_up("metrics."), Err(BadMetric::Unknown { near: None }));
        assert_eq!(look_up("metrics.trial_loss").unwrap().name, "trial_loss");
    }

    #[test]
    fn every_metric_of_the_table_is_taken_or_refused_with_a_reason() {
        for row in table::TRIAL_METRICS {
            assert_ne!(look_up(row.name).is_ok(), refusal(row.name).is_some(), "{}", row.name);
        }
        for (name, _) in REFUSED {
            assert!(table::trial_metric(name).is_some(), "{name}");
        }
        assert!(look_up("earlystop_host_memory_available_bytes").is_ok());
        assert_eq!(look_up("earlystop_build_info"), Err(BadMetric::Refused("speaks of the daemon, not of a trial")));
    }

    #[test]
    fn units_are_the_ends_of_the_names() {
        assert_eq!(unit_of("trial_io_read_bytes_total"), Unit::Bytes);
        assert_eq!(unit_of("trial_cpu_seconds_total"), Unit::Seconds);
        assert_eq!(unit_of("trial_cpu_utilization_ratio"), Unit::Ratio);
        assert_eq!(unit_of("trial_last_heartbeat_timestamp_seconds"), Unit::Count);
        assert_eq!(unit_of("trial_processes"), Unit::Count);
        assert_eq!(unit_of("trial_metric"), Unit::Plain);
    }
}
