//! The host's memory, CPU and pressure.

use std::io::Cursor;

use procfs::{CpuPressure, FromRead, IoPressure, Meminfo, MemoryPressure, PressureRecord};

use super::member::Lens;
use crate::model::{HostSample, SourceName};
use crate::sys::text;

/// Remembers the CPU times of the reading before.
#[derive(Debug, Default)]
pub struct Host {
    cpu: Option<(u64, u64)>,
}

impl Host {
    /// Reads the host's files; what cannot be read is missing and its source is down.
    pub fn read(&mut self, lens: &mut Lens) -> HostSample {
        let memory = read::<Meminfo>(lens, "meminfo");
        lens.note(SourceName::HostMemory, memory.is_some());
        HostSample {
            memory_available: memory.as_ref().and_then(|m| m.mem_available),
            memory_total: memory.as_ref().map(|m| m.mem_total),
            cpu_utilization: self.cpu(lens),
            pressure: pressure(lens),
        }
    }

    fn cpu(&mut self, lens: &mut Lens) -> Option<f64> {
        let now = lens.tree.read_host("stat").ok().and_then(|t| cpu_times(&t));
        lens.note(SourceName::HostCpu, now.is_some());
        let before = std::mem::replace(&mut self.cpu, now);
        let ((busy_before, all_before), (busy, all)) = (before?, now?);
        let all = all.checked_sub(all_before).filter(|n| *n > 0)?;
        Some((busy.saturating_sub(busy_before) as f64 / all as f64).clamp(0.0, 1.0))
    }
}

/// Busy and all ticks of the first line of `/proc/stat`: user nice system idle iowait irq softirq steal; guest time is
/// part of user time.
fn cpu_times(text: &[u8]) -> Option<(u64, u64)> {
    let line = text.split(|b| *b == b'\n').next()?.strip_prefix(b"cpu ")?;
    let fields: Vec<u64> = line.split(|b| *b == b' ').filter_map(text::number).take(8).collect();
    let idle = fields.get(3)? + fields.get(4).unwrap_or(&0);
    let all: u64 = fields.iter().sum();
    Some((all.saturating_sub(idle), all))
}

fn pressure(lens: &mut Lens) -> Vec<(&'static str, &'static str, f64)> {
    if !lens.tree.host_path("pressure").exists() {
        return Vec::new();
    }
    let cpu = read::<CpuPressure>(lens, "pressure/cpu").map(|p| ("cpu", p.some, p.full));
    let memory = read::<MemoryPressure>(lens, "pressure/memory").map(|p| ("memory", p.some, p.full));
    let io = read::<IoPressure>(lens, "pressure/io").map(|p| ("io", p.some, p.full));
    let all = [cpu, memory, io];
    lens.note(SourceName::Pressure, all.iter().all(Option::is_some));
    let seconds = |r: PressureRecord| r.total as f64 / 1e6;
    let rows = all.into_iter().flatten();
    rows.flat_map(|(name, some, full)| [(name, "some", seconds(some)), (name, "full", seconds(full))]).collect()
}

fn read<T: FromRead>(lens: &Lens, file: &str) -> Option<T> {
    T::from_read(Cursor::new(lens.tree.read_host(file).ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::ProcTree;
    use std::sync::Arc;

    #[test]
    fn this_host_has_memory_and_cpus() {
        let mut lens = Lens::new(Arc::new(ProcTree::default()));
        let mut host = Host::default();
        let first = host.read(&mut lens);
        assert!(first.memory_total.expect("meminfo") >= first.memory_available.expect("meminfo"));
        assert_eq!(first.cpu_utilization, None, "one reading tells no rate");
        assert!(lens.take_up().contains(&(SourceName::HostMemory, true)));
    }

    #[test]
    fn what_is_missing_is_down_and_the_rest_works() {
        let dir = tempfile::tempdir().expect("a folder");
        let stat = |busy: u64, idle: u64| {
            std::fs::write(dir.path().join("stat"), format!("cpu  {busy} 0 0 {idle} 0 0 0 0 7 7\ncpu0 1\n"))
                .expect("a file");
        };
        let mut lens = Lens::new(Arc::new(ProcTree::new(dir.path())));
        let mut host = Host::default();
        stat(10, 10);
        host.read(&mut lens);
        stat(40, 20);
        let read = host.read(&mut lens);
        assert_eq!(read.cpu_utilization, Some(0.75));
        assert_eq!((read.memory_total, read.pressure.len()), (None, 0));
        assert_eq!(lens.take_up(), [(SourceName::HostMemory, false), (SourceName::HostCpu, true)]);
    }
}
