//! Budgets and rules in one picture: what a policy takes against what it loses, and how soon it finds what it finds.

use super::super::page::{Cell, Section, Table};
use super::super::plot::{Axis, Dot, Line, Shape, Size, lines, scatter};
use super::found::Found;
use super::row::{Row, distinct};

/// Kinds of policies, as rows name them, and as the legend does.
const KINDS: [(&str, &str); 4] = [
    ("rule", "rule on learning curves"),
    ("budget", "budget"),
    ("none", "no policy"),
    ("baseline", "a few epochs for all, then the best alone"),
];

/// What one does without a policy, as rows name it.
const NONE: &str = "no policy";

/// Scores that are worse than the best by more than this share are drawn at the edge, so that the others can be told apart.
const NEAR: f64 = 0.25;

/// The section.
pub fn section(found: &Found) -> Section {
    let points = &found.points;
    let mut plots: Vec<String> = Vec::new();
    for set in distinct(points, "set") {
        plots.extend(pareto(set, points));
        plots.push(ways(set, &found.ways));
    }
    let nothing = points.iter().filter(|row| row.number("regret").is_none()).count();
    let words = vec![
        format!(
            "Regret is how much worse the best that one still has under the policy is than the best of all: under a budget only \
             what was not stopped may be had, under a rule also the models that trials were stopped with. Lower left is better; \
             joined and named are policies that no other beats in both. `epochs-N` is the baseline that needs no sidecar: \
             all are trained for N epochs, and only the best of them to its end (its time and CPU by its steps). {nothing} of {} policies leave nothing to choose from \
             and are not drawn.",
            points.len()
        ),
        "Best score against total compute: as if the configurations were done one after another, all folds of each, in the \
         order in which the record began them. A line begins where the first configuration is done, and ends where all are; \
         the score is the mean over the folds, diverged configurations left out. Scores worse than the best by more than a \
         quarter are drawn at the edge. A line can end better than without a policy, where a model was better before its end."
            .to_string(),
    ];
    Section {
        title: "RQ3: budgets and rules together".into(),
        answer: answer(points),
        words,
        plots,
        tables: vec![table(points), of_ways(&found.ways)],
        ..Section::default()
    }
}

/// The cheapest policy that loses little, on each set, and beside it the cheapest that needs no sidecar.
fn answer(points: &[Row]) -> String {
    let used = |row: &Row| row.number("used_cpu").unwrap_or(1.0);
    let cheapest = |kinds: &[&str]| {
        let of_set = |set: &&str| {
            let sound = points.iter().filter(|row| row.text("set") == *set && !row.holds("failed"));
            let best = sound.filter(|row| kinds.contains(&row.text("kind"))).min_by(|a, b| used(a).total_cmp(&used(b)));
            match best {
                Some(row) => format!("on {set} {} ({:.0} %)", row.text("policy"), 100.0 * used(row)),
                None => format!("on {set} none"),
            }
        };
        distinct(points, "set").iter().map(of_set).collect::<Vec<_>>().join("; ")
    };
    if points.is_empty() {
        return "No policy was tried.".into();
    }
    format!(
        "The cheapest policies that lose at most 0.1 % of the best score, and the share of the CPU they take: {}. The baseline \
         that trains all for a few epochs and then the best alone: {}.",
        cheapest(&["rule", "budget"]),
        cheapest(&["baseline"])
    )
}

fn pareto(set: &str, points: &[Row]) -> Option<String> {
    let dots: Vec<Dot> = points
        .iter()
        .filter(|row| row.text("set") == set)
        .filter_map(|row| {
            let kind = KINDS.iter().position(|kind| kind.0 == row.text("kind"))?;
            Some(Dot { name: row.text("policy").into(), x: row.number("used_cpu")?, y: row.number("regret")?, kind })
        })
        .collect();
    let axes = (
        Axis::shares("CPU taken, share of the whole search"),
        Axis::lost("regret, share of the best score", dots.iter().map(|dot| dot.y)),
    );
    (!dots.is_empty())
        .then(|| scatter(&format!("{set}: what policies take and lose"), axes, &KINDS.map(|kind| kind.1), &dots))
}

fn ways(set: &str, rows: &[Row]) -> String {
    let of_set: Vec<&Row> = rows.iter().filter(|row| row.text("set") == set).collect();
    let line = |name: &str| {
        let of = of_set.iter().filter(|row| row.text("policy") == name);
        let points = of.filter_map(|row| Some((row.number("cpu_seconds")?, row.number("best_score")?))).collect();
        Line { name: name.into(), points }
    };
    let mut policies = distinct(rows, "policy");
    // What one does without a policy lies beneath the others.
    policies.sort_by_key(|policy| *policy != NONE);
    let drawn: Vec<Line> = policies.into_iter().map(line).collect();
    let near = of_set.iter().filter(|row| row.number("regret").is_some_and(|regret| regret <= NEAR));
    let axes = (
        Axis::from_zero("total compute, CPU s", of_set.iter().filter_map(|row| row.number("cpu_seconds"))),
        Axis::around("best score known", near.filter_map(|row| row.number("best_score"))),
    );
    lines(Size::Broad, &format!("{set}: best score against total compute"), axes, Shape::Steps, &drawn)
}

fn table(points: &[Row]) -> Table {
    let head = vec![
        "data set",
        "policy",
        "kind",
        "trials",
        "stopped",
        "steps taken %",
        "time taken %",
        "CPU taken %",
        "regret %",
        "loses more than 0.1 %",
    ];
    let row = |row: &Row| -> Vec<Cell> {
        let cells = ["set", "policy", "kind", "trials", "stopped"].map(|column| row.cell(column));
        let shares = ["used_steps", "used_seconds", "used_cpu", "regret"].map(|column| row.percent(column));
        cells.into_iter().chain(shares).chain([row.cell("failed")]).collect()
    };
    let caption = "What every policy takes and loses; one without a regret leaves nothing to choose from.".into();
    Table { name: "rq3_points", caption, head, rows: points.iter().map(row).collect(), shown: 40 }
}

fn of_ways(ways: &[Row]) -> Table {
    let head = vec!["data set", "policy", "CPU s", "CPU %", "configurations done", "best score", "regret %"];
    let row = |row: &Row| {
        let mut cells = vec![row.cell("set"), row.cell("policy"), row.cell("cpu_seconds"), row.percent("cpu_share")];
        cells.extend([row.cell("configurations"), row.cell("best_score"), row.percent("regret")]);
        cells
    };
    let caption = "Where the best score known changes, and the end.".into();
    Table { name: "rq3_ways", caption, head, rows: ways.iter().map(row).collect(), shown: 0 }
}
