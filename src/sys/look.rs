//! What one look at a tree found.

use std::sync::Arc;

use super::process::Proc;

/// Who lives in a tree. An empty list alone says little: everybody may have left between being listed and being looked at,
/// with a child behind.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Everybody who was found alive; some may have gone since.
    pub living: Vec<Arc<Proc>>,
    /// Nobody slipped away while it was looked: an empty list means that nobody is left.
    pub sure: bool,
}

impl Look {
    /// Whether it is certain that nobody is left.
    pub fn found_nobody(&self) -> bool {
        self.living.is_empty() && self.sure
    }
}
