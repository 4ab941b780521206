//! The journal: another life, a full disk, a second daemon, damaged files.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use earlystop::journal::{Config, Detail, Input, Journal, JournalError, Origin, Reader, Restored};
use earlystop::model::{
    ConnId, Counters, Effect, Event, Exited, Hello, HostSample, Ladder, Line, Member, Memory, MetricView, Moment, Name,
    Pair, Peer, Policy, Position, ProcKey, ProcSample, Progress, RemoteAnswer, RemoteSeries, Root, RunId, RunState,
    Said, Settings, Shot, Signal, Snapshot, SourceName, Step, StopId, StopOutcome, StopRecord, Tick, Totals, Tree,
    TreeSample, TrialState, TrialView,
};

use super::{Mortal, again, child_folder};
use crate::support::{skip, wait_for};

const SOON: Duration = Duration::from_secs(60);
const HOUR: u64 = 3600 * 1_000_000_000;

fn at(n: u64) -> Moment {
    let now = earlystop::sys::clock::now();
    Moment { boot_ns: n, mono_ns: n, wall_ms: now.wall_ms + n as i64 }
}

fn config(path: &Path) -> Config {
    Config {
        remembered: Vec::new(),
        path: path.to_path_buf(),
        max_size: Config::MAX_SIZE,
        max_age_ns: Config::MAX_AGE_NS,
        settings: Settings::default(),
        detail: Detail::Trees,
        at: at(0),
        counters: Arc::new(Counters::default()),
    }
}

fn key(pid: u32) -> ProcKey {
    ProcKey { pid, start: 5, inode: 6 }
}

fn view(run: RunId, name: &str, attempt: u32, state: TrialState) -> TrialView {
    let ended = (!state.is_living()).then(|| at(0));
    TrialView {
        run,
        attempt,
        experiment: Name::default_experiment(),
        trial: Name::made_of(name),
        labels: Arc::default(),
        params: Arc::default(),
        objective: None,
        group: None,
        fold: None,
        parent: None,
        uid: 0,
        root: Some(key(10)),
        ask_only: false,
        state,
        started: at(0),
        ended,
        exit: None,
        tree: None,
        totals: Totals::default(),
        progress: Progress::default(),
        metrics: BTreeMap::new(),
        rules: vec![],
        stops: BTreeMap::new(),
        saved: BTreeMap::new(),
        stop: None,
    }
}

fn head(view: &TrialView) -> Effect {
    Effect::Head(Arc::new(view.clone()))
}

fn tree(run: RunId, bytes: u64) -> TreeSample {
    let member = ProcSample { key: key(10), memory: None, cpu_seconds: 0.5, comm: "python3".into() };
    TreeSample {
        run,
        complete: true,
        memory: Some(Memory { resident: bytes, shared: 1 }),
        swap: None,
        proportional: None,
        limit: None,
        cpu: Pair { first: 0.1 + 0.2, second: 0.7 },
        utilization: None,
        processes: 1,
        threads: 2,
        io: None,
        major_faults: None,
        switches: None,
        members: vec![member].into(),
    }
}

fn tick(n: u64, trees: Vec<TreeSample>) -> Event {
    let up = vec![(SourceName::Processes, true)];
    Event::Tick(Tick { at: at(n), took_ns: 5, overruns: 0, trees, host: HostSample::default(), up })
}

fn line(run: RunId, said: Said) -> Event {
    let peer = Peer { uid: 0, key: Some(key(10)), position: Position::Root(run) };
    Event::Line(Line { conn: ConnId(1), peer, said })
}

fn inputs(path: &Path) -> Vec<Input> {
    Reader::open(path).unwrap().map(|recorded| recorded.unwrap().input).collect()
}

#[test]
fn inputs_come_back_in_their_order_with_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let run = RunId(7);
    let texts = BTreeMap::from([("a.toml".into(), "[[rule]]".to_string())]);
    let step = Step { step: Some(3), metrics: vec![("loss".into(), f64::NAN)], ..Step::default() };
    let events = [
        Event::Policy(Arc::new(Policy { texts: texts.clone(), ..Policy::default() })),
        line(run, Said::Hello(Box::default(), run)),
        tick(3, vec![tree(run, 300), tree(RunId(8), 400)]),
        line(run, Said::Step(Box::new(step))),
        Event::Tree(Tree { run, members: vec![Member { key: key(10), state: RunState::Alive }] }),
        tick(6, vec![tree(run, 600)]),
        Event::Exited(Exited { run, status: None, usage: None, oom: false }),
        Event::Remote(RemoteAnswer {
            rule: "fleet".into(),
            expr: "trial_step > 5".into(),
            asked: at(6),
            good_for_ns: 5,
            result: Ok(vec![RemoteSeries { labels: vec![("trial".into(), "t".into())], value: f64::NAN }]),
        }),
    ];
    let (mut journal, restored) = Journal::open(config(&path)).unwrap();
    assert!(restored.trials.is_empty() && restored.policy.is_none() && restored.last.is_none());
    for (n, event) in events.iter().enumerate() {
        if n == 5 {
            journal.set_detail(Detail::Processes);
        }
        journal.event(at(n as u64), event);
    }
    journal.close(at(99));

    let recorded: Vec<_> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
    let times: Vec<u64> = recorded.iter().map(|r| r.at.boot_ns).collect();
    assert_eq!(times, [0, 0, 1, 2, 3, 4, 5, 6, 7, 99]);
    assert!(matches!(&recorded[0].input, Input::Started(start) if start.settings == Settings::default()));
    assert!(matches!(&recorded[1].input, Input::Policy(back) if *back == texts));
    assert!(matches!(&recorded[9].input, Input::Ended));
    for (event, back) in events.iter().zip(&recorded[1..]).skip(1) {
        let Input::Event(back) = &back.input else { panic!("{back:?}") };
        let mut wanted = event.clone();
        if let Event::Tick(tick) = &mut wanted
            && tick.trees.len() == 2
        {
            // Processes were not asked for yet.
            tick.trees.iter_mut().for_each(|tree| tree.members = Arc::from([]));
        }
        assert_eq!(format!("{back:?}"), format!("{wanted:?}"));
    }
}

#[test]
fn the_next_life_knows_who_lived_and_how_the_others_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let (lives, done, old) = (RunId(3), RunId(2), RunId(1));
    let (mut journal, _) = Journal::open(config(&path)).unwrap();
    journal.event(at(1), &line(lives, Said::Hello(Box::new(Hello { worker: "4".into(), ..Hello::default() }), lives)));
    let root = Root { key: key(10), subreaper: Some(key(9)) };
    journal.effect(at(1), &head(&view(lives, "a", 2, TrialState::Running)));
    journal.effect(at(1), &Effect::Track(lives, root, 0));
    let mut ended = view(done, "b", 1, TrialState::Stopped);
    ended.progress.step = Some(70);
    ended.metrics.insert("rmse".into(), MetricView { last: 0.5, ..MetricView::default() });
    journal.effect(at(2), &head(&ended));
    let mut earlier = view(old, "a", 1, TrialState::Failed);
    earlier.ended = Some(Moment { wall_ms: at(0).wall_ms - 3_600_000, ..at(0) });
    journal.effect(at(3), &head(&earlier));
    journal.close(at(4));

    let (_journal, restored) = Journal::open(config(&path)).unwrap();
    let Restored { trials, attempts, ended: shown, last, damage, .. } = restored;
    assert_eq!(damage, Vec::<String>::new());
    assert_eq!(last.map(|at| at.boot_ns), Some(4));
    assert_eq!(trials.len(), 1);
    assert_eq!((trials[0].view.run, trials[0].root), (lives, Some(root)));
    assert!(matches!(&trials[0].origin, Some(Origin::Hello(hello)) if hello.worker == "4"));
    assert!(trials[0].machine.same_pids(&earlystop::journal::Machine::here()));
    // An hour ago is longer than /metrics shows it.
    assert_eq!(shown.iter().map(|v| v.run).collect::<Vec<_>>(), [done]);
    let told: Vec<_> = attempts.iter().map(|a| (a.trial.as_str(), a.attempt, a.state, a.last_step)).collect();
    assert_eq!(told, [("a", 2, TrialState::Running, None), ("b", 1, TrialState::Stopped, Some(70))]);
    assert_eq!(attempts[1].metrics["rmse"].last, 0.5);
}

const CHILD: &str = "hands::journal::child_that_counts";

#[test]
fn child_that_counts() {
    let Some(folder) = child_folder(CHILD) else { return };
    let (mut journal, restored) = Journal::open(config(&folder.join("journal.sqlite"))).unwrap();
    let mut view = match restored.trials.first() {
        Some(trial) => trial.view.clone(),
        None => view(RunId(1), "a", 1, TrialState::Running),
    };
    journal.effect(at(0), &head(&view));
    println!("\nbegin");
    for n in 0.. {
        view.progress.steps_total += 1;
        view.totals.cpu.first += 0.25;
        journal.event(at(n), &tick(n, vec![tree(view.run, n)]));
        journal.keep(&Snapshot { trials: vec![Arc::new(view.clone())], ..Snapshot::default() });
        println!("shown {}", view.progress.steps_total);
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn killed_again_and_again_no_counter_is_lower_than_it_was_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    for round in 1..=10 {
        let mut child = Mortal::of(again(CHILD, folder.path()).stdout(Stdio::piped()));
        let lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut shown = 0;
        let mut killed = false;
        for (n, text) in lines.filter_map(|l| l.strip_prefix("shown ").map(str::to_string)).enumerate() {
            shown = text.parse::<u64>().unwrap();
            if n > 40 * round && !killed {
                child.kill();
                killed = true;
            }
        }
        let read = Reader::open(&path).map(|reader| reader.map(|r| r.map(drop)).collect::<Result<Vec<()>, _>>());
        assert!(matches!(read, Ok(Ok(_))), "round {round}: {read:?}");
        let (journal, restored) = Journal::open(config(&path)).unwrap();
        // Even where SQLite did not have its head yet.
        let trial = restored.trials.first().expect("it lived");
        assert!(
            trial.view.progress.steps_total >= shown,
            "round {round}: {} < {shown}",
            trial.view.progress.steps_total
        );
        assert_eq!(trial.view.totals.cpu.first, trial.view.progress.steps_total as f64 * 0.25);
        drop(journal);
    }
}

#[test]
fn a_second_daemon_is_told_who_holds_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let (journal, _) = Journal::open(config(&path)).unwrap();
    let error = Journal::open(config(&path)).unwrap_err();
    assert!(matches!(&error, JournalError::Held { holder: Some(h), .. } if h.pid == std::process::id()), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("(pid {}, since 20", std::process::id())) && text.contains("--state"), "{text}");
    let text = Reader::open(&path).unwrap_err().to_string();
    let wanted = format!("a daemon writes this journal (pid {}, since 20", std::process::id());
    assert!(text.contains(&wanted) && text.contains("; end the daemon first (its trials run on)"), "{text}");
    journal.close(at(1));
    // A child that another test has just forked holds a copy of the lock's descriptor until it runs its program.
    wait_for("the journal is free", Duration::from_secs(30), || Journal::open(config(&path)).ok());
}

#[test]
fn damaged_foreign_and_newer_files_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let refused = || Journal::open(config(&path)).unwrap_err().to_string();
    std::fs::write(&path, b"this is no database, whatever its name says".repeat(100)).unwrap();
    assert!(refused().contains("move it away"), "{}", refused());

    std::fs::remove_file(&path).unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE another (x)").unwrap();
    drop(db);
    assert!(refused().contains("no journal of earlystop"), "{}", refused());

    std::fs::remove_file(&path).unwrap();
    Journal::open(config(&path)).unwrap().0.close(at(1));
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    assert!(refused().contains("later earlystop (schema 99, this one knows 1)"), "{}", refused());
}

#[test]
fn a_torn_file_is_refused_or_read_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let (mut journal, _) = Journal::open(config(&path)).unwrap();
    for n in 0..500 {
        journal.effect(at(n), &head(&view(RunId(n.into()), &format!("t{n}"), 1, TrialState::Completed)));
        journal.event(at(n), &tick(n, vec![tree(RunId(n.into()), n)]));
    }
    journal.close(at(999));
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for part in 1..10 {
        std::fs::write(&path, &whole[..whole.len() * part / 10]).unwrap();
        match Journal::open(config(&path)) {
            Ok((journal, _)) => drop(journal),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("move it away"), "{error}");
            }
        }
        for end in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.path().join(format!("journal.sqlite{end}")));
        }
    }
    assert!(refused > 0, "a file cut to a tenth is damaged");
}

#[test]
fn stops_rungs_and_signals_are_in_the_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let (mut journal, _) = Journal::open(config(&path)).unwrap();
    let (id, run, ladder) = (StopId(1), RunId(2), Arc::new(Ladder::gentle()));
    let record = |rung| StopRecord {
        id,
        run,
        rule: "cap".into(),
        reason: "much".into(),
        ladder: ladder.clone(),
        rung,
        rung_since_ns: 5,
        rung_until_ns: u64::MAX,
    };
    journal.effect(at(1), &Effect::Record(record(0)));
    journal.effect(at(2), &Effect::Record(record(1)));
    let shot = Shot { stop: id, run, rung: 1, key: key(3), signal: Signal::TERM, wake: false, owner: 0 };
    journal.effect(at(3), &Effect::Signal(shot));
    journal.effect(at(4), &Effect::Close(record(1), StopOutcome::Terminated));
    journal.close(at(5));
    let db = rusqlite::Connection::open(&path).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap();
    assert_eq!(
        count("SELECT count(*) FROM stop WHERE outcome = 'terminated' AND rule = 'cap' AND ended_ms >= begun_ms"),
        1
    );
    assert_eq!(count("SELECT count(*) FROM rung"), 2);
    assert_eq!(count("SELECT count(*) FROM shot WHERE signal = 15 AND pid = 3 AND rung = 1"), 1);
}

#[test]
fn the_oldest_ended_trials_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let limits = |max_size, max_age_ns| Config { max_size, max_age_ns, ..config(&path) };
    let (mut journal, _) = Journal::open(limits(Config::MAX_SIZE, Config::MAX_AGE_NS)).unwrap();
    journal.event(at(0), &Event::Policy(Arc::default()));
    for n in 1..=40u64 {
        let run = RunId(n.into());
        journal.effect(at(n), &head(&view(run, &format!("t{n}"), 1, TrialState::Running)));
        (0..100).for_each(|i| journal.event(at(n), &tick(i, vec![tree(run, i)])));
        let mut ended = view(run, &format!("t{n}"), 1, TrialState::Completed);
        // The first half ended long ago.
        let ago = if n <= 20 { 2 * HOUR } else { HOUR / 2 };
        ended.ended = Some(Moment { wall_ms: at(n).wall_ms - (ago / 1_000_000) as i64, ..at(n) });
        if n != 3 {
            journal.effect(at(n), &head(&ended));
        }
    }
    journal.close(at(999));
    let before = std::fs::metadata(&path).unwrap().len();
    let names = || {
        let db = rusqlite::Connection::open(&path).unwrap();
        let mut names = db.prepare("SELECT trial FROM trial ORDER BY run").unwrap();
        names.query_map([], |r| r.get::<_, String>(0)).unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    let bound = |max_size, max_age, wanted: usize| {
        // Each life does a part of it.
        wait_for("the journal is within its bounds", SOON, || {
            let config = limits(max_size, max_age);
            let counters = config.counters.clone();
            // A child that another test forks holds a copy of the lock until it becomes its program.
            let (mut journal, _) = wait_for("the lock is free", SOON, || Journal::open(config.clone()).ok());
            journal.event(at(0), &Event::Wake);
            wait_for("it is written", SOON, || (counters.journal_records.load(Ordering::Relaxed) > 0).then_some(()));
            journal.close(at(1000));
            let names = names();
            assert!(names.len() >= wanted && names[0] == "t3", "{names:?}");
            (names.len() == wanted).then_some(())
        });
    };
    // By age: of those that ended two hours ago none stays; the living one does.
    bound(Config::MAX_SIZE, HOUR, 21);
    // By size: all that ended goes while it is too much.
    bound(1, Config::MAX_AGE_NS, 1);
    assert!(std::fs::metadata(&path).unwrap().len() < before, "pages went back to the file system");
    let inputs = inputs(&path);
    assert!(matches!(&inputs[0], Input::Dropped(dropped) if dropped.count > 4000), "{:?}", inputs[0]);
    assert!(inputs.iter().any(|i| matches!(i, Input::Policy(_))), "the policy in force stays");
}

/// A small file system of its own, gone at the end.
struct Small(tempfile::TempDir);

impl Small {
    fn new() -> Option<Small> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=3m", "earlystop-test"]).arg(folder.path()).stderr(Stdio::null());
        if !mount.status().is_ok_and(|status| status.success()) {
            skip("no small file system can be mounted (root and mount(8) are needed)");
            return None;
        }
        Some(Small(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_stops_nothing_and_when_there_is_room_again_all_is_written() {
    let Some(small) = Small::new() else { return };
    let path = small.0.path().join("journal.sqlite");
    let config = config(&path);
    let counters = config.counters.clone();
    let up = |wanted: bool| (counters.journal_up.load(Ordering::Relaxed) == wanted).then_some(());
    let (mut journal, _) = Journal::open(config).unwrap();
    journal.event(at(1), &Event::Wake);
    wait_for("the first record is written", SOON, || {
        (counters.journal_records.load(Ordering::Relaxed) > 1).then_some(())
    });
    let ballast = small.0.path().join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let mut n = 2;
    wait_for("the journal is down", SOON, || {
        // Some room may be left in pages that are there already.
        journal.event(at(n), &tick(n, vec![tree(RunId(1), n)]));
        n += 1;
        up(false)
    });
    assert!(counters.journal_errors.load(Ordering::Relaxed) > 0);
    journal.event(at(n), &Event::ReloadFailed("while it was full".into()));
    std::fs::remove_file(&ballast).unwrap();
    drop(file);
    wait_for("the journal is up again", SOON, || up(true));
    journal.close(at(n + 1));
    let inputs = inputs(&path);
    let ticks = inputs.iter().filter(|i| matches!(i, Input::Event(Event::Tick(_)))).count() as u64;
    let dropped = counters.journal_dropped.load(Ordering::Relaxed);
    assert_eq!((ticks, dropped), (n - 2, 0), "what waited was written");
    assert!(inputs.iter().any(|i| matches!(i, Input::Event(Event::ReloadFailed(_)))));
}

#[test]
fn what_a_full_disk_cannot_take_is_counted_and_told_at_its_place() {
    let Some(small) = Small::new() else { return };
    let path = small.0.path().join("journal.sqlite");
    let config = config(&path);
    let counters = config.counters.clone();
    let (mut journal, _) = Journal::open(config).unwrap();
    let ballast = small.0.path().join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let mut n = 0;
    wait_for("something is lost", SOON, || {
        for _ in 0..1000 {
            n += 1;
            journal.event(at(n), &Event::Wake);
        }
        (counters.journal_dropped.load(Ordering::Relaxed) > 10).then_some(())
    });
    std::fs::remove_file(&ballast).unwrap();
    drop(file);
    let lost = wait_for("records go through again", SOON, || {
        let before = counters.journal_dropped.load(Ordering::Relaxed);
        n += 1;
        journal.event(at(n), &Event::ReloadFailed("after".into()));
        (counters.journal_dropped.load(Ordering::Relaxed) == before).then_some(before)
    });
    journal.close(at(n + 1));
    let inputs = inputs(&path);
    let place = inputs.iter().position(|i| matches!(i, Input::Dropped(_))).expect("the loss is told");
    let Input::Dropped(dropped) = &inputs[place] else { unreachable!() };
    assert!(dropped.first < dropped.last && dropped.count > 0);
    let told: u64 = inputs.iter().map(|i| if let Input::Dropped(d) = i { d.count } else { 0 }).sum();
    assert!(told > 10 && told <= lost, "{told} {lost}");
    assert!(inputs[place + 1..].iter().any(|i| matches!(i, Input::Event(Event::ReloadFailed(_)))));
}
