//! The actor's thread: shots one after another, sweeps each on a thread of its own, so that a stuck tree delays nobody.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::aim::Aim;
use super::{Actuator, Sweep};
use crate::journal::Ledger;
use crate::model::{Counters, Event, Moment, Shot, Signalled};
use crate::sys::{clock, roster::Roster};

/// Sweeps at once; more wait for their turn (each ends within 5 s).
const SWEEPS: usize = 64;

/// Where outcomes go.
pub type Tell = Box<dyn Fn(Moment, Event) + Send + Sync>;

enum Command {
    Signal(Shot),
    Sweep(Sweep),
    SweepEnded,
    Leave,
}

/// Gives signals.
pub struct Actor {
    aim: Arc<Aim>,
    tell: Arc<Tell>,
    commands: Receiver<Command>,
    sender: Sender<Command>,
    running: usize,
    queue: VecDeque<Sweep>,
}

/// The way to the actor. Dropping it ends the actor after what was asked for; sweeps under way end by themselves.
#[derive(Debug)]
pub struct ActorHandle {
    sender: Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Actor {
    /// Starts the actor. `roster` knows the processes, `ledger` is written ahead, `tell` gets the outcomes (from several
    /// threads). Errors: no thread can be had.
    pub fn start(
        roster: Arc<Roster>,
        ledger: Ledger,
        counters: Arc<Counters>,
        tell: Tell,
    ) -> std::io::Result<ActorHandle> {
        let (sender, commands) = channel();
        let aim = Arc::new(Aim::new(roster, ledger, counters));
        let actor =
            Actor { aim, tell: Arc::new(tell), commands, sender: sender.clone(), running: 0, queue: VecDeque::new() };
        let thread = std::thread::Builder::new().name("actor".into()).spawn(move || actor.run())?;
        Ok(ActorHandle { sender, thread: Some(thread) })
    }

    fn run(mut self) {
        while let Ok(command) = self.commands.recv() {
            match command {
                Command::Signal(shot) => {
                    let result = self.aim.fire(shot);
                    (self.tell)(clock::now(), Event::Signalled(Signalled { shot, result }));
                }
                Command::Sweep(sweep) => self.queue.push_back(sweep),
                Command::SweepEnded => self.running -= 1,
                Command::Leave => break,
            }
            self.start_sweeps();
        }
    }

    fn start_sweeps(&mut self) {
        while self.running < SWEEPS {
            let Some(sweep) = self.queue.pop_front() else { return };
            self.running += 1;
            let (aim, tell, sender) = (self.aim.clone(), self.tell.clone(), self.sender.clone());
            let carry_out = move |sweep: Sweep| {
                let swept = sweep.carry_out(&aim);
                tell(clock::now(), Event::Swept(swept));
                let _ = sender.send(Command::SweepEnded);
            };
            // The sweep goes in by a slot, so that it is still ours if no thread can be had.
            let slot = Arc::new(std::sync::Mutex::new(Some(sweep)));
            let (theirs, work) = (slot.clone(), carry_out.clone());
            let take = |slot: &std::sync::Mutex<Option<Sweep>>| {
                slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
            };
            let started = std::thread::Builder::new().name("sweep".into()).spawn(move || take(&theirs).map(work));
            if let Err(error) = started {
                tracing::warn!("no thread for a sweep ({error}): the actor does it itself");
                take(&slot).map(carry_out);
            }
        }
    }
}

impl Actuator for ActorHandle {
    fn signal(&self, shot: Shot) {
        let _ = self.sender.send(Command::Signal(shot));
    }

    fn sweep(&self, sweep: Sweep) {
        let _ = self.sender.send(Command::Sweep(sweep));
    }
}

impl Drop for ActorHandle {
    fn drop(&mut self) {
        let _ = self.sender.send(Command::Leave);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
