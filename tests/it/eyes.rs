//! The sampler, exits and discovery with real processes, all of them our own children.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use earlystop::model::{
    Counters, DropReason, Event, ExitStatus, Limits, Position, Reading, ReadingCause, Root, RunId, RunState, Tick,
    TreeSample,
};
use earlystop::source::discover::{Discover, Discovery};
use earlystop::source::exits::{Exits, Reporter};
use earlystop::source::lineage::Reader;
use earlystop::source::sampler::{Sampler, SamplerConfig, SamplerHandle};
use earlystop::sys::process::Proc;
use earlystop::sys::random;
use earlystop::sys::roster::Roster;

use crate::support::{self, wait_for};

const LONG: Duration = Duration::from_secs(30);

/// A process group of our own making, killed whole when dropped. Scripts end by themselves when that fails.
struct Group(Child);

impl Group {
    fn sh(script: &str) -> Group {
        Group::of(Command::new("sh").args(["-c", script]))
    }

    fn python(script: &str) -> Group {
        Group::of(Command::new("python3").args(["-c", script]))
    }

    fn of(command: &mut Command) -> Group {
        let child = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it starts");
        Group(child)
    }

    fn proc(&self) -> Arc<Proc> {
        Proc::open(self.0.id()).expect("our child is not reaped")
    }

    fn root(&self) -> Root {
        Root { key: self.proc().key, subreaper: None }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Not reaped until here, so the number of the group is still ours.
        if let Ok(None) = self.0.try_wait() {
            let _ = nix::sys::signal::killpg(
                nix::unistd::Pid::from_raw(self.0.id() as i32),
                nix::sys::signal::Signal::SIGKILL,
            );
            let _ = self.0.wait();
        }
    }
}

struct World {
    sampler: SamplerHandle,
    roster: Arc<Roster>,
    counters: Arc<Counters>,
    events: Receiver<Event>,
}

impl World {
    fn every(ms: u64) -> World {
        World::with(SamplerConfig { interval: Duration::from_millis(ms), ..SamplerConfig::default() })
    }

    fn with(config: SamplerConfig) -> World {
        let (tell, events) = channel();
        let (roster, counters) = (Roster::new(), Arc::new(Counters::default()));
        let hear = Box::new(move |_, event| drop(tell.send(event)));
        let sampler = Sampler::start(config, roster.clone(), counters.clone(), hear).expect("a thread");
        World { sampler, roster, counters, events }
    }

    fn track(&self, root: Root) -> RunId {
        let run = random::run_id();
        self.sampler.track(run, root, 0);
        run
    }

    fn tick(&self) -> Tick {
        wait_for("a tick", LONG, || match self.events.recv_timeout(LONG) {
            Ok(Event::Tick(tick)) => Some(tick),
            _ => None,
        })
    }

    /// The first sample of a trial, from now on, for which `good` holds.
    fn sample(&self, what: &str, run: RunId, good: impl Fn(&TreeSample) -> bool) -> TreeSample {
        wait_for(what, LONG, || self.tick().trees.into_iter().find(|t| t.run == run && good(t)))
    }

    fn position(&self, proc: &Arc<Proc>) -> Position {
        let (tell, told) = channel();
        self.sampler.locate(proc.clone(), move |position| {
            let _ = tell.send(position);
        });
        told.recv_timeout(LONG).expect("the sampler answers")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.sampler.stop();
    }
}

fn comms(sample: &TreeSample) -> Vec<String> {
    sample.members.iter().map(|m| m.comm.to_string()).collect()
}

#[test]
fn descendants_stay_members_whatever_session_or_parent_they_take() {
    // A grandchild in a session of its own, whose parent then leaves: it belongs to nobody's family any more. The
    // file says when the parent may go.
    let dir = tempfile::tempdir().expect("a folder");
    let go = dir.path().join("go");
    let script = format!("(setsid sleep 61 & while [ ! -e {0} ]; do sleep 0.01; done) & exec sleep 60", go.display());
    let group = Group::sh(&script);
    let world = World::every(20);
    let run = world.track(group.root());
    let has = |t: &TreeSample, n: usize| comms(t).iter().filter(|c| *c == "sleep").count() >= n;
    let seen = world.sample("all of them", run, |t| has(t, 2) && t.processes >= 3 && t.complete);
    assert!(seen.memory.expect("readable").resident > 0);
    assert_eq!(seen.members.len(), seen.processes as usize);
    assert!(seen.members.is_sorted_by_key(|m| m.key.pid));
    std::fs::write(&go, "").expect("a file");
    // The shell between has left: two sleepers remain, one of them an orphan.
    let left = world.sample("the orphan", run, |t| t.processes == 2 && has(t, 2));
    let orphan = left.members.iter().find(|m| m.key != group.proc().key).expect("two");
    let orphan = world.roster.get(orphan.key).expect("on the roster");
    assert_ne!(orphan.stat().expect("it lives").ppid, group.0.id());
    assert_eq!(world.position(&orphan), Position::Inside(run));
    assert_eq!(world.position(&group.proc()), Position::Root(run));
    // Our own: the session's leader is no longer in the group that is killed at the end.
    rustix::process::pidfd_send_signal(orphan.fd().expect("not short"), rustix::process::Signal::KILL).expect("ours");
    world.sample("one left", run, |t| t.processes == 1);
    wait_for("the dead leave the roster", LONG, || world.roster.get(orphan.key).is_none().then_some(()));
}

#[test]
fn a_zombie_is_no_member_and_a_left_main_thread_is_no_zombie() {
    let zombie = Group::sh("true & exec sleep 60");
    let leaver = Group::python(
        "import threading,time,ctypes\nx=bytearray(20<<20)\nthreading.Thread(target=lambda:(time.sleep(60),x)).start()\n\
         ctypes.CDLL(None).syscall(60,0)",
    );
    let world = World::every(20);
    let (a, b) = (world.track(zombie.root()), world.track(leaver.root()));
    world.sample("sleep alone", a, |t| t.processes == 1 && t.complete && comms(t).len() == 1);
    wait_for("the main thread has left", LONG, || {
        let stat = leaver.proc().stat().ok()?;
        (stat.state() == RunState::Zombie && stat.threads == 1 + 1).then_some(())
    });
    let big = world.sample("memory by the other thread", b, |t| t.memory.is_some_and(|m| m.private() > 20 << 20));
    assert!(big.complete && big.processes == 1);
}

#[test]
fn nested_trials_count_for_the_inner_one_only() {
    let group = Group::sh("sh -c 'sleep 61 & sleep 62 & wait' & sleep 60 & wait");
    let world = World::every(20);
    let outer = world.track(group.root());
    let all = world.sample("five", outer, |t| t.processes == 5);
    let inner_key = all.members.iter().map(|m| m.key).find(|k| {
        let proc = world.roster.get(*k).expect("on the roster");
        let below = |k: &earlystop::model::ProcKey| {
            world.roster.get(*k).and_then(|p| p.stat().ok()).is_some_and(|s| s.ppid == proc.key.pid)
        };
        *k != group.proc().key && all.members.iter().any(|m| below(&m.key))
    });
    let inner_proc = world.roster.get(inner_key.expect("the inner shell")).expect("on the roster");
    assert_eq!(world.position(&inner_proc), Position::Inside(outer));
    let inner = world.track(Root { key: inner_proc.key, subreaper: None });
    wait_for("two and three", LONG, || {
        let trees = world.tick().trees;
        let of = |run| trees.iter().find(|t| t.run == run).map(|t| t.processes);
        (of(outer) == Some(2) && of(inner) == Some(3)).then_some(())
    });
    assert_eq!(world.position(&inner_proc), Position::Root(inner));
    let mut reader = world.sampler.lineage(outer).expect("tracked");
    assert_eq!(reader.look().living.len(), 2, "a sweep of the outer one does not reach the inner");
    world.sampler.untrack(inner);
    world.sample("five again", outer, |t| t.processes == 5);
    assert_eq!(world.position(&inner_proc), Position::Inside(outer));
    // And the other way round: the inner one is tracked first.
    world.sampler.untrack(outer);
    assert_eq!(world.position(&inner_proc), Position::Outside);
    let inner = world.track(Root { key: inner_proc.key, subreaper: None });
    let outer = world.track(group.root());
    world.sample("two", outer, |t| t.processes == 2);
    world.sample("three", inner, |t| t.processes == 3);
    let (tell, told) = channel();
    world.sampler.locate_parent(inner_proc, move |found| drop(tell.send(found)));
    let (parent, position) = told.recv_timeout(LONG).expect("answered").expect("it has a parent");
    assert_eq!((parent.key, position), (group.proc().key, Position::Root(outer)));
}

#[test]
fn counters_never_fall_and_agree_with_wait4() {
    // Children that are waited for, children that nobody waits for, and grandchildren of both kinds.
    let script = "import os,signal,time\n\
        def burn(s):\n e=time.process_time()+s\n while time.process_time()<e: pass\n\
        def child(s):\n p=os.fork()\n if p==0:\n  burn(s)\n  q=os.fork()\n  if q==0:\n   burn(s); os._exit(0)\n  os.waitpid(q,0); os._exit(0)\n return p\n\
        for i in range(6): os.waitpid(child(0.06),0)\n\
        burn(0.1)\n\
        import sys; sys.stdin.read()\n";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .process_group(0)
        .stdin(Stdio::piped())
        .spawn()
        .expect("python starts");
    let stdin = child.stdin.take();
    let group = Group(child);
    let world = World::every(15);
    let run = world.track(group.root());
    let (mut before, mut quiet, mut last) = ((0.0, 0.0), 0, 0.0);
    let end = Instant::now() + LONG;
    while quiet < 40 {
        assert!(Instant::now() < end, "the script did not come to rest");
        let Some(sample) = world.tick().trees.into_iter().find(|t| t.run == run) else { continue };
        let now = (sample.cpu.first, sample.cpu.second);
        assert!(now.0 >= before.0 && now.1 >= before.1, "fell from {before:?} to {now:?}");
        let sum = now.0 + now.1;
        quiet = if sum > last || sum < 0.8 { 0 } else { quiet + 1 };
        (before, last) = (now, sum);
    }
    drop(stdin);
    let mut group = group;
    let usage = wait4(&mut group.0);
    assert!((last - usage).abs() < 0.15 * usage + 0.05, "sampler says {last}, wait4 {usage}");
}

#[test]
fn cpu_of_children_that_nobody_waits_for_is_kept() {
    let script = "import os,signal,time,sys\nsignal.signal(signal.SIGCHLD,signal.SIG_IGN)\n\
        for i in range(4):\n if os.fork()==0:\n  e=time.process_time()+0.2\n  while time.process_time()<e: pass\n  time.sleep(0.3); os._exit(0)\n\
        time.sleep(60)";
    let group = Group::python(script);
    let world = World::every(20);
    let run = world.track(group.root());
    // What is called python3 may be a shell script with children of its own at first.
    world.sample("children", run, |t| t.processes == 5 && comms(t).iter().all(|c| c.starts_with("python")));
    let alone = world.sample("alone", run, |t| t.processes == 1);
    let cpu = alone.cpu.first + alone.cpu.second;
    assert!((0.75..2.0).contains(&cpu), "{cpu} s of 0.8 s and the interpreter's own");
}

/// Waits for a child; gives the CPU seconds of it and all it waited for.
fn wait4(child: &mut Child) -> f64 {
    // SAFETY: rusage is plain data, and both places are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let mut status = 0;
    let rc = unsafe { libc::wait4(child.id() as i32, &mut status, 0, &mut usage) };
    assert_eq!(rc, child.id() as i32, "our own child");
    let _ = child.wait();
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

#[test]
fn an_overrun_is_counted_and_never_piled_up() {
    let (tell, told) = channel();
    let hear = Box::new(move |at, event| {
        if let Event::Tick(tick) = event {
            let _ = tell.send((at, tick));
            std::thread::sleep(Duration::from_millis(60)); // six ticks are missed meanwhile
        }
    });
    let config = SamplerConfig { interval: Duration::from_millis(10), ..SamplerConfig::default() };
    let sampler = Sampler::start(config, Roster::new(), Arc::default(), hear).expect("a thread");
    let ticks: Vec<Tick> = (0..4).map(|_| told.recv_timeout(LONG).expect("ticks go on").1).collect();
    sampler.stop();
    for pair in ticks.windows(2) {
        assert!(pair[1].overruns >= pair[0].overruns + 5, "{} then {}", pair[0].overruns, pair[1].overruns);
        assert!(pair[1].at.since(pair[0].at) >= 55_000_000, "no tick was made up for");
    }
}

#[test]
fn above_the_limit_of_processes_a_tree_is_incomplete() {
    let group = Group::sh("for i in 1 2 3 4 5; do sleep 60 & done; wait");
    let limits = Limits { processes: 3, ..Limits::default() };
    let world = World::with(SamplerConfig { interval: Duration::from_millis(20), limits, ..SamplerConfig::default() });
    let run = world.track(group.root());
    let over = world.sample("incomplete", run, |t| !t.complete);
    assert_eq!(over.processes, 3);
    let index = DropReason::ALL.iter().position(|r| *r == DropReason::Processes).expect("listed");
    assert!(world.counters.dropped.get(index) >= 1);
}

#[test]
fn readings_on_demand_and_following() {
    let group = Group::sh("sleep 60 & wait");
    let world = World::every(60_000);
    let run = world.track(group.root());
    let mut sleeper = None;
    wait_for("both are read", LONG, || {
        world.sampler.read(run, ReadingCause::Demand);
        match world.events.recv_timeout(LONG) {
            Ok(Event::Reading(Reading { cause: ReadingCause::Demand, sample })) if sample.processes == 2 => {
                sleeper = sample.members.iter().map(|m| m.key).find(|k| *k != group.proc().key);
                assert!(sample.switches.is_some() && sample.limit.is_some());
                Some(())
            }
            _ => None,
        }
    });
    let sleeper = world.roster.get(sleeper.expect("found")).expect("on the roster");
    let fd = sleeper.fd().expect("not short");
    rustix::process::pidfd_send_signal(fd, rustix::process::Signal::STOP).expect("ours");
    world.sampler.follow(run);
    let tree = |wanted: &dyn Fn(&earlystop::model::Tree) -> bool| {
        wait_for("a tree", LONG, || match world.events.recv_timeout(LONG) {
            Ok(Event::Tree(tree)) if wanted(&tree) => Some(tree),
            _ => None,
        })
    };
    tree(&|t| t.members.iter().any(|m| m.key == sleeper.key && m.state == RunState::Stopped));
    rustix::process::pidfd_send_signal(fd, rustix::process::Signal::KILL).expect("ours");
    tree(&|t| t.members.iter().all(|m| m.key != sleeper.key));
    world.sampler.unfollow(run);
    world.sampler.untrack(run);
    assert!(world.sampler.lineage(run).is_none());
}

#[test]
fn ends_are_told_with_their_status() {
    let (tell, told) = channel();
    let exits = Exits::start(Box::new(move |_, event| drop(tell.send(event)))).expect("a thread");
    let mut code = Group::sh("read x; exit 7");
    let mut killed = Group::sh("exec sleep 60");
    let (a, b) = (random::run_id(), random::run_id());
    let mut quick = Command::new("sh").args(["-c", "read x; exit 7"]).stdin(Stdio::piped()).spawn().expect("it starts");
    exits.watch(a, Proc::open(quick.id()).expect("ours"), Reporter::Exits);
    exits.watch(b, killed.proc(), Reporter::Exits);
    drop(quick.stdin.take());
    quick.wait().expect("ours");
    killed.0.kill().expect("ours");
    killed.0.wait().expect("ours");
    code.0.wait().expect("its input is empty");
    let mut found = std::collections::BTreeMap::new();
    while found.len() < 2 {
        match told.recv_timeout(LONG).expect("both ends are told") {
            Event::Exited(e) => drop(found.insert(e.run, (e.status, e.oom))),
            other => panic!("{other:?}"),
        }
    }
    let tells = Proc::open(std::process::id()).is_ok() && found[&b].0.is_some();
    if tells {
        assert_eq!(found[&a], (Some(ExitStatus::Code(7)), false));
        assert_eq!(found[&b], (Some(ExitStatus::Signal(9)), false));
    }
    exits.stop();
}

#[test]
fn a_program_that_looks_right_is_discovered_once_and_at_the_top() {
    let mark = format!("discover-me-{}", std::process::id());
    let world = World::every(20);
    let (tell, told) = channel();
    let cmdline = Some(globset::Glob::new(&format!("*{mark}*")).expect("a good glob").compile_matcher());
    let entry = Discover { exe: None, cmdline, cgroup: None, stop: false, spec: Default::default() };
    let hear = Box::new(move |_, event| drop(tell.send(event)));
    Discovery::start(&world.sampler, vec![entry], hear).expect("a thread");
    // Both shells match; the inner one is below the outer.
    let group = Group::sh(&format!("sh -c 'sleep 60; : {mark}' & wait; : {mark}"));
    let found = wait_for("it is registered", LONG, || match told.recv_timeout(LONG) {
        Ok(Event::Register(r)) if r.root.key == group.proc().key => Some(r),
        other => panic!("only the topmost registers, not {other:?}"),
    });
    assert!(!found.may_stop && found.position == Position::Outside && found.conn.is_none());
    world.sampler.on_strangers(None);
}

/// Runs one of the tests below in a process of its own (and a pid namespace, if asked for): they change limits or
/// pid_max, which are the process's or the namespace's.
fn apart(name: &str, before: &[&str]) -> bool {
    let exe = std::env::current_exe().expect("the test binary");
    let inner = ["--exact", name, "--ignored", "--nocapture", "--test-threads=1"];
    let mut words: Vec<&std::ffi::OsStr> = before.iter().map(|w| w.as_ref()).collect();
    words.push(exe.as_os_str());
    let output = Command::new(words[0]).args(&words[1..]).args(inner).output().expect("it starts");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{name} apart: {text}");
    true
}

#[test]
fn with_few_numbers_no_stranger_becomes_a_member() {
    let probe = Command::new("unshare").args(["-pf", "--mount-proc", "true"]).output();
    if !probe.is_ok_and(|o| o.status.success()) {
        return support::skip("pid namespaces need root (unshare -p)");
    }
    apart("eyes::few_numbers_apart", &["unshare", "-pf", "--kill-child", "--mount-proc"]);
}

#[test]
#[ignore = "run by with_few_numbers_no_stranger_becomes_a_member in a pid namespace of its own"]
fn few_numbers_apart() {
    if std::fs::write("/proc/sys/kernel/pid_max", "400").is_err() {
        return; // a kernel where pid_max is the host's
    }
    let world = World::every(10);
    let group = Group::sh("while :; do sleep 0.02 & wait; done");
    let run = world.track(group.root());
    // Strangers take the numbers of members that have just left, over and over.
    let end = Instant::now() + Duration::from_secs(4);
    let (mut members, mut births) = (std::collections::HashSet::new(), 0);
    while Instant::now() < end {
        let mut stranger = Command::new("true").spawn().expect("it starts");
        let proc = Proc::open(stranger.id()).expect("not reaped before wait");
        births += 1;
        assert_eq!(world.position(&proc), Position::Outside, "{:?}", proc.key);
        stranger.wait().expect("ours");
        while let Ok(event) = world.events.try_recv() {
            let Event::Tick(tick) = event else { continue };
            for tree in tick.trees.iter().filter(|t| t.run == run) {
                let strange = tree.members.iter().find(|m| !["sh", "sleep"].contains(&&*m.comm));
                assert!(strange.is_none(), "{strange:?}");
                members.extend(tree.members.iter().map(|m| m.key));
            }
        }
    }
    assert!(births > 300, "numbers went round ({births})");
    assert!(members.len() > 20, "members were seen ({})", members.len());
}

#[test]
fn short_descriptors_crash_nothing() {
    apart("eyes::short_descriptors_apart", &["env"]);
}

#[test]
#[ignore = "run by short_descriptors_crash_nothing in a process of its own"]
fn short_descriptors_apart() {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_NOFILE, 48, 48).expect("lower is always allowed");
    let world = World::every(20);
    let group = Group::sh("i=0; while [ $i -lt 60 ]; do sleep 60 & i=$((i+1)); done; wait");
    let run = world.track(group.root());
    let all = world.sample("all 61, read whole", run, |t| t.processes == 61 && t.complete);
    let handles: Vec<_> = all.members.iter().filter_map(|m| world.roster.get(m.key)).collect();
    assert_eq!(handles.len(), 61);
    assert!(handles.iter().any(|p| p.pidfd.is_none()), "some can only be watched");
    // How many depends on how fast they come; without room made for them there would be none left for the last ones.
    assert!(handles.iter().any(|p| p.pidfd.is_some()), "kept files made room for pidfds");
}

/// A chain of processes below this one, the subreaper: each forks the next and leaves after 200 us. Gives this process and
/// the first link's root; after some minutes the chain ends by itself.
fn chain() -> (Arc<Proc>, Root) {
    nix::sys::prctl::set_child_subreaper(true).expect("Linux 3.4");
    // SAFETY: ignoring a signal sets no handler; orphans that come to us are reaped by the kernel then.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    let me = Proc::open(std::process::id()).expect("we live");
    // SAFETY: the child calls nothing but fork, usleep and _exit, all of them async-signal-safe.
    let first = unsafe { libc::fork() };
    if first == 0 {
        for _ in 0..50_000 {
            unsafe {
                if libc::fork() != 0 {
                    libc::usleep(200);
                    libc::_exit(0);
                }
            }
        }
        unsafe { libc::_exit(0) };
    }
    let key = earlystop::model::ProcKey { pid: first as u32, start: 0, inode: 0 };
    let root = Root { key, subreaper: Some(me.key) };
    (me, root)
}

/// Ends whoever the reader finds until it is sure that there is nobody, and makes certain that this was true.
fn end_of_chain(me: &Proc, reader: &mut Reader) {
    let (start, mut killed) = (Instant::now(), 0);
    loop {
        assert!(start.elapsed() < LONG, "not caught, {killed} killed");
        let look = reader.look();
        if look.found_nobody() {
            break;
        }
        for proc in look.living.iter().filter(|p| p.is_same() && p.key != me.key) {
            if let Some(fd) = proc.fd() {
                killed += rustix::process::pidfd_send_signal(fd, rustix::process::Signal::KILL).is_ok() as u32;
            }
        }
    }
    eprintln!("caught after {:?}, {killed} killed", start.elapsed());
    assert!(killed > 0);
    for _ in 0..20 {
        assert!(reader.look().living.is_empty(), "somebody was left");
    }
}

#[test]
fn a_chain_that_forks_and_exits_is_caught() {
    apart("eyes::chain_apart", &["env"]);
}

#[test]
#[ignore = "run by a_chain_that_forks_and_exits_is_caught in a process of its own"]
fn chain_apart() {
    let (me, root) = chain();
    let mut reader = Reader::new(root, Vec::new(), Vec::new(), Roster::new());
    end_of_chain(&me, &mut reader);
}

#[test]
fn a_chain_is_never_taken_for_nobody() {
    apart("eyes::nobody_apart", &["env"]);
}

#[test]
#[ignore = "run by a_chain_is_never_taken_for_nobody in a process of its own"]
fn nobody_apart() {
    let (me, root) = chain();
    let world = World::every(10);
    let run = world.track(root);
    world.sampler.follow(run);
    let mut looks = 0;
    while looks < 500 {
        match world.events.recv_timeout(LONG).expect("readings go on") {
            Event::Tree(tree) => assert!(!tree.members.is_empty(), "look {looks}: the chain lives"),
            Event::Tick(tick) => {
                let empty = |t: &&TreeSample| t.run == run && t.processes == 0 && t.complete;
                assert_eq!(tick.trees.iter().find(empty), None, "look {looks}: the chain lives");
            }
            _ => continue,
        }
        looks += 1;
    }
    let mut reader = world.sampler.lineage(run).expect("tracked");
    end_of_chain(&me, &mut reader);
}

#[test]
fn a_made_up_proc_is_read_like_the_real_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let put = |pid: u32, comm: &str, ppid: u32, utime: u32, pages: u32| {
        let folder = dir.path().join(pid.to_string());
        std::fs::create_dir_all(&folder).expect("a folder");
        let stat = format!("{pid} ({comm}) S {ppid} 1 1 0 -1 0 5 0 7 0 {utime} 10 30 0 20 0 3 0 {pid}00 0 0\n");
        std::fs::write(folder.join("stat"), stat).expect("a file");
        std::fs::write(folder.join("statm"), format!("999 {pages} 10 1 0 1 0\n")).expect("a file");
        std::fs::write(folder.join("io"), "read_bytes: 4096\nwrite_bytes: 8192\n").expect("a file");
    };
    put(1, "init", 0, 0, 5);
    put(50, "train) (x", 1, 100, 110);
    put(51, "worker", 50, 200, 60);
    put(52, "deep", 51, 0, 20);
    put(60, "other", 1, 0, 1000);
    let world = World::with(SamplerConfig {
        interval: Duration::from_millis(10),
        proc_root: dir.path().to_path_buf(),
        ..SamplerConfig::default()
    });
    let key = earlystop::model::ProcKey { pid: 50, start: 5000, inode: 0 };
    let run = world.track(Root { key, subreaper: None });
    let seen = world.sample("three", run, |t| t.processes == 3);
    assert_eq!(comms(&seen), ["train) (x", "worker", "deep"]);
    let page = rustix::param::page_size() as u64;
    assert_eq!(seen.memory.expect("readable").private(), 160 * page);
    let per_second = earlystop::sys::clock::ticks_per_second() as f64;
    // Own user 300, own system 30, waited-for 3 x 30: all ticks.
    assert!((seen.cpu.first + seen.cpu.second - 420.0 / per_second).abs() < 1e-6);
    assert_eq!(seen.io.map(|p| (p.first, p.second)), Some((3 * 4096, 3 * 8192)));
    assert_eq!((seen.threads, seen.major_faults, seen.switches), (9, Some(21), None));
    let up = world.tick().up;
    let status = |name| up.iter().find(|(s, _)| *s == name).map(|(_, ok)| *ok);
    use earlystop::model::SourceName;
    assert_eq!((status(SourceName::Io), status(SourceName::HostMemory)), (Some(true), Some(false)));
    // Its number goes to somebody else: gone, and what it used stays counted.
    put(51, "stranger", 1, 0, 60);
    let stat = std::fs::read_to_string(dir.path().join("51/stat")).expect("there").replace("5100", "9900");
    std::fs::write(dir.path().join("51/stat"), stat).expect("a file");
    let after = world.sample("two", run, |t| t.processes == 2);
    assert_eq!(comms(&after), ["train) (x", "deep"]);
    assert!(after.cpu.first >= seen.cpu.first && after.cpu.second >= seen.cpu.second);
}
