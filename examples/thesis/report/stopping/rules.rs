//! Rules on learning curves: what they keep, lose and save.

use super::super::page::{Section, Table};
use super::found::Found;
use super::row::{Row, distinct};

/// The section.
pub fn section(found: &Found) -> Section {
    let words = vec![
        "`patience-N-TOL` is scikit-learn's rule: n_iter_no_change = N epochs whose mean training loss was not lower than the \
         lowest so far by tol = TOL; tol is in the loss's own unit, so that 0.001 is nothing where losses are large. `median`, \
         `asha` and `auto` compare a trial's score with those of the others."
            .to_string(),
        "Kept: no fold of the best configuration was stopped before its end. Regret is how much worse, as a share of the best \
         score, the best configuration is that was kept; `as stopped` counts stopped trials too, with the model that they were \
         stopped with, as scikit-learn does."
            .to_string(),
    ];
    Section {
        title: "RQ3: rules on learning curves".into(),
        answer: answer(found),
        words,
        tables: vec![table(&found.learning)],
        ..Section::default()
    }
}

/// Rules that lose little on every set, and the cheapest of them.
fn answer(found: &Found) -> String {
    let points: Vec<&Row> = found.points.iter().filter(|row| row.text("kind") == "rule").collect();
    let rules = distinct(&found.learning, "rule");
    let sets = distinct(&found.learning, "set");
    let mut sound: Vec<(f64, &str)> = Vec::new();
    for rule in &rules {
        let of: Vec<&&Row> = points.iter().filter(|row| row.text("policy") == *rule).collect();
        if of.is_empty() || of.iter().any(|row| row.holds("failed")) {
            continue;
        }
        let used = of.iter().filter_map(|row| row.number("used_cpu")).sum::<f64>() / of.len() as f64;
        sound.push((used, rule));
    }
    sound.sort_by(|a, b| a.0.total_cmp(&b.0));
    let on = if sets.len() > 1 { format!("each of the {} data sets", sets.len()) } else { sets.concat() };
    match sound.first() {
        None if rules.is_empty() => "No rule was tried.".into(),
        None => format!("None of {} rules loses at most 0.1 % of the best score on {on}.", rules.len()),
        Some((used, rule)) => format!(
            "{} of {} rules lose at most 0.1 % of the best score on {on}; the cheapest of them, {rule}, takes {:.0} % of the CPU \
             that the whole search takes.",
            sound.len(),
            rules.len(),
            100.0 * used
        ),
    }
}

fn table(learning: &[Row]) -> Table {
    let head = vec![
        "data set",
        "rule",
        "trials",
        "stopped",
        "held back by the guard",
        "best",
        "best score",
        "best kept",
        "its score",
        "kept",
        "regret %",
        "regret as stopped %",
        "saved steps %",
        "saved time %",
        "saved CPU %",
        "remark",
    ];
    let columns =
        ["set", "rule", "trials", "stopped", "held_back", "best", "best_score", "best_kept", "kept_score", "kept"];
    let shares = ["regret", "regret_as_stopped", "saved_steps", "saved_seconds", "saved_cpu"];
    let row = |row: &Row| {
        let cells = columns.iter().map(|column| row.cell(column));
        cells.chain(shares.iter().map(|column| row.percent(column))).chain([row.cell("note")]).collect()
    };
    let caption =
        "Rules on learning curves, by replay. A batch size in a configuration's name is no finding about learning.";
    let (caption, rows) = (caption.into(), learning.iter().map(row).collect());
    Table { name: "rq3_rules", caption, head, rows, shown: 80 }
}
