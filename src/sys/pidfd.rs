//! What the kernel tells of a process by its pidfd. Behaviour is probed, never version numbers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::model::ExitStatus;

/// f_type of pidfs (include/uapi/linux/magic.h, PID_FS_MAGIC), there since Linux 6.9.
const PID_FS_MAGIC: i64 = 0x5049_4446;

/// `struct pidfd_info` in its first version, 64 bytes (include/uapi/linux/pidfd.h); the kernel fills as much as we ask.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroupid: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
}

/// _IOWR(0xFF, 11, struct pidfd_info)
const PIDFD_GET_INFO: libc::c_ulong =
    (3 << 30) | ((std::mem::size_of::<PidfdInfo>() as libc::c_ulong) << 16) | (0xFF << 8) | 11;
/// The exit code is wanted and, in the answer, was given (Linux 6.15).
const PIDFD_INFO_EXIT: u64 = 1 << 3;

/// A pidfd of the process with this number: ESRCH when there is none, EINVAL or ENOENT when the number is a thread's.
pub fn open(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Whether the process has ended: it is a zombie or reaped.
pub fn has_ended(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut fds, Some(&at_once)), Ok(n) if n > 0)
}

/// Whether the process is neither reaped nor unknown here. A zombie is there.
pub fn is_there(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: plain system call with a descriptor that lives and no pointers; signal 0 is never delivered.
    let rc = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), 0, std::ptr::null::<libc::siginfo_t>(), 0u32)
    };
    rc == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// The number of the process in our pid namespace; `None` when it is reaped or not visible here.
pub fn pid_of(fd: BorrowedFd<'_>) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
    let pid: i64 = text.lines().find_map(|l| l.strip_prefix("Pid:"))?.trim().parse().ok()?;
    u32::try_from(pid).ok().filter(|p| *p > 0)
}

/// The exit status where the kernel keeps it for pidfds (6.15 and later): normally only once the process was reaped.
pub fn exit_status(fd: BorrowedFd<'_>) -> Option<ExitStatus> {
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the request's size field says how long `info` is; it is valid for reads and writes.
    let rc = unsafe { libc::ioctl(fd.as_raw_fd(), PIDFD_GET_INFO, &mut info) };
    (rc == 0 && info.mask & PIDFD_INFO_EXIT != 0).then(|| decode(info.exit_code))
}

/// An exit status from what `wait` calls a status word.
pub fn decode(word: i32) -> ExitStatus {
    match word & 0x7f {
        0 => ExitStatus::Code((word >> 8) as u8),
        signal => ExitStatus::Signal(signal as u8),
    }
}

/// The inode of a pidfd where the kernel gives each process one of its own, else 0.
pub fn inode(fd: BorrowedFd<'_>) -> u64 {
    if !inodes_are_unique() {
        return 0;
    }
    rustix::fs::fstat(fd).map(|s| s.st_ino).unwrap_or(0)
}

/// Whether pidfd inodes tell processes apart. Before pidfs all pidfds shared one anonymous inode; on 32-bit kernels the
/// inode number is cut and may repeat.
pub fn inodes_are_unique() -> bool {
    static PROBE: OnceLock<bool> = OnceLock::new();
    *PROBE.get_or_init(|| cfg!(target_pointer_width = "64") && probe_inodes().unwrap_or(false))
}

fn probe_inodes() -> io::Result<bool> {
    let own = open(std::process::id())?;
    let again = open(std::process::id())?;
    let inode = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|s| s.st_ino);
    let same = inode(&own)? == inode(&again)?;
    // PID 1 of this namespace is always there; when we are it ourselves, the file system's type must do.
    let differs = match open(1) {
        Ok(first) if std::process::id() != 1 => inode(&first)? != inode(&own)?,
        _ => rustix::fs::fstatfs(own.as_fd())?.f_type as i64 == PID_FS_MAGIC,
    };
    Ok(same && differs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn status_words_are_decoded() {
        assert_eq!(decode(0), ExitStatus::Code(0));
        assert_eq!(decode(7 << 8), ExitStatus::Code(7));
        assert_eq!(decode(9), ExitStatus::Signal(9));
        assert_eq!(decode(11 | 0x80), ExitStatus::Signal(11));
    }

    #[test]
    fn a_pidfd_tells_the_end() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep starts");
        let fd = open(child.id()).expect("the child lives");
        assert_eq!(pid_of(fd.as_fd()), Some(child.id()));
        assert!(!has_ended(fd.as_fd()) && is_there(fd.as_fd()));
        assert_eq!(exit_status(fd.as_fd()), None);
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        assert!(has_ended(fd.as_fd()) && !is_there(fd.as_fd()));
        assert_eq!(pid_of(fd.as_fd()), None);
        // Where the kernel keeps it, it is right; elsewhere there is none.
        assert!(matches!(exit_status(fd.as_fd()), None | Some(ExitStatus::Signal(9))));
    }
}
