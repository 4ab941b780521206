//! Finds new processes without reading all of `/proc`.
//!
//! The kernel gives numbers in turn, and the last field of `/proc/loadavg` is the last one given in our pid namespace
//! (threads take numbers too): only the numbers between two looks can be new. Where that cannot be relied on, all of
//! `/proc` is read.

use std::sync::Arc;

use crate::model::SECOND;
use crate::sys::text;
use crate::sys::tree::ProcTree;

/// Below this, numbers could go round between two ticks at the rate a few cores can fork (about 20,000 a second each).
const SMALL_PID_MAX: u64 = 8192;
/// The safety net: numbers can be chosen by hand (clone3's set_tid, as CRIU does), and a race may hide one from us.
const NET_NS: u64 = 60 * SECOND;

/// So many numbers are looked at again at most.
const MOST_AGAIN: usize = 256;

/// Where to look for new processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// At these numbers: most are threads, gone or known.
    Numbers(Vec<u32>),
    /// Everywhere.
    All,
}

/// Remembers how far the numbers had gone.
pub struct Census {
    tree: Arc<ProcTree>,
    trusted: bool,
    pid_max: u64,
    last: Option<u32>,
    forks: Option<u64>,
    again: Vec<u32>,
    looked_again: Vec<u32>,
    all_at_ns: u64,
}

impl Census {
    /// A census of a tree. Finds out whether `/proc/loadavg` can be believed.
    pub fn new(tree: Arc<ProcTree>) -> Census {
        let trusted = tree.is_real() && last_number_is_true(&tree);
        Census {
            tree,
            trusted,
            pid_max: 0,
            last: None,
            forks: None,
            again: Vec::new(),
            looked_again: Vec::new(),
            all_at_ns: 0,
        }
    }

    /// Where to look now, at `now_ns` on the boot clock.
    pub fn look(&mut self, now_ns: u64) -> Where {
        if !self.trusted {
            return Where::All;
        }
        let before = self.last;
        let Some((tasks, last)) = self.tree.read_host("loadavg").ok().and_then(|t| text::loadavg(&t)) else {
            return Where::All;
        };
        self.last = Some(last);
        if before.is_none() || now_ns.saturating_sub(self.all_at_ns) >= NET_NS {
            self.pid_max = pid_max(&self.tree);
        }
        let small = self.pid_max < SMALL_PID_MAX;
        let Some(before) = before.filter(|_| !small && now_ns.saturating_sub(self.all_at_ns) < NET_NS) else {
            return self.all(now_ns);
        };
        if before == last && self.again.is_empty() {
            self.looked_again.clear();
            return Where::Numbers(Vec::new());
        }
        let between = (last as u64 + self.pid_max - before as u64) % self.pid_max;
        // One number costs a microsecond, one process of a full reading ten.
        if between > (tasks as u64 * 4).max(1024) || self.went_round() {
            return self.all(now_ns);
        }
        self.looked_again = std::mem::take(&mut self.again);
        let mut numbers = self.looked_again.clone();
        match before <= last {
            true => numbers.extend(before + 1..=last),
            false => numbers.extend((before + 1..self.pid_max as u32).chain(1..=last)),
        }
        Where::Numbers(numbers)
    }

    /// Numbers that were given but stand for nobody yet (or no longer): each is looked at once more next time.
    pub fn not_yet_born(&mut self, mut numbers: Vec<u32>) {
        numbers.retain(|n| !self.looked_again.contains(n));
        // Of a flood only the newest can still be about to be born.
        self.again = numbers.split_off(numbers.len().saturating_sub(MOST_AGAIN));
    }

    /// Asks for a full reading next time.
    pub fn forget(&mut self) {
        self.all_at_ns = 0;
        self.last = None;
    }

    fn all(&mut self, now_ns: u64) -> Where {
        self.all_at_ns = now_ns;
        self.again.clear();
        self.looked_again.clear();
        self.forks = forks(&self.tree);
        Where::All
    }

    /// Whether so many forks happened (on the whole host: an upper bound) that the numbers may have gone round.
    fn went_round(&mut self) -> bool {
        let now = forks(&self.tree);
        let before = std::mem::replace(&mut self.forks, now);
        !matches!((before, now), (Some(a), Some(b)) if b.saturating_sub(a) < self.pid_max / 2)
    }
}

fn pid_max(tree: &ProcTree) -> u64 {
    tree.read_host("sys/kernel/pid_max").ok().and_then(|t| text::number(&t)).unwrap_or(0)
}

fn forks(tree: &ProcTree) -> Option<u64> {
    let stat = tree.read_host("stat").ok()?;
    stat.split(|b| *b == b'\n').find_map(|l| l.strip_prefix(b"processes ")).and_then(text::number)
}

/// Whether the last field of loadavg moves as numbers are given: a thread of ours must get one between two readings.
/// In a container a made-up loadavg (lxcfs) or a `/proc` of another namespace fails here.
fn last_number_is_true(tree: &ProcTree) -> bool {
    let last = || tree.read_host("loadavg").ok().and_then(|t| text::loadavg(&t)).map(|(_, last)| u64::from(last));
    let round = pid_max(tree);
    let Some(before) = last().filter(|_| round > 1) else { return false };
    let thread = std::thread::Builder::new().name("probe".into()).spawn(|| nix::unistd::gettid().as_raw() as u64);
    let Some(tid) = thread.ok().and_then(|t| t.join().ok()) else { return false };
    let Some(after) = last() else { return false };
    let from_before = |n: u64| (n + round - before % round) % round;
    from_before(tid) > 0 && from_before(tid) <= from_before(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_new_process_is_among_the_numbers() {
        let tree = Arc::new(ProcTree::default());
        let mut census = Census::new(tree.clone());
        if pid_max(&tree) < SMALL_PID_MAX || !census.trusted {
            assert_eq!(census.look(SECOND), Where::All);
            return;
        }
        assert_eq!(census.look(100 * SECOND), Where::All, "the first look takes all");
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep starts");
        let found = census.look(101 * SECOND);
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        match found {
            Where::Numbers(numbers) => assert!(numbers.contains(&child.id())),
            Where::All => {} // a busy machine
        }
        assert_eq!(census.look(200 * SECOND), Where::All, "the safety net");
    }

    #[test]
    fn numbers_that_went_round_are_noticed() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        };
        write("sys/kernel/pid_max", "32768\n");
        write("stat", "cpu 1\nprocesses 1000\n");
        write("loadavg", "0.0 0.0 0.0 1/200 32760\n");
        let tree = Arc::new(ProcTree::new(dir.path()));
        let mut census = Census::new(tree);
        assert_eq!(census.look(SECOND), Where::All, "a tree that is not real is never trusted");
        census.trusted = true;
        assert_eq!(census.look(100 * SECOND), Where::All);
        write("loadavg", "0.0 0.0 0.0 1/200 2\n");
        write("stat", "cpu 1\nprocesses 1010\n");
        let wanted: Vec<u32> = (32761..32768).chain(1..=2).collect();
        assert_eq!(census.look(101 * SECOND), Where::Numbers(wanted));
        assert_eq!(census.look(102 * SECOND), Where::Numbers(vec![]));
        census.not_yet_born(vec![2]);
        assert_eq!(census.look(103 * SECOND), Where::Numbers(vec![2]));
        census.not_yet_born(vec![2]);
        assert_eq!(census.look(103 * SECOND), Where::Numbers(vec![]), "twice is enough");
        write("loadavg", "0.0 0.0 0.0 1/200 3\n");
        write("stat", "cpu 1\nprocesses 40000\n");
        assert_eq!(census.look(104 * SECOND), Where::All, "more forks than numbers");
        write("sys/kernel/pid_max", "301\n");
        assert_eq!(census.look(200 * SECOND), Where::All);
        assert_eq!(census.look(201 * SECOND), Where::All, "few numbers: always all");
    }
}
