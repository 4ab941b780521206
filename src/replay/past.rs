//! The record as it was: fed with its own policies, compared with what the journal says was done.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use super::cast::{Cast, Scene};
use super::meter::Meter;
use super::player::Player;
use super::tape::Tape;
use crate::engine::Engine;
use crate::journal::{Difference, JournalError, Verdicts};
use crate::model::{
    Access, Effect, Endpoint, Event, Moment, Policy, ReadingCause, RemoteServer, RunId, SECOND, Settings, StopRecord,
    TlsFiles, TrialView,
};
use crate::policy::{self, Context};

/// A trial as the record has it.
#[derive(Clone, Debug)]
pub struct Lived {
    /// As it ended, or stood when the record ended.
    pub view: Arc<TrialView>,
    /// Memory held over its life, GiB-hours.
    pub gib_hours: f64,
}

/// Why the record alone cannot give back all that was done.
#[derive(Clone, Debug, PartialEq)]
pub enum Break {
    /// So many inputs are missing, the first and the last of them at these moments.
    Dropped(u64, Moment, Moment),
    /// The daemon of the life that began at this moment was killed: its last moments may be missing.
    Killed(Moment),
    /// A policy of the record is refused by this version, and the one before went on.
    Refused(Vec<PathBuf>),
    /// Rules that read series of single processes, of which the journal keeps none.
    Processes(Vec<Arc<str>>),
}

/// The record as it was.
#[derive(Debug, Default)]
pub struct Past {
    /// All trials, in the order of runs.
    pub trials: BTreeMap<RunId, Lived>,
    /// When the record ends.
    pub end: Moment,
    /// How many lives of a daemon it has.
    pub lives: usize,
    /// Where nobody can claim that a replay is equal.
    pub breaks: Vec<Break>,
    /// Where the replay and the journal differ.
    pub differences: Vec<Difference>,
    /// Stops in the journal.
    pub stops: usize,
    /// Stops by the input at which they began.
    pub(super) begun: HashMap<(i64, RunId), StopRecord>,
    /// Fresh looks that were asked for at these inputs: the record has the answers.
    pub(super) looks: HashSet<(i64, RunId)>,
}

/// What the policy of a replay is understood with: any series may be there, and what was asked elsewhere has been answered.
pub(super) fn context(settings: &Settings) -> Context {
    let endpoint = Endpoint { https: false, host: "replay.invalid".into(), port: 80, prefix: String::new() };
    let identity = vec![("instance".to_string(), "replay".to_string())];
    let remote = RemoteServer {
        endpoint,
        identity,
        timeout_ns: SECOND,
        interval_ns: SECOND,
        headers: Vec::new(),
        access: Access::Open,
        tls: TlsFiles::default(),
    };
    Context { interval_ns: settings.interval_ns, proportional: true, remote: Some(Arc::new(remote)) }
}

/// The record plays itself.
#[derive(Default)]
struct Itself {
    meter: Meter,
    interval_ns: u64,
    lives: usize,
    verdicts: Verdicts,
    begun: HashMap<(i64, RunId), StopRecord>,
    known: HashSet<crate::model::StopId>,
    looks: HashSet<(i64, RunId)>,
    breaks: Vec<Break>,
}

impl Cast for Itself {
    fn standing(&mut self, settings: &Settings) -> Option<Arc<Policy>> {
        self.interval_ns = settings.interval_ns;
        self.lives += 1;
        None
    }

    fn policy(&mut self, texts: &BTreeMap<PathBuf, String>, settings: &Settings) -> Option<Arc<Policy>> {
        match policy::parse_all(texts, &context(settings)) {
            Ok((policy, _)) => {
                let reads = |rule: &&Arc<crate::model::Rule>| rule.expr.contains("trial_process_");
                let names: Vec<Arc<str>> = policy.rules.iter().filter(reads).map(|rule| rule.name.clone()).collect();
                if !names.is_empty() {
                    self.breaks.push(Break::Processes(names));
                }
                Some(Arc::new(policy))
            }
            Err(_) => {
                self.breaks.push(Break::Refused(texts.keys().cloned().collect()));
                None
            }
        }
    }

    fn admit(&mut self, _: i64, _: Moment, event: Event, _: &Engine) -> Option<Event> {
        if let Event::Tick(tick) = &event {
            self.meter.tick(tick, self.interval_ns);
        }
        Some(event)
    }

    fn effect(&mut self, scene: &Scene<'_>, effect: &Effect, _: &mut VecDeque<Event>) {
        self.verdicts.effect(scene.at, effect);
        match effect {
            Effect::Record(record) if self.known.insert(record.id) => {
                self.begun.insert((scene.seq, record.run), record.clone());
            }
            Effect::Read(run, ReadingCause::Confirm | ReadingCause::Weigh) => {
                self.looks.insert((scene.seq, *run));
            }
            _ => {}
        }
    }
}

/// Plays a record as it was.
///
/// # Errors
/// The journal is damaged.
pub fn past(tape: &Tape) -> Result<Past, JournalError> {
    let mut player = Player::new(tape, Itself::default());
    player.play()?;
    let mut views: BTreeMap<RunId, Arc<TrialView>> = player.book.heads().clone();
    views.extend(player.living().map(|view| (view.run, view.clone())));
    let end = player.last();
    let Player { cast, holes, orphans, .. } = player;
    let Itself { meter, lives, mut verdicts, begun, looks, mut breaks, .. } = cast;
    orphans.iter().for_each(|record| verdicts.orphan(record, crate::model::StopOutcome::Terminated));
    breaks.extend(holes.dropped.iter().map(|d| Break::Dropped(d.count, d.first, d.last)));
    breaks.extend(holes.killed.iter().map(|at| Break::Killed(*at)));
    let lived = |(run, view): (RunId, Arc<TrialView>)| (run, Lived { gib_hours: meter.gib_hours(run), view });
    Ok(Past {
        trials: views.into_iter().map(lived).collect(),
        end,
        lives,
        breaks,
        differences: tape.verdicts().differences(&verdicts),
        stops: tape.verdicts().stops(),
        begun,
        looks,
    })
}
