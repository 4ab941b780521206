//! A log in two preallocated mapped files that take turns: when one is full, what still counts is written into the other,
//! which then becomes the valid one with a single store. Writing is a copy into mapped memory: no system call, no waiting
//! for a disk.
//!
//! Layout of a file, little endian: magic 8, generation 8, pid namespace 8, boot id 40, checksum of those 8, then entries. An entry
//! is a commit word (length in the low half, CRC-32 of the bytes in the high half) and its bytes, padded to 8. Everything
//! that is not written is zero; a zero word is the end. The commit word is stored last, so a process killed at any
//! instruction leaves whole entries only. Power loss is of no interest: after another boot there is nobody to signal.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapMut;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::lock::has_no_locks;
use super::machine::Machine;

const MAGIC: u64 = u64::from_le_bytes(*b"eslledg1");
const BOOT_ID: usize = 40;
const HEADER: usize = 8 + 8 + 8 + BOOT_ID + 8;
const GENERATION: usize = 8;

/// Both files and which of them counts.
#[derive(Debug)]
pub(super) struct Turns {
    pages: [Page; 2],
    active: usize,
    generation: u64,
    machine: Machine,
}

impl Turns {
    /// Opens or makes both files with `size` bytes each, takes them for this process, and reads what an earlier life
    /// wrote. Nothing may be appended before the first [`Turns::turn`].
    pub fn open(paths: &[PathBuf; 2], size: u64, machine: Machine) -> io::Result<(Turns, Option<Found>)> {
        let first = Page::open(&paths[0], size)?;
        first.lock()?;
        let pages = [first, Page::open(&paths[1], size)?];
        let found = [pages[0].read(), pages[1].read()];
        let active = match &found {
            [Some(a), Some(b)] => usize::from(b.generation > a.generation),
            [None, Some(_)] => 1,
            _ => 0,
        };
        let found = found.into_iter().nth(active).flatten();
        let generation = found.as_ref().map_or(0, |f| f.generation);
        Ok((Turns { pages, active, generation, machine }, found))
    }

    /// Writes an entry behind the last; false if there is no room and a [`Turns::turn`] is due.
    #[must_use]
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        self.pages[self.active].append(bytes)
    }

    /// Writes these entries into the other file, with room for as much again and `more`, and makes it the valid one. An
    /// error leaves the old one valid.
    pub fn turn(&mut self, entries: &[Vec<u8>], more: usize) -> io::Result<()> {
        let used: usize = entries.iter().map(|e| Page::room(e)).sum();
        let wanted = (Page::FRAME + 2 * (used + more)).next_multiple_of(4096) as u64;
        let other = &mut self.pages[1 - self.active];
        other.clear(wanted.max(other.size()))?;
        let fits = entries.iter().all(|bytes| other.append(bytes));
        debug_assert!(fits, "the file was made large enough for all");
        self.generation += 1;
        other.publish(self.generation, &self.machine);
        self.active = 1 - self.active;
        Ok(())
    }
}

/// One file of the two.
#[derive(Debug)]
struct Page {
    file: File,
    map: MmapMut,
    end: usize,
}

/// What a file of an earlier life holds.
#[derive(Debug)]
pub(super) struct Found {
    generation: u64,
    /// Who wrote it.
    pub machine: Machine,
    /// Its entries in their order.
    pub entries: Vec<Vec<u8>>,
    /// An entry was there that could not be read: what came after it is not known.
    pub torn: bool,
}

impl Page {
    /// Opens or makes the file with at least `size` bytes that are really there.
    pub fn open(path: &Path, size: u64) -> io::Result<Page> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(path)?;
        let size = size.max(file.metadata()?.len());
        reserve(&file, size)?;
        let map = map(&file, size)?;
        Ok(Page { file, map, end: HEADER })
    }

    /// Takes the file for this process; an error where another holds it.
    pub fn lock(&self) -> io::Result<()> {
        use rustix::fs::{FlockOperation, flock};
        match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Err(error) if !has_no_locks(error) => Err(io::Error::other("another process holds it")),
            // Without locks the journal's own has to do, which is taken before.
            _ => Ok(()),
        }
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.map.len() as u64
    }

    /// Reads what is in it; `None` where there is no finished header.
    pub fn read(&self) -> Option<Found> {
        let word = |at: usize| word(&self.map, at);
        if word(0) != MAGIC || word(HEADER - 8) != u64::from(crc(&self.map[..HEADER - 8])) {
            return None;
        }
        let boot = &self.map[24..24 + BOOT_ID];
        let length = boot.iter().position(|b| *b == 0).unwrap_or(BOOT_ID);
        let boot_id = String::from_utf8_lossy(&boot[..length]).into_owned();
        let (mut entries, mut torn, mut at) = (Vec::new(), false, HEADER);
        while at + 8 <= self.map.len() {
            let commit = word(at);
            if commit == 0 {
                break;
            }
            let (length, sum) = (commit as u32 as usize, (commit >> 32) as u32);
            let Some(bytes) = self.map.get(at + 8..at + 8 + length).filter(|b| crc(b) == sum) else {
                torn = true;
                break;
            };
            entries.push(bytes.to_vec());
            at += 8 + length.next_multiple_of(8);
        }
        Some(Found { generation: word(GENERATION), machine: Machine { boot_id, pid_ns: word(16) }, entries, torn })
    }

    /// Makes it empty and no longer valid; grows it to at least `size` bytes.
    pub fn clear(&mut self, size: u64) -> io::Result<()> {
        if size > self.size() {
            reserve(&self.file, size)?;
            self.map = map(&self.file, size)?;
        }
        self.commit(0, 0);
        self.map[8..].fill(0);
        self.end = HEADER;
        Ok(())
    }

    /// Makes it the valid one, after its entries were written: the header's first word goes last.
    pub fn publish(&mut self, generation: u64, machine: &Machine) {
        self.map[GENERATION..16].copy_from_slice(&generation.to_le_bytes());
        self.map[16..24].copy_from_slice(&machine.pid_ns.to_le_bytes());
        let boot = &machine.boot_id.as_bytes()[..machine.boot_id.len().min(BOOT_ID)];
        self.map[24..24 + boot.len()].copy_from_slice(boot);
        let mut head = self.map[..HEADER - 8].to_vec();
        head[..8].copy_from_slice(&MAGIC.to_le_bytes());
        self.map[HEADER - 8..HEADER].copy_from_slice(&u64::from(crc(&head)).to_le_bytes());
        self.commit(0, MAGIC);
    }

    /// Writes an entry behind the last; false if there is no room. One word of zero always stays behind it.
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        let next = self.end + Page::room(bytes);
        if next + 8 > self.map.len() {
            return false;
        }
        let start = self.end + 8;
        self.map[start..start + bytes.len()].copy_from_slice(bytes);
        self.commit(self.end, bytes.len() as u64 | u64::from(crc(bytes)) << 32);
        self.end = next;
        true
    }

    /// Bytes that an entry takes.
    pub fn room(bytes: &[u8]) -> usize {
        8 + bytes.len().next_multiple_of(8)
    }

    /// Bytes that a file takes beside its entries.
    pub const FRAME: usize = HEADER + 8;

    /// Stores one word after everything that was written before it.
    fn commit(&mut self, at: usize, value: u64) {
        let place = self.map[at..at + 8].as_mut_ptr().cast::<u64>();
        // SAFETY: in bounds by the slice above, aligned since the map begins on a page and `at` is a multiple of 8, and
        // nobody else in this process has a reference into the map while `self` is borrowed mutably.
        let word = unsafe { AtomicU64::from_ptr(place) };
        word.store(value.to_le(), Ordering::Release);
    }
}

fn word(map: &MmapMut, at: usize) -> u64 {
    let bytes = map[at..at + 8].try_into().expect("eight bytes make a word");
    u64::from_le_bytes(bytes)
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Makes the file's blocks real: a store into a hole of a full disk would be SIGBUS.
fn reserve(mut file: &File, size: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        other => return Ok(other?),
    }
    let have = file.metadata()?.len();
    io::Seek::seek(&mut file, io::SeekFrom::Start(have))?;
    let zeros = [0u8; 65536];
    let mut left = size.saturating_sub(have);
    while left > 0 {
        let part = left.min(zeros.len() as u64) as usize;
        file.write_all(&zeros[..part])?;
        left -= part as u64;
    }
    file.sync_data()
}

fn map(file: &File, size: u64) -> io::Result<MmapMut> {
    // SAFETY: the folder is ours alone (0700, a lock beside the file), nobody cuts the file while it is mapped.
    unsafe { memmap2::MmapOptions::new().len(size as usize).populate().map_mut(file) }
}
