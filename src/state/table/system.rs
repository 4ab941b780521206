//! Readers: what the kernel says of a trial's processes.

use super::Emit;
use crate::model::{Memory, Moment, Pair, ProcSample, TreeSample, TrialView};

/// Emits a value without labels, if there is one.
pub(super) fn one(value: Option<f64>, emit: &mut Emit) {
    if let Some(value) = value {
        emit(&[], value);
    }
}

fn of_tree(view: &TrialView, emit: &mut Emit, part: fn(&TreeSample) -> Option<u64>) {
    one(view.tree.as_ref().and_then(part).map(|n| n as f64), emit);
}

pub(super) fn memory(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_tree(view, emit, |t| t.memory.map(Memory::private));
}

pub(super) fn memory_peak(view: &TrialView, _: Moment, emit: &mut Emit) {
    one(view.totals.memory_peak.map(|n| n as f64), emit);
}

pub(super) fn resident(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_tree(view, emit, |t| t.memory.map(|m| m.resident));
}

pub(super) fn shared(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_tree(view, emit, |t| t.memory.map(|m| m.shared));
}

pub(super) fn swap(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_tree(view, emit, |t| t.swap);
}

pub(super) fn proportional(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_tree(view, emit, |t| t.proportional);
}

pub(super) fn memory_limit(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_tree(view, emit, |t| t.limit);
}

pub(super) fn cpu_seconds(view: &TrialView, _: Moment, emit: &mut Emit) {
    emit(&[("mode", "user")], view.totals.cpu.first);
    emit(&[("mode", "system")], view.totals.cpu.second);
}

pub(super) fn cpu_utilization(view: &TrialView, _: Moment, emit: &mut Emit) {
    one(view.tree.as_ref().and_then(|t| t.utilization), emit);
}

pub(super) fn processes(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_tree(view, emit, |t| Some(t.processes.into()));
}

pub(super) fn threads(view: &TrialView, _: Moment, emit: &mut Emit) {
    of_tree(view, emit, |t| Some(t.threads.into()));
}

pub(super) fn io_read(view: &TrialView, _: Moment, emit: &mut Emit) {
    one(view.totals.io.map(|io| io.first as f64), emit);
}

pub(super) fn io_written(view: &TrialView, _: Moment, emit: &mut Emit) {
    one(view.totals.io.map(|io| io.second as f64), emit);
}

pub(super) fn major_faults(view: &TrialView, _: Moment, emit: &mut Emit) {
    one(view.totals.major_faults.map(|n| n as f64), emit);
}

pub(super) fn switches(view: &TrialView, _: Moment, emit: &mut Emit) {
    if let Some(Pair { first, second }) = view.totals.switches {
        emit(&[("type", "voluntary")], first as f64);
        emit(&[("type", "involuntary")], second as f64);
    }
}

/// Calls `see` for every member with its pid as text.
fn each_member(view: &TrialView, see: &mut dyn FnMut(&str, &ProcSample)) {
    let members = view.tree.as_ref().map(|t| &*t.members).unwrap_or_default();
    for member in members {
        see(&member.key.pid.to_string(), member);
    }
}

fn member_memory(view: &TrialView, emit: &mut Emit, part: fn(Memory) -> u64) {
    each_member(view, &mut |pid, member| {
        if let Some(memory) = member.memory {
            emit(&[("pid", pid)], part(memory) as f64);
        }
    });
}

pub(super) fn process_memory(view: &TrialView, _: Moment, emit: &mut Emit) {
    member_memory(view, emit, Memory::private);
}

pub(super) fn process_resident(view: &TrialView, _: Moment, emit: &mut Emit) {
    member_memory(view, emit, |m| m.resident);
}

pub(super) fn process_shared(view: &TrialView, _: Moment, emit: &mut Emit) {
    member_memory(view, emit, |m| m.shared);
}

pub(super) fn process_cpu(view: &TrialView, _: Moment, emit: &mut Emit) {
    each_member(view, &mut |pid, member| emit(&[("pid", pid)], member.cpu_seconds));
}

pub(super) fn process_info(view: &TrialView, _: Moment, emit: &mut Emit) {
    each_member(view, &mut |pid, member| emit(&[("pid", pid), ("comm", &member.comm)], 1.0));
}
