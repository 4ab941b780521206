//! The journal, the ledger and the actor with real files, real processes and real deaths.

mod actor;
mod journal;
mod ledger;

use std::process::{Child, Command, Stdio};

/// This test binary again, running one of its tests as a child that may be killed. The child's test does nothing unless
/// `HANDS_CHILD` names it.
fn again(test: &str, folder: &std::path::Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test binary has a path"));
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]);
    command.env("HANDS_CHILD", test).env("HANDS_FOLDER", folder).env_remove("RUST_LOG");
    command
}

/// The folder, if this process is the child that runs `test`.
fn child_folder(test: &str) -> Option<std::path::PathBuf> {
    (std::env::var("HANDS_CHILD").ok()? == test).then(|| std::env::var_os("HANDS_FOLDER").expect("given").into())
}

/// A child that is killed and waited for at the end, whatever happens.
struct Mortal(Child);

impl Mortal {
    fn of(command: &mut Command) -> Mortal {
        Mortal(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"))
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.kill();
    }
}
