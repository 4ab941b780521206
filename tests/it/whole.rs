//! The whole program, commands and daemon together.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::pty::LONG;
use crate::support::{BIN, wait_for};

fn earlystop(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(BIN);
    command.env("XDG_RUNTIME_DIR", folder).env("XDG_STATE_HOME", folder).env("XDG_CONFIG_HOME", folder);
    command.env_remove("EARLYSTOP_SOCKET").args(words).stdin(Stdio::null());
    command
}

fn output(folder: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let output = earlystop(folder, words).output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// `earlystop daemon`, ready.
fn daemon(folder: &Path) -> Child {
    let words = ["daemon", "--listen", "127.0.0.1:0", "--interval", "50ms"];
    let child = earlystop(folder, &words).stderr(Stdio::null()).spawn().expect("it starts");
    let ready = || (output(folder, &["list"]).0 == Some(0)).then_some(());
    wait_for("the daemon answers", LONG, ready);
    child
}

fn end(mut child: Child, signal: Signal) -> Option<i32> {
    kill(Pid::from_raw(child.id() as i32), signal).expect("it is our child");
    wait_for("it ends", LONG, || child.try_wait().expect("it is our child")).code()
}

/// Starts `run` and waits for the first line of its command.
fn run(folder: &Path, words: &[&str]) -> Child {
    let mut child = earlystop(folder, words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    child
}

fn list(folder: &Path) -> Vec<Value> {
    let (code, out, err) = output(folder, &["list", "--json"]);
    assert_eq!(code, Some(0), "{err}");
    serde_json::from_str(&out).expect("JSON")
}

#[test]
fn a_rule_stops_the_command_of_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let policy = folder.join("policy.toml");
    std::fs::write(&policy, "[[rule]]\nname = \"memory-cap\"\nmetric = \"memory\"\nabove = \"64 MiB\"\n").unwrap();
    let hog = "import time; hog = bytearray(128 << 20); time.sleep(1000)";
    let policy = policy.to_str().unwrap();
    let (code, out, err) = output(
        folder,
        &[
            "run",
            "--trial",
            "hog",
            "--policy",
            policy,
            "--interval",
            "20ms",
            "--listen",
            "127.0.0.1:0",
            "--",
            "python3",
            "-c",
            hog,
        ],
    );
    assert_eq!((code, out.as_str()), (Some(143), ""));
    let last = err.lines().last().unwrap();
    assert!(last.starts_with("earlystop: stopped hog by memory-cap: memory ") && last.contains(" (stop 01"), "{err}");
    assert!(err.contains("earlystop: watching default/hog, metrics at http://127.0.0.1:"), "{err}");
    // Nothing of it stays behind in the runtime folder.
    let left: Vec<_> = std::fs::read_dir(folder.join("earlystop")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".sock")), "{left:?}");
}

#[test]
fn run_does_not_return_before_the_ladder_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // The command ends at SIGTERM, its child only by SIGKILL, after the two seconds of the urgent ladder.
    let policy = folder.join("policy.toml");
    std::fs::write(&policy, "[[rule]]\nname = \"memory-cap\"\nmetric = \"memory\"\nabove = \"64 MiB\"\n").unwrap();
    let script = "import os, signal, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(os.getpid(), flush=True)
    time.sleep(1000)
hog = bytearray(128 << 20)
time.sleep(1000)";
    let policy = policy.to_str().unwrap();
    let words = [
        "run",
        "--trial",
        "hog",
        "--policy",
        policy,
        "--interval",
        "20ms",
        "--listen",
        "127.0.0.1:0",
        "--",
        "python3",
        "-c",
        script,
    ];
    let (code, out, err) = output(folder, &words);
    assert_eq!(code, Some(143), "{err}");
    let stubborn: i32 = out.trim().parse().unwrap();
    assert!(crate::run::state(stubborn).is_none(), "it was killed and reaped before run came back");
    assert!(err.lines().last().unwrap().starts_with("earlystop: stopped hog by memory-cap"), "{err}");
}

#[test]
fn run_joins_the_daemon_and_outlives_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let first = daemon(folder);
    let (code, _, err) = output(folder, &["daemon", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(2), "a second daemon: {err}");
    let stopped = run(folder, &["run", "--trial", "a", "--", "sh", "-c", "echo ready; exec sleep 1000"]);
    let lives =
        run(folder, &["run", "--trial", "b", "--label", "k=v", "--", "sh", "-c", "echo ready; exec sleep 1000"]);
    let mut rows = list(folder);
    rows.sort_by_key(|row| row["trial"].to_string());
    assert_eq!(rows.iter().map(|row| row["trial"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((&rows[1]["labels"]["k"], &rows[1]["state"]), (&"v".into(), &"running".into()));
    let (code, out, err) = output(folder, &["stop", "a", "--now", "--reason", "enough"]);
    assert_eq!(code, Some(0), "{err}");
    let said = stopped.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(143));
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.starts_with("earlystop: stopped a by manual: enough (stop ") && said.lines().count() == 1, "{said}");
    assert!(out.contains(&said[said.find("(stop ").unwrap()..said.len() - 1]), "{out} and {said} name the same stop");
    assert_eq!(output(folder, &["reload"]).0, Some(0));
    assert_eq!(end(first, Signal::SIGTERM), Some(0));
    assert_eq!(end(lives, Signal::SIGTERM), Some(143), "the command lived on until now");
}

#[test]
fn reload_reaches_the_daemon_and_every_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let policy = folder.join("policy.toml");
    let rule = |name: &str| format!("[[rule]]\nname = \"{name}\"\nmetric = \"memory\"\nabove = \"1 TiB\"\n");
    std::fs::write(&policy, rule("a")).unwrap();
    let first = daemon(folder);
    let words = ["run", "--policy", policy.to_str().unwrap(), "--listen", "127.0.0.1:0", "--", "sh", "-c"];
    let embedded = run(folder, &[&words[..], &["echo ready; exec sleep 1000"]].concat());
    std::fs::write(&policy, rule("a") + &rule("b")).unwrap();
    let (code, out, err) = output(folder, &["reload"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let runtime = folder.join("earlystop");
    let (own, runs) = (runtime.join("earlystop.sock"), runtime.join(format!("run-{}.sock", embedded.id())));
    let (own, runs) = (own.display(), runs.display());
    let force = "the new policy is in force (2 rules in 1 file)";
    assert_eq!(out, format!("{own}: it has no policy to read\n{runs}: {force}\n"));
    std::fs::write(&policy, "[[rule]]\n").unwrap();
    let (code, _, err) = output(folder, &["reload"]);
    assert_eq!(code, Some(2));
    assert!(err.starts_with(&format!("earlystop: {runs}: the new policy was refused, the old one stays:")), "{err}");
    assert_eq!(end(embedded, Signal::SIGTERM), Some(143));
    assert_eq!(end(first, Signal::SIGTERM), Some(0));
}

#[test]
fn heartbeats_of_a_script_reach_its_trial() {
    let folder = tempfile::tempdir().unwrap();
    let script = "for i in 1 2 3; do \"$0\" heartbeat --step $i --total-steps 10 loss=0.$i; done
bash -c '\"$0\" heartbeat --step 4 loss=0.25; true' \"$0\"; \"$0\" list --json; \"$0\" explain scripted --json";
    let words = ["run", "--trial", "scripted", "--listen", "127.0.0.1:0", "--", "sh", "-c", script, BIN];
    let (code, out, err) = output(folder.path(), &words);
    assert_eq!(code, Some(0), "{err}");
    let mut answers = out.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let rows = answers.next().unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 1, "no trial beside that of run: {rows}");
    assert_eq!((&rows[0]["step"], &rows[0]["target_steps"]), (&4.into(), &10.into()));
    let explained = answers.next().unwrap();
    assert_eq!(explained["metrics"]["loss"]["last"], 0.25);
    assert_eq!(explained["heartbeats"], 4, "one a call");
}
