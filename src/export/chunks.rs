//! An answer that is written while it is read: a thread of its own writes, the connection takes, and what waits between
//! them is bounded, however long the answer and however slow the reader.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame};

/// Bytes that are handed over at once. Some 500 lines of the exposition: waking somebody costs little beside writing them.
const CHUNK: usize = 64 << 10;
/// Chunks that may wait. With the one being written and the one being sent it makes 256 KiB.
const WAITING: usize = 2;
/// How long the reader may take for all of it: a thread and a snapshot are kept for it meanwhile. Prometheus itself gives up
/// after 10 s unless it is told otherwise.
const LONGEST: Duration = Duration::from_secs(60);
/// Answers that are written at the same time: the cores belong to the trials. One that waits for its reader does not count.
const AT_ONCE: usize = 2;

/// The right to use a core.
#[derive(Debug, Default)]
pub(super) struct Turns {
    taken: Mutex<usize>,
    freed: Condvar,
}

impl Turns {
    fn take(&self) {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self.freed.wait_while(taken, |n| *n >= AT_ONCE).unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
    }

    fn give_back(&self) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.freed.notify_one();
    }
}

/// What both sides see.
#[derive(Debug, Default)]
struct Between {
    state: Mutex<State>,
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Bytes>,
    end: Option<End>,
    reader: Option<Waker>,
    reader_gone: bool,
}

/// How the answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All of it was written.
    Whole,
    /// The writer gave up: what came is a part, and nobody must take it for the whole.
    Broken,
}

impl Between {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: End) {
        let mut state = self.lock();
        state.end = Some(end);
        state.reader.take().into_iter().for_each(Waker::wake);
    }
}

/// The reading side: the body of an answer.
#[derive(Debug)]
pub struct Chunks(Arc<Between>);

/// The writing side.
#[derive(Debug)]
struct Pen {
    between: Arc<Between>,
    turns: Arc<Turns>,
    buffer: Vec<u8>,
    until: Instant,
}

impl Chunks {
    /// An answer that `write` writes, on a blocking thread of the runtime. If it fails, the connection breaks off.
    pub(super) fn written_by(
        turns: &Arc<Turns>,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Chunks {
        Chunks::within(LONGEST, turns, write)
    }

    fn within(
        longest: Duration,
        turns: &Arc<Turns>,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Chunks {
        let between = Arc::<Between>::default();
        let until = Instant::now() + longest;
        let (turns, other) = (turns.clone(), between.clone());
        tokio::task::spawn_blocking(move || {
            turns.take();
            let mut pen = Pen { between: other, turns, buffer: Vec::with_capacity(CHUNK), until };
            // An error means that the reader went away or is too slow: nobody is left to be told.
            if write(&mut pen).and_then(|()| pen.hand_over()).is_ok() {
                pen.between.end(End::Whole);
            }
        });
        Chunks(between)
    }

    /// Nothing, for those who only ask for the head.
    pub(super) fn none() -> Chunks {
        let between = Between::default();
        between.end(End::Whole);
        Chunks(Arc::new(between))
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut state = self.0.lock();
        if let Some(chunk) = state.waiting.pop_front() {
            self.0.room.notify_one();
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match state.end {
            Some(End::Whole) => Poll::Ready(None),
            Some(End::Broken) => Poll::Ready(Some(Err(io::Error::other("the answer broke off")))),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = self.0.lock();
        state.waiting.is_empty() && state.end == Some(End::Whole)
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.reader_gone = true;
        state.waiting.clear();
        self.0.room.notify_one();
    }
}

impl Pen {
    /// Hands over what is written so far as soon as there is room for it.
    fn hand_over(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let between = self.between.clone();
        let mut state = between.lock();
        let full = |state: &mut State| state.waiting.len() >= WAITING && !state.reader_gone;
        if full(&mut state) {
            self.turns.give_back();
            let left = self.until.saturating_duration_since(Instant::now());
            state = between.room.wait_timeout_while(state, left, full).unwrap_or_else(PoisonError::into_inner).0;
            let (late, gone) = (full(&mut state), state.reader_gone);
            drop(state);
            self.turns.take();
            match (late, gone) {
                (true, _) => return Err(io::ErrorKind::TimedOut.into()),
                (_, true) => return Err(io::ErrorKind::BrokenPipe.into()),
                _ => state = between.lock(),
            }
        }
        if state.reader_gone {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.waiting.push_back(std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK)).into());
        state.reader.take().into_iter().for_each(Waker::wake);
        Ok(())
    }
}

impl Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == CHUNK {
            self.hand_over()?;
        }
        let count = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        self.turns.give_back();
        if self.between.lock().end.is_none() {
            self.between.end(End::Broken);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use http_body_util::BodyExt;

    use super::*;

    async fn all(mut chunks: Chunks) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(frame) = chunks.frame().await {
            bytes.extend_from_slice(&frame?.into_data().expect("data is all there is"));
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn what_is_written_arrives() {
        let turns = Arc::default();
        let wanted: Vec<u8> = (0..1_000_003_u32).map(|n| n as u8).collect();
        let text = wanted.clone();
        let chunks = Chunks::written_by(&turns, move |out| text.chunks(777).try_for_each(|piece| out.write_all(piece)));
        assert_eq!(all(chunks).await.expect("all of it"), wanted);
        assert_eq!(all(Chunks::written_by(&turns, |_| Ok(()))).await.expect("nothing"), b"");
        assert!(Chunks::none().is_end_stream());
    }

    #[tokio::test]
    async fn a_part_is_never_taken_for_the_whole() {
        let turns = Arc::default();
        let broken = Chunks::written_by(&turns, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert!(all(broken).await.is_err());
        assert!(all(Chunks::written_by(&turns, |_| panic!("as if by a mistake"))).await.is_err());
        // Neither has kept its turn.
        let whole = (0..2 * AT_ONCE).map(|_| Chunks::written_by(&turns, |out| out.write_all(b"x")));
        for whole in whole.collect::<Vec<_>>() {
            assert_eq!(all(whole).await.expect("all of it"), b"x");
        }
    }

    /// Writes without an end; tells how much was taken, and how it ended.
    fn endless(count: Arc<AtomicUsize>, end: mpsc::Sender<io::Error>) -> impl FnOnce(&mut dyn Write) -> io::Result<()> {
        move |out| {
            loop {
                match out.write_all(&[b'x'; 1024]) {
                    Ok(()) => count.fetch_add(1024, Ordering::Relaxed),
                    Err(error) => {
                        let kind = error.kind();
                        end.send(error).expect("the test waits for it");
                        return Err(kind.into());
                    }
                };
            }
        }
    }

    #[tokio::test]
    async fn the_slow_hold_little_and_hold_up_nobody() {
        let turns = Arc::default();
        let (tell, told) = mpsc::channel();
        let count = Arc::new(AtomicUsize::new(0));
        let slow: Vec<Chunks> = (0..3 * AT_ONCE)
            .map(|_| Chunks::within(Duration::from_secs(3600), &turns, endless(count.clone(), tell.clone())))
            .collect();
        // Those who read have their turn all the same.
        let quick = Chunks::written_by(&turns, |out| out.write_all(&[b'x'; 10 * CHUNK]));
        assert_eq!(all(quick).await.expect("all of it").len(), 10 * CHUNK);
        assert!(count.load(Ordering::Relaxed) <= slow.len() * (WAITING + 1) * CHUNK);
        assert!(told.try_recv().is_err(), "they still wait");
        drop(slow);
        for _ in 0..3 * AT_ONCE {
            let error = told.recv().expect("it ends with its reader");
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
    }

    #[tokio::test]
    async fn nobody_is_waited_for_for_ever() {
        let turns = Arc::default();
        let (tell, told) = mpsc::channel();
        let slow = Chunks::within(Duration::from_millis(20), &turns, endless(Arc::default(), tell));
        assert_eq!(told.recv().expect("it ends by itself").kind(), io::ErrorKind::TimedOut);
        assert!(all(slow).await.is_err(), "a part, and no whole");
    }
}
