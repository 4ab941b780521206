//! Everything that can go wrong before a daemon runs: folders, sockets, journal, policy.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::handle::DaemonHandle;
use super::hub::{Edges, Hub, Locals};
use super::inbox::Inbox;
use super::reload::Reloader;
use super::world::Surroundings;
use super::{DaemonConfig, Standing, restore};
use crate::act::{Actor, SelfTestError, self_test};
use crate::engine::{Engine, Remembered};
use crate::export::{self, ExportState, History, Listener, WebConfig};
use crate::journal::{self, Journal, JournalError, Ledger, Machine};
use crate::model::{Counters, Effect, Event, Moment, Policy, Settings, StopOutcome, TrialSpec};
use crate::policy::config::Listen;
use crate::policy::{self, Config};
use crate::replay::{Recollection, earlier};
use crate::source::discover::{Discover, Discovery};
use crate::source::exits::Exits;
use crate::source::remote;
use crate::source::sampler::{Sampler, SamplerConfig};
use crate::source::socket::{self, BindError, Connections, Listening};
use crate::sys::places::{PlaceError, Places, host_name};
use crate::sys::roster::Roster;
use crate::sys::{clock, limits};

/// Why a daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The runtime folder cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The socket cannot be had.
    #[error(transparent)]
    Socket(#[from] BindError),
    /// The group is not known.
    #[error("there is no group {0:?}; say one from /etc/group, or leave `group` out")]
    Group(String),
    /// The HTTP address cannot be had.
    #[error("cannot listen on {address}: {source}; give another address by --listen")]
    Listen {
        /// The address.
        address: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The web configuration is wrong.
    #[error("{0}")]
    Web(String),
    /// The remote Prometheus cannot be asked like this.
    #[error("[remote]: {0}")]
    Remote(String),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The state folder cannot be made.
    #[error("cannot make the state folder {path}: {source}; give another by --state")]
    State {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A facility that stopping needs is missing.
    #[error(transparent)]
    SelfTest(#[from] SelfTestError),
    /// The machine gives no more threads or descriptors.
    #[error("cannot start {what}: {source}; is a limit of processes or open files reached?")]
    Thread {
        /// What was to be started.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Everything is there; nothing runs yet.
pub(super) struct Setup {
    config: Config,
    socket: Listening,
    http: Listener,
    web: Option<WebConfig>,
    journal: Journal,
    restored: journal::Restored,
    ledger: Ledger,
    recovered: journal::Recovered,
    policy: Arc<Policy>,
    memory: Remembered,
    reloader: Reloader,
    counters: Arc<Counters>,
    machine: Machine,
    now: Moment,
}

impl Setup {
    /// Takes hold of everything that can be refused.
    pub fn prepare(from: DaemonConfig) -> Result<Setup, StartError> {
        let DaemonConfig { config, policy, standing, render } = from;
        let reloader = Reloader { paths: config.policy.clone(), context: config.context(), render };
        self_test()?;
        // Every watched process costs up to two descriptors; with fewer it works, but dearer.
        if let Err(error) = limits::raise_open_files() {
            tracing::warn!("the limit of open files stays as it is: {error}");
        }
        let places = Places::here();
        places.make_runtime()?;
        let path = config.socket.clone().unwrap_or_else(|| match standing {
            Standing::Alone => places.socket(),
            Standing::Inside(_) => places.run_socket(std::process::id()),
        });
        let group = config.group.as_deref().map(group_id).transpose()?;
        if let Some(group) = group.filter(|_| path.parent() == Some(places.runtime())) {
            places.let_through(group)?;
        }
        let socket = Listening::bind(&path, group)?;
        let http = listen(&config, standing)?;
        let web = config.web_config_file.as_deref().map(WebConfig::load).transpose();
        let web = web.map_err(|error| StartError::Web(error.to_string()))?;
        policy.remote.as_deref().map_or(Ok(()), remote::check).map_err(StartError::Remote)?;
        let counters = Arc::new(Counters::default());
        let now = clock::now();
        let file = journal_file(&config, standing, &places)?;
        let machine = Machine::here();
        let policy = Arc::new(policy);
        let (memory, remembered) = recall(&file, standing, &config.settings, &policy);
        let (journal, restored) = Journal::open(journal::Config {
            path: file.clone(),
            max_size: config.journal.max_size,
            max_age_ns: config.journal.max_age_ns,
            settings: config.settings.clone(),
            remembered,
            detail: journal::Detail::Trees,
            at: now,
            counters: counters.clone(),
        })?;
        let (ledger, recovered) = match config.settings.observe {
            true => (Ledger::in_memory(), journal::Recovered::default()),
            false => Ledger::beside(&file, machine.clone()),
        };
        if let Some(trouble) = ledger.trouble() {
            tracing::warn!("{trouble}");
        }
        Ok(Setup {
            config,
            socket,
            http,
            web,
            journal,
            restored,
            ledger,
            recovered,
            policy,
            memory,
            reloader,
            counters,
            machine,
            now,
        })
    }

    /// Starts the threads.
    pub fn launch(self) -> Result<DaemonHandle, StartError> {
        let thread = |what| move |source| StartError::Thread { what, source };
        let Setup { config, socket, http, web, mut journal, restored, ledger, recovered, .. } = self;
        let Setup { policy, memory, reloader, counters, machine, now, .. } = self;
        let (inbox, roster, locals) = (Arc::new(Inbox::default()), Roster::new(), Locals::default());
        let sampling = SamplerConfig {
            interval: Duration::from_nanos(config.settings.interval_ns),
            limits: config.settings.limits,
            per_process: true,
            pss: config.pss_ns.map(Duration::from_nanos),
            ..SamplerConfig::default()
        };
        let sampler =
            Sampler::start(sampling, roster.clone(), counters.clone(), into(&inbox)).map_err(thread("the sampler"))?;
        let actor = Actor::start(roster.clone(), ledger.clone(), counters.clone(), into(&inbox));
        let actor = actor.map_err(thread("the actor"))?;
        let exits = Exits::start(into(&inbox)).map_err(thread("the watch over roots"))?;
        let entries = config.discover.iter().map(discover).collect();
        Discovery::start(&sampler, entries, into(&inbox)).map_err(thread("discovery"))?;
        let interval = Duration::from_nanos(config.settings.interval_ns);
        let asker = remote::Asker::new(interval, counters.clone(), into(&inbox));
        let connections = Arc::new(Connections::new(counters.clone()));
        let history = History::new(config.query, counters.clone());
        let export = Arc::new(ExportState::with_history(counters.clone(), history));
        let remembering = export.clone();
        let history = std::thread::Builder::new().name("history".into()).spawn(move || remembering.remember());
        let history = history.map_err(thread("the history of queries"))?;
        let (http_address, socket_path) = (http.address(), socket.path().to_path_buf());

        let mut engine = Engine::new(config.settings.clone(), clock::boot_ns, now);
        let mut first = engine.step(now, &Event::Policy(policy.clone()));
        journal.event(now, &Event::Policy(policy));
        let taken = restore::take_up(restored, recovered.open, &roster, &machine, now);
        for orphan in &taken.orphans {
            first.push(Effect::Close(orphan.record.clone(), StopOutcome::Terminated));
        }
        engine.remember(memory);
        let effects = engine.restore(now, taken.living, taken.ended, taken.attempts);
        first.extend(effects);
        let members = taken.members;

        let world = Surroundings { sampler: sampler.clone(), inbox: inbox.clone() };
        let serving = Serving { socket, http, web, limits: config.settings.limits };
        let (stop_serving, server) = serve(serving, world, connections.clone(), export.clone())?;
        let edges = Edges {
            sampler: sampler.clone(),
            actor,
            exits,
            connections,
            locals: locals.clone(),
            journal,
            ledger,
            export: export.clone(),
            counters,
            roster: roster.clone(),
            asker,
            reloader,
        };
        let hub = Hub::new(engine, edges, inbox.clone());
        let main = std::thread::Builder::new().name("main-loop".into()).spawn(move || hub.run(first, members));
        let main = main.map_err(thread("the main loop"))?;
        Ok(DaemonHandle::new(
            inbox,
            locals,
            sampler,
            export,
            roster,
            socket_path,
            http_address,
            stop_serving,
            vec![main, server, history],
        ))
    }
}

/// A `[[discover]]` table as the edge takes it.
fn discover(table: &policy::config::Discovery) -> Discover {
    let spec = TrialSpec { trial: table.trial.clone(), experiment: table.experiment.clone(), ..TrialSpec::default() };
    let (exe, cmdline, cgroup) = (table.exe.clone(), table.cmdline.clone(), table.cgroup.clone());
    Discover { exe, cmdline, cgroup, stop: table.stop, spec }
}

/// A way into the inbox for an edge.
fn into(inbox: &Arc<Inbox>) -> Box<dyn Fn(Moment, Event) + Send + Sync> {
    let inbox = inbox.clone();
    Box::new(move |at, event| inbox.event(at, event))
}

/// What is served.
struct Serving {
    socket: Listening,
    http: Listener,
    web: Option<WebConfig>,
    limits: crate::model::Limits,
}

/// One thread for the socket and HTTP.
fn serve(
    what: Serving,
    world: Surroundings,
    connections: Arc<Connections>,
    export: Arc<ExportState>,
) -> Result<(oneshot::Sender<()>, JoinHandle<()>), StartError> {
    let failed = |source| StartError::Thread { what: "the servers", source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let listener = what.socket.listener().map_err(failed)?;
    let (stop, stopped) = oneshot::channel();
    let body = move || {
        runtime.block_on(async {
            let socket = socket::serve(listener, world, what.limits, connections);
            let http = export::serve(what.http, what.web, export);
            tokio::select! {
                result = socket => result.unwrap_or_else(|e| tracing::error!("the socket is gone: {e}")),
                result = http => result.unwrap_or_else(|e| tracing::error!("the HTTP server is gone: {e}")),
                _ = stopped => {}
            }
        });
        // A rendering under way must not hold up the end.
        runtime.shutdown_background();
        drop(what.socket);
    };
    let thread = std::thread::Builder::new().name("servers".into()).spawn(body).map_err(failed)?;
    Ok((stop, thread))
}

/// The HTTP listener. An address that was asked for must be had; else any port does for an embedded daemon.
fn listen(config: &Config, standing: Standing) -> Result<Listener, StartError> {
    let bind = |listen: &Listen| {
        Listener::bind(listen).map_err(|source| StartError::Listen { address: listen.to_string(), source })
    };
    match (&config.listen, standing) {
        (Some(asked), _) => bind(asked),
        (None, Standing::Alone) => bind(&Listen::Tcp(Config::DEFAULT_LISTEN.to_string())),
        (None, Standing::Inside(_)) => bind(&Listen::Tcp(Config::DEFAULT_LISTEN.to_string()))
            .or_else(|_| bind(&Listen::Tcp("127.0.0.1:0".to_string()))),
    }
}

/// STATE/HOST/journal.sqlite, or STATE/HOST/runs/ULID.sqlite for an embedded daemon; the folder is made.
fn journal_file(config: &Config, standing: Standing, places: &Places) -> Result<PathBuf, StartError> {
    let folder = match &config.state {
        Some(state) => state.join(host_name()),
        None => places.host_state(),
    };
    let file = match standing {
        Standing::Alone => folder.join("journal.sqlite"),
        Standing::Inside(run) => folder.join("runs").join(format!("{run}.sqlite")),
    };
    let folder = file.parent().unwrap_or(&folder);
    std::fs::create_dir_all(folder).map_err(|source| StartError::State { path: folder.to_path_buf(), source })?;
    Ok(file)
}

/// What is remembered of trials before: of the journal's own, and for a command with a daemon of its own of those before it,
/// where a rule compares them. The names of the other journals.
fn recall(file: &Path, standing: Standing, settings: &Settings, policy: &Arc<Policy>) -> (Remembered, Vec<String>) {
    let mut recollection = Recollection::new(settings, policy);
    let compares = policy.rules.iter().any(|rule| rule.learns);
    let others = match (standing, file.parent()) {
        (Standing::Inside(_), Some(folder)) if compares => earlier(folder, file),
        _ => Vec::new(),
    };
    let mut names = Vec::new();
    for path in &others {
        match (recollection.read(path), path.file_name().and_then(|name| name.to_str())) {
            (Ok(()), Some(name)) => names.push(name.to_string()),
            (Ok(()), None) => {}
            // A command that runs at this moment has it, or it is damaged: nothing is compared with its trials.
            (Err(error), _) => tracing::info!("its trials are not compared with: {error}"),
        }
    }
    if file.exists()
        && let Err(error) = recollection.read(file)
    {
        tracing::warn!("trials of before are not compared with: {error}");
    }
    (recollection.finish(), names)
}

fn group_id(name: &str) -> Result<u32, StartError> {
    let unknown = || StartError::Group(name.to_string());
    let group = nix::unistd::Group::from_name(name).ok().flatten().ok_or_else(unknown)?;
    Ok(group.gid.as_raw())
}
