//! What a rule has worked out from a field, kept in the field.

use std::any::Any;
use std::fmt;

/// Something of the rule's own that it can make again from the field at any time: a clone of the field begins without it.
#[derive(Default)]
pub(super) struct Memo(Option<Box<dyn Any + Send + Sync>>);

impl Memo {
    /// Takes it out; nothing where there is none of this kind.
    pub fn take<T: Any + Send + Sync>(&mut self) -> Option<Box<T>> {
        self.0.take()?.downcast().ok()
    }

    /// Puts it back.
    pub fn put<T: Any + Send + Sync>(&mut self, what: Box<T>) {
        self.0 = Some(what);
    }
}

impl Clone for Memo {
    fn clone(&self) -> Memo {
        Memo(None)
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Memo(..)" } else { "Memo" })
    }
}
