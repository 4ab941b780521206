//! The daemon killed at any moment of a stop: it comes back, goes on, ends the stop, and gives no signal twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::bystander::Bystander;
use super::{LONG, speaking};
use crate::stage::{Stage, lives};
use crate::support::wait_for;

/// The loss decides, so that the test does; SIGTERM, then SIGINT, then SIGKILL.
const ON_CUE: &str = r#"
[[rule]]
name = "cue"
metric = "metrics.loss"
above = 5
ladder = "three"

[ladder.three]
rungs = [ { signal = "SIGTERM", wait = "400ms" }, { signal = "SIGINT", wait = "400ms" }, { signal = "SIGKILL" } ]

[guard]
enabled = false
"#;

/// A tree of `members` that note SIGTERM and SIGINT and stay; the loss is bad once FOLDER/go is there.
fn stubborn(members: usize) -> String {
    speaking(&format!(
        "for number in (2, 15): signal.signal(number, noting('given', False))
note('pids', str(os.getpid()))
for i in range({members} - 1):
    if os.fork() == 0:
        note('pids', str(os.getpid()))
        wait()
say(type='hello', v=1, trial='stubborn')
hear()
while len(open(folder + '/pids').read().split()) < {members}: time.sleep(0.01)
print('ready')
while not os.path.exists(folder + '/go'): time.sleep(0.001)
say(type='step', step=1, metrics={{'loss': 9.0}})
wait()"
    ))
}

fn pids(stage: &Stage) -> Vec<i32> {
    stage.lines("pids").iter().map(|pid| pid.parse().expect("a pid")).collect()
}

/// Nobody got a rung's signal twice.
fn nobody_got_it_twice(stage: &Stage) {
    let mut given: BTreeMap<String, usize> = BTreeMap::new();
    stage.lines("given").into_iter().for_each(|line| *given.entry(line).or_default() += 1);
    let twice: Vec<_> = given.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "given twice (pid, signal): {twice:?}");
}

fn everybody_is_gone(stage: &Stage) {
    let pids = pids(stage);
    wait_for("nobody of the tree lives", LONG, || pids.iter().all(|pid| !lives(*pid)).then_some(()));
}

/// From before the first rung's signal to after it: the moment differs by a millisecond or two from one to the next.
#[test]
fn a_daemon_killed_around_the_first_signal() {
    for round in 0..10u64 {
        let mut stage = Stage::new(ON_CUE);
        let bystander = Bystander::new(&stage);
        let mut root = stage.python(&stubborn(3));
        std::fs::write(stage.path("go"), "").unwrap();
        // Ticks are 50 ms apart: ten rounds spread over one and a half of them.
        let begin = Instant::now();
        let moment = Duration::from_millis(3 + 8 * round);
        wait_for("the moment", LONG, || (begin.elapsed() >= moment).then_some(()));
        stage.kill();
        stage.start();
        let row = stage.row("stubborn").expect("a trial is not forgotten");
        let id = row["stop"]["id"].clone();
        if id.is_null() {
            // The kill came before the stop, and the report with it: whoever wants it stopped says so again.
            let said = stage.command(&["stop", "stubborn", "--now"]).output().unwrap();
            assert!(said.status.success(), "{} of {row}", String::from_utf8_lossy(&said.stderr));
            // The ladder by hand waits for ten seconds; that one is not what is tested here.
            root.kill();
            pids(&stage).into_iter().skip(1).filter(|pid| lives(*pid)).for_each(super::kill_own);
        } else {
            let after = stage.wait_state("stubborn", "stopped");
            assert_eq!(after["stop"]["id"], id, "it is the same stop");
            let _ = root.has_ended();
        }
        everybody_is_gone(&stage);
        nobody_got_it_twice(&stage);
        bystander.stays_untouched(&stage);
    }
}

/// Again and again, all the way down.
#[test]
fn a_daemon_killed_again_and_again() {
    let mut stage = Stage::new(ON_CUE);
    let bystander = Bystander::new(&stage);
    let _root = stage.python(&stubborn(30));
    wait_for("all are seen", LONG, || (stage.metric("trial_processes", &[]) == Some(30.0)).then_some(()));
    std::fs::write(stage.path("go"), "").unwrap();
    let row = stage.wait_state("stubborn", "stopping");
    let mut lives_of_it = 0u64;
    while stage.row("stubborn").is_some_and(|row| row["state"] == "stopping") {
        stage.kill();
        stage.start();
        lives_of_it += 1;
        // Each life is a little longer than the one before: on a machine that has better to do one must be long enough.
        let (begin, life) = (Instant::now(), Duration::from_millis(60 + 20 * lives_of_it));
        wait_for("its time", LONG, || (begin.elapsed() >= life).then_some(()));
        assert!(lives_of_it < 100, "the stop does not end");
    }
    let after = stage.wait_state("stubborn", "stopped");
    assert_eq!(after["stop"]["id"], row["stop"]["id"]);
    assert!(lives_of_it >= 2, "it was killed on its way: {lives_of_it}");
    everybody_is_gone(&stage);
    nobody_got_it_twice(&stage);
    assert!(stage.lines("given").len() <= 60, "SIGTERM and SIGINT for each of thirty");
    bystander.stays_untouched(&stage);
}

/// While it gives SIGKILL to many.
#[test]
fn a_daemon_killed_while_it_kills() {
    let policy =
        ON_CUE.replace("{ signal = \"SIGTERM\", wait = \"400ms\" }, { signal = \"SIGINT\", wait = \"400ms\" }, ", "");
    let mut stage = Stage::new(&policy);
    let bystander = Bystander::new(&stage);
    let _root = stage.python(&stubborn(200));
    wait_for("all are seen", LONG, || (stage.metric("trial_processes", &[]) == Some(200.0)).then_some(()));
    let everybody = pids(&stage);
    std::fs::write(stage.path("go"), "").unwrap();
    wait_for("the first is gone", LONG, || everybody.iter().any(|pid| !lives(*pid)).then_some(()));
    stage.kill();
    stage.start();
    stage.wait_state("stubborn", "stopped");
    everybody_is_gone(&stage);
    nobody_got_it_twice(&stage);
    bystander.stays_untouched(&stage);
}
