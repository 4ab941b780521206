//! The text exposition, format 0.0.4: family by family, in batches, so that its memory does not grow with the number of
//! series.

use std::collections::HashMap;
use std::io::{self, Write};

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::own::{self, Own, Scrape};
use crate::model::{Counters, Name, STEP_BUCKETS, Snapshot, TrialView};
use crate::state::table::{DAEMON_METRICS, Kind, MetricRow, TRIAL_METRICS, has_step_times};

/// The content type of the exposition.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How many series are built at once. 256 series with three labels are about 100 KB of the crate's types.
const BATCH: usize = 256;

/// Writes everything that there is to say of `snapshot`, the edges' counters and the daemon itself.
///
/// # Errors
/// Those of `out`; nothing more is written then.
pub fn render(snapshot: &Snapshot, counters: &Counters, own: &Own, out: &mut dyn Write) -> io::Result<()> {
    let trials = current(&snapshot.trials);
    for row in TRIAL_METRICS {
        let mut family = Family::new(row.name, row.help, row.kind, out);
        match row.kind {
            Kind::Histogram => trials.iter().for_each(|view| step_durations(view, &mut family)),
            _ if row.is_per_process() => per_process(row, &trials, snapshot, &mut family),
            _ => trials.iter().for_each(|view| each_series(row, view, snapshot, &mut family)),
        }
        family.finish()?;
    }
    let scrape = Scrape { snapshot, counters, own };
    for row in DAEMON_METRICS {
        let mut family = Family::new(row.name, row.help, row.kind, out);
        match row.kind {
            Kind::Histogram => family.histogram(&[], &own.ticks().buckets()),
            _ => own::read(row.name, &scrape, &mut |labels, value| family.series(&[], labels, value)),
        }
        family.finish()?;
    }
    Ok(())
}

/// One view for each (experiment, trial): the living one, else the latest start. Two series of one name would make the
/// whole scrape invalid.
pub(super) fn current(trials: &[std::sync::Arc<TrialView>]) -> Vec<&TrialView> {
    let mut seen: HashMap<(&Name, &Name), usize> = HashMap::with_capacity(trials.len());
    let mut kept: Vec<&TrialView> = Vec::with_capacity(trials.len());
    for view in trials {
        let rank = |v: &TrialView| (v.state.is_living(), v.attempt, v.started);
        match seen.get(&(&view.experiment, &view.trial)) {
            Some(&at) if rank(view) > rank(kept[at]) => kept[at] = view,
            Some(_) => {}
            None => {
                seen.insert((&view.experiment, &view.trial), kept.len());
                kept.push(view);
            }
        }
    }
    kept
}

fn each_series(row: &MetricRow, view: &TrialView, snapshot: &Snapshot, family: &mut Family) {
    let who = [("trial", view.trial.as_str()), ("experiment", view.experiment.as_str())];
    row.each(view, snapshot.at, &mut |labels, value| family.series(&who, labels, value));
}

/// The first `process_series` processes over all trials have series of their own.
fn per_process(row: &MetricRow, trials: &[&TrialView], snapshot: &Snapshot, family: &mut Family) {
    let mut left = snapshot.process_series;
    for view in trials {
        if left == 0 {
            break;
        }
        let members = own::members(view);
        if members <= left {
            left -= members;
            each_series(row, view, snapshot, family);
            continue;
        }
        let mut first = (*view).clone();
        if let Some(tree) = &mut first.tree {
            tree.members = tree.members[..left].into();
        }
        left = 0;
        each_series(row, &first, snapshot, family);
    }
}

fn step_durations(view: &TrialView, family: &mut Family) {
    if has_step_times(view) {
        let times = &view.progress.step_times;
        let who = [("trial", view.trial.as_str()), ("experiment", view.experiment.as_str())];
        family.histogram(&who, &Buckets { bounds: &STEP_BUCKETS, counts: &times.buckets, sum: times.sum });
    }
}

/// A histogram as it is kept: counts by bucket, the last above every bound.
pub(super) struct Buckets<'a> {
    /// Upper bounds.
    pub bounds: &'a [f64],
    /// Observations in each, not cumulated.
    pub counts: &'a [u64],
    /// Sum of all observations.
    pub sum: f64,
}

/// One family on its way out. Nothing is written for a family without series.
struct Family<'a> {
    out: &'a mut dyn Write,
    /// What became of the writing so far; after an error nothing more is tried.
    written: io::Result<()>,
    kind: Kind,
    proto: MetricFamily,
    waiting: Vec<Metric>,
    /// A batch as text.
    text: Vec<u8>,
    begun: bool,
}

impl<'a> Family<'a> {
    fn new(name: &str, help: &str, kind: Kind, out: &'a mut dyn Write) -> Family<'a> {
        let mut proto = MetricFamily::default();
        proto.set_name(name.to_owned());
        proto.set_help(help.to_owned());
        proto.set_field_type(match kind {
            Kind::Gauge | Kind::Info => MetricType::GAUGE,
            Kind::Counter => MetricType::COUNTER,
            Kind::Histogram => MetricType::HISTOGRAM,
        });
        Family { out, written: Ok(()), kind, proto, waiting: Vec::new(), text: Vec::new(), begun: false }
    }

    fn series(&mut self, who: &[(&str, &str)], labels: &[(&str, &str)], value: f64) {
        if self.written.is_err() {
            return;
        }
        let mut metric = Metric::from_label(pairs(who, labels));
        if self.kind == Kind::Counter {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.push(metric);
    }

    fn histogram(&mut self, who: &[(&str, &str)], of: &Buckets) {
        let mut upto = 0;
        let bucket = |(bound, n): (&f64, &u64)| {
            upto += n;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(upto);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(of.bounds.iter().zip(of.counts).map(bucket).collect());
        histogram.set_sample_count(of.counts.iter().sum());
        histogram.set_sample_sum(of.sum);
        let mut metric = Metric::from_label(pairs(who, &[]));
        metric.set_histogram(histogram);
        self.push(metric);
    }

    fn push(&mut self, metric: Metric) {
        self.waiting.push(metric);
        if self.waiting.len() == BATCH {
            self.flush();
        }
    }

    /// The encoder repeats HELP and TYPE for every batch: they stay only at the first.
    fn flush(&mut self) {
        if self.waiting.is_empty() || self.written.is_err() {
            return;
        }
        let waiting = std::mem::replace(&mut self.waiting, Vec::with_capacity(BATCH));
        self.proto.set_metric(waiting);
        self.text.clear();
        TextEncoder::new()
            .encode(std::slice::from_ref(&self.proto), &mut self.text)
            .expect("a family with a name and a series is encoded, and a Vec takes every byte");
        let header = if self.begun { header_end(&self.text) } else { 0 };
        self.begun = true;
        self.written = self.out.write_all(&self.text[header..]);
    }

    fn finish(mut self) -> io::Result<()> {
        self.flush();
        self.written
    }
}

/// Where the two lines of HELP and TYPE end. Line feeds in a help text are escaped, so there are two.
fn header_end(text: &[u8]) -> usize {
    text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).map_or(0, |(at, _)| at + 1)
}

fn pairs(who: &[(&str, &str)], labels: &[(&str, &str)]) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    who.iter().chain(labels).map(pair).collect()
}
