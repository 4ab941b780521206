//! Clocks. Only the edges read them; everything else is handed a [`Moment`].

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::model::{MILLI, Moment, SECOND};

fn nanoseconds(t: Timespec) -> u64 {
    t.tv_sec as u64 * SECOND + t.tv_nsec as u64
}

/// This instant on the boot clock, the monotonic clock and the wall clock.
pub fn now() -> Moment {
    let wall = clock_gettime(ClockId::Realtime);
    Moment {
        boot_ns: nanoseconds(clock_gettime(ClockId::Boottime)),
        mono_ns: nanoseconds(clock_gettime(ClockId::Monotonic)),
        wall_ms: wall.tv_sec * 1000 + wall.tv_nsec as i64 / MILLI as i64,
    }
}

/// This instant on the boot clock alone, nanoseconds.
pub fn boot_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Boottime))
}

/// This instant on the monotonic clock, which stands still while the machine sleeps, nanoseconds.
pub fn mono_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// CPU time (user and system) of a whole process, its ended threads included, nanoseconds; `None` when nobody has this
/// number. The kernel goes by number alone: believe it only after seeing that the process meant still lives.
pub fn cpu_ns(pid: u32) -> Option<u64> {
    // CPUCLOCK_SCHED (2) of the thread group `pid`, as clock_getcpuclockid(3) makes it: (~pid << 3) | 2.
    let id = (!(pid as libc::clockid_t) << 3) | 2;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for one timespec.
    let rc = unsafe { libc::clock_gettime(id, &mut time) };
    (rc == 0).then(|| time.tv_sec as u64 * SECOND + time.tv_nsec as u64)
}

/// Clock ticks of `/proc/PID/stat` in a second (100 on Linux as we know it).
pub fn ticks_per_second() -> u64 {
    // SAFETY: sysconf has no preconditions.
    (unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_run_forward_and_cpu_is_told_by_number() {
        let before = now();
        let first = cpu_ns(std::process::id()).expect("this process lives");
        let mut x = 0u64;
        while cpu_ns(std::process::id()).expect("this process lives") == first {
            x = std::hint::black_box(x + 1);
        }
        let after = now();
        assert!(after.boot_ns > before.boot_ns && after.mono_ns > before.mono_ns);
        assert!(before.wall_ms > 1_700_000_000_000);
        assert_eq!(cpu_ns(u32::MAX >> 4), None);
    }
}
