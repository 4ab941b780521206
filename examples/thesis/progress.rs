//! A line on standard error that tells how far something is, and how long it will still take.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// On a terminal the line is drawn anew so often; elsewhere a line is written now and then.
const REDRAW: Duration = Duration::from_millis(100);
const SELDOM: Duration = Duration::from_secs(15);

/// Characters of the bar.
const WIDTH: usize = 24;

/// How counts are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As they are.
    Count,
    /// As MiB.
    Bytes,
}

/// A bar under way.
#[derive(Debug)]
pub struct Progress {
    what: String,
    unit: Unit,
    total: Option<u64>,
    /// What was there before this run; it says nothing about the pace.
    before: u64,
    start: Instant,
    drawn: Option<Instant>,
    on_terminal: bool,
}

impl Progress {
    /// Begins; `before` of the `total` are done already.
    pub fn new(what: impl Into<String>, unit: Unit, before: u64, total: Option<u64>) -> Progress {
        let on_terminal = io::stderr().is_terminal();
        Progress { what: what.into(), unit, total, before, start: Instant::now(), drawn: None, on_terminal }
    }

    /// Says how much is done, and something more.
    pub fn show(&mut self, done: u64, more: &str) {
        let pause = if self.on_terminal { REDRAW } else { SELDOM };
        let last = self.drawn.unwrap_or(self.start);
        if last.elapsed() < pause {
            return;
        }
        self.drawn = Some(Instant::now());
        let line = self.line(done, self.start.elapsed(), more);
        let mut out = io::stderr().lock();
        // Whoever cannot be shown how far it is has to do without.
        let _ = if self.on_terminal { write!(out, "\r\x1b[K{line}") } else { writeln!(out, "{line}") };
        let _ = out.flush();
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if self.on_terminal && self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    fn line(&self, done: u64, elapsed: Duration, more: &str) -> String {
        let Some(total) = self.total.filter(|total| *total > 0) else {
            return format!("{} {}{more}", self.what, self.amount(done));
        };
        let share = (done as f64 / total as f64).min(1.0);
        let full = (share * WIDTH as f64) as usize;
        let bar: String = (0..WIDTH).map(|place| if place < full { '#' } else { '.' }).collect();
        let left = self.left(done, total, elapsed).map(|left| format!(", {left} left")).unwrap_or_default();
        format!("{} [{bar}] {} of {}{left}{more}", self.what, self.amount(done), self.amount(total))
    }

    fn left(&self, done: u64, total: u64, elapsed: Duration) -> Option<String> {
        let pace = done.checked_sub(self.before).filter(|fresh| *fresh > 0)? as f64 / elapsed.as_secs_f64().max(1e-9);
        Some(duration(total.saturating_sub(done) as f64 / pace))
    }

    fn amount(&self, count: u64) -> String {
        match self.unit {
            Unit::Count => count.to_string(),
            Unit::Bytes => format!("{:.1} MiB", count as f64 / 1_048_576.0),
        }
    }
}

/// So many seconds, in the largest unit that still tells something.
pub fn duration(seconds: f64) -> String {
    // A cast of a float ends at the largest number.
    match seconds.round() as u64 {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_does_not_make_the_pace() {
        let progress = Progress::new("trials", Unit::Count, 500, Some(1000));
        let line = progress.line(600, Duration::from_secs(10), ", 2 failed");
        assert_eq!(line, "trials [##############..........] 600 of 1000, 40 s left, 2 failed");
        assert_eq!(progress.line(500, Duration::from_secs(10), ""), "trials [############............] 500 of 1000");
    }

    #[test]
    fn without_a_total_only_the_amount_is_told() {
        let progress = Progress::new("a.arff", Unit::Bytes, 0, None);
        assert_eq!(progress.line(3 << 20, Duration::from_secs(1), ""), "a.arff 3.0 MiB");
    }
}
