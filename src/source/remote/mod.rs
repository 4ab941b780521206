//! Asks a remote Prometheus, for rules that are evaluated there. On a thread of its own: however slow the server, the network or
//! an answer of many megabytes, no tick and no trainer waits.
//!
//! One query at a time a rule, [`AT_ONCE`] in all. Every query ends in an event, and so does every failure: that nobody knows is
//! something that rules must hear. Proxies of the environment are not used: what stops trials must not depend on the shell
//! from which the daemon was started.

mod answer;
mod client;
mod tls;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use client::Client;

use crate::model::{Counters, Event, Moment, RemoteAnswer, RemoteOutcome, RemoteQuestion, RemoteSeries};
use crate::policy::remote::Remote;
use crate::sys::clock;

/// Queries at once. Prometheus runs 20 in all by default (`--query.max-concurrency`): one sidecar must not fill them.
const AT_ONCE: usize = 4;

/// Takes events.
pub type Deliver = Box<dyn Fn(Moment, Event) + Send + Sync>;

/// Why a query gave no answer that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trouble {
    outcome: RemoteOutcome,
    /// In words for a person.
    why: String,
}

impl Trouble {
    fn new(outcome: RemoteOutcome, why: impl Into<String>) -> Trouble {
        Trouble { outcome, why: why.into() }
    }
}

/// Everything that can be refused is there; nothing runs yet.
pub struct Ready {
    remote: Arc<Remote>,
    connector: Option<tokio_rustls::TlsConnector>,
}

impl Ready {
    /// Reads certificates and keys.
    ///
    /// # Errors
    /// The file and what is wrong with it, in words.
    pub fn new(remote: Remote) -> Result<Ready, String> {
        let connector = if remote.endpoint.https { Some(tls::connector(&remote.tls)?) } else { None };
        Ok(Ready { remote: Arc::new(remote), connector })
    }

    /// Starts the thread; it asks nothing yet. `interval` is the time between ticks: nothing is asked more often than that.
    ///
    /// # Errors
    /// The machine gives no more threads or descriptors.
    pub fn start(self, interval: Duration, counters: Arc<Counters>, deliver: Deliver) -> io::Result<Asker> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (questions, asked) = watch::channel(Vec::new());
        let period = interval.max(Duration::from_nanos(self.remote.interval_ns));
        let patience = Duration::from_nanos(self.remote.timeout_ns);
        let turns = Semaphore::new(AT_ONCE);
        let desk = Arc::new(Desk { ready: self, period, patience, counters, deliver, turns });
        let body = move || {
            runtime.block_on(serve(asked, desk));
            // A look-up of a name under way must not hold up the end.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("remote".into()).spawn(body)?;
        Ok(Asker { questions: Some(questions), thread: Some(thread) })
    }
}

/// Asks until it is dropped.
#[derive(Debug)]
pub struct Asker {
    questions: Option<watch::Sender<Vec<RemoteQuestion>>>,
    thread: Option<JoinHandle<()>>,
}

impl Asker {
    /// Asks these from now on, the first time at once.
    pub fn ask(&self, questions: Vec<RemoteQuestion>) {
        if let Some(sender) = &self.questions {
            sender.send_replace(questions);
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.questions = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that asks the remote Prometheus had panicked");
        }
    }
}

/// What all questions share.
struct Desk {
    ready: Ready,
    period: Duration,
    patience: Duration,
    counters: Arc<Counters>,
    deliver: Deliver,
    turns: Semaphore,
}

async fn serve(mut asked: watch::Receiver<Vec<RemoteQuestion>>, desk: Arc<Desk>) {
    let mut asking = JoinSet::new();
    loop {
        asking.shutdown().await;
        for question in asked.borrow_and_update().iter() {
            asking.spawn(repeat(desk.clone(), question.clone()));
        }
        if asked.changed().await.is_err() {
            return;
        }
    }
}

/// Asks one question again and again.
async fn repeat(desk: Arc<Desk>, question: RemoteQuestion) {
    let mut client = Client::new(desk.ready.remote.clone(), desk.ready.connector.clone());
    let mut pace = interval(desk.period);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = RemoteOutcome::Ok;
    loop {
        pace.tick().await;
        let Ok(_turn) = desk.turns.acquire().await else { return };
        let at = clock::now();
        let result = desk.ask(&mut client, &question.expr).await;
        let outcome = result.as_ref().map_or_else(|trouble| trouble.outcome, |_| RemoteOutcome::Ok);
        desk.counters.remote_query(outcome);
        if outcome != before {
            tell(&question.rule, result.as_ref().err());
            before = outcome;
        }
        let answer = RemoteAnswer {
            rule: question.rule.clone(),
            expr: question.expr.clone(),
            asked: at,
            good_for_ns: desk.good_for_ns(),
            result: result.map_err(|trouble| trouble.why),
        };
        (desk.deliver)(clock::now(), Event::Remote(answer));
    }
}

impl Desk {
    async fn ask(&self, client: &mut Client, expr: &str) -> Result<Vec<RemoteSeries>, Trouble> {
        let remote = &self.ready.remote;
        let late = || {
            let why = format!("{} gave no answer within {:?}", remote.endpoint, self.patience);
            Trouble::new(RemoteOutcome::Timeout, why)
        };
        let response = timeout(self.patience, client.query(expr, self.patience)).await.map_err(|_| late())??;
        answer::read(response.status, &response.body, &remote.identity)
            .map_err(|trouble| Trouble { why: format!("{}: {}", remote.endpoint, trouble.why), ..trouble })
    }

    /// As with samples, three may be missing: whoever answers more slowly than that is not believed. The time that one answer
    /// may take is added to nothing: an answer is as old as its question.
    fn good_for_ns(&self) -> u64 {
        u64::try_from((self.period * 3).max(self.patience).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Once a change, not once a query.
fn tell(rule: &str, trouble: Option<&Trouble>) {
    match trouble {
        None => tracing::info!("rule {rule}: the remote Prometheus answers again"),
        Some(Trouble { why, .. }) => {
            tracing::warn!("rule {rule}: nobody knows whether it holds, so nothing happens by it: {why}");
        }
    }
}
