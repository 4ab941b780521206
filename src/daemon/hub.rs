//! The main loop: events go into the engine, effects go out to the edges.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::inbox::{Inbox, Item};
use super::reload::Reloader;
use crate::act::{ActorHandle, Actuator, ReadTree, Sweep};
use crate::engine::Engine;
use crate::export::ExportState;
use crate::journal::{Journal, Ledger};
use crate::model::{ConnId, Counters, Effect, Event, Loudness, MILLI, Moment, Reply, RunId};
use crate::source::exits::{ExitsHandle, Reporter};
use crate::source::remote::Asker;
use crate::source::sampler::SamplerHandle;
use crate::source::socket::Connections;
use crate::sys::clock;
use crate::sys::process::Proc;
use crate::sys::roster::Roster;

/// The longest wait without a look at anything; nothing depends on it, it only bounds a bell that was missed.
const LONGEST_WAIT: u64 = 1000 * MILLI;

/// Connections inside this process: an embedded `run` or a program that uses the library.
pub type Locals = Arc<Mutex<HashMap<ConnId, Sender<Reply>>>>;

/// Everything the main loop tells.
pub struct Edges {
    /// Reads trees.
    pub sampler: SamplerHandle,
    /// Gives signals.
    pub actor: ActorHandle,
    /// Watches roots for their end.
    pub exits: ExitsHandle,
    /// Clients.
    pub connections: Arc<Connections>,
    /// Clients inside this process.
    pub locals: Locals,
    /// Inputs and outcomes.
    pub journal: Journal,
    /// Stops, written ahead.
    pub ledger: Ledger,
    /// What scrapes see.
    pub export: Arc<ExportState>,
    /// Counts.
    pub counters: Arc<Counters>,
    /// Handles of processes.
    pub roster: Arc<Roster>,
    /// Asks the remote Prometheus, where there is one.
    pub asker: Asker,
    /// Reads the policy again.
    pub reloader: Reloader,
}

/// The engine and its edges.
pub struct Hub {
    engine: Engine,
    edges: Edges,
    inbox: Arc<Inbox>,
    /// Members of trials of before, until the trial is watched: nothing may look at its tree without them.
    members: HashMap<RunId, Vec<Arc<Proc>>>,
    /// Something changed that scrapes should see.
    dirty: bool,
}

impl Hub {
    /// Brings them together.
    pub fn new(engine: Engine, edges: Edges, inbox: Arc<Inbox>) -> Hub {
        Hub { engine, edges, inbox, members: HashMap::new(), dirty: true }
    }

    /// Runs until it is told to end.
    /// `members` are those of trials of before that were written down.
    pub fn run(mut self, first: Vec<Effect>, members: Vec<(RunId, Vec<Arc<Proc>>)>) {
        self.members = members.into_iter().collect();
        self.carry_out(clock::now(), first);

        loop {
            self.publish();
            let now = clock::boot_ns();
            let wake = self.engine.next_wake().map_or(LONGEST_WAIT, |at| at.saturating_sub(now).min(LONGEST_WAIT));
            let items = self.inbox.take(Duration::from_nanos(wake));
            let idle = items.is_empty();
            for item in items {
                match item {
                    Item::Event(at, event) => self.step(at, &event),
                    Item::Lines(batch) => batch.events.iter().for_each(|event| self.step(batch.at, event)),
                    Item::Shutdown => return self.end(),
                }
            }
            let due = self.engine.next_wake().is_some_and(|at| at <= clock::boot_ns());
            if idle && due {
                self.step(clock::now(), &Event::Wake);
            }
        }
    }

    /// One event: the journal has it before anything follows from it.
    fn step(&mut self, at: Moment, event: &Event) {
        self.edges.journal.event(at, event);
        if let Event::Tree(tree) = event {
            self.edges.ledger.remember(tree.run, tree.members.iter().map(|member| member.key));
        }
        let effects = self.engine.step(at, event);
        if let Event::Tick(tick) = event {
            self.edges.export.observe_tick(tick.took_ns as f64 / 1e9);
            self.dirty = true;
        }
        self.carry_out(at, effects);
    }

    /// Effects, in their order.
    fn carry_out(&mut self, at: Moment, effects: Vec<Effect>) {
        for effect in effects {
            self.edges.journal.effect(at, &effect);
            self.carry_out_one(effect);
        }
    }

    fn carry_out_one(&mut self, effect: Effect) {
        let edges = &mut self.edges;
        match effect {
            Effect::Track(run, root, uid) => {
                edges.sampler.track(run, root, uid);
                if let Some(members) = self.members.remove(&run) {
                    edges.sampler.take_back(run, members);
                }
                if let Some(proc) = edges.roster.get(root.key) {
                    let reporter = reporter(&proc);
                    edges.exits.watch(run, proc, reporter);
                }
            }
            Effect::Untrack(run) => {
                edges.sampler.untrack(run);
                edges.exits.forget(run);
            }
            Effect::Read(run, cause) => edges.sampler.read(run, cause),
            Effect::Follow(run) => edges.sampler.follow(run),
            Effect::Unfollow(run) => edges.sampler.unfollow(run),
            Effect::Record(record) => edges.ledger.record(&record),
            Effect::Close(record, outcome) => edges.ledger.close(record.id, outcome),
            Effect::Signal(shot) => edges.actor.signal(shot),
            Effect::Sweep(stretch) => {
                let reader = living(edges.sampler.clone(), stretch.run);
                edges.actor.sweep(Sweep { stretch, reader });
            }
            Effect::Send(conn, reply) => self.send(conn, reply),
            Effect::Reload => edges.reloader.reload(&self.inbox),
            Effect::Head(_) => self.dirty = true,
            Effect::Ask(server, questions) => edges.asker.ask(server, questions),
            Effect::Drop(reason) => edges.counters.drop_one(reason),
            Effect::Note(loudness, text) => note(loudness, &text),
        }
    }

    fn send(&self, conn: ConnId, reply: Reply) {
        let local = self.edges.locals.lock().unwrap_or_else(PoisonError::into_inner).get(&conn).cloned();
        match local {
            // Who asked may have gone meanwhile: then nobody wants to know.
            Some(sender) => drop(sender.send(reply)),
            None => self.edges.connections.send(conn, &reply),
        }
    }

    /// Scrapes see the present from now on.
    fn publish(&mut self) {
        if std::mem::take(&mut self.dirty) {
            let snapshot = Arc::new(self.engine.snapshot());
            self.edges.journal.keep(&snapshot);
            self.edges.export.publish(snapshot);
        }
    }

    fn end(self) {
        let Edges { sampler, actor, exits, journal, ledger, export, .. } = self.edges;
        export.retire();
        sampler.stop();
        exits.stop();
        drop(actor);
        journal.close(clock::now());
        ledger.retire();
    }
}

/// Reads a tree afresh at each call, for a sweep. The reader is asked for on the sweep's own thread.
fn living(sampler: SamplerHandle, run: RunId) -> ReadTree {
    let mut reader = None;
    Box::new(move || {
        if reader.is_none() {
            reader = sampler.lineage(run);
        }
        reader.as_mut().map(|r| r.look()).unwrap_or_default()
    })
}

/// A child of this process, or of a `run` that joined, is waited for by its parent, which knows most of its end.
fn reporter(proc: &Proc) -> Reporter {
    let own = std::process::id();
    match proc.stat() {
        Ok(stat) if stat.ppid == own => Reporter::Parent,
        _ => Reporter::Exits,
    }
}

fn note(loudness: Loudness, text: &str) {
    match loudness {
        Loudness::Info => tracing::info!("{text}"),
        Loudness::Warning => tracing::warn!("{text}"),
        Loudness::Error => tracing::error!("{text}"),
    }
}
