//! Many permutations: a policy over random samples of complete trials, beside the baselines, with intervals.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::baseline::{SHARES, baseline};
use super::dice::Dice;
use super::lot;
use super::outcome::median_final;
use super::pool::{Pool, Unit};
use super::score::{self, Cost};
use super::stats;
use crate::model::{Evaluate, Policy, Scope, Settings};
use crate::promql;
use crate::state::table;

/// How permutations are made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many.
    pub permutations: usize,
    /// How many trials each has.
    pub sample: usize,
    /// Where chance begins.
    pub seed: u64,
    /// How many trials run at once.
    pub workers: usize,
    /// What is counted as cost.
    pub cost: Cost,
    /// Over random halves of the corpus, too.
    pub halves: bool,
    /// How many threads.
    pub threads: NonZero<usize>,
}

/// Halves of the corpus that are drawn.
const HALVES: usize = 100;

/// Permutations over each half: a tenth of those over the whole, but not fewer than these.
const LEAST_OF_A_HALF: usize = 20;

/// What one way to stop came to in one permutation.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    speedup: f64,
    kept: f64,
    regret: f64,
    regret_scaled: f64,
}

/// What a way to stop comes to, over all permutations.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Recorded cost over used cost.
    pub speedup: Figure,
    /// The share of permutations in which a survivor is as good as the best.
    pub kept: Figure,
    /// What was lost, as a share of the best.
    pub regret: Figure,
    /// What was lost, as a share of what the best is better than the median.
    pub regret_scaled: Figure,
}

/// What one rule did.
#[derive(Clone, Debug, Default)]
pub struct RuleDid {
    /// Trials that it stopped, a permutation.
    pub stopped: f64,
    /// Trials that it would have stopped and was held back from (the guard, `max_stops`), a permutation.
    pub limited: f64,
    /// Share of permutations in which it stopped one that was as good as the best.
    pub stopped_best: f64,
}

/// What one rule did in one permutation.
#[derive(Clone, Copy, Debug, Default)]
struct Did {
    stopped: usize,
    limited: usize,
    stopped_best: bool,
}

/// All that came of it.
#[derive(Clone, Debug)]
pub struct Permuted {
    /// Trials (or groups) in a permutation: fewer than were asked for where an experiment has fewer.
    pub sample: usize,
    /// The policy.
    pub policy: Way,
    /// Its rules by name.
    pub rules: BTreeMap<Arc<str>, RuleDid>,
    /// "Report for a while, then finish the best three", by the share of the whole.
    pub baselines: Vec<(f64, Way)>,
}

/// What the policy did in one permutation, and beside it the baselines.
struct Row {
    policy: Drawn,
    rules: BTreeMap<Arc<str>, Did>,
    baselines: Vec<Drawn>,
}

/// Rules that cannot be replayed on clocks of their own, with the reason.
pub fn refused(policy: &Policy) -> Vec<(Arc<str>, String)> {
    let why = |rule: &crate::model::Rule| {
        let host = promql::parse(&rule.expr).is_ok_and(|expr| expr.selectors().into_iter().any(reads_host));
        match (rule.scope, rule.evaluate, host) {
            (Scope::Experiment | Scope::All, ..) => Some("its scope is wider than one trial"),
            (_, Evaluate::Remote, _) => Some("it is evaluated elsewhere"),
            (.., true) => Some("it reads series of the host"),
            _ => None,
        }
    };
    policy.rules.iter().filter_map(|rule| Some((rule.name.clone(), why(rule)?.to_string()))).collect()
}

/// Whether a selector may choose series of the host.
fn reads_host(selector: &promql::Selector) -> bool {
    let chooses =
        |row: &table::HostRow| selector.matchers.iter().filter(|m| m.label == promql::NAME).all(|m| m.fits(row.name));
    table::HOST_METRICS.iter().any(chooses)
}

/// Draws, plays and counts.
///
/// # Errors
/// Something that the engine refused, which should not be: in words.
pub fn permute(pools: &[Pool], policy: &Arc<Policy>, settings: &Settings, plan: &Plan) -> Result<Permuted, String> {
    let settings = own_clocks(settings);
    let play = |pool: &Pool, order: &[usize]| row(pool, order, policy, &settings, plan);
    let whole: Vec<Vec<usize>> = pools.iter().map(|pool| (0..pool.units.len()).collect()).collect();
    let rows = draws(pools, &whole, plan.permutations, plan.seed, plan, &play)?;
    let halves = if plan.halves { Some(halves(pools, plan, &play)?) } else { None };
    let way = |of: &dyn Fn(&Row) -> Drawn| {
        let drawn: Vec<Drawn> = rows.iter().map(of).collect();
        let halves = halves
            .as_ref()
            .map(|all| all.iter().map(|rows| rows.iter().map(of).collect::<Vec<_>>()).collect::<Vec<_>>());
        Way::of(&drawn, halves.as_deref(), plan.seed)
    };
    Ok(Permuted {
        sample: pools.iter().map(|pool| pool.units.len()).max().unwrap_or(0).min(plan.sample),
        policy: way(&|row| row.policy),
        rules: rules(&rows),
        baselines: SHARES.iter().enumerate().map(|(n, share)| (*share, way(&|row| row.baselines[n]))).collect(),
    })
}

/// An engine that plays permutations forgets what has ended at once, but for its records: every trial has a clock of its own,
/// and how long ago another one ended means nothing.
fn own_clocks(recorded: &Settings) -> Settings {
    Settings { observe: false, ended_retention_ns: 0, ..recorded.clone() }
}

type Play<'p> = dyn Fn(&Pool, &[usize]) -> Result<Row, String> + Sync + 'p;

/// Permutations over parts of the pools; each permutation draws from one experiment, in turn.
fn draws(
    pools: &[Pool],
    parts: &[Vec<usize>],
    count: usize,
    seed: u64,
    plan: &Plan,
    play: &Play<'_>,
) -> Result<Vec<Row>, String> {
    let one = |n: usize| {
        let pool = n % pools.len();
        let order = Dice::new(seed, n as u64).draw(&parts[pool], plan.sample);
        play(&pools[pool], &order)
    };
    on_threads(count, plan.threads, &one).into_iter().collect()
}

/// Permutations over random halves of every pool.
fn halves(pools: &[Pool], plan: &Plan, play: &Play<'_>) -> Result<Vec<Vec<Row>>, String> {
    let count = (plan.permutations / 10).max(LEAST_OF_A_HALF);
    let mut all = Vec::with_capacity(HALVES);
    for half in 0..HALVES as u64 {
        // Other dice than those of the permutations.
        let mut dice = Dice::new(!plan.seed, half);
        let part = |pool: &Pool, dice: &mut Dice| {
            let whole: Vec<usize> = (0..pool.units.len()).collect();
            dice.draw(&whole, whole.len().div_ceil(2))
        };
        let parts: Vec<Vec<usize>> = pools.iter().map(|pool| part(pool, &mut dice)).collect();
        let seed = plan.seed ^ (half + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        all.push(draws(pools, &parts, count, seed, plan, play)?);
    }
    Ok(all)
}

/// Does `count` things on threads; the results are in order, whoever did them.
fn on_threads<T: Send>(count: usize, threads: NonZero<usize>, what: &(dyn Fn(usize) -> T + Sync)) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return done;
            }
            done.push((n, what(n)));
        }
    };
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get().min(count)).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, result)| result).collect()
}

/// One permutation.
fn row(pool: &Pool, order: &[usize], policy: &Arc<Policy>, settings: &Settings, plan: &Plan) -> Result<Row, String> {
    let units: Vec<&Unit> = order.iter().map(|n| &pool.units[*n]).collect();
    let ended = lot::play(&units, policy, settings, plan.workers)?;
    let used: f64 = ended.iter().map(|ended| ended.used.of(plan.cost)).sum();
    let survives: Vec<bool> = ended.iter().map(|ended| ended.stopped_by.is_none()).collect();
    let best = score::best(pool.objective.mode, units.iter().filter_map(|unit| unit.value));
    let mut rules: BTreeMap<Arc<str>, Did> = BTreeMap::new();
    for (unit, ended) in units.iter().zip(&ended) {
        if let Some(rule) = &ended.stopped_by {
            let did = rules.entry(rule.clone()).or_default();
            did.stopped += 1;
            did.stopped_best |= unit.value.is_some() && unit.value == best;
        }
        for rule in &ended.limited {
            rules.entry(rule.clone()).or_default().limited += 1;
        }
    }
    let baselines = SHARES.iter().map(|share| {
        let (used, survives) = baseline(&units, *share, pool.objective.mode, plan.cost);
        drawn(pool, &units, used, &survives, plan.cost)
    });
    Ok(Row { policy: drawn(pool, &units, used, &survives, plan.cost), rules, baselines: baselines.collect() })
}

/// What a way to stop comes to over all trials at once.
#[derive(Clone, Copy, Debug)]
pub struct Plain {
    /// Recorded cost over used cost.
    pub speedup: f64,
    /// The share of experiments whose best was kept.
    pub kept: f64,
    /// The mean of what was lost, as a share of the best.
    pub regret: f64,
}

/// The baselines over all complete trials of each experiment, the mean over experiments.
pub fn baselines(pools: &[Pool], cost: Cost) -> Vec<(f64, Plain)> {
    let one = |share: f64| {
        let each: Vec<Drawn> = pools
            .iter()
            .map(|pool| {
                let units: Vec<&Unit> = pool.units.iter().collect();
                let (used, survives) = baseline(&units, share, pool.objective.mode, cost);
                drawn(pool, &units, used, &survives, cost)
            })
            .collect();
        let mean = |of: fn(&Drawn) -> f64| stats::mean(&each.iter().map(of).collect::<Vec<_>>());
        Plain { speedup: mean(|d| d.speedup), kept: mean(|d| d.kept), regret: mean(|d| d.regret) }
    };
    let shares = if pools.is_empty() { &[][..] } else { &SHARES[..] };
    shares.iter().map(|share| (*share, one(*share))).collect()
}

/// What it comes to if these survive.
fn drawn(pool: &Pool, units: &[&Unit], used: f64, survives: &[bool], cost: Cost) -> Drawn {
    let mode = pool.objective.mode;
    let recorded: f64 = units.iter().map(|unit| unit.cost(cost)).sum();
    let speedup = if recorded == used { 1.0 } else { recorded / used };
    let values = || units.iter().filter_map(|unit| unit.value);
    let (Some(best), Some(worst)) = (score::best(mode, values()), score::worst(mode, values())) else {
        // All are missing: all are equal, and as bad as can be.
        return Drawn { speedup, kept: f64::from(survives.contains(&true)), regret: 0.0, regret_scaled: 0.0 };
    };
    let kept = units.iter().zip(survives).filter(|(_, survives)| **survives).filter_map(|(unit, _)| unit.value);
    let kept = score::best(mode, kept);
    let achieved = kept.unwrap_or(worst);
    let median = median_final(units.iter().map(|unit| unit.value), worst);
    Drawn {
        speedup,
        kept: f64::from(kept == Some(best)),
        regret: score::regret(mode, best, achieved, best),
        regret_scaled: score::regret(mode, best, achieved, best - median),
    }
}

fn rules(rows: &[Row]) -> BTreeMap<Arc<str>, RuleDid> {
    let mut all: BTreeMap<Arc<str>, RuleDid> = BTreeMap::new();
    let share = 1.0 / rows.len() as f64;
    for (rule, one) in rows.iter().flat_map(|row| &row.rules) {
        let did = all.entry(rule.clone()).or_default();
        did.stopped += one.stopped as f64 * share;
        did.limited += one.limited as f64 * share;
        did.stopped_best += f64::from(one.stopped_best) * share;
    }
    all
}

impl Way {
    fn of(drawn: &[Drawn], halves: Option<&[Vec<Drawn>]>, seed: u64) -> Way {
        let values = |drawn: &[Drawn], of: fn(&Drawn) -> f64| drawn.iter().map(of).collect::<Vec<f64>>();
        let figure = |of: fn(&Drawn) -> f64, middle: fn(&[f64]) -> f64, interval: &dyn Fn(&[f64]) -> (f64, f64)| {
            let all = values(drawn, of);
            let each = halves.map(|halves| halves.iter().map(|half| middle(&values(half, of))).collect::<Vec<_>>());
            Figure {
                mean: stats::mean(&all),
                median: stats::median(&all),
                over_permutations: interval(&all),
                over_halves: each.map(|each| stats::middle_95(&each)),
            }
        };
        let bootstrap = |all: &[f64]| stats::bootstrap(all, &mut Dice::new(seed, u64::MAX));
        Way {
            speedup: figure(|d| d.speedup, stats::median, &stats::middle_95),
            kept: figure(|d| d.kept, stats::mean, &stats::wilson),
            regret: figure(|d| d.regret, stats::mean, &bootstrap),
            regret_scaled: figure(|d| d.regret_scaled, stats::mean, &bootstrap),
        }
    }
}

/// A figure over permutations, with 95 % intervals.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The mean: of `kept`, the share.
    pub mean: f64,
    /// The median.
    pub median: f64,
    /// Over permutations: for the speed-up their 2.5 and 97.5 % quantiles, for `kept` Wilson's (1927) limits of a share, for
    /// regrets the bootstrap's limits of the mean.
    pub over_permutations: (f64, f64),
    /// Over halves of the corpus: 2.5 and 97.5 % quantiles of what each half gives.
    pub over_halves: Option<(f64, f64)>,
}

impl Figure {
    /// The lower end of the wider interval.
    pub fn low(&self) -> f64 {
        self.over_halves.map_or(self.over_permutations.0, |(low, _)| low.min(self.over_permutations.0))
    }

    /// The upper end of the wider interval.
    pub fn high(&self) -> f64 {
        self.over_halves.map_or(self.over_permutations.1, |(_, high)| high.max(self.over_permutations.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_on_any_number_of_threads() {
        for threads in [1, 3, 8] {
            let threads = NonZero::new(threads).unwrap();
            assert_eq!(on_threads(100, threads, &|n| n * n), (0..100).map(|n| n * n).collect::<Vec<_>>());
            assert!(on_threads(0, threads, &|n| n).is_empty());
        }
    }
}
