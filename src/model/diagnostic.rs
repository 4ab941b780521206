//! What is wrong with a file, where, and what to do about it.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is taken, but somebody should look.
    Warning,
    /// The file is refused as a whole.
    Error,
}

/// One finding in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// A short name that stays the same over versions: `unknown-key`.
    pub code: &'static str,
    /// The file.
    pub file: PathBuf,
    /// Its text.
    pub text: Arc<str>,
    /// Where, in bytes of the text.
    pub span: Range<usize>,
    /// The thing and the cause.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Line and column of its start, both from 1; columns count characters.
    pub fn position(&self) -> (usize, usize) {
        let mut start = self.span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &self.text[..start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }
}
