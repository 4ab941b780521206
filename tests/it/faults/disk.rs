//! A journal that cannot be written while a stop is due.

use std::time::{Duration, Instant};

use super::bystander::Bystander;
use super::{CAP, LONG, speaking};
use crate::stage::Stage;
use crate::support::{skip, wait_for};

/// The state folder is on a disk of 4 MiB, and that is full.
#[test]
fn a_full_disk_delays_no_stop() {
    let policy = CAP.replace("{ ask = true, wait = \"1s\", max = \"30s\" },", "");
    let Some(stage) = Stage::on_a_small_disk(&policy, "4m") else {
        return skip("a_full_disk_delays_no_stop: a small disk takes root and unshare");
    };
    let bystander = Bystander::new(&stage);
    let body = "signal.signal(15, lambda *_: (note('given', repr(time.monotonic())), os._exit(9)))
say(type='hello', v=1, trial='hog')
hear()
print('ready')
n = 0
while not os.path.exists(folder + '/go'):
    n += 1
    say(type='step', step=n, metrics={'m%d' % (n % 60): n})
    time.sleep(0.002)
note('grown', repr(time.monotonic()))
grow()
wait()";
    let mut trainer = stage.python(&speaking(body));
    wait_for("the journal works", LONG, || (stage.metric("earlystop_journal_up", &[]) == Some(1.0)).then_some(()));
    // The daemon's own view of its folder: the disk is in its mount namespace.
    stage.fill_disk();
    wait_for("the journal is down", LONG, || (stage.metric("earlystop_journal_up", &[]) == Some(0.0)).then_some(()));
    assert!(stage.metric("earlystop_journal_write_errors_total", &[]) > Some(0.0));
    std::fs::write(stage.path("go"), "").unwrap();
    let begin = Instant::now();
    stage.wait_state("hog", "stopped");
    wait_for("the hog is gone", LONG, || trainer.has_ended().then_some(()));
    let [grown, given] = ["grown", "given"].map(|name| stage.lines(name)[0].parse::<f64>().expect("a time"));
    // Two ticks of 50 ms and the growth itself; a loaded machine gets its due.
    assert!(given - grown < 3.0, "SIGTERM took {} s", given - grown);
    assert!(begin.elapsed() < Duration::from_secs(20));
    assert_eq!(stage.lines("given").len(), 1);
    bystander.stays_untouched(&stage);
}
