//! A replay over random samples of complete trials.

use std::num::NonZero;
use std::sync::Arc;

use serde_json::{Value, json};

use super::page::{Page, Section};
use super::plot::{Kind, Point, alone, short_baseline};
use super::text::{number, unit};
use super::{Args, given, unreadable};
use crate::cli::Failure;
use crate::cli::table::Align;
use crate::model::{Name, Policy};
use crate::replay::{Corpus, Cost, FINISHED, Figure, Permuted, Plan, Pool, Tape, Way, permute, refused};

/// Trials in a permutation if nothing is said.
const SAMPLE: usize = 100;

/// What is drawn from, and how.
struct Drawing {
    corpus: Corpus,
    pools: Vec<Pool>,
    without: Vec<Name>,
    plan: Plan,
}

/// Draws, and tells what came: the report, and the same for people.
///
/// # Errors
/// A journal is damaged, the policy is refused or cannot be replayed like this, there is nothing to draw.
pub fn run(args: &Args, count: usize, tapes: &[Tape]) -> Result<(Value, Page), Failure> {
    let policy = match tapes.first().map(|tape| given(args, tape)).transpose()?.flatten() {
        Some(policy) => policy,
        None => return Err(Failure::new("--permutations need a policy", "give one by --policy")),
    };
    refuse(&policy)?;
    let mut corpus = Corpus::default();
    for tape in tapes {
        corpus.add(tape).map_err(unreadable)?;
    }
    let (pools, without) = Pool::all(&corpus, &args.question());
    let plan = plan(args, count, &pools);
    if pools.is_empty() {
        let complete = number(corpus.len(), "trial");
        let hint = "give journals with trials that came to their end, and --metric NAME --mode min|max if they named no objective";
        return Err(Failure::new(format!("{complete} came to an end, and none has an objective with a value"), hint));
    }
    let most = pools.iter().map(Pool::len).max().unwrap_or(0);
    if let Some(asked) = args.sample.filter(|asked| *asked as usize > most) {
        let hint = format!("say --sample {most} or less, or leave it out");
        return Err(Failure::new(
            format!("--sample {asked}: no experiment has more than {most} complete trials"),
            hint,
        ));
    }
    let drawing = Drawing { corpus, pools, without, plan };
    let permuted = permute(&drawing.pools, &policy, drawing.corpus.settings(), &plan).map_err(faulty)?;
    let mut page = page(args, &drawing, &permuted, &policy);
    if args.html.is_some() {
        page.points = points(&drawing, &permuted, &policy)?;
    }
    Ok((report(args, &drawing, &permuted, &policy), page))
}

fn faulty(why: String) -> Failure {
    Failure::new(
        format!("the replay's engine refused something: {why}"),
        "this is a fault of earlystop's: please report it",
    )
}

fn plan(args: &Args, permutations: usize, pools: &[Pool]) -> Plan {
    let steps = pools.iter().any(Pool::reports_steps);
    Plan {
        permutations,
        sample: args.sample.map_or(SAMPLE, |sample| sample as usize),
        seed: args.seed,
        workers: args.workers as usize,
        cost: args.cost().unwrap_or(if steps { Cost::Steps } else { Cost::Seconds }),
        halves: args.halves,
        threads: args.threads.or(std::thread::available_parallelism().ok()).unwrap_or(NonZero::<usize>::MIN),
    }
}

/// Rules that cannot be replayed on clocks of their own are named.
fn refuse(policy: &Policy) -> Result<(), Failure> {
    let refused = refused(policy);
    if refused.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = refused.iter().map(|(rule, why)| format!("{rule} ({why})")).collect();
    let message = format!("--permutations cannot replay {}", named.join(", "));
    let hint = "in a permutation every trial has a clock of its own, and no host; leave these rules out, or replay in recorded time";
    Err(Failure::new(message, hint))
}

/// JSON has no infinity and no NaN: null.
fn figure(figure: &Figure, told: &[(&str, f64)]) -> Value {
    let mut object = json!({"low": figure.low(), "high": figure.high()});
    for (name, value) in told {
        object[*name] = json!(value);
    }
    if let Some(halves) = figure.over_halves {
        let (low, high) = figure.over_permutations;
        object["over_permutations"] = json!({"low": low, "high": high});
        object["over_halves"] = json!({"low": halves.0, "high": halves.1});
    }
    object
}

fn way(way: &Way) -> Value {
    let spread = |f: &Figure| figure(f, &[("mean", f.mean), ("median", f.median)]);
    json!({
        "speedup": spread(&way.speedup),
        "kept": figure(&way.kept, &[("share", way.kept.mean)]),
        "regret": spread(&way.regret),
        "regret_scaled": spread(&way.regret_scaled),
    })
}

fn report(args: &Args, drawing: &Drawing, permuted: &Permuted, policy: &Arc<Policy>) -> Value {
    let plan = &drawing.plan;
    let rules = policy.rules.iter().map(|rule| {
        let did = permuted.rules.get(&rule.name).cloned().unwrap_or_default();
        json!({
            "rule": &*rule.name,
            "stopped": did.stopped,
            "limited": did.limited,
            "stopped_best": did.stopped_best,
        })
    });
    let mut report = way(&permuted.policy);
    let more = json!({
        "mode": "permutations",
        "policy": args.policy.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "journals": args.journals.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "permutations": plan.permutations,
        "sample": permuted.sample,
        "seed": plan.seed,
        "workers": plan.workers,
        "cost": plan.cost.as_str(),
        "rules": rules.collect::<Vec<_>>(),
        "baselines": permuted.baselines.iter().map(|(share, figures)| {
            let mut object = way(figures);
            object["name"] = json!(baseline(*share));
            object["share"] = json!(share);
            object
        }).collect::<Vec<_>>(),
        "experiments": drawing.pools.iter().map(|pool| json!({
            "experiment": pool.name.as_str(),
            "metric": pool.objective.metric,
            "mode": pool.objective.mode.as_str(),
            "trials": pool.len(),
        })).collect::<Vec<_>>(),
        "without_objective": drawing.without.iter().map(Name::as_str).collect::<Vec<_>>(),
        "trials": drawing.corpus.len(),
        "censored": {"trials": drawing.corpus.incomplete, "needed_beyond_record": 0},
        "superseded": drawing.corpus.superseded,
    });
    if let (Some(report), Value::Object(more)) = (report.as_object_mut(), more) {
        report.extend(more);
    }
    report
}

fn baseline(share: f64) -> String {
    format!("{} % of the reports, then finish the best {FINISHED}", (share * 100.0).round())
}

fn page(args: &Args, drawing: &Drawing, permuted: &Permuted, policy: &Arc<Policy>) -> Page {
    let plan = &drawing.plan;
    let files: Vec<String> = args.policy.iter().map(|path| path.display().to_string()).collect();
    let title = format!(
        "{}, {} each of {} complete, {}, seed {}, cost {}",
        number(plan.permutations, "permutation"),
        number(permuted.sample, "trial"),
        drawing.corpus.len(),
        number(plan.workers, "worker"),
        plan.seed,
        unit(plan.cost)
    );
    let head = vec![
        ("", Align::Left),
        ("SPEED-UP", Align::Right),
        ("(95 %)", Align::Left),
        ("KEPT", Align::Right),
        ("(95 %)", Align::Left),
        ("REGRET", Align::Right),
        ("SCALED", Align::Right),
    ];
    let row = |name: String, way: &Way| {
        vec![
            name,
            format!("{:.2}x", way.speedup.median),
            format!("{:.2}-{:.2}", way.speedup.low(), way.speedup.high()),
            format!("{:.3}", way.kept.mean),
            format!("{:.3}-{:.3}", way.kept.low(), way.kept.high()),
            format!("{:.3} %", 100.0 * way.regret.mean),
            format!("{:.3} %", 100.0 * way.regret_scaled.mean),
        ]
    };
    let mut rows = vec![row(files.join(", "), &permuted.policy)];
    rows.extend(permuted.baselines.iter().map(|(share, way)| row(baseline(*share), way)));
    let did = |rule: &Arc<crate::model::Rule>| {
        let did = permuted.rules.get(&rule.name).cloned().unwrap_or_default();
        let (each, best) = (did.stopped, 100.0 * did.stopped_best);
        let limited = match did.limited {
            0.0 => String::new(),
            held => format!("; held back from {held:.1} by the guard or max_stops"),
        };
        format!("rule {}: stops {each:.1} trials a permutation, the best one in {best:.1} %{limited}", rule.name)
    };
    let after = policy.rules.iter().map(did).collect();
    let sections = vec![Section { caption: String::new(), head, rows, after, detail: false }];
    Page { title, lead: Vec::new(), sections, notes: notes(drawing), points: Vec::new() }
}

/// The policy, each of its rules alone, and the baselines, for the plot.
fn points(drawing: &Drawing, permuted: &Permuted, policy: &Arc<Policy>) -> Result<Vec<Point>, Failure> {
    let point = |name: String, kind: Kind, way: &Way| Point {
        name,
        kind,
        used: 1.0 / way.speedup.median,
        kept: (way.kept.mean, way.kept.low(), way.kept.high()),
        regret: way.regret.mean,
    };
    let mut points = vec![point("the policy".to_string(), Kind::Policy, &permuted.policy)];
    let plan = Plan { halves: false, ..drawing.plan };
    for alone in alone(policy) {
        let name = alone.rules.first().map_or_else(String::new, |rule| rule.name.to_string());
        let one = permute(&drawing.pools, &Arc::new(alone), drawing.corpus.settings(), &plan).map_err(faulty)?;
        points.push(point(name, Kind::Rule, &one.policy));
    }
    points.extend(permuted.baselines.iter().map(|(share, way)| point(short_baseline(*share), Kind::Baseline, way)));
    Ok(points)
}

/// What must be known to read the figures.
fn notes(drawing: &Drawing) -> Vec<String> {
    let mut lines = Vec::new();
    let corpus = &drawing.corpus;
    if corpus.incomplete > 0 {
        lines.push(format!(
            "{} did not come to an end and cannot be drawn: the figures are of those that did.",
            number(corpus.incomplete, "trial")
        ));
    }
    if corpus.superseded > 0 {
        lines.push(format!("Of {} only the last complete attempt is drawn.", number(corpus.superseded, "trial")));
    }
    if !drawing.without.is_empty() {
        let names: Vec<&str> = drawing.without.iter().map(Name::as_str).collect();
        lines.push(format!("Left out, without an objective: {}.", names.join(", ")));
    }
    if drawing.pools.len() > 1 {
        lines.push(format!("Each permutation is of one of {} experiments, in turn.", drawing.pools.len()));
    }
    lines
}
