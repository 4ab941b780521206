//! The texts of `/proc`. Parsing only: every function takes bytes.

use crate::model::RunState;

/// What we use of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Command name, at most 15 bytes for programs; it may hold anything, `)` and line feeds included.
    pub comm: String,
    /// Field 3 as a letter.
    pub letter: u8,
    /// Parent's number, 0 when it is outside the pid namespace.
    pub ppid: u32,
    /// Major faults of the process itself.
    pub major_faults: u64,
    /// User CPU, clock ticks.
    pub utime: u64,
    /// System CPU, clock ticks.
    pub stime: u64,
    /// User CPU of children that were waited for, clock ticks.
    pub cutime: u64,
    /// System CPU of children that were waited for, clock ticks.
    pub cstime: u64,
    /// Threads.
    pub threads: u32,
    /// Start, clock ticks since boot.
    pub start: u64,
}

impl Stat {
    /// Reads one line; `None` if it is not what the kernel writes.
    pub fn parse(text: &[u8]) -> Option<Stat> {
        let open = text.iter().position(|b| *b == b'(')?;
        let close = text.iter().rposition(|b| *b == b')')?;
        let comm = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
        let mut fields = text.get(close + 2..)?.split(|b| *b == b' ');
        let letter = *fields.next()?.first()?;
        // The rest counts from field 4, so field n is at n - 4.
        let rest: Vec<&[u8]> = fields.take(19).collect();
        let at = |field: usize| number(rest.get(field - 4)?);
        Some(Stat {
            comm,
            letter,
            ppid: at(4)? as u32,
            major_faults: at(12)?,
            utime: at(14)?,
            stime: at(15)?,
            cutime: at(16).unwrap_or(0),
            cstime: at(17).unwrap_or(0),
            threads: at(20)? as u32,
            start: at(22)?,
        })
    }

    /// What the process does.
    pub fn state(&self) -> RunState {
        match self.letter {
            b'T' | b't' => RunState::Stopped,
            b'D' => RunState::Uninterruptible,
            b'Z' | b'X' | b'x' => RunState::Zombie,
            _ => RunState::Alive,
        }
    }

    /// Whether nothing of it runs any more: the main thread is a zombie and was the last one. A main thread that left
    /// by itself while others go on is no dead process.
    pub fn is_dead(&self) -> bool {
        self.state() == RunState::Zombie && self.threads <= 1
    }
}

/// Resident and shared pages of `/proc/PID/statm`; (0, 0) for a process without memory (zombie, kernel thread).
pub fn statm(text: &[u8]) -> Option<(u64, u64)> {
    let mut fields = text.split(|b| *b == b' ');
    fields.next()?;
    Some((number(fields.next()?)?, number(fields.next()?)?))
}

/// What we use of `/proc/PID/status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The process that the number belongs to; another one when the number is a thread's.
    pub tgid: u32,
    /// Real user.
    pub uid: u32,
    /// Swapped out, bytes.
    pub swap: Option<u64>,
    /// Voluntary and involuntary context switches of this one thread.
    pub switches: Option<(u64, u64)>,
}

impl Status {
    /// Reads the file; `None` without its `Tgid` and `Uid` lines.
    pub fn parse(text: &[u8]) -> Option<Status> {
        let (mut tgid, mut uid, mut swap, mut voluntary, mut involuntary) = (None, None, None, None, None);
        for line in text.split(|b| *b == b'\n') {
            let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
            let value = line[colon + 1..].trim_ascii();
            match &line[..colon] {
                b"Tgid" => tgid = number(value),
                b"Uid" => uid = number(value),
                b"VmSwap" => swap = number(value),
                b"voluntary_ctxt_switches" => voluntary = number(value),
                b"nonvoluntary_ctxt_switches" => involuntary = number(value),
                _ => {}
            }
        }
        Some(Status {
            tgid: tgid? as u32,
            uid: uid? as u32,
            swap: swap.map(|kib| kib * 1024),
            switches: voluntary.zip(involuntary),
        })
    }
}

/// Bytes read from and written to storage, of `/proc/PID/io`.
pub fn io(text: &[u8]) -> Option<(u64, u64)> {
    let line = |name: &[u8]| {
        text.split(|b| *b == b'\n').find_map(|l| l.strip_prefix(name)).and_then(|v| number(v.trim_ascii()))
    };
    Some((line(b"read_bytes:")?, line(b"write_bytes:")?))
}

/// Numbers of `/proc/PID/task/TID/children`.
pub fn children(text: &[u8]) -> impl Iterator<Item = u32> + '_ {
    text.split(|b| b.is_ascii_whitespace()).filter_map(number).map(|n| n as u32)
}

/// Tasks on the host and the last number given in the reader's pid namespace, of `/proc/loadavg`.
pub fn loadavg(text: &[u8]) -> Option<(u32, u32)> {
    let mut fields = text.trim_ascii_end().split(|b| *b == b' ').skip(3);
    let tasks = fields.next()?;
    let slash = tasks.iter().position(|b| *b == b'/')?;
    Some((number(&tasks[slash + 1..])? as u32, number(fields.next()?)? as u32))
}

/// The decimal number that `text` begins with; `None` when it begins otherwise.
pub fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    text[..digits].iter().try_fold(0u64, |n, b| n.checked_mul(10)?.checked_add(u64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_a_name_made_to_confuse() {
        let line = b"42 (a) R 1 (b\n) T 7 42 42 0 -1 4194560 100 5 3 2 11 12 13 14 20 0 9 0 555 1000 200 1 0\n";
        let stat = Stat::parse(line).expect("a whole line");
        assert_eq!(stat.comm, "a) R 1 (b\n");
        assert_eq!((stat.letter, stat.ppid, stat.start, stat.threads), (b'T', 7, 555, 9));
        assert_eq!((stat.utime, stat.stime, stat.cutime, stat.cstime), (11, 12, 13, 14));
        assert_eq!(stat.major_faults, 3);
        assert_eq!(stat.state(), RunState::Stopped);
        for cut in 0..60 {
            assert_eq!(Stat::parse(&line[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_main_thread_that_left_is_not_a_dead_process() {
        let line = |threads: u32| format!("4 (x) Z 1 4 4 0 -1 0 0 0 0 0 1 1 0 0 20 0 {threads} 0 9 0 0");
        assert!(!Stat::parse(line(2).as_bytes()).expect("whole").is_dead());
        assert!(Stat::parse(line(1).as_bytes()).expect("whole").is_dead());
    }

    #[test]
    fn the_small_files() {
        assert_eq!(statm(b"1000 300 200 1 0 50 0\n"), Some((300, 200)));
        assert_eq!(statm(b"0 0 0 0 0 0 0\n"), Some((0, 0)));
        assert_eq!(statm(b""), None);
        assert_eq!(io(b"rchar: 1\nwchar: 2\nread_bytes: 4096\nwrite_bytes: 8192\n"), Some((4096, 8192)));
        assert_eq!(io(b"rchar: 1\n"), None);
        assert_eq!(children(b"12 13 14 ").collect::<Vec<_>>(), [12, 13, 14]);
        assert_eq!(loadavg(b"0.79 0.35 0.17 1/111 8796\n"), Some((111, 8796)));
        assert_eq!(number(b"99999999999999999999999"), None);
        let status = b"Name:\tx\nTgid:\t7\nUid:\t1000\t0\t0\t0\nVmSwap:\t  12 kB\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n";
        let read = Status { tgid: 7, uid: 1000, swap: Some(12 * 1024), switches: Some((5, 6)) };
        assert_eq!(Status::parse(status), Some(read));
    }
}
