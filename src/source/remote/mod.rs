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

use crate::model::{Counters, Event, Moment, RemoteAnswer, RemoteOutcome, RemoteQuestion, RemoteSeries, RemoteServer};
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

/// Looks at what a server's settings name: certificates and keys.
///
/// # Errors
/// The file and what is wrong with it, in words.
pub fn check(server: &RemoteServer) -> Result<(), String> {
    if server.endpoint.https { tls::connector(&server.tls).map(drop) } else { Ok(()) }
}

/// Asks whatever it is told to; dropping it ends that.
pub struct Asker {
    interval: Duration,
    counters: Arc<Counters>,
    deliver: Arc<Deliver>,
    running: Option<Running>,
}

/// The thread that asks one server.
struct Running {
    server: Arc<RemoteServer>,
    questions: watch::Sender<Vec<RemoteQuestion>>,
    thread: JoinHandle<()>,
}

impl Asker {
    /// Asks nothing yet. `interval` is the time between ticks: nothing is asked more often than that.
    pub fn new(interval: Duration, counters: Arc<Counters>, deliver: Deliver) -> Asker {
        Asker { interval, counters, deliver: Arc::new(deliver), running: None }
    }

    /// Asks these of this server from now on, the first time at once. Never waits.
    pub fn ask(&mut self, server: Option<Arc<RemoteServer>>, questions: Vec<RemoteQuestion>) {
        // Without its sender a thread ends by itself, and takes along what it had under way.
        let same = self.running.take().filter(|running| Some(&running.server) == server.as_ref());
        let Some(server) = server.filter(|_| !questions.is_empty()) else { return };
        match same {
            Some(running) => {
                running.questions.send_replace(questions);
                self.running = Some(running);
            }
            None => match self.start(server, questions) {
                Ok(running) => self.running = Some(running),
                Err(error) => tracing::error!("no thread to ask the remote Prometheus on: {error}"),
            },
        }
    }

    fn start(&self, server: Arc<RemoteServer>, questions: Vec<RemoteQuestion>) -> io::Result<Running> {
        let (questions, asked) = watch::channel(questions);
        let desk = Arc::new(Desk {
            period: self.interval.max(Duration::from_nanos(server.interval_ns)),
            patience: Duration::from_nanos(server.timeout_ns),
            server: server.clone(),
            counters: self.counters.clone(),
            deliver: self.deliver.clone(),
            turns: Semaphore::new(AT_ONCE),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let body = move || {
            runtime.block_on(serve(asked, desk));
            // A look-up of a name under way must not hold up the end.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("remote".into()).spawn(body)?;
        Ok(Running { server, questions, thread })
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        let Some(Running { questions, thread, .. }) = self.running.take() else { return };
        drop(questions);
        if thread.join().is_err() {
            tracing::error!("the thread that asks the remote Prometheus had panicked");
        }
    }
}

/// What all questions share.
struct Desk {
    server: Arc<RemoteServer>,
    period: Duration,
    patience: Duration,
    counters: Arc<Counters>,
    deliver: Arc<Deliver>,
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
    let mut client = Client::new(desk.server.clone());
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
        let server = &self.server;
        let late = || {
            let why = format!("{} gave no answer within {:?}", server.endpoint, self.patience);
            Trouble::new(RemoteOutcome::Timeout, why)
        };
        let response = timeout(self.patience, client.query(expr, self.patience)).await.map_err(|_| late())??;
        answer::read(response.status, &response.body, &server.identity)
            .map_err(|trouble| Trouble { why: format!("{}: {}", server.endpoint, trouble.why), ..trouble })
    }

    /// As with samples, three may be missing. An answer is as old as its question, however long it took.
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
