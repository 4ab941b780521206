//! Where the daemon comes to the end of what it can see, end or lock: a trainer of another pid namespace, a group's socket,
//! uninterruptible sleep, a file system without locks and shared mappings. All of it takes root.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::faults::{CAP, SPEAKER, script, speaking};
use crate::stage::{APART, Awkward, LONG, Stage, Trainer, lives};
use crate::support::{skip, wait_for};

/// A stop by hand asks for a second, then kills.
const HASTY: &str = r#"
[ladder.gentle]
rungs = [ { ask = true, wait = "1s", max = "1s" }, { signal = "SIGKILL" } ]
"#;

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

#[test]
fn a_trainer_that_the_daemon_cannot_see_is_only_asked() {
    let Some(stage) = Stage::in_a_pid_namespace(HASTY) else {
        return skip("a_trainer_that_the_daemon_cannot_see_is_only_asked: a pid namespace takes root and unshare");
    };
    let mut trainer = stage.python(&speaking(
        "say(type='hello', v=1, trial='far')
print(json.dumps(hear()))
say(type='step', step=1, metrics={'loss': 0.5})
print(json.dumps(hear()))
print(json.dumps(hear()))
say(type='done', status='stopped')
link.close()
wait()",
    ));
    let welcome = json(trainer.first());
    assert_eq!((&welcome["type"], &welcome["visible"]), (&"welcome".into(), &false.into()), "{welcome}");
    assert!(welcome["hint"].as_str().unwrap().contains("shareProcessNamespace"), "{welcome}");
    let row = wait_for("its step is there", LONG, || stage.row("far").filter(|row| row["step"] == 1));
    assert_eq!((&row["state"], &row["pid"], &row["memory_bytes"]), (&"running".into(), &Value::Null, &Value::Null));
    assert!(!stage.metrics().contains("trial_memory_bytes{trial=\"far\""), "no system series");
    assert!(stage.command(&["stop", "far"]).output().unwrap().status.success());
    assert_eq!(json(&trainer.line())["type"], "stop");
    // It goes on: it was asked, and that is all that can be done.
    let ignored = ["trial=\"far\"", "rule=\"manual\"", "outcome=\"ignored\""];
    wait_for("it is counted", LONG, || (stage.metric("trial_stops_total", &ignored) == Some(1.0)).then_some(()));
    stage.wait_state("far", "running");
    assert!(!trainer.has_ended(), "no signal was sent for it");
    assert!(stage.command(&["stop", "far"]).output().unwrap().status.success());
    assert_eq!(json(&trainer.line())["type"], "stop");
    stage.wait_state("far", "stopped");
    assert!(!trainer.has_ended());
    assert_eq!(stage.metric("earlystop_signals_total", &["signal=\"SIGKILL\"", "result=\"sent\""]), Some(0.0));
}

#[test]
fn a_trainer_in_a_pid_namespace_below_is_seen_and_stopped() {
    let stage = Stage::new(CAP);
    let body = speaking("say(type='hello', v=1, trial='inner')\nprint(json.dumps(hear()))\ngrow()\nwait()");
    let mut command = Command::new(APART[0]);
    command.args(&APART[1..]).args(["python3", "-S", "-u", "-c", &body]).stdin(Stdio::null());
    command.env("FOLDER", stage.path("")).env("EARLYSTOP_SOCKET", stage.socket());
    if !Command::new(APART[0]).args(&APART[1..]).arg("true").output().is_ok_and(|output| output.status.success()) {
        return skip("a_trainer_in_a_pid_namespace_below_is_seen_and_stopped: it takes root and unshare");
    }
    let trainer = Trainer::start(&mut command);
    assert_eq!(json(trainer.first())["visible"], true);
    // It is the init of its namespace: the kernel keeps SIGTERM from it, which it does not handle.
    let row = stage.wait_state("inner", "stopped");
    assert_eq!((&row["exit"]["cause"], &row["stop"]["rule"]), (&"rule".into(), &"cap".into()));
    let killed = ["trial=\"inner\"", "rule=\"cap\"", "outcome=\"killed\""];
    wait_for("it is counted", LONG, || (stage.metric("trial_stops_total", &killed) == Some(1.0)).then_some(()));
}

/// Somebody else than root.
const NOBODY: u32 = 65534;

#[test]
fn the_group_of_the_socket_may_use_it_and_nobody_else() {
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let group = groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|g| g.len() > 2 && g[0] == "games");
    let (Some(group), true) = (group, nix::unistd::geteuid().is_root()) else {
        return skip("the_group_of_the_socket_may_use_it_and_nobody_else: it takes root and the group games");
    };
    let number: u32 = group[2].parse().unwrap();
    let stage = Stage::configured("group = \"games\"\n", HASTY);
    std::fs::set_permissions(stage.path(""), PermissionsExt::from_mode(0o755)).unwrap();
    let socket = std::fs::metadata(stage.socket()).unwrap();
    assert_eq!((socket.mode() & 0o777, socket.gid(), socket.uid()), (0o660, number, 0));
    let runtime = std::fs::metadata(stage.socket().parent().unwrap()).unwrap();
    assert_eq!((runtime.mode() & 0o777, runtime.gid()), (0o710, number), "to be passed, not to be read or written");
    // It becomes somebody else when it has loaded what it needs.
    let guest = |groups: &str, trial: &str| {
        stage.python(&script(&format!(
            "import json, socket
os.setgroups({groups})
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
{SPEAKER}
say(type='hello', v=1, trial='{trial}')
print(json.dumps(hear()))
wait()"
        )))
    };
    let (code, said) = guest("[]", "stranger").end();
    assert!(code == Some(1) && said.contains("PermissionError"), "{code:?} {said}");
    let mut member = guest(&format!("[{number}]"), "member");
    assert_eq!(json(member.first())["visible"], true);
    let row = stage.wait_state("member", "running");
    assert_eq!(row["uid"], NOBODY);
    assert!(stage.command(&["stop", "member", "--now"]).output().unwrap().status.success());
    stage.wait_state("member", "stopped");
    wait_for("it is killed on behalf of its owner", LONG, || member.has_ended().then_some(()));
}

#[test]
fn who_sleeps_uninterruptibly_is_pending_until_it_ends() {
    let Some(mut disk) = Awkward::mount(&[]) else {
        return skip(
            "who_sleeps_uninterruptibly_is_pending_until_it_ends: a file system of one's own takes root and FUSE",
        );
    };
    let stage = Stage::new(CAP);
    let hangs = disk.path().join("hang").display().to_string();
    let body = script(&format!(
        "if os.fork() == 0:
    note('pid', str(os.getpid()))
    os.stat('{hangs}')
    os._exit(0)
while not os.path.exists(folder + '/pid'): time.sleep(0.01)
print('ready')
grow()
wait()"
    ));
    let mut trainer = stage.run("stuck", &body);
    assert_eq!(disk.line(), "hanging");
    let failed = ["trial=\"stuck\"", "rule=\"cap\"", "outcome=\"failed\""];
    wait_for("it is said that it failed", LONG, || {
        (stage.metric("trial_stops_total", &failed) == Some(1.0)).then_some(())
    });
    let child: i32 = stage.lines("pid")[0].parse().unwrap();
    let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap();
    assert_eq!(state.rsplit(") ").next().unwrap().chars().next(), Some('D'), "{state}");
    assert_eq!(stage.row("stuck").unwrap()["state"], "stopping");
    assert!(stage.log().contains("1 of its processes still live after SIGKILL (1 of them in uninterruptible sleep)"));
    // It stays so, tick after tick, is counted once, and its run waits for it.
    let evaluated = || stage.metric("earlystop_sample_duration_seconds_count", &[]).unwrap();
    let before = evaluated();
    wait_for("more ticks", LONG, || (evaluated() > before + 10.0).then_some(()));
    assert_eq!(stage.row("stuck").unwrap()["state"], "stopping");
    assert_eq!(stage.metric("trial_stops_total", &failed), Some(1.0));
    assert!(!trainer.has_ended(), "run waits until the stop is over");
    disk.release();
    let row = stage.wait_state("stuck", "stopped");
    assert_eq!(row["exit"]["cause"], "rule");
    assert!(!lives(child));
    assert_eq!(trainer.end().0, Some(128 + 15));
    assert_eq!(stage.metric("trial_stops_total", &failed), Some(1.0));
    let all = stage.metrics();
    let counted = |line: &&str| line.starts_with("trial_stops_total{trial=\"stuck\"");
    assert_eq!(all.lines().filter(counted).count(), 1, "one stop, one outcome");
}

/// The journal, the lock and the files of counters and intents on a disk that is awkward in this way.
fn a_life_on(how: &[&str], name: &str) {
    let Some(disk) = Awkward::mount(how) else {
        return skip(&format!("{name}: a file system of one's own takes root and FUSE"));
    };
    let mut stage = Stage::on(&disk, CAP);
    assert_eq!(stage.metric("earlystop_journal_up", &[]), Some(1.0), "{}", stage.log());
    let mut lives_on = stage.python(&speaking("say(type='hello', v=1, trial='calm')\nprint(hear()['type'])\nwait()"));
    let hog = stage.run("hog", &script("signal.signal(15, noting('term', True))\nprint('ready')\ngrow()\nwait()"));
    assert_eq!(hog.end().0, Some(9));
    stage.wait_state("hog", "stopped");
    // A second daemon is told who has it.
    let folder = tempfile::tempdir().unwrap();
    let state = disk.path().display().to_string();
    let mut second = stage.command(&["daemon", "--listen", "127.0.0.1:0", "--state", &state]);
    let second = second.env("XDG_RUNTIME_DIR", folder.path()).output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("another daemon writes this journal (pid {}, since 20", stage.pid())), "{said}");
    // A reader, too.
    let host = std::fs::read_dir(disk.path()).unwrap().next().unwrap().unwrap().path();
    let journal = host.join("journal.sqlite");
    let refused = earlystop::journal::Reader::open(&journal).unwrap_err().to_string();
    assert!(refused.contains(&format!("a daemon writes this journal (pid {}, since 20", stage.pid())), "{refused}");
    // What was written is there after a SIGKILL. The second batch from now on is behind all that was seen so far.
    let records = || stage.metric("earlystop_journal_records_total", &[]).unwrap();
    for _ in 0..2 {
        let before = records();
        wait_for("a batch is written", LONG, || (records() > before).then_some(()));
    }
    let lock = std::fs::metadata(host.join("journal.sqlite.lock")).unwrap();
    let name = format!("@earlystop-journal-{:x}-{:x}\n", lock.dev(), lock.ino());
    let is_held = || std::fs::read_to_string("/proc/net/unix").unwrap().contains(&name);
    assert!(is_held(), "a name stands for the lock");
    stage.kill();
    let inputs = wait_for("the dead daemon's lock is gone", LONG, || earlystop::journal::Reader::open(&journal).ok());
    assert!(inputs.collect::<Result<Vec<_>, _>>().expect("a sound journal").len() > 3);
    // A child that another test has just forked holds a copy of the reader's lock until it runs its program.
    wait_for("the reader's lock is gone", LONG, || (!is_held()).then_some(()));
    stage.start();
    assert_eq!(stage.wait_state("calm", "running")["attempt"], 1);
    assert_eq!(stage.wait_state("hog", "stopped")["stop"]["rule"], "cap");
    lives_on.kill();
}

#[test]
fn a_disk_without_locks_and_shared_mappings_keeps_a_journal() {
    a_life_on(&[], "a_disk_without_locks_and_shared_mappings_keeps_a_journal");
}

#[test]
fn a_disk_without_locks_keeps_counters_and_intents_too() {
    a_life_on(&["mapped"], "a_disk_without_locks_keeps_counters_and_intents_too");
}
