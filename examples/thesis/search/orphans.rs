//! Children that nobody asked for: of a program that starts others and was killed, what is left becomes ours (we are the
//! subreaper), and ends here.

use std::fs;
use std::io;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// Time between two looks at a child.
const LOOK: Duration = Duration::from_millis(10);

/// Waits for the end of a child, so long at most.
pub fn ended_within(child: &mut Child, at_most: Duration) -> bool {
    let until = Instant::now() + at_most;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < until => thread::sleep(LOOK),
            Ok(None) => return false,
            Ok(Some(_)) | Err(_) => return true,
        }
    }
}

/// Ends all children of this process, and what becomes its child by that. Only for a time at which it wants none.
pub fn end() {
    while let Ok(children) = children()
        && !children.is_empty()
    {
        for child in children {
            // A child that was not waited for keeps its number, so that it cannot be somebody else's by now. An error
            // says that it is gone.
            let _ = kill_process(child, Signal::KILL);
            let _ = waitpid(Some(child), WaitOptions::empty());
        }
    }
}

/// Every child of every thread of this process.
fn children() -> io::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        found.extend(text.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)));
    }
    Ok(found)
}
