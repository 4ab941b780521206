//! The whole program against real processes: what it must do when a trial goes wrong, and what it must never do.

use std::collections::HashSet;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use self::bystander::Bystander;
use crate::stage::{LONG, Stage, lives};
use crate::support::wait_for;

mod bystander;
mod crowd;
mod disk;
mod kills;
mod reuse;
mod roots;

/// Memory above 100 MiB; a ladder of short rungs.
pub const CAP: &str = r#"
[[rule]]
name = "cap"
metric = "memory"
above = "100 MiB"
ladder = "quick"

[ladder.quick]
rungs = [
    { ask = true, wait = "1s", max = "30s" },
    { signal = "SIGTERM", wait = "3s" },
    { signal = "SIGKILL" },
]
"#;

/// What trainers begin with: a line in FOLDER/NAME for each signal, and a way to grow.
const PRELUDE: &str = r#"
import os, signal, sys, time
folder = os.environ["FOLDER"]
def note(name, text):
    fd = os.open(folder + "/" + name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, (text + "\n").encode())
    os.close(fd)
def noting(name, leave):
    def handler(number, frame):
        note(name, "%d %d" % (os.getpid(), number))
        if leave: os._exit(9)
    return handler
def grow():
    global hog
    hog = bytearray(160 << 20)
def wait():
    # Python runs a handler between two of its own steps: one that is due just before a long sleep would wait for its end.
    while True: time.sleep(0.05)
"#;

/// What a trainer that speaks adds.
pub const SPEAKER: &str = r#"
import json, socket
link = socket.socket(socket.AF_UNIX)
link.connect(os.environ["EARLYSTOP_SOCKET"])
lines = link.makefile("r")
# As the client does: a daemon that went away ends no trainer.
def say(**line):
    try: link.sendall((json.dumps(line) + "\n").encode())
    except OSError: pass
def hear():
    return json.loads(lines.readline())
"#;

pub fn script(body: &str) -> String {
    format!("{PRELUDE}\n{body}")
}

pub fn speaking(body: &str) -> String {
    format!("{PRELUDE}\n{SPEAKER}\n{body}")
}

/// SIGKILL for a process that this test's own trainer started.
fn kill_own(pid: i32) {
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

#[test]
fn a_handler_sees_sigterm_once() {
    let stage = Stage::new(CAP);
    let bystander = Bystander::new(&stage);
    let trainer = stage.run("hog", &script("signal.signal(15, noting('term', True))\nprint('ready')\ngrow()\nwait()"));
    let (code, said) = trainer.end();
    assert_eq!(code, Some(9));
    assert!(said.contains("earlystop: stopped hog by cap: memory ") && said.contains(" (stop 01"), "{said}");
    assert_eq!(stage.lines("term").len(), 1);
    let row = stage.wait_state("hog", "stopped");
    assert_eq!(row["exit"]["cause"], "rule");
    let labels = ["trial=\"hog\"", "rule=\"cap\"", "outcome=\"terminated\""];
    wait_for("the stop is counted", LONG, || (stage.metric("trial_stops_total", &labels) == Some(1.0)).then_some(()));
    bystander.stays_untouched(&stage);
}

#[test]
fn who_ignores_sigterm_gets_sigkill() {
    let stage = Stage::new(CAP);
    let body = "signal.signal(15, noting('term', False))\nprint('ready')\ngrow()\nwait()";
    let (code, said) = stage.run("stubborn", &script(body)).end();
    assert_eq!(code, Some(128 + 9), "{said}");
    assert_eq!(stage.lines("term").len(), 1, "SIGTERM came once");
    let row = stage.wait_state("stubborn", "stopped");
    assert_eq!(row["stop"]["rule"], "cap");
}

#[test]
fn who_answers_leaves_by_itself_and_gets_no_signal() {
    let stage = Stage::new(CAP);
    let body = "signal.signal(15, noting('term', False))
say(type='hello', v=1, trial='polite')
note('heard', hear()['type'])
print('ready')
grow()
stop = hear()
note('heard', stop['type'])
say(type='ack', id=stop['id'], need_ms=20000)
time.sleep(2)                      # a checkpoint that takes longer than the rung
note('heard', 'checkpoint')
say(type='done', status='stopped')
link.close()
sys.exit(0)";
    let (code, said) = stage.run("polite", &speaking(body)).end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(stage.lines("heard"), ["welcome", "stop", "checkpoint"]);
    assert_eq!(stage.lines("term"), Vec::<String>::new());
    stage.wait_state("polite", "stopped");
    let labels = ["rule=\"cap\"", "outcome=\"asked\""];
    wait_for("the stop is counted", LONG, || {
        (stage.metric("earlystop_stops_total", &labels) == Some(1.0)).then_some(())
    });
}

#[test]
fn the_whole_tree_goes_with_it() {
    let stage = Stage::new(CAP);
    let bystander = Bystander::new(&stage);
    // A child, a grandchild in a session of its own, and one whose parent has left.
    let body = "def note_pid():
    note('pids', str(os.getpid()))
signal.signal(15, signal.SIG_IGN)
note_pid()
if os.fork() == 0:
    note_pid()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note_pid()
            wait()
        os._exit(0)
    wait()
while len(open(folder + '/pids').read().split()) < 3: time.sleep(0.01)
print('ready')
grow()
wait()";
    let (code, _) = stage.run("tree", &script(body)).end();
    assert_eq!(code, Some(128 + 9));
    let pids: Vec<i32> = stage.lines("pids").iter().map(|p| p.parse().unwrap()).collect();
    assert_eq!(pids.len(), 3);
    wait_for("nobody of the tree lives", LONG, || pids.iter().all(|p| !lives(*p)).then_some(()));
    bystander.stays_untouched(&stage);
}

#[test]
fn a_chain_that_keeps_forking_ends() {
    let stage = Stage::new(CAP);
    let body = "signal.signal(15, signal.SIG_IGN)
print('ready')
if os.fork() == 0:
    signal.signal(17, signal.SIG_IGN)
    while True:
        time.sleep(0.0002)
        if os.fork() != 0: os._exit(0)
        open(folder + '/alive', 'w').close()
grow()
wait()";
    let (code, said) = stage.run("chain", &script(body)).end();
    assert_eq!(code, Some(128 + 9), "{said}");
    stage.wait_state("chain", "stopped");
    let alive = stage.path("alive");
    std::fs::remove_file(&alive).unwrap();
    // A link lives for a fraction of a millisecond: if any were left, the file would be back long before this command is.
    for _ in 0..20 {
        stage.list();
    }
    assert!(!alive.exists(), "a link of the chain lives on");
}

#[test]
fn a_stopped_process_is_woken_for_sigterm() {
    let stage = Stage::new("");
    let body = "signal.signal(15, noting('term', True))\nprint(os.getpid())\nwait()";
    let trainer = stage.run("paused", &script(body));
    let pid: i32 = trainer.first().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    assert!(stage.command(&["stop", "paused", "--now"]).status().unwrap().success());
    assert_eq!(trainer.end().0, Some(9));
    assert_eq!(stage.lines("term").len(), 1);
}

#[test]
fn threads_as_trials_are_asked_and_never_signalled() {
    let stage = Stage::new("[[rule]]\nname = \"bad\"\nmetric = \"loss\"\nabove = 5\n\n[guard]\nenabled = false\n");
    let body = "for number in (1, 2, 15): signal.signal(number, noting('signals', False))
say(type='hello', v=1, trial='a', process='shared')
hear()
second = socket.socket(socket.AF_UNIX)
second.connect(os.environ['EARLYSTOP_SOCKET'])
second.sendall(b'{\"type\":\"hello\",\"v\":1,\"trial\":\"b\",\"process\":\"shared\"}\\n')
print(second.makefile('r').readline().strip())
say(type='step', step=1, metrics={'loss': 9.0})
stop = hear()
note('heard', stop['type'])
say(type='done', status='stopped')
wait()";
    let mut trainer = stage.python(&speaking(body));
    assert!(trainer.first().contains("\"welcome\""), "{}", trainer.first());
    stage.wait_state("a", "stopped");
    assert_eq!(stage.lines("heard"), ["stop"]);
    assert_eq!(stage.row("b").unwrap()["state"], "running");
    assert!(!trainer.has_ended() && stage.lines("signals").is_empty());
}

#[test]
fn two_ranks_are_one_trial_and_a_forked_child_is_who_the_kernel_says() {
    let stage = Stage::new("");
    let body = "say(type='hello', v=1)
hear()
pid = os.fork()
if pid == 0:
    # The child writes on its parent's connection: what it says is about the parent's trial.
    say(type='step', step=5)
    link = socket.socket(socket.AF_UNIX)
    link.connect(os.environ['EARLYSTOP_SOCKET'])
    link.sendall(b'{\"type\":\"hello\",\"v\":1,\"worker\":\"1\"}\\n')
    note('welcome', link.makefile('r').readline().strip())
    link.sendall(b'{\"type\":\"step\",\"step\":4}\\n')
    wait()
print('ready')
wait()";
    let trainer = stage.run("ranks", &speaking(body));
    let worker = ["trial=\"ranks\"", "worker=\"1\""];
    wait_for("the worker's step is there", LONG, || {
        (stage.metric("trial_worker_step", &worker) == Some(4.0)).then_some(())
    });
    assert!(stage.lines("welcome")[0].contains("\"trial\":\"ranks\""), "{:?}", stage.lines("welcome"));
    let row = stage.row("ranks").unwrap();
    assert_eq!((&row["step"], stage.list().len()), (&5.into(), 1));
    // Both go with one stop; a `run` that is only killed would leave them behind.
    assert!(stage.command(&["stop", "ranks", "--now"]).status().unwrap().success());
    assert_eq!(trainer.end().0, Some(128 + 15));
}

/// The daemon is killed when the trial stands on this rung and started again: the ladder goes on, no rung is given twice.
fn killed_on_rung(rung: u64) {
    let mut stage = Stage::new(CAP);
    let bystander = Bystander::new(&stage);
    let body = "signal.signal(15, noting('term', False))
say(type='hello', v=1)
hear()
print(os.getpid())
grow()
wait()";
    // Outside `run`, so that nothing but the daemon is between the test and the trainer.
    let mut trainer = stage.python(&speaking(body));
    let name = wait_for("the trial is there", LONG, || stage.list().pop())["trial"].as_str().unwrap().to_string();
    let on_rung = || stage.row(&name).filter(|row| row["stop"]["rung"] == rung && row["state"] == "stopping");
    let before = wait_for("the rung is reached", LONG, on_rung);
    if rung == 1 {
        wait_for("SIGTERM is given", LONG, || (!stage.lines("term").is_empty()).then_some(()));
    }
    stage.kill();
    assert!(!trainer.has_ended());
    stage.start();
    let after = stage.wait_state(&name, "stopped");
    assert_eq!(before["stop"]["id"], after["stop"]["id"], "it is the same stop");
    assert_eq!(stage.lines("term").len(), 1, "SIGTERM is given once: {:?}", stage.lines("term"));
    wait_for("the trainer is gone", LONG, || trainer.has_ended().then_some(()));
    bystander.stays_untouched(&stage);
}

#[test]
fn a_daemon_killed_after_asking_goes_on() {
    killed_on_rung(0);
}

#[test]
fn a_daemon_killed_after_sigterm_goes_on_and_gives_it_once() {
    killed_on_rung(1);
}

#[test]
fn a_daemon_killed_at_the_last_rung_still_ends_whoever_is_left() {
    let mut stage = Stage::new(CAP);
    // The root leaves at SIGTERM; its child, whose way to the root is then gone, does not.
    let body = "signal.signal(15, lambda *_: os._exit(0))
pid = os.fork()
if pid == 0:
    signal.signal(15, noting('child', False))
    note('pid', str(os.getpid()))
    wait()
say(type='hello', v=1)
hear()
link.close()
while not os.path.exists(folder + '/pid'): time.sleep(0.01)
print('ready')
grow()
wait()";
    let mut trainer = stage.python(&speaking(body));
    let name = wait_for("the trial is there", LONG, || stage.list().pop())["trial"].as_str().unwrap().to_string();
    let child: i32 = stage.lines("pid")[0].parse().unwrap();
    wait_for("the child has SIGTERM", LONG, || (!stage.lines("child").is_empty()).then_some(()));
    stage.kill();
    wait_for("the root is gone", LONG, || trainer.has_ended().then_some(()));
    assert!(lives(child), "it outlives the daemon");
    stage.start();
    stage.wait_state(&name, "stopped");
    wait_for("the child is gone", LONG, || (!lives(child)).then_some(()));
    assert_eq!(stage.lines("child").len(), 1, "SIGTERM is given once");
}

fn stage_steps(stage: &Stage) -> Option<f64> {
    stage.metric("trial_steps_total", &["trial=\"steady\""])
}

fn stage_cpu(stage: &Stage) -> Option<f64> {
    stage.metric("trial_cpu_seconds_total", &["trial=\"steady\"", "mode=\"user\""])
}

#[test]
fn a_trial_without_a_stop_is_taken_up_with_its_counters() {
    let mut stage = Stage::new(CAP);
    let body = "say(type='hello', v=1, trial='steady')
hear()
for i in range(1, 101): say(type='step', step=i, samples=i * 32)
print('ready')
x = 0
while True: x += 1";
    let mut trainer = stage.python(&speaking(body));
    wait_for("its steps are there", LONG, || (stage_steps(&stage) == Some(100.0)).then_some(()));
    let before = wait_for("it has used CPU", LONG, || stage_cpu(&stage).filter(|s| *s > 0.3));
    let run = stage.row("steady").unwrap()["run"].clone();
    stage.kill();
    stage.start();
    assert_eq!(stage.row("steady").unwrap()["run"], run);
    assert_eq!(stage_steps(&stage), Some(100.0));
    assert!(stage_cpu(&stage).unwrap() >= before);
    wait_for("its counter goes on", LONG, || stage_cpu(&stage).filter(|s| *s > before + 0.2));
    assert!(!trainer.has_ended());
}

#[test]
fn a_daemon_that_was_stopped_ripens_nothing() {
    let stage = Stage::new(
        "[[rule]]\nname = \"cap\"\nmetric = \"memory\"\nabove = \"100 MiB\"\nfor = \"3s\"\nladder = \"quick\"\n\n[ladder.quick]\nrungs = [ { signal = \"SIGTERM\", wait = \"1s\" }, { signal = \"SIGKILL\" } ]\n",
    );
    let mut trainer = stage.run("slow", &script("print('ready')\ngrow()\nwait()"));
    let rule = |state: &str| {
        let row = stage.row("slow").filter(|row| row["rules"][0]["state"] == state);
        row.map(|row| row["rules"][0]["since"].as_f64().unwrap())
    };
    let first = wait_for("the rule is pending", LONG, || rule("pending"));
    kill(Pid::from_raw(stage.pid()), Signal::SIGSTOP).unwrap();
    let begin = std::time::Instant::now();
    wait_for("longer than the rule waits", LONG, || (begin.elapsed().as_secs() >= 4).then_some(()));
    kill(Pid::from_raw(stage.pid()), Signal::SIGCONT).unwrap();
    let second = wait_for("the rule begins anew", LONG, || rule("pending").filter(|since| *since > first));
    assert!(second - first >= 4.0, "what was pending before the gap is forgotten: {first} {second}");
    assert!(!trainer.has_ended());
    assert!(stage.log().contains("a gap of"), "{}", stage.log());
    assert_eq!(trainer.end().0, Some(128 + 15), "after three whole seconds it is stopped");
}

#[test]
fn a_broken_policy_is_refused_and_the_old_one_stays() {
    let stage = Stage::new(CAP);
    let trainer = stage.run("small", &script("print('ready')\nwait()"));
    std::fs::write(stage.policy(), "[[rule]]\nname = \"cap\"\nmetric = \"memroy\"\nabove = \"100 MiB\"\n").unwrap();
    let output = stage.command(&["reload"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("policy.toml:3:10: error[") && said.contains("memory"), "{said}");
    let reloaded = || stage.metric("earlystop_config_last_reload_successful", &[]);
    wait_for("the failure is exported", LONG, || (reloaded() == Some(0.0)).then_some(()));
    std::fs::write(stage.policy(), "[[rule]]\nname = \"another\"\nmetric = \"elapsed\"\nabove = \"100ms\"\n").unwrap();
    kill(Pid::from_raw(stage.pid()), Signal::SIGHUP).unwrap();
    let (_, said) = trainer.end();
    assert!(said.contains("stopped small by another"), "{said}");
}

/// Whose condition is the same goes on where it stood, whatever else is in the file; any other begins anew.
#[test]
fn an_equal_rule_keeps_its_state_over_a_reload() {
    let rule = |name: &str, above: &str| {
        format!("[[rule]]\nname = \"{name}\"\nmetric = \"memory\"\nabove = \"{above}\"\nfor = \"1h\"\n\n")
    };
    let stage = Stage::new(&(rule("kept", "1 MiB") + &rule("changed", "1 MiB")));
    let _trainer = stage.python(&speaking("say(type='hello', v=1, trial='small')\nhear()\nprint('ready')\nwait()"));
    let since = |name: &str| {
        let row = stage.row("small")?;
        let rule = row["rules"].as_array()?.iter().find(|rule| rule["rule"] == name && rule["state"] == "pending")?;
        rule["since"].as_f64()
    };
    let before = wait_for("both are pending", LONG, || since("kept").zip(since("changed")));
    std::fs::write(stage.policy(), rule("new", "1 MiB") + &rule("changed", "2 MiB") + &rule("kept", "1 MiB")).unwrap();
    assert!(stage.command(&["reload"]).output().unwrap().status.success());
    let after = wait_for("all are pending", LONG, || since("new").and(since("kept").zip(since("changed"))));
    assert_eq!(after.0, before.0, "an equal rule goes on");
    assert!(after.1 > before.1, "another condition begins anew");
}

#[test]
fn a_thousand_trials_at_once() {
    let stage = Stage::new("");
    let body = "import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
links = []
for i in range(1000):
    link = socket.socket(socket.AF_UNIX)
    link.connect(os.environ['EARLYSTOP_SOCKET'])
    link.sendall(b'{\"type\":\"hello\",\"v\":1,\"process\":\"shared\",\"trial\":\"t%d\"}\\n' % i)
    links.append(link)
welcome = [link.makefile('r').readline() for link in links]
note('welcome', str(sum('\"welcome\"' in w for w in welcome)))
for i, link in enumerate(links): link.sendall(b'{\"type\":\"step\",\"step\":%d}\\n' % (i + 1))
print('ready')
stop = links[77].makefile('r').readline()
note('stop', stop.strip())
links[77].sendall(b'{\"type\":\"done\",\"status\":\"stopped\"}\\n')
wait()";
    let trainer = stage.python(&speaking(body));
    assert_eq!(stage.lines("welcome"), ["1000"]);
    let all = wait_for("all have reported", LONG, || {
        let rows = stage.list();
        rows.iter().all(|row| row["step"].is_number()).then_some(rows)
    });
    let names: HashSet<&str> = all.iter().filter_map(|row| row["trial"].as_str()).collect();
    assert_eq!(names.len(), 1000);
    let text = stage.metrics();
    assert_eq!(text.lines().filter(|l| l.starts_with("trial_steps_total{")).count(), 1000);
    assert!(stage.command(&["stop", "t77"]).status().unwrap().success());
    stage.wait_state("t77", "stopped");
    assert_eq!(stage.list().iter().filter(|row| row["state"] == "running").count(), 999);
    drop(trainer);
    wait_for("their process is gone, and they are", LONG, || {
        stage.list().iter().all(|row| row["state"] != "running").then_some(())
    });
}

#[test]
fn a_small_command_does_not_show_the_size_of_run() {
    let stage = Stage::new("");
    assert!(stage.command(&["run", "--trial", "small", "--", "true"]).status().unwrap().success());
    stage.wait_state("small", "completed");
    let cpu = || stage.metric("trial_cpu_seconds_total", &["trial=\"small\"", "mode=\"user\""]);
    wait_for("its record is there", LONG, cpu);
    let peak = stage.metric("trial_memory_peak_bytes", &["trial=\"small\""]);
    assert!(peak.is_none_or(|bytes| bytes < (4 << 20) as f64), "`true` is smaller than {peak:?} bytes");
}
