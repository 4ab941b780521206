//! Taking up what a daemon before this one had in hand: its living trials, found again by identity, and its stops.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::engine::{LastAttempt, Returning, lost};
use crate::journal::{Machine, OpenStop, Origin, Restored, RestoredTrial};
use crate::model::{Moment, Name, ProcKey, ProcessUse, Root, RunId, Signal, SignalResult, TrialState, TrialView};
use crate::sys::process::Proc;
use crate::sys::roster::Roster;

/// What the engine is given.
pub struct TakenUp {
    /// Trials that live.
    pub living: Vec<Returning>,
    /// Trials that have ended, those that ended unseen included.
    pub ended: Vec<Arc<TrialView>>,
    /// Earlier starts by name.
    pub attempts: HashMap<(Name, Name), LastAttempt>,
    /// Members of living trials to which no way may lead any more.
    pub members: Vec<(RunId, Vec<Arc<Proc>>)>,
    /// Stops whose trial is gone; the ledger closes them.
    pub orphans: Vec<OpenStop>,
}

/// A process younger than this when it was last seen cannot be told from one that took its number within the same clock
/// tick (10 ms), where pidfd inodes are not unique: it is watched, never signalled.
const YOUNG_NS: u64 = 20 * crate::model::MILLI;

/// Looks for every trial of before.
pub fn take_up(restored: Restored, stops: Vec<OpenStop>, roster: &Roster, machine: &Machine, now: Moment) -> TakenUp {
    let mut stops: HashMap<RunId, OpenStop> = stops.into_iter().map(|s| (s.record.run, s)).collect();
    let attempts = restored.attempts.iter().map(|a| {
        let stopped_by = a.stopped_by.clone().filter(|_| a.state == TrialState::Stopped);
        let curve = restored.ended.iter().find(|v| v.run == a.run).cloned();
        let last =
            LastAttempt { attempt: a.attempt, run: a.run, stopped_by, last_step: a.last_step.unwrap_or(0), curve };
        ((a.experiment.clone(), a.trial.clone()), last)
    });
    let attempts = attempts.collect();
    let (mut living, mut ended, mut members) = (Vec::new(), restored.ended, Vec::new());
    for trial in restored.trials {
        let stop = stops.remove(&trial.view.run);
        match find(&trial, stop.as_ref(), roster, machine, restored.last) {
            Some(mut found) => {
                members.push((trial.view.run, std::mem::take(&mut found.members)));
                living.push(returning(trial, found, stop));
            }
            None => {
                ended.push(Arc::new(lost(trial.view, stop.as_ref().map(|stop| &stop.record), now)));
                stop.into_iter().for_each(|s| drop(stops.insert(s.record.run, s)));
            }
        }
    }
    TakenUp { living, ended, attempts, members, orphans: stops.into_values().collect() }
}

/// A tree that was found again.
struct Found {
    root: Root,
    /// Those of it that were written down and live.
    members: Vec<Arc<Proc>>,
    /// Whether it may be signalled.
    sure: bool,
}

/// What lives of a trial: its root, or whoever of its tree outlived it.
fn find(
    trial: &RestoredTrial,
    stop: Option<&OpenStop>,
    roster: &Roster,
    machine: &Machine,
    last: Option<Moment>,
) -> Option<Found> {
    if !trial.machine.same_pids(machine) {
        return None;
    }
    let root = trial.root?;
    let stopped =
        stop.into_iter().flat_map(|s| s.shots.iter().map(|(shot, _)| shot.key).chain(s.members.iter().copied()));
    let known: HashSet<ProcKey> = trial.members.iter().copied().chain(stopped).chain([root.key]).collect();
    let members: Vec<Arc<Proc>> = known.into_iter().filter(|key| is_sure(*key, last)).filter_map(same).collect();
    let root_lives = same(root.key);
    if root_lives.is_none() && members.is_empty() {
        return None;
    }
    let subreaper = root.subreaper.and_then(same);
    root_lives.iter().chain(&subreaper).for_each(|proc| drop(roster.insert(proc)));
    let root = Root { subreaper: subreaper.map(|p| p.key), ..root };
    Some(Found { root, members, sure: is_sure(root.key, last) })
}

/// Whether nobody else can have this identity.
fn is_sure(key: ProcKey, last: Option<Moment>) -> bool {
    let started = key.start * (crate::model::SECOND / crate::sys::clock::ticks_per_second());
    key.inode != 0 || last.is_some_and(|at| at.boot_ns.saturating_sub(started) >= YOUNG_NS)
}

/// The living process of this identity.
fn same(key: ProcKey) -> Option<Arc<Proc>> {
    let proc = Proc::open(key.pid).ok()?;
    (proc.key == key && !proc.is_gone()).then_some(proc)
}

fn returning(trial: RestoredTrial, found: Found, stop: Option<OpenStop>) -> Returning {
    let (mut may_stop, mut by_hello, mut shared) = (found.sure, false, false);
    match &trial.origin {
        Some(Origin::Register(register)) => may_stop &= register.may_stop,
        Some(Origin::Hello(hello)) => {
            by_hello = true;
            shared = hello.process == ProcessUse::Shared;
        }
        Some(Origin::Watch(_)) | None => {}
    }
    let stop = stop.map(|open| {
        let given = open.shots.iter().filter(|(shot, result)| counts_as_given(shot.signal, *result));
        let keys: HashSet<ProcKey> = given.map(|(shot, _)| shot.key).collect();
        (open.record, keys)
    });
    Returning { view: Arc::new(trial.view), root: Some(found.root), may_stop, by_hello, shared, stop }
}

/// An intent without an outcome counts as taken, except SIGKILL, which is sent again.
fn counts_as_given(signal: Signal, result: Option<SignalResult>) -> bool {
    match result {
        None => signal != Signal::KILL,
        Some(result) => result == SignalResult::Sent,
    }
}
