//! Searches with a policy in force, beside what the replay foretold.

use super::super::page::{Section, Table};
use super::row::Row;

/// The section.
pub fn section(live: &[Row]) -> Section {
    let words = vec![
        "Each policy was in force in a search of its own, and what that search took is compared with the record. Saved: shares of \
         what the record took. Steps are free of what else the machine does; time and CPU are not, for the two searches ran at \
         different times. Off by: the difference in saved steps as a share of what was foretold."
            .to_string(),
    ];
    Section {
        title: "RQ3: policies in force, foretold and real".into(),
        answer: answer(live),
        words,
        tables: vec![table(live)],
        ..Section::default()
    }
}

fn answer(live: &[Row]) -> String {
    let agree = live.iter().filter(|row| row.holds("agrees")).count();
    let real = |row: &&Row| row.number("real_steps").unwrap_or(f64::NEG_INFINITY);
    let Some(most) = live.iter().max_by(|a, b| real(a).total_cmp(&real(b))) else {
        return "No policy was run for real: `-- policies` without --replay-only runs three.".into();
    };
    format!(
        "In {agree} of {} live runs (policy and data set) the steps saved are within 10 % of what the replay foretold; most was \
         saved by {} on {}: {:.0} % of the steps, foretold {:.0} %.",
        live.len(),
        most.text("policy"),
        most.text("set"),
        100.0 * real(&most),
        100.0 * most.number("foretold_steps").unwrap_or(0.0)
    )
}

fn table(live: &[Row]) -> Table {
    let head = vec![
        "data set",
        "policy",
        "stopped, foretold",
        "stopped, real",
        "saved steps %, foretold",
        "saved steps %, real",
        "saved time %, foretold",
        "saved time %, real",
        "saved CPU %, foretold",
        "saved CPU %, real",
        "off by %",
        "within 10 %",
    ];
    let shares =
        ["foretold_steps", "real_steps", "foretold_seconds", "real_seconds", "foretold_cpu", "real_cpu", "off_by"];
    let row = |row: &Row| {
        let cells = ["set", "policy", "foretold_stopped", "real_stopped"].map(|column| row.cell(column));
        cells.into_iter().chain(shares.map(|column| row.percent(column))).chain([row.cell("agrees")]).collect()
    };
    let caption = "Foretold by replay beside what a live run saved. Without an `off by` nothing was foretold, and something saved.";
    let (caption, rows) = (caption.into(), live.iter().map(row).collect());
    Table { name: "rq3_live", caption, head, rows, shown: 40 }
}
