//! Random bits, for ids.

use std::io::Read;

use super::clock;
use crate::model::RunId;

/// 80 bits that nobody can foresee; where the kernel gives none, the process and the time at least tell ids apart.
pub fn bits() -> u128 {
    let mut bytes = [0; 16];
    match std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes)) {
        Ok(()) => u128::from_le_bytes(bytes) >> 48,
        Err(_) => (u128::from(std::process::id()) << 48) ^ u128::from(clock::mono_ns()),
    }
}

/// The id of a run that begins now.
pub fn run_id() -> RunId {
    RunId::from_parts(clock::now().wall_ms, bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_keep_their_order_in_time() {
        let (a, b) = (run_id(), run_id());
        assert_ne!(a, b);
        assert!(bits() < 1 << 80);
    }
}
