//! Who is at the other end of a Unix stream, and handing a pidfd over to it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use super::process::Proc;

/// `SO_PEERPIDFD` (include/uapi/asm-generic/socket.h), Linux 6.5.
const SO_PEERPIDFD: libc::c_int = 77;

/// The user of the process that made the connection and, where this pid namespace can see it, the process itself.
/// Nothing that the peer says is believed: the kernel remembers who connected.
pub fn of(stream: impl AsFd) -> io::Result<(u32, Option<Arc<Proc>>)> {
    let stream = stream.as_fd();
    let (uid, pid) = credentials(stream)?;
    match peer_pidfd(stream) {
        Ok(fd) => Ok((uid, Proc::from_pidfd(fd).ok())),
        Err(e) if e.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok((uid, by_number(pid))),
        // The peer was reaped before we asked (EINVAL, ENODATA, ESRCH): there is nobody to watch.
        Err(_) => Ok((uid, None)),
    }
}

fn credentials(stream: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    // Read by hand, since a peer of another pid namespace has pid 0 and rustix's type cannot hold that.
    let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = std::mem::size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `cred` and `len` are valid places, `len` says how long `cred` is.
    let rc = unsafe {
        let place = (&raw mut cred).cast();
        libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, place, &mut len)
    };
    match rc {
        0 => Ok((cred.uid, u32::try_from(cred.pid).unwrap_or(0))),
        _ => Err(io::Error::last_os_error()),
    }
}

fn peer_pidfd(stream: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut fd: libc::c_int = -1;
    let mut len = std::mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `fd` and `len` are valid places, `len` says how long `fd` is.
    let rc =
        unsafe { libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, SO_PEERPIDFD, (&raw mut fd).cast(), &mut len) };
    match rc {
        // SAFETY: the kernel has just given us this descriptor; nobody else knows it.
        0 if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        0 => Err(io::ErrorKind::NotFound.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Older kernels give a number only. It is the connector's as long as the connector has not been reaped, and we cannot
/// know that it has not: but whoever is opened here is at most watched under the user that the kernel told.
fn by_number(pid: u32) -> Option<Arc<Proc>> {
    if pid == 0 {
        return None;
    }
    Proc::open(pid).ok()
}

/// Sends bytes with a descriptor beside the first of them; gives how many bytes went.
pub fn send_with_fd(stream: impl AsFd, bytes: &[u8], fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd];
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(sendmsg(stream, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?)
}

/// Receives bytes and the first descriptor that came with them; any further one is closed. 0 bytes: the end.
pub fn receive_with_fd(stream: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(stream, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut first = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            for fd in fds {
                first.get_or_insert(fd);
            }
        }
    }
    Ok((got.bytes, first))
}

/// The user of the process that listens at (or made) the other end: clients talk only to their own user's or root's.
pub fn uid_of(stream: impl AsFd) -> io::Result<u32> {
    Ok(socket_peercred(stream)?.uid.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_kernel_names_the_peer() {
        let (here, there) = UnixStream::pair().expect("a pair");
        let (uid, proc) = of(&here).expect("a peer");
        assert_eq!(uid, nix::unistd::getuid().as_raw());
        assert_eq!(proc.expect("we see ourselves").key.pid, std::process::id());
        assert_eq!(uid_of(&there).expect("a peer"), uid);
        assert_eq!(by_number(0).map(|p| p.key), None);
        assert_eq!(by_number(std::process::id()).expect("we live").key.pid, std::process::id());
    }

    #[test]
    fn a_pidfd_travels_with_a_line() {
        let (here, there) = UnixStream::pair().expect("a pair");
        let me = Proc::open(std::process::id()).expect("we live");
        let sent = send_with_fd(&here, b"{}\n", me.fd().expect("descriptors are not short")).expect("room");
        assert_eq!(sent, 3);
        let mut buffer = [0; 16];
        let (n, fd) = receive_with_fd(&there, &mut buffer).expect("sent above");
        assert_eq!(&buffer[..n], b"{}\n");
        let other = Proc::from_pidfd(fd.expect("it came along")).expect("we live");
        assert_eq!(other.key, me.key);
        drop(here);
        assert_eq!(receive_with_fd(&there, &mut buffer).expect("the end").0, 0);
    }
}
