//! The `/proc` tree, its root a parameter so that tests can bring their own.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::text::{self, Stat, Status};

/// Longest file we read whole: `status` is about 1.5 KiB, a list of children may be long.
const MOST: u64 = 1 << 20;

/// A `/proc`, or a folder that looks like one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcTree {
    root: PathBuf,
    real: bool,
}

impl Default for ProcTree {
    fn default() -> ProcTree {
        ProcTree::new("/proc")
    }
}

impl ProcTree {
    /// The tree at `root`. Only `/proc` itself is real: there, numbers can be opened as pidfds and clocks.
    pub fn new(root: impl Into<PathBuf>) -> ProcTree {
        let root = root.into();
        let real = root == Path::new("/proc");
        ProcTree { root, real }
    }

    /// Whether its numbers are those of living processes of this machine.
    pub fn is_real(&self) -> bool {
        self.real
    }

    /// Path of a file of a process.
    pub fn path(&self, pid: u32, file: &str) -> PathBuf {
        self.root.join(format!("{pid}/{file}"))
    }

    /// Path of a file of the host.
    pub fn host_path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// A file of a process, whole.
    pub fn read(&self, pid: u32, file: &str) -> io::Result<Vec<u8>> {
        read_whole(&self.path(pid, file))
    }

    /// A file of the host, whole.
    pub fn read_host(&self, file: &str) -> io::Result<Vec<u8>> {
        read_whole(&self.host_path(file))
    }

    /// Opens a file of a process to be read again and again with [`read_at_start`].
    pub fn open(&self, pid: u32, file: &str) -> io::Result<File> {
        File::open(self.path(pid, file))
    }

    /// `stat` of a process; ESRCH-like errors when there is none, InvalidData when it cannot be understood.
    pub fn stat(&self, pid: u32) -> io::Result<Stat> {
        Stat::parse(&self.read(pid, "stat")?).ok_or(io::ErrorKind::InvalidData.into())
    }

    /// `status` of a process.
    pub fn status(&self, pid: u32) -> io::Result<Status> {
        Status::parse(&self.read(pid, "status")?).ok_or(io::ErrorKind::InvalidData.into())
    }

    /// Numbers of all processes (not threads), in no order.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        numbers_in(&self.root)
    }

    /// Numbers of the threads of a process.
    pub fn threads(&self, pid: u32) -> io::Result<Vec<u32>> {
        numbers_in(&self.path(pid, "task"))
    }

    /// Numbers of the children of a process. A child belongs to the thread that forked it, so every thread is asked.
    /// The kernel may leave some out while others come and go: look again until nothing changes.
    pub fn children(&self, pid: u32) -> io::Result<Vec<u32>> {
        let mut found = Vec::new();
        for thread in self.threads(pid)? {
            match self.read(pid, &format!("task/{thread}/children")) {
                Ok(bytes) => found.extend(text::children(&bytes)),
                Err(e) if is_gone(&e) && self.path(pid, &format!("task/{thread}")).exists() => return Err(e),
                Err(e) if is_gone(&e) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(found)
    }
}

/// Whether the error says that the process is not (any longer) there.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT)) || error.kind() == io::ErrorKind::NotFound
}

/// Whether the error says that no more descriptors can be had.
pub fn is_short_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Reads a kept file from its start into `buffer`; gives the part that was filled.
pub fn read_at_start<'a>(file: &File, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let n = file.read_at(buffer, 0)?;
    Ok(&buffer[..n])
}

fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(2048);
    File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn numbers_in(folder: &Path) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let Ok(entry) = entry else { break };
        if let Some(n) = entry.file_name().to_str().and_then(|n| n.parse().ok()) {
            found.push(n);
        }
    }
    Ok(found)
}
