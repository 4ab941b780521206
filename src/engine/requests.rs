//! Commands of people: list, explain, stop, watch.

use std::sync::Arc;

use crate::model::{
    ConnId, Effect, ErrorCode, ExitStatus, ExitUsage, Exited, Ladder, Loudness, Moment, Peer, Refusal, Register, Reply,
    Request, Root, RunId, StopRequest, TrialView, WatchRequest,
};

use super::Engine;
use super::ladder::MANUAL;
use super::why::Explain;

impl Engine {
    /// A command from a client.
    pub(super) fn on_request(&mut self, conn: ConnId, peer: Peer, request: &Request, now: Moment) {
        let answer = match request {
            Request::List => Ok(Some(Reply::Trials(self.listed(peer.uid)))),
            Request::Explain(trial) => self.explained(trial, peer.uid).map(|v| Some(Reply::Explained(v))),
            Request::Stop(stop) => self.stop_by_hand(stop, peer.uid, now).map(Some),
            Request::Reload => {
                self.reloaders.push(conn);
                self.out.push(Effect::Reload);
                Ok(None)
            }
            Request::Watch(watch) => self.watch(conn, peer, watch, now).map(|()| None),
            Request::Exited(run, status, usage) => self.command_ended(conn, *run, *status, *usage, now).map(|()| None),
        };
        match answer {
            Ok(Some(reply)) => self.out.push(Effect::Send(conn, reply)),
            Ok(None) => {}
            Err(refusal) => self.out.push(Effect::Send(conn, Reply::Error(refusal))),
        }
    }

    /// Whether a caller may act on a user's trials.
    fn may(&self, caller: u32, owner: u32) -> bool {
        caller == 0 || caller == owner
    }

    /// All trials, living first, with whether the caller may see the whole.
    fn listed(&self, caller: u32) -> Vec<(Arc<TrialView>, bool)> {
        let ended = self.ended.iter().rev();
        let runs = self.living.iter().chain(ended).filter_map(|run| self.trials.get(run));
        runs.map(|t| (self.outside(t, Explain::No), self.may(caller, t.uid))).collect()
    }

    /// One trial with its rules in words.
    fn explained(&self, text: &str, caller: u32) -> Result<Arc<TrialView>, Refusal> {
        let run = self.find(text)?;
        let trial = &self.trials[&run];
        if !self.may(caller, trial.uid) {
            return Err(not_yours(&trial.view));
        }
        Ok(self.outside(trial, Explain::Yes))
    }

    /// `stop TRIAL`.
    fn stop_by_hand(&mut self, stop: &StopRequest, caller: u32, now: Moment) -> Result<Reply, Refusal> {
        let run = self.find(&stop.trial)?;
        let view = self.trials[&run].view.clone();
        if !self.may(caller, view.uid) {
            return Err(not_yours(&view));
        }
        if self.settings.observe {
            return Err(Refusal::new(
                ErrorCode::ObserveOnly,
                format!("{} is only observed (--observe): nothing is stopped", view.full_name()),
                "start earlystop without --observe, or end the process yourself",
            ));
        }
        if !self.trials[&run].may_stop {
            return Err(Refusal::new(
                ErrorCode::ObserveOnly,
                format!("{} is only watched: earlystop was not told that it may stop it", view.full_name()),
                "say stop = true in its [[discover]] table, or end the process yourself",
            ));
        }
        if !view.state.is_living() {
            return Err(Refusal::new(
                ErrorCode::NotFound,
                format!("{} has ended already ({})", view.full_name(), view.state.as_str()),
                "see `earlystop list`",
            ));
        }
        if let Some(id) = self.trials[&run].stop.as_ref().map(|under_way| under_way.record.id) {
            if stop.now {
                self.press_on(run, now);
            }
            return Ok(Reply::Stopping(id));
        }
        let reason = stop.reason.clone().unwrap_or_else(|| "stopped by hand".to_string());
        let mut ladder = (*self.gentle()).clone();
        if stop.now {
            let first = ladder.rungs.iter().position(|r| r.signal.is_some()).unwrap_or(0);
            ladder.rungs.drain(..first);
        }
        self.begin(run, MANUAL.into(), reason, Arc::new(ladder), now);
        match &self.trials[&run].stop {
            Some(stop) => Ok(Reply::Stopping(stop.record.id)),
            None => Err(Refusal::new(
                ErrorCode::NotFound,
                format!("{} cannot be asked (nobody reports for it) and may not be signalled", view.full_name()),
                "end the process yourself",
            )),
        }
    }

    /// The ladder of a stop that no rule's own is for.
    pub(super) fn gentle(&self) -> Arc<Ladder> {
        self.policy.gentle.clone().unwrap_or_else(|| Arc::new(Ladder::gentle()))
    }

    /// `watch PID`, or a `run` that joins.
    fn watch(&mut self, conn: ConnId, peer: Peer, watch: &WatchRequest, now: Moment) -> Result<(), Refusal> {
        if !self.may(peer.uid, watch.uid) {
            return Err(Refusal::new(
                ErrorCode::NotYours,
                format!("process {} belongs to another user", watch.target.pid),
                "watch your own processes, or ask root",
            ));
        }
        let subreaper = peer.key.filter(|_| watch.subreaper);
        let register = Register {
            run: watch.run,
            spec: watch.spec.clone(),
            fallback: watch.fallback.clone(),
            root: Root { key: watch.target, subreaper },
            uid: watch.uid,
            position: watch.position,
            may_stop: true,
            conn: Some(conn),
        };
        self.on_register(&register, now);
        Ok(())
    }

    /// A `run` that joined tells how its command ended.
    fn command_ended(
        &mut self,
        conn: ConnId,
        run: RunId,
        status: ExitStatus,
        usage: ExitUsage,
        now: Moment,
    ) -> Result<(), Refusal> {
        if self.trials.get(&run).is_none_or(|t| t.runner != Some(conn)) {
            return Err(Refusal::new(
                ErrorCode::NotYours,
                format!("run {run} was not registered on this connection"),
                "only the `earlystop run` that started a command can tell how it ended",
            ));
        }
        self.on_exited(&Exited { run, status: Some(status), usage: Some(usage), oom: false }, now);
        Ok(())
    }

    /// The trial that a text means: NAME, EXPERIMENT/NAME or a run id; the living one, else the latest.
    fn find(&self, text: &str) -> Result<RunId, Refusal> {
        if let Some(run) = RunId::parse(text).filter(|run| self.trials.contains_key(run)) {
            return Ok(run);
        }
        let named = |run: &&RunId| {
            let view = &self.trials[run].view;
            view.trial.as_str() == text || view.full_name() == text
        };
        let living: Vec<RunId> = self.living.iter().filter(named).copied().collect();
        let mut ended: Vec<RunId> = self.ended.iter().filter(named).copied().collect();
        // Of one name only the latest run counts; several names are several trials.
        ended.reverse();
        let mut seen = std::collections::HashSet::new();
        ended.retain(|run| seen.insert(self.trials[run].view.full_name()));
        let found = if living.is_empty() { ended } else { living };
        match found[..] {
            [run] => Ok(run),
            [] => Err(Refusal::new(
                ErrorCode::NotFound,
                format!("no trial {text:?}"),
                match self.nearest(text) {
                    Some(near) => format!("did you mean {near}? `earlystop list` shows all"),
                    None => "`earlystop list` shows all".to_string(),
                },
            )),
            _ => {
                let names: Vec<String> = found.iter().map(|run| self.trials[run].view.full_name()).collect();
                Err(Refusal::new(
                    ErrorCode::BadName,
                    format!("{text:?} fits several trials: {}", names.join(", ")),
                    "say EXPERIMENT/NAME or the run id",
                ))
            }
        }
    }

    /// The name nearest to a text.
    fn nearest(&self, text: &str) -> Option<String> {
        let names = self.trials.values().map(|t| t.view.trial.to_string());
        let scored = names.map(|n| (strsim::damerau_levenshtein(&n, text), n));
        scored.filter(|(distance, _)| *distance <= 3).min().map(|(_, name)| name)
    }

    /// A reload came to its end: those who asked are told.
    pub(super) fn answer_reload(&mut self, problem: Option<&str>) {
        for conn in std::mem::take(&mut self.reloaders) {
            let reply = match problem {
                None => Reply::Reloaded { files: self.policy.texts.len(), rules: self.policy.rules.len() },
                Some(text) => Reply::Error(Refusal::new(
                    ErrorCode::BadValue,
                    format!("the new policy was refused, the old one stays:\n{text}"),
                    "mend the file and reload again",
                )),
            };
            self.out.push(Effect::Send(conn, reply));
        }
        if let Some(text) = problem {
            self.note(Loudness::Error, format!("reload refused, the old policy stays:\n{text}"));
        }
    }
}

/// A trial of another user.
fn not_yours(view: &TrialView) -> Refusal {
    Refusal::new(
        ErrorCode::NotYours,
        format!("{} belongs to another user", view.full_name()),
        "only its owner and root can act on it",
    )
}
