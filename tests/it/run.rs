//! `earlystop run`: exit codes, streams, signals, what the command inherits, PID 1.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::pty::LONG;
use crate::support::{BIN, skip, wait_for};

/// `earlystop run -- WORDS`, with a runtime and a state folder of its own.
pub fn run(words: &[&str]) -> Command {
    let mut command = Command::new(BIN);
    isolate(&mut command).arg("run").arg("--").args(words);
    command
}

/// Folders of its own for a command, which live as long as the test process.
pub fn isolate(command: &mut Command) -> &mut Command {
    static FOLDER: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder"));
    command.env("XDG_RUNTIME_DIR", folder.path()).env("XDG_STATE_HOME", folder.path()).env_remove("EARLYSTOP_SOCKET")
}

fn code(words: &[&str]) -> Option<i32> {
    run(words).stdin(Stdio::null()).stderr(Stdio::null()).status().expect("it starts").code()
}

fn wait(child: &mut Child) -> ExitStatus {
    wait_for("run ends", LONG, || child.try_wait().expect("it is our child"))
}

#[test]
fn mirrors_exit_codes_and_signals() {
    assert_eq!(code(&["true"]), Some(0));
    assert_eq!(code(&["sh", "-c", "exit 7"]), Some(7));
    assert_eq!(code(&["sh", "-c", "exit 255"]), Some(255));
    assert_eq!(code(&["sh", "-c", "kill -TERM $$"]), Some(143));
    assert_eq!(code(&["sh", "-c", "kill -KILL $$"]), Some(137));
    assert_eq!(code(&["sh", "-c", "ulimit -c 0; kill -SEGV $$"]), Some(139));
    // Without a terminal an interrupt is a signal like any other.
    assert_eq!(code(&["sh", "-c", "kill -INT $$"]), Some(130));
}

#[test]
fn says_why_a_command_did_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no-program");
    std::fs::write(&file, "echo by the shell").unwrap();
    let text = |words: &[&str]| {
        let out = run(words).output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (code, said) = text(&["surely-not-there"]);
    assert_eq!(code, Some(127));
    assert!(said.contains("earlystop: cannot run \"surely-not-there\": No such file or directory"), "{said}");
    assert!(said.contains("hint: is it spelled right"), "{said}");
    let (code, said) = text(&[file.to_str().unwrap()]);
    assert_eq!(code, Some(126));
    assert!(said.contains("Permission denied"), "{said}");
    assert_eq!(text(&[folder.path().to_str().unwrap()]).0, Some(126));
    // Like env and nohup: a text without `#!` that may be executed is run by the shell.
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let out = run(&[file.to_str().unwrap()]).output().unwrap();
    assert_eq!((out.status.code(), out.stdout), (Some(0), b"by the shell\n".to_vec()));
}

#[test]
fn leaves_the_streams_alone() {
    let bytes: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut child = run(&["cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || input.write_all(&sent).unwrap());
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    writer.join().unwrap();
    assert!(wait(&mut child).success());
    assert!(output == bytes, "{} bytes came back of {}", output.len(), bytes.len());
}

#[test]
fn a_stream_that_the_command_closes_is_closed() {
    let script = "exec 1>&-; read line";
    let mut child = run(&["sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = Vec::new();
    // Comes back only if `run` does not hold it open; the command still waits for its line.
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    assert!(output.is_empty());
    assert!(child.try_wait().unwrap().is_none());
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(wait(&mut child).success());
}

#[test]
fn gives_back_mask_dispositions_and_limits() {
    // Each state is set up by Python, which then becomes either the shell or `run` with the same shell.
    let set_up = "import os, signal, sys, resource
for s in sys.argv[1].split(','):
    if s: signal.signal(getattr(signal, s), signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_SETMASK, [getattr(signal, s) for s in sys.argv[2].split(',') if s])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
if 'SIGPIPE' not in sys.argv[1]: signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.execvp(sys.argv[3], sys.argv[3:])";
    let looks = ["grep", "-hE", "^(SigBlk|SigIgn|SigCgt|Max open files)", "/proc/self/status", "/proc/self/limits"];
    let seen = |ignored: &str, blocked: &str, through: &[&str]| {
        let mut python = Command::new("python3");
        isolate(&mut python).args(["-c", set_up, ignored, blocked]).args(through).args(looks);
        let out = python.output().unwrap();
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stdout).unwrap()
    };
    let states = [
        ("", ""),
        ("SIGHUP", ""),
        ("SIGCHLD", ""),
        ("SIGPIPE", ""),
        ("", "SIGUSR1,SIGTERM"),
        ("SIGINT,SIGTSTP", "SIGCHLD"),
    ];
    for (ignored, blocked) in states {
        let bare = seen(ignored, blocked, &[]);
        assert!(bare.contains("SigIgn") && bare.contains(" 200 "), "{bare}");
        assert_eq!(seen(ignored, blocked, &[BIN, "run", "--"]), bare, "ignored {ignored:?}, blocked {blocked:?}");
    }
}

#[test]
fn mirrors_the_code_when_sigchld_is_ignored() {
    let script =
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])";
    let mut python = Command::new("python3");
    isolate(&mut python).args(["-c", script, BIN, "run", "--", "sh", "-c", "exit 9"]);
    assert_eq!(python.status().unwrap().code(), Some(9));
}

/// Prints the number of each signal that it gets, and leaves when its input ends.
const LISTENER: &str = "import os, signal, sys
def heard(number, frame): os.write(1, b'%d\\n' % number)
for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(s, heard)
os.write(1, b'ready\\n')
while os.read(0, 1): pass";

#[test]
fn tells_the_command_who_it_is() {
    let mut command = Command::new(BIN);
    isolate(&mut command).args(["run", "--trial", "a/b", "--experiment", "wine", "--label", "k=v", "--", "env"]);
    // What came in from outside is replaced, not doubled.
    let out = command.env("EARLYSTOP_TRIAL", "outer").env("EARLYSTOP_EXPERIMENT", "outer").output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let of = |key: &str| -> Vec<&str> { text.lines().filter_map(|l| l.strip_prefix(key)?.strip_prefix('=')).collect() };
    assert_eq!(of("EARLYSTOP_TRIAL"), ["a/b"]);
    assert_eq!(of("EARLYSTOP_EXPERIMENT"), ["wine"]);
    assert_eq!(of("EARLYSTOP_RUN")[0].len(), 26);
    assert!(of("EARLYSTOP_SOCKET")[0].contains("run-"), "{text}");
    // A made-up name: the command's base name and a part of the run's id; the experiment of the environment.
    let out = run(&["/usr/bin/env"]).env("EARLYSTOP_EXPERIMENT", "outer").output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("EARLYSTOP_TRIAL=env-") && text.contains("EARLYSTOP_EXPERIMENT=outer"), "{text}");
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("a line");
    line.trim_end().to_string()
}

#[test]
fn passes_signals_on() {
    let mut child = run(&["python3", "-c", LISTENER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(line(&mut output), "ready");
    for signal in ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2"] {
        let signal: Signal = format!("SIG{signal}").parse().unwrap();
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        assert_eq!(line(&mut output), (signal as i32).to_string());
    }
    drop(child.stdin.take());
    assert_eq!(wait(&mut child).code(), Some(0));
    // And each of them once.
    assert_eq!(line(&mut output), "");
}

#[test]
fn a_signal_ends_a_script_with_what_it_waits_for() {
    let script = "sleep 1000 & echo $!; sleep 1000; echo not reached";
    let mut child = run(&["bash", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let background: i32 = line(&mut output).parse().unwrap();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(wait(&mut child).code(), Some(143));
    // The pipe ends only when everybody who had it is gone.
    assert_eq!(line(&mut output), "");
    let gone = || (kill(Pid::from_raw(background), None).is_err() || is_zombie(background)).then_some(());
    wait_for("the background process is gone", LONG, gone);
}

#[test]
fn a_pause_by_somebody_else_pauses_only_the_command() {
    let script = "echo $$; kill -STOP $$; echo went on";
    let mut child = run(&["sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let command: i32 = line(&mut output).parse().unwrap();
    wait_for("the command is stopped", LONG, || (state(command) == Some('T')).then_some(()));
    assert_ne!(state(child.id() as i32), Some('T'));
    kill(Pid::from_raw(command), Signal::SIGCONT).unwrap();
    assert_eq!(line(&mut output), "went on");
    assert!(wait(&mut child).success());
}

/// Leaves an orphan behind that ends when its input does, and tells its pid; goes on until a line comes.
const ORPHAN: &str = "exec 3<&0; (sh -c 'echo $$; read line' <&3 & ) ; sh -c 'echo $PPID >/dev/null'; read line";

#[test]
fn reaps_orphans_of_the_tree() {
    let mut child = run(&["sh", "-c", ORPHAN]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let orphan: i32 = line(&mut output).parse().unwrap();
    let run = child.id() as i32;
    wait_for("run is the orphan's parent", LONG, || (parent(orphan) == Some(run)).then_some(()));
    kill(Pid::from_raw(orphan), Signal::SIGKILL).unwrap();
    wait_for("run reaps it", LONG, || state(orphan).is_none().then_some(()));
    assert!(child.try_wait().unwrap().is_none(), "its own command still runs");
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(wait(&mut child).success());
}

#[test]
fn the_command_lives_on_when_run_is_killed() {
    let mut child = run(&["sh", "-c", "echo $$; exec sleep 1000"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let command: i32 = line(&mut output).parse().unwrap();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    wait(&mut child);
    assert!(matches!(state(command), Some('S' | 'R')), "the command lives on without run");
    killpg(Pid::from_raw(command), Signal::SIGKILL).unwrap();
}

#[test]
fn works_as_pid_1() {
    let mut probe = Command::new("unshare");
    probe.args(["-p", "-f", "--mount-proc", "true"]).stderr(Stdio::null());
    if !probe.status().is_ok_and(|s| s.success()) {
        return skip("run as PID 1: no pid namespace can be had here (it takes root)");
    }
    let inside = |words: &[&str]| {
        let mut command = Command::new("unshare");
        isolate(&mut command).args(["-p", "-f", "--kill-child", "--mount-proc", BIN, "run", "--"]).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    };
    assert_eq!(inside(&["sh", "-c", "exit 7"]).status().unwrap().code(), Some(7));
    // An orphan that ends is reaped by PID 1.
    let script = "(sh -c 'exit 0' &); until ! ls -d /proc/[0-9]* | xargs -n1 basename | grep -vqE '^(1|'$$')$' ; do break; done; \
                  while grep -ls '^State:.Z' /proc/[0-9]*/status; do :; done; cat /proc/1/comm";
    let out = inside(&["sh", "-c", script]).output().unwrap();
    assert!(String::from_utf8_lossy(&out.stdout).ends_with("earlystop\n"), "{out:?}");
    // Signals that the kernel would discard for a PID 1 without handlers are passed on.
    let mut child = inside(&["python3", "-c", LISTENER]).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(line(&mut output), "ready");
    let init = wait_for("the init of the namespace", LONG, || children(child.id() as i32).first().copied());
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1] {
        kill(Pid::from_raw(init), signal).unwrap();
        assert_eq!(line(&mut output), (signal as i32).to_string());
    }
    drop(child.stdin.take());
    assert_eq!(wait(&mut child).code(), Some(0));
}

/// The state letter of a process, `None` where there is none.
pub fn state(pid: i32) -> Option<char> {
    field(pid, 0)?.chars().next()
}

fn is_zombie(pid: i32) -> bool {
    state(pid) == Some('Z')
}

fn parent(pid: i32) -> Option<i32> {
    field(pid, 1)?.parse().ok()
}

fn field(pid: i32, after_name: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.split(' ').nth(after_name).map(str::to_string)
}

/// The children of a process.
pub fn children(pid: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|p| p.parse().ok()).collect()
}
