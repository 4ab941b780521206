//! One trial's way down a ladder: how far it is and what was done.

use std::collections::HashSet;

use crate::model::{MILLI, Moment, ProcKey, Rung, StopNotice, StopOutcome, StopRecord, StopView, Stretch};

/// The strongest thing a stop has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Force {
    /// Nothing yet.
    None,
    /// The trainer was asked.
    Asked,
    /// A signal it could have handled.
    Signalled,
    /// SIGKILL.
    Killed,
}

/// One way down.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    /// What is written of it.
    pub record: StopRecord,
    /// When the rung began.
    pub since: Moment,
    /// Who got this rung's signal.
    pub given: HashSet<ProcKey>,
    /// Who was seen stopped after it had this rung's SIGTERM, and was woken.
    pub woken: HashSet<ProcKey>,
    /// An `ack` lengthened this rung.
    pub lengthened: bool,
    /// The strongest thing done.
    pub force: Force,
    /// A sweep is under way.
    pub sweeping: bool,
    /// Its outcome was counted (`failed`) although somebody still lives.
    pub counted: bool,
}

impl Stop {
    /// The rung it stands on.
    pub fn rung(&self) -> &Rung {
        &self.record.ladder.rungs[self.record.rung]
    }

    /// Whether this is the last rung.
    pub fn is_last(&self) -> bool {
        self.record.rung + 1 == self.record.ladder.rungs.len()
    }

    /// Killing on the rung it stands on.
    pub fn stretch(&self, owner: u32) -> Stretch {
        Stretch { stop: self.record.id, run: self.record.run, rung: self.record.rung, owner }
    }

    /// Its outside.
    pub fn view(&self) -> StopView {
        StopView {
            id: self.record.id,
            rule: self.record.rule.clone(),
            reason: self.record.reason.clone(),
            rung: self.record.rung,
            since: self.since,
        }
    }

    /// What a trainer or a `run` is told.
    pub fn notice(&self, now: Moment) -> StopNotice {
        StopNotice {
            id: self.record.id,
            rule: self.record.rule.clone(),
            reason: self.record.reason.clone(),
            deadline_ms: self.record.rung_until_ns.saturating_sub(now.boot_ns) / MILLI,
        }
    }

    /// How it came out, when everybody is gone.
    pub fn outcome(&self) -> StopOutcome {
        match self.force {
            Force::None | Force::Asked => StopOutcome::Asked,
            Force::Signalled => StopOutcome::Terminated,
            Force::Killed => StopOutcome::Killed,
        }
    }
}
