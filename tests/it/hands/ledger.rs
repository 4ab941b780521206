//! A ledger whose writer is killed at any moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use earlystop::journal::{Ledger, Machine};
use earlystop::model::{
    Ladder, ProcKey, RunId, Shot, Signal, SignalResult, Signalled, StopId, StopOutcome, StopRecord,
};

use super::{Mortal, again, child_folder};
use crate::support::wait_for;

const CHILD: &str = "hands::ledger::child_that_appends";
/// So many stops are open at a time.
const OPEN: u64 = 40;

/// The `n`th thing that the child does to its ledger: always the same for the same `n`.
fn act(ledger: &Ledger, n: u64) {
    let stop = StopId((n / 8).into());
    let run = RunId(stop.0 + 1);
    let record = |rung| StopRecord {
        id: stop,
        run,
        rule: "memory-cap".into(),
        reason: format!("the {n}th thing {}", "x".repeat((n % 300) as usize)),
        ladder: Arc::new(Ladder::gentle()),
        rung,
        rung_since_ns: n,
        rung_until_ns: n + 1,
    };
    let key = |pid| ProcKey { pid, start: n / 8, inode: 0 };
    let shot = |rung, pid, signal| Shot { stop, run, rung, key: key(pid), signal, wake: false, owner: 0 };
    match n % 8 {
        0 => ledger.record(&record(0)),
        1 => ledger.intend(&shot(0, 1, Signal::TERM)),
        2 => ledger.outcome(&Signalled { shot: shot(0, 1, Signal::TERM), result: SignalResult::Sent }),
        3 => ledger.record(&record(1)),
        4 => ledger.intend(&shot(1, 2, Signal::TERM)),
        5 => ledger.intend(&shot(1, 3, Signal::TERM)),
        6 => ledger.intend(&shot(1, 4, Signal::KILL)),
        _ => ledger.close(StopId((n / 8).saturating_sub(OPEN).into()), StopOutcome::Killed),
    }
}

/// A word shared with a process that may be killed.
fn shared_word(folder: &std::path::Path) -> memmap2::MmapMut {
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(folder.join("progress")).unwrap();
    file.set_len(8).unwrap();
    // SAFETY: both sides map the whole file and use it as one atomic word.
    unsafe { memmap2::MmapMut::map_mut(&file).unwrap() }
}

fn word(map: &mut memmap2::MmapMut) -> &AtomicU64 {
    // SAFETY: eight bytes, aligned to a page, for as long as the map lives.
    unsafe { AtomicU64::from_ptr(map.as_mut_ptr().cast()) }
}

#[test]
fn child_that_appends() {
    let Some(folder) = child_folder(CHILD) else { return };
    let (ledger, recovered) = Ledger::beside(&folder.join("journal.sqlite"), Machine::here());
    assert!(recovered.damage.is_none() && ledger.is_backed());
    let mut map = shared_word(&folder);
    let done = word(&mut map);
    // Whatever the last one was at may be done or not; doing it again changes nothing.
    for n in done.load(Ordering::SeqCst).. {
        act(&ledger, n);
        done.store(n + 1, Ordering::SeqCst);
    }
}

#[test]
fn killed_200_times_it_holds_all_that_was_said_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let mut map = shared_word(folder.path());
    let done = word(&mut map);
    let mut chance = 0x2545_F491_4F6C_DD1D_u64;
    for round in 0..200 {
        let before = done.load(Ordering::SeqCst);
        let mut child = Mortal::of(again(CHILD, folder.path()).stdout(std::process::Stdio::null()));
        wait_for("the child appends", Duration::from_secs(60), || (done.load(Ordering::SeqCst) > before).then_some(()));
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Chance is the point here: somewhere in the next 3 ms.
        let end = std::time::Instant::now() + Duration::from_micros((chance >> 33) % 3000);
        while std::time::Instant::now() < end {
            std::hint::spin_loop();
        }
        child.kill();
        let n = done.load(Ordering::SeqCst);
        let (_, recovered) = Ledger::beside(&path, Machine::here());
        assert_eq!(recovered.damage, None, "round {round}");
        let expected = |n: u64| {
            let model = Ledger::in_memory();
            (n.saturating_sub(8 * (OPEN + 3)) / 8 * 8..n).for_each(|i| act(&model, i));
            let open = model.open_stops();
            open.into_iter().filter(|o| o.record.id.0 + u128::from(OPEN) + 1 >= u128::from(n / 8)).collect::<Vec<_>>()
        };
        assert!(
            recovered.open == expected(n) || recovered.open == expected(n + 1),
            "round {round}, {n} done: {:#?}",
            recovered.open.last()
        );
    }
    assert!(
        done.load(Ordering::SeqCst) > 5_000,
        "too few for the files to take turns: {}",
        done.load(Ordering::SeqCst)
    );
}
