//! The framing of event files (TFRecord): length, checksum of the length, bytes, checksum of the bytes.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::import::Trouble;

/// Length (8 bytes, little endian) and its checksum (4).
const HEAD: u64 = 12;
/// The checksum behind the bytes.
const TAIL: u64 = 4;
/// What TensorFlow adds to a rotated checksum, so that a checksum of checksums is none of the plain ones.
const MASK: u32 = 0xa282_ead8;

/// Reads a file record by record.
pub(super) struct Records {
    place: String,
    file: BufReader<File>,
    /// Bytes of the file when it was opened: what a living trainer adds meanwhile is left for another time.
    size: u64,
    offset: u64,
}

impl Records {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path) -> Result<Records, Trouble> {
        let place = path.display().to_string();
        let unreadable = |error: io::Error| Trouble::new(&place, error.to_string(), "can you read this file?");
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        Ok(Records { place, file: BufReader::with_capacity(1 << 18, file), size, offset: 0 })
    }

    /// The bytes of the next record; `None` at the end, which a living or killed trainer may have torn.
    ///
    /// # Errors
    /// A record before the end is damaged.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        let left = self.size - self.offset;
        if left < HEAD {
            return Ok(None);
        }
        let head: [u8; 8] = self.take()?;
        let length = u64::from_le_bytes(head);
        if self.checksum()? != masked(&head) {
            // What a crash leaves behind of a file that was made longer is zeros.
            return if self.rest_is_zeros(head)? { Ok(None) } else { Err(self.damaged("the length")) };
        }
        if left - HEAD < TAIL || length > left - HEAD - TAIL {
            return Ok(None);
        }
        // Not longer than the file.
        let mut bytes = vec![0; length as usize];
        self.file.read_exact(&mut bytes).map_err(|error| self.broken(&error))?;
        let is_last = HEAD + length + TAIL == left;
        if self.checksum()? != masked(&bytes) {
            return if is_last { Ok(None) } else { Err(self.damaged("the content")) };
        }
        self.offset += HEAD + length + TAIL;
        Ok(Some(bytes))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Trouble> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|error| self.broken(&error))?;
        Ok(bytes)
    }

    fn checksum(&mut self) -> Result<u32, Trouble> {
        self.take().map(u32::from_le_bytes)
    }

    fn rest_is_zeros(&mut self, head: [u8; 8]) -> Result<bool, Trouble> {
        let mut rest = [0; 4096];
        let mut zeros = head == [0; 8];
        while zeros {
            match self.file.read(&mut rest).map_err(|error| self.broken(&error))? {
                0 => break,
                n => zeros = rest[..n].iter().all(|byte| *byte == 0),
            }
        }
        Ok(zeros)
    }

    /// A record that is no event.
    pub fn damaged(&self, what: &str) -> Trouble {
        let message = format!("the record at byte {} is damaged: {what} does not fit its checksum", self.offset);
        Trouble::new(&self.place, message, "is it an event file of TensorBoard, and copied whole?")
    }

    fn broken(&self, error: &io::Error) -> Trouble {
        Trouble::new(&self.place, format!("byte {}: {error}", self.offset), "can this file be read?")
    }
}

/// Whether bytes begin with the head of a record.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return false };
    rest.first_chunk::<4>().is_some_and(|checksum| u32::from_le_bytes(*checksum) == masked(length))
}

/// TensorFlow's checksum: CRC-32C, rotated and moved.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(MASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bytes: &[u8]) -> Vec<u8> {
        let length = (bytes.len() as u64).to_le_bytes();
        [&length[..], &masked(&length).to_le_bytes(), bytes, &masked(bytes).to_le_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Result<usize, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut records = Records::open(file.path()).unwrap();
        let mut count = 0;
        while records.next().map_err(|trouble| trouble.message)?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn the_end_may_be_torn_anywhere_and_nothing_else() {
        let (one, two) = (record(b"one"), record(b"and two"));
        let whole = [one.clone(), two.clone()].concat();
        assert_eq!(read(&whole), Ok(2));
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), Ok(usize::from(cut >= one.len())), "{cut}");
        }
        assert_eq!(read(&[&one[..], &[0; 5000]].concat()), Ok(1), "a crash left zeros");
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            let in_last_content = at >= one.len() + HEAD as usize;
            match read(&bad) {
                Ok(count) => assert!(in_last_content && count == 1, "{at}: {count}"),
                Err(message) => {
                    let place = if at < one.len() { 0 } else { one.len() };
                    assert!(message.contains(&format!("the record at byte {place} is damaged")), "{at}: {message}");
                }
            }
        }
    }
}
