//! The other side of the pipes: a Python process that asks the real rules of other tools (oracle.py).

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use crate::support;

/// One process, for one tool after another.
pub struct Oracle {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Oracle {
    /// `None`, and the test skipped, where the tuners are not installed.
    pub fn start() -> Option<Oracle> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let python = target.join("tools/tuners/bin/python");
        if !python.is_file() {
            support::skip("no tuners from PyPI to compare with; run tests/tools.sh");
            return None;
        }
        let mut child = Command::new(python)
            .arg(root.join("tests/it/stoppers/oracle.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let to = child.stdin.take().expect("piped");
        let from = BufReader::new(child.stdout.take().expect("piped"));
        Some(Oracle { child, to, from })
    }

    /// From here on this rule.
    pub fn rule(&mut self, rule: &str, mode: &str, settings: &Json) {
        self.tell(&json!({ "rule": rule, "mode": mode, "settings": settings }));
    }

    /// A report; whether the real rule stops the trial.
    pub fn report(&mut self, trial: usize, step: u32, value: f64) -> bool {
        let value = if value.is_finite() { json!(value) } else { json!(value.to_string()) };
        self.tell(&json!({ "trial": trial, "step": step, "value": value }));
        let mut line = String::new();
        self.from.read_line(&mut line).expect("an answer");
        serde_json::from_str(&line).expect("the oracle lives (its last words are above), and says true or false")
    }

    /// A trial has ended.
    pub fn end(&mut self, trial: usize, how: &str) {
        self.tell(&json!({ "trial": trial, "end": how }));
    }

    fn tell(&mut self, told: &Json) {
        writeln!(self.to, "{told}").expect("the oracle listens");
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // It would end at the end of its input, too; a test that fails should not wait for that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
