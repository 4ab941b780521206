//! The record told anew under a policy: a trial that the policy stops ends there and then, all others keep their times.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use super::cast::{Cast, Scene};
use super::meter::Meter;
use super::past::{Past, context};
use super::player::Player;
use super::tape::Tape;
use crate::engine::Engine;
use crate::journal::JournalError;
use crate::model::{
    ConnId, Done, DoneStatus, Effect, Event, Line, Moment, Peer, Policy, Position, Reading, ReadingCause, Reply,
    Request, RunId, Said, Settings, StopId, StopOutcome, StopRecord, Tree, TrialView,
};
use crate::policy;

/// A stop by the policy.
#[derive(Clone, Debug)]
pub struct Stop {
    /// When.
    pub at: Moment,
    /// By which rule, or by hand.
    pub rule: Arc<str>,
    /// With what evidence, in words.
    pub reason: String,
    /// The record has the same stop at the same input; what it did is followed.
    pub in_record: bool,
    /// The trial then.
    pub view: Arc<TrialView>,
    /// Memory held until then, GiB-hours.
    pub gib_hours: f64,
}

/// A stop that was not to be: the rule only observes, or a brake held it.
#[derive(Clone, Debug)]
pub struct WouldStop {
    /// When.
    pub at: Moment,
    /// Which rule.
    pub rule: Arc<str>,
    /// Why it was not done.
    pub outcome: StopOutcome,
    /// What the log would have said.
    pub said: String,
    /// The trial then.
    pub view: Arc<TrialView>,
}

/// The record told anew.
#[derive(Debug, Default)]
pub struct Retold {
    /// The first stop of each trial that the policy stopped.
    pub stops: BTreeMap<RunId, Stop>,
    /// Stops that were not to be, in their order.
    pub would: Vec<WouldStop>,
    /// Trials that never began: they stood in the tree of one that was stopped before.
    pub never: Vec<RunId>,
}

/// Under which policy.
#[derive(Clone, Debug)]
pub enum Under {
    /// Those of the record.
    Recorded,
    /// This one, in the place of all of the record's.
    Given(Arc<Policy>),
}

/// Stands in for the world under another policy.
struct Teller<'p> {
    past: &'p Past,
    under: Under,
    interval_ns: u64,
    meter: Meter,
    told: Retold,
    /// Trials of which nothing of the record counts any more.
    over: HashSet<RunId>,
    /// Stops that are answered here: the trial obeys at once.
    obeyed: HashSet<StopId>,
    /// Stops of the record by their id there, with the one they have here.
    followed: HashMap<StopId, StopId>,
    known: HashSet<StopId>,
    /// Fresh looks that the record will answer.
    waiting: HashSet<RunId>,
    /// Stops that were not to be, so far, by trial.
    refused: HashMap<RunId, BTreeMap<(Arc<str>, StopOutcome), u64>>,
    /// The last line for the log.
    said: String,
}

impl Teller<'_> {
    /// Whether an input is about a trial that is over here; one that such an input would have founded never begins.
    fn is_over(&mut self, event: &Event) -> bool {
        let (run, position, founds) = match event {
            Event::Reading(reading) => (Some(reading.sample.run), Position::Outside, None),
            Event::Tree(tree) => (Some(tree.run), Position::Outside, None),
            Event::Exited(exited) => (Some(exited.run), Position::Outside, None),
            Event::Signalled(signalled) => (Some(signalled.shot.run), Position::Outside, None),
            Event::Swept(swept) => (Some(swept.run), Position::Outside, None),
            Event::Register(register) => (None, register.position, Some(register.run)),
            Event::Line(line) => match &line.said {
                Said::Hello(_, run) => (None, line.peer.position, Some(*run)),
                Said::Request(Request::Watch(watch)) => (None, watch.position, Some(watch.run)),
                Said::Request(_) => (None, Position::Outside, None),
                _ => (None, line.peer.position, None),
            },
            _ => return false,
        };
        let stands_in = match position {
            Position::Outside => None,
            Position::Root(run) | Position::Inside(run) => Some(run),
        };
        let over = run.or(stands_in).is_some_and(|run| self.over.contains(&run));
        if let Some(founded) = founds.filter(|run| over && self.past.trials.contains_key(run)) {
            self.over.insert(founded);
            self.told.never.push(founded);
        }
        over
    }

    /// Ids of stops that are followed are other ones here.
    fn translate(&self, event: &mut Event) {
        let ours = |id: &mut StopId| *id = self.followed.get(id).copied().unwrap_or(*id);
        match event {
            Event::Signalled(signalled) => ours(&mut signalled.shot.stop),
            Event::Swept(swept) => ours(&mut swept.stop),
            Event::Line(Line { said: Said::Ack(id, _), .. }) => ours(id),
            _ => {}
        }
    }

    /// A stop begins: the record has it too, or the trial obeys at once.
    fn begins(&mut self, scene: &Scene<'_>, record: &StopRecord, answers: &mut VecDeque<Event>) {
        let Some(view) = scene.engine.view(record.run).cloned() else { return };
        let same = |r: &&StopRecord| r.rule == record.rule && r.reason == record.reason && r.ladder == record.ladder;
        let recorded = self.past.begun.get(&(scene.seq, record.run)).filter(same);
        let gib_hours = self.meter.gib_hours(record.run);
        match recorded {
            Some(recorded) => drop(self.followed.insert(recorded.id, record.id)),
            None => {
                self.obeyed.insert(record.id);
                self.over.insert(record.run);
                if !view.ask_only {
                    answers.push_back(Event::Tree(Tree { run: record.run, members: Vec::new() }));
                }
            }
        }
        self.told.stops.entry(record.run).or_insert_with(|| Stop {
            at: scene.at,
            rule: record.rule.clone(),
            reason: record.reason.clone(),
            in_record: recorded.is_some(),
            view,
            gib_hours,
        });
    }

    /// A head: have stops been refused since the last one?
    fn head(&mut self, at: Moment, view: &Arc<TrialView>) {
        let mut refused = view.stops.clone();
        refused
            .retain(|(_, how), _| matches!(how, StopOutcome::Observed | StopOutcome::Limited | StopOutcome::HeldOut));
        let before = self.refused.insert(view.run, refused.clone()).unwrap_or_default();
        for ((rule, outcome), count) in refused {
            if before.get(&(rule.clone(), outcome)).is_none_or(|old| *old < count) {
                self.told.would.push(WouldStop { at, rule, outcome, said: self.said.clone(), view: view.clone() });
            }
        }
    }
}

impl Cast for Teller<'_> {
    fn settings(&self, recorded: &Settings) -> Settings {
        match self.under {
            Under::Recorded => recorded.clone(),
            // What was recorded under --observe is asked for what the policy would have done.
            Under::Given(_) => Settings { observe: false, ..recorded.clone() },
        }
    }

    fn standing(&mut self, settings: &Settings) -> Option<Arc<Policy>> {
        self.interval_ns = settings.interval_ns;
        match &self.under {
            Under::Recorded => None,
            Under::Given(policy) => Some(policy.clone()),
        }
    }

    fn policy(&mut self, texts: &BTreeMap<PathBuf, String>, settings: &Settings) -> Option<Arc<Policy>> {
        match self.under {
            Under::Recorded => policy::parse_all(texts, &context(settings)).ok().map(|(policy, _)| Arc::new(policy)),
            Under::Given(_) => None,
        }
    }

    fn admit(&mut self, _: i64, _: Moment, mut event: Event, _: &Engine) -> Option<Event> {
        if self.is_over(&event) || matches!((&event, &self.under), (Event::ReloadFailed(_), Under::Given(_))) {
            return None;
        }
        self.translate(&mut event);
        match &mut event {
            Event::Tick(tick) => {
                tick.trees.retain(|tree| !self.over.contains(&tree.run));
                self.meter.tick(tick, self.interval_ns);
            }
            Event::Reading(Reading { cause: ReadingCause::Confirm | ReadingCause::Weigh, sample }) => {
                return self.waiting.remove(&sample.run).then_some(event);
            }
            _ => {}
        }
        Some(event)
    }

    fn effect(&mut self, scene: &Scene<'_>, effect: &Effect, answers: &mut VecDeque<Event>) {
        match effect {
            Effect::Record(record) if self.known.insert(record.id) => self.begins(scene, record, answers),
            Effect::Send(conn, Reply::Stop(notice)) if self.obeyed.contains(&notice.id) => {
                answers.push_back(obeys(*conn));
            }
            Effect::Read(run, cause @ (ReadingCause::Confirm | ReadingCause::Weigh)) => {
                if self.past.looks.contains(&(scene.seq, *run)) {
                    self.waiting.insert(*run);
                } else if let Some(sample) = scene.engine.view(*run).and_then(|view| view.tree.clone()) {
                    answers.push_back(Event::Reading(Reading { cause: *cause, sample }));
                }
            }
            Effect::Note(_, text) => self.said.clone_from(text),
            Effect::Head(view) => self.head(scene.at, view),
            _ => {}
        }
    }
}

/// A trainer that was asked to stop does so.
pub(super) fn obeys(conn: ConnId) -> Event {
    let peer = Peer { uid: 0, key: None, position: Position::Outside };
    let said = Said::Done(Done { status: DoneStatus::Stopped, metrics: Vec::new() });
    Event::Line(Line { conn, peer, said })
}

/// Tells a record anew.
///
/// # Errors
/// The journal is damaged.
pub fn retell(tape: &Tape, past: &Past, under: Under) -> Result<Retold, JournalError> {
    let teller = Teller {
        past,
        under,
        interval_ns: 0,
        meter: Meter::default(),
        told: Retold::default(),
        over: HashSet::new(),
        obeyed: HashSet::new(),
        followed: HashMap::new(),
        known: HashSet::new(),
        waiting: HashSet::new(),
        refused: HashMap::new(),
        said: String::new(),
    };
    let mut player = Player::new(tape, teller);
    player.play()?;
    Ok(player.cast.told)
}
