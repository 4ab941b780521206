//! Recorded curves in random order under a stopping rule: what it saves and what it loses.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use earlystop::model::{Mode, RunId};
use earlystop::stopper::{Case, End, Field, Peer, Stopper, Verdict};

/// Trials in a permutation.
pub const SAMPLE: usize = 100;

/// Recorded trials of one experiment.
pub struct Corpus {
    pub name: &'static str,
    pub mode: Mode,
    /// Values as they were reported, at 1, 2, ...
    pub curves: Vec<Vec<f64>>,
}

/// The public corpora: file, columns, direction. Step 0 has random weights and is left out.
const CORPORA: [(&str, &str, Mode); 3] = [
    ("metaqnn_cifar10", "acc_", Mode::Max),
    ("deep_resnets_cifar10", "acc_", Mode::Max),
    ("lstm_ptb", "ep_", Mode::Min),
];

/// All three, where the folder has them.
pub fn corpora(folder: &Path) -> Option<Vec<Corpus>> {
    CORPORA.iter().map(|(name, prefix, mode)| Corpus::read(folder, name, prefix, *mode)).collect()
}

impl Corpus {
    fn read(folder: &Path, name: &'static str, prefix: &str, mode: Mode) -> Option<Corpus> {
        let file = std::fs::File::open(folder.join(format!("{name}.csv.gz"))).ok()?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
        let mut lines = text.lines();
        let is_step =
            |column: &str| column.strip_prefix(prefix).and_then(|n| n.parse().ok()).is_some_and(|n: u32| n > 0);
        let steps = lines.next().expect("a head").split(',').filter(|column| is_step(column)).count();
        // The steps are the last columns; a text before them may hold commas.
        let row = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            cells[cells.len() - steps..].iter().map(|cell| cell.parse().unwrap_or(f64::NAN)).collect()
        };
        Some(Corpus { name, mode, curves: lines.map(row).collect() })
    }

    /// Reports of a whole trial.
    pub fn length(&self) -> usize {
        self.curves[0].len()
    }

    fn turn(&self, value: f64) -> f64 {
        if self.mode == Mode::Max { value } else { -value }
    }

    /// The last value, higher is better; missing is worst.
    fn final_value(&self, trial: usize) -> f64 {
        let last = self.turn(self.curves[trial][self.length() - 1]);
        if last.is_nan() { f64::NEG_INFINITY } else { last }
    }
}

/// `sample` of `count` in random order, the same for the same seed.
pub fn draw(count: usize, sample: usize, seed: u64) -> Vec<usize> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5_4a32_d192_ed03;
    let mut all: Vec<usize> = (0..count).collect();
    for i in 0..sample.min(count) {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        all.swap(i, i + ((z ^ (z >> 31)) % (count - i) as u64) as usize);
    }
    all.truncate(sample);
    all
}

/// A rule with its settings.
#[derive(Clone)]
pub struct Rule {
    pub stopper: Arc<dyn Stopper>,
    /// As a share of the whole length.
    pub grace: Option<f64>,
    /// How many trials run side by side.
    pub workers: usize,
}

/// What came of one permutation.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Recorded reports over those that were made.
    pub speedup: f64,
    /// The best of all, or one as good, came to its end.
    pub kept: bool,
    /// How much worse the best that is left is, as a share of the best.
    pub regret: f64,
}

/// Puts every report of these trials to the rule; those that run side by side report in turn.
pub fn play(corpus: &Corpus, order: &[usize], rule: &Rule) -> Outcome {
    let length = corpus.length();
    let grace = rule.grace.map(|share| (share * length as f64 - 1e-9).ceil());
    let mut field = Field::default();
    let (mut waiting, mut running) = (order.iter().enumerate(), Vec::new());
    let (mut used, mut survivor) = (0, f64::NEG_INFINITY);
    loop {
        while running.len() < rule.workers
            && let Some((number, trial)) = waiting.next()
        {
            let run = RunId(number as u128);
            field.enter(run, Peer { name: number.to_string().into(), ..Peer::default() });
            running.push((run, *trial, 0));
        }
        if running.is_empty() {
            break;
        }
        running.retain_mut(|(run, trial, step)| {
            let before = (*step > 0).then_some(*step as f64);
            *step += 1;
            used += 1;
            let at = *step as f64;
            field.report(*run, at, corpus.turn(corpus.curves[*trial][*step - 1]));
            if *step == length {
                survivor = survivor.max(corpus.final_value(*trial));
                field.end(*run, End::Complete);
                return false;
            }
            let (unit, max) = (field.unit(*run).expect("it has entered"), Some(length as f64));
            let case =
                Case { field: &mut field, run: *run, unit, at, before, max, grace, min_peers: None, mode: corpus.mode };
            // The engine asks nobody before the grace period's end.
            let stops = grace.is_none_or(|grace| at >= grace) && stops(rule, case);
            if stops {
                field.end(*run, End::Cut);
            }
            !stops
        });
    }
    let best = order.iter().map(|trial| corpus.final_value(*trial)).fold(f64::NEG_INFINITY, f64::max);
    let regret = if survivor == f64::NEG_INFINITY { 1.0 } else { (best - survivor) / best.abs() };
    Outcome { speedup: (order.len() * length) as f64 / used as f64, kept: survivor >= best, regret }
}

fn stops(rule: &Rule, mut case: Case<'_>) -> bool {
    matches!(rule.stopper.decide(&mut case), Verdict::Stop(_))
}

/// What a rule comes to over permutations with seeds from `seed` on; the same whatever the number of threads.
pub fn permute(
    corpus: &Corpus,
    rule: &Rule,
    permutations: usize,
    sample: usize,
    seed: u64,
    threads: usize,
) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= permutations {
                return done;
            }
            let order = draw(corpus.curves.len(), sample, seed + n as u64);
            done.push((n, play(corpus, &order, rule)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        others.into_iter().for_each(|other| done.extend(other.join().expect("no panic")));
        done
    });
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Means over permutations.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    pub speedup: f64,
    pub kept: f64,
    pub regret: f64,
}

impl Means {
    pub fn of(outcomes: &[Outcome]) -> Means {
        let n = outcomes.len() as f64;
        let mean = |of: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>() / n;
        let kept = mean(&|o| f64::from(u8::from(o.kept)));
        Means { speedup: mean(&|o| o.speedup), kept, regret: mean(&|o| o.regret) }
    }
}
