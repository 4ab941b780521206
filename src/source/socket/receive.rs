//! Bytes, and the descriptors that come beside them.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::wire::frame::Lines;

/// Bytes read at once: some 300 step lines, so that the system call is no longer what a line costs, and a flood gives
/// the next client its turn after a fraction of a millisecond.
const READ: usize = 32 * 1024;

thread_local! {
    /// One buffer for all connections of the thread; what was read moves on before anybody waits.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Waits for bytes and appends them to `lines`. Returns how many came (0: the client will say no more) and the first
/// descriptor that came with them; others are closed.
pub(super) async fn receive(stream: &UnixStream, lines: &mut Lines) -> io::Result<(usize, Option<OwnedFd>)> {
    stream
        .async_io(Interest::READABLE, || {
            SCRATCH.with_borrow_mut(|scratch| {
                let (count, fd) = receive_now(stream, scratch)?;
                lines.push(&scratch[..count]);
                Ok((count, fd))
            })
        })
        .await
}

fn receive_now(stream: &UnixStream, scratch: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = recvmsg(stream, &mut [IoSliceMut::new(scratch)], &mut beside, flags)?;
    let mut first = None;
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            for fd in fds {
                first.get_or_insert(fd);
            }
        }
    }
    Ok((received.bytes, first))
}
