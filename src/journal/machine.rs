//! Which life of which machine wrote a file: pids mean something only within one boot and one pid namespace.

use std::os::unix::fs::MetadataExt;

/// One boot of one machine, seen from one pid namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// `/proc/sys/kernel/random/boot_id`; empty where it cannot be read.
    pub boot_id: String,
    /// Inode of the pid namespace; 0 where it cannot be read.
    pub pid_ns: u64,
}

impl Machine {
    /// This boot and this process's pid namespace.
    pub fn here() -> Machine {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let pid_ns = std::fs::metadata("/proc/self/ns/pid").map(|m| m.ino()).unwrap_or(0);
        Machine { boot_id: boot_id.trim().to_string(), pid_ns }
    }

    /// Whether a pid that was written there still means the same process here. Never where either is unknown.
    pub fn same_pids(&self, other: &Machine) -> bool {
        self == other && !self.boot_id.is_empty() && self.pid_ns != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_machine_is_never_the_same() {
        let here = Machine::here();
        assert!(here.same_pids(&Machine::here()));
        assert!(!here.same_pids(&Machine { pid_ns: here.pid_ns + 1, ..here.clone() }));
        let unknown = Machine { boot_id: String::new(), pid_ns: 0 };
        assert!(!unknown.same_pids(&unknown));
    }
}
