//! The socket: real connections to the real server, with a stand-in for the engine and the forest.

use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use earlystop::model::*;
use earlystop::source::socket::{Batch, BindError, Connections, Listening, World, serve};
use earlystop::sys::process::Proc;
use earlystop::wire::answer::{self, Answer};
use earlystop::wire::client::{Client, ClientError};
use earlystop::wire::trainer::Trainer;
use earlystop::wire::{MAX_LINE, Watch, write};

use crate::support::{repository, skip, wait_for};

const LONG: Duration = Duration::from_secs(20);

/// Passes batches to the stand-in of the engine; every process is outside of every tree.
struct Desk {
    queue: mpsc::Sender<Batch>,
    located: Arc<Mutex<Vec<ProcKey>>>,
}

impl World for Desk {
    fn locate(&self, process: Arc<Proc>) -> impl Future<Output = Position> + Send {
        self.located.lock().unwrap().push(process.key);
        async { Position::Outside }
    }

    fn deliver(&self, batch: Batch) {
        let _ = self.queue.send(batch);
    }
}

/// A server with its stand-in engine; both end when it is dropped.
struct Stand {
    path: PathBuf,
    connections: Arc<Connections>,
    counters: Arc<Counters>,
    seen: Arc<Mutex<Vec<Event>>>,
    located: Arc<Mutex<Vec<ProcKey>>>,
    /// While it is set, the engine takes nothing.
    hold: Arc<AtomicBool>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
    listening: Option<Listening>,
    _folder: tempfile::TempDir,
}

fn stand() -> Stand {
    stand_with(Limits::default())
}

fn stand_with(limits: Limits) -> Stand {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("earlystop.sock");
    let listening = Listening::bind(&path, None).unwrap();
    let listener = listening.listener().unwrap();
    let counters = Arc::new(Counters::default());
    let connections = Arc::new(Connections::new(counters.clone()));
    let (queue, batches) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (seen, located) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let hold = Arc::new(AtomicBool::new(false));
    let desk = Desk { queue, located: located.clone() };
    let server = std::thread::spawn({
        let connections = connections.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    ended = serve(listener, desk, limits, connections) => panic!("the server ended: {ended:?}"),
                    _ = stopped => {}
                }
            });
        }
    });
    let engine = std::thread::spawn({
        let (connections, seen, hold) = (connections.clone(), seen.clone(), hold.clone());
        move || engine(&batches, &connections, &seen, &hold)
    });
    Stand {
        path,
        connections,
        counters,
        seen,
        located,
        hold,
        stop: Some(stop),
        threads: vec![server, engine],
        listening: Some(listening),
        _folder: folder,
    }
}

/// Answers as an engine would, with nothing behind it.
fn engine(batches: &mpsc::Receiver<Batch>, connections: &Connections, seen: &Mutex<Vec<Event>>, hold: &AtomicBool) {
    while let Ok(batch) = batches.recv() {
        while hold.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        for event in batch.events {
            let answer = match &event {
                Event::Line(line) => reply(&line.said).map(|reply| (line.conn, reply)),
                _ => None,
            };
            // Who has its answer may look for the line.
            seen.lock().unwrap().push(event);
            answer.iter().for_each(|(conn, reply)| connections.send(*conn, reply));
        }
    }
}

fn reply(said: &Said) -> Option<Reply> {
    let welcome = |spec: &TrialSpec, run: RunId| {
        let name = |name: &Option<Name>| name.clone().unwrap_or_else(|| Name::made_of("made-up"));
        Reply::Welcome(Welcome {
            experiment: spec.experiment.clone().unwrap_or_else(Name::default_experiment),
            trial: name(&spec.trial),
            run,
            attempt: 1,
            last_step: spec.start_step,
            stopped_before: None,
            visible: true,
            hint: None,
        })
    };
    Some(match said {
        Said::Hello(hello, run) => welcome(&hello.spec, *run),
        Said::Request(Request::Watch(watch)) => welcome(&watch.spec, watch.run),
        Said::Request(Request::List) => Reply::Trials(Vec::new()),
        Said::Request(Request::Explain(trial)) => {
            Reply::Error(Refusal::new(ErrorCode::NotFound, format!("no trial {trial}"), "see `earlystop list`"))
        }
        Said::Request(Request::Stop(_)) => Reply::Stopping(StopId(5)),
        Said::Request(Request::Reload) => Reply::Reloaded { files: 1, rules: 2 },
        Said::Request(Request::Exited(..)) => Reply::Bye,
        Said::Step(_) | Said::Done(_) | Said::Ack(..) => return None,
    })
}

impl Stand {
    fn connect(&self) -> Peer {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        Peer { lines: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    fn errors(&self, code: ErrorCode) -> u64 {
        self.counters.protocol_errors.get(ErrorCode::ALL.iter().position(|c| *c == code).unwrap())
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.dropped.get(DropReason::ALL.iter().position(|r| *r == reason).unwrap())
    }

    /// The lines that the engine has seen.
    fn lines(&self) -> Vec<Line> {
        let line = |event: &Event| if let Event::Line(line) = event { Some(line.clone()) } else { None };
        self.seen.lock().unwrap().iter().filter_map(line).collect()
    }

    fn closed(&self) -> usize {
        self.seen.lock().unwrap().iter().filter(|event| matches!(event, Event::Closed(_))).count()
    }

    /// The numbers of the steps that came, in order.
    fn steps(&self) -> Vec<u64> {
        let step = |line: Line| if let Said::Step(step) = line.said { step.step } else { None };
        self.lines().into_iter().filter_map(step).collect()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.hold.store(false, Ordering::Relaxed);
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            // A second panic while a test fails would hide the first.
            if thread.join().is_err() && !std::thread::panicking() {
                panic!("a thread of the stand panicked");
            }
        }
    }
}

/// A client that says what it likes.
struct Peer {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Peer {
    fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    fn hear(&mut self) -> Answer {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        answer::parse(line.as_bytes()).unwrap_or_else(|e| panic!("{line:?}: {e}"))
    }

    fn refusal(&mut self) -> ErrorCode {
        match self.hear() {
            Answer::Error(refusal) => refusal.code,
            other => panic!("{other:?}"),
        }
    }

    fn hello(&mut self, name: &str) {
        let spec = TrialSpec { trial: Some(Name::new(name).unwrap()), ..TrialSpec::default() };
        self.say(write::hello(&Hello { spec, ..Hello::default() }));
        match self.hear() {
            Answer::Welcome(welcome) => assert_eq!(welcome.trial.as_str(), name),
            other => panic!("{other:?}"),
        }
    }
}

fn me() -> ProcKey {
    Proc::open(std::process::id()).unwrap().key
}

#[test]
fn lines_arrive_in_order_with_the_peer_that_the_kernel_names() {
    let stand = stand();
    let mut peer = stand.connect();
    let hello = write::hello(&Hello::default());
    let steps: String = (1..=1000).map(|i| format!("{{\"type\":\"step\",\"step\":{i}}}\n")).collect();
    peer.say(format!("{hello}{steps}{{\"type\":\"done\"}}\n"));
    wait_for("all lines", LONG, || (stand.lines().len() == 1002).then_some(()));
    assert_eq!(stand.steps(), (1..=1000).collect::<Vec<_>>());
    let lines = stand.lines();
    assert!(matches!(lines[0].said, Said::Hello(..)) && matches!(lines[1001].said, Said::Done(_)));
    assert!(lines.iter().all(|line| line.peer.key == Some(me()) && line.conn == lines[0].conn));
    assert_eq!(lines[0].peer.uid, rustix_uid());
    drop(peer);
    wait_for("closed", LONG, || (stand.closed() == 1 && stand.connections.count() == 0).then_some(()));
}

fn rustix_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[test]
fn torn_lines_are_put_together_and_dropped_at_the_end() {
    let stand = stand();
    let mut peer = stand.connect();
    for byte in b"{\"type\":\"step\",\"step\":7}\r\n\n{\"type\":\"step\",\"step\":8}" {
        peer.say([*byte]);
    }
    wait_for("the first step", LONG, || (stand.steps() == [7]).then_some(()));
    drop(peer);
    wait_for("closed", LONG, || (stand.closed() == 1).then_some(()));
    assert_eq!(stand.steps(), [7]);
    assert_eq!(stand.errors(ErrorCode::BadJson), 0);
}

#[test]
fn what_cannot_be_read_is_refused_and_the_connection_stays() {
    let stand = stand();
    let mut peer = stand.connect();
    peer.say(vec![b'x'; 3 * MAX_LINE]);
    peer.say("\n");
    assert_eq!(peer.refusal(), ErrorCode::LineTooLong);
    peer.say(b"{\"type\":\"step\",\"phase\":\"\xff\xfe\"}\n");
    assert_eq!(peer.refusal(), ErrorCode::BadJson);
    peer.say("{\"type\":\"frobnicate\"}\n");
    assert_eq!(peer.refusal(), ErrorCode::BadType);
    peer.say("{\"type\":\"watch\",\"v\":1}\n");
    assert_eq!(peer.refusal(), ErrorCode::BadValue, "no pidfd came");
    peer.hello("after-all");
    assert_eq!(stand.dropped(DropReason::LongLine), 1);
    for code in [ErrorCode::LineTooLong, ErrorCode::BadJson, ErrorCode::BadType, ErrorCode::BadValue] {
        assert_eq!(stand.errors(code), 1, "{code:?}");
    }
}

#[test]
fn random_bytes_leave_the_connection_usable() {
    let stand = stand();
    let mut state = 88_172_645_463_325_252_u64;
    for round in 0..20 {
        let mut peer = stand.connect();
        let mut bytes = Vec::new();
        for _ in 0..2000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Some of it looks like lines, so that the parser gets far.
            match state % 8 {
                0 => bytes.extend_from_slice(b"{\"type\":\"step\",\"step\":"),
                1 => bytes.push(b'\n'),
                2 => bytes.extend_from_slice(b"{\"type\":\"hello\",\"v\":1,\"labels\":{\""),
                _ => bytes.extend_from_slice(&state.to_le_bytes()),
            }
        }
        bytes.push(b'\n');
        peer.say(&bytes);
        peer.say("{\"type\":\"list\",\"v\":1}\n");
        while peer.hear() != Answer::Trials(Vec::new()) {}
        peer.hello(&format!("round-{round}"));
    }
}

#[test]
fn a_thousand_connections_at_once() {
    let raised = earlystop::sys::limits::raise_open_files();
    // Three descriptors a connection here: ours, the server's, the peer's pidfd.
    let most = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap().0;
    if raised.is_err() || most < 4000 {
        return skip(&format!("a thousand connections need 4000 descriptors, {most} are allowed"));
    }
    let stand = stand();
    let mut peers: Vec<Peer> = (0..1000).map(|_| stand.connect()).collect();
    let hello = |i: usize| format!("{{\"type\":\"hello\",\"v\":1,\"process\":\"shared\",\"trial\":\"t{i}\"}}\n");
    peers.iter_mut().enumerate().for_each(|(i, peer)| peer.say(hello(i)));
    for (i, peer) in peers.iter_mut().enumerate() {
        assert!(matches!(peer.hear(), Answer::Welcome(w) if w.trial.as_str() == format!("t{i}")));
    }
    assert_eq!(stand.connections.count(), 1000);
    drop(peers);
    wait_for("all closed", LONG, || (stand.closed() == 1000 && stand.connections.count() == 0).then_some(()));
}

#[test]
fn connections_above_the_limit_are_told_and_closed() {
    let stand = stand_with(Limits { connections: 2, ..Limits::default() });
    let mut first = stand.connect();
    let mut second = stand.connect();
    first.hello("a");
    second.hello("b");
    let mut third = stand.connect();
    assert_eq!(third.refusal(), ErrorCode::Limit);
    assert_eq!(third.lines.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!((stand.dropped(DropReason::Connections), stand.errors(ErrorCode::Limit)), (1, 1));
    drop(first);
    wait_for("a place", LONG, || {
        let mut again = stand.connect();
        again.say("{\"type\":\"list\",\"v\":1}\n");
        (again.hear() == Answer::Trials(Vec::new())).then_some(())
    });
}

#[test]
fn a_client_that_never_reads_is_cut_off_and_slows_nobody() {
    let stand = stand();
    let mut deaf = stand.connect();
    deaf.hello("deaf");
    let conn = stand.lines()[0].conn;
    let reason = "x".repeat(1000);
    let stop = Reply::Stop(StopNotice { id: StopId(1), rule: "r".into(), reason, deadline_ms: 1 });
    // 1 MiB: more than the kernel's buffer and what may be unread.
    (0..1000).for_each(|_| stand.connections.send(conn, &stop));
    wait_for("cut off", LONG, || (stand.closed() == 1).then_some(()));
    stand.connect().hello("polite");
}

#[test]
fn a_trainer_that_never_reads_its_errors_stays() {
    let stand = stand();
    let mut deaf = stand.connect();
    for _ in 0..20_000 {
        deaf.say("{\"type\":\"step\",\"step\":-1}\n");
    }
    deaf.say("{\"type\":\"step\",\"step\":3}\n");
    wait_for("the step after the errors", LONG, || (stand.steps() == [3]).then_some(()));
    assert_eq!((stand.errors(ErrorCode::BadValue), stand.closed()), (20_000, 0));
}

#[test]
fn what_was_said_before_leaving_is_heard_though_the_answer_finds_nobody() {
    for _ in 0..20 {
        let stand = stand();
        stand.hold.store(true, Ordering::Relaxed);
        let mut brief = stand.connect();
        brief.say("{\"type\":\"hello\",\"v\":1,\"trial\":\"brief\"}\n");
        (1..=50).for_each(|step| brief.say(format!("{{\"type\":\"step\",\"step\":{step}}}\n")));
        brief.say("{\"type\":\"done\",\"status\":\"completed\"}\n");
        drop(brief);
        // Only now the engine takes the hello and answers it.
        stand.hold.store(false, Ordering::Relaxed);
        wait_for("its end", LONG, || (stand.closed() == 1).then_some(()));
        assert_eq!(stand.steps(), (1..=50).collect::<Vec<_>>());
        assert!(matches!(stand.lines().last().expect("lines").said, Said::Done(_)));
    }
}

#[test]
fn a_flood_slows_only_itself() {
    let stand = stand();
    let over = Arc::new(AtomicBool::new(false));
    let floods: Vec<_> = (0..4)
        .map(|_| {
            let (mut flood, over) = (stand.connect(), over.clone());
            std::thread::spawn(move || {
                let lines = "{\"type\":\"list\",\"v\":2}\n{\"type\":\"step\",\"step\":1}\n".repeat(500);
                while !over.load(Ordering::Relaxed) {
                    if flood.stream.write_all(lines.as_bytes()).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    wait_for("the flood", LONG, || (stand.steps().len() > 1000).then_some(()));
    let start = std::time::Instant::now();
    for i in 0..20 {
        stand.connect().hello(&format!("polite-{i}"));
    }
    let took = start.elapsed() / 20;
    over.store(true, Ordering::Relaxed);
    floods.into_iter().for_each(|flood| flood.join().unwrap());
    assert!(took < Duration::from_secs(2), "a hello took {took:?}");
}

#[test]
fn a_connection_has_one_batch_with_the_engine_at_most() {
    let stand = stand();
    stand.hold.store(true, Ordering::Relaxed);
    let flood = stand.connect();
    flood.stream.set_nonblocking(true).unwrap();
    let lines = "{\"type\":\"step\",\"step\":1}\n".repeat(400);
    // Once the engine takes nothing, the server reads no more, and the kernel's buffer fills: writing comes to rest.
    let mut sent = 0;
    let mut rest_since = std::time::Instant::now();
    wait_for("backpressure", LONG, || {
        while let Ok(count) = (&flood.stream).write(lines.as_bytes()) {
            sent += count;
            rest_since = std::time::Instant::now();
            assert!(sent < 8 << 20, "8 MiB were taken though the engine took nothing");
        }
        (rest_since.elapsed() > Duration::from_millis(300)).then_some(())
    });
    stand.hold.store(false, Ordering::Relaxed);
    wait_for("everything after all", LONG, || (stand.steps().len() > sent / 25 - 400).then_some(()));
}

#[test]
fn an_inherited_socket_is_its_connectors() {
    let stand = stand();
    let peer = stand.connect();
    let child = Command::new("sh")
        .args(["-c", "echo '{\"type\":\"step\",\"step\":5}'"])
        .stdout(OwnedFd::from(peer.stream.try_clone().unwrap()))
        .status()
        .unwrap();
    assert!(child.success());
    let lines = wait_for("the child's line", LONG, || Some(stand.lines()).filter(|lines| lines.len() == 1));
    assert_eq!(lines[0].peer.key, Some(me()));
}

/// A Python process that talks to the socket; ends when its input does.
fn python(stand: &Stand, script: &str) -> Option<Child> {
    let child = Command::new("python3")
        .args(["-c", script])
        .env("PYTHONPATH", repository().join("python"))
        .env("EARLYSTOP_SOCKET", &stand.path)
        .env_remove("RANK")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    match child {
        Ok(child) => Some(child),
        Err(error) => {
            skip(&format!("python3: {error}"));
            None
        }
    }
}

#[test]
fn of_parent_is_the_peers_parent() {
    let stand = stand();
    let script = "
import os, socket
s = socket.socket(socket.AF_UNIX); s.connect(os.environ['EARLYSTOP_SOCKET'])
s.sendall(b'{\"type\":\"hello\",\"v\":1,\"of\":\"parent\"}\\n{\"type\":\"step\",\"step\":1}\\n'); s.recv(1000)";
    let Some(child) = python(&stand, script) else { return };
    let pid = child.id();
    assert!(child.wait_with_output().unwrap().status.success());
    let lines = wait_for("both lines", LONG, || Some(stand.lines()).filter(|lines| lines.len() == 2));
    assert_eq!(lines[0].peer.key, Some(me()));
    assert_eq!(lines[1].peer.key.unwrap().pid, pid);
}

#[test]
fn watch_takes_the_process_behind_the_pidfd() {
    let stand = stand();
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let target = Proc::open(child.id()).unwrap();
    let mut client = Client::connect(&stand.path).unwrap();
    let line = write::watch(&Watch { spec: TrialSpec::default(), fallback: None, subreaper: true });
    let welcome = client.ask_with(&line, target.fd().unwrap(), LONG);
    assert!(matches!(welcome, Ok(Answer::Welcome(_))), "{welcome:?}");
    // It is answered by another thread than the one that notes it down.
    let said = wait_for("the line is noted", LONG, || stand.lines().into_iter().next()).said;
    let Said::Request(Request::Watch(request)) = said else { panic!("{said:?}") };
    assert_eq!((request.target, request.uid, request.subreaper), (target.key, rustix_uid(), true));
    assert_eq!(request.fallback.as_str(), format!("pid-{}", child.id()));
    assert!(stand.located.lock().unwrap().contains(&target.key));
    // A descriptor that nobody asked for is closed, one that is no pidfd refused.
    let file = std::fs::File::open("/dev/null").unwrap();
    client.send_with("{\"type\":\"step\"}\n", std::os::fd::AsFd::as_fd(&file)).unwrap();
    let refused = client.ask_with(&line, std::os::fd::AsFd::as_fd(&file), LONG);
    assert!(matches!(refused, Err(ClientError::Refused(r)) if r.code == ErrorCode::NotFound));
    let refused = client.ask(&line, LONG);
    assert!(matches!(refused, Err(ClientError::Refused(r)) if r.code == ErrorCode::BadValue));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_client_that_said_its_last_word_still_gets_its_answer() {
    let stand = stand();
    let mut peer = stand.connect();
    stand.hold.store(true, Ordering::Relaxed);
    peer.say("{\"type\":\"reload\",\"v\":1}\n");
    peer.stream.shutdown(std::net::Shutdown::Write).unwrap();
    stand.hold.store(false, Ordering::Relaxed);
    assert_eq!(peer.hear(), Answer::Reloaded { files: 1, rules: 2 });
    assert_eq!(peer.lines.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn commands_ask_and_are_answered() {
    let stand = stand();
    let nowhere = stand.path.with_file_name("nobody.sock");
    let mut client = Client::find(vec![nowhere.clone(), stand.path.clone()]).unwrap();
    assert_eq!(client.ask(&write::list(), LONG).unwrap(), Answer::Trials(Vec::new()));
    assert_eq!(client.ask(&write::reload(), LONG).unwrap(), Answer::Reloaded { files: 1, rules: 2 });
    let stop = StopRequest { trial: "a".into(), reason: None, now: false };
    assert_eq!(client.ask(&write::stop(&stop), LONG).unwrap(), Answer::Stopping(StopId(5)));
    let refused = client.ask(&write::explain("a"), LONG);
    assert!(matches!(refused, Err(ClientError::Refused(r)) if r.code == ErrorCode::NotFound));
    assert!(matches!(Client::connect(&nowhere), Err(ClientError::Absent { .. })));
    let text = Client::find(vec![nowhere.clone()]).unwrap_err().to_string();
    assert!(text.contains(nowhere.to_str().unwrap()), "{text}");
    stand.hold.store(true, Ordering::Relaxed);
    assert!(matches!(client.ask(&write::list(), Duration::from_millis(50)), Err(ClientError::Late(_))));
}

#[test]
fn the_socket_file_is_its_daemons() {
    let mut stand = stand();
    assert_eq!(std::fs::metadata(&stand.path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(Listening::bind(&stand.path, None), Err(BindError::Living(_))));
    stand.connect().hello("still-there");
    // What another daemon put there meanwhile is not ours to remove.
    std::fs::remove_file(&stand.path).unwrap();
    let other = Listening::bind(&stand.path, Some(nix::unistd::getegid().as_raw())).unwrap();
    assert_eq!(std::fs::metadata(&stand.path).unwrap().permissions().mode() & 0o777, 0o660);
    drop(stand.listening.take());
    assert!(stand.path.exists());
    drop(other);
    assert!(!stand.path.exists());
    // A dead daemon's socket is replaced, a file is not.
    drop(std::os::unix::net::UnixListener::bind(&stand.path).unwrap());
    drop(Listening::bind(&stand.path, None).unwrap());
    std::fs::write(&stand.path, "a file").unwrap();
    assert!(matches!(Listening::bind(&stand.path, None), Err(BindError::NoSocket(_))));
}

#[test]
fn a_rust_trainer_loses_no_value_and_hears_stop() {
    let stand = stand();
    let mut trainer = Trainer::hello_to(vec![stand.path.clone()], Hello::default());
    assert_eq!(trainer.wait_for_welcome(LONG).unwrap().trial.as_str(), "made-up");
    for step in 1..=3000 {
        let metrics = vec![("loss".to_owned(), 1.0 / step as f64)];
        trainer.report(Step { step: Some(step), metrics, ..Step::default() });
    }
    trainer.flush();
    let conn = stand.lines()[0].conn;
    let notice = StopNotice { id: StopId(9), rule: "cap".into(), reason: "big".into(), deadline_ms: 10_000 };
    stand.connections.send(conn, &Reply::Stop(notice.clone()));
    let heard = wait_for("stop", LONG, || trainer.stop_requested().cloned());
    assert_eq!(heard, notice);
    trainer.ack(heard.id, Some(Duration::from_secs(60)));
    trainer.stopped(&[("rmse", 0.5)]);
    let lines = wait_for("done", LONG, || {
        Some(stand.lines()).filter(|lines| matches!(lines.last().unwrap().said, Said::Done(_)))
    });
    assert!(matches!(lines[lines.len() - 2].said, Said::Ack(StopId(9), Some(60_000))));
    assert_eq!(values(&lines), (1..=3000).map(|step| (step, 1.0 / step as f64)).collect::<Vec<_>>());
    assert!(lines.len() < 600, "{} lines for 3000 reports", lines.len());
}

/// The values of `loss` that came, with their steps.
fn values(lines: &[Line]) -> Vec<(u64, f64)> {
    let mut found = Vec::new();
    for line in lines {
        if let Said::Step(step) = &line.said {
            found.extend(step.points.iter().flat_map(|(_, points)| points.clone()));
            found.extend(step.metrics.iter().map(|(_, value)| (step.step.unwrap(), *value)));
        }
    }
    found
}

#[test]
fn a_trainer_that_waits_is_answered_and_waits_in_vain_only_once() {
    let stand = stand();
    let mut trainer = Trainer::hello_to(vec![stand.path.clone()], Hello::default());
    trainer.wait_for_welcome(LONG).unwrap();
    let step = |n| Step { step: Some(n), metrics: vec![("loss".into(), 0.5)], ..Step::default() };
    // The stand-in answers no step: the first wait is over with its patience, and there is no second one.
    let patience = Duration::from_millis(50);
    assert!(trainer.should_stop(step(1), patience).is_none());
    let start = std::time::Instant::now();
    assert!(trainer.should_stop(step(2), LONG).is_none());
    assert!(start.elapsed() < LONG, "it waited for somebody who is behind");
    let asked = |line: &Line| matches!(&line.said, Said::Step(step) if step.answer);
    wait_for("both steps", LONG, || (stand.lines().iter().filter(|line| asked(line)).count() == 2).then_some(()));
    // It has caught up: now a stop ends the wait.
    let conn = stand.lines()[0].conn;
    stand.connections.send(conn, &Reply::Go(Some(1)));
    stand.connections.send(conn, &Reply::Go(Some(2)));
    wait_for("both answers", LONG, || trainer.is_answered().then_some(()));
    // Nor is a refusal an answer to be waited for any longer, nor does it end all waiting.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let third = |line: &Line| matches!(&line.said, Said::Step(step) if step.step == Some(3));
            wait_for("the third step", LONG, || stand.lines().iter().any(third).then_some(()));
            stand.connections.send(conn, &Reply::Error(Refusal::new(ErrorCode::BadValue, "no", "none")));
        });
        let start = std::time::Instant::now();
        assert!(trainer.should_stop(step(3), LONG).is_none() && start.elapsed() < LONG);
    });
    assert!(trainer.is_answered() && trainer.refused().is_some());
    let notice = StopNotice { id: StopId(9), rule: "cap".into(), reason: "big".into(), deadline_ms: 10_000 };
    stand.connections.send(conn, &Reply::Stop(notice.clone()));
    assert_eq!(trainer.should_stop(step(4), LONG), Some(&notice));
}

#[test]
fn an_answer_that_is_there_at_once_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quick.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mut trainer = Trainer::hello_to(vec![path], Hello::default());
    let (mut daemon, _) = listener.accept().unwrap();
    // As quick as can be: it lies there when the step goes out.
    daemon.write_all(b"{\"type\":\"go\",\"step\":1}\n").unwrap();
    let start = std::time::Instant::now();
    assert!(trainer.should_stop(Step { step: Some(1), ..Step::default() }, LONG).is_none());
    assert!(start.elapsed() < LONG && trainer.is_answered());
}

#[test]
fn nobody_waits_without_a_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::hello_to(vec![folder.path().join("nobody.sock")], Hello::default());
    let start = std::time::Instant::now();
    assert!(trainer.should_stop(Step { step: Some(1), ..Step::default() }, LONG).is_none());
    assert!(start.elapsed() < LONG);
}

#[test]
fn the_last_value_before_a_silence_is_not_held() {
    let stand = stand();
    let mut trainer = Trainer::hello_to(vec![stand.path.clone()], Hello::default());
    trainer.report(Step { step: Some(1), ..Step::default() });
    trainer.report(Step { step: Some(2), ..Step::default() });
    trainer.report(Step { step: Some(2), metrics: vec![("loss".into(), 0.5)], ..Step::default() });
    // No further call: it must have gone by itself.
    wait_for("the value", LONG, || (values(&stand.lines()) == [(2, 0.5)]).then_some(()));
}

#[test]
fn a_trainer_without_a_daemon_goes_on_and_finds_it_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::hello_to(vec![folder.path().join("nobody.sock")], Hello::default());
    trainer.report(Step { step: Some(1), ..Step::default() });
    assert!(trainer.stop_requested().is_none() && trainer.welcome().is_none());
    assert_eq!(trainer.dropped(), 1);
    trainer.completed(&[]);
}

#[test]
fn a_trainer_finds_its_daemon_again() {
    let first = stand();
    let path = first.path.clone();
    let spec = TrialSpec { trial: Name::new("mine").ok(), ..TrialSpec::default() };
    let mut trainer = Trainer::hello_to(vec![path.clone()], Hello { spec, ..Hello::default() });
    trainer.wait_for_welcome(LONG).unwrap();
    let second = stand();
    drop(first);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&second.path, &path).unwrap();
    let mut step = 0;
    wait_for("a second hello", LONG, || {
        step += 1;
        trainer.report(Step { step: Some(step), ..Step::default() });
        let said = second.lines();
        said.iter()
            .any(|line| matches!(&line.said, Said::Hello(h, _) if h.spec.trial == Name::new("mine").ok()))
            .then_some(())
    });
    drop(trainer);
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[test]
fn the_python_client_tells_all_and_hears_stop() {
    let stand = stand();
    let script = "
import sys, time
from earlystop import Trial
heard = []
trial = Trial('py', params={'lr': 0.1}, objective=('loss', 'min'), on_stop=heard.append)
assert trial.wait_for_welcome(20).trial == 'py'
for step in range(1, 3001):
    trial.step(step, loss=1 / step)
trial.step(3000, phase='eval', metrics={'acc': float('nan')})
trial.flush()
print('ready', flush=True)
until = time.monotonic() + 20
while not trial.stop_requested and time.monotonic() < until:
    time.sleep(0.005)
assert [stop.rule for stop in heard] == ['cap'] and trial.stop.deadline == 10.0, heard
trial.ack(need=60)
trial.done('stopped', rmse=0.5)
trial.step(1); trial.done()
";
    let Some(mut child) = python(&stand, script) else { return };
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let lines = stand.lines();
    let notice = StopNotice { id: StopId(9), rule: "cap".into(), reason: "big".into(), deadline_ms: 10_000 };
    stand.connections.send(lines[0].conn, &Reply::Stop(notice));
    assert!(child.wait().unwrap().success());
    let lines = wait_for("done", LONG, || {
        Some(stand.lines()).filter(|lines| matches!(lines.last().unwrap().said, Said::Done(_)))
    });
    let Said::Hello(hello, _) = &lines[0].said else { panic!("{:?}", lines[0]) };
    assert_eq!(hello.spec.params["lr"], "0.1");
    assert_eq!(hello.spec.objective, Some(Objective { metric: "loss".into(), mode: Mode::Min }));
    assert!(matches!(lines[lines.len() - 2].said, Said::Ack(StopId(9), Some(60_000))));
    let mut values = values(&lines);
    assert!(values.pop().is_some_and(|(step, value)| step == 3000 && value.is_nan()));
    assert_eq!(values, (1..=3000).map(|step| (step, 1.0 / step as f64)).collect::<Vec<_>>());
    assert!(lines.iter().any(|l| matches!(&l.said, Said::Step(s) if s.phase.as_deref() == Some("eval"))));
    assert_eq!(stand.errors(ErrorCode::BadValue) + stand.errors(ErrorCode::BadJson), 0);
}

#[test]
fn the_python_client_never_raises() {
    let stand = stand();
    let script = "
import os, earlystop
trial = earlystop.Trial('x', socket='/nonexistent/sock', params={'model': object()}, labels={'a': object()})
trial.step(1, loss='not a number'); trial.step('one'); trial.step(2, n='x')
assert not trial.stop_requested and trial.welcome is None and trial.wait_for_welcome(1) is None
trial.ack(); trial.flush(); trial.done()
with earlystop.Trial('forks') as trial:
    assert trial.wait_for_welcome(20)
    if os.fork() == 0:
        trial.step(666, loss=1.0); trial.done(); os._exit(0)
    os.wait()
    trial.step(2)
";
    let Some(child) = python(&stand, script) else { return };
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    wait_for("done", LONG, || {
        stand
            .lines()
            .iter()
            .any(|line| matches!(&line.said, Said::Done(d) if d.status == DoneStatus::Completed))
            .then_some(())
    });
    assert_eq!(stand.steps(), [2]);
}
