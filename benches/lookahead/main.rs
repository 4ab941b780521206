//! What rules that look ahead save and lose on recorded curves, and what a decision costs.
//!
//! `cargo bench --bench lookahead -- [FOLDER] [--permutations N] [--only NAME]`: FOLDER holds the corpora (default
//! `../shared/curves`). Other figures: `--calibration` (kind `curve`), `--accuracy` (kind `prediction`), `--system FILE` (what
//! early system metrics add; FILE from `benches/system_metrics.py`), `--cost`.
//! 100 trials drawn at random, one worker, one after the other; speed-up is the recorded steps over those
//! that were done, kept how often the best of the hundred survives, regret how much worse the best survivor is.

mod accuracy;
mod corpus;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use corpus::Corpus;
use earlystop::model::{Mode, PredictionDialect, RunId};
use earlystop::stopper::{Case, CurveFit, End, Field, Peer, Prediction, Sight, Stopper, Verdict};

/// Splitmix64: the draws are the same everywhere.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn one(&mut self) -> f64 {
        self.below(1 << 53) as f64 / (1u64 << 53) as f64
    }

    fn sample(&mut self, of: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..of).collect();
        (0..count.min(of)).for_each(|i| all.swap(i, i + self.below(of - i)));
        all.truncate(count);
        all
    }
}

struct Outcome {
    speedup: f64,
    kept: bool,
    regret: f64,
    /// The longest decision, in seconds.
    longest: f64,
}

fn run(corpus: &Corpus, stopper: &dyn Stopper, grace: Option<f64>, order: &[usize]) -> Outcome {
    let length = corpus.length();
    let mut field = Field::default();
    let (mut used, mut best, mut survivor, mut longest) = (0, f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0f64);
    for (number, index) in order.iter().enumerate() {
        let trial = &corpus.trials[*index];
        let id = RunId(number as u128);
        field.enter(id, Peer { name: number.to_string().into(), params: trial.params.clone(), ..Peer::default() });
        let last = trial.values.last().copied().unwrap_or(f64::NAN);
        best = best.max(last);
        let mut end = End::Complete;
        for (step, value) in trial.values.iter().enumerate() {
            let at = step as f64 + 1.0;
            field.report(id, at, *value);
            used += 1;
            let max = Some(length as f64);
            let (unit, before) = (field.unit(id).expect("entered"), (step > 0).then_some(at - 1.0));
            let grace = grace.map(|share| share * length as f64);
            let mut case =
                Case { field: &mut field, run: id, unit, at, before, max, grace, min_peers: None, mode: corpus.mode };
            let begun = Instant::now();
            let verdict = stopper.decide(&mut case);
            longest = longest.max(begun.elapsed().as_secs_f64());
            if matches!(verdict, Verdict::Stop(_)) && step + 1 < length {
                end = End::Cut;
                break;
            }
        }
        if end == End::Complete {
            survivor = survivor.max(last);
        }
        field.end(id, end);
    }
    let regret = ((best - survivor) / best.abs()).min(1.0);
    Outcome { speedup: (order.len() * length) as f64 / used as f64, kept: survivor >= best, regret, longest }
}

/// All permutations, on all cores; the same outcomes whatever their number.
fn permute(corpus: &Corpus, rule: &Rule, permutations: usize) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let stopper = (rule.make)();
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= permutations {
                return done;
            }
            let order = Draw(number as u64 * 7919 + 1).sample(corpus.trials.len(), 100);
            done.push(run(corpus, stopper.as_ref(), rule.grace, &order));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    })
}

struct Rule {
    name: String,
    grace: Option<f64>,
    make: Box<dyn Fn() -> Box<dyn Stopper> + Sync>,
}

fn rules() -> Vec<Rule> {
    let mut rules = Vec::new();
    for p in [0.05, 0.2] {
        for grace in [0.2, 0.3, 0.5] {
            let name = format!("curve p {p} grace {grace}");
            rules.push(Rule { name, grace: Some(grace), make: Box::new(move || Box::new(CurveFit::new(p))) });
        }
    }
    for dialect in PredictionDialect::ALL {
        for train in [10, 20] {
            for (delta, grace) in [0.95, 0.99].iter().flat_map(|delta| [0.2, 0.3, 0.5].map(|grace| (*delta, grace))) {
                let name = format!("{} train {train} delta {delta} grace {grace}", dialect.as_str());
                let make = move || Box::new(Prediction::new(delta, train, dialect, Sight::All)) as Box<dyn Stopper>;
                rules.push(Rule { name, grace: Some(grace), make: Box::new(make) });
            }
        }
    }
    rules
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let after = |flag: &str| args.iter().position(|arg| arg == flag).and_then(|i| args.get(i + 1));
    let permutations = after("--permutations").and_then(|n| n.parse().ok()).unwrap_or(100);
    let only = after("--only").cloned().unwrap_or_default();
    let folder = args.first().filter(|arg| !arg.starts_with("--")).map_or("../shared/curves".into(), PathBuf::from);
    if let Some(file) = after("--system") {
        let corpus = Corpus::recorded(Path::new(file)).expect("a file of benches/system_metrics.py");
        return accuracy::sights(&corpus);
    }
    if args.iter().any(|arg| arg == "--cost") {
        return accuracy::cost();
    }
    let corpora = [
        ("metaqnn_cifar10", "acc_", Mode::Max),
        ("deep_resnets_cifar10", "acc_", Mode::Max),
        ("lstm_ptb", "ep_", Mode::Min),
    ];
    let corpora: Vec<Corpus> =
        corpora.iter().filter_map(|(name, prefix, mode)| Corpus::read(&folder, name, prefix, *mode)).collect();
    if corpora.is_empty() {
        println!("no corpus in {}: give the folder as the first argument", folder.display());
        return;
    }
    if args.iter().any(|arg| arg == "--calibration") {
        return accuracy::calibration(&corpora);
    }
    if args.iter().any(|arg| arg == "--accuracy") {
        return accuracy::table(&corpora);
    }
    for rule in rules().iter().filter(|rule| rule.name.contains(&only)) {
        print!("{:36}", rule.name);
        for corpus in &corpora {
            let all = permute(corpus, rule, permutations);
            let mean = |of: &dyn Fn(&Outcome) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
            let longest = all.iter().fold(0.0f64, |longest, o| longest.max(o.longest));
            print!(
                " | {} {:5.2}x {:.3} {:.4} {:5.1}ms",
                &corpus.name[..4],
                mean(&|o| o.speedup),
                mean(&|o| f64::from(u8::from(o.kept))),
                mean(&|o| o.regret),
                longest * 1e3
            );
        }
        println!();
    }
}
