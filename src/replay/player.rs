//! Feeds the engine with what a journal has, one daemon's life after the other.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use super::book::Book;
use super::cast::{Cast, Scene};
use super::memory::Recollection;
use super::tape::Tape;
use crate::engine::{Engine, Remembered};
use crate::journal::{Dropped, Input, JournalError, Start};
use crate::model::{Effect, Event, Moment, Policy, StopRecord, TrialView};

/// What the record itself leaves open.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Holes {
    /// Inputs that are missing.
    pub dropped: Vec<Dropped>,
    /// Journals whose trials a daemon remembered and that cannot be read any more.
    pub forgotten: Vec<PathBuf>,
    /// Lives that ended without a word: what came in during their last moments is missing. When they began.
    pub killed: Vec<Moment>,
}

/// The place and the moment at which a daemon began, and what it began with.
type Begun = (i64, Moment, Start);

/// Feeds one journal.
pub(super) struct Player<'t, C: Cast> {
    tape: &'t Tape,
    pub cast: C,
    pub book: Book,
    pub holes: Holes,
    pub orphans: Vec<StopRecord>,
    engine: Option<Engine>,
    /// A life that has begun and waits for its policy.
    begun: Option<Begun>,
    /// A life that has begun with its policy.
    due: Option<(Begun, Arc<Policy>)>,
    /// The life under way: its beginning, and whether it ended in good order.
    life: Option<(Moment, Start)>,
    /// The last tick of this life is over: what is shown from now on is what the next life begins with.
    closing: bool,
    last: Moment,
}

impl<'t, C: Cast> Player<'t, C> {
    /// For a journal.
    pub fn new(tape: &'t Tape, cast: C) -> Player<'t, C> {
        let (book, holes) = (Book::default(), Holes::default());
        let orphans = Vec::new();
        let last = Moment::default();
        Player {
            tape,
            cast,
            book,
            holes,
            orphans,
            engine: None,
            begun: None,
            due: None,
            life: None,
            closing: false,
            last,
        }
    }

    /// Feeds all of it.
    ///
    /// # Errors
    /// The journal is damaged.
    pub fn play(&mut self) -> Result<(), JournalError> {
        let mut inputs = self.tape.inputs()?;
        while let Some(recorded) = inputs.next() {
            let recorded = recorded?;
            let (seq, at) = (recorded.seq, recorded.at);
            match recorded.input {
                Input::Started(start) => self.begin(seq, at, start),
                Input::Ended => self.life = None,
                Input::Dropped(dropped) => self.holes.dropped.push(dropped),
                Input::Policy(texts) => {
                    let Some(settings) = self.settings() else { continue };
                    if let Some(policy) = self.cast.policy(&texts, &settings) {
                        self.policy(seq, at, policy);
                    }
                }
                Input::Event(event) => self.event(seq, at, event),
            }
            self.last = at;
            if let Some((begun, policy)) = self.due.take() {
                // A journal has one reader at a time.
                drop(inputs);
                let memory = self.recall(&begun, &policy);
                self.live(begun, policy, memory);
                inputs = self.tape.inputs()?.after(seq);
            }
        }
        self.last_life_is_over();
        Ok(())
    }

    /// The moment of the last input.
    pub fn last(&self) -> Moment {
        self.last
    }

    /// The trials that live when the record ends.
    pub fn living(&self) -> impl Iterator<Item = &Arc<TrialView>> {
        self.engine.iter().flat_map(Engine::living)
    }

    fn settings(&self) -> Option<crate::model::Settings> {
        let begun = self.begun.as_ref().map(|(_, _, start)| start);
        begun.or(self.life.as_ref().map(|(_, start)| start)).map(|start| self.cast.settings(&start.settings))
    }

    fn last_life_is_over(&mut self) {
        self.holes.killed.extend(self.life.take().map(|(at, _)| at));
    }

    fn begin(&mut self, seq: i64, at: Moment, start: Start) {
        self.last_life_is_over();
        self.closing = false;
        self.cast.new_life(at);
        let standing = self.cast.standing(&self.cast.settings(&start.settings));
        self.begun = Some((seq, at, start));
        if let Some(policy) = standing {
            self.policy(seq, at, policy);
        }
    }

    fn policy(&mut self, seq: i64, at: Moment, policy: Arc<Policy>) {
        match self.begun.take() {
            Some(begun) => self.due = Some((begun, policy)),
            None => self.step(seq, at, Event::Policy(policy)),
        }
    }

    /// A daemon has begun: a new engine takes up what the one before had in hand.
    fn live(&mut self, (seq, at, start): Begun, policy: Arc<Policy>, memory: Remembered) {
        let settings = self.cast.settings(&start.settings);
        let tape = self.tape;
        let found = self.book.found(at, settings.ended_retention_ns, |run| tape.is_seen_from(run, seq));
        self.orphans.extend(found.orphans);
        self.life = Some((at, start));
        // What rules cost is of no interest here, and no clock is read.
        self.engine = Some(Engine::new(settings, || 0, at));
        self.step(seq, at, Event::Policy(policy));
        let Some(engine) = self.engine.as_mut() else { return };
        engine.remember(memory);
        let effects = engine.restore(at, found.living, found.ended, found.attempts);
        let mut answers = VecDeque::new();
        self.carry_out(seq, at, effects, &mut answers);
        self.steps(seq, at, answers);
    }

    /// What a daemon that begins at this place remembers of trials before.
    fn recall(&mut self, (seq, _, start): &Begun, policy: &Arc<Policy>) -> Remembered {
        let mut recollection = Recollection::new(&self.cast.settings(&start.settings), policy);
        let folder = self.tape.path().parent();
        for name in &start.remembered {
            let path = folder.map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
            if recollection.read(&path).is_err() {
                self.holes.forgotten.push(path);
            }
        }
        if self.engine.is_some() {
            if recollection.listen(self.tape.source(), *seq).is_err() {
                self.holes.forgotten.push(self.tape.path().to_path_buf());
            }
            recollection.settle(self.book.heads().values().map(|view| &**view));
        }
        recollection.finish()
    }

    fn event(&mut self, seq: i64, at: Moment, event: Event) {
        if let Some(begun) = self.begun.take() {
            // No policy was in force, or its record is missing.
            self.live(begun, Arc::default(), Remembered::default());
        }
        let Some(engine) = &self.engine else { return };
        self.closing |= matches!(event, Event::Tick(_)) && self.tape.is_last_tick(seq);
        self.book.event(at, &event);
        if let Some(event) = self.cast.admit(seq, at, event, engine) {
            self.step(seq, at, event);
        }
    }

    fn step(&mut self, seq: i64, at: Moment, event: Event) {
        self.steps(seq, at, VecDeque::from([event]));
    }

    /// One event after the other, with what follows from each at once.
    fn steps(&mut self, seq: i64, at: Moment, mut events: VecDeque<Event>) {
        let mut shown = false;
        while let Some(event) = events.pop_front() {
            let Some(engine) = self.engine.as_mut() else { return };
            let effects = engine.step(at, &event);
            shown |= matches!(event, Event::Tick(_)) || effects.iter().any(|e| matches!(e, Effect::Head(_)));
            self.carry_out(seq, at, effects, &mut events);
        }
        let Some(engine) = &self.engine else { return };
        if self.closing && shown {
            self.book.keep(engine);
        }
        self.cast.after(&Scene { seq, at, engine });
    }

    fn carry_out(&mut self, seq: i64, at: Moment, effects: Vec<Effect>, answers: &mut VecDeque<Event>) {
        let Some(engine) = &self.engine else { return };
        let scene = Scene { seq, at, engine };
        for effect in &effects {
            self.book.effect(effect);
            self.cast.effect(&scene, effect, answers);
        }
    }
}
