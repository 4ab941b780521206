//! A replay in recorded time.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::page::Page;
use super::plot::{Kind, Point, alone, short_baseline};
use super::{Args, given, json, text, unreadable};
use crate::cli::Failure;
use crate::model::Policy;
use crate::replay::{Corpus, Cost, Experiment, Outcome, Past, Pool, Retold, Tape, Under, baselines, past, retell};

/// One journal, before and after.
pub struct Replayed {
    /// Where it lies.
    pub path: PathBuf,
    /// The policy that was given, as it is understood for this journal.
    pub policy: Option<Arc<Policy>>,
    /// Its times are made up.
    pub made_up: bool,
    /// As it was.
    pub past: Past,
    /// As it would have been.
    pub told: Retold,
}

/// A replay of all journals.
pub struct Replay {
    /// Whether the record's own policies were replayed.
    pub own: bool,
    /// The journals.
    pub journals: Vec<Replayed>,
    /// All of them together.
    pub outcome: Outcome,
    /// The unit of the speed-up.
    pub cost: Cost,
}

/// Replays all journals: the report, and the same for people.
///
/// # Errors
/// A journal is damaged, the policy refused.
pub fn run(args: &Args, tapes: &[Tape]) -> Result<(Value, Page), Failure> {
    let mut journals = Vec::new();
    for tape in tapes {
        let policy = given(args, tape)?;
        let past = past(tape).map_err(unreadable)?;
        let under = policy.clone().map_or(Under::Recorded, Under::Given);
        let told = retell(tape, &past, under).map_err(unreadable)?;
        let (path, made_up) = (tape.path().to_path_buf(), tape.has_made_up_times());
        journals.push(Replayed { path, policy, made_up, past, told });
    }
    let mut outcome = Outcome::default();
    journals.iter().for_each(|journal| outcome.add(&journal.past, &journal.told, &args.question()));
    let steps = outcome.recorded.steps > 0.0;
    let cost = args.cost().unwrap_or(if steps { Cost::Steps } else { Cost::Seconds });
    let replay = Replay { own: args.policy.is_empty(), journals, outcome, cost };
    let mut page = text::page(args, &replay);
    if args.html.is_some() {
        page.points = points(args, tapes, &replay)?;
    }
    Ok((json::report(args, &replay), page))
}

/// The policy, each of its rules alone, and the baselines over the trials that came to their end, for the plot.
fn points(args: &Args, tapes: &[Tape], replay: &Replay) -> Result<Vec<Point>, Failure> {
    let mut points: Vec<Point> = point("the policy", Kind::Policy, &replay.outcome, replay.cost).into_iter().collect();
    let rules = replay.journals.first().and_then(|journal| journal.policy.as_ref()).map_or(0, |p| p.rules.len());
    for n in 0..rules {
        let mut outcome = Outcome::default();
        let mut name = String::new();
        for (tape, journal) in tapes.iter().zip(&replay.journals) {
            let Some(alone) = journal.policy.as_ref().and_then(|policy| alone(policy).nth(n)) else { continue };
            name = alone.rules.first().map_or_else(String::new, |rule| rule.name.to_string());
            let told = retell(tape, &journal.past, Under::Given(Arc::new(alone))).map_err(unreadable)?;
            outcome.add(&journal.past, &told, &args.question());
        }
        points.extend(point(&name, Kind::Rule, &outcome, replay.cost));
    }
    let mut corpus = Corpus::default();
    for tape in tapes {
        corpus.add(tape).map_err(unreadable)?;
    }
    let (pools, _) = Pool::all(&corpus, &args.question());
    points.extend(baselines(&pools, replay.cost).into_iter().map(|(share, plain)| Point {
        name: short_baseline(share),
        kind: Kind::Baseline,
        used: 1.0 / plain.speedup,
        kept: (plain.kept, plain.kept, plain.kept),
        regret: plain.regret,
    }));
    Ok(points)
}

/// Where an outcome lies; nowhere without an objective.
fn point(name: &str, kind: Kind, outcome: &Outcome, cost: Cost) -> Option<Point> {
    let mean = |of: &dyn Fn(&Experiment) -> f64| {
        outcome.experiments.iter().map(of).sum::<f64>() / outcome.experiments.len() as f64
    };
    (!outcome.experiments.is_empty()).then(|| Point {
        name: name.to_string(),
        kind,
        used: 1.0 / outcome.speedup(cost).high,
        kept: (mean(&|e| e.kept.high), mean(&|e| e.kept.low), mean(&|e| e.kept.high)),
        regret: mean(&|e| e.regret.low),
    })
}
