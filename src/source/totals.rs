//! Counters of processes and trees, and sums of them that never fall.

use crate::model::Pair;

/// What a process, or a tree, has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// User CPU, nanoseconds.
    pub user_ns: u64,
    /// System CPU, nanoseconds.
    pub system_ns: u64,
    /// Bytes read from and written to storage.
    pub io: Pair<u64>,
    /// Major page faults.
    pub faults: u64,
    /// Context switches, voluntary and involuntary.
    pub switches: Pair<u64>,
}

impl Totals {
    /// User and system CPU together, nanoseconds.
    pub fn cpu_ns(self) -> u64 {
        self.user_ns + self.system_ns
    }

    /// Both together.
    pub fn plus(self, other: Totals) -> Totals {
        self.with(other, u64::saturating_add)
    }

    /// What this has more than `other`; 0 where it has less. CPU is compared as a whole and split as this one is: the
    /// kernel's own split of it is an estimate, so the parts alone would not cancel out.
    pub fn beyond(self, other: Totals) -> Totals {
        let rest = self.with(other, u64::saturating_sub);
        let whole = self.cpu_ns().saturating_sub(other.cpu_ns());
        let (user_ns, system_ns) = split(whole, self.user_ns, self.system_ns);
        Totals { user_ns, system_ns, ..rest }
    }

    /// What both have.
    pub fn shared(self, other: Totals) -> Totals {
        self.beyond(self.beyond(other))
    }

    /// This, but nowhere less than `before`.
    pub fn not_below(self, before: Totals) -> Totals {
        let higher = self.with(before, u64::max);
        let whole = self.cpu_ns().max(before.cpu_ns());
        let user_ns = self.user_ns.clamp(before.user_ns, whole - before.system_ns);
        Totals { user_ns, system_ns: whole - user_ns, ..higher }
    }

    fn with(self, other: Totals, f: impl Fn(u64, u64) -> u64) -> Totals {
        let pair = |a: Pair<u64>, b: Pair<u64>| Pair { first: f(a.first, b.first), second: f(a.second, b.second) };
        Totals {
            user_ns: f(self.user_ns, other.user_ns),
            system_ns: f(self.system_ns, other.system_ns),
            io: pair(self.io, other.io),
            faults: f(self.faults, other.faults),
            switches: pair(self.switches, other.switches),
        }
    }
}

/// Splits a whole in the proportion of two parts; all of it is the first's when there is nothing to go by.
pub fn split(whole: u64, first: u64, second: u64) -> (u64, u64) {
    let sum = first as u128 + second as u128;
    let share = (whole as u128 * first as u128).checked_div(sum).map_or(whole, |s| s as u64);
    (share, whole - share)
}

/// A count that may be read lower than before (a thread took its share along) but has not become lower.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rising {
    lost: u64,
    last: u64,
}

impl Rising {
    /// Takes a reading; gives the count so far.
    pub fn read(&mut self, now: u64) -> u64 {
        self.lost += self.last.saturating_sub(now);
        self.last = now;
        self.lost + now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(user_ns: u64, system_ns: u64) -> Totals {
        Totals { user_ns, system_ns, ..Totals::default() }
    }

    #[test]
    fn nothing_ever_falls() {
        let before = cpu(70, 30);
        assert_eq!(cpu(0, 0).not_below(before), before);
        assert_eq!(cpu(10, 95).not_below(before), cpu(70, 35));
        assert_eq!(cpu(105, 5).not_below(before), cpu(80, 30));
        let mut rising = Rising::default();
        let seen: Vec<u64> = [5, 9, 4, 6].into_iter().map(|n| rising.read(n)).collect();
        assert_eq!(seen, [5, 9, 9, 11]);
    }

    #[test]
    fn cpu_is_taken_away_as_a_whole() {
        assert_eq!(cpu(50, 50).beyond(cpu(100, 0)), cpu(0, 0));
        assert_eq!(cpu(60, 60).beyond(cpu(20, 0)), cpu(50, 50));
        assert_eq!(cpu(60, 60).shared(cpu(20, 0)).cpu_ns(), 20);
        assert_eq!(split(7, 0, 0), (7, 0));
    }
}
