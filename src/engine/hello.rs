//! How trials begin: hello, `run`, `watch`, `[[discover]]`.

use crate::model::{
    ConnId, DropReason, Effect, ErrorCode, Hello, Loudness, Moment, Name, Peer, Position, ProcKey, ProcessUse,
    ReadingCause, Refusal, Register, Reply, Resume, Root, RunId, TrialSpec, TrialState, Voice, Welcome,
};

use super::Engine;
use super::trial::{Identity, Sight, Speaker, Trial, is_shared, run_at};

/// A trial's name with its experiment.
pub(super) type FullName = (Name, Name);

/// What a new trial says of an unseen process.
const INVISIBLE: &str = "the daemon cannot see this process (another pid namespace): no memory or CPU series, and it can only be \
                         asked to stop; in Kubernetes set shareProcessNamespace: true, in Docker --pid";

impl Engine {
    /// A trainer says hello. Always answered.
    pub(super) fn on_hello(&mut self, conn: ConnId, peer: Peer, hello: &Hello, fresh: RunId, now: Moment) {
        match self.place(conn, peer, hello, fresh, now) {
            Ok(run) => {
                self.greet(conn, peer, hello, run, now);
            }
            Err(refusal) => self.out.push(Effect::Send(conn, Reply::Error(refusal))),
        }
    }

    /// Finds or founds the trial that a hello is about.
    fn place(&mut self, conn: ConnId, peer: Peer, hello: &Hello, fresh: RunId, now: Moment) -> Result<RunId, Refusal> {
        if let Some(run) = self.conns.get(&conn).copied() {
            let living = self.trials.get(&run).is_some_and(|t| t.view.state.is_living());
            if living {
                return Err(taken(&self.trials[&run]));
            }
        }
        let here = run_at(peer.position).filter(|run| self.trials.contains_key(run));
        let Some(run) = here else { return self.found_by_hello(peer, hello, None, fresh, now) };
        let trial = &self.trials[&run];
        let wanted = self.name_of(&hello.spec, trial);
        let same = wanted == (trial.view.experiment.clone(), trial.view.trial.clone());
        let again = trial.done.is_some() && trial.view.state.is_living();
        match (peer.position, trial.sight) {
            (_, Sight::Shared(_)) => self.found_by_hello(peer, hello, None, fresh, now),
            _ if is_shared(hello) => self.found_by_hello(peer, hello, Some(run), fresh, now),
            (Position::Root(_), _) if again => {
                self.finish(run, now);
                self.found_by_hello(peer, hello, None, fresh, now)
            }
            (Position::Root(_), _) => self.hello_of_root(run, peer, hello, now),
            _ if same || hello.spec.trial.is_none() => Ok(run),
            _ => self.found_by_hello(peer, hello, Some(run), fresh, now),
        }
    }

    /// The name a hello means: what it says, else the trial it stands in.
    fn name_of(&self, spec: &TrialSpec, trial: &Trial) -> FullName {
        let experiment = spec.experiment.clone().unwrap_or_else(|| trial.view.experiment.clone());
        (experiment, spec.trial.clone().unwrap_or_else(|| trial.view.trial.clone()))
    }

    /// Hello from the root of a trial: that trial. A made-up name gives way, a given one stands.
    fn hello_of_root(&mut self, run: RunId, peer: Peer, hello: &Hello, now: Moment) -> Result<RunId, Refusal> {
        let trial = &self.trials[&run];
        if trial.speakers.values().any(|s| s.key == peer.key) {
            return Err(taken(trial));
        }
        if !trial.named {
            let wanted = self.name_of(&hello.spec, trial);
            let old = (trial.view.experiment.clone(), trial.view.trial.clone());
            if wanted != old {
                self.free_name(&wanted, run)?;
                let attempt = self.attempt_after(&wanted, hello.resume)?;
                let named = hello.spec.trial.is_some();
                if let Some(trial) = self.trials.get_mut(&run) {
                    trial.named = named;
                    let view = trial.view_mut();
                    (view.experiment, view.trial, view.attempt) = (wanted.0.clone(), wanted.1.clone(), attempt);
                }
                self.forget_attempt(&old);
                self.remember_attempt(run);
            }
        }
        let _ = now;
        Ok(run)
    }

    /// Founds a trial by hello.
    fn found_by_hello(
        &mut self,
        peer: Peer,
        hello: &Hello,
        parent: Option<RunId>,
        fresh: RunId,
        now: Moment,
    ) -> Result<RunId, Refusal> {
        let outer = parent.map(|run| self.trials[&run].view.experiment.clone());
        let experiment = hello.spec.experiment.clone().or(outer).unwrap_or_else(Name::default_experiment);
        let made_up = || Name::made_of(&format!("trial-{}", &fresh.to_string()[16..]));
        let name = (experiment, hello.spec.trial.clone().unwrap_or_else(made_up));
        self.free_name(&name, fresh)?;
        let attempt = self.attempt_after(&name, hello.resume)?;
        self.room_for_one_more()?;
        let sight = match (peer.key, hello.process) {
            (None, _) => Sight::None,
            (Some(key), ProcessUse::Shared) => Sight::Shared(key),
            (Some(key), ProcessUse::Own) => Sight::Tree(Root { key, subreaper: None }),
        };
        let who = Identity {
            run: fresh,
            attempt,
            experiment: name.0,
            trial: name.1,
            named: hello.spec.trial.is_some(),
            parent,
            uid: peer.uid,
            sight,
            may_stop: true,
            by_hello: true,
        };
        self.found(who, &hello.spec, now);
        if let (Sight::Shared(key), None) = (sight, parent) {
            self.join_shared(key, fresh, peer.uid);
        }
        Ok(fresh)
    }

    /// Puts a new trial among the living.
    fn found(&mut self, who: Identity, spec: &TrialSpec, now: Moment) {
        let (run, sight, uid) = (who.run, who.sight, who.uid);
        let mut trial = Trial::new(now, who, spec);
        self.equip(&mut trial, now);
        trial.take_spec(spec);
        self.trials.insert(run, trial);
        self.living.push(run);
        self.remember_attempt(run);
        if let Sight::Tree(root) = sight {
            self.out.push(Effect::Track(run, root, uid));
        }
        let view = &self.trials[&run].view;
        self.records.introduce(view);
        let name = view.full_name();
        self.note(Loudness::Info, format!("{name}: begins"));
    }

    /// The connection reports for the trial from now on, and is told so.
    fn greet(&mut self, conn: ConnId, peer: Peer, hello: &Hello, run: RunId, now: Moment) {
        let before = self.last_attempt(run);
        let continues = hello.resume == Resume::Continue && self.trials[&run].view.progress.hello.is_none();
        let Some(trial) = self.trials.get_mut(&run) else { return };
        if continues && let Some(last) = before.as_ref().and_then(|b| b.curve.clone()) {
            trial.go_on_from(&last);
            let view = trial.view.clone();
            self.records.go_on_from(last.run, &view);
        }
        let Some(trial) = self.trials.get_mut(&run) else { return };
        let primary = hello.primary.unwrap_or(hello.worker == "0");
        let speaker = Speaker { worker: hello.worker.clone(), primary, key: peer.key, last: None };
        trial.speakers.insert(conn, speaker);
        trial.hear(now);
        if hello.voice == Voice::Own {
            trial.count_heartbeat();
            self.heartbeats += 1;
        }
        if primary {
            trial.take_spec(&hello.spec);
            let progress = &mut trial.view_mut().progress;
            progress.hello.get_or_insert(now);
        }
        let view = trial.view.clone();
        if self.records.introduce(&view) {
            self.forget_fields();
        }
        self.conns.insert(conn, run);
        let stopped_before = before.as_ref().and_then(|b| b.stopped_by.clone());
        let view = &self.trials[&run].view;
        let last_step = match hello.resume {
            Resume::Continue => super::progress::last_step(view).max(before.as_ref().map_or(0, |b| b.last_step)),
            _ => view.progress.step.unwrap_or(hello.spec.start_step),
        };
        let welcome = Welcome {
            experiment: view.experiment.clone(),
            trial: view.trial.clone(),
            run,
            attempt: view.attempt,
            last_step,
            stopped_before: stopped_before.clone(),
            visible: peer.key.is_some(),
            hint: peer.key.is_none().then(|| INVISIBLE.to_string()),
        };
        self.out.push(Effect::Send(conn, Reply::Welcome(welcome)));
        self.head(run);
        let stop = self.trials[&run].stop.as_ref().map(|s| s.notice(now));
        match (stop, stopped_before.filter(|_| continues && primary)) {
            // It is on its way down: whoever joins is asked, too.
            (Some(notice), _) if primary => self.out.push(Effect::Send(conn, Reply::Stop(notice))),
            (None, Some(rule)) if !self.settings.observe => {
                let reason = format!("rule {rule} stopped the attempt before, whose curve goes on");
                self.begin(run, rule, reason, self.gentle(), now);
            }
            _ => {}
        }
    }

    /// `run`, `watch` and `[[discover]]`.
    pub(super) fn on_register(&mut self, register: &Register, now: Moment) {
        let answer = self.register(register, now);
        let Some(conn) = register.conn else {
            if let Err(refusal) = answer {
                self.note(Loudness::Warning, format!("not watched: {}", refusal.message));
            }
            return;
        };
        let reply = match answer {
            Ok(welcome) => Reply::Welcome(welcome),
            Err(refusal) => Reply::Error(refusal),
        };
        self.out.push(Effect::Send(conn, reply));
    }

    /// Founds a trial that did not say hello.
    fn register(&mut self, register: &Register, now: Moment) -> Result<Welcome, Refusal> {
        if let Some(trial) = root_at(register.position).and_then(|run| self.trials.get(&run)) {
            return Err(taken(trial));
        }
        let experiment = register.spec.experiment.clone().unwrap_or_else(Name::default_experiment);
        let name = (experiment, register.spec.trial.clone().unwrap_or_else(|| register.fallback.clone()));
        self.free_name(&name, register.run)?;
        let attempt = self.attempt_after(&name, Resume::New)?;
        self.room_for_one_more()?;
        let who = Identity {
            run: register.run,
            attempt,
            experiment: name.0.clone(),
            trial: name.1.clone(),
            named: register.spec.trial.is_some(),
            parent: run_at(register.position),
            uid: register.uid,
            sight: Sight::Tree(register.root),
            may_stop: register.may_stop,
            by_hello: false,
        };
        self.found(who, &register.spec, now);
        if let Some(trial) = self.trials.get_mut(&register.run) {
            trial.runner = register.conn.filter(|_| register.root.subreaper.is_some());
        }
        self.head(register.run);
        Ok(Welcome {
            experiment: name.0,
            trial: name.1,
            run: register.run,
            attempt,
            last_step: 0,
            stopped_before: None,
            visible: true,
            hint: None,
        })
    }

    /// A name may run once at a time.
    fn free_name(&self, name: &FullName, own: RunId) -> Result<(), Refusal> {
        let has = |run: &&RunId| {
            let view = &self.trials[run].view;
            **run != own && view.experiment == name.0 && view.trial == name.1
        };
        match self.living.iter().find(has) {
            None => Ok(()),
            Some(other) => Err(Refusal::new(
                ErrorCode::NameTaken,
                format!("a trial {}/{} is running already (run {other})", name.0, name.1),
                "give this one another name, or wait until the other has ended",
            )),
        }
    }

    /// At most so many trials run at once.
    fn room_for_one_more(&mut self) -> Result<(), Refusal> {
        if self.living.len() < self.settings.limits.running_trials {
            return Ok(());
        }
        self.drop_one(DropReason::Trials);
        let most = self.settings.limits.running_trials;
        Err(Refusal::new(
            ErrorCode::Limit,
            format!("{most} trials are running, which is the limit"),
            "raise running_trials in [limits] of the configuration",
        ))
    }

    /// A shared process: its first trial stands for it with the sampler.
    pub(super) fn join_shared(&mut self, key: ProcKey, run: RunId, uid: u32) {
        let runs = self.shared.entry(key).or_default();
        runs.push(run);
        if runs.len() == 1 {
            self.out.push(Effect::Track(run, Root { key, subreaper: None }, uid));
        }
    }

    /// A trial of a shared process ended: another one stands for the process.
    pub(super) fn leave_shared(&mut self, key: ProcKey, run: RunId) {
        let Some(runs) = self.shared.get_mut(&key) else { return };
        let stood = runs.first() == Some(&run);
        runs.retain(|r| *r != run);
        let next = runs.first().copied();
        if runs.is_empty() {
            self.shared.remove(&key);
        }
        if !stood {
            return;
        }
        self.out.push(Effect::Untrack(run));
        if let Some(next) = next {
            let uid = self.trials[&next].uid;
            self.out.push(Effect::Track(next, Root { key, subreaper: None }, uid));
        }
    }

    /// A connection is closed. Its trial runs on while its process lives; of an unseen process nobody else can tell.
    pub(super) fn on_closed(&mut self, conn: ConnId, now: Moment) {
        let Some(run) = self.conns.remove(&conn) else {
            let runner = self.trials.values_mut().find(|t| t.runner == Some(conn));
            return runner.into_iter().for_each(|t| t.runner = None);
        };
        let Some(trial) = self.trials.get_mut(&run) else { return };
        trial.speakers.remove(&conn);
        if trial.empty_since.is_some() && trial.view.state.is_living() && trial.speakers.is_empty() {
            self.out.push(Effect::Read(run, ReadingCause::Exit));
        }
        let unseen = trial.sight == Sight::None && trial.speakers.is_empty() && trial.view.state.is_living();
        if unseen {
            let cause = crate::model::ExitCause::Unknown;
            self.end(run, TrialState::Lost, crate::model::Exit { cause, status: None }, now);
        }
    }
}

/// The trial of which a process at this position is the root.
fn root_at(position: Position) -> Option<RunId> {
    match position {
        Position::Root(run) => Some(run),
        Position::Outside | Position::Inside(_) => None,
    }
}

/// The process has a running trial.
fn taken(trial: &Trial) -> Refusal {
    Refusal::new(
        ErrorCode::ProcessTaken,
        format!("this process already reports for the running trial {}", trial.view.full_name()),
        "say done first, or say \"process\":\"shared\" in each hello if several trials share one process",
    )
}
