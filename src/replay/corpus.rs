//! Complete trials, cut out of journals: each with all that it said and all that was seen of it, on a clock of its own.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use super::cast::{Cast, Scene};
use super::outcome::Used;
use super::past::context;
use super::player::Player;
use super::tape::Tape;
use crate::engine::Engine;
use crate::journal::JournalError;
use crate::model::{
    ConnId, Effect, Event, Line, Moment, Name, Policy, Position, Reading, ReadingCause, Register, Reply, Request,
    RunId, Said, Settings, TreeSample, TrialState, TrialView,
};
use crate::policy;

/// What happens to a trial.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// An event that is about it alone.
    Event(Event),
    /// A tick at which its tree was seen.
    Seen(TreeSample),
    /// A tick at which it was not.
    Unseen,
}

/// One moment of a trial.
#[derive(Clone, Debug)]
pub(super) struct At {
    /// Nanoseconds since it began.
    pub offset_ns: u64,
    pub piece: Piece,
    /// What it had used when this was over, steps and CPU; only where it said something.
    pub used: Option<Used>,
}

/// A complete trial.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    /// As it ended.
    pub view: Arc<TrialView>,
    pub pieces: Vec<At>,
}

/// All that journals have.
#[derive(Debug, Default)]
pub struct Corpus {
    pub(super) recordings: Vec<Arc<Recording>>,
    /// What the engine of the first journal was made with.
    pub(super) settings: Settings,
    /// Trials that did not come to their end: nothing can be drawn that nobody knows to its end.
    pub incomplete: usize,
    /// Complete runs whose name has a later one that is complete, too: attempts of one trial are not each other's peers.
    pub superseded: usize,
    conns: u64,
}

/// Listens to a record and cuts trials out.
#[derive(Default)]
struct Cutter {
    /// By run: when it began, and what happened.
    pieces: BTreeMap<RunId, (Moment, Vec<At>)>,
    ended: HashMap<RunId, Arc<TrialView>>,
    /// For whom a connection speaks.
    speaks: HashMap<ConnId, RunId>,
    /// Connections as they are called in the corpus.
    conns: HashMap<ConnId, ConnId>,
    next: u64,
    /// A hello or registration that waits for its answer.
    asked: Option<Event>,
    /// The run that said something just now.
    said: Option<RunId>,
}

impl Cutter {
    fn push(&mut self, run: RunId, at: Moment, piece: Piece) {
        let (began, pieces) = self.pieces.entry(run).or_insert_with(|| (at, Vec::new()));
        pieces.push(At { offset_ns: at.since(*began), piece, used: None });
    }

    /// Whether a look between ticks is of a trial's own life: those that a rule asked for are not.
    fn counts(&self, reading: &Reading) -> bool {
        let asked = matches!(reading.cause, ReadingCause::Confirm | ReadingCause::Weigh);
        !asked && self.pieces.contains_key(&reading.sample.run)
    }

    /// Another number for a connection: those of journals and lives are not told apart.
    fn conn(&mut self, conn: ConnId) -> ConnId {
        let next = &mut self.next;
        *self.conns.entry(conn).or_insert_with(|| {
            *next += 1;
            ConnId(*next)
        })
    }

    fn line(&mut self, at: Moment, line: &Line) {
        let run = match (&line.said, line.peer.position) {
            (Said::Hello(..) | Said::Request(Request::Watch(_)), _) => {
                self.asked = Some(Event::Line(line.clone()));
                return;
            }
            (Said::Request(Request::Exited(run, ..)), _) => Some(*run),
            (Said::Request(_), _) => return,
            (_, Position::Root(run) | Position::Inside(run)) => self.speaks.get(&line.conn).copied().or(Some(run)),
            _ => self.speaks.get(&line.conn).copied(),
        };
        let Some(run) = run.filter(|run| self.pieces.contains_key(run)) else { return };
        let said = self.of(line, run);
        self.push(run, at, Piece::Event(said));
        self.said = Some(run);
    }

    /// A line as it is said in the corpus: where its process stands with regard to other trials is of no interest there.
    fn of(&mut self, line: &Line, run: RunId) -> Event {
        let mut line = line.clone();
        line.conn = self.conn(line.conn);
        line.peer.position = alone(line.peer.position, run);
        if let Said::Request(Request::Watch(watch)) = &mut line.said {
            watch.position = Position::Outside;
        }
        Event::Line(line)
    }

    fn tick(&mut self, at: Moment, trees: &[TreeSample], engine: &Engine) {
        let seen: HashMap<RunId, &TreeSample> = trees.iter().map(|tree| (tree.run, tree)).collect();
        for view in engine.living() {
            let piece = seen.get(&view.run).map_or(Piece::Unseen, |tree| Piece::Seen((*tree).clone()));
            if self.pieces.contains_key(&view.run) {
                self.push(view.run, at, piece);
            }
        }
    }

    /// The engine took the trial that was asked for.
    fn welcomed(&mut self, at: Moment, conn: ConnId, run: RunId) {
        self.speaks.insert(conn, run);
        let event = match self.asked.take() {
            Some(Event::Line(line)) => self.of(&line, run),
            _ => return,
        };
        self.push(run, at, Piece::Event(event));
        self.said = Some(run);
    }
}

/// A position with regard to one trial alone.
fn alone(position: Position, own: RunId) -> Position {
    match position {
        Position::Root(run) | Position::Inside(run) if run == own => position,
        _ => Position::Outside,
    }
}

impl Cast for Cutter {
    fn standing(&mut self, _: &Settings) -> Option<Arc<Policy>> {
        None
    }

    fn policy(&mut self, texts: &BTreeMap<PathBuf, String>, settings: &Settings) -> Option<Arc<Policy>> {
        policy::parse_all(texts, &context(settings)).ok().map(|(policy, _)| Arc::new(policy))
    }

    fn admit(&mut self, _: i64, at: Moment, event: Event, engine: &Engine) -> Option<Event> {
        (self.asked, self.said) = (None, None);
        match &event {
            Event::Register(register) => {
                let conn = register.conn.map(|conn| self.conn(conn));
                let position = Position::Outside;
                let own = Register { position, conn, ..register.clone() };
                self.push(register.run, at, Piece::Event(Event::Register(own)));
            }
            Event::Line(line) => self.line(at, line),
            Event::Closed(conn) => {
                let run = self.speaks.remove(conn);
                let own = self.conns.remove(conn);
                if let (Some(run), Some(own)) = (run, own) {
                    self.push(run, at, Piece::Event(Event::Closed(own)));
                }
            }
            Event::Tick(tick) => self.tick(at, &tick.trees, engine),
            Event::Reading(reading) if self.counts(reading) => {
                self.push(reading.sample.run, at, Piece::Event(event.clone()));
            }
            Event::Exited(exited) if self.pieces.contains_key(&exited.run) => {
                self.push(exited.run, at, Piece::Event(event.clone()));
            }
            _ => {}
        }
        Some(event)
    }

    fn effect(&mut self, scene: &Scene<'_>, effect: &Effect, _: &mut VecDeque<Event>) {
        match effect {
            Effect::Send(conn, Reply::Welcome(welcome)) => self.welcomed(scene.at, *conn, welcome.run),
            Effect::Head(view) if !view.state.is_living() => drop(self.ended.insert(view.run, view.clone())),
            _ => {}
        }
    }

    fn after(&mut self, scene: &Scene<'_>) {
        let Some(run) = self.said.take() else { return };
        let Some(view) = scene.engine.view(run) else { return };
        if let Some(last) = self.pieces.get_mut(&run).and_then(|(_, pieces)| pieces.last_mut()) {
            let seconds = scene.at.seconds_since(view.started);
            let cpu_seconds = view.totals.cpu.first + view.totals.cpu.second;
            let steps = view.progress.steps_total as f64;
            last.used = Some(Used { steps, seconds, cpu_seconds, gib_hours: 0.0 });
        }
    }

    fn new_life(&mut self, at: Moment) {
        let mut gone: Vec<(ConnId, RunId)> = self.speaks.drain().collect();
        gone.sort_unstable_by_key(|(conn, _)| *conn);
        for (conn, run) in gone {
            let own = self.conn(conn);
            self.push(run, at, Piece::Event(Event::Closed(own)));
        }
        self.conns.clear();
    }
}

impl Corpus {
    /// Adds the complete trials of a journal.
    ///
    /// # Errors
    /// The journal is damaged.
    pub fn add(&mut self, tape: &Tape) -> Result<(), JournalError> {
        if self.recordings.is_empty() {
            self.settings = tape.settings();
        }
        let mut player = Player::new(tape, Cutter { next: self.conns, ..Cutter::default() });
        player.play()?;
        let living = player.living().count();
        let lost = player.book.heads().values().filter(|view| view.state.is_living()).count();
        let Cutter { pieces, ended, next, .. } = player.cast;
        self.conns = next;
        self.incomplete += living.max(lost);
        for (run, (began, mut pieces)) in pieces {
            let Some(view) = ended.get(&run) else { continue };
            if view.state != TrialState::Completed {
                self.incomplete += 1;
                continue;
            }
            let end = view.ended.map_or(u64::MAX, |end| end.since(began));
            pieces.retain(|at| at.offset_ns <= end);
            self.recordings.push(Arc::new(Recording { view: view.clone(), pieces }));
        }
        self.keep_last_attempts();
        Ok(())
    }

    /// Of several complete runs of one name the last counts.
    fn keep_last_attempts(&mut self) {
        let mut last: HashMap<(Name, Name), RunId> = HashMap::new();
        for recording in &self.recordings {
            let view = &recording.view;
            let run = last.entry((view.experiment.clone(), view.trial.clone())).or_insert(view.run);
            *run = view.run.max(*run);
        }
        let before = self.recordings.len();
        self.recordings.retain(|recording| {
            let view = &recording.view;
            last.get(&(view.experiment.clone(), view.trial.clone())) == Some(&view.run)
        });
        self.superseded += before - self.recordings.len();
    }

    /// What the engine of the first journal was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many complete trials it has.
    pub fn len(&self) -> usize {
        self.recordings.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.recordings.is_empty()
    }
}
