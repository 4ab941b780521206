//! What the rule `auto` saves and loses on the public corpora of learning curves, and what a decision costs.
//!
//! `cargo bench --bench auto -- [corpora|frontier|settings|cost] [--permutations N] [--seed S] [--threads T]`, all four by
//! default; the corpora are looked for in `../shared/curves`. 100 trials drawn at random, one worker.

use std::path::Path;
use std::time::Instant;

use earlystop::model::{AshaDialect, MedianDialect, Mode, RunId, Slack, StopperKind};
use earlystop::stopper::{self, Case, End, Field, Peer, Verdict};

mod corpora;

use corpora::{Corpus, Means, Outcome, Rule, SAMPLE, permute};

struct Plan {
    permutations: usize,
    seed: u64,
    threads: usize,
}

fn rule(kind: &StopperKind, grace: Option<f64>) -> Rule {
    Rule { stopper: stopper::of(kind).expect("a kind with a rule"), grace, workers: 1 }
}

fn auto() -> Rule {
    rule(&StopperKind::Auto, None)
}

/// All dialects that are shipped, with grace of 10 to 50 % of the length.
fn dialects() -> Vec<(String, Rule)> {
    let mut kinds = Vec::new();
    for dialect in MedianDialect::ALL {
        kinds.push((format!("median {}", dialect.as_str()), StopperKind::Median { dialect }));
    }
    for p in [25.0, 33.0] {
        kinds.push((format!("percentile {p}"), StopperKind::Percentile { p }));
    }
    for slack in [0.05, 0.1, 0.2] {
        kinds.push((format!("bandit {slack}"), StopperKind::Bandit { slack: Slack::Ratio(slack) }));
    }
    for dialect in AshaDialect::ALL {
        for eta in [2.0, 3.0, 4.0] {
            kinds.push((format!("asha {} eta {eta}", dialect.as_str()), StopperKind::Asha { eta, dialect }));
        }
    }
    let graces = (2..=10).map(|n| f64::from(5 * n));
    let named = |grace: f64| {
        kinds.iter().map(move |(name, kind)| (format!("{name}, grace {grace} %"), rule(kind, Some(grace / 100.0))))
    };
    graces.flat_map(named).collect()
}

fn line(name: &str, outcomes: &[Outcome]) {
    let Means { speedup, kept, regret } = Means::of(outcomes);
    // Half the width of the 95 % interval.
    let within = 1.96 * (kept * (1.0 - kept) / outcomes.len() as f64).sqrt();
    println!("  {name:<44}{speedup:>6.2}x  kept {kept:.3} +- {within:.3}  regret {:.3} %", 100.0 * regret);
}

fn corpora(all: &[Corpus], plan: &Plan) {
    println!("{} permutations of {SAMPLE} trials, one worker, seeds from {}", plan.permutations, plan.seed);
    for corpus in all {
        line(corpus.name, &permute(corpus, &auto(), plan.permutations, SAMPLE, plan.seed, plan.threads));
    }
}

/// A first look at every dialect takes so many permutations; the good ones get all.
const FIRST_LOOK: usize = 100;

fn frontier(all: &[Corpus], plan: &Plan) {
    for corpus in all {
        let look = |rule: &Rule, count| permute(corpus, rule, count, SAMPLE, plan.seed, plan.threads);
        let ours = look(&auto(), plan.permutations);
        println!("{}", corpus.name);
        line("auto", &ours);
        let first = plan.permutations.min(FIRST_LOOK);
        let seen: Vec<(String, Rule, Means)> =
            dialects().into_iter().map(|(name, rule)| (name, rule.clone(), Means::of(&look(&rule, first)))).collect();
        // Who is beaten clearly is not on the frontier.
        let beats = |a: &Means, b: &Means| a.speedup > b.speedup + 0.2 && a.kept >= b.kept;
        let good = seen.iter().filter(|(.., means)| !seen.iter().any(|(.., other)| beats(other, means)));
        let mut front: Vec<(&str, Vec<Outcome>, Means)> = good
            .map(|(name, rule, _)| (name.as_str(), look(rule, plan.permutations)))
            .map(|(name, outcomes)| (name, outcomes.clone(), Means::of(&outcomes)))
            .collect();
        front.sort_by(|a, b| a.2.speedup.total_cmp(&b.2.speedup));
        for (place, (name, outcomes, means)) in front.iter().enumerate() {
            if front[place + 1..].iter().all(|(.., faster)| faster.kept < means.kept) {
                line(name, outcomes);
            }
        }
        let as_fast = front.iter().filter(|(.., means)| means.speedup >= 0.98 * Means::of(&ours).speedup);
        match as_fast.max_by(|a, b| a.2.kept.total_cmp(&b.2.kept)) {
            Some((name, outcomes, _)) => against(&ours, name, outcomes),
            None => println!("  no dialect is as fast as auto"),
        }
    }
}

/// The difference in what is kept, permutation by permutation.
fn against(ours: &[Outcome], name: &str, theirs: &[Outcome]) {
    let kept = |o: &Outcome| f64::from(u8::from(o.kept));
    let differences: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| kept(a) - kept(b)).collect();
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n;
    let within = 1.96 * (variance / n).sqrt();
    println!("  the best dialect at 0.98 of auto's speed or above: {name}; auto keeps {mean:+.3} +- {within:.3}");
}

fn settings(all: &[Corpus], plan: &Plan) {
    let permutations = plan.permutations.min(200);
    println!("other settings, {permutations} permutations");
    for (name, sample, workers) in [
        ("10 trials", 10, 1),
        ("30 trials", 30, 1),
        ("300 trials", 300, 1),
        ("4 workers", SAMPLE, 4),
        ("16 workers", SAMPLE, 16),
    ] {
        for corpus in all {
            let rule = Rule { workers, ..auto() };
            let outcomes = permute(corpus, &rule, permutations, sample, plan.seed, plan.threads);
            line(&format!("{name}, {}", corpus.name), &outcomes);
        }
    }
    line(
        "1000 trials, metaqnn_cifar10",
        &permute(&all[0], &auto(), permutations.min(20), 1000, plan.seed, plan.threads),
    );
}

/// Between 0 and 1; SplitMix64.
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as f64 / u64::MAX as f64
}

/// Reports of a trial whose decisions are timed.
const LENGTH: u32 = 500;

/// Microseconds of decisions.
#[derive(Default)]
struct Times {
    not_due: Vec<f64>,
    first_rung: Vec<f64>,
    later_rung: Vec<f64>,
}

/// What the rule says of a trial's last report, and the microseconds that it took.
fn decide(field: &mut Field, run: RunId, at: u32) -> (Verdict, f64) {
    let rule = auto().stopper;
    let (unit, before) = (field.unit(run).expect("it has entered"), (at > 1).then_some(f64::from(at - 1)));
    let (at, max) = (f64::from(at), Some(f64::from(LENGTH)));
    let mut case = Case { field, run, unit, at, before, max, grace: None, min_peers: None, mode: Mode::Max };
    let begin = Instant::now();
    let verdict = rule.decide(&mut case);
    (verdict, begin.elapsed().as_nanos() as f64 / 1000.0)
}

impl Times {
    /// One more trial. `obeys`: it ends when it is condemned, else it comes to its end.
    fn trial(&mut self, field: &mut Field, number: u32, state: &mut u64, obeys: bool) {
        let run = RunId(u128::from(number));
        field.enter(run, Peer { name: number.to_string().into(), ..Peer::default() });
        let (height, pace) = (random(state), 20.0 + 200.0 * random(state));
        let (mut end, mut is_first) = (End::Complete, true);
        for at in 1..LENGTH {
            let value = height * (1.0 - (-f64::from(at) / pace).exp()) + 0.02 * random(state);
            field.report(run, f64::from(at), value);
            let (verdict, took) = decide(field, run, at);
            match (&verdict, is_first) {
                (Verdict::NotDue, _) => self.not_due.push(took),
                (_, true) => self.first_rung.push(took),
                (_, false) => self.later_rung.push(took),
            }
            is_first &= verdict == Verdict::NotDue;
            if obeys && matches!(verdict, Verdict::Stop(_)) {
                end = End::Cut;
                break;
            }
        }
        field.end(run, end);
    }
}

fn show(what: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("  {what:<44}median {:>8.2} us, 99 % {:>8.2} us, longest {:>8.2} us", at(0.5), at(0.99), at(1.0));
}

fn cost(obeys: bool) {
    let (mut field, mut state) = (Field::default(), 7);
    (0..1000).for_each(|n| Times::default().trial(&mut field, n, &mut state, obeys));
    let mut times = Times::default();
    (1000..1200).for_each(|n| times.trial(&mut field, n, &mut state, obeys));
    let ended = if obeys { "stopped where it says so" } else { "all complete" };
    println!("a decision with 1,000 to 1,200 ended trials of {LENGTH} reports, {ended}");
    show("no rung crossed", &mut times.not_due);
    show("the first rung of a trial", &mut times.first_rung);
    show("a later rung", &mut times.later_rung);
    // With so many that have ended, every twentieth or so makes the next decision learn.
    let learns = times.first_rung.len() - times.first_rung.len() / 25;
    show("the first rung, where it learns", &mut times.first_rung[learns..]);
    // A clone begins without what was learnt.
    let mut cold: Vec<f64> = (0..20).map(|_| decide(&mut field.clone(), RunId(1199), 25).1).collect();
    show("the first decision after a restart", &mut cold);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let number = |flag: &str, default: u64| {
        let place = arguments.iter().position(|a| a == flag);
        place.and_then(|i| arguments.get(i + 1)?.parse().ok()).unwrap_or(default)
    };
    let plan = Plan {
        permutations: number("--permutations", 1000) as usize,
        seed: number("--seed", 70001),
        threads: number("--threads", 2) as usize,
    };
    let asked = |what: &str| match arguments.first() {
        Some(first) if !first.starts_with("--") => first == what,
        _ => true,
    };
    if asked("cost") {
        cost(false);
        cost(true);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/curves");
    let Some(all) = corpora::corpora(&folder) else { return println!("no corpora in {}", folder.display()) };
    if asked("corpora") {
        corpora(&all, &plan);
    }
    if asked("settings") {
        settings(&all, &plan);
    }
    if asked("frontier") {
        frontier(&all, &plan);
    }
}
