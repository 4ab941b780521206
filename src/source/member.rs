//! One watched process: kept files and last readings.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use super::totals::{Rising, Totals, split};
use crate::model::{Memory, Pair, ProcSample, SourceName};
use crate::sys::process::Proc;
use crate::sys::text::{self, Stat, Status};
use crate::sys::tree::{ProcTree, is_gone, read_at_start};
use crate::sys::{clock, limits};

/// What a look at a process showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It lives; its memory may or may not have been readable.
    Alive,
    /// It has ended and waits to be reaped.
    Zombie,
    /// Nothing is left of it.
    Gone,
}

/// How to read: where, in which units, and what failed on the way.
pub struct Lens {
    /// The `/proc` that is read.
    pub tree: Arc<ProcTree>,
    page: u64,
    tick_ns: u64,
    /// Files are kept open only with descriptors below this one; the rest is for pidfds and for everybody else.
    keep_below: i32,
    up: [Option<bool>; SourceName::ALL.len()],
    up_before: [Option<bool>; SourceName::ALL.len()],
}

impl Lens {
    /// A lens on a tree. Some of the descriptors that may be kept are left to pidfds alone.
    pub fn new(tree: Arc<ProcTree>) -> Lens {
        Lens {
            tree,
            page: rustix::param::page_size() as u64,
            tick_ns: 1_000_000_000 / clock::ticks_per_second(),
            keep_below: limits::keep_below() / 8 * 7,
            up: [None; SourceName::ALL.len()],
            up_before: [None; SourceName::ALL.len()],
        }
    }

    /// Notes whether a source could be read; one failure in a pass is a failure.
    pub fn note(&mut self, source: SourceName, up: bool) {
        let slot = &mut self.up[source as usize];
        *slot = Some(slot.unwrap_or(true) && up);
    }

    /// Sources that were ever asked for, and whether all their readings worked in the last pass that asked.
    pub fn take_up(&mut self) -> Vec<(SourceName, bool)> {
        for (before, now) in self.up_before.iter_mut().zip(std::mem::take(&mut self.up)) {
            *before = now.or(*before);
        }
        SourceName::ALL.into_iter().filter_map(|s| self.up_before[s as usize].map(|ok| (s, ok))).collect()
    }

    fn memory(&self, (resident, shared): (u64, u64)) -> Memory {
        Memory { resident: resident * self.page, shared: shared * self.page }
    }
}

/// A watched process. Its last figures stay with it until it is reaped.
pub struct Member {
    /// Who.
    pub proc: Arc<Proc>,
    /// Which tree counts it.
    pub tree: u32,
    /// Its parent's number, as of the last `stat`.
    pub ppid: u32,
    /// Memory at the last look, if it could be read.
    pub memory: Option<Memory>,
    /// Swapped out, bytes.
    pub swap: Option<u64>,
    /// Threads.
    pub threads: u32,
    /// Whether it has ended and waits to be reaped: its counters still count, the rest does not.
    pub zombie: bool,
    comm: Arc<str>,
    /// What its waited-for children have brought it, as they were reaped in this tick and the one before: their own
    /// last figures must not be counted a second time.
    pub credit: [Totals; 2],
    has_io: bool,
    has_switches: bool,
    own_ns: u64,
    ticks: (u64, u64),
    waited: (u64, u64),
    faults: u64,
    io: Pair<u64>,
    switches: [Rising; 2],
    switched: Pair<u64>,
    statm: Option<File>,
    looked_at_ns: Option<u64>,
    passed_over: u8,
}

impl Member {
    /// A process just found, with the `stat` that was read when it was opened.
    pub fn new(lens: &mut Lens, proc: Arc<Proc>, tree: u32, stat: &Stat) -> Member {
        let statm = lens.tree.is_real().then(|| lens.tree.open(proc.key.pid, "statm").ok()).flatten();
        // Opened by number: the number must still be this process's, else the file is another's.
        let statm = statm.filter(|f| f.as_raw_fd() < lens.keep_below && !proc.is_reaped());
        let mut member = Member {
            tree,
            ppid: stat.ppid,
            memory: None,
            swap: None,
            threads: stat.threads,
            zombie: false,
            comm: proc.comm.clone(),
            proc,
            credit: [Totals::default(); 2],
            has_io: false,
            has_switches: false,
            own_ns: 0,
            ticks: (0, 0),
            waited: (0, 0),
            faults: 0,
            io: Pair::default(),
            switches: [Rising::default(); 2],
            switched: Pair::default(),
            statm,
            looked_at_ns: None,
            passed_over: 0,
        };
        member.take_stat(lens, stat);
        member.credit = [Totals::default(); 2];
        member
    }

    /// Gives up the kept file: descriptors are short.
    pub fn drop_file(&mut self) -> bool {
        self.statm.take().is_some()
    }

    /// The cheap look of every tick: CPU clock and `statm`.
    pub fn look(&mut self, lens: &mut Lens) -> Seen {
        if self.zombie {
            return if self.proc.is_reaped() { Seen::Gone } else { Seen::Zombie };
        }
        // First the clock, which goes by number, then the file, which goes by process: if the file answers, the number
        // was this process's when the clock was read.
        let cpu = if lens.tree.is_real() { clock::cpu_ns(self.proc.key.pid) } else { None };
        let mut buffer = [0; 128];
        match self.read_statm(lens, &mut buffer) {
            Ok((0, 0)) => self.without_memory(lens, cpu),
            Ok(pages) => {
                self.own_ns = self.own_ns.max(cpu.unwrap_or(0));
                self.memory = Some(lens.memory(pages));
                lens.note(SourceName::Processes, true);
                Seen::Alive
            }
            Err(e) if is_gone(&e) => Seen::Gone,
            Err(_) => {
                self.memory = None;
                lens.note(SourceName::Processes, false);
                if self.proc.is_reaped() { Seen::Gone } else { Seen::Alive }
            }
        }
    }

    fn read_statm(&self, lens: &Lens, buffer: &mut [u8]) -> io::Result<(u64, u64)> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        if let Some(file) = &self.statm {
            return text::statm(read_at_start(file, buffer)?).ok_or_else(invalid);
        }
        let pages = text::statm(&lens.tree.read(self.proc.key.pid, "statm")?).ok_or_else(invalid)?;
        // Read by number: whose it was is asked afterwards.
        match self.proc.pidfd.is_some() {
            true if self.proc.is_reaped() => Err(io::ErrorKind::NotFound.into()),
            true => Ok(pages),
            false => self.proc.stat().map(|_| pages),
        }
    }

    /// No pages at all: ended, about to end, or the main thread left while others go on.
    fn without_memory(&mut self, lens: &mut Lens, cpu: Option<u64>) -> Seen {
        let stat = match self.proc.stat() {
            Ok(stat) => stat,
            Err(e) if is_gone(&e) => return Seen::Gone,
            Err(_) => {
                lens.note(SourceName::Processes, false);
                self.memory = None;
                return Seen::Alive;
            }
        };
        self.own_ns = self.own_ns.max(cpu.unwrap_or(0));
        if stat.is_dead() {
            self.zombie = true;
            self.memory = None;
            self.study(lens);
            self.statm = None;
            return Seen::Zombie;
        }
        self.memory = Some(self.of_another_thread(lens).unwrap_or_default());
        Seen::Alive
    }

    fn of_another_thread(&self, lens: &Lens) -> Option<Memory> {
        let pid = self.proc.key.pid;
        let threads = lens.tree.threads(pid).ok()?;
        let pages = threads.iter().filter(|t| **t != pid).find_map(|t| {
            let read = lens.tree.read(pid, &format!("task/{t}/statm")).ok()?;
            text::statm(&read).filter(|pages| *pages != (0, 0))
        });
        pages.filter(|_| !self.proc.is_reaped()).map(|pages| lens.memory(pages))
    }

    /// Whether the dear files are worth reading when it is this process's turn: always at first and when it has run
    /// since; a sleeper has nothing new to tell and is passed over seven times of eight.
    pub fn is_due(&mut self) -> bool {
        let sleeps = self.looked_at_ns == Some(self.own_ns) && self.passed_over < 7;
        self.passed_over = if sleeps { self.passed_over + 1 } else { 0 };
        !sleeps
    }

    /// Whether the dear files have never been read.
    pub fn is_new(&self) -> bool {
        self.looked_at_ns.is_none()
    }

    /// Reads the dear files.
    pub fn study(&mut self, lens: &mut Lens) {
        self.read_stat(lens);
        self.read_io(lens);
        self.read_status(lens);
        self.looked_at_ns = Some(self.own_ns);
    }

    /// Reads `stat` alone.
    pub fn read_stat(&mut self, lens: &mut Lens) {
        match self.proc.stat() {
            Ok(stat) => {
                self.take_stat(lens, &stat);
                lens.note(SourceName::Processes, true);
            }
            Err(e) if is_gone(&e) => {}
            Err(_) => lens.note(SourceName::Processes, false),
        }
    }

    fn take_stat(&mut self, lens: &Lens, stat: &Stat) {
        let waited = (stat.cutime.max(self.waited.0), stat.cstime.max(self.waited.1));
        self.credit[0].user_ns += (waited.0 - self.waited.0) * lens.tick_ns;
        self.credit[0].system_ns += (waited.1 - self.waited.1) * lens.tick_ns;
        self.waited = waited;
        self.ticks = (stat.utime, stat.stime);
        // Where there is no clock (a test's tree), and never less than the ticks say.
        self.own_ns = self.own_ns.max((stat.utime + stat.stime) * lens.tick_ns);
        self.ppid = stat.ppid;
        self.threads = stat.threads;
        if *self.comm != *stat.comm {
            self.comm = stat.comm.as_str().into();
        }
        self.faults = self.faults.max(stat.major_faults);
    }

    fn read_io(&mut self, lens: &mut Lens) {
        let read = lens.tree.read(self.proc.key.pid, "io");
        let (read, written) = match read.as_deref().map(text::io) {
            Ok(Some(io)) if !self.proc.is_reaped() => io,
            Err(e) if !is_gone(e) => return lens.note(SourceName::Io, false),
            _ => return,
        };
        lens.note(SourceName::Io, true);
        // The kernel adds a waited-for child's bytes to its parent's.
        if self.has_io {
            self.credit[0].io.first += read.saturating_sub(self.io.first);
            self.credit[0].io.second += written.saturating_sub(self.io.second);
        }
        self.has_io = true;
        self.io = Pair { first: read.max(self.io.first), second: written.max(self.io.second) };
    }

    fn read_status(&mut self, lens: &mut Lens) {
        let pid = self.proc.key.pid;
        let status = match lens.tree.status(pid) {
            Ok(status) if !self.proc.is_reaped() => status,
            Err(e) if !is_gone(&e) => return lens.note(SourceName::Status, false),
            _ => return,
        };
        lens.note(SourceName::Status, true);
        self.swap = if self.zombie { None } else { status.swap };
        let Some(mut sum) = status.switches else { return };
        if self.threads > 1 {
            let others = lens.tree.threads(pid).unwrap_or_default();
            for thread in others.into_iter().filter(|t| *t != pid) {
                let read = lens.tree.read(pid, &format!("task/{thread}/status")).ok();
                if let Some((v, i)) = read.and_then(|text| Status::parse(&text)).and_then(|s| s.switches) {
                    sum = (sum.0 + v, sum.1 + i);
                }
            }
        }
        self.has_switches = true;
        self.switched = Pair { first: self.switches[0].read(sum.0), second: self.switches[1].read(sum.1) };
    }

    /// Proportional set size, bytes: dear, takes the process's memory lock.
    pub fn proportional(&self, lens: &mut Lens) -> Option<u64> {
        let text = lens.tree.read(self.proc.key.pid, "smaps_rollup");
        let pss = text.as_deref().ok().and_then(|text| {
            let line = text.split(|b| *b == b'\n').find_map(|l| l.strip_prefix(b"Pss:"))?;
            text::number(line.trim_ascii_start()).map(|kib| kib * 1024)
        });
        if !text.as_ref().is_err_and(is_gone) {
            lens.note(SourceName::Proportional, pss.is_some());
        }
        pss.filter(|_| !self.proc.is_reaped())
    }

    /// Whether `io` was ever readable.
    pub fn has_io(&self) -> bool {
        self.has_io
    }

    /// Whether context switches were ever readable.
    pub fn has_switches(&self) -> bool {
        self.has_switches
    }

    /// All it has used so far, and its waited-for children with it.
    pub fn used(&self, lens: &Lens) -> Totals {
        let (user, system) = split(self.own_ns, self.ticks.0, self.ticks.1);
        Totals {
            user_ns: user + self.waited.0 * lens.tick_ns,
            system_ns: system + self.waited.1 * lens.tick_ns,
            io: self.io,
            faults: self.faults,
            switches: self.switched,
        }
    }

    /// What the tick says of it.
    pub fn sample(&self) -> ProcSample {
        ProcSample {
            key: self.proc.key,
            memory: self.memory,
            cpu_seconds: self.own_ns as f64 / 1e9,
            comm: self.comm.clone(),
        }
    }
}
