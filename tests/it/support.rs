//! What every test needs: deadlines instead of sleeps, the binary, a folder of its own.

#![allow(dead_code, reason = "each module uses what it needs")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The binary under test.
pub const BIN: &str = env!("CARGO_BIN_EXE_earlystop");

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Looks at `what` every few milliseconds until it gives something; panics with `describe` after `deadline`.
pub fn wait_for<T>(describe: &str, deadline: Duration, mut what: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(start.elapsed() < deadline, "not within {deadline:?}: {describe}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The shared folder beside the checkout, where there is one. Under CI=true its absence is a failure.
pub fn shared(path: &str) -> Option<PathBuf> {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if full.exists() {
        return Some(full);
    }
    skip(&format!("{path} is not in the shared folder"));
    None
}

/// Says that a test could not run. Under CI=true that is a failure.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "SKIPPED under CI: {why}");
    eprintln!("SKIPPED: {why}");
}
