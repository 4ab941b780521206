//! Passes over the watched trees: what the sampler's thread does when it is not waiting.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::census::{Census, Where};
use super::forest::Forest;
use super::host::Host;
use super::lineage::Reader;
use super::member::Lens;
use super::totals::Totals;
use crate::model::{
    Counters, HostSample, Limits, Member as TreeMember, Memory, Moment, Pair, Position, ProcSample, Reading,
    ReadingCause, Root, RunId, RunState, SECOND, Tick, Tree, TreeSample,
};
use crate::sys::clock;
use crate::sys::look::Look;
use crate::sys::process::Proc;
use crate::sys::roster::Roster;
use crate::sys::tree::ProcTree;

/// Limits of control groups change rarely.
const LIMIT_NS: u64 = 10 * SECOND;
/// Trees of up to so many members get their dear files read on demand as well.
const SMALL_TREE: usize = 64;

/// What is known of a trial beside its tree.
struct Run {
    /// What earlier trials in the same process used.
    base: Totals,
    /// When the last tick was, and the CPU used by then.
    last: Option<(u64, u64)>,
}

/// Sums over one tree in one pass.
#[derive(Default)]
struct Sums {
    used: Totals,
    memory: Option<Memory>,
    unreadable: bool,
    swap: Option<u64>,
    proportional: Option<u64>,
    threads: u32,
    processes: u32,
    has_io: bool,
    has_faults: bool,
    has_switches: bool,
    members: Vec<ProcSample>,
}

/// All that is watched, and how.
pub struct Watch {
    forest: Forest,
    lens: Lens,
    census: Census,
    host: Host,
    last_host: HostSample,
    roster: Arc<Roster>,
    runs: HashMap<RunId, Run>,
    interval: Duration,
    per_process: bool,
    pss: Option<Duration>,
    pss_at_ns: u64,
    proportional: HashMap<u32, u64>,
    limits: HashMap<u32, (u64, Option<u64>)>,
    turn: u32,
    discovering: bool,
}

impl Watch {
    /// Nothing is watched yet.
    pub fn new(config: &super::sampler::SamplerConfig, roster: Arc<Roster>, counters: Arc<Counters>) -> Watch {
        let tree = Arc::new(ProcTree::new(PathBuf::from(&config.proc_root)));
        let limits: Limits = config.limits;
        Watch {
            forest: Forest::new(roster.clone(), counters, limits),
            lens: Lens::new(tree.clone()),
            census: Census::new(tree),
            host: Host::default(),
            last_host: HostSample::default(),
            roster,
            runs: HashMap::new(),
            interval: config.interval,
            per_process: config.per_process,
            pss: config.pss,
            pss_at_ns: 0,
            proportional: HashMap::new(),
            limits: HashMap::new(),
            turn: 0,
            discovering: false,
        }
    }

    /// Changes how often ticks come: the dear files' turns follow it.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Whether somebody wants to hear of processes that are in no tree: all there are, then new ones.
    pub fn discover(&mut self, wanted: bool) {
        self.discovering = wanted;
        self.census.forget();
    }

    /// Watches a trial.
    pub fn track(&mut self, run: RunId, root: Root) {
        let base = self.forest.track(&mut self.lens, run, root);
        self.runs.entry(run).or_insert(Run { base, last: None });
    }

    /// Takes in members that an earlier daemon had seen.
    pub fn take_back(&mut self, run: RunId, members: Vec<Arc<Proc>>) {
        self.forest.take_back(&mut self.lens, run, members);
    }

    /// Watches it no longer.
    pub fn untrack(&mut self, run: RunId) {
        self.forest.untrack(&self.lens, run);
        self.runs.remove(&run);
        let trees = &self.forest.trees;
        self.limits.retain(|tree, _| trees.contains_key(tree));
    }

    /// Where a process stands.
    pub fn locate(&mut self, proc: &Arc<Proc>) -> Position {
        self.forest.locate(&mut self.lens, proc)
    }

    /// A reader of a trial's tree for other threads.
    pub fn lineage(&self, run: RunId) -> Option<Reader> {
        let id = self.forest.tree_of(run)?;
        let root = self.forest.trees.get(&id)?.root;
        Some(Reader::new(root, self.forest.living(id), self.forest.borders(id), self.roster.clone()))
    }

    /// A pass over everything. The second value: living processes in no tree that are new since the pass before.
    pub fn tick(&mut self, at: Moment, overruns: u64) -> (Tick, Vec<Arc<Proc>>) {
        let strangers = self.find_new(at.boot_ns);
        self.forest.age_credits();
        self.forest.look(&mut self.lens, None);
        self.study_in_turn();
        self.read_proportional(at.boot_ns);
        self.last_host = self.host.read(&mut self.lens);
        let ids: Vec<u32> = self.forest.trees.keys().copied().collect();
        let mut sums = self.sum(None);
        let mut trees = Vec::new();
        for id in ids {
            let sums = sums.remove(&id).unwrap_or_default();
            trees.extend(self.samples(id, sums, at));
        }
        for sample in &trees {
            if let Some(run) = self.runs.get_mut(&sample.run) {
                run.last = Some((at.boot_ns, ((sample.cpu.first + sample.cpu.second) * 1e9) as u64));
            }
        }
        let up = self.lens.take_up();
        let took_ns = clock::boot_ns().saturating_sub(at.boot_ns);
        (Tick { at, took_ns, overruns, trees, host: self.last_host.clone(), up }, strangers)
    }

    /// A look at one trial between ticks; `None` when it is not watched.
    pub fn read(&mut self, at: Moment, run: RunId, cause: ReadingCause) -> Option<Reading> {
        let id = self.forest.tree_of(run)?;
        self.find_new(at.boot_ns);
        self.forest.look(&mut self.lens, Some(id));
        let tree = self.forest.trees.get(&id)?;
        if tree.size <= SMALL_TREE {
            let lens = &mut self.lens;
            self.forest.members.values_mut().filter(|m| m.tree == id && !m.zombie).for_each(|m| m.study(lens));
        }
        let mut sums = self.sum(Some(id)).remove(&id).unwrap_or_default();
        if cause == ReadingCause::Weigh {
            sums.proportional = self.weigh(id);
        }
        let sample = self.samples(id, sums, at).into_iter().find(|s| s.run == run)?;
        Some(Reading { cause, sample })
    }

    /// Proportional memory of a tree, read now; `None` where it is not to be had of every process. It can wait for a
    /// process that changes its mappings, and takes a millisecond for each few hundred of them: once before a stop.
    fn weigh(&mut self, id: u32) -> Option<u64> {
        let members = self.forest.members.values().filter(|m| m.tree == id && !m.zombie);
        let mut sum = 0;
        for member in members {
            match member.proportional(&mut self.lens) {
                Some(bytes) => sum += bytes,
                // It left meanwhile: what it had is no longer there.
                None if member.proc.is_gone() => {}
                None => return None,
            }
        }
        Some(sum)
    }

    /// Who lives in a trial's tree now and what they do; `None` when it is not watched, or when nobody was seen but
    /// somebody may have slipped away. An empty list means that nobody is left.
    pub fn members(&mut self, at: Moment, run: RunId) -> Option<Tree> {
        let id = self.forest.tree_of(run)?;
        self.find_new(at.boot_ns);
        self.forest.look(&mut self.lens, Some(id));
        let mut members = at_work(&self.forest.living(id));
        if members.is_empty() {
            let look = self.look_again(run)?;
            members = at_work(&look.living);
            // They left since: the next look will find what they left behind.
            if members.is_empty() && !look.found_nobody() {
                return None;
            }
        }
        Some(Tree { run, members })
    }

    /// Nobody is a grave word: a link of a chain that forks and exits may have slipped through.
    fn look_again(&mut self, run: RunId) -> Option<Look> {
        let look = self.lineage(run)?.look();
        self.forest.take_back(&mut self.lens, run, look.living.clone());
        Some(look)
    }

    /// Takes in what is new in the trees; gives new processes that are in none, where somebody wants to know.
    fn find_new(&mut self, now_ns: u64) -> Vec<Arc<Proc>> {
        if self.forest.trees.is_empty() && !self.discovering {
            self.census.forget();
            return Vec::new();
        }
        if self.forest.has_room_again() {
            self.census.forget();
        }
        match self.census.look(now_ns) {
            Where::Numbers(numbers) => {
                let (unborn, strangers) = self.forest.place(&mut self.lens, &numbers);
                self.census.not_yet_born(unborn);
                strangers
            }
            Where::All => {
                self.forest.begin_full_look();
                let all = self.lens.tree.pids().unwrap_or_default();
                self.forest.place(&mut self.lens, &all).1
            }
        }
    }

    /// Reads the dear files of the processes whose turn it is, and of all that are new.
    fn study_in_turn(&mut self) {
        let all = self.forest.members.len();
        let small = 64.0 * self.interval.as_secs_f64().min(1.0);
        let quota = (all / 10).max(small as usize).max(1).min(all);
        let turn = self.turn;
        let after: Vec<u32> = self.forest.members.range(turn..).map(|(pid, _)| *pid).take(quota).collect();
        let wrapped = quota - after.len();
        let before: Vec<u32> = self.forest.members.keys().copied().take(wrapped).collect();
        self.turn = before.last().or(after.last()).map_or(0, |last| last + 1);
        let lens = &mut self.lens;
        for pid in after.into_iter().chain(before) {
            if let Some(member) = self.forest.members.get_mut(&pid).filter(|m| !m.zombie)
                && member.is_due()
            {
                member.study(lens);
            }
        }
        self.forest.members.values_mut().filter(|m| m.is_new() && !m.zombie).for_each(|m| m.study(lens));
    }

    fn read_proportional(&mut self, now_ns: u64) {
        let Some(every) = self.pss else { return };
        if now_ns.saturating_sub(self.pss_at_ns) < every.as_nanos() as u64 {
            return;
        }
        self.pss_at_ns = now_ns;
        self.proportional.clear();
        for (pid, member) in self.forest.members.iter().filter(|(_, m)| !m.zombie) {
            if let Some(bytes) = member.proportional(&mut self.lens) {
                self.proportional.insert(*pid, bytes);
            }
        }
    }

    fn sum(&mut self, only: Option<u32>) -> BTreeMap<u32, Sums> {
        let mut all: BTreeMap<u32, Sums> = BTreeMap::new();
        for (pid, member) in self.forest.members.iter().filter(|(_, m)| only.is_none_or(|t| t == m.tree)) {
            let sums = all.entry(member.tree).or_default();
            sums.used = sums.used.plus(member.used(&self.lens));
            sums.has_io |= member.has_io();
            sums.has_switches |= member.has_switches();
            sums.has_faults = true;
            if member.zombie {
                continue;
            }
            sums.processes += 1;
            sums.threads += member.threads;
            match member.memory {
                Some(m) => {
                    let sum = sums.memory.get_or_insert_default();
                    sum.resident += m.resident;
                    sum.shared += m.shared;
                }
                None => sums.unreadable = true,
            }
            if let Some(bytes) = member.swap {
                *sums.swap.get_or_insert(0) += bytes;
            }
            if let Some(bytes) = self.proportional.get(pid) {
                *sums.proportional.get_or_insert(0) += bytes;
            }
            if self.per_process {
                sums.members.push(member.sample());
            }
        }
        all
    }

    /// The samples of all trials that share a tree.
    fn samples(&mut self, id: u32, sums: Sums, at: Moment) -> Vec<TreeSample> {
        let limit = self.limit(id, at.boot_ns);
        let run = self.forest.trees.get(&id).and_then(|t| t.runs.first().copied());
        let slipped = sums.processes == 0 && run.and_then(|run| self.look_again(run)).is_none_or(|l| !l.found_nobody());
        let Some(tree) = self.forest.trees.get_mut(&id) else { return Vec::new() };
        let totals = tree.totals(sums.used);
        let members: Arc<[ProcSample]> = sums.members.into();
        let mut samples = Vec::new();
        for run in &tree.runs {
            let Some(state) = self.runs.get(run) else { continue };
            let own = totals.beyond(state.base);
            let utilization = state.last.and_then(|(then_ns, cpu_ns)| {
                let passed = at.boot_ns.saturating_sub(then_ns);
                (passed > 0).then(|| own.cpu_ns().saturating_sub(cpu_ns) as f64 / passed as f64)
            });
            samples.push(TreeSample {
                run: *run,
                complete: !sums.unreadable && !tree.over && !slipped,
                memory: sums.memory,
                swap: sums.swap,
                proportional: sums.proportional,
                limit,
                cpu: Pair { first: own.user_ns as f64 / 1e9, second: own.system_ns as f64 / 1e9 },
                utilization,
                processes: sums.processes,
                threads: sums.threads,
                io: (sums.has_io || own.io != Pair::default()).then_some(own.io),
                major_faults: (sums.has_faults || own.faults > 0).then_some(own.faults),
                switches: (sums.has_switches || own.switches != Pair::default()).then_some(own.switches),
                members: members.clone(),
            });
        }
        samples
    }

    /// The nearest limit of memory: of the control group, else all the host has.
    fn limit(&mut self, id: u32, now_ns: u64) -> Option<u64> {
        let total = self.last_host.memory_total;
        let tree = self.forest.trees.get(&id)?;
        let (read_ns, limit) = self.limits.entry(id).or_insert((0, None));
        if *read_ns == 0 || now_ns.saturating_sub(*read_ns) >= LIMIT_NS {
            self.lens.note(crate::model::SourceName::Cgroup, tree.cgroup.is_some());
            (*read_ns, *limit) = (now_ns, tree.cgroup.as_ref().and_then(|c| c.limit()));
        }
        limit.map_or(total, |limit| Some(total.map_or(limit, |total| total.min(limit))))
    }
}

/// Those that are no zombies yet, and what they do.
fn at_work(living: &[Arc<Proc>]) -> Vec<TreeMember> {
    let member = |proc: &Arc<Proc>| {
        let state = proc.run_state().filter(|state| *state != RunState::Zombie)?;
        Some(TreeMember { key: proc.key, state })
    };
    living.iter().filter_map(member).collect()
}
