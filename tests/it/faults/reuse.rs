//! Numbers of processes that are used again, in a pid namespace where the test says which number is next.

use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::bystander::Bystander;
use super::{CAP, LONG, speaking};
use crate::stage::{Stage, Trainer, lives};
use crate::support::{skip, wait_for};

/// Set for the test binary that runs inside.
const INSIDE: &str = "EARLYSTOP_TEST_NAMESPACE";
/// The number that the namespace gave last: the next one follows it.
const LAST: &str = "/proc/sys/kernel/ns_last_pid";

/// Runs this test again as the only one of a binary in a namespace of its own; true inside.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let namespace = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    let can = Command::new("unshare").args(namespace).args(["sh", "-c", &format!("echo 300 > {LAST}")]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        skip(&format!("{test}: a pid namespace whose numbers can be chosen takes root, unshare and {LAST}"));
        return false;
    }
    // A shell is the namespace's first process: it reaps whoever is left to it.
    let binary = std::env::current_exe().expect("this binary");
    let script = "\"$0\" --exact \"$1\" --nocapture --test-threads=1; exit $?";
    let mut command = Command::new("unshare");
    command.args(namespace).args(["sh", "-c", script]).arg(binary).arg(test).env(INSIDE, "1");
    let output = command.output().expect("unshare");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "inside:\n{said}");
    false
}

/// A bystander with this number. Whoever came between gives it back.
fn take_number(stage: &Stage, pid: i32) -> Bystander {
    wait_for(&format!("a bystander has the number {pid}"), LONG, || {
        std::fs::write(LAST, (pid - 1).to_string()).expect("the namespace is ours");
        let bystander = Bystander::new(stage);
        (bystander.pid() == pid).then_some(bystander)
    })
}

/// A trial of a root and a member, both noting SIGTERM; the root waits for its member.
fn pair(stage: &Stage, trial: &str) -> (Trainer, i32, i32) {
    let body = format!(
        "signal.signal(15, noting('term', True))
member = os.fork()
if member == 0: wait()
say(type='hello', v=1, trial='{trial}')
hear()
signal.signal(17, lambda *_: os.waitpid(member, os.WNOHANG))
print(os.getpid(), member)
wait()"
    );
    let root = stage.python(&speaking(&body));
    let (pid, member) = root.first().split_once(' ').map(|(a, b)| (a.parse().unwrap(), b.parse().unwrap())).unwrap();
    let label = format!("trial=\"{trial}\"");
    wait_for("both are seen", LONG, || (stage.metric("trial_processes", &[&label]) == Some(2.0)).then_some(()));
    (root, pid, member)
}

/// The process ends and its number is free.
fn vacate(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    wait_for("it is reaped", LONG, || (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
}

/// A member dies while the daemon does not look, its number is taken, and then a stop is due.
#[test]
fn a_number_taken_between_two_looks() {
    if !inside("faults::reuse::a_number_taken_between_two_looks") {
        return;
    }
    let stage = Stage::new(CAP);
    for round in 0..5 {
        let trial = format!("t{round}");
        let (root, pid, member) = pair(&stage, &trial);
        kill(Pid::from_raw(stage.pid()), Signal::SIGSTOP).unwrap();
        vacate(member);
        let bystander = take_number(&stage, member);
        let stop = stage.command(&["stop", &trial, "--now"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
        kill(Pid::from_raw(stage.pid()), Signal::SIGCONT).unwrap();
        assert!(stop.wait_with_output().unwrap().status.success());
        stage.wait_state(&trial, "stopped");
        assert_eq!(root.end().0, Some(9), "the root got SIGTERM");
        assert_eq!(stage.lines("term").pop(), Some(format!("{pid} 15")));
        assert_eq!(stage.lines("term").len(), round + 1);
        bystander.stays_untouched(&stage);
    }
}

/// A member that has had SIGTERM and stays dies while the daemon is dead; the last rung is for those who are left.
#[test]
fn a_number_taken_while_a_ladder_waits_for_its_daemon() {
    if !inside("faults::reuse::a_number_taken_while_a_ladder_waits_for_its_daemon") {
        return;
    }
    let mut stage = Stage::new(CAP);
    let body = "signal.signal(15, noting('term', False))
member = os.fork()
if member == 0: wait()
say(type='hello', v=1, trial='stays')
hear()
signal.signal(17, lambda *_: os.waitpid(member, os.WNOHANG))
print(os.getpid(), member)
grow()
wait()";
    let mut root = stage.python(&speaking(body));
    let (_, member) = root.first().split_once(' ').unwrap();
    let member: i32 = member.parse().unwrap();
    wait_for("both have SIGTERM", LONG, || (stage.lines("term").len() == 2).then_some(()));
    stage.kill();
    assert!(lives(member), "the last rung is not reached");
    vacate(member);
    let bystander = take_number(&stage, member);
    stage.start();
    stage.wait_state("stays", "stopped");
    wait_for("the root is gone", LONG, || root.has_ended().then_some(()));
    assert_eq!(stage.lines("term").len(), 2, "nobody got it twice");
    bystander.stays_untouched(&stage);
}

/// The root of a trial dies while the daemon is dead, and its number is taken: nobody of the trial is left.
#[test]
fn the_number_of_a_root_taken_while_no_daemon_looks() {
    if !inside("faults::reuse::the_number_of_a_root_taken_while_no_daemon_looks") {
        return;
    }
    let mut stage = Stage::new(CAP);
    let mut root = stage.python(&speaking("say(type='hello', v=1, trial='gone')\nhear()\nprint(os.getpid())\nwait()"));
    let pid: i32 = root.first().parse().unwrap();
    wait_for("it is seen", LONG, || stage.metric("trial_memory_bytes", &["trial=\"gone\""]));
    stage.kill();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    wait_for("it is reaped", LONG, || root.has_ended().then_some(()));
    let bystander = take_number(&stage, pid);
    stage.start();
    let row = stage.row("gone").unwrap();
    assert_eq!(row["state"], "lost", "who has its number is not it");
    // It takes more memory than the rule allows, and no rule is about it.
    let ticks = || stage.metric("earlystop_sample_duration_seconds_count", &[]).filter(|n| *n >= 10.0);
    wait_for("many ticks have passed", LONG, ticks);
    assert_eq!(stage.command(&["stop", "gone", "--now"]).output().unwrap().status.code(), Some(2));
    bystander.stays_untouched(&stage);
}
