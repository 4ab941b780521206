//! Readers: what the trainer says of its progress.

use super::Emit;
use super::system::one;
use crate::model::{Improvement, MetricView, Moment, TrialView};

/// The bounds of [`crate::model::STEP_BUCKETS`] and the last one, as Prometheus 3 stores them in `le`.
pub static LE: [&str; crate::model::STEP_BUCKETS.len() + 1] = [
    "1e-06", "2.5e-06", "5e-06", "1e-05", "2.5e-05", "5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025",
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "25.0", "50.0", "100.0",
    "250.0", "500.0", "1000.0", "+Inf",
];

pub(super) fn steps_total(view: &TrialView, _: Moment, emit: &mut Emit) {
    emit(&[], view.progress.steps_total as f64);
}

pub(super) fn samples_total(view: &TrialView, _: Moment, emit: &mut Emit) {
    emit(&[], view.progress.samples_total as f64);
}

pub(super) fn step(view: &TrialView, _: Moment, emit: &mut Emit) {
    one(view.progress.step.map(|n| n as f64), emit);
}

pub(super) fn target_steps(view: &TrialView, _: Moment, emit: &mut Emit) {
    one(view.progress.target_steps.map(|n| n as f64), emit);
}

pub(super) fn epoch(view: &TrialView, _: Moment, emit: &mut Emit) {
    one(view.progress.epoch, emit);
}

/// Whether the trial has a histogram of step durations: one whose trainer knows nothing of us would carry 31 lines of
/// zeros for ever.
pub fn has_step_times(view: &TrialView) -> bool {
    view.progress.hello.is_some() || view.progress.heartbeats > 0
}

pub(super) fn step_buckets(view: &TrialView, _: Moment, emit: &mut Emit) {
    if has_step_times(view) {
        let mut upto = 0;
        for (le, n) in LE.iter().zip(view.progress.step_times.buckets) {
            upto += n;
            emit(&[("le", le)], upto as f64);
        }
    }
}

pub(super) fn step_sum(view: &TrialView, _: Moment, emit: &mut Emit) {
    one(has_step_times(view).then_some(view.progress.step_times.sum), emit);
}

pub(super) fn step_count(view: &TrialView, _: Moment, emit: &mut Emit) {
    one(has_step_times(view).then(|| view.progress.step_times.count() as f64), emit);
}

pub(super) fn heartbeats(view: &TrialView, _: Moment, emit: &mut Emit) {
    emit(&[], view.progress.heartbeats as f64);
}

pub(super) fn last_heartbeat(view: &TrialView, _: Moment, emit: &mut Emit) {
    one(view.progress.last_heartbeat.map(Moment::unix_seconds), emit);
}

pub(super) fn since_step(view: &TrialView, now: Moment, emit: &mut Emit) {
    for (phase, seconds) in view.progress.since_step_in(now) {
        let labelled = [("phase", phase)];
        emit(if phase.is_empty() { &[] } else { &labelled }, seconds);
    }
}

pub(super) fn startup(view: &TrialView, now: Moment, emit: &mut Emit) {
    let progress = &view.progress;
    one(progress.hello.filter(|_| progress.last_step_at.is_none()).map(|at| now.seconds_since(at)), emit);
}

pub(super) fn worker_step(view: &TrialView, _: Moment, emit: &mut Emit) {
    for (worker, step) in &view.progress.workers {
        emit(&[("worker", worker)], *step as f64);
    }
}

pub(super) fn phase_seconds(view: &TrialView, _: Moment, emit: &mut Emit) {
    for (phase, time) in &view.progress.phases {
        emit(&[("phase", phase)], time.first);
    }
}

pub(super) fn phase_cpu(view: &TrialView, _: Moment, emit: &mut Emit) {
    for (phase, time) in &view.progress.phases {
        emit(&[("phase", phase)], time.second);
    }
}

fn of_metrics(view: &TrialView, emit: &mut Emit, part: fn(&MetricView) -> Option<f64>) {
    for (name, metric) in &view.metrics {
        if let Some(value) = part(metric) {
            emit(&[("metric", name)], value);
        }
    }
}

pub(super) fn metric(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_metrics(view, emit, |m| (m.reports > 0).then_some(m.seen));
}

pub(super) fn metric_best(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_metrics(view, emit, |m| m.mode.and(m.best).filter(|best| !best.is_nan()));
}

/// From the best report to the last one, not to the trial's step: a metric that is reported every 1000 steps has not
/// gone 999 steps without a better value, it has had no value.
pub(super) fn since_best(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_metrics(view, emit, |m| {
        let best = m.mode.and(m.best).and(m.best_step)?;
        Some(m.step?.saturating_sub(best) as f64)
    });
}

pub(super) fn reports_since_best(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_metrics(view, emit, |m| Some(m.reports.saturating_sub(m.mode.and(m.best_report)?) as f64));
}

fn of_improvements(view: &TrialView, emit: &mut Emit, part: fn(&MetricView, &Improvement) -> Option<u64>) {
    for (name, metric) in &view.metrics {
        for improvement in &metric.improvements {
            let Some(value) = part(metric, improvement) else { continue };
            let delta = improvement.min_delta.to_string();
            let mode = improvement.mode.map_or("", |mode| mode.as_str());
            let labels = [("metric", name.as_str()), ("min_delta", &delta), ("mode", mode)];
            // A label without a value is no label.
            emit(if mode.is_empty() { &labels[..2] } else { &labels }, value as f64);
        }
    }
}

pub(super) fn steps_since_improvement(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_improvements(view, emit, |m, i| Some(m.step?.saturating_sub(i.step?)));
}

pub(super) fn reports_since_improvement(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_improvements(view, emit, |m, i| Some(m.reports.saturating_sub(i.report)));
}

pub(super) fn peer_median(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_metrics(view, emit, |m| m.peer_median);
}

pub(super) fn final_metric(view: &TrialView, _: Moment, emit: &mut Emit) {
    if !view.state.is_living() {
        of_metrics(view, emit, |m| m.last_word.or((m.reports > 0).then_some(m.last)));
    }
}
