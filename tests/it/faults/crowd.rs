//! Many trials at once, each a process of its own.

use super::bystander::Bystander;
use super::{LONG, speaking};
use crate::stage::{Stage, lives};
use crate::support::wait_for;

#[test]
fn one_of_many_is_stopped_and_no_other() {
    let stage = Stage::new("");
    let bystander = Bystander::new(&stage);
    let body = "import resource
parent = os.getpid()
for i in range(200):
    if os.fork() == 0:
        link.close()
        link = socket.socket(socket.AF_UNIX)
        link.connect(os.environ['EARLYSTOP_SOCKET'])
        lines = link.makefile('r')
        signal.signal(15, noting('term', True))
        say(type='hello', v=1, trial='t%d' % i)
        note('welcome', '%d %d %s' % (i, os.getpid(), hear()['trial']))
        say(type='step', step=i + 1)
        while os.getppid() == parent: time.sleep(0.2)
        os._exit(0)
print('ready', flush=True)
wait()";
    let trainers = stage.python(&speaking(body));
    let welcome = wait_for("all are welcome", LONG, || Some(stage.lines("welcome")).filter(|lines| lines.len() == 200));
    let pids: Vec<i32> = welcome.iter().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    assert!(welcome.iter().all(|line| line.ends_with(&format!(" t{}", line.split(' ').next().unwrap()))));
    wait_for("each has its memory read", LONG, || {
        let text = stage.metrics();
        let read = text.lines().filter(|line| line.starts_with("trial_memory_bytes{")).count();
        (read == 200).then_some(())
    });
    assert!(stage.command(&["stop", "t77", "--now"]).output().unwrap().status.success());
    stage.wait_state("t77", "stopped");
    let gone = welcome.iter().find(|line| line.starts_with("77 ")).unwrap().split(' ').nth(1).unwrap().to_string();
    assert_eq!(stage.lines("term"), [format!("{gone} 15")], "it got SIGTERM once, and no other got any");
    let living = pids.iter().filter(|pid| lives(**pid)).count();
    assert_eq!(living, 199);
    assert_eq!(stage.list().iter().filter(|row| row["state"] == "running").count(), 199);
    bystander.stays_untouched(&stage);
    drop(trainers);
    wait_for("all are over", LONG, || stage.list().iter().all(|row| !row["ended"].is_null()).then_some(()));
}
