//! Reads the counters once a second while a search runs, on a thread of its own, and writes them down.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use earlystop::sys::clock::{now, ticks_per_second};

use super::rapl::Rapl;
use super::spent::{FILE, Line, Spent};

/// Time between two readings. The shortest that a counter goes round in is minutes.
const PACE: Duration = Duration::from_secs(1);

/// A meter that runs. It ends, with a last reading, when it is dropped.
#[derive(Debug)]
pub struct Meter {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Meter {
    /// Begins to read the counters below `root`, and to write into a search's folder. Where they cannot be read, why is
    /// written there, and nothing runs.
    pub fn start(root: &Path, out: &Path) -> Result<Meter, String> {
        let path = out.join(FILE);
        let cannot = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
        let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(cannot)?;
        let rapl = match Rapl::open(root) {
            Ok(rapl) => rapl,
            Err(why) => {
                add(&mut file, &Line::Unreadable(why)).map_err(cannot)?;
                return Ok(Meter { end: None, thread: None });
            }
        };
        let (end, ended) = channel::<()>();
        let mut reader = Reader { rapl, file, since_ms: now().wall_ms, busy: busy_seconds() };
        let work = move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(PACE) {
                if !reader.read() {
                    return;
                }
            }
            reader.read();
        };
        let thread = thread::Builder::new().name("energy".into()).spawn(work).map_err(cannot)?;
        Ok(Meter { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        drop(self.end.take());
        // A panic in there is told on standard error already; the search is worth more than its energy.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Reader {
    rapl: Rapl,
    file: File,
    since_ms: i64,
    busy: f64,
}

impl Reader {
    /// One reading; whether another makes sense.
    fn read(&mut self) -> bool {
        let line = match self.rapl.joules() {
            Ok(joules) => {
                let (to_ms, busy) = (now().wall_ms, busy_seconds());
                let spent = Spent { from_ms: self.since_ms, to_ms, joules, busy_seconds: (busy - self.busy).max(0.0) };
                (self.since_ms, self.busy) = (to_ms, busy);
                Line::Spent(spent)
            }
            Err(why) => Line::Unreadable(why),
        };
        let is_written = add(&mut self.file, &line).is_ok();
        is_written && matches!(line, Line::Spent(_))
    }
}

fn add(file: &mut File, line: &Line) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    file.write_all(&text)
}

/// CPU seconds that the whole machine was busy since its start, from /proc/stat; 0 where that cannot be read.
fn busy_seconds() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guests are in user and nice.
    let busy: u64 = [0, 1, 2, 5, 6].iter().filter_map(|place| ticks.get(*place)).sum();
    busy as f64 / ticks_per_second() as f64
}

#[cfg(test)]
mod tests {
    use super::super::rapl::tests::powercap;
    use super::super::spent::Energy;
    use super::*;

    #[test]
    fn what_is_used_until_the_end_is_written_down() {
        let (root, out) = (powercap(10_000_000), tempfile::tempdir().expect("a folder"));
        let meter = Meter::start(root.path(), out.path()).expect("the folder is ours");
        fs::write(root.path().join("intel-rapl:0/energy_uj"), "4000000").expect("the folder is ours");
        drop(meter);
        let energy = Energy::read(out.path()).expect("it was written");
        assert!(energy.joules() == Some(4.0) && !energy.said().contains("could not be read"));
        // The same search, taken up where the counters may not be read any more.
        drop(Meter::start(out.path(), out.path()).expect("the folder is ours"));
        let energy = Energy::read(out.path()).expect("it was written");
        assert_eq!(energy.joules(), Some(4.0));
        assert!(energy.said().ends_with("has no package of RAPL (intel-rapl:0)."), "{}", energy.said());
    }

    #[test]
    fn the_machine_is_busy_while_this_runs() {
        assert!(busy_seconds() > 0.0);
    }
}
