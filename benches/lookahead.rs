//! What rules that look ahead save and lose on recorded curves, and what a decision costs.
//!
//! `cargo bench --bench lookahead -- [FOLDER] [--permutations N] [--only NAME] [--calibration]`: FOLDER holds the corpora (default
//! `../shared/curves`). 100 trials drawn at random, one worker, one after the other; speed-up is the recorded steps over those
//! that were done, kept how often the best of the hundred survives, regret how much worse the best survivor is.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use earlystop::model::{Mode, RunId};
use earlystop::stopper::{Case, Curve, CurveFit, End, Field, Method, Peer, Prediction, Sight, Stopper, Verdict};

/// A recorded trial; values turned so that higher is better.
struct Trial {
    values: Vec<f64>,
    params: Arc<BTreeMap<String, String>>,
}

struct Corpus {
    name: &'static str,
    mode: Mode,
    trials: Vec<Trial>,
}

impl Corpus {
    fn length(&self) -> usize {
        self.trials[0].values.len()
    }

    /// Columns that begin with `prefix`, from the first trained step on.
    fn read(folder: &Path, name: &'static str, prefix: &str, mode: Mode) -> Option<Corpus> {
        let file = std::fs::File::open(folder.join(format!("{name}.csv.gz"))).ok()?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().expect("a head").split(',').collect();
        let step = |column: &str| column.strip_prefix(prefix).and_then(|n| n.parse::<u32>().ok());
        let sign = if mode == Mode::Max { 1.0 } else { -1.0 };
        let row = |line: &str| {
            let cells = cells(line);
            let values = head.iter().zip(&cells).filter(|(column, _)| step(column).is_some_and(|n| n > 0));
            let params = head.iter().zip(&cells).filter(|(column, _)| step(column).is_none() && **column != "net");
            Trial {
                values: values.map(|(_, cell)| sign * cell.parse().unwrap_or(f64::NAN)).collect(),
                params: Arc::new(params.map(|(name, cell)| ((*name).into(), cell.clone())).collect()),
            }
        };
        Some(Corpus { name, mode, trials: lines.map(row).collect() })
    }
}

/// The cells of a line of CSV; a quoted one may hold commas.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => cells.last_mut().expect("one at least").push(c),
        }
    }
    cells
}

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
        for grace in [0.1, 0.2, 0.3, 0.5] {
            let name = format!("curve p {p} grace {grace}");
            rules.push(Rule { name, grace: Some(grace), make: Box::new(move || Box::new(CurveFit::new(p))) });
        }
    }
    let methods = [("ridge", Method::Ridge), ("nu-svr", Method::NuSvr), ("chosen", Method::Chosen)];
    for (method_name, method) in methods {
        for train in [10, 20, 40] {
            for grace in [0.1, 0.2, 0.3, 0.5] {
                let name = format!("prediction {method_name} {train} grace {grace}");
                let make =
                    move || Box::new(Prediction::with(0.95, train, method, Sight::Parameters)) as Box<dyn Stopper>;
                rules.push(Rule { name, grace: Some(grace), make: Box::new(make) });
            }
        }
    }
    rules
}

/// How forecasts of kind `curve` come out: the share of trials whose end lies below a quantile of what was forecast.
fn calibration(corpora: &[Corpus]) {
    println!("| corpus | known | below 5 % | 50 % | 95 % | median error | of the last value | ms |");
    for corpus in corpora {
        for share in [0.2, 0.3, 0.5, 0.7, 0.9] {
            let (mut places, mut errors, mut stays) = (Vec::new(), Vec::new(), Vec::new());
            let begun = Instant::now();
            for Trial { values, .. } in &corpus.trials {
                let known = (share * values.len() as f64).round() as usize;
                let mut curve = Curve::default();
                values[..known].iter().enumerate().for_each(|(i, v)| _ = curve.push(i as f64 + 1.0, *v));
                let Some(forecast) = CurveFit::forecast(&curve, values.len() as f64) else { continue };
                let came = values[values.len() - 1];
                places.push(1.0 - forecast.above(came));
                errors.push((forecast.mean - came).abs());
                stays.push((values[known - 1] - came).abs());
            }
            let count = places.len() as f64;
            let below = |level: f64| places.iter().filter(|place| **place < level).count() as f64 / count;
            let ms = begun.elapsed().as_secs_f64() * 1e3 / count;
            let (low, middle, high) = (below(0.05), below(0.5), below(0.95));
            let (error, stay) = (median(errors), median(stays));
            let name = corpus.name;
            println!("| {name} | {share} | {low:.3} | {middle:.3} | {high:.3} | {error:.4} | {stay:.4} | {ms:.2} |");
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let after = |flag: &str| args.iter().position(|arg| arg == flag).and_then(|i| args.get(i + 1));
    let permutations = after("--permutations").and_then(|n| n.parse().ok()).unwrap_or(100);
    let only = after("--only").cloned().unwrap_or_default();
    let folder = args.first().filter(|arg| !arg.starts_with("--")).map_or("../shared/curves".into(), PathBuf::from);
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
        return calibration(&corpora);
    }
    for rule in rules().iter().filter(|rule| rule.name.contains(&only)) {
        print!("{:28}", rule.name);
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
