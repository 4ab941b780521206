//! Signals to real processes, all of them children of the test.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use earlystop::act::{Actor, ActorHandle, Actuator, Dry, Sweep, self_test};
use earlystop::journal::Ledger;
use earlystop::model::{
    Counters, Event, Ladder, ProcKey, RunId, RunState, Shot, Signal, SignalResult, StopId, StopRecord, Stretch, Swept,
};
use earlystop::sys::look::Look;
use earlystop::sys::process::Proc;
use earlystop::sys::roster::Roster;

use super::Mortal;
use crate::support::wait_for;

const SOON: Duration = Duration::from_secs(60);

struct Stage {
    actor: ActorHandle,
    roster: Arc<Roster>,
    ledger: Ledger,
    counters: Arc<Counters>,
    outcomes: Receiver<Event>,
}

impl Stage {
    fn new() -> Stage {
        let (roster, ledger, counters) = (Roster::new(), Ledger::in_memory(), Arc::new(Counters::default()));
        let ladder = Arc::new(Ladder::gentle());
        let (rule, reason) = ("r".into(), "because".into());
        let (rung_since_ns, rung_until_ns) = (0, 1);
        ledger.record(&StopRecord { id: STOP, run: RUN, rule, reason, ladder, rung: 1, rung_since_ns, rung_until_ns });
        let (sender, outcomes) = channel();
        let sender = Mutex::new(sender);
        let tell = Box::new(move |_, event| sender.lock().unwrap().send(event).unwrap());
        let actor = Actor::start(roster.clone(), ledger.clone(), counters.clone(), tell).unwrap();
        Stage { actor, roster, ledger, counters, outcomes }
    }

    fn fire(&self, shot: Shot) -> SignalResult {
        self.actor.signal(shot);
        let Event::Signalled(signalled) = self.outcomes.recv_timeout(SOON).unwrap() else {
            panic!("a signal's outcome")
        };
        assert_eq!(signalled.shot, shot);
        signalled.result
    }

    fn sweep(&self, reader: impl FnMut() -> Look + Send + 'static) -> Swept {
        self.actor.sweep(Sweep { stretch: STRETCH, reader: Box::new(reader) });
        match self.outcomes.recv_timeout(SOON).unwrap() {
            Event::Swept(swept) => swept,
            other => panic!("{other:?}"),
        }
    }
}

const STOP: StopId = StopId(5);
const RUN: RunId = RunId(6);
const STRETCH: Stretch = Stretch { stop: STOP, run: RUN, rung: 2, owner: 0 };

fn shot(key: ProcKey, signal: Signal) -> Shot {
    Shot { stop: STOP, run: RUN, rung: 1, key, signal, wake: false, owner: 0 }
}

/// A shell that says `ready` and then goes on; and what it says after that.
fn shell(script: &str) -> (Mortal, Box<dyn Iterator<Item = String>>) {
    let mut command = Command::new("sh");
    let mut child = Mortal::of(command.args(["-c", script]).stdout(Stdio::piped()));
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert_eq!(lines.next().as_deref(), Some("ready"));
    (child, Box::new(lines))
}

#[test]
fn sigterm_is_seen_by_the_handler_and_the_intent_is_in_the_ledger() {
    let stage = Stage::new();
    let (child, mut lines) = shell("trap 'echo got it; exit 0' TERM; echo ready; while :; do sleep 0.02; done");
    let proc = stage.roster.insert(&Proc::open(child.0.id()).unwrap());
    assert_eq!(stage.fire(shot(proc.key, Signal::TERM)), SignalResult::Sent);
    assert_eq!(lines.next().as_deref(), Some("got it"));
    let open = stage.ledger.open_stops();
    assert_eq!(open[0].shots, vec![(shot(proc.key, Signal::TERM), Some(SignalResult::Sent))]);
    assert_eq!(stage.counters.signals.get(0), 1);
}

#[test]
fn a_stopped_process_gets_sigcont_after_sigterm() {
    let stage = Stage::new();
    let script = "trap 'echo got it; exit 0' TERM; echo ready; while :; do sleep 0.02; done";
    // Once with the engine's word for it, once stopped after the engine looked.
    for wake in [true, false] {
        let (child, mut lines) = shell(script);
        let proc = stage.roster.insert(&Proc::open(child.0.id()).unwrap());
        assert_eq!(stage.fire(shot(proc.key, Signal(19))), SignalResult::Sent);
        wait_for("it is stopped", SOON, || (proc.run_state() == Some(RunState::Stopped)).then_some(()));
        let shot = Shot { wake, ..shot(proc.key, Signal::TERM) };
        assert_eq!(stage.fire(shot), SignalResult::Sent);
        assert_eq!(lines.next().as_deref(), Some("got it"));
    }
}

#[test]
fn a_number_that_belongs_to_another_process_now_is_never_signalled() {
    let stage = Stage::new();
    let (mut child, _lines) = shell("echo ready; sleep 600");
    let real = Proc::open(child.0.id()).unwrap();
    let earlier = ProcKey { start: real.key.start - 1, inode: real.key.inode.wrapping_sub(1), ..real.key };
    // The roster knows the earlier process by its key, its handle has become that of another.
    let mut fake = Arc::into_inner(Proc::open(child.0.id()).unwrap()).unwrap();
    fake.key = earlier;
    let fake = Arc::new(fake);
    stage.roster.insert(&fake);
    assert_eq!(stage.fire(shot(earlier, Signal::KILL)), SignalResult::Unsure);
    let swept = stage.sweep(move || seen([&fake]));
    assert_eq!((swept.killed, swept.left.len()), (0, 0), "{swept:?}");
    // A key that the roster does not know, of a process that lives and of one that does not.
    assert_eq!(stage.fire(shot(real.key, Signal::KILL)), SignalResult::Unsure);
    assert_eq!(stage.fire(shot(ProcKey { start: 1, ..real.key }, Signal::KILL)), SignalResult::Gone);
    assert_eq!(child.0.try_wait().unwrap(), None, "it lives");
}

#[test]
fn without_a_pidfd_nothing_is_given() {
    let stage = Stage::new();
    let (mut child, _lines) = shell("echo ready; sleep 600");
    let mut blind = Arc::into_inner(Proc::open(child.0.id()).unwrap()).unwrap();
    blind.pidfd = None;
    let blind = stage.roster.insert(&Arc::new(blind));
    assert_eq!(stage.fire(shot(blind.key, Signal::KILL)), SignalResult::Unsure);
    let swept = stage.sweep(move || seen([&blind]));
    assert_eq!((swept.killed, swept.left.len()), (0, 1));
    assert_eq!(child.0.try_wait().unwrap(), None, "it lives");
}

#[test]
fn the_daemon_its_ancestors_and_pid_1_are_spared() {
    let stage = Stage::new();
    let own = Proc::open(std::process::id()).unwrap();
    let parent = own.parent().unwrap();
    for proc in [own, parent.clone(), Proc::open(1).unwrap()] {
        stage.roster.insert(&proc);
        // Signal 0 would do no harm if this test ever failed.
        assert_eq!(stage.fire(shot(proc.key, Signal(0))), SignalResult::Unsure, "{}", proc.comm);
    }
    assert!(!parent.is_gone());
}

#[test]
fn a_zombie_is_gone() {
    let stage = Stage::new();
    let child = Mortal::of(&mut Command::new("true"));
    let proc = stage.roster.insert(&Proc::open(child.0.id()).unwrap());
    wait_for("it is a zombie", SOON, || proc.is_gone().then_some(()));
    assert_eq!(stage.fire(shot(proc.key, Signal::TERM)), SignalResult::Gone);
    let mut once = Some(proc);
    let swept = stage.sweep(move || seen(once.take().as_ref()));
    assert_eq!((swept.killed, swept.left, swept.cleared), (0, vec![], true));
}

#[test]
fn who_left_since_the_reading_may_have_left_a_child_behind() {
    let stage = Stage::new();
    let zombie = Mortal::of(&mut Command::new("true"));
    let parent = stage.roster.insert(&Proc::open(zombie.0.id()).unwrap());
    wait_for("it is a zombie", SOON, || parent.is_gone().then_some(()));
    let (mut child, _lines) = shell("echo ready; sleep 600");
    let heir = stage.roster.insert(&Proc::open(child.0.id()).unwrap());
    // The reading finds the parent; by the time it is looked at it has left, and the next reading finds its child.
    let mut parent = Some(parent);
    let swept = stage.sweep(move || match parent.take() {
        Some(parent) => seen([&parent]),
        None => seen([&heir].into_iter().filter(|heir| !heir.is_gone())),
    });
    assert_eq!((swept.killed, swept.cleared), (1, true), "{swept:?}");
    assert!(!child.0.wait().unwrap().success());
}

#[test]
fn without_a_sure_look_nobody_is_not_said() {
    let stage = Stage::new();
    let mut looks = 0;
    let swept = stage.sweep(move || {
        looks += 1;
        Look { living: Vec::new(), sure: looks > 3 }
    });
    assert!(swept.cleared);
    let swept = stage.sweep(Look::default);
    assert!(swept.left.is_empty() && !swept.cleared, "{swept:?}");
}

/// A look that found these, and from which nobody slipped away.
fn seen<'a>(living: impl IntoIterator<Item = &'a Arc<Proc>>) -> Look {
    Look { living: living.into_iter().cloned().collect(), sure: true }
}

/// All living processes of this session: the forking tree below is one. Nobody is only said after a look at which no
/// process slipped away between its being listed and its being read.
fn of_session(session: u32) -> Look {
    let tree = earlystop::sys::tree::ProcTree::default();
    // A zombie may have left a child behind after the list was made; one that was a zombie before the list has none.
    let mut zombies = std::collections::HashSet::new();
    wait_for("a look at which nobody slips away", SOON, || {
        let mut slipped = false;
        let mut is_of = |pid: &u32| {
            let stat = tree.read(*pid, "stat").unwrap_or_default();
            slipped |= stat.is_empty();
            let text = String::from_utf8_lossy(&stat).into_owned();
            let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
            let ours = fields.get(3).is_some_and(|s| *s == session.to_string());
            slipped |= ours && fields[0] == "Z" && zombies.insert(*pid);
            ours && fields[0] != "Z"
        };
        let pids: Vec<u32> = tree.pids().unwrap().into_iter().filter(&mut is_of).collect();
        let found: Vec<Arc<Proc>> = pids.into_iter().filter_map(|pid| Proc::open(pid).ok()).collect();
        (!found.is_empty() || !slipped).then_some(Look { living: found, sure: !slipped })
    })
}

#[test]
fn a_tree_that_keeps_forking_is_swept() {
    let stage = Stage::new();
    // Each child forks a successor every millisecond or so and leaves; `setsid` makes it a session of its own.
    let script = "fork() { (sleep 0.002; fork) & }; fork; fork; fork; echo ready; sleep 600";
    let mut command = Command::new("setsid");
    let mut child = Mortal::of(command.args(["sh", "-c", script]).stdout(Stdio::piped()));
    let session = child.0.id();
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let begin = std::time::Instant::now();
    let mut killed = 0;
    // One stretch is bounded; the engine begins another each tick.
    while begin.elapsed() < SOON {
        let swept = stage.sweep(move || of_session(session));
        killed += swept.killed;
        if swept.cleared {
            break;
        }
    }
    assert!(of_session(session).found_nobody());
    assert!(killed >= 2, "{killed}");
}

#[test]
fn a_stuck_sweep_delays_nobody() {
    let stage = Stage::new();
    let (release, held) = channel::<()>();
    let held = Mutex::new(held);
    let reader = move || {
        let _ = held.lock().unwrap().recv();
        Look { living: Vec::new(), sure: true }
    };
    stage.actor.sweep(Sweep { stretch: STRETCH, reader: Box::new(reader) });
    let (child, _lines) = shell("echo ready; sleep 600");
    let proc = stage.roster.insert(&Proc::open(child.0.id()).unwrap());
    assert_eq!(stage.fire(shot(proc.key, Signal::TERM)), SignalResult::Sent);
    drop(release);
    assert!(matches!(stage.outcomes.recv_timeout(SOON).unwrap(), Event::Swept(swept) if swept.killed == 0));
}

#[test]
fn the_way_of_a_signal_is_tried_at_start() {
    self_test().unwrap();
}

#[test]
fn the_dry_actuator_gives_nothing() {
    let (mut child, _lines) = shell("echo ready; sleep 600");
    let dry = Dry::default();
    let key = Proc::open(child.0.id()).unwrap().key;
    dry.signal(shot(key, Signal::KILL));
    dry.sweep(Sweep { stretch: STRETCH, reader: Box::new(Look::default) });
    assert_eq!((dry.shots(), dry.sweeps()), (vec![shot(key, Signal::KILL)], vec![(STOP, RUN)]));
    assert_eq!(child.0.try_wait().unwrap(), None);
}
