//! Ladders and the guard: what the tables mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::file::{File, near};
use super::syntax::{GuardFile, LadderFile, RungFile};
use super::units;
use crate::model::{Guard, Ladder, Rung, SECOND, Signal, Target};

/// Longest wait of a rung, so that no sum of waits can overflow.
const YEAR: u64 = 365 * 86_400 * SECOND;

/// Every ladder by name. A file may define `gentle` and `urgent` anew; then they are the defaults.
pub(super) struct Ladders(BTreeMap<String, Arc<Ladder>>);

impl Ladders {
    pub(super) fn new() -> Ladders {
        let built_in = [Ladder::gentle(), Ladder::urgent()];
        Ladders(built_in.into_iter().map(|l| (l.name.to_string(), Arc::new(l))).collect())
    }

    pub(super) fn insert(&mut self, ladder: Ladder) {
        self.0.insert(ladder.name.to_string(), Arc::new(ladder));
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Ladder>> {
        self.0.get(name).cloned()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A ladder's meaning; `None` where it has none. The name counts as defined all the same.
pub(super) fn ladder(file: &File, read: &LadderFile) -> Option<Ladder> {
    let Some(rungs) = &read.rungs else {
        let hint = "write rungs = [ { ask = true, wait = \"10s\" }, { signal = \"SIGKILL\" } ]";
        file.error("missing-key", read.span.clone(), "a ladder without `rungs`", hint);
        return None;
    };
    let compiled: Vec<Option<Rung>> =
        rungs.iter().enumerate().map(|(i, r)| rung(file, r, i + 1 == rungs.len())).collect();
    let compiled: Option<Vec<Rung>> = compiled.into_iter().collect();
    let hint = "end it with { signal = \"SIGKILL\" }: who ignores everything else would never be stopped";
    let Some(last) = rungs.last() else {
        file.error("bad-ladder", read.span.clone(), "a ladder without a rung", hint);
        return None;
    };
    let compiled = compiled?;
    let end = compiled.last().map(|r| (r.signal, r.to));
    if end != Some((Some(Signal::KILL), Target::Tree)) {
        file.error("bad-ladder", last.span.clone(), "the last rung must be SIGKILL to the tree", hint);
        return None;
    }
    Some(Ladder { name: read.name.get_ref().as_str().into(), rungs: compiled })
}

fn rung(file: &File, read: &RungFile, last: bool) -> Option<Rung> {
    let mut sound = true;
    let mut refuse = |span, message: String, hint: &str| {
        file.error("bad-ladder", span, message, hint);
        sound = false;
    };
    let ask = read.ask.as_ref().is_some_and(|a| *a.get_ref());
    let signal = read.signal.as_ref().and_then(|name| {
        let known = Signal::named(name.get_ref()).filter(|s| *s != Signal::CONT);
        if known.is_none() {
            let message = format!("a rung cannot give the signal `{}`", name.get_ref());
            refuse(name.span(), message, &near(name.get_ref(), Signal::names()));
        }
        known
    });
    let to = match read.to.as_ref().map(|t| (t.get_ref().as_str(), t.span())) {
        None | Some(("tree", _)) => Target::Tree,
        Some(("trainer", _)) => Target::Trainer,
        Some((other, span)) => {
            let hint =
                "write \"tree\" (every process, the default) or \"trainer\" (the one that said hello, else the root)";
            refuse(span, format!("a signal cannot go to `{other}`"), hint);
            Target::Tree
        }
    };
    if !ask && read.signal.is_none() {
        let hint = "write ask = true, or signal = \"SIGTERM\"";
        refuse(read.span.clone(), "a rung that neither asks nor signals".to_string(), hint);
    }
    if read.wait.is_none() && !last {
        let hint = "write how long to wait before the next rung: wait = \"10s\"";
        refuse(read.span.clone(), "a rung without `wait` before another".to_string(), hint);
    }
    let wait_ns = read.wait.as_ref().map_or(0, |w| *w.get_ref());
    let max_ns = read.max.as_ref().map_or(wait_ns, |m| *m.get_ref());
    for time in [&read.wait, &read.max].into_iter().flatten().filter(|t| *t.get_ref() > YEAR) {
        refuse(time.span(), "a rung cannot last longer than a year".to_string(), "write a shorter time");
    }
    if let Some(max) = &read.max {
        if !ask {
            let hint = "only an asked trainer can say that it needs longer: leave `max` out";
            refuse(max.span(), "`max` on a rung that does not ask".to_string(), hint);
        } else if max_ns < wait_ns {
            refuse(max.span(), "`max` is shorter than `wait`".to_string(), "write a `max` of at least `wait`");
        }
    }
    sound.then_some(Rung { ask, signal, to, wait_ns, max_ns })
}

/// The guard's meaning: `None` where it is switched off.
pub(super) fn guard(file: &File, read: &GuardFile) -> Option<Guard> {
    let usual = Guard::default();
    let share = read.max_share.as_ref().map(|s| (units::share(s.get_ref()), s.span()));
    let max_share = match share {
        None => usual.max_share,
        Some((Ok(share), _)) if (0.0..=1.0).contains(&share) => share,
        Some((_, span)) => {
            let hint = "write a share from 0 to 1, or per cent: 0.8 or \"80 %\"";
            file.error("bad-value", span, "`max_share` is a share of an experiment's trials", hint);
            usual.max_share
        }
    };
    let whole = |n: &Option<toml::Spanned<u64>>, usual: u32| {
        n.as_ref().map_or(usual, |n| u32::try_from(*n.get_ref()).unwrap_or(u32::MAX))
    };
    let enabled = read.enabled.as_ref().is_none_or(|e| *e.get_ref());
    enabled.then(|| Guard {
        max_share,
        after: whole(&read.after, usual.after),
        keep_best: whole(&read.keep_best, usual.keep_best),
    })
}
