//! Queries run on threads of their own, below everybody else's priority, few at a time and not for ever: a query can
//! hold up another query, and nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use super::{Failure, Kind};

/// Queries at once. Each may take a core and some hundred MiB at worst; the trials need both.
const AT_ONCE: usize = 2;
/// Queries that may wait for their turn: Grafana asks for all panels of a dashboard at once.
const WAITING: usize = 100;
/// Prometheus's `query.timeout`.
pub(super) const LONGEST: Duration = Duration::from_secs(120);
/// Niceness of a query's thread.
const NICE: i32 = 10;

/// MiB of long answers that may be on their way to those who asked: who reads slowly must not fill the memory.
const ON_THE_WAY: usize = 128;
/// An answer up to this many bytes is short: of these there is at most one for each connection.
const SHORT: usize = 1 << 20;

/// Who may run, and what may be on its way.
#[derive(Debug)]
pub(in crate::export) struct Pool {
    turns: Arc<Semaphore>,
    places: Semaphore,
    answers: Arc<Semaphore>,
}

/// A long answer, counted until it is sent.
struct Counted(String, #[expect(dead_code, reason = "it counts as long as it is there")] OwnedSemaphorePermit);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Default for Pool {
    fn default() -> Pool {
        Pool {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            places: Semaphore::new(AT_ONCE + WAITING),
            answers: Arc::new(Semaphore::new(ON_THE_WAY)),
        }
    }
}

/// Tells the work that nobody waits for it any more; also when the client has gone and the future is dropped.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Pool {
    /// An answer as a body, if it is short or there is room for a long one.
    pub fn body(&self, answer: String) -> Result<Bytes, Failure> {
        if answer.len() <= SHORT {
            return Ok(answer.into());
        }
        let room = self.answers.clone().try_acquire_many_owned((answer.len() / SHORT) as u32 + 1);
        let full = |_| Failure::new(Kind::Unavailable, "too many long answers are being read; ask again later");
        Ok(Bytes::from_owner(Counted(answer, room.map_err(full)?)))
    }

    /// Runs `work` when its turn comes. It is given a flag that says that nobody waits any more.
    pub async fn run<T: Send + 'static>(
        &self,
        at_most: Duration,
        work: impl FnOnce(Arc<AtomicBool>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let until = Instant::now() + at_most.min(LONGEST);
        let late = |_| Failure::new(Kind::Timeout, "query timed out in expression evaluation");
        let full = |_| Failure::new(Kind::Unavailable, format!("{WAITING} queries wait already; ask again later"));
        let _place = self.places.try_acquire().map_err(full)?;
        let queued = |_| Failure::new(Kind::Timeout, "query timed out in query queue");
        let turn = timeout_at(until, self.turns.clone().acquire_owned()).await.map_err(queued)?;
        let stop = Stop(Arc::default());
        let (flag, (tell, told)) = (stop.0.clone(), oneshot::channel());
        let body = move || {
            // Where the priority cannot be lowered, the query runs all the same.
            let _ = rustix::process::setpriority_process(None, NICE);
            let done = work(flag);
            // The turn is over only when the work is, whether anybody waits or not.
            drop(turn);
            let _ = tell.send(done);
        };
        let broken = |_| Failure::new(Kind::Internal, "the query broke off; this is a mistake in earlystop");
        std::thread::Builder::new()
            .name("query".into())
            .spawn(body)
            .map_err(|error| Failure::new(Kind::Unavailable, format!("no thread for the query: {error}")))?;
        timeout_at(until, told).await.map_err(late)?.map_err(broken)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_waits_longer_than_said_and_work_is_told() {
        let pool = Pool::default();
        let (tell, told) = std::sync::mpsc::channel();
        let endless = move |stop: Arc<AtomicBool>| {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = tell.send(());
            Ok(())
        };
        let failure = pool.run(Duration::from_millis(20), endless).await.expect_err("it takes too long");
        assert_eq!(failure.kind, Kind::Timeout);
        assert!(told.recv_timeout(Duration::from_secs(60)).is_ok(), "the work ends");
        assert_eq!(pool.run(LONGEST, |_| Ok(7)).await, Ok(7));
    }

    #[test]
    fn long_answers_are_counted_until_they_are_sent() {
        let (pool, long) = (Pool::default(), || "x".repeat(31 << 20));
        let held: Vec<Bytes> = (0..4).map(|_| pool.body(long()).expect("room")).collect();
        assert_eq!(pool.body(long()).expect_err("full").kind, Kind::Unavailable);
        assert!(pool.body("short".to_owned()).is_ok_and(|body| &*body == b"short"));
        drop(held);
        assert!(pool.body(long()).is_ok_and(|body| body.len() == 31 << 20));
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let failure = Pool::default().run(LONGEST, |_| -> Result<(), Failure> { panic!("on purpose") }).await;
        assert_eq!(failure.expect_err("it broke").kind, Kind::Internal);
    }

    #[tokio::test]
    async fn few_run_and_few_wait() {
        let pool = Arc::new(Pool::default());
        let gate = Arc::new(AtomicBool::new(false));
        let all: Vec<_> = (0..AT_ONCE + WAITING)
            .map(|_| {
                let (pool, gate) = (pool.clone(), gate.clone());
                tokio::spawn(async move {
                    let wait = move |_| {
                        while !gate.load(Ordering::Relaxed) {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        Ok(())
                    };
                    pool.run(LONGEST, wait).await
                })
            })
            .collect();
        while pool.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.turns.available_permits(), 0);
        assert_eq!(pool.run(LONGEST, |_| Ok(())).await.expect_err("full").kind, Kind::Unavailable);
        gate.store(true, Ordering::Relaxed);
        for one in all {
            assert_eq!(one.await.expect("it ends"), Ok(()));
        }
    }
}
