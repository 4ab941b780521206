//! Roots that are gone, half gone, or dead and not yet buried, while others of their tree live.

use super::bystander::Bystander;
use super::{CAP, LONG, script, speaking};
use crate::stage::{Stage, lives};
use crate::support::wait_for;

/// A root that has ended and is not waited for; its child lives, in a session of its own.
#[test]
fn the_child_of_a_zombie_is_stopped() {
    let stage = Stage::new(CAP);
    let bystander = Bystander::new(&stage);
    let body = "if os.fork() == 0:
    os.setsid()
    signal.signal(15, noting('term', False))
    note('pid', str(os.getpid()))
    while not os.path.exists(folder + '/go'): time.sleep(0.01)
    grow()
    wait()
say(type='hello', v=1, trial='orphaned')
hear()
print(os.getpid())
while not os.path.exists(folder + '/leave'): time.sleep(0.01)";
    // Nobody waits for it before the end of this test.
    let mut root = stage.python(&speaking(body));
    let pid: i32 = root.first().parse().unwrap();
    let child: i32 = wait_for("the child is there", LONG, || stage.lines("pid").pop()).parse().unwrap();
    let processes = || stage.metric("trial_processes", &["trial=\"orphaned\""]);
    wait_for("both are seen", LONG, || (processes() == Some(2.0)).then_some(()));
    std::fs::write(stage.path("leave"), "").unwrap();
    wait_for("the root is a zombie", LONG, || (crate::run::state(pid) == Some('Z')).then_some(()));
    wait_for("one is left", LONG, || (processes() == Some(1.0)).then_some(()));
    assert_eq!(stage.row("orphaned").unwrap()["state"], "running", "somebody of it lives");
    std::fs::write(stage.path("go"), "").unwrap();
    stage.wait_state("orphaned", "stopped");
    wait_for("the child is gone", LONG, || (!lives(child)).then_some(()));
    assert_eq!(stage.lines("term"), [format!("{child} 15")], "it got SIGTERM once");
    assert!(root.has_ended());
    bystander.stays_untouched(&stage);
}

/// A zombie alone is nobody: its trial is over although nobody waited for it.
#[test]
fn a_zombie_alone_is_no_trial() {
    let stage = Stage::new(CAP);
    let body = "say(type='hello', v=1, trial='left')
hear()
print(os.getpid())";
    let root = stage.python(&speaking(body));
    let pid: i32 = root.first().parse().unwrap();
    let row = wait_for("it is over", LONG, || stage.row("left").filter(|row| !row["ended"].is_null()));
    assert_eq!(crate::run::state(pid), Some('Z'), "nobody has waited for it");
    assert_ne!(row["state"], "running");
    assert_eq!(stage.metric("trial_memory_bytes", &["trial=\"left\""]), None, "gone is not 0 bytes");
}

/// The main thread ends, another lives: the process reads as a zombie of 0 bytes there, and is none.
#[test]
fn a_process_without_its_main_thread_is_seen_and_stopped() {
    let stage = Stage::new(CAP);
    let bystander = Bystander::new(&stage);
    let body = "import ctypes, platform, threading
def other():
    while not os.path.exists(folder + '/go'): time.sleep(0.01)
    grow()
    wait()
threading.Thread(target=other).start()
print(os.getpid(), flush=True)
# The raw call ends this thread only.
ctypes.CDLL(None).syscall({'x86_64': 60, 'aarch64': 93}[platform.machine()], 0)";
    let trainer = stage.run("headless", &script(body));
    let pid: i32 = trainer.first().parse().unwrap();
    wait_for("its main thread is a zombie", LONG, || (crate::run::state(pid) == Some('Z')).then_some(()));
    let memory = || stage.metric("trial_memory_bytes", &["trial=\"headless\""]);
    wait_for("it still has memory", LONG, || memory().filter(|bytes| *bytes > 1e6));
    assert_eq!(stage.row("headless").unwrap()["state"], "running");
    std::fs::write(stage.path("go"), "").unwrap();
    let (code, said) = trainer.end();
    assert_eq!(code, Some(128 + 15), "{said}");
    assert!(said.contains("stopped headless by cap"), "{said}");
    bystander.stays_untouched(&stage);
}
