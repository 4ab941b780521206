//! Instants. Nothing here reads a clock: the edges do, and pass a [`Moment`] in.

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const MILLI: u64 = 1_000_000;

/// One instant, read from three clocks at once.
///
/// Durations are counted on the boot clock, which goes on while the machine sleeps; the other two are there to notice
/// that it slept (boot and monotonic part) or that somebody set the time (wall and boot part).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// CLOCK_BOOTTIME, nanoseconds.
    pub boot_ns: u64,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub mono_ns: u64,
    /// CLOCK_REALTIME, milliseconds since the Unix epoch.
    pub wall_ms: i64,
}

impl Moment {
    /// Nanoseconds on the boot clock from `earlier` to this moment, 0 if it is not earlier.
    pub fn since(self, earlier: Moment) -> u64 {
        self.boot_ns.saturating_sub(earlier.boot_ns)
    }

    /// Seconds on the boot clock from `earlier` to this moment.
    pub fn seconds_since(self, earlier: Moment) -> f64 {
        self.since(earlier) as f64 / SECOND as f64
    }

    /// Seconds since the Unix epoch.
    pub fn unix_seconds(self) -> f64 {
        self.wall_ms as f64 / 1000.0
    }

    /// The moment `ns` later, if every clock runs on evenly.
    pub fn plus(self, ns: u64) -> Moment {
        Moment { boot_ns: self.boot_ns + ns, mono_ns: self.mono_ns + ns, wall_ms: self.wall_ms + (ns / MILLI) as i64 }
    }
}
