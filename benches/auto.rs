//! What the rule `auto` saves and loses on the public corpora of learning curves, and what a decision costs.
//!
//! `cargo bench --bench auto -- [corpora|frontier|settings|cost] [--permutations N] [--seed S] [--threads T]`, all four by
//! default; the corpora are looked for in `../shared/curves`. 100 trials drawn at random, one worker.

use std::sync::Arc;
use std::time::Instant;

use earlystop::model::{AshaDialect, MedianDialect, Mode, RunId, Slack, StopperKind};
use earlystop::stopper::{self, Case, End, Field, Peer, Stopper, Verdict};

mod corpora;

use corpora::{Corpus, Means, Outcome, Rule, SAMPLE, permute};

struct Plan {
    permutations: usize,
    seed: u64,
    threads: usize,
}

fn rule(name: &str, kind: &StopperKind, grace: Option<f64>) -> Rule {
    Rule { name: name.into(), stopper: stopper::of(kind).expect("a kind with a rule"), grace, workers: 1 }
}

fn auto() -> Rule {
    rule("auto", &StopperKind::Auto, None)
}

/// All dialects that are shipped, with grace of 10 to 50 % of the length.
fn dialects() -> Vec<Rule> {
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
    let graces = (2..=10).map(|n| f64::from(n) * 0.05);
    let with = |grace: f64| {
        kinds.iter().map(move |(name, kind)| (format!("{name}, grace {:.0} %", 100.0 * grace), kind, grace))
    };
    graces.flat_map(with).map(|(name, kind, grace)| rule(&name, kind, Some(grace))).collect()
}

fn line(name: &str, outcomes: &[Outcome]) {
    let m = Means::of(outcomes);
    println!(
        "  {name:<44}{:>6.2}x  kept {:.3} +- {:.3}  regret {:.3} %",
        m.speedup,
        m.kept,
        m.kept_within,
        100.0 * m.regret
    );
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
        let ours = permute(corpus, &auto(), plan.permutations, SAMPLE, plan.seed, plan.threads);
        println!("{}", corpus.name);
        line("auto", &ours);
        let look = |rule: &Rule, count| permute(corpus, rule, count, SAMPLE, plan.seed, plan.threads);
        let first: Vec<(Rule, Means)> = (dialects().into_iter())
            .map(|rule| (rule.clone(), Means::of(&look(&rule, plan.permutations.min(FIRST_LOOK)))))
            .collect();
        // Who is beaten clearly, in speed and in what is kept, is not on the frontier.
        let beaten = |m: &Means| first.iter().any(|(_, o)| o.speedup > m.speedup + 0.05 && o.kept > m.kept + 0.04);
        let good = first.iter().filter(|(_, means)| !beaten(means));
        let mut front: Vec<(&Rule, Vec<Outcome>)> =
            good.map(|(rule, _)| (rule, look(rule, plan.permutations))).collect();
        front.sort_by(|a, b| Means::of(&a.1).speedup.total_cmp(&Means::of(&b.1).speedup));
        let mut fastest = Vec::new();
        for (rule, outcomes) in &front {
            let m = Means::of(outcomes);
            let is_beaten = front.iter().map(|(_, o)| Means::of(o)).any(|o| o.speedup > m.speedup && o.kept > m.kept);
            if !is_beaten {
                line(&rule.name, outcomes);
            }
            if m.speedup >= 0.98 * Means::of(&ours).speedup {
                fastest.push((m.kept, rule, outcomes));
            }
        }
        match fastest.iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((_, rule, outcomes)) => against(&ours, rule, outcomes),
            None => println!("  no dialect is as fast as auto"),
        }
    }
}

/// The difference in what is kept, permutation by permutation.
fn against(ours: &[Outcome], rule: &Rule, theirs: &[Outcome]) {
    let kept = |o: &Outcome| f64::from(u8::from(o.kept));
    let differences: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| kept(a) - kept(b)).collect();
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n;
    let within = 1.96 * (variance / n).sqrt();
    println!("  the best dialect at auto's speed or above: {}; auto keeps {mean:+.3} +- {within:.3} more", rule.name);
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

/// Trials of 500 reports; `obeys`: those that are condemned end, else all come to their end.
fn cost(obeys: bool) {
    const LENGTH: usize = 500;
    let rule: Arc<dyn Stopper> = auto().stopper;
    let (mut field, mut state) = (Field::default(), 7);
    let (mut due, mut learnt, mut not_due) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..1200 {
        let run = RunId(n);
        field.enter(run, Peer { name: n.to_string().into(), ..Peer::default() });
        let (height, pace) = (random(&mut state), 20.0 + 200.0 * random(&mut state));
        let mut end = End::Complete;
        let mut is_first = true;
        for at in 1..LENGTH {
            let value = height * (1.0 - (-(at as f64) / pace).exp()) + 0.02 * random(&mut state);
            field.report(run, at as f64, value);
            let (unit, before) = (field.unit(run).expect("it has entered"), (at > 1).then_some(at as f64 - 1.0));
            let (at, max) = (at as f64, Some(LENGTH as f64));
            let mut case =
                Case { field: &mut field, run, unit, at, before, max, grace: None, min_peers: None, mode: Mode::Max };
            let begin = Instant::now();
            let verdict = rule.decide(&mut case);
            let took = begin.elapsed().as_nanos() as f64 / 1000.0;
            let is_due = verdict != Verdict::NotDue;
            if n >= 1000 {
                let times = if !is_due {
                    &mut not_due
                } else if is_first {
                    &mut learnt
                } else {
                    &mut due
                };
                times.push(took);
            }
            is_first &= !is_due;
            if obeys && matches!(verdict, Verdict::Stop(_)) {
                end = End::Cut;
                break;
            }
        }
        field.end(run, end);
    }
    let show = |what: &str, times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!("  {what:<44}median {:>8.2} us, 99 % {:>8.2} us, longest {:>8.2} us", at(0.5), at(0.99), at(1.0));
    };
    println!(
        "a decision with 1,000 to 1,200 ended trials of {LENGTH} reports, {}",
        if obeys { "stopped as it says" } else { "all complete" }
    );
    show("no rung crossed", &mut not_due);
    show("the first rung of a trial", &mut learnt);
    show("a later rung", &mut due);
    // The first rungs at which all was learnt anew: one of twenty.
    let relearnt = learnt.len() - learnt.len() / 25;
    show("the slowest in 25 of the first rungs", &mut learnt[relearnt..].to_vec());
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
    let Some(all) = corpora::corpora(&corpora::folder()) else {
        return println!("no corpora in {}", corpora::folder().display());
    };
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
