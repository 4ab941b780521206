//! Commands against a daemon that a test plays: what they send, what they print, how they fail.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use earlystop::sys::peer::receive_with_fd;
use earlystop::sys::process::Proc;
use earlystop::wire::row::{RuleRow, StopRow, TrialRow};
use serde_json::{Value, json};

use crate::pty::Pty;
use crate::support::BIN;

/// What the played daemon answers to a line; `None`, or null among the answers, closes the connection.
type Script = dyn Fn(&Value) -> Option<Vec<Value>> + Send + Sync;

/// A line, and the process whose pidfd came beside it.
type Heard = (Value, Option<u32>);

/// A runtime folder, and perhaps somebody who listens in it.
struct House {
    folder: tempfile::TempDir,
    /// Lines that came, and the processes that came beside them.
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl House {
    fn empty() -> House {
        House { folder: tempfile::tempdir().expect("a folder"), heard: Arc::default() }
    }

    fn with(script: impl Fn(&Value) -> Option<Vec<Value>> + Send + Sync + 'static) -> House {
        let house = House::empty();
        house.serve("earlystop.sock", Arc::new(script));
        house
    }

    /// Answers `list` with these rows, and everything else by `script`.
    fn with_trials(
        rows: Vec<TrialRow>,
        script: impl Fn(&Value) -> Option<Vec<Value>> + Send + Sync + 'static,
    ) -> House {
        House::with(move |line| match line["type"].as_str() {
            Some("list") => Some(vec![json!({"type": "ok", "trials": rows})]),
            _ => script(line),
        })
    }

    fn serve(&self, name: &str, script: Arc<Script>) {
        std::fs::create_dir_all(self.runtime()).expect("ours");
        std::fs::set_permissions(self.runtime(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("ours");
        let listener = UnixListener::bind(self.runtime().join(name)).expect("a socket");
        let heard = self.heard.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (heard, script) = (heard.clone(), script.clone());
                std::thread::spawn(move || talk(stream, &heard, &*script));
            }
        });
    }

    fn runtime(&self) -> PathBuf {
        self.folder.path().join("earlystop")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BIN);
        let here = self.folder.path();
        command.env("XDG_RUNTIME_DIR", here).env("XDG_STATE_HOME", here).env("XDG_CONFIG_HOME", here);
        command.env_remove("EARLYSTOP_SOCKET").args(words).stdin(Stdio::null());
        command
    }

    fn ask(&self, words: &[&str]) -> Said {
        Said::of(self.command(words).output().expect("it starts"))
    }

    fn heard(&self, kind: &str) -> Vec<(Value, Option<u32>)> {
        self.heard.lock().unwrap().iter().filter(|(line, _)| line["type"] == kind).cloned().collect()
    }
}

fn talk(mut stream: UnixStream, heard: &Mutex<Vec<(Value, Option<u32>)>>, script: &Script) {
    let (mut text, mut buffer, mut beside) = (Vec::new(), [0u8; 4096], None);
    while let Ok((count @ 1.., fd)) = receive_with_fd(&stream, &mut buffer) {
        beside = fd.map(|fd: OwnedFd| Proc::from_pidfd(fd).expect("a process").key.pid).or(beside);
        text.extend_from_slice(&buffer[..count]);
        while let Some(end) = text.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let line: Value = serde_json::from_slice(&line).expect("clients send JSON");
            heard.lock().unwrap().push((line.clone(), beside.take()));
            let Some(answers) = script(&line) else { return };
            for answer in answers {
                if answer.is_null() {
                    return;
                }
                let _ = stream.write_all(format!("{answer}\n").as_bytes());
            }
        }
    }
}

#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Said {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

fn row(experiment: &str, trial: &str, state: &str) -> TrialRow {
    TrialRow {
        trial: trial.into(),
        experiment: experiment.into(),
        run: "01M7XV25QY87CYNQ8XNTQYV3ZH".into(),
        attempt: 1,
        labels: Default::default(),
        params: Default::default(),
        group: None,
        fold: None,
        parent: None,
        uid: 0,
        pid: Some(4711),
        state: state.into(),
        started: 1_700_000_000.0,
        ended: Some(1_700_000_065.0),
        step: Some(12),
        target_steps: Some(50),
        epoch: None,
        memory_bytes: Some(3 << 20),
        rules: vec![RuleRow { rule: "memory-cap".into(), state: "pending".into(), since: 1_700_000_060.0 }],
        stop: None,
        exit: None,
    }
}

fn welcome(trial: &str) -> Value {
    json!({"type": "welcome", "v": 1, "experiment": "wine", "trial": trial, "run": "01M7XV25QY87CYNQ8XNTQYV3ZH",
           "attempt": 2, "last_step": 0, "stopped_before": null, "visible": true})
}

#[test]
fn without_a_daemon_each_command_says_what_to_do() {
    let house = House::empty();
    // A socket that nobody serves any more, as a killed `run` leaves it.
    std::fs::create_dir(house.runtime()).unwrap();
    drop(UnixListener::bind(house.runtime().join("run-1.sock")).unwrap());
    for words in [&["list"][..], &["top"], &["explain", "x"], &["stop", "x"], &["reload"], &["watch", "1"]] {
        let said = house.ask(words);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{words:?}");
        assert!(said.err.contains("no daemon answers"), "{words:?}: {}", said.err);
        let hint = "hint: start one with `earlystop daemon`, or put `earlystop run --` in front of the command";
        assert!(said.err.contains(hint), "{words:?}: {}", said.err);
    }
    let said = house.ask(&["heartbeat", "--step", "3", "loss=1"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), "", ""));
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let house = House::empty();
    let wrong: [&[&str]; 8] = [
        &[],
        &["nonsense"],
        &["run"],
        &["run", "--trial", "a b", "--", "true"],
        &["run", "--label", "1x=y", "--", "true"],
        &["run", "--interval", "1ms", "--", "true"],
        &["heartbeat", "loss"],
        &["heartbeat", "loss=high"],
    ];
    for words in wrong {
        let said = house.ask(words);
        assert_eq!(said.code, Some(2), "{words:?}: {}", said.err);
        assert!(!said.err.is_empty(), "{words:?}");
    }
    let said = house.ask(&["run", "--label", "experiment=x", "--", "true"]);
    assert!(said.err.contains("experiment"), "{}", said.err);
    assert_eq!(house.ask(&["--version"]).out, format!("earlystop {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn list_shows_the_trials_of_all_daemons() {
    let house = House::with_trials(vec![row("wine", "svm", "running")], |_| None);
    let other = row("a", "mlp", "completed");
    house.serve("run-77.sock", Arc::new(move |_: &Value| Some(vec![json!({"type": "ok", "trials": [other]})])));
    let said = house.ask(&["list"]);
    let lines: Vec<Vec<&str>> = said.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["TRIAL", "STATE", "TIME", "STEP", "MEMORY", "PID", "RULES"]);
    assert_eq!(lines[1], ["wine/svm", "running", "1m05s", "12/50", "3.0", "MiB", "4711", "memory-cap", "pending"]);
    assert_eq!(lines[2][..2], ["a/mlp", "completed"]);
    let json: Value = serde_json::from_str(&house.ask(&["list", "--json"]).out).unwrap();
    assert_eq!(json[0]["trial"], "svm");
    assert_eq!(json[1]["memory_bytes"], 3 << 20);
    // No terminal: once, as a table.
    assert_eq!(house.ask(&["top"]).out, said.out);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let house = House::with_trials(vec![row("wine", "svm", "running")], |_| None);
    for words in [&["list"][..], &["list", "--json"], &["--help"], &["completions", "bash"], &["top"]] {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        drop(reader);
        let said = Said::of(house.command(words).stdout(Stdio::from(writer)).stderr(Stdio::piped()).output().unwrap());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn explain_tells_why() {
    let mut stopping = row("wine", "svm", "stopping");
    stopping.stop = Some(StopRow {
        id: "01M7XV25QY87CYNQ8XNTQYV3ZJ".into(),
        rule: "memory-cap".into(),
        reason: "memory 612 MiB > 512 MiB for 5s".into(),
        rung: 1,
        since: 1_700_000_064.0,
    });
    let mut explained = serde_json::to_value(&stopping).unwrap();
    let more = json!({"why": {"memory-cap": "memory 612 MiB > 512 MiB since 3s of 5s"}, "phase": "train",
        "metrics": {"val_rmse": {"last": "NaN", "best": 0.64, "best_step": 10, "reports": 3}}, "heartbeats": 4,
        "last_heartbeat": 1_700_000_064.0, "ask_only": false, "processes": 3, "cpu_seconds": 2.5,
        "memory_peak_bytes": 612 << 20, "stops": []});
    explained.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let house = House::with_trials(vec![stopping], move |_| Some(vec![json!({"type": "ok", "explain": explained})]));
    let said = house.ask(&["explain", "svm"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for wanted in [
        "wine/svm  stopping  (run 01M7XV25QY87CYNQ8XNTQYV3ZH, attempt 1)",
        "memory-cap: pending for",
        "memory 612 MiB > 512 MiB since 3s of 5s",
        "memory-cap: memory 612 MiB > 512 MiB for 5s (stop 01M7XV25QY87CYNQ8XNTQYV3ZJ, rung 2)",
        "3.0 MiB, peak 612.0 MiB",
        "12 of 50",
        "val_rmse   NaN  0.64       10",
    ] {
        assert!(said.out.contains(wanted), "{wanted:?} is not in\n{}", said.out);
    }
    let json: Value = serde_json::from_str(&house.ask(&["explain", "wine/svm", "--json"]).out).unwrap();
    assert_eq!((&json["trial"], &json["metrics"]["val_rmse"]["last"]), (&json!("svm"), &json!("NaN")));
    assert_eq!(house.heard("explain")[0].0["trial"], "01M7XV25QY87CYNQ8XNTQYV3ZH", "it asks by the run's id");
}

#[test]
fn stop_names_one_trial_or_none() {
    let mut twin = row("b", "svm", "running");
    twin.run = "01M7XV25QY87CYNQ8XNTQYV3ZK".into();
    let rows = vec![row("a", "svm", "running"), twin, row("a", "old", "failed")];
    let house = House::with_trials(rows, |_| Some(vec![json!({"type": "ok", "id": "01M7XV25QY87CYNQ8XNTQYV3ZJ"})]));
    let said = house.ask(&["stop", "svm"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("a/svm  (run 01M7XV25QY87CYNQ8XNTQYV3ZH)\n    b/svm"), "{}", said.err);
    let said = house.ask(&["stop", "old"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("has ended already (failed)"), "{}", said.err);
    assert!(house.ask(&["stop", "swm"]).err.contains("did you mean \"svm\"?"));
    assert!(house.heard("stop").is_empty(), "nothing was stopped so far");
    let said = house.ask(&["stop", "b/svm", "--reason", "enough", "--now"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "stopping b/svm (stop 01M7XV25QY87CYNQ8XNTQYV3ZJ)\n"));
    let sent = &house.heard("stop")[0].0;
    assert_eq!(
        (&sent["trial"], &sent["reason"], &sent["now"]),
        (&json!("01M7XV25QY87CYNQ8XNTQYV3ZK"), &json!("enough"), &json!(true))
    );
}

#[test]
fn a_refusal_is_shown_with_its_hint() {
    let refusal = json!({"type": "error", "code": "bad_value", "message": "policies/a.toml:3:1: unknown key", "hint": "see check"});
    let house = House::with(move |_| Some(vec![refusal.clone()]));
    let said = house.ask(&["reload"]);
    assert_eq!(said.code, Some(2));
    let socket = house.runtime().join("earlystop.sock");
    let wanted = format!("earlystop: {}: policies/a.toml:3:1: unknown key\n  hint: see check\n", socket.display());
    assert_eq!(said.err, wanted);
}

#[test]
fn reload_asks_every_daemon_and_says_what_came_of_each() {
    let refusal =
        json!({"type": "error", "code": "bad_value", "message": "a.toml:3:1: unknown key", "hint": "see check"});
    let house = House::with(|_| Some(vec![json!({"type": "ok", "files": 2, "rules": 1})]));
    house.serve("run-7.sock", Arc::new(|_: &Value| Some(vec![json!({"type": "ok", "files": 0, "rules": 0})])));
    // One that ends while it is asked.
    house.serve("run-8.sock", Arc::new(|_: &Value| None));
    let path = |name: &str| house.runtime().join(name).display().to_string();
    let fine = format!(
        "{}: the new policy is in force (1 rule in 2 files)\n{}: it has no policy to read\n{}: it has just ended\n",
        path("earlystop.sock"),
        path("run-7.sock"),
        path("run-8.sock")
    );
    let said = house.ask(&["reload"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), fine.as_str(), ""));
    assert_eq!(house.heard("reload").len(), 3);
    // One refusal is an error, and the others are told all the same.
    house.serve("run-6.sock", Arc::new(move |_: &Value| Some(vec![refusal.clone()])));
    let said = house.ask(&["reload"]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), fine.as_str()));
    assert_eq!(said.err, format!("earlystop: {}: a.toml:3:1: unknown key\n  hint: see check\n", path("run-6.sock")));
}

#[test]
fn heartbeat_reports_for_its_parent() {
    let house = House::with(|line| (line["type"] == "hello").then(|| vec![welcome("script")]));
    let words =
        ["heartbeat", "--step", "12", "--epoch", "1.5", "--phase", "eval", "--total-steps", "50", "loss=NaN", "a/b=2"];
    let said = Said::of(house.command(&words).env("EARLYSTOP_RUN", "x").output().unwrap());
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), "", ""));
    assert_eq!(house.heard("hello")[0].0["of"], "parent");
    let sent = &house.heard("step")[0].0;
    assert_eq!(sent["of"], "parent");
    assert_eq!((&sent["step"], &sent["epoch"], &sent["total_steps"]), (&json!(12), &json!(1.5), &json!(50)));
    assert_eq!((&sent["phase"], &sent["metrics"]), (&json!("eval"), &json!({"loss": "NaN", "a/b": 2.0})));
}

#[test]
fn watch_hands_the_process_over() {
    let house = House::with(|_| Some(vec![welcome("lr0.1")]));
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = child.id().to_string();
    let said = house.ask(&["watch", &pid, "--trial", "lr0.1", "--experiment", "wine", "--label", "k=v"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(said.out, format!("watching process {pid} as wine/lr0.1 (run 01M7XV25QY87CYNQ8XNTQYV3ZH)\n"));
    let (sent, process) = &house.heard("watch")[0];
    assert_eq!(*process, Some(child.id()));
    assert_eq!(
        (&sent["trial"], &sent["experiment"], &sent["labels"]["k"]),
        (&json!("lr0.1"), &json!("wine"), &json!("v"))
    );
    assert_eq!(house.ask(&["watch", &pid]).code, Some(2), "a process that is gone");
}

/// Shows its environment, takes 64 MiB, which is more than `run` takes, and fails.
const LARGE: &str = "env; python3 -S -c 'hog = bytearray(64 << 20)'; exit 3";

#[test]
fn run_joins_a_daemon() {
    let house = House::with(|line| {
        let stop = json!({"type": "stopped", "id": "01M7XV25QY87CYNQ8XNTQYV3ZJ", "rule": "memory-cap",
            "reason": "memory 612 MiB > 512 MiB for 5s", "deadline_ms": 0});
        Some(match line["type"].as_str() {
            Some("watch") => vec![welcome("svm-2")],
            _ => vec![stop, json!({"type": "bye"})],
        })
    });
    let said = house.ask(&["run", "--trial", "svm", "--param", "lr=0.1", "--", "sh", "-c", LARGE]);
    assert_eq!(said.code, Some(3));
    // The daemon decides what the trial is called.
    assert!(
        said.out.contains("EARLYSTOP_TRIAL=svm-2\n") && said.out.contains("EARLYSTOP_EXPERIMENT=wine\n"),
        "{}",
        said.out
    );
    assert!(said.out.contains(&format!("EARLYSTOP_SOCKET={}\n", house.runtime().join("earlystop.sock").display())));
    assert_eq!(
        said.err,
        "earlystop: stopped svm-2 by memory-cap: memory 612 MiB > 512 MiB for 5s (stop 01M7XV25QY87CYNQ8XNTQYV3ZJ)\n"
    );
    let (sent, process) = &house.heard("watch")[0];
    assert!(process.is_some());
    assert_eq!((&sent["subreaper"], &sent["params"]["lr"]), (&json!(true), &json!("0.1")));
    let exited = &house.heard("exited")[0].0;
    assert_eq!((&exited["code"], &exited["run"]), (&json!(3), &json!("01M7XV25QY87CYNQ8XNTQYV3ZH")));
    assert!(exited["max_resident"].as_u64().unwrap() > 64 << 20, "{exited}");
    // The daemon of an outer `run` is not joined, nor any if something is asked for that it would not know.
    house.serve("run-12.sock", Arc::new(|_: &Value| Some(vec![welcome("inner")])));
    let outer = house.runtime().join("run-12.sock");
    let said = Said::of(house.command(&["run", "--", "env"]).env("EARLYSTOP_SOCKET", &outer).output().unwrap());
    assert!(said.out.contains("EARLYSTOP_TRIAL=svm-2\n"), "{}", said.out);
    let said = house.ask(&["run", "--observe", "--", "env"]);
    assert!(said.out.contains("EARLYSTOP_TRIAL=env-"), "{}", said.out);
}

#[test]
fn a_joined_daemon_that_goes_away_is_mentioned_once() {
    let house = House::with(|_| Some(vec![welcome("svm"), Value::Null]));
    let mut run = house.command(&["run", "--", "sh", "-c", "read line; exit 5"]);
    let mut child = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mention = "earlystop: the daemon went away; the command goes on without it\n";
    let mut first = vec![0u8; mention.len()];
    let mut errors = child.stderr.take().unwrap();
    errors.read_exact(&mut first).unwrap();
    assert_eq!(String::from_utf8(first).unwrap(), mention);
    assert!(child.try_wait().unwrap().is_none(), "the command lives on");
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert_eq!((child.wait().unwrap().code(), rest.as_str()), (Some(5), ""));
}

#[test]
fn run_starts_nothing_that_it_cannot_register() {
    let refusal =
        json!({"type": "error", "code": "name_taken", "message": "wine/svm runs already", "hint": "another name"});
    let house = House::with(move |_| Some(vec![refusal.clone()]));
    let marker = house.folder.path().join("started");
    let touch = ["touch", marker.to_str().unwrap()];
    let said = house.ask(&[&["run", "--trial", "svm", "--"][..], &touch].concat());
    assert_eq!(said.code, Some(125));
    assert_eq!(said.err, "earlystop: wine/svm runs already\n  hint: another name\n");
    let policy = house.folder.path().join("bad.toml");
    std::fs::write(&policy, "[[rule]]\nname = \"x\"\nmetrik = \"memory\"\n").unwrap();
    let said = house.ask(&[&["run", "--policy", policy.to_str().unwrap(), "--"][..], &touch].concat());
    assert_eq!(said.code, Some(125));
    assert!(said.err.contains("bad.toml:3:1: error[unknown-key]"), "{}", said.err);
    assert!(said.err.contains("earlystop: the policy is refused"), "{}", said.err);
    assert!(!marker.exists());
}

#[test]
fn top_is_a_guest_of_the_terminal() {
    let house = House::with_trials(vec![row("wine", "svm", "running")], |_| None);
    let mut pty = Pty::spawn(house.command(&["top"]).env("TERM", "xterm"));
    pty.expect("\x1b[?1049h");
    pty.expect("wine/svm");
    pty.send("\x03");
    pty.expect("\x1b[?1049l");
    assert_eq!(pty.wait().code(), Some(0));
    // q, and the terminal is as it was.
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$0\" top; stty -a", BIN]).env("XDG_RUNTIME_DIR", house.folder.path());
    let mut pty = Pty::spawn(shell.env("TERM", "xterm").env_remove("EARLYSTOP_SOCKET"));
    pty.expect("wine/svm");
    pty.send("q");
    pty.expect("\x1b[?1049l");
    for mode in [" icanon ", " echo "] {
        pty.expect(mode);
    }
    assert_eq!(pty.wait().code(), Some(0));
}
