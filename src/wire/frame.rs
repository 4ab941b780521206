//! Bytes to lines: LF ends a line, a line that is too long is skipped to its LF.

/// A connection's bytes that have not been taken as lines yet. Never holds more than a line and what came with it.
#[derive(Debug)]
pub struct Lines {
    /// Longest line, its LF not counted.
    longest: usize,
    bytes: Vec<u8>,
    /// Where the first byte is that has not been given out.
    start: usize,
    /// The rest of a line that was too long is being skipped.
    skipping: bool,
}

/// What stands next in the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A line, without its LF (and without a CR before it).
    Line(&'a [u8]),
    /// A line of more bytes than may be; it is skipped to its LF. Told once a line.
    TooLong,
}

impl Lines {
    /// No bytes yet; lines may have up to `longest` bytes.
    pub fn new(longest: usize) -> Lines {
        Lines { longest, bytes: Vec::new(), start: 0, skipping: false }
    }

    /// Appends what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next line, or `None` when more bytes have to come first.
    pub fn next_line(&mut self) -> Option<Frame<'_>> {
        loop {
            let rest = &self.bytes[self.start..];
            let Some(end) = memchr::memchr(b'\n', rest) else { return self.unfinished() };
            let from = self.start;
            self.start += end + 1;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if end > self.longest {
                return Some(Frame::TooLong);
            }
            let line = &self.bytes[from..from + end];
            return Some(Frame::Line(line.strip_suffix(b"\r").unwrap_or(line)));
        }
    }

    /// Whether bytes of a line are held that has not ended yet.
    pub fn is_torn(&self) -> bool {
        self.start < self.bytes.len()
    }

    /// No LF in sight: keeps what may become a line, drops what is too long.
    fn unfinished(&mut self) -> Option<Frame<'static>> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let too_long = !self.skipping && self.bytes.len() > self.longest;
        self.skipping |= too_long;
        if self.skipping {
            self.bytes.clear();
        }
        // An idle connection holds no memory: a thousand of them wait between two reports.
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
        too_long.then_some(Frame::TooLong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::MAX_LINE;

    fn all(lines: &mut Lines) -> Vec<Result<String, ()>> {
        let mut found = Vec::new();
        while let Some(frame) = lines.next_line() {
            found.push(match frame {
                Frame::Line(line) => Ok(String::from_utf8_lossy(line).into_owned()),
                Frame::TooLong => Err(()),
            });
        }
        found
    }

    #[test]
    fn lines_come_whole_however_the_bytes_come() {
        let text = b"one\r\n\ntwo\nthree";
        for size in 1..text.len() {
            let mut lines = Lines::new(MAX_LINE);
            let mut found = Vec::new();
            for chunk in text.chunks(size) {
                lines.push(chunk);
                found.extend(all(&mut lines));
            }
            assert_eq!(found, [Ok("one".into()), Ok("".into()), Ok("two".into())]);
            assert!(lines.is_torn());
        }
    }

    #[test]
    fn a_line_too_long_is_told_once_and_skipped() {
        for size in [1000, MAX_LINE, 3 * MAX_LINE] {
            let mut text = vec![b'x'; 2 * MAX_LINE + 5];
            text.extend_from_slice(b"\nnext\n");
            let mut lines = Lines::new(MAX_LINE);
            let mut found = Vec::new();
            for chunk in text.chunks(size) {
                lines.push(chunk);
                found.extend(all(&mut lines));
                assert!(lines.bytes.len() <= MAX_LINE + size);
            }
            assert_eq!(found, [Err(()), Ok("next".into())], "{size}");
            assert!(!lines.is_torn());
        }
    }

    #[test]
    fn the_longest_line_is_taken() {
        let mut lines = Lines::new(MAX_LINE);
        lines.push(&vec![b'x'; MAX_LINE]);
        assert_eq!(lines.next_line(), None);
        lines.push(b"\n");
        assert_eq!(lines.next_line(), Some(Frame::Line(&vec![b'x'; MAX_LINE])));
    }
}
